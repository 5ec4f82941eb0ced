# SPDX-License-Identifier: Apache-2.0
"""Many short excursions: the time out of range of the last 24 hours against a budget."""

from __future__ import annotations

import numpy as np

from alerts.rules.exposure import Line
from alerts.rules.flat import Bools, Ints

DAY_MS = 86_400_000

RING = 25
"""Hours kept of each sensor: the one it is, and the 24 before it."""


def day_sums(line: Line, out_ms: Ints) -> Ints:
    """(N,) ms known to be out of range on the steps that began in the 24 hours up to each reading.

    out_ms  (N,) on the step from each reading to the next, as `exposure.beyond` gives it
    """
    until = np.zeros(len(out_ms), np.int64)
    until[1:] = np.cumsum(out_ms)[:-1]  # what came before each reading
    seg = line.seg
    start = line.at - DAY_MS
    first = seg.first[seg.of]
    # One ascending axis for all sensors: each begins more than a day after the one before has ended.
    shift = np.zeros(len(seg.first), np.int64)
    shift[1:] = np.cumsum(line.at[seg.last[:-1]] - line.at[seg.first[1:]] + 2 * DAY_MS)
    axis = line.at + shift[seg.of]
    since = np.maximum(np.searchsorted(axis, start + shift[seg.of], side="left"), first)
    return until - until[since]


def turns(line: Line, spent: Bools) -> tuple[Ints, Ints]:
    """Indices of readings at which a sensor's budget becomes spent, and at which it is so no more."""
    before = np.zeros_like(spent)
    before[1:] = spent[:-1]
    before[line.seg.first] = False
    return np.flatnonzero(spent & ~before), np.flatnonzero(before & ~spent)
