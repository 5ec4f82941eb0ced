# SPDX-License-Identifier: Apache-2.0
"""Rises that came and went by themselves: what a load does at each defrost is no drift.

Kept are the two largest of the present and of the past span of days. The second largest of them is what an
appliance does regularly: a single odd day does not blunt it. Maxima know no order, so no cut changes them.
"""

from __future__ import annotations

import numpy as np

from alerts.insight.scan import NEVER, Floats, Table, along, last_true
from alerts.rules.flat import Bools, Ints, Segments, segments_of

SPAN_S = 7 * 86_400.0
"""Freezers defrost every 25 to 42 h: a few of them fall into each span, though one be skipped."""
MOST_MK = 1 << 20

STATE = np.dtype([("span", "<i8"), ("top", "<i4", 2), ("past", "<i4", 2)])
"""span: number of the present one; top, past: the two largest rises of it and of the one before [mK]."""


def blank(n: int) -> Table:
    table = np.zeros(n, STATE)
    table["span"] = NEVER
    return table


def advance(was: Table, seg: Segments, at_s: Floats, ends: Bools, rise_k: Floats) -> Floats:
    """(M,) the regular rise [K] known at each step; 0: none. `was` (S,) is brought forward.

    ends  (M,) a rise ended here that counts; rise_k (M,) by how much it rose
    """
    span = np.floor(at_s / SPAN_S).astype(np.int64)
    source, events = last_true(ends, seg), np.flatnonzero(ends)
    of = along(np.arange(len(was)), seg)
    stands = [was["span"][of], was["top"][of].astype(np.int64), was["past"][of].astype(np.int64)]
    if len(events):
        told = _kept(was, of[events], span[events], rise_k[events])
        number = np.cumsum(ends) - 1
        has = np.flatnonzero(source >= 0)
        for column, news in zip(stands, told, strict=True):
            column[has] = news[number[has]]
    _turned(stands, span)
    last = seg.last
    was["span"], was["top"], was["past"] = (column[last] for column in stands)
    both = np.sort(np.concatenate([stands[1], stands[2]], axis=1), axis=1)
    return np.asarray(both[:, 2] / 1000.0)


def _turned(stands: list[Ints], span: Ints) -> None:
    """Bring (span, top, past) forward to the span of each step."""
    later = span - stands[0]
    next_one, gone = (later == 1) & (stands[0] != NEVER), (later > 1) | (stands[0] == NEVER)
    stands[2][next_one] = stands[1][next_one]
    stands[2][gone] = 0
    stands[1][next_one | gone] = 0
    stands[0][:] = span


def _kept(was: Table, of: Ints, span: Ints, rise_k: Floats) -> list[Ints]:
    """(span, top, past) after each of E events, sorted by sensor and instant."""
    size = np.minimum(np.rint(rise_k * 1000.0), MOST_MK - 1).astype(np.int64)
    opens = np.append(True, (of[1:] != of[:-1]) | (span[1:] != span[:-1]))
    first = np.flatnonzero(opens)
    group = np.cumsum(opens) - 1
    head = [
        was["span"][of[first]],
        was["top"][of[first]].astype(np.int64),
        was["past"][of[first]].astype(np.int64),
    ]
    sensors = segments_of(of[first])
    start, past = np.zeros((len(first), 2), np.int64), np.zeros((len(first), 2), np.int64)
    heads = sensors.first
    part = [column[heads] for column in head]
    _turned(part, span[first[heads]])
    start[heads], past[heads] = part[1], part[2]
    base = group * MOST_MK
    largest = np.maximum.accumulate(_with(size, first, start[:, 0]) + base) - base
    before = np.empty_like(largest)
    before[1:] = largest[:-1]
    before[first] = start[:, 0]
    loser = np.minimum(size, before)
    second = np.maximum.accumulate(_with(loser, first, start[:, 1]) + base) - base
    top = np.stack([largest, second], axis=1)
    # A span follows the one before it of the same sensor, or nothing.
    follows = np.ones(len(first), np.bool_)
    follows[heads] = False
    final = np.append(first[1:] - 1, len(size) - 1)
    next_one = np.flatnonzero(follows)
    close = next_one[span[first[next_one]] == span[first[next_one - 1]] + 1]
    past[close] = top[final[close - 1]]
    return [span, top, past[group]]


def _with(column: Ints, first: Ints, least: Ints) -> Ints:
    out = column.copy()
    out[first] = np.maximum(out[first], least)
    return out
