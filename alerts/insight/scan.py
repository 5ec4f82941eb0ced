# SPDX-License-Identifier: Apache-2.0
"""y = a * y + b along each sensor's own sequence, many sensors at once, the same to the bit whatever the cut.

The sequence is divided into fixed groups. Inside a group the composed map (gain, gift) is carried, so the
value is always gain * base + gift, base being the value when the group began: however a block is cut, the
same products are formed in the same order. A loop runs over places inside a group and one over groups of a
sensor, never over sensors or readings; one step of every sensor (a tick) needs no loop at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from alerts.rules.flat import Bools, Ints, Segments, segments_of

Floats = npt.NDArray[np.float64]
Table = npt.NDArray[np.void]

GROUP = 64
"""Steps in a group: a year of minutes is then some eight thousand groups."""

NEVER = -1


@dataclass(frozen=True, slots=True)
class Readings:
    """N readings that are temperatures, sorted by (series, at), each newer than its series' record.

    series, at  (N,) number, event time [ms since epoch]
    milli       (N,) thousandths of a degree
    """

    series: Ints
    at: Ints
    milli: Ints
    seg: Segments

    @classmethod
    def of(cls, series: Ints, at: Ints, milli: Ints) -> Readings:
        assert len(series), "no readings: nothing to advance"
        return cls(series, at, milli, segments_of(series))

    @property
    def celsius(self) -> Floats:
        return self.milli / 1000.0

    def rank(self) -> Ints:
        """(N,) place of each reading in its segment, from 0."""
        return rank_of(self.seg)

    def take(self, which: Ints) -> Readings:
        """Those readings, at least one, in ascending order."""
        return Readings.of(self.series[which], self.at[which], self.milli[which])


def rank_of(seg: Segments) -> Ints:
    """(N,) place in the segment, from 0."""
    if seg.single:
        return np.zeros(seg.n, np.int64)
    return np.asarray(np.arange(seg.n) - along(seg.first, seg))


def along(values: npt.NDArray[Any], seg: Segments) -> npt.NDArray[Any]:
    """What is known of each segment (S, ...), at each of its readings (N, ...). Not to be written to."""
    if seg.single:
        return values
    if len(seg.first) == 1:
        return np.broadcast_to(values, (seg.n, *values.shape[1:]))
    return np.repeat(values, seg.last - seg.first + 1, axis=0)


def scan_of(width: int) -> np.dtype[np.void]:
    """The record that `width` recurrences of one sensor carry: 24 bytes each, and 8."""
    return np.dtype(
        [("group", "<i8"), ("base", "<f8", width), ("gain", "<f8", width), ("gift", "<f8", width)]
    )


def rows_of(table: Table, who: Ints) -> Table:
    """A copy of those records, as bytes: field by field numpy is many times slower."""
    raw = np.dtype((np.void, table.dtype.itemsize))
    return np.asarray(table.view(raw)[who].view(table.dtype))


def put_rows(table: Table, who: Ints, rows: Table) -> None:
    """Write records back, as bytes."""
    raw = np.dtype((np.void, table.dtype.itemsize))
    table.view(raw)[who] = rows.view(raw)


def decay(x: Floats) -> Floats:
    """exp(-x) for x >= 0 to 1e-4 up to x = 1, by plain arithmetic.

    A library's exponential may differ in its last bit between a lane and a remainder, so with the cut.
    """
    y = np.minimum(x, 700.0) / 8.0
    part = 1.0 / (1.0 + y * (1.0 + y * (0.5 + y / 6.0)))
    part *= part
    part *= part
    return part * part


def value_of(was: Table) -> Floats:
    """(S, F) where the recurrences stand."""
    value: Floats = was["gain"] * was["base"] + was["gift"]
    return value


def shifted(column: npt.NDArray[Any], seg: Segments, carried: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The column as it stood before each reading; `carried` (S,) before the first ones.

    Of a tick that is `carried` itself: write to neither before both are used.
    """
    if seg.single:
        return carried.astype(column.dtype, copy=False)
    before = np.empty_like(column)
    before[1:] = column[:-1]
    before[seg.first] = carried
    return before


def affine(a: Floats, b: Floats, group: Ints, seg: Segments, was: Table) -> tuple[Floats, Table]:
    """Every value (N, F), and the records (S,) to carry on.

    a, b   (N, F) finite; a step that forgets all before has a = 0
    group  (N,) number of the fixed group of each step, not falling along a sensor
    was    (S,) records of `scan_of(F)`
    """
    n, width = b.shape
    if seg.single:
        after = was.copy()
        return _once(a, b, group, after), after
    opens = np.empty(n, np.bool_)
    opens[0] = True
    opens[1:] = group[1:] != group[:-1]
    opens[seg.first] = True
    first = np.flatnonzero(opens)
    row = np.cumsum(opens) - 1
    head, tail = row[seg.first], row[seg.last]
    same = was["group"] == group[seg.first]
    gain, gift = np.ones((len(first), width)), np.zeros((len(first), width))
    gain[head[same]], gift[head[same]] = was["gain"][same], was["gift"][same]
    gains, gifts = _inside(a, b, first, row, gain, gift)
    base = np.zeros((len(first), width))
    base[head] = np.where(same[:, None], was["base"], value_of(was))
    _across(base, gain, gift, head, tail - head)
    after = np.empty_like(was)
    after["group"], after["base"] = group[seg.last], base[tail]
    after["gain"], after["gift"] = gain[tail], gift[tail]
    gains *= base[row]
    gains += gifts
    return gains, after


