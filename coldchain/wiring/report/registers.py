# SPDX-License-Identifier: Apache-2.0
"""Registers on paper: the calibrations of all sensors, and the record of drills."""

from __future__ import annotations

from collections.abc import Sequence

from coldchain.kernel.errors import BadData
from coldchain.records.alarms import AlarmsReader
from coldchain.records.devices import DeviceReader, Entry
from coldchain.records.readiness import DRILL_EVERY_MS
from coldchain.records.registry import Registry, RegistryReader
from coldchain.settings import Settings
from coldchain.wiring.report.packet import as_of, called, certificate_row, digest_of, footer_of
from dashboards.reports.document import Block, Document, Heading, Note, Pairs, Signatures, Table
from dashboards.reports.words import Words

DAY_MS = 86_400_000
SOON_DAYS = (30, 90)


def calibration_register(settings: Settings, site: str | None, language: str, as_of_ms: int) -> Document:
    """Every sensor that measures a temperature, its certificates, and which are missing or ended."""
    registry, words, name = _begin(settings, site, language)
    dossiers = DeviceReader(settings.desk_db).all().values()
    told: dict[str, list[Entry]] = {}
    for dossier in dossiers:
        for entry in as_of(dossier, as_of_ms).of("certificate"):
            told.setdefault(entry.said.sensor, []).append(entry)
    appliances = {a.id: a for a in registry.appliances if site in (None, a.site)}
    sensors = [s for s in registry.sensors if s.appliance in appliances and s.quantity == "temperature"]
    rows: list[tuple[str, ...]] = []
    counts = {"valid": 0, "soon": 0, "expired": 0, "none": 0}
    for sensor in sensors:
        mine = sorted(told.get(sensor.id, []), key=lambda entry: entry.said.from_ms)
        until = mine[-1].said.expires_ms if mine else sensor.calibrated_until_ms
        counts[_state(until, as_of_ms)] += 1
        where = appliances[sensor.appliance or ""].name
        rows += [(where, *certificate_row(entry, as_of_ms, words)) for entry in mine]
        if not mine:
            ends = words.day(until - 1) if until else "–"
            state = words.say("no certificate") if until is None else words.say(_state(until, as_of_ms))
            rows.append((where, sensor.id, "–", "–", ends, "–", state))
    sums = Pairs(
        (
            (words.say("Sensors"), str(len(sensors))),
            (words.say("Valid"), str(counts["valid"])),
            (words.say("End within {n} days", n=SOON_DAYS[1]), str(counts["soon"])),
            (words.say("Expired"), str(counts["expired"])),
            (words.say("Without a certificate"), str(counts["none"])),
        )
    )
    head = ("Appliance", "Sensor", "Offset", "From", "Expires", "Laboratory", "State")
    blocks: list[Block] = [sums, Heading(words.say("Certificates"))]
    blocks.append(_sheet(words, head, rows, (2,)))
    blocks.append(Signatures(((words.say("Checked by: name, date, signature"), ""),)))
    title = words.say("Calibration register")
    return Document(
        language, title, name, tuple(blocks), footer_of(words, as_of_ms, digest_of(rows)), as_of_ms
    )


def _state(until_ms: int | None, at_ms: int) -> str:
    if until_ms is None:
        return "none"
    if until_ms <= at_ms:
        return "expired"
    return "soon" if until_ms - at_ms < SOON_DAYS[1] * DAY_MS else "valid"


def drill_record(settings: Settings, site: str | None, language: str, as_of_ms: int) -> Document:
    """Every test of an appliance's alarm: when, by whom, where it tripped, how fast people were told."""
    registry, words, name = _begin(settings, site, language)
    mine = {a.id: a for a in registry.appliances if site in (None, a.site)}
    reader = AlarmsReader(settings.alarms_db)
    drills = [d for d in reader.drills() if d.appliance in mine and d.from_ms <= as_of_ms]
    reader.close()
    rows = []
    last: dict[str, int] = {}
    for drill in drills:
        tripped = drill.trip_ms if drill.trip_ms is not None and drill.trip_ms <= as_of_ms else None
        told = drill.told_ms if drill.told_ms is not None and drill.told_ms <= as_of_ms else None
        took = told - tripped if told is not None and tripped is not None else None
        if tripped is not None:
            last[drill.appliance] = max(tripped, last.get(drill.appliance, 0))
        rows.append(
            (
                words.instant(drill.from_ms), mine[drill.appliance].name, called(registry, drill.person),
                words.instant(tripped), words.celsius(drill.trip_value if tripped else None, 2),
                words.celsius(drill.limit_value if tripped else None, 1), seconds(took, words),
            )
        )  # fmt: skip
    late = [a for a in mine.values() if as_of_ms - last.get(a.id, 0) >= DRILL_EVERY_MS]
    late = [a for a in late if a.carries(as_of_ms) not in (None, "empty")]
    head = ("Begun", "Appliance", "By", "Tripped", "At", "Limit", "Told after")
    blocks: list[Block] = [
        Pairs(
            (
                (words.say("Appliances"), str(len(mine))),
                (words.say("Drills"), str(len(rows))),
                (words.say("Not tested for a quarter"), str(len(late))),
            )
        ),
        Heading(words.say("Drills")),
        _sheet(words, head, rows, (4, 5, 6)),
        Heading(words.say("Not tested for a quarter")),
        Note(", ".join(f"{a.name} ({a.id})" for a in late) or words.say("None.")),
        Signatures(((words.say("Reviewed by: name, date, signature"), ""),)),
    ]
    body = [rows, [a.id for a in late]]
    title = words.say("Drill record")
    return Document(
        language, title, name, tuple(blocks), footer_of(words, as_of_ms, digest_of(body)), as_of_ms
    )


def seconds(ms: int | None, words: Words) -> str:
    """A short span."""
    return "–" if ms is None else words.say("{n} s", n=round(ms / 1000))


def _begin(settings: Settings, site: str | None, language: str) -> tuple[Registry, Words, str]:
    reader = RegistryReader(settings.desk_db)
    reader.refresh()
    reader.close()
    registry = reader.registry
    if site is not None and site not in registry.site_by_id:
        raise BadData(f"there is no site {site!r}; there are {', '.join(sorted(registry.site_by_id))}")
    place = registry.site_by_id[site] if site else None
    words = Words(language, place.zone if place else settings.zone)
    return registry, words, place.name if place else words.say("all sites")


def _sheet(
    words: Words, head: tuple[str, ...], rows: Sequence[tuple[str, ...]], numbers: tuple[int, ...]
) -> Block:
    if not rows:
        return Note(words.say("None."))
    return Table(tuple(words.say(name) for name in head), tuple(rows), numbers=numbers)
