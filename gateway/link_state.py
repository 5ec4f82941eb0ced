# SPDX-License-Identifier: Apache-2.0
"""What to send to the hub next. Pure: numbers of readings, and the time as an argument.

Every reading that is not receipted is in exactly one of three places: fresh (the newest live ones, also while
the link is down), backlog, or in flight. Only a receipt takes it out. Fresh and backlog take turns, so that
neither starves the other; what was in flight when the connection was lost goes back where it came from.

A slow link is not a lossy one: what the broker has not confirmed is still on its way, and is not sent again
as long as the connection holds. Little of the backlog is on its way at once, so that fresh readings never
queue behind much of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from coldchain.kernel.ranges import RangeSet
from gateway.codecs.frames import Pairs

FRESH_MAX_BATCHES = 20
"""More fresh readings than so many batches hold are backlog: then the newest go first again."""
STALL_TIMEOUTS = 3.0
"""Without any receipt for so many time-outs, while batches are in flight, the connection is made anew."""
PIPE = 2
"""Batches of backlog handed to the connection that the broker has not confirmed, at most."""
PATIENCE_MOST = 16.0
"""A hub that gives no receipts is asked less and less often, down to once in so many time-outs."""


class Plan(NamedTuple):
    """A batch to send: link sequences in order."""

    pairs: Pairs
    backfill: bool
    flight: int


class _Flight(NamedTuple):
    """confirmed_s: when the broker had it; None: it is still on its way."""

    left: RangeSet
    backfill: bool
    confirmed_s: float | None


class LinkState:
    """The sender's memory.

    window      batches sent and not yet receipted, at most
    batch       readings in a batch, at most
    linger_s    how long fresh readings wait to share a batch
    timeout_s   how long a batch that the broker has waits for its receipt before it is sent again
    """

    def __init__(self, *, window: int, batch: int, linger_s: float, timeout_s: float) -> None:
        self._window, self._batch = window, batch
        self._linger_s, self._timeout_s = linger_s, timeout_s
        self._fresh, self._backlog = RangeSet(), RangeSet()
        self._flights: dict[int, _Flight] = {}
        self._next_flight = 0
        self._fresh_since_s = 0.0
        self._backlog_turn = False
        self._up = False
        self._progress_s = self._confirmed_s = 0.0
        self._patience = 1.0
        self.resent = 0

    def accepted(self, low: int, high: int, now_s: float, *, live: bool) -> None:
        """These readings are in the spool now. The newest `live` ones go before the backlog."""
        if not (self._fresh or self._backlog or self._flights):
            self._progress_s = self._confirmed_s = now_s  # nothing was due before
        if not live:
            self._backlog.add(low, high)
            return
        if not self._fresh:
            self._fresh_since_s = now_s
        self._fresh.add(low, high)
        self._bound_fresh()

    def _bound_fresh(self) -> None:
        if len(self._fresh) > FRESH_MAX_BATCHES * self._batch:
            self._to_backlog(self._fresh)
            self._fresh = RangeSet()

    def connected(self, now_s: float) -> None:
        """The link is up. Whatever was in flight may be lost: it is sent again."""
        self._up, self._progress_s, self._confirmed_s = True, now_s, now_s
        self._recall()

    def disconnected(self) -> None:
        self._up = False
        self._recall()

    def _recall(self) -> None:
        for flight in self._flights.values():
            for low, high in flight.left:
                (self._backlog if flight.backfill else self._fresh).add(low, high)
            self.resent += bool(flight.left)
        self._flights.clear()
        self._bound_fresh()

    def _to_backlog(self, pairs: Iterable[tuple[int, int]]) -> None:
        for low, high in pairs:
            self._backlog.add(low, high)

    def next(self, now_s: float) -> Plan | None:
        """Take the next batch to send, or None when there is none yet. It is in flight from now on."""
        self._expire(now_s)
        if not self._up or len(self._flights) >= self._window:
            return None
        fresh = bool(self._fresh) and (
            len(self._fresh) >= self._batch or now_s - self._fresh_since_s >= self._linger_s
        )
        old = bool(self._backlog) and self._room_for_old()
        if not fresh and not old:
            return None
        backfill = old and (self._backlog_turn or not fresh)
        self._backlog_turn = not backfill
        source = self._backlog if backfill else self._fresh
        pairs = _first(source, self._batch)
        for low, high in pairs:
            source.remove(low, high)
        if not backfill:
            self._fresh_since_s = now_s
        number, self._next_flight = self._next_flight, self._next_flight + 1
        if not self._on_the_way:
            self._confirmed_s = now_s
        self._flights[number] = _Flight(RangeSet(pairs), backfill, None)
        return Plan(pairs, backfill, number)

    @property
    def _on_the_way(self) -> int:
        return sum(flight.confirmed_s is None for flight in self._flights.values())

    def _room_for_old(self) -> bool:
        return sum(f.backfill and f.confirmed_s is None for f in self._flights.values()) < PIPE

    def confirmed(self, flight: int, now_s: float) -> None:
        """The broker has that plan's batch: from here its receipt is waited for."""
        self._confirmed_s = now_s
        if (known := self._flights.get(flight)) is not None and known.confirmed_s is None:
            self._flights[flight] = known._replace(confirmed_s=now_s)

    def put_back(self, pairs: Pairs) -> None:
        """A part of a plan could not be sent after all: it is backlog."""
        self._drop(pairs)
        self._to_backlog(pairs)

    def receipted(self, pairs: Pairs, now_s: float) -> None:
        """The hub has these; or the spool has not got them any more."""
        self._progress_s, self._patience = now_s, 1.0
        self._drop(pairs)

    def _drop(self, pairs: Pairs) -> None:
        for low, high in pairs:
            self._fresh.remove(low, high)
            self._backlog.remove(low, high)
            for number, flight in list(self._flights.items()):
                flight.left.remove(low, high)
                if not flight.left:
                    del self._flights[number]

    def _expire(self, now_s: float) -> None:
        late = [n for n, flight in self._flights.items() if self._due_s(flight) <= now_s]
        for number in late:
            self._to_backlog(self._flights.pop(number).left)
            self.resent += 1
        if late:
            self._patience = min(2 * self._patience, PATIENCE_MOST)

    def _due_s(self, flight: _Flight) -> float:
        """When its receipt is overdue."""
        if flight.confirmed_s is None:
            return math.inf
        return flight.confirmed_s + self._patience * self._timeout_s

    def stalled(self, now_s: float) -> bool:
        """Is the link up in name only: nothing is confirmed of what is on its way, or no receipt comes?"""
        if not self._up or not (self._flights or self._backlog):
            return False
        limit_s = STALL_TIMEOUTS * self._timeout_s
        mute = self._on_the_way > 0 and now_s - self._confirmed_s >= limit_s
        return mute or now_s - self._progress_s >= self._patience * limit_s

    def wake_s(self, now_s: float) -> float | None:
        """How long nothing will be due [s], or None when only an event can make something due."""
        if not self._up:
            return None
        dues = [self._due_s(flight) for flight in self._flights.values()]
        if len(self._flights) < self._window:
            if self._backlog and self._room_for_old():
                dues.append(now_s)
            if self._fresh:
                dues.append(self._fresh_since_s + self._linger_s)
        due_s = min(dues, default=math.inf)
        return None if due_s == math.inf else max(0.0, due_s - now_s)

    def pending(self) -> RangeSet:
        """Everything not receipted."""
        whole = self._fresh.union(self._backlog)
        for flight in self._flights.values():
            whole = whole.union(flight.left)
        return whole

    @property
    def in_flight(self) -> int:
        return len(self._flights)

    @property
    def up(self) -> bool:
        return self._up


def _first(source: RangeSet, n: int) -> Pairs:
    """The first n numbers of the set, as ranges."""
    pairs = []
    for low, high in source:
        take = min(high, low + n - 1)
        pairs.append((low, take))
        n -= take - low + 1
        if n == 0:
            break
    return pairs
