# SPDX-License-Identifier: Apache-2.0
"""The contractor's packet: what is known of one device, on paper, to be read where there is no network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from coldchain.kernel.errors import BadData
from coldchain.records.alarms import Alarm
from coldchain.records.devices import DeviceReader, Dossier, Entry, serial_of
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Appliance, Registry, RegistryReader
from coldchain.records.site import SiteReader
from coldchain.records.work import WorkOrder, WorkReader
from coldchain.settings import Settings
from coldchain.settings.profile_files import PROFILES
from coldchain.wiring.insight import RecordInsight
from coldchain.wiring.report.excursion import ticks_of
from coldchain.wiring.report.facts import bands_of, facts_of, shades_of
from dashboards.console.devices.figures import DAY_MS, HOUR_MS, Figures, spans_of
from dashboards.console.devices.known import Stay, is_fault, stays_of
from dashboards.reports.chart import Chart, draw
from dashboards.reports.document import Block, Document, Heading, Note, Pairs, Picture, Table
from dashboards.reports.words import Words

FAULTS_DRAWN, FAULTS_LISTED, REPAIRS = 4, 40, 3
BEFORE_MS, AFTER_MS = 24 * HOUR_MS, 6 * HOUR_MS
BUCKETS = 240


@dataclass(frozen=True, slots=True)
class Case:
    """All that the packet speaks of, as known at as_of_ms."""

    serial: str
    dossier: Dossier
    here: Appliance | None
    stays: tuple[Stay, ...]
    orders: tuple[WorkOrder, ...]
    faults: tuple[Alarm, ...]
    registry: Registry
    as_of_ms: int


def packet(settings: Settings, serial: str, language: str, as_of_ms: int) -> Document:
    """The packet of one serial number, as known at as_of_ms. BadData when nothing is known of it."""
    case = _case(settings, serial, as_of_ms)
    site = case.registry.site_by_id.get(case.stays[-1].site) if case.stays else None
    words = Words(language, site.zone if site else settings.zone)
    blocks: list[Block] = [
        _facts(case, words, site.name if site else ""),
        Heading(words.say("Work orders")),
        _orders(case, words),
        Heading(words.say("Faults")),
        _faults(case, words),
        *_traces(settings, case, words),
        Heading(words.say("Before and after each repair")),
        *_repairs(settings, case, words),
        Heading(words.say("Preventive maintenance")),
        _care(case, words),
        Heading(words.say("Calibration and mapping")),
        _certificates(case, words),
        *_mappings(case, words),
        Heading(words.say("Parts and documents")),
        _parts(case, words),
        _papers(case, words),
        Heading(words.say("Where it stood")),
        _stays(case, words),
        Heading(words.say("To be filled in at the device")),
        Table(
            tuple(words.say(name) for name in ("Found and done", "Parts", "Time", "Name, signature")),
            (("\n\n\n", "", "", ""),) * 2,
        ),
    ]
    digest = digest_of([serial, [e.id for e in case.dossier.entries], [o.number for o in case.orders],
                        [len(o.steps) for o in case.orders], [a.id for a in case.faults]])  # fmt: skip
    name = case.here.name if case.here else f"{case.dossier.facts.maker} {case.dossier.facts.model}"
    return Document(
        language,
        words.say("Contractor's packet"),
        " · ".join(part for part in (name.strip(), serial, site.name if site else "") if part),
        tuple(blocks),
        footer_of(words, as_of_ms, digest),
        as_of_ms,
    )


def digest_of(body: object) -> str:
    """Of what a report was made of, whatever its language."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


def footer_of(words: Words, as_of_ms: int, digest: str) -> str:
    return words.say(
        "Coldchain · as known at {instant} · record {hash}", instant=words.instant(as_of_ms), hash=digest
    )


def _case(settings: Settings, serial: str, as_of_ms: int) -> Case:
    reader = RegistryReader(settings.desk_db)
    reader.refresh()
    reader.close()
    registry = reader.registry
    here = next((a for a in registry.appliances if serial_of(a) == serial), None)
    dossier = as_of(DeviceReader(settings.desk_db).dossier(serial), as_of_ms)
    if here is None and not dossier.entries:
        raise BadData(f"nothing is known of a device {serial!r}; see the page /devices of the console")
    stays = stays_of(dossier, here, registry)
    alarms = SiteReader(settings.alarms_db)
    faults = {
        alarm.id: alarm
        for stay in stays
        for alarm in alarms.alarms(1_000, appliance=stay.appliance)
        if stay.holds(alarm.since_ms) and is_fault(alarm) and alarm.decided_ms <= as_of_ms
    }
    alarms.close()
    orders = [
        replace(one, steps=tuple(step for step in one.steps if step.at_ms <= as_of_ms))
        for one in WorkReader(settings.desk_db).orders(serial=serial, limit=100)
        if one.at_ms <= as_of_ms
    ]
    newest = sorted(faults.values(), key=lambda alarm: -alarm.since_ms)
    return Case(serial, dossier, here, tuple(stays), tuple(orders), tuple(newest), registry, as_of_ms)


