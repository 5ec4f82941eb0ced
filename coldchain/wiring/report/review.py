# SPDX-License-Identifier: Apache-2.0
"""The monthly review of a site or of the nation, and a day's sheet to check by hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo

from alerts.rules.table import judging_sensors
from coldchain.kernel.errors import BadData
from coldchain.records.found import FoundReader, Outcome, by_site, quality_of
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Appliance, Registry, RegistryReader, Sensor
from coldchain.settings import Settings
from coldchain.settings.profile_files import PROFILES
from coldchain.wiring.report.facts import Facts, bands_of, facts_of, shades_of
from dashboards.reports.chart import Chart, draw
from dashboards.reports.document import Block, Document, Heading, Note, Pairs, Picture, Signatures, Table
from dashboards.reports.words import Words

Step = Callable[[int, int], None]
"""(done, of): where the work stands."""
BUCKETS = 240


@dataclass(frozen=True, slots=True)
class Line:
    """One appliance over the span."""

    appliance: Appliance
    sensor: Sensor
    facts: Facts
    alarms: tuple[Outcome, ...]


def month_review(
    settings: Settings, month: str, site: str | None, language: str, as_of_ms: int, step: Step
) -> Document:
    """Every appliance of a site, or of all, in one month ("2026-10"), as known at as_of_ms."""
    registry, zone = _registry(settings, site)
    span = _month(month, zone)
    lines = _lines(settings, registry, site, span, as_of_ms, step)
    words = Words(language, zone)
    blocks: list[Block] = [_sums(lines, words), Heading(words.say("Appliances, most time out first"))]
    blocks.append(_sheet(lines, words))
    blocks += _answers(settings, registry, site, span, as_of_ms, words)
    blocks.append(Heading(words.say("Alarms")))
    blocks.append(_alarms(lines, words))
    blocks.append(Signatures(((words.say("Reviewed by: name, date, signature"), ""),)))
    title = words.say("Monthly review")
    name = registry.site_by_id[site].name if site else words.say("all sites")
    return _document(lines, words, (title, f"{name} · {month}"), blocks, as_of_ms)


def day_sheet(settings: Settings, site: str, day: str, language: str, as_of_ms: int, step: Step) -> Document:
    """One site's appliances on one day ("2026-10-03"), with room for a reading taken by hand."""
    registry, zone = _registry(settings, site)
    span = _span(_date(day), 1, zone)
    lines = _lines(settings, registry, site, span, as_of_ms, step)
    words = Words(language, zone)
    blocks: list[Block] = []
    for line in lines:
        blocks.append(Heading(f"{_named(line)} · {_profile(line, words)}"))
        blocks.append(_drawn(line, words))
        blocks.append(_day_table(line, words))
    if not blocks:
        blocks.append(Note(words.say("No appliance of this site carries anything.")))
    blocks.append(Signatures(((words.say("Checked by: name, time, signature"), ""),)))
    titles = (words.say("Day sheet"), f"{registry.site_by_id[site].name} · {day}")
    return _document(lines, words, titles, blocks, as_of_ms)


def _registry(settings: Settings, site: str | None) -> tuple[Registry, str]:
    reader = RegistryReader(settings.desk_db)
    reader.refresh()
    registry = reader.registry
    if site is None:
        return registry, settings.zone
    if site not in registry.site_by_id:
        raise BadData(f"there is no site {site!r}; there are {', '.join(sorted(registry.site_by_id))}")
    return registry, registry.site_by_id[site].zone


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as bad:
        raise BadData(f"{text!r} is no day: write it as 2026-10-03") from bad


def _month(text: str, zone: str) -> tuple[int, int]:
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError as bad:
        raise BadData(f"{text!r} is no month: write it as 2026-10") from bad
    return _span(first, ((first.replace(day=28) + timedelta(days=4)).replace(day=1) - first).days, zone)


