# SPDX-License-Identifier: Apache-2.0
"""Play (backlash): a pointer pushed by the readings, loose by a band. Many sensors at once, exactly.

Each reading maps the pointer to itself clipped between two bounds. Such maps compose by minima and maxima of
integers, so they may be taken together in any way, and no cut changes anything.
"""

from __future__ import annotations

import numpy as np

from alerts.insight.scan import FEW, along, rank_of
from alerts.rules.flat import Bools, Ints, Segments

STRETCH = 64
"""Readings whose maps are composed place by place."""


def played(value: Ints, half: Ints, anew: Bools, seg: Segments, pointer: Ints) -> Ints:
    """(N,) the pointer after each reading: pushed up by value - half, down by value + half."""
    half = np.where(anew, 0, half)
    low, high = value - half, value + half
    if seg.single:
        return _pushed(pointer, low, high)
    rank = rank_of(seg)
    opens = rank % STRETCH == 0
    first = np.flatnonzero(opens)
    row, place = np.cumsum(opens) - 1, rank % STRETCH
    rows, longest = len(first), int(place.max()) + 1
    if rows * longest > 2 * seg.n:
        low, high = _doubled(low, high, rank)
        return _pushed(along(pointer, seg), low, high)
    cell = place * rows + row
    lows, highs = np.full(rows * longest, LEAST), np.full(rows * longest, MOST)
    lows[cell], highs[cell] = low, high
    low_at, high_at = lows.reshape(longest, rows), highs.reshape(longest, rows)
    for k in range(1, longest):
        now_low, now_high = low_at[k].copy(), high_at[k].copy()
        low_at[k] = _pushed(low_at[k - 1], now_low, now_high)
        high_at[k] = _pushed(high_at[k - 1], now_low, now_high)
    head = row[seg.first]
    start = _starts(low_at[-1], high_at[-1], head, row[seg.last] - head, pointer)
    return _pushed(start[row], lows[cell], highs[cell])


LEAST, MOST = -(2**62), 2**62


def _pushed(pointer: Ints, low: Ints, high: Ints) -> Ints:
    moved: Ints = np.minimum(np.maximum(pointer, low), high)
    return moved


def _starts(low: Ints, high: Ints, head: Ints, more: Ints, pointer: Ints) -> Ints:
    """(R,) the pointer with which each row begins; `low` and `high` (R,) are the map of the whole row."""
    start = np.zeros(len(low), np.int64)
    start[head] = pointer
    if len(head) <= FEW:
        for begin, many in zip(head.tolist(), more.tolist(), strict=True):
            here, found = int(start[begin]), []
            rows = slice(begin, begin + many)
            for least, most in zip(low[rows].tolist(), high[rows].tolist(), strict=True):
                here = min(max(here, least), most)
                found.append(here)
            start[begin + 1 : begin + 1 + many] = found
        return start
    for step in range(int(more.max())):
        now = head[more > step] + step
        start[now + 1] = _pushed(start[now], low[now], high[now])
    return start


def _doubled(low: Ints, high: Ints, rank: Ints) -> tuple[Ints, Ints]:
    """Maps from each segment's beginning to each reading, where segments are of very different lengths."""
    reach, longest = 1, int(rank.max())
    while reach <= longest:
        # Each map so far spans `reach` readings: put the one before in front of it.
        late = np.flatnonzero(rank >= reach)
        before = late - reach
        new_low = _pushed(low[before], low[late], high[late])
        new_high = _pushed(high[before], low[late], high[late])
        low[late], high[late] = new_low, new_high
        reach *= 2
    return low, high
