# SPDX-License-Identifier: Apache-2.0
"""Readings of many sensors in one flat run: sorted by (series, instant, value), one segment per series.

Scans that carry something along each sensor's readings look back through `np.maximum.accumulate` over
indices; an index before the segment's first reading means "nothing yet in this block: what was carried in".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coldchain.kernel.readings import Rows
from coldchain.kernel.words import Flag, Status

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[Any]
"""Values of readings: thousandths as integers in the engine; a replayed file may bring them as float64 °C."""


@dataclass(frozen=True, slots=True)
class Block:
    """N readings in any order, as columns of length N.

    series   number of the sensor's series
    at       event time [ms since epoch]
    value    thousandths of a degree
    usable   False: failed, or outside what the quantity can be
    live     arrived within the lateness window after its event time, and did not wait to be adopted
    drill    part of a test: shows life, is never judged
    """

    series: Ints
    at: Ints
    value: Numbers
    usable: Bools
    live: Bools
    drill: Bools

    def __len__(self) -> int:
        return len(self.at)

    def take(self, which: Ints | Bools) -> Block:
        """Those readings, in that order."""
        return Block(
            self.series[which],
            self.at[which],
            self.value[which],
            self.usable[which],
            self.live[which],
            self.drill[which],
        )


def block_of(rows: Rows, lateness_ms: int) -> Block:
    """Journalled rows as a block. A reading from the future is judged at its arrival."""
    flags, arrived = rows["flags"], rows["arrived_ms"]
    at = rows["at_ms"].astype(np.int64)
    marked = int(np.bitwise_or.reduce(flags)) if len(flags) else 0
    if marked & Flag.FUTURE:
        at = np.where(flags & Flag.FUTURE, arrived, at)
    usable = rows["status"] == Status.OK
    if marked & Flag.IMPLAUSIBLE:
        usable &= (flags & Flag.IMPLAUSIBLE) == 0
    drill = (flags & Flag.TEST) != 0 if marked & Flag.TEST else np.zeros(len(at), np.bool_)
    live = arrived - at <= lateness_ms
    if marked & Flag.READMITTED:
        # It keeps the arrival it had, and comes only now: what it tells is no news.
        live &= (flags & Flag.READMITTED) == 0
    return Block(rows["series"].astype(np.int64), at, rows["value"].astype(np.int64), usable, live, drill)


def in_order(block: Block) -> Block:
    """Sorted by (series, at, value): independent of the order in which the readings came."""
    series, at = block.series, block.at
    if len(block) < 2:
        return block
    rises = (series[1:] > series[:-1]) | ((series[1:] == series[:-1]) & (at[1:] > at[:-1]))
    if rises.all():
        return block
    if (order := _tick(series)) is not None:
        return _arranged(block, order)
    base, span = int(at.min()), int(at.max()) - int(at.min())
    place_bits, at_bits = len(at).bit_length(), span.bit_length()
    if int(series.max()).bit_length() + at_bits + place_bits > 62:
        return _arranged(block, np.lexsort((block.value, at, series)))
    # One integer per reading sorts several times faster than three columns.
    key = (((series << at_bits) | (at - base)) << place_bits) | np.arange(len(at))
    key.sort()
    instants = key >> place_bits
    if (instants[1:] == instants[:-1]).any():  # equal instants: the value decides
        return _arranged(block, np.lexsort((block.value, at, series)))
    return _arranged(block, key & ((1 << place_bits) - 1))


SPARSE = 16
"""A table this many times the block is still cheaper than sorting it."""


def _tick(series: Ints) -> Ints | None:
    """The order by series of a block with one reading of each; None: there are more, or numbers far apart."""
    n, room = len(series), int(series.max()) + 1
    if room > SPARSE * n or room < n:
        return None
    place = np.full(room, -1, np.int64)
    place[series] = np.arange(n)
    order: Ints = place if room == n and place.min() >= 0 else place[place >= 0]
    return order if len(order) == n else None


def _arranged(block: Block, order: Ints) -> Block:
    """All of them, in that order; columns that say the same of all stay as they are."""

    def same(column: Bools) -> Bools:
        return column if column.all() or not column.any() else column[order]

    at, value = block.at[order], block.value[order]
    return Block(block.series[order], at, value, same(block.usable), same(block.live), same(block.drill))


@dataclass(frozen=True, slots=True)
class Segments:
    """Where each series' readings lie in a sorted block: S segments over N readings.

    series (S,)  the series of each segment
    first  (S,)  index of its first reading; last (S,) of its last
    """

    series: Ints
    first: Ints
    last: Ints
    n: int

    @property
    def single(self) -> bool:
        """One reading of each series: a tick."""
        return len(self.first) == self.n

    @property
    def place(self) -> Ints | slice:
        """`series` as an index: a slice where they follow each other without holes, which needs no gather."""
        start, end = int(self.series[0]), int(self.series[-1]) + 1
        return slice(start, end) if end - start == len(self.series) else self.series

    @property
    def of(self) -> Ints:
        """(N,) the segment of each reading."""
        return np.repeat(np.arange(len(self.first)), self.last - self.first + 1)


def segments_of(series: Ints) -> Segments:
    """The segments of a sorted, non-empty column of series."""
    n = len(series)
    opens = np.empty(n, np.bool_)
    opens[0] = True
    np.not_equal(series[1:], series[:-1], out=opens[1:])
    if opens.all():
        place = np.arange(n)
        return Segments(series, place, place, n)
    first = np.flatnonzero(opens)
    last = np.empty_like(first)
    last[:-1], last[-1] = first[1:] - 1, n - 1
    return Segments(series[first], first, last, n)


def latest(decides: Bools) -> Ints:
    """(N,) index of the latest reading, up to and including this one, for which `decides`; -1 if none."""
    found: Ints = np.maximum.accumulate(np.where(decides, np.arange(len(decides)), -1))
    return found
