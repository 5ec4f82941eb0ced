# SPDX-License-Identifier: Apache-2.0
"""y = a * y + b along each sensor's own sequence, many sensors at once, the same to the bit whatever the cut.

The sequence is divided into fixed groups. Inside a group the composed map (gain, gift) is carried, so the
value is always gain * base + gift, base being the value when the group began: however a block is cut, the
same products are formed in the same order. A loop runs over places inside a group and one over groups of a
sensor, never over sensors or readings.
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
        seg = self.seg
        return np.arange(seg.n) - np.repeat(seg.first, seg.last - seg.first + 1)


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
    """The column as it stood before each reading; `carried` (S,) before the first ones."""
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
    gains, gifts = _inside(a, b, first, gain, gift)
    base = np.zeros((len(first), width))
    base[head] = np.where(same[:, None], was["base"], value_of(was))
    _across(base, gain, gift, head, tail - head)
    after = was.copy()
    after["group"], after["base"] = group[seg.last], base[tail]
    after["gain"], after["gift"] = gain[tail], gift[tail]
    return gains * base[row] + gifts, after


def _inside(a: Floats, b: Floats, first: Ints, gain: Floats, gift: Floats) -> tuple[Floats, Floats]:
    """The composed maps after each step; `gain` and `gift` (R, F) become those at the end of each row."""
    length = np.diff(np.append(first, len(b)))
    order = np.argsort(-length, kind="stable")
    starts, lengths = first[order], length[order]
    g, h = gain[order], gift[order]
    gains, gifts = np.empty_like(b), np.empty_like(b)
    for place in range(int(lengths[0])):
        many = int(np.searchsorted(-lengths, -place, side="left"))
        index = starts[:many] + place
        step = a[index]
        g[:many] *= step
        h[:many] *= step
        h[:many] += b[index]
        gains[index], gifts[index] = g[:many], h[:many]
    gain[order], gift[order] = g, h
    return gains, gifts


def _across(base: Floats, gain: Floats, gift: Floats, head: Ints, more: Ints) -> None:
    """What each row begins with, row after row of every sensor."""
    if not more.any():
        return
    order = np.argsort(-more, kind="stable")
    heads, mores = head[order], more[order]
    for step in range(int(mores[0])):
        rows = heads[: int(np.searchsorted(-mores, -step, side="left"))] + step
        base[rows + 1] = gain[rows] * base[rows] + gift[rows]


def last_true(flag: Bools, seg: Segments) -> Ints:
    """(N,) index of the latest True at or before each reading in its segment; -1 if none."""
    index = np.maximum.accumulate(np.where(flag, np.arange(len(flag)), -1))
    first = np.repeat(seg.first, seg.last - seg.first + 1)
    return np.where(index >= first, index, -1)
