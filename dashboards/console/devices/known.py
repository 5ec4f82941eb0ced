# SPDX-License-Identifier: Apache-2.0
"""Everything that is known of one device, and of all: read in short looks, told by serial number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from coldchain.records.alarm_rows import Hold
from coldchain.records.alarms import Alarm, Notice, OutOfService
from coldchain.records.asked import Asked, AskedReader
from coldchain.records.deeds import Deeds
from coldchain.records.devices import DeviceReader, Dossier, Due, Entry, Facts, of_model, serial_of
from coldchain.records.passes import Pass, PassReader
from coldchain.records.proposals import Proposal, Proposals
from coldchain.records.registry import Appliance, Registry, Sensor
from coldchain.records.site import Held, Proving, SiteReader
from coldchain.records.work import WorkOrder, WorkReader
from dashboards.console.accounts.gate import visitor
from dashboards.console.console import Console
from dashboards.console.devices.figures import DAY_MS, Compared, Figures, Insight, Leave, spans_of
from dashboards.console.problems import Problem

FAULTS_SHOWN, COMPARED_SHOWN, ORDERS_SHOWN = 30, 3, 50
LEAVE_ASKED_MS = 7 * DAY_MS
"""So long after a repair "may I leave?" is asked."""
KINDS_OF_SITES = ("rota_gap", "chain", "drill")


@dataclass(frozen=True, slots=True)
class Tools:
    """What wiring gives the pages of devices. packet: (serial number, language) -> its PDF. preview: what the
    last days would have been under another registry, as proposals keep it.
    """

    insight: Insight | None = None
    packet: Callable[[str, str], bytes] | None = None
    preview: Callable[[Registry, Registry], Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Stay:
    """It stood there as that appliance. from_ms 0: nobody knows since when; until_ms None: it still does."""

    appliance: str
    name: str
    site: str
    from_ms: int
    until_ms: int | None
    entry: Entry | None

    def holds(self, at_ms: int) -> bool:
        return self.from_ms <= at_ms < (2**62 if self.until_ms is None else self.until_ms)


@dataclass(frozen=True, slots=True)
class Known:
    """One device. here: the appliance that it is now; orders, faults, links: newest first."""

    serial: str
    dossier: Dossier
    facts: Facts
    here: Appliance | None
    stays: tuple[Stay, ...]
    sensors: tuple[Sensor, ...]
    orders: tuple[WorkOrder, ...]
    faults: tuple[Alarm, ...]
    due: tuple[Due, ...]
    links: tuple[Pass, ...]
    held: Held | None
    out: OutOfService | None
    proving: Proving | None
    holds: tuple[Hold, ...] = ()

    @property
    def site(self) -> str:
        """Where it stands, or stood last; empty: nowhere yet."""
        return self.here.site if self.here else self.stays[-1].site if self.stays else ""

    @property
    def name(self) -> str:
        return self.here.name if self.here else " ".join(p for p in (self.facts.maker, self.model) if p)

    @property
    def model(self) -> str:
        return self.facts.model or (self.here.model if self.here else "")

    @property
    def status(self) -> str:
        """`out_of_service` while alerts has it so; else what was written."""
        return "out_of_service" if self.out else self.facts.status


@dataclass(frozen=True, slots=True)
class Line:
    """One device in a list."""

    serial: str
    facts: Facts
    here: Appliance | None
    site: str
    live: tuple[WorkOrder, ...]
    tasks: tuple[Due, ...]
    out: bool

    @property
    def due(self) -> Due | None:
        """The next of its tasks."""
        return self.tasks[0] if self.tasks else None

    @property
    def model(self) -> str:
        return self.facts.model or (self.here.model if self.here else "")

    @property
    def status(self) -> str:
        return "out_of_service" if self.out else self.facts.status


class Bench:
    """Reads and writes about devices for pages and programs. Any thread may call."""

    def __init__(self, console: Console, tools: Tools) -> None:
        self.console, self.tools = console, tools
        desk = console.settings.desk_db
        self.devices, self.work, self.links = DeviceReader(desk), WorkReader(desk), PassReader(desk)
        self.deeds = Deeds(desk, console.wall_ms)
        self.proposals = Proposals(console.settings.data_dir, console.wall_ms)

    @property
    def registry(self) -> Registry:
        return self.console.records.registry()

    # --- one device

    def device(self, serial: str) -> Known:
        """Problem when nothing is known under that number, or it is not for whoever asks."""
        registry, dossier = self.registry, self.devices.dossier(serial)
        here = next((a for a in registry.appliances if serial_of(a) == serial), None)
        if here is None and not dossier.entries:
            raise Problem(404, "unknown-device", serial)
        stays = stays_of(dossier, here, registry)
        known = self._known(serial, dossier, here, stays, registry)
        self.check(known.site)
        return known

    def may_see(self, serial: str) -> bool:
        """Is there such a device, for whoever asks?"""
        try:
            self.device(serial)
        except Problem:
            return False
        return True

    def check(self, site: str) -> None:
        """Problem when whoever asks is for other sites."""
        if site and not visitor().sees(site, self.registry):
            raise Problem(403, "not-your-site")

    def _known(
        self, serial: str, dossier: Dossier, here: Appliance | None, stays: Sequence[Stay], registry: Registry
    ) -> Known:
        sees = visitor().sees
        with closing(SiteReader(self.console.settings.alarms_db)) as alarms:
            faults: dict[str, Alarm] = {}
            for stay in stays:
                if not stay.site or sees(stay.site, registry):
                    mine = alarms.alarms(200, appliance=stay.appliance)
                    faults |= {a.id: a for a in mine if stay.holds(a.since_ms) and is_fault(a)}
            held = [one for one in alarms.held() if here and one.appliance == here.id]
            out = [one for one in alarms.out_of_service() if here and one.appliance == here.id]
            proving = alarms.proving(here.id)[:1] if here else []
            holds = alarms.holds(here.id) if here else []
        newest = sorted(faults.values(), key=lambda alarm: -alarm.since_ms)[:FAULTS_SHOWN]
        return Known(
            serial=serial,
            dossier=dossier,
            facts=dossier.facts,
            here=here,
            stays=tuple(stays),
            sensors=tuple(s for s in registry.sensors if here and s.appliance == here.id),
            orders=tuple(self.work.orders(serial=serial, limit=ORDERS_SHOWN)),
            faults=tuple(newest),
            due=tuple(dossier.due(here.model if here else "")),
            links=tuple(self.links.of(serial)),
            held=held[0] if held else None,
            out=out[0] if out else None,
            proving=proving[0] if proving and proving[0].ended_ms is None else None,
            holds=tuple(holds),
        )

    def proving_of(self, appliance: str) -> Proving | None:
        """The gate that is looked at for an appliance."""
        with closing(SiteReader(self.console.settings.alarms_db)) as alarms:
            found = alarms.proving(appliance)[:1]
        return found[0] if found and found[0].ended_ms is None else None

    def gates(self, site: str) -> list[tuple[Appliance, Proving]]:
        """Appliances of a site whose work is done and that are not let back into service."""
        with closing(SiteReader(self.console.settings.alarms_db)) as alarms:
            waiting = alarms.waiting()
        known = self.registry.appliance_by_id
        return [
            (known[one.appliance], one)
            for one in waiting
            if one.appliance in known and known[one.appliance].site == site
        ]

    def waiting(self, serial: str) -> list[Proposal]:
        """Certificates of that device that another person has not agreed to yet, newest first."""
        return self.proposals.waiting("calibration", serial)

    def asked(self, order: WorkOrder) -> list[tuple[Asked, str]]:
        """What was asked of alerts for that order, and what came of it; empty: not taken up yet."""
        about = AskedReader(self.console.settings.desk_db).about("-", 0, order.appliance)
        mine = [one for one in reversed(about) if one.body.get("order") == str(order.number)]
        with closing(SiteReader(self.console.settings.alarms_db)) as alarms:
            return [(one, alarms.outcome(one.id) or "") for one in mine]

    def messages(self, order: WorkOrder) -> list[tuple[Notice, int | None]]:
        """What was sent to its contractor, newest first, and when it arrived."""
        name = f"work:{order.number}"
        with closing(SiteReader(self.console.settings.alarms_db)) as alarms:
            came = alarms.delivered(name)
            return [(notice, came.get(notice.id)) for notice in alarms.notices(20, alarm=name)]

    # --- how it runs

    def running(self, known: Known) -> list[Figures]:
        """Of the last day and of the week before it; empty: nobody can say."""
        insight, now = self.tools.insight, self.console.wall_ms()
        if insight is None or known.here is None:
            return []
        spans = [(now - DAY_MS, now), (now - 8 * DAY_MS, now - DAY_MS)]
        found = insight.figures(known.here.id, spans)
        return found if any(one.known for one in found) else []

    def compared(self, known: Known, repair: int = 0) -> list[Compared]:
        """Before and after its newest repairs, where readings tell anything; or that order's alone."""
        insight, now = self.tools.insight, self.console.wall_ms()
        if insight is None:
            return []
        done = [order for order in known.orders if order.state == "finished" and repair in (0, order.number)]
        done = done[:COMPARED_SHOWN]
        found = []
        for order in done:
            alarms = [a for a in known.faults if a.appliance == order.appliance]
            figures = insight.figures(order.appliance, spans_of(order, alarms, now))
            if any(one.known for one in figures):
                found.append(Compared(order, *figures))
        return found

    def leave(self, known: Known) -> Leave | None:
        """After a repair of the last days, or while one goes on."""
        insight, now = self.tools.insight, self.console.wall_ms()
        if insight is None or known.here is None:
            return None
        for order in known.orders:
            since = order.at("finished") or order.at("started")
            if order.state in ("started", "finished") and since and now - since < LEAVE_ASKED_MS:
                return insight.leave(known.here.id, since)
        return None

    # --- all of them

    def lines(self) -> list[Line]:
        """Every device that whoever asks may see: those with live work first, then by what is due."""
        registry, sees = self.registry, visitor().sees
        dossiers, live, models = self.devices.all(), self.work.live(), self.devices.models()
        with closing(SiteReader(self.console.settings.alarms_db)) as alarms:
            out = {one.appliance for one in alarms.out_of_service()}
        here = {serial_of(a): a for a in registry.appliances}
        found = []
        for serial in sorted({*here, *dossiers}):
            appliance, dossier = here.get(serial), dossiers.get(serial, Dossier(serial, (), models))
            stays = stays_of(dossier, appliance, registry)
            site = stays[-1].site if stays else ""
            if site and not sees(site, registry):
                continue
            mine = tuple(order for order in live if order.serial == serial)
            gone = appliance is not None and appliance.id in out
            due = tuple(dossier.due(appliance.model if appliance else ""))
            found.append(Line(serial, dossier.facts, appliance, site, mine, due, gone))
        far = 2**62
        found.sort(
            key=lambda one: (not one.live, not one.out, one.due.due_ms if one.due else far, one.serial)
        )
        return found

    def due(self) -> list[tuple[Line, Due]]:
        """Every task of every plan, the most overdue first."""
        found = [(line, due) for line in self.lines() for due in line.tasks]
        return sorted(found, key=lambda pair: (pair[1].due_ms, pair[1].plan.first, pair[0].serial))

    def order(self, number: int) -> WorkOrder:
        """Problem when there is none, or it is of a site that whoever asks does not see."""
        found = self.work.order(number) if 0 < number < 2**53 else None
        if found is None:
            raise Problem(404, "unknown-order", str(number))
        self.check(found.site)
        return found


