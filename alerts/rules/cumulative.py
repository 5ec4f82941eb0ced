# SPDX-License-Identifier: Apache-2.0
"""Many short excursions: the time out of range of the last 24 hours against a budget.

Of each sensor the seconds beyond its limits are kept by the hour in which a step from reading to reading
began: the hour it is, and the 24 before it. What is added up is whole seconds, so no cut changes a sum.
A step longer than the gap is unknown: it adds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from alerts.rules.flat import Bools, Ints, Numbers, Segments

HOUR_MS = 3_600_000

RING = 25
"""Hours kept of each sensor: the one it is, and the 24 before it."""
MOST_S = 65_535
_ROW_BITS = 32
_BACK = 64
"""Above every hour before the first: keys stay in order."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is carried of S sensors: the newest temperature and its instant, and the seconds by the hour.

    hour   (S,) number of the newest hour in which there are any; -1 before the first
    out_s  (S, RING) by hour modulo RING
    """

    at: Ints
    value: Ints
    hour: Ints
    out_s: npt.NDArray[Any]


def advance(
    at: Ints,
    value: Numbers,
    limits: tuple[Numbers, Numbers],
    gap_ms: Ints,
    counts: Bools,
    seg: Segments,
    was: Kept,
) -> tuple[Ints, Kept]:
    """(N,) seconds beyond the limits on the steps of the last 24 hours up to each reading; what to carry.

    limits  low and high, (N,) each
    counts  (N,) False: the step that ends here needs nobody
    """
    low, high = limits
    before_at, before = _before(at, seg, was.at), _before(value, seg, was.value)
    step = at - before_at
    known = (before_at >= 0) & (step > 0) & (step <= gap_ms) & counts
    span = np.where(known, step, 0)  # the first reading has no step: before it lies nothing
    out_ms = _beyond(before, value, high, span) + _beyond(-before, -value, -low, span)
    out_s = np.where(known, np.rint(out_ms / 1000.0), 0.0).astype(np.int64)
    sensors = len(seg.first)
    ring_hours = was.hour[:, None] - np.arange(RING - 1, -1, -1)
    rows = np.arange(sensors)[:, None]
    # Each sensor's hours as kept, then its steps: in order of time.
    place = np.arange(seg.n) + RING * (seg.of + 1)
    ring_place = (np.arange(sensors) * RING + seg.first)[:, None] + np.arange(RING)
    total = sensors * RING + seg.n
    hours, spent, row = (np.empty(total, np.int64) for _ in range(3))
    hours[ring_place], hours[place] = ring_hours, before_at // HOUR_MS
    spent[ring_place], spent[place] = was.out_s[rows, ring_hours % RING], out_s
    row[ring_place], row[place] = rows, seg.of
    key = (row << _ROW_BITS) + hours + _BACK
    running = np.concatenate(([0], np.cumsum(spent)))
    since = np.searchsorted(key, (seg.of << _ROW_BITS) + at // HOUR_MS - (RING - 1) + _BACK, side="left")
    sums = running[place + 1] - running[np.minimum(since, place + 1)]
    newest = np.maximum.reduceat(np.where(spent > 0, hours, -1), ring_place[:, 0])
    ring = np.zeros((sensors, RING), np.int64)
    held = hours > newest[row] - RING
    np.add.at(ring, (row[held], hours[held] % RING), spent[held])
    after = Kept(at[seg.last], value[seg.last], newest, np.minimum(ring, MOST_S))
    return sums, after


def _before(column: Numbers, seg: Segments, carried: Ints) -> Numbers:
    before = np.empty_like(column)
    before[1:] = column[:-1]
    before[seg.first] = carried
    return before


def _beyond(here: Numbers, there: Numbers, edge: Numbers, step: Ints) -> Ints:
    """(N,) ms of each step above the edge, the temperature being a straight line."""
    out, after = here > edge, there > edge
    turns = out != after
    rise = np.where(turns, there - here, 1).astype(np.float64)
    cross = np.rint((edge - here) / rise * step).astype(np.int64)
    part = np.where(out, cross, step - cross)
    return np.where(turns, part, np.where(out, step, 0))