def as_of(dossier: Dossier, at_ms: int) -> Dossier:
    """What was written by then."""
    entries, models = (
        [one for one in told if one.at_ms <= at_ms] for told in (dossier.entries, dossier.models)
    )
    return Dossier(dossier.serial, tuple(entries), tuple(models))


def _facts(case: Case, words: Words, site: str) -> Pairs:
    facts, here = case.dossier.facts, case.here
    rows = [
        (words.say("Serial number"), case.serial),
        (words.say("Maker"), facts.maker or "–"),
        (words.say("Model"), facts.model or (here.model if here else "") or "–"),
        (
            words.say("Warranty until"),
            words.day(facts.warranty_until_ms - 1) if facts.warranty_until_ms else "–",
        ),
        (words.say("Stands as"), f"{here.name} ({here.id})" if here else "–"),
        (words.say("Site"), site or "–"),
        (words.say("Status"), words.say(facts.status.replace("_", " "))),
    ]
    if facts.reason:
        rows.append((words.say("Reason"), facts.reason))
    if here and (profile := PROFILES.get(here.carries(case.as_of_ms) or "")):
        limits = profile.limits
        span = f"{words.number(limits.low_c)} … {words.number(limits.high_c)} °C"
        rows.append((words.say("Limits"), f"{span} ({profile.label})"))
    if here and here.hold_over_min:
        rows.append((words.say("Hold-over by its maker"), words.minutes(round(here.hold_over_min * 60_000))))
    return Pairs(tuple(rows))


def _orders(case: Case, words: Words) -> Block:
    rows = []
    for order in case.orders:
        parts = (order.told("findings"), order.told("cause"), order.told("cost"), order.told("currency"))
        found = ". ".join(part for part in parts if part)
        contractor = called(case.registry, order.told("contractor") or order.contractor)
        state = words.say(order.state)
        rows.append((str(order.number), words.instant(order.at_ms), order.what, contractor, state, found))
    head = ("No.", "Raised", "What is to be done", "Contractor", "State", "Found and done")
    return _table(words, head, rows, numbers=(0,))


def _faults(case: Case, words: Words) -> Block:
    rows = []
    for alarm in case.faults[:FAULTS_LISTED]:
        lasted = alarm.returned_ms - alarm.since_ms if alarm.returned_ms else None
        kind = words.say(alarm.kind.replace("_", " "))
        rows.append(
            (
                str(alarm.number),
                kind,
                words.instant(alarm.since_ms),
                words.minutes(lasted),
                words.celsius(alarm.peak),
            )
        )
    head = ("No.", "Kind", "Since", "Lasted", "Furthest")
    return _table(words, head, rows, numbers=(0, 3, 4))


def _traces(settings: Settings, case: Case, words: Words) -> Iterable[Block]:
    """The hours before the newest faults."""
    if not settings.readings_db.exists():
        return
    journal = JournalReader(settings.readings_db)
    for alarm in case.faults[:FAULTS_DRAWN]:
        sensors = [s for s in case.registry.sensors if s.appliance == alarm.appliance]
        sensors = [s for s in sensors if s.quantity == "temperature"]
        sensor = next((s for s in sensors if s.id == alarm.sensor), sensors[0] if sensors else None)
        appliance = case.registry.appliance_by_id.get(alarm.appliance)
        if sensor is None or appliance is None:
            continue
        end = min((alarm.returned_ms or alarm.since_ms) + AFTER_MS, case.as_of_ms)
        facts = facts_of(journal, case.registry, sensor, (alarm.since_ms - BEFORE_MS, end), case.as_of_ms)
        if not len(facts.at):
            continue
        profile = PROFILES.get(appliance.carries(alarm.since_ms) or "")
        bounds = (profile.limits.low_c, profile.limits.high_c) if profile else ()
        limits = [(f"{words.number(c)} °C", c) for c in bounds if c is not None]
        bands, ticks = bands_of(facts, BUCKETS), ticks_of(facts, words)
        chart = Chart(facts.start_ms, facts.end_ms, bands, limits, shades_of(facts), ticks)
        title = words.say("The hours before alarm {n}", n=alarm.number)
        yield Note(title, strong=True)
        yield Picture(draw(chart, height=130.0), title)
    journal.close()


def _repairs(settings: Settings, case: Case, words: Words) -> Iterable[Block]:
    insight = RecordInsight(settings, lambda: case.as_of_ms, as_of_ms=case.as_of_ms)
    told = False
    for order in [one for one in case.orders if one.state == "finished"][:REPAIRS]:
        alarms = [a for a in case.faults if a.appliance == order.appliance]
        figures = insight.figures(order.appliance, spans_of(order, alarms, case.as_of_ms))
        if any(one.known for one in figures):
            told = True
            yield Note(f"{words.say('Work order {n}', n=order.number)}: {order.what}", strong=True)
            yield figures_table(figures, ("Before", "Trouble", "After"), words)
    if case.here is not None:
        now = case.as_of_ms
        figures = insight.figures(case.here.id, [(now - 8 * DAY_MS, now - DAY_MS), (now - DAY_MS, now)])
        if any(one.known for one in figures):
            told = True
            yield figures_table(figures, ("Week before", "Last 24 hours"), words)
    if not told:
        yield Note(words.say("Its readings do not tell yet."))


