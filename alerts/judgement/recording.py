# SPDX-License-Identifier: Apache-2.0
"""Recordings made ready to be judged, and what is told of every sensor in the end. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from alerts.rules.exposure import Excursions, Line, beyond, line_of, mean_kinetic_c
from alerts.rules.flat import Bools, Ints, Numbers, Segments, segments_of
from coldchain.files.columns import FileColumns
from coldchain.kernel.instants import rfc3339

Told = dict[str, Any]
Found = tuple[int, str, str, str, Told]
"""What is printed, with its place in the print: (instant [ms], sensor, event, kind, the line)."""


@dataclass(frozen=True, slots=True)
class Recording:
    """N readings of S sensors, sorted by sensor and instant, none twice.

    sensors    (S,) names, ascending; sensor (N,) int64 indices into them
    at         (N,) [ms]; celsius (N,) [°C], NaN where the reading failed
    """

    sensors: tuple[str, ...]
    sensor: Ints
    at: Ints
    celsius: npt.NDArray[np.float64]

    @property
    def milli(self) -> npt.NDArray[np.float64]:
        """(N,) thousandths of a degree: whole where the file has three decimals or fewer."""
        thousands = self.celsius * 1000.0
        whole = np.rint(thousands)
        return np.where(np.abs(thousands - whole) < 1e-6, whole, thousands)


def recording_of(files: Sequence[FileColumns], *, by_value: bool) -> Recording:
    """All files together. A sensor that several name is one sensor; what is said twice counts once.

    by_value  of equal instants the lower value comes first, whatever the order of the files
    """
    sensors = tuple(sorted({name for file in files for name in file.sensors}))
    place = {name: n for n, name in enumerate(sensors)}
    numbers = [np.array([place[name] for name in file.sensors], np.int64) for file in files]
    sensor = np.concatenate([number[file.sensor] for number, file in zip(numbers, files, strict=True)])
    at = np.concatenate([file.at_ms for file in files])
    celsius = np.concatenate([file.celsius for file in files])
    # A failed reading before all others of its instant: so the engine sorts, too.
    keys = (np.nan_to_num(celsius, nan=-np.inf), at, sensor) if by_value else (at, sensor)
    order = np.lexsort(keys)
    sensor, at, celsius = sensor[order], at[order], celsius[order]
    same = celsius[1:] == celsius[:-1]
    same |= np.isnan(celsius[1:]) & np.isnan(celsius[:-1])
    same &= (at[1:] == at[:-1]) & (sensor[1:] == sensor[:-1])
    if same.any():
        kept = np.append(True, ~same)
        sensor, at, celsius = sensor[kept], at[kept], celsius[kept]
    present, sensor = np.unique(sensor, return_inverse=True)
    return Recording(tuple(sensors[n] for n in present.tolist()), sensor, at, celsius)


def usual_step_ms(recording: Recording) -> Ints:
    """(S,) each sensor's median step; a minute where there is none."""
    seg = segments_of(recording.sensor)
    step = np.diff(recording.at)
    found = []
    for first, last in zip(seg.first.tolist(), seg.last.tolist(), strict=True):
        steps = step[first:last]
        steps = steps[steps > 0]
        found.append(int(np.median(steps)) if len(steps) else 60_000)
    return np.array(found, np.int64)


@dataclass(frozen=True, slots=True)
class Exposure:
    """The line through the valid readings, and how it lay to the limits. `out` by kind: high, low."""

    line: Line
    out: dict[str, tuple[Ints, Excursions]]
    interval: Ints


def exposure_of(
    recording: Recording, valid: Bools, low: float | None, high: float | None, interval_ms: Ints
) -> Exposure | None:
    """low, high [thousandths]; interval_ms (S,). None when no reading is valid."""
    where = np.flatnonzero(valid)
    if not len(where):
        return None
    sensor = recording.sensor[where]
    seg = segments_of(sensor)
    interval = interval_ms[sensor]
    line = line_of(recording.at[where], recording.milli[where], seg, 2 * interval)
    sides = (("high", high, 1), ("low", low, -1))
    out = {kind: beyond(line, limit, sign) for kind, limit, sign in sides if limit is not None}
    return Exposure(line, out, interval)