def _span(first: date, days: int, zone: str) -> tuple[int, int]:
    """From midnight to midnight by the site's clock."""

    def midnight(day: date) -> int:
        local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
        return round(local.astimezone(UTC).timestamp() * 1000)

    return midnight(first), midnight(first + timedelta(days=days))


def _lines(
    settings: Settings, registry: Registry, site: str | None, span: tuple[int, int], as_of_ms: int, step: Step
) -> list[Line]:
    """Of every appliance the sensor that judges it."""
    judging = judging_sensors(registry)
    mine = [a for a in registry.appliances if site in (None, a.site)]
    journal, told = JournalReader(settings.readings_db), _outcomes(settings, span, as_of_ms)
    found = []
    for done, appliance in enumerate(mine):
        step(done, len(mine))
        sensor = next((s for s in registry.sensors if s.appliance == appliance.id and s.id in judging), None)
        if sensor is None:
            continue
        facts = facts_of(journal, registry, sensor, span, as_of_ms)
        alarms = [one for one in told if one.appliance == appliance.id]
        found.append(Line(appliance, sensor, facts, tuple(alarms)))
    step(len(mine), len(mine))
    journal.close()
    return sorted(found, key=lambda line: (-(line.facts.high_ms + line.facts.low_ms), line.appliance.id))


def _outcomes(settings: Settings, span: tuple[int, int], as_of_ms: int) -> list[Outcome]:
    """Alarms of every kind that were raised in the span, as they were known then."""
    reader = FoundReader(settings.alarms_db)
    try:
        return reader.outcomes(*span, as_of_ms)
    finally:
        reader.close()


def _answers(
    settings: Settings,
    registry: Registry,
    site: str | None,
    span: tuple[int, int],
    as_of_ms: int,
    words: Words,
) -> list[Block]:
    """How people were called and answered: in all, and site by site, the slowest first."""
    told = [one for one in _outcomes(settings, span, as_of_ms) if site in (None, one.site)]
    names = {known.id: known.name for known in registry.sites}
    groups = [("", told)] + (sorted(by_site(told).items()) if site is None else [])
    rows = []
    for name, some in groups:
        q = quality_of(some)
        part = "–" if q.precision is None else f"{words.number(100 * q.precision, 0)} %"
        spans = (words.minutes(q.median_ms), words.minutes(q.p90_ms))
        label = names.get(name, name) if name else words.say("all of them")
        rows.append((label, str(q.alarms), *spans, str(q.alarms - q.answered), part, str(q.missed)))
    head = (
        "Site",
        "Alarms",
        "Half answered within",
        "Nine of ten within",
        "Never answered",
        "Called for a reason",
        "Missed",
    )
    table = Table(tuple(words.say(one) for one in head), tuple(rows), numbers=(1, 2, 3, 4, 5, 6))
    return [Heading(words.say("How people were called, and answered")), table]


def _sums(lines: list[Line], words: Words) -> Pairs:
    facts = [line.facts for line in lines]
    known = sum(f.known_ms for f in facts)
    whole = known + sum(f.unknown_ms for f in facts)
    out = sum(f.high_ms + f.low_ms for f in facts)
    rows = (
        (words.say("Appliances"), str(len(lines))),
        (words.say("Readings"), f"{sum(f.readings for f in facts):,}".replace(",", " ")),
        (words.say("Time known"), f"{words.number(100 * known / whole if whole else None, 2)} %"),
        (
            words.say("Of it within limits"),
            f"{words.number(100 * (1 - out / known) if known else None, 3)} %",
        ),
        (words.say("Excursions"), str(sum(len(f.outs) for f in facts))),
        (words.say("Alarms"), str(sum(len(line.alarms) for line in lines))),
    )
    return Pairs(rows)


