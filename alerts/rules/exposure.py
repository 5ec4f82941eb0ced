# SPDX-License-Identifier: Apache-2.0
"""Facts about a stretch of valid readings: how long beyond a limit, how far, how much is unknown.

Between neighbours at most `gap_ms` apart the temperature is linear, so an excursion begins and ends where
the line crosses the limit; what lies between neighbours further apart is unknown. Durations are whole ms,
areas whole thousandths of a degree times ms: sums are exact, in any order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alerts.rules.flat import Bools, Ints, Numbers, Segments

OPEN = -1
"""Stands in `end` while an excursion lasts."""

ACTIVATION_K = 10_000.0
"""Heat of activation over the gas constant [K]: 83.144 kJ/mol and 8.3144e-3 kJ/(mol K), USP <1160>."""
ZERO_C = 273.15


@dataclass(frozen=True, slots=True)
class Line:
    """N valid readings, sorted, as a line from each to its neighbour.

    step_ms  (N,) to the next reading of the same sensor; 0 behind a sensor's last
    known    (N,) that step is bridged by a straight line; unknown_ms (N,) else its length
    """

    at: Ints
    value: Numbers
    seg: Segments
    step_ms: Ints
    known: Bools
    unknown_ms: Ints


@dataclass(frozen=True, slots=True)
class Excursions:
    """E excursions of one side, in the order of the readings.

    segment           (E,) the sensor's segment; first, last (E,) its first and last reading beyond
    start, end        (E,) [ms]; OPEN while it lasts
    out_ms            (E,) known to be beyond; unknown_ms (E,) between start and end, not known
    peak              (E,) the furthest reading
    area              (E,) thousandths of a degree beyond the limit times ms
    """

    segment: Ints
    first: Ints
    last: Ints
    start: Ints
    end: Ints
    out_ms: Ints
    unknown_ms: Ints
    peak: Numbers
    area: Ints


def line_of(at: Ints, value: Numbers, seg: Segments, gap_ms: Ints | int) -> Line:
    """From valid readings, in order."""
    step = np.zeros(len(at), np.int64)
    step[:-1] = at[1:] - at[:-1]
    step[seg.last] = 0
    known = step <= gap_ms
    known[seg.last] = False
    inner = np.ones(len(at), np.bool_)
    inner[seg.last] = False
    return Line(at, value, seg, step, known, np.where(inner & ~known, step, 0))


def beyond(line: Line, limit: float, sign: int) -> tuple[Ints, Excursions]:
    """(N,) ms beyond the limit on each step, and the excursions. sign: 1 above it, -1 below it."""
    size, edge = sign * line.value, sign * limit
    out = size > edge
    after = np.zeros_like(out)
    after[:-1] = out[1:]
    after[line.seg.last] = False
    if not out.any():
        return np.zeros(len(out), np.int64), _none(line.value)
    cross = _crossings(line, size, edge, out != after)
    step = line.step_ms
    out_ms = np.where(out, np.where(after, step, cross), np.where(after, step - cross, 0))
    out_ms = np.where(line.known, out_ms, 0)
    following = np.append(size[1:], size[-1:])
    high_here = np.where(out, size - edge, 0.0)
    high_there = np.where(after, following - edge, 0.0)
    area = np.rint((high_here + high_there) / 2 * out_ms).astype(np.int64)
    return out_ms, _excursions(line, size, sign, out, cross, (out_ms, area))


def _none(value: Numbers) -> Excursions:
    no = np.zeros(0, np.int64)
    return Excursions(no, no, no, no, no, no, no, value[:0], no)


def _crossings(line: Line, size: Numbers, edge: float, turns: Bools) -> Ints:
    """(N,) ms from each reading to where its step crosses the edge; 0 where it does not."""
    cross = np.zeros(len(size), np.int64)
    where = np.flatnonzero(turns & line.known)
    here, there = size[where], size[where + 1]
    cross[where] = np.rint((edge - here) / (there - here) * line.step_ms[where]).astype(np.int64)
    return cross


def _excursions(
    line: Line, size: Numbers, sign: int, out: Bools, cross: Ints, sums: tuple[Ints, Ints]
) -> Excursions:
    before = np.zeros_like(out)
    before[1:] = out[:-1]
    before[line.seg.first] = False
    after = np.zeros_like(out)
    after[:-1] = out[1:]
    after[line.seg.last] = False
    first, last = np.flatnonzero(out & ~before), np.flatnonzero(out & ~after)
    segment = np.searchsorted(line.seg.first, first, side="right") - 1
    at, known = line.at, line.known
    entered = np.maximum(first - 1, 0)
    crossed_in = (first > line.seg.first[segment]) & known[entered]
    start = np.where(crossed_in, at[entered] + cross[entered], at[first])
    leaving = np.minimum(last + 1, len(at) - 1)
    end = np.where(known[last], at[last] + cross[last], at[leaving])
    end = np.where(last == line.seg.last[segment], OPEN, end)

    def total(column: Ints, begin: Ints) -> Ints:
        """From step `begin` to step `last`, both included."""
        sums = np.concatenate(([0], np.cumsum(column)))
        return sums[last + 1] - sums[begin]

    out_ms, area = sums
    begin = np.where(crossed_in, entered, first)
    worst = np.maximum.reduceat(np.where(out, size, -np.inf), first)
    return Excursions(
        segment, first, last, start, end,
        total(out_ms, begin), total(line.unknown_ms, first), sign * worst, total(area, begin),
    )  # fmt: skip


def mean_kinetic_c(line: Line, interval_ms: Ints | int) -> npt.NDArray[np.float64]:
    """(S,) constant temperature with the same thermal stress [°C]. To read, never to release blood by.

    Each reading counts for the time to the next one; for one interval where that is unknown.
    """
    weight = np.where(line.known, line.step_ms, interval_ms).astype(np.float64)
    kelvin = line.value / 1000.0 + ZERO_C
    first, n = line.seg.first, line.seg.last - line.seg.first + 1
    # The hottest reading is set apart, so that no exponential vanishes.
    hottest = np.maximum.reduceat(kelvin, first)
    stress = np.exp(ACTIVATION_K / np.repeat(hottest, n) - ACTIVATION_K / kelvin)
    mean = np.add.reduceat(weight * stress, first) / np.add.reduceat(weight, first)
    return ACTIVATION_K / (ACTIVATION_K / hottest - np.log(mean)) - ZERO_C
