# SPDX-License-Identifier: Apache-2.0
"""What admission knows: which sensor is wired to each channel, and which readings were seen before.

A *slot* is a channel of one run of a node: (node, boot, channel). For each slot the sequence numbers seen
are a set of ranges. Nearly always they only grow at the top, so the topmost range lies in two numpy arrays
and a batch is judged at once; what lies below it (backfill overtaken by live data) is a `RangeSet`. Pure: no
I/O, no clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coldchain.kernel.ranges import RangeSet

Longs = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Channel = tuple[str, int]
"""(node, channel)"""
NEVER = 2**62


@dataclass(frozen=True, slots=True)
class Wired:
    """The sensor at a channel: its id and the code of its quantity."""

    sensor: str
    quantity: int
    tests: tuple[tuple[int, int], ...] = ()
    """Spans (from, until) [ms] in which what it says is part of a test."""
    from_ms: int = 0
    """A probe that took another's place: what it sent before then, on a bench, is not of this place."""
    until_ms: int = NEVER
    """A probe whose place another took: what its gateway had by then is of this place still."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Sequence numbers as closed runs, by slot, then number: (R,) each."""

    slot: Longs
    low: Longs
    high: Longs


class Known:
    """Names become numbers here; new ones wait in `new_sources` and `new_series` until the store has kept
    them.
    """

    def __init__(self, wiring: Mapping[Channel, Wired] | None = None) -> None:
        self.wiring: Mapping[Channel, Wired] = wiring or {}
        self.source_of: dict[tuple[str, int], int] = {}
        self.node_of: dict[int, str] = {}
        self.series_of: dict[tuple[str, int], int] = {}
        self.new_sources: list[tuple[int, str, int]] = []
        self.new_series: list[tuple[int, str, int]] = []
        self._keys = np.zeros(0, np.int64)  # sorted: source << 16 | channel
        self._slots = np.zeros(0, np.int64)  # the slot of each key
        self._n = 0
        self._key = np.zeros(64, np.int64)  # by slot, from here on
        self.series = np.zeros(64, np.uint32)
        self.quantity = np.zeros(64, np.uint8)
        self.from_ms = np.zeros(64, np.int64)  # what it sent before belongs to another place
        self.until_ms = np.full(64, NEVER)  # what its gateway took later waits to be named
        self._low = np.zeros(64, np.int64)
        self._next = np.zeros(64, np.int64)
        self._dirty = np.zeros(64, np.bool_)
        self._below: dict[int, RangeSet] = {}
        self._tests = np.zeros((0, 3), np.int64)  # series, from, until [ms]: readings that are part of a test

    # --- names

    def sources(self, nodes: Iterable[tuple[str, int]]) -> Longs:
        """The number of each (node, boot); unknown ones get the next number."""
        return np.array([self.source_of.get(run) or self._new_source(run) for run in nodes], np.int64)

    def _new_source(self, run: tuple[str, int]) -> int:
        number = len(self.source_of) + 1
        self.learn_source(number, *run)
        self.new_sources.append((number, *run))
        return number

    def learn_source(self, number: int, node: str, boot: int) -> None:
        """Take up a source that the store knows."""
        self.source_of[node, boot] = number
        self.node_of[number] = node

    def slots(self, sources: Longs, channels: npt.NDArray[np.uint16]) -> Longs:
        """The slot of each row; new channels are wired by the registry as it is now."""
        keys = (sources << 16) | channels
        if len(self._keys):
            places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            if bool((self._keys[places] == keys).all()):
                return self._slots[places]
        self._add(np.setdiff1d(keys, self._keys))
        return self._slots[np.searchsorted(self._keys, keys)]

    def _add(self, keys: Longs) -> None:
        first, self._n = self._n, self._n + len(keys)
        while self._n > len(self._key):
            for name in ("_key", "series", "quantity", "from_ms", "until_ms", "_low", "_next", "_dirty"):
                column = getattr(self, name)
                setattr(self, name, np.concatenate([column, np.zeros_like(column)]))
        self._key[first : self._n] = keys
        order = np.argsort(self._key[: self._n])
        self._keys, self._slots = self._key[order], order.astype(np.int64)
        for slot in range(first, self._n):
            self._wire(slot)

    def _wire(self, slot: int) -> None:
        wired = self.wiring.get(self.channel_of(slot))
        self.series[slot] = self._series_number(wired) if wired else 0
        self.quantity[slot] = wired.quantity if wired else 0
        self.from_ms[slot] = wired.from_ms if wired else 0
        self.until_ms[slot] = wired.until_ms if wired else NEVER

    def channel_of(self, slot: int) -> Channel:
        key = int(self._key[slot])
        return self.node_of[key >> 16], key & 0xFFFF

    def _series_number(self, wired: Wired) -> int:
        name = (wired.sensor, wired.quantity)
        number = self.series_of.get(name)
        if number is None:
            number = self.series_of[name] = len(self.series_of) + 1
            self.new_series.append((number, *name))
        return number

    def series_at(self, channel: Channel, quantity: int) -> int:
        """The series a channel of that quantity belongs to now; 0 unknown, -1 when the quantity disagrees."""
        wired = self.wiring.get(channel)
        if wired is None or wired.until_ms != NEVER:
            return 0
        return self._series_number(wired) if wired.quantity == quantity else -1

    def rewire(self, wiring: Mapping[Channel, Wired]) -> None:
        """Take up a new registry."""
        self.wiring = wiring
        for slot in range(self._n):
            self._wire(slot)
        tests = [(self._series_number(w), *span) for w in wiring.values() for span in w.tests]
        self._tests = np.array(tests, np.int64).reshape(-1, 3)

    def tests_between(self, first_ms: int, last_ms: int) -> list[tuple[int, int, int]]:
        """(series, from, until) [ms] of tests that touch those instants, both included."""
        begun, over = self._tests[:, 1] <= last_ms, self._tests[:, 2] <= first_ms
        return [(series, start, end) for series, start, end in self._tests[begun & ~over].tolist()]

    # --- what was seen

    def unseen(self, slots: Longs, seqs: Longs) -> tuple[Bools, Runs]:
        """True for each row seen neither before nor earlier in these rows; and the runs those rows make."""
        order = np.lexsort((seqs, slots))
        slot, seq = slots[order], seqs[order]
        fresh = seq >= self._next[slot]
        same_slot = slot[1:] == slot[:-1]
        again = same_slot & (seq[1:] == seq[:-1])
        if again.any():
            fresh[1:] &= ~again
        below = seq < self._low[slot]
        if below.any():
            self._look_below(slot, seq, below, fresh)
            fresh[1:] &= ~again
        if fresh.all():
            return fresh, _runs(slot, seq)
        mask = np.zeros(len(order), np.bool_)
        mask[order] = fresh
        return mask, _runs(slot[fresh], seq[fresh])

    def _look_below(self, slot: Longs, seq: Longs, below: Bools, fresh: Bools) -> None:
        places = np.flatnonzero(below)
        runs = _runs(slot[places], seq[places])
        numbers = seq[places]
        for one, low, high in zip(runs.slot.tolist(), runs.low.tolist(), runs.high.tolist(), strict=True):
            known = self._below.get(one)
            for start, end in known.missing(low, high) if known else [(low, high)]:
                mine = (slot[places] == one) & (numbers >= start) & (numbers <= end)
                fresh[places[mine]] = True

    def mark(self, runs: Runs) -> None:
        """These are seen from now on."""
        if not len(runs.slot):
            return
        self._dirty[runs.slot] = True
        alone = np.ones(len(runs.slot), np.bool_)
        twice = runs.slot[1:] == runs.slot[:-1]
        alone[1:] &= ~twice
        alone[:-1] &= ~twice
        on_top = alone & (runs.low == self._next[runs.slot])
        self._next[runs.slot[on_top]] = runs.high[on_top] + 1
        for place in np.flatnonzero(~on_top).tolist():
            self._mark_run(int(runs.slot[place]), int(runs.low[place]), int(runs.high[place]))

    def _mark_run(self, slot: int, low: int, high: int) -> None:
        bottom, top = int(self._low[slot]), int(self._next[slot])
        if low == top:
            self._next[slot] = high + 1
        elif low > top:
            if top > bottom:
                self._below.setdefault(slot, RangeSet()).add(bottom, top - 1)
            self._low[slot], self._next[slot] = low, high + 1
        else:
            below = self._below.setdefault(slot, RangeSet())
            below.add(low, high)
            pairs = below.pairs()
            if pairs[-1][1] == bottom - 1:  # the hole under the topmost range is filled
                self._low[slot] = pairs[-1][0]
                self._below[slot] = RangeSet(pairs[:-1])

    def seen(self, slot: int) -> list[tuple[int, int]]:
        """The ranges seen of a slot."""
        below = self._below.get(slot)
        pairs = below.pairs() if below else []
        bottom, top = int(self._low[slot]), int(self._next[slot])
        return [*pairs, (bottom, top - 1)] if top > bottom else pairs

    # --- keeping it

    def changed(self) -> list[tuple[bytes, int]]:
        """(seen, source) of each source that changed since the last call, for the store to keep."""
        touched = np.unique(self._key[np.flatnonzero(self._dirty[: self._n])] >> 16)
        self._dirty[:] = False
        found = []
        for source in touched.tolist():
            first, last = np.searchsorted(self._keys, [source << 16, (source + 1) << 16]).tolist()
            ranges = {
                int(self._key[slot]) & 0xFFFF: self.seen(slot) for slot in self._slots[first:last].tolist()
            }
            found.append((json.dumps(ranges, separators=(",", ":")).encode(), source))
        return found

    def restore(self, kept: Iterable[tuple[int, bytes]]) -> None:
        """Take up (source, seen) of all sources at once, as `changed` gave them."""
        keys: list[int] = []
        ranges: list[list[tuple[int, int]]] = []
        for source, seen in kept:
            for channel, pairs in (json.loads(seen) if seen else {}).items():
                keys.append(source << 16 | int(channel))
                ranges.append(pairs)
        if not keys:
            return
        wanted = np.array(keys, np.int64)
        slots = self.slots(wanted >> 16, (wanted & 0xFFFF).astype(np.uint16))
        for slot, pairs in zip(slots.tolist(), ranges, strict=True):
            for low, high in pairs:
                self._mark_run(slot, low, high)


def _runs(slot: Longs, seq: Longs) -> Runs:
    """Rows sorted by slot and number, none twice or some twice, as closed runs."""
    if not len(slot):
        return Runs(slot, seq, seq)
    breaks = np.flatnonzero((slot[1:] != slot[:-1]) | (seq[1:] > seq[:-1] + 1))
    starts = np.concatenate([[0], breaks + 1])
    ends = np.append(breaks, len(slot) - 1)
    return Runs(slot[starts], seq[starts], seq[ends])
