# SPDX-License-Identifier: Apache-2.0
"""A stretch of one sensor as charts draw it: lowest and highest of each step, gaps as gaps. Pure.

A step is never shorter than two intervals of the sensor, so that an empty step *is* a gap, and every reading
is inside the lowest and highest of its step: no zoom hides a peak.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from coldchain.kernel.words import NO_VALUE
from coldchain.records.registry import Appliance
from dashboards.console.views import LOST_PROBE, Limit, limit_of

RANGES_MS = {
    "6h": 6 * 3_600_000,
    "24h": 24 * 3_600_000,
    "7d": 7 * 86_400_000,
    "30d": 30 * 86_400_000,
    "1y": 365 * 86_400_000,
}
SHORTEST_STEP_MS = 1_000
WINDOW_MS = 6 * 3_600_000
"""The record's window as it is set unless told otherwise; with another one, charts are right and slower."""
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Series:
    """B steps of `step_ms` from `start_ms` on. Values are thousandths; None: no valid reading.

    until_ms  nothing is asked of after this instant (now, or the end of the range)
    """

    sensor: str
    start_ms: int
    step_ms: int
    until_ms: int
    low: tuple[int | None, ...]
    high: tuple[int | None, ...]
    n: tuple[int, ...]

    def __post_init__(self) -> None:
        assert len(self.low) == len(self.high) == len(self.n)

    @property
    def end_ms(self) -> int:
        return self.start_ms + len(self.n) * self.step_ms

    @property
    def extremes(self) -> tuple[int, int] | None:
        """Lowest and highest of the whole stretch."""
        lows = [value for value in self.low if value is not None]
        highs = [value for value in self.high if value is not None]
        return (min(lows), max(highs)) if lows else None

    def gaps(self) -> list[tuple[int, int]]:
        """Stretches without a valid reading, [from, until) in ms; the step that still runs is not one yet."""
        found: list[tuple[int, int]] = []
        for i, value in enumerate(self.low):
            start, end = self.start_ms + i * self.step_ms, self.start_ms + (i + 1) * self.step_ms
            if value is not None or end > self.until_ms:
                continue
            if found and found[-1][1] == start:
                found[-1] = (found[-1][0], end)
            else:
                found.append((start, end))
        return found


@dataclass(frozen=True, slots=True)
class LimitSpan:
    """What was in force from `from_ms` until `until_ms` (exclusive)."""

    from_ms: int
    until_ms: int
    limit: Limit


def steps(start_ms: int, end_ms: int, points: int, every_s: int) -> tuple[int, int, int]:
    """First instant, step length [ms] and number of steps that cover start..end in at most `points` steps.

    Steps lie on whole multiples of their length, so that a chart does not dance as time passes.

    >>> steps(0, 86_400_000, 480, 60)
    (0, 180000, 480)
    >>> steps(0, 6 * 3_600_000, 480, 60)
    (0, 120000, 180)

    Long ones are whole windows of the record, whose lowest and highest are known without reading them:

    >>> steps(0, 365 * 86_400_000, 480, 60)[1] / 3_600_000
    24.0
    """
    assert end_ms > start_ms, (start_ms, end_ms)
    step = max(-(-(end_ms - start_ms) // max(points, 1)), 2_000 * every_s, SHORTEST_STEP_MS)
    if step > WINDOW_MS:
        step = -(-step // WINDOW_MS) * WINDOW_MS
    first = start_ms // step * step
    return first, step, max(1, -(-(end_ms - first) // step))


def series_of(
    sensor: str, first_ms: int, step_ms: int, until_ms: int, vmin: Ints, vmax: Ints, n: Ints
) -> Series:
    """From the reader's arrays (one entry a step; those with n = 0 mean nothing).

    A probe's error code is no temperature: a step of codes only is a gap.
    """
    held = (n > 0) & (vmin != NO_VALUE) & (vmax != LOST_PROBE)
    vmin = np.where(vmin == LOST_PROBE, vmax, vmin)
    low = tuple(int(v) if ok else None for v, ok in zip(vmin, held, strict=True))
    high = tuple(int(v) if ok else None for v, ok in zip(vmax, held, strict=True))
    return Series(sensor, first_ms, step_ms, until_ms, low, high, tuple(int(v) for v in n))


def limits_between(appliance: Appliance, start_ms: int, end_ms: int) -> list[LimitSpan]:
    """The limits in force then, not now: one span for each stretch of one assignment."""
    edges = {start_ms, end_ms}
    for assignment in appliance.assignments:
        for edge in (assignment.from_ms, assignment.until_ms):
            if edge is not None and start_ms < edge < end_ms:
                edges.add(edge)
    marks = sorted(edges)
    spans: list[LimitSpan] = []
    for begin, end in pairwise(marks):
        limit = limit_of(appliance.carries(begin))
        if spans and spans[-1].limit == limit:
            spans[-1] = LimitSpan(spans[-1].from_ms, end, limit)
        else:
            spans.append(LimitSpan(begin, end, limit))
    return spans


def unknown_ms(series: Series) -> int:
    """How much of the stretch nobody knows [ms]."""
    return sum(end - start for start, end in series.gaps())