def stays_of(dossier: Dossier, here: Appliance | None, registry: Registry) -> list[Stay]:
    """Where it stood, oldest first; where it stands the registry says."""
    found = []
    for entry in dossier.installed:
        said = entry.said
        known = registry.appliance_by_id.get(said.appliance)
        site = said.site or (known.site if known else "")
        name = known.name if known else said.appliance
        found.append(Stay(said.appliance, name, site, said.from_ms, said.until_ms, entry))
    if here is not None and not any(s.appliance == here.id and s.until_ms is None for s in found):
        since = max((s.until_ms or 0 for s in found), default=0)
        found.append(Stay(here.id, here.name, here.site, since, None, None))
    return found


def models_of(lines: Sequence[Line]) -> dict[str, int]:
    """Model -> how many devices of it are in use, by name; spaces and capitals make no difference."""
    written = [line.model for line in lines if line.model.strip() and line.facts.status != "retired"]
    counts = Counter(of_model(model) for model in written)
    names = {of_model(model): " ".join(model.split()) for model in reversed(written)}
    return {names[key]: counts[key] for key in sorted(counts, key=lambda key: names[key].casefold())}


def is_fault(alarm: Alarm) -> bool:
    """Is it something that a contractor would look at?"""
    return alarm.scope == "appliance" and alarm.kind not in KINDS_OF_SITES


def mine_to_do(order: WorkOrder, me: str) -> bool:
    """Contractors start and finish what is theirs; of others nobody asks."""
    account = visitor().account
    if account is None or account.role != "contractor":
        return True
    return me in {order.contractor, order.told("contractor")} - {""}