def figures_table(figures: list[Figures], names: tuple[str, ...], words: Words) -> Table:
    """Rows: what is compared; columns: spans."""

    def row(name: str, values: list[float | None], digits: int = 1) -> tuple[str, ...]:
        return (words.say(name), *(words.number(value, digits) for value in values))

    rows = (
        row("Cooling, of the time in %", [None if f.duty is None else 100 * f.duty for f in figures], 0),
        row("Starts a day", [f.starts for f in figures], 0),
        row("Pull-down, K/h", [f.pull_down_k_h for f in figures]),
        row("Rise between, K/h", [f.drift_k_h for f in figures]),
        row("Rise without power, K/h", [f.warming_k_h for f in figures]),
        row("Defrosts a day", [f.defrosts for f in figures]),
        row("A defrost, minutes", [f.defrost_min for f in figures], 0),
        row("Mean, °C", [f.mean_c for f in figures]),
    )
    return Table(("", *(words.say(name) for name in names)), rows, numbers=tuple(range(1, len(names) + 1)))


def _care(case: Case, words: Words) -> Block:
    rows = []
    for due in case.dossier.due(case.here.model if case.here else ""):
        last = words.day(due.done_ms) if due.done_ms else "–"
        every = words.say("{n} days", n=due.plan.said.every_days)
        state = words.say("overdue") if due.due_ms < case.as_of_ms else ""
        rows.append((due.plan.said.task, every, last, words.day(due.due_ms), state))
    return _table(words, ("Task", "Every", "Last done", "Due", "State"), rows)


def _certificates(case: Case, words: Words) -> Block:
    rows = [certificate_row(entry, case.as_of_ms, words) for entry in case.dossier.of("certificate")]
    return _table(words, ("Sensor", "Offset", "From", "Expires", "Laboratory", "State"), rows, numbers=(1,))


def certificate_row(entry: Entry, at_ms: int, words: Words) -> tuple[str, ...]:
    """One certificate: what it found, how long it holds."""
    said = entry.said
    state = words.say("expired") if said.expires_ms <= at_ms else ""
    return (
        said.sensor, f"{words.number(said.offset_k, 2)} K", words.day(said.from_ms),
        words.day(said.expires_ms - 1), f"{said.laboratory} {said.number}".strip(), state,
    )  # fmt: skip


def _mappings(case: Case, words: Words) -> Iterable[Block]:
    rows = []
    for entry in case.dossier.of("mapping"):
        said = entry.said
        span = f"{words.number(said.coldest_c)} … {words.number(said.warmest_c)} °C"
        hold = words.minutes(None if said.hold_min is None else said.hold_min * 60_000)
        rows.append((words.day(said.mapped_ms), words.say(said.load), str(said.points), span, hold, said.by))
    if rows:
        head = ("Mapped", "Load", "Points", "Coldest and warmest", "Without power", "By")
        yield _table(words, head, rows, numbers=(2,))


def _parts(case: Case, words: Words) -> Block:
    rows = [
        (words.day(e.said.used_ms), e.said.number, e.said.name, str(e.said.count), str(e.said.order or ""))
        for e in case.dossier.of("part")
    ]
    return _table(words, ("Day", "Part number", "Name", "How many", "Work order"), rows, numbers=(3, 4))


def _papers(case: Case, words: Words) -> Block:
    rows = [
        (words.day(e.at_ms), e.said.title, words.say(e.said.sort), e.said.sha256[:16])
        for e in case.dossier.of("paper")
    ]
    return _table(words, ("Day", "Document", "Kind", "SHA-256"), rows)


def _stays(case: Case, words: Words) -> Block:
    rows = []
    for stay in case.stays:
        site = case.registry.site_by_id.get(stay.site)
        since = words.day(stay.from_ms) if stay.from_ms else "–"
        until = words.day(stay.until_ms) if stay.until_ms is not None else words.say("now")
        rows.append((f"{stay.name} ({stay.appliance})", site.name if site else stay.site, since, until))
    return _table(words, ("Appliance", "Site", "From", "Until"), rows)


def _table(
    words: Words, head: tuple[str, ...], rows: Sequence[tuple[str, ...]], numbers: tuple[int, ...] = ()
) -> Block:
    if not rows:
        return Note(words.say("None."))
    return Table(tuple(words.say(name) for name in head), tuple(rows), numbers=numbers)


def called(registry: Registry, who: str) -> str:
    """A person's name for an id; anything else as it is."""
    known = registry.person_by_id.get(who)
    return known.name if known else who