Cause = tuple[str, float, list[str]]
"""A word, how likely, and what spoke for it."""


def excursions(
    recording: Recording, exposure: Exposure, limits: dict[str, float], causes: dict[str, list[Cause]]
) -> list[Found]:
    """One line for each excursion, at its start. limits [°C] and causes, where there are any, by kind."""
    found: list[Found] = []
    for kind, (_, e) in exposure.out.items():
        why = iter(causes.get(kind, []))
        columns = (
            exposure.line.seg.series[e.segment],
            e.start,
            e.end,
            e.out_ms,
            e.unknown_ms,
            e.peak,
            e.area,
        )
        for sensor, start, end, out, unknown, peak, area in zip(*(c.tolist() for c in columns), strict=True):
            name = recording.sensors[sensor]
            told: Told = {
                "event": "excursion",
                "at": rfc3339(start),
                "sensor": name,
                "kind": kind,
                "start": rfc3339(start),
                "end": None if end < 0 else rfc3339(end),
                "seconds": seconds(out),
                "peak_c": peak / 1000,
                "degree_minutes": area / 60_000_000,
                "unknown_seconds": seconds(unknown),
                "cause": "unknown",
                "limit_c": limits[kind],
            }
            found.append((start, name, "excursion", kind, told))
            if (cause := next(why, None)) is not None:
                word, likely, evidence = cause
                told["cause"] = word
                line: Told = {"event": "diagnosis", "at": rfc3339(start), "sensor": name, "cause": word}
                line |= {"probability": round(likely, 4), "evidence": evidence, "of": kind}
                found.append((start, name, "diagnosis", kind, line))
    return found


def summaries(recording: Recording, valid: Bools, exposure: Exposure | None) -> list[Told]:
    """One line a sensor, by name. The four spans sum to last minus first of all its readings."""
    seg = segments_of(recording.sensor)
    n = seg.last - seg.first + 1
    whole = recording.at[seg.last] - recording.at[seg.first]
    invalid = n - np.add.reduceat(valid.astype(np.int64), seg.first)
    known, below, above = (np.zeros(len(n), np.int64) for _ in range(3))
    kinetic = np.full(len(n), np.nan)
    if exposure is not None:
        line = exposure.line
        who = line.seg.series
        known[who] = _sums(np.where(line.known, line.step_ms, 0), line.seg)
        for column, kind in ((below, "low"), (above, "high")):
            if kind in exposure.out:
                column[who] = _sums(exposure.out[kind][0], line.seg)
        kinetic[who] = mean_kinetic_c(line, exposure.interval)
    columns = (seg.series, n, invalid, whole, known, below, above, kinetic)
    return [
        {
            "event": "summary",
            "at": rfc3339(int(recording.at[seg.last[place]])),
            "sensor": recording.sensors[sensor],
            "readings": readings,
            "invalid": bad,
            "seconds_in": seconds(known_ms - below_ms - above_ms),
            "seconds_below": seconds(below_ms),
            "seconds_above": seconds(above_ms),
            "seconds_unknown": seconds(whole_ms - known_ms),
            "mean_kinetic_c": None if np.isnan(mean) else round(mean, 6),
        }
        for place, (sensor, readings, bad, whole_ms, known_ms, below_ms, above_ms, mean) in enumerate(
            zip(*(c.tolist() for c in columns), strict=True)
        )
    ]


def _sums(column: Numbers, seg: Segments) -> Ints:
    return np.asarray(np.add.reduceat(column, seg.first), np.int64)


def seconds(ms: int) -> int | float:
    """As short as it is exact.

    >>> seconds(60_000), seconds(1_250)
    (60, 1.25)
    """
    return ms // 1000 if ms % 1000 == 0 else ms / 1000


def in_print(found: list[Found]) -> list[Told]:
    """By instant, sensor, event."""
    return [told for *_, told in sorted(found, key=lambda one: one[:4])]
