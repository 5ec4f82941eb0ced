# SPDX-License-Identifier: Apache-2.0
"""What people write down, as tables: devices, calibrations, bags, trips, people, the registry's parts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise

from coldchain.files.sheets import At, Cell, Line
from coldchain.records.accounts import Accounts
from coldchain.records.alarms import Alarm, AlarmsReader
from coldchain.records.consignments import ConsignmentReader, Trip, trips_of_moves
from coldchain.records.devices import DeviceReader, Dossier, serial_of
from coldchain.records.found import FoundReader
from coldchain.records.registry import Registry, RegistryReader
from coldchain.records.registry_csv import MANY, MODELS
from coldchain.records.work import WorkReader
from coldchain.settings import Settings

MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """name: of TABLES; appliance and sensors: of readings; chain: of audit; a span [ms]; sees: a site?"""

    name: str
    start_ms: int = 0
    end_ms: int = 2**62
    appliance: str = ""
    sensors: Sequence[str] = ()
    chain: str = "alarms"
    sees: Callable[[str], bool] = lambda _site: True

    def within(self, at_ms: int) -> bool:
        return self.start_ms <= at_ms < self.end_ms


Rows = Callable[[Settings, Asked], Iterator[Line]]


def milli(value: int | None) -> float | None:
    return None if value is None else value / 1000


def at(ms: int | None) -> At | None:
    return None if ms is None else At(ms)


def registry_of(settings: Settings) -> Registry:
    reader = RegistryReader(settings.desk_db)
    reader.refresh()
    reader.close()
    return reader.registry


# --- devices


def _dossiers(settings: Settings, asked: Asked) -> Iterator[tuple[str, str, str, Dossier]]:
    """(serial, appliance, site, dossier) of every device that is known, by its serial number."""
    here = {serial_of(a): a for a in registry_of(settings).appliances}
    told, models = (reader := DeviceReader(settings.desk_db)).all(), reader.models()
    for serial in sorted({*here, *told}):
        dossier = told.get(serial, Dossier(serial, (), models))
        last = dossier.installed[-1].said if dossier.installed else None
        site = here[serial].site if serial in here else last.site if last is not None else ""
        if asked.sees(site):
            yield serial, here[serial].id if serial in here else "", site, dossier


def _devices(settings: Settings, asked: Asked) -> Iterator[Line]:
    known = registry_of(settings).appliance_by_id
    live: dict[str, list[str]] = {}
    for order in WorkReader(settings.desk_db).orders(limit=MOST):
        if order.live:
            live.setdefault(order.serial, []).append(str(order.number))
    for serial, appliance, site, dossier in _dossiers(settings, asked):
        facts, one = dossier.facts, known.get(appliance)
        due = dossier.due(one.model if one else "")
        since = dossier.installed[-1].said.from_ms if dossier.installed else None
        yield (
            serial, facts.maker, facts.model or (one.model if one else ""), one.kind if one else "",
            facts.status, facts.reason, site, appliance, at(since), at(facts.warranty_until_ms),
            due[0].plan.said.task if due else "", at(due[0].due_ms if due else None),
            ";".join(live.get(serial, [])),
        )  # fmt: skip


def _calibrations(settings: Settings, asked: Asked) -> Iterator[Line]:
    """Every certificate; sensors of temperature that have none are named too."""
    registry, told = registry_of(settings), set()
    sites = {s.id: registry.appliance_by_id[s.appliance].site for s in registry.sensors if s.appliance}
    for serial, appliance, site, dossier in _dossiers(settings, asked):
        for entry in dossier.of("certificate"):
            said = entry.said
            told.add(said.sensor)
            if asked.within(said.from_ms):
                yield (
                    site, appliance, said.sensor, serial, said.offset_k, At(said.from_ms),
                    At(said.expires_ms), said.laboratory, said.number, said.paper, entry.person,
                    At(entry.at_ms),
                )  # fmt: skip
    for sensor in registry.sensors:
        site = sites.get(sensor.id, "")
        if sensor.quantity == "temperature" and sensor.id not in told and asked.sees(site):
            until = at(sensor.calibrated_until_ms)
            yield site, sensor.appliance or "", sensor.id, "", None, None, until, "", "", "", "", None


def _maintenance(settings: Settings, asked: Asked) -> Iterator[Line]:
    known = registry_of(settings).appliance_by_id
    for serial, appliance, site, dossier in _dossiers(settings, asked):
        one = known.get(appliance)
        for due in dossier.due(one.model if one else ""):
            if asked.within(due.due_ms):
                said, done = due.plan.said, at(due.done_ms)
                yield site, appliance, serial, said.task, said.every_days, done, At(due.due_ms), said.note


def _entries(settings: Settings, asked: Asked) -> Iterator[Line]:
    """All that was ever written about a device, what was corrected later, too."""
    for serial, appliance, site, dossier in _dossiers(settings, asked):
        for entry in dossier.entries:
            if asked.within(entry.at_ms):
                said = "" if entry.said is None else json.dumps(entry.said.model_dump(), ensure_ascii=False)
                yield (
                    entry.id, At(entry.at_ms), site, appliance, serial, entry.kind, entry.person,
                    entry.corrects, said,
                )  # fmt: skip


# --- blood


def _alarms_of(settings: Settings) -> dict[str, Alarm]:
    if not settings.alarms_db.exists():
        return {}
    with closing(AlarmsReader(settings.alarms_db)) as reader:
        return {alarm.id: alarm for alarm in reader.alarms(MOST)}


def _all_trips(settings: Settings, registry: Registry) -> list[Trip]:
    reader = ConsignmentReader(settings.desk_db)
    trips = reader.trips(MOST)
    if settings.alarms_db.exists():
        with closing(AlarmsReader(settings.alarms_db)) as alarms:
            moved = alarms.moved()

        def carried(appliance: str, at_ms: int) -> str:
            known = registry.appliance_by_id.get(appliance)
            return (known.carries(at_ms) if known else None) or ""

        trips += trips_of_moves(moved, carried, reader.moves())
    return sorted(trips, key=lambda trip: (-trip.at_ms, trip.id))


def _trip_sites(trip: Trip, registry: Registry) -> list[str]:
    known = registry.appliance_by_id
    return [known[step.appliance].site for step in trip.steps if step.appliance in known]


def _bags(settings: Settings, asked: Asked) -> Iterator[Line]:
    """Of alarms, then of trips. A fate that is empty is the one that the rule proposes."""
    registry, reader = registry_of(settings), ConsignmentReader(settings.desk_db)
    subjects: list[tuple[str, Cell, Cell, str, list[str]]] = [
        (f"alarm:{a.id}", a.number, None, a.appliance, [a.site]) for a in _alarms_of(settings).values()
    ]
    trips = [(trip, _trip_sites(trip, registry)) for trip in _all_trips(settings, registry)]
    subjects += [(f"trip:{trip.id}", None, trip.id, trip.place, sites) for trip, sites in trips]
    known = reader.with_bags()  # of most alarms there are none
    for subject, number, trip_id, appliance, sites in subjects:
        if subject not in known or not any(asked.sees(site) for site in sites):
            continue
        for bag in reader.bags(subject):
            if asked.within(bag.at_ms):
                yield (
                    number, trip_id, sites[0], appliance, bag.donation, at(bag.from_ms), at(bag.until_ms),
                    bag.fate, bag.reason, bag.person, At(bag.at_ms),
                )  # fmt: skip


def _trips(settings: Settings, asked: Asked) -> Iterator[Line]:
    """A row for each place that a trip was in."""
    registry = registry_of(settings)
    for trip in _all_trips(settings, registry):
        sites = _trip_sites(trip, registry)
        if not asked.within(trip.at_ms) or not any(asked.sees(site) for site in sites):
            continue
        for number, (step, then) in enumerate(pairwise([*trip.steps, None]), 1):
            if step is None or not step.appliance:
                continue
            known = registry.appliance_by_id.get(step.appliance)
            yield (
                trip.id, trip.carries, At(trip.at_ms), trip.person, trip.note, number,
                known.site if known else "", step.appliance, At(step.at_ms), at(then.at_ms if then else None),
                step.person, step.how,
            )  # fmt: skip


def _findings(settings: Settings, asked: Asked) -> Iterator[Line]:
    """What alarms turned out to be, and what became of the blood of each."""
    if not settings.alarms_db.exists():
        return
    file = settings.alarms_db
    with closing(FoundReader(file)) as reader, closing(AlarmsReader(file)) as alarms:
        fates = {one.alarm: one for one in reversed(alarms.dispositions())}
        for alarm in alarms.alarms(MOST):
            if not asked.sees(alarm.site) or not asked.within(alarm.raised_ms):
                continue
            found, fate = next(iter(reader.findings(alarm.id)), None), fates.get(alarm.id)
            if found is None and fate is None:
                continue
            said: Line = (None,) * 5
            became: Line = (None,) * 5
            if found is not None:
                said = found.verdict, found.cause, found.person, found.reason, At(found.at_ms)
            if fate is not None:
                became = fate.what, fate.person, fate.second, fate.reason, At(fate.at_ms)
            yield (alarm.number, alarm.site, alarm.appliance, *said, *became)


def _by_hand(settings: Settings, asked: Asked) -> Iterator[Line]:
    """Thermometers that people read, without what was taken back."""
    if not settings.alarms_db.exists():
        return
    sites = {a.id: a.site for a in registry_of(settings).appliances if asked.sees(a.site)}
    with closing(FoundReader(settings.alarms_db)) as reader:
        for one in reader.by_hand(sorted(sites), asked.start_ms, asked.end_ms):
            yield (
                one.id, sites[one.appliance], one.appliance, At(one.at_ms), one.value / 1000, one.person,
                one.how, At(one.written_ms),
            )  # fmt: skip


# --- the registry and accounts


def _part(name: str) -> tuple[tuple[str, ...], Rows]:
    """A table of the registry as it is now; numbers stay numbers."""
    columns = MODELS[name][1]

    def rows(settings: Settings, asked: Asked) -> Iterator[Line]:
        registry = registry_of(settings)
        for part in getattr(registry, name):
            if _seen(name, part, registry, asked):
                yield [_cell(part, column) for column in columns]

    return columns, rows


def _seen(name: str, part: object, registry: Registry, asked: Asked) -> bool:
    if name == "sites":
        return asked.sees(str(getattr(part, "id", "")))
    known = registry.appliance_by_id.get(getattr(part, "appliance", None) or "")
    site = known.site if known is not None else getattr(part, "site", None)
    return asked.sees(site or "")


def _cell(part: object, column: str) -> Cell:
    if column == "carries":
        assignments = getattr(part, "assignments", ())
        return str(assignments[-1].carries) if assignments else ""
    value = getattr(part, column)
    if column in MANY:
        return ";".join(value)
    return value if isinstance(value, int | float | None) else str(value)


def _accounts(settings: Settings, asked: Asked) -> Iterator[Line]:
    if not settings.desk_db.exists():
        return
    with closing(Accounts(settings.desk_db, lambda: asked.end_ms)) as accounts:
        for one in accounts.all():
            yield one.name, one.person, one.role, ";".join(one.sites), one.language, one.fresh, one.closed


REGISTERS: dict[str, tuple[tuple[str, ...], Rows]] = {
    "devices": (
        ("serial", "maker", "model", "kind", "status", "reason", "site", "appliance", "since",
         "warranty until", "next task", "due", "open work orders"),
        _devices,
    ),
    "device-history": (
        ("entry", "time", "site", "appliance", "serial", "kind", "by", "corrects", "said"),
        _entries,
    ),
    "calibrations": (
        ("site", "appliance", "sensor", "serial", "offset K", "from", "expires", "laboratory", "certificate",
         "document", "by", "time"),
        _calibrations,
    ),
    "maintenance": (
        ("site", "appliance", "serial", "task", "every days", "done", "due", "note"),
        _maintenance,
    ),
    "bags": (
        ("alarm", "trip", "site", "appliance", "donation", "from", "until", "fate decided", "reason", "by",
         "time"),
        _bags,
    ),
    "trips": (
        ("trip", "carries", "time", "by", "note", "leg", "site", "appliance", "from", "until", "told by",
         "how"),
        _trips,
    ),
    "findings": (
        ("alarm", "site", "appliance", "verdict", "cause", "found by", "found reason", "found", "fate",
         "decided by", "second person", "fate reason", "decided"),
        _findings,
    ),
    "by-hand": (("id", "site", "appliance", "time", "celsius", "by", "how", "written"), _by_hand),
    "sites": _part("sites"),
    "appliances": _part("appliances"),
    "sensors": _part("sensors"),
    "people": _part("people"),
    "gateways": _part("gateways"),
    "accounts": (("account", "person", "role", "sites", "language", "password is new", "closed"), _accounts),
}  # fmt: skip
"""Table -> (its columns, its rows)."""