def stepped(a: Floats, b: Floats, group: Ints, seg: Segments, was: Table) -> Floats:
    """As `affine`, with the records brought forward in place."""
    if not seg.single:
        values, after = affine(a, b, group, seg, was)
        put_rows(was, np.arange(len(was)), after)
        return values
    return _once(a, b, group, was)


def _once(a: Floats, b: Floats, group: Ints, was: Table) -> Floats:
    """One step of each sensor, in place: as the loops do it, the same operations in the same order."""
    base, gain, gift = was["base"], was["gain"], was["gift"]
    anew = np.flatnonzero(was["group"] != group)
    if len(anew):
        base[anew] = gain[anew] * base[anew] + gift[anew]
        gain[anew], gift[anew] = 1.0, 0.0
        was["group"] = group
    gain *= a
    gift *= a
    gift += b
    values: Floats = gain * base
    values += gift
    return values


def _inside(
    a: Floats, b: Floats, first: Ints, row: Ints, gain: Floats, gift: Floats
) -> tuple[Floats, Floats]:
    """The composed maps after each step; `gain` and `gift` (R, F) become those at the end of each row."""
    length = np.diff(np.append(first, len(b)))
    longest = int(length.max())
    if len(first) > 2 and (length[1:-1] == longest).all():
        return _inside_even(a, b, length, gain, gift)
    if longest * len(first) <= 2 * len(b):
        return _inside_dense(a, b, first, row, gain, gift)
    order = np.argsort(-length, kind="stable")
    starts, lengths = first[order], length[order]
    g, h = gain[order], gift[order]
    gains, gifts = np.empty_like(b), np.empty_like(b)
    for place in range(longest):
        many = int(np.searchsorted(-lengths, -place, side="left"))
        index = starts[:many] + place
        step = a[index]
        g[:many] *= step
        h[:many] *= step
        h[:many] += b[index]
        gains[index], gifts[index] = g[:many], h[:many]
    gain[order], gift[order] = g, h
    return gains, gifts


def _inside_dense(
    a: Floats, b: Floats, first: Ints, row: Ints, gain: Floats, gift: Floats
) -> tuple[Floats, Floats]:
    """The same where most rows are about as long as the longest: laid out place by place."""
    n, width = b.shape
    place = np.arange(n) - first[row]
    length = np.diff(np.append(first, n))
    rows, longest = len(first), int(length.max())
    cell = place * rows + row
    gains, gifts = np.ones((longest * rows, width)), np.zeros((longest * rows, width))
    gains[cell], gifts[cell] = a, b
    steps, adds = gains.reshape(longest, rows, width), gifts.reshape(longest, rows, width)
    g, h = gain.copy(), gift.copy()
    for step, add in zip(steps, adds, strict=True):
        h *= step
        h += add
        add[...] = h
        g *= step
        step[...] = g
    end = (length - 1) * rows + np.arange(rows)
    gain[...], gift[...] = gains[end], gifts[end]
    return gains[cell], gifts[cell]


def _inside_even(a: Floats, b: Floats, length: Ints, gain: Floats, gift: Floats) -> tuple[Floats, Floats]:
    """The same where rows are alike but for the first and last, as in one long history: no indices."""
    n, width = b.shape
    rows, longest = len(length), int(length.max())
    skip = longest - int(length[0])
    whole = slice(skip, skip + n)
    gains, gifts = np.ones((rows * longest, width)), np.zeros((rows * longest, width))
    gains[whole], gifts[whole] = a, b
    steps, adds = gains.reshape(rows, longest, width), gifts.reshape(rows, longest, width)
    g, h = gain.copy(), gift.copy()
    for place in range(longest):
        step, add = steps[:, place], adds[:, place]
        h *= step
        h += add
        add[...] = h
        g *= step
        step[...] = g
    gains, gifts = gains[whole], gifts[whole]
    end = np.cumsum(length) - 1
    gain[...], gift[...] = gains[end], gifts[end]
    return gains, gifts


FEW = 24
"""Numbers below which plain Python steps faster than numpy."""


def _across(base: Floats, gain: Floats, gift: Floats, head: Ints, more: Ints) -> None:
    """What each row begins with, row after row of every sensor."""
    if not more.any():
        return
    if len(head) * base.shape[1] <= FEW:
        _across_few(base, gain, gift, head, more)
        return
    order = np.argsort(-more, kind="stable")
    heads, mores = head[order], more[order]
    for step in range(int(mores[0])):
        rows = heads[: int(np.searchsorted(-mores, -step, side="left"))] + step
        base[rows + 1] = gain[rows] * base[rows] + gift[rows]


def _across_few(base: Floats, gain: Floats, gift: Floats, head: Ints, more: Ints) -> None:
    """The same products and sums, one number at a time: of one long history there are few at each row."""
    for begin, many in zip(head.tolist(), more.tolist(), strict=True):
        rows = slice(begin, begin + many)
        for column in range(base.shape[1]):
            value = float(base[begin, column])
            found = []
            for g, h in zip(gain[rows, column].tolist(), gift[rows, column].tolist(), strict=True):
                value = g * value + h
                found.append(value)
            base[begin + 1 : begin + 1 + many, column] = found


def last_true(flag: Bools, seg: Segments) -> Ints:
    """(N,) index of the latest True at or before each reading in its segment; -1 if none."""
    index = np.where(flag, np.arange(len(flag)), -1)
    if seg.single:
        return index
    np.maximum.accumulate(index, out=index)
    if len(seg.first) == 1:
        return index
    return np.where(index >= along(seg.first, seg), index, -1)