def _sheet(lines: list[Line], words: Words) -> Table:
    head = ("Appliance", "Least", "Most", "Above", "Below", "Unknown", "Excursions", "Alarms")
    rows = []
    for line in lines:
        f = line.facts
        least, most = (int(f.milli.min()), int(f.milli.max())) if len(f.milli) else (None, None)
        counts = (str(len(f.outs)), str(len(line.alarms)))
        spans = (words.minutes(f.high_ms), words.minutes(f.low_ms), words.minutes(f.unknown_ms))
        rows.append((_named(line), words.celsius(least), words.celsius(most), *spans, *counts))
    return Table(tuple(words.say(name) for name in head), tuple(rows), numbers=(1, 2, 3, 4, 5, 6, 7))


def _alarms(lines: list[Line], words: Words) -> Block:
    told = sorted(
        ((alarm.number, line, alarm) for line in lines for alarm in line.alarms), key=lambda one: one[0]
    )
    rows = [
        (
            str(alarm.number),
            _named(line),
            words.say(alarm.kind.replace("_", " ")),
            words.say(alarm.severity),
            words.instant(alarm.raised_ms),
            words.minutes(alarm.took_ms),
            words.say(alarm.verdict) if alarm.verdict else "–",
        )
        for _, line, alarm in told
    ]
    if not rows:
        return Note(words.say("None."))
    spans = [alarm.took_ms for _, _, alarm in told if alarm.took_ms is not None]
    middle = words.minutes(round(median(spans)) if spans else None)
    rows.append(("", "", "", "", words.say("median"), middle, ""))
    head = ("No.", "Appliance", "Kind", "Severity", "Raised", "Answered after", "Marked")
    return Table(tuple(words.say(name) for name in head), tuple(rows), numbers=(0, 5))


def _named(line: Line) -> str:
    return f"{line.appliance.name} ({line.appliance.id})"


def _profile(line: Line, words: Words) -> str:
    carries = line.appliance.carries(line.facts.start_ms) or "empty"
    profile = PROFILES.get(carries)
    return profile.label if profile else words.say(carries)


def _drawn(line: Line, words: Words) -> Picture:
    facts = line.facts
    profile = PROFILES.get(line.appliance.carries(facts.start_ms) or "")
    bounds = (profile.limits.low_c, profile.limits.high_c) if profile else ()
    limits = [(f"{words.number(celsius)} °C", celsius) for celsius in bounds if celsius is not None]
    shaded = shades_of(facts)
    hours = [facts.start_ms + n * 3_600_000 for n in range(0, 25, 3)]
    ticks = [(at, words.clock(at)) for at in hours if at <= facts.end_ms]
    chart = Chart(facts.start_ms, facts.end_ms, bands_of(facts, BUCKETS), limits, shaded, ticks)
    return Picture(draw(chart, height=120.0), words.say("The day's temperature"))


def _day_table(line: Line, words: Words) -> Table:
    f = line.facts
    least, most = (int(f.milli.min()), int(f.milli.max())) if len(f.milli) else (None, None)
    head = ("Least", "Most", "Out", "Unknown", "By hand: time", "By hand: °C", "Initials")
    out = words.minutes(f.high_ms + f.low_ms)
    row = (words.celsius(least), words.celsius(most), out, words.minutes(f.unknown_ms), "", "", "")
    return Table(tuple(words.say(name) for name in head), (row,), numbers=(0, 1, 2, 3))


def _document(
    lines: list[Line], words: Words, titles: tuple[str, str], blocks: list[Block], as_of_ms: int
) -> Document:
    body = [
        (line.sensor.id, line.facts.digest, [(a.number, a.took_ms, a.verdict) for a in line.alarms])
        for line in lines
    ]
    digest = hashlib.sha256(json.dumps(body).encode()).hexdigest()[:16]
    footer = words.say(
        "Coldchain · as known at {instant} · record {hash}", instant=words.instant(as_of_ms), hash=digest
    )
    return Document(words.language, *titles, tuple(blocks), footer, as_of_ms)
