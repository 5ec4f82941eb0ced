# SPDX-License-Identifier: Apache-2.0
"""How a device ran, computed from the record: duty, starts a day, pull-down, drift, warming without power."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace

import numpy as np

from alerts.insight import cycles, slots, validity
from alerts.insight.scan import Readings
from alerts.rules.flat import Ints
from coldchain.kernel.errors import ColdChainError, StoreUnavailable
from coldchain.kernel.words import NO_VALUE, Status
from coldchain.records.alarms import AlarmsReader, DefrostRow
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Registry, RegistryReader, Sensor
from coldchain.settings import Settings
from coldchain.wiring.leave import may_i_leave
from dashboards.console.devices.figures import Figures, Leave

WARM_UP_MS = 6 * 3_600_000
"""Cycles are known only after some: so long before a span they are followed."""
OUTAGE_LEAST_MS = 30 * 60_000
"""A shorter one says little of how fast a load warms."""
CYCLES_LEAST = 3
HOUR_MS = 3_600_000.0


class RecordInsight:
    """`Insight` of the console and of the packet: opens the record for each question."""

    def __init__(
        self, settings: Settings, wall_ms: Callable[[], int], *, as_of_ms: int | None = None
    ) -> None:
        """as_of_ms: what arrived later is left out."""
        self._settings, self._wall_ms = settings, wall_ms
        self._as_of_ms = 2**62 if as_of_ms is None else as_of_ms

    def figures(self, appliance: str, spans: Sequence[tuple[int, int]]) -> list[Figures]:
        reader = RegistryReader(self._settings.desk_db)
        with closing(reader):
            reader.refresh()
            sensors = _sensors(reader.registry, appliance)
        blank = [Figures(start, end) for start, end in spans]
        try:
            journal = JournalReader(self._settings.readings_db)
        except StoreUnavailable:
            return blank
        with closing(journal):
            record = Known(journal, self._as_of_ms)
            found = [_figures(record, sensors, one) for one in blank]
        with closing(AlarmsReader(self._settings.alarms_db)) as alarms:
            rows = [(one, alarms.defrosts(one.from_ms, one.until_ms, appliance)) for one in found]
        return [_defrosted(one, some, self._as_of_ms) for one, some in rows]

    def leave(self, appliance: str, since_ms: int) -> Leave | None:
        with suppress(ColdChainError):
            said = may_i_leave(self._settings, appliance, since_ms, self._wall_ms())
            return Leave(said.word, said.why, said.minutes)
        return None


def _sensors(registry: Registry, appliance: str) -> dict[str, Sensor]:
    """By what they are good for: load, air, compressor, mains."""
    mine = [s for s in registry.sensors if s.appliance == appliance]
    site = next((a.site for a in registry.appliances if a.id == appliance), None)
    found: dict[str, Sensor] = {}
    for sensor in (*mine, *(s for s in registry.sensors if s.appliance is None and s.site == site)):
        role = sensor.probe or "load" if sensor.quantity == "temperature" else sensor.quantity
        if role in ("load", "air", "compressor", "mains"):
            found.setdefault(role, sensor)
    if "load" in found or "air" in found:
        found.setdefault("air", found.get("load", found.get("air")))  # type: ignore[arg-type]
        found.setdefault("load", found["air"])
    return found


@dataclass(frozen=True, slots=True)
class Known:
    """The journal, and until when what it holds had arrived [ms]."""

    journal: JournalReader
    as_of_ms: int


def _course(known: Known, sensor: Sensor, start_ms: int, end_ms: int) -> tuple[Ints, Ints]:
    """(instants, thousandths) of the readings that did not fail, each instant once."""
    rows = known.journal.readings(sensor.id, start_ms, end_ms)
    rows = rows[rows["arrived_ms"] <= known.as_of_ms]
    rows = rows[(rows["status"] == Status.OK) & (rows["value"] != NO_VALUE)]
    at, first = np.unique(rows["at_ms"].astype(np.int64), return_index=True)
    return at, rows["value"][first].astype(np.int64)


def _temperatures(known: Known, sensor: Sensor, start_ms: int, end_ms: int) -> tuple[Ints, Ints]:
    """As `_course`, without the codes that a probe or its driver sends instead of a temperature."""
    at, milli = _course(known, sensor, start_ms, end_ms)
    if not len(at):
        return at, milli
    code = validity.advance(validity.blank(1), Readings.of(np.zeros(len(at), np.int64), at, milli)).code
    return at[~code], milli[~code]


def _figures(known: Known, sensors: dict[str, Sensor], blank: Figures) -> Figures:
    start, end = blank.from_ms, blank.until_ms
    if "load" not in sensors or end <= start:
        return blank
    at, milli = _temperatures(known, sensors["load"], start, end)
    if not len(at):
        return _of_hours(known, sensors["load"], blank)
    step = np.minimum(np.diff(at, append=at[-1:]), 2_000 * sensors["load"].due_s(start))
    known_ms = max(int(step.sum()), 1)
    found = replace(blank, mean_c=float(milli.mean()) / 1000.0, known_ms=known_ms)
    found = _cycled(known, sensors["air"], found)
    if "compressor" in sensors:
        found = _switched(known, sensors["compressor"], found)
    if "mains" in sensors:
        found = replace(found, warming_k_h=_warming(known, sensors["mains"], start, end, at, milli))
    return found


def _cycled(known: Known, air: Sensor, found: Figures) -> Figures:
    """By the cycles of its air: a compressor needs no sensor of its own."""
    at, milli = _temperatures(known, air, found.from_ms - WARM_UP_MS, found.until_ms)
    if not len(at):
        return found
    table, slot = cycles.blank(1), slots.blank(1)
    readings = Readings.of(np.zeros(len(at), np.int64), at, milli)
    made = cycles.advance(table, readings, slots.close(slot, readings))
    if made is None:
        return found
    inside = made.at >= found.from_ms
    each = made.features[inside]
    if len(each) < CYCLES_LEAST:
        return found
    period = each[:, cycles.PERIOD]
    return replace(
        found,
        duty=float((each[:, cycles.DUTY] * period).sum() / period.sum()),
        starts=86_400.0 / float(np.median(period)),
        pull_down_k_h=float(np.median(each[:, cycles.PULL_DOWN])) * 3600.0,
        drift_k_h=float(np.median(each[:, cycles.DRIFT])) * 3600.0,
    )


def _switched(known: Known, sensor: Sensor, found: Figures) -> Figures:
    """By what the compressor itself says."""
    at, milli = _course(known, sensor, found.from_ms, found.until_ms)
    if len(at) < CYCLES_LEAST:
        return found
    on = milli >= 500
    lasts = np.minimum(np.diff(at), 2_000 * sensor.due_s(found.from_ms))
    if not lasts.sum():
        return found
    starts = int((on[1:] & ~on[:-1]).sum())
    days = float(lasts.sum()) / 86_400_000.0
    return replace(found, duty=float(lasts[on[:-1]].sum() / lasts.sum()), starts=starts / days)


def _defrosted(found: Figures, rows: list[DefrostRow], as_of_ms: int) -> Figures:
    """What alerts had written by then; several probes tell of the same ones: the most, not the sum."""
    by_sensor: dict[str, list[int]] = {}
    for row in rows:
        if row.decided_ms <= as_of_ms and row.from_ms >= found.from_ms and row.until_ms <= found.until_ms:
            by_sensor.setdefault(row.sensor, []).append(row.until_ms - row.from_ms)
    if not by_sensor or not found.known_ms:
        return found
    lasted = max(by_sensor.values(), key=lambda some: (len(some), sum(some)))
    days = found.known_ms / 86_400_000.0
    return replace(found, defrosts=len(lasted) / days, defrost_min=float(np.median(lasted)) / 60_000.0)


def _warming(known: Known, mains: Sensor, start_ms: int, end_ms: int, at: Ints, milli: Ints) -> float | None:
    """The median over its outages of how fast the load rose [K/h]."""
    when, value = _course(known, mains, start_ms, end_ms)
    if not len(when):
        return None
    off = np.concatenate(([False], value < 500, [False]))
    edges = np.flatnonzero(off[1:] != off[:-1])
    found = []
    for first, last in edges.reshape(-1, 2).tolist():
        begin, until = int(when[first]), int(when[last]) if last < len(when) else end_ms
        inside = np.flatnonzero((at >= begin) & (at <= until))
        if until - begin < OUTAGE_LEAST_MS or len(inside) < 2:
            continue
        rise = float(milli[inside[-1]] - milli[inside[0]]) / 1000.0
        found.append(rise / (float(at[inside[-1]] - at[inside[0]]) / HOUR_MS))
    return float(np.median(found)) if found else None


def _of_hours(known: Known, sensor: Sensor, blank: Figures) -> Figures:
    """Of readings whose time is up there are hourly figures; an hour with a code in it is left out."""
    between = (validity.COLDEST, validity.WARMEST)
    mean, hours = known.journal.hourly_mean(sensor.id, blank.from_ms, blank.until_ms, between)
    return replace(blank, mean_c=mean / 1000.0, known_ms=hours * 3_600_000) if hours else blank
