# SPDX-License-Identifier: Apache-2.0
"""What to send to the hub next. Pure: numbers of readings, and the time as an argument.

Every reading that is not receipted is in exactly one of three places: fresh (came while the link was up),
backlog, or in flight. Only a receipt takes it out. Fresh and backlog take turns, so that neither starves the
other; what was in flight too long, or when the connection was lost, is backlog again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from coldchain.kernel.ranges import RangeSet
from gateway.codecs.frames import Pairs

FRESH_MAX_BATCHES = 20
"""More fresh readings than so many batches hold are backlog: then the newest go first again."""
STALL_TIMEOUTS = 3.0
"""Without any receipt for so many time-outs, while batches are in flight, the connection is made anew."""


class Plan(NamedTuple):
    """A batch to send: link sequences in order."""

    pairs: Pairs
    backfill: bool


class _Flight(NamedTuple):
    left: RangeSet
    sent_s: float


class LinkState:
    """The sender's memory.

    window      batches sent and not yet receipted, at most
    batch       readings in a batch, at most
    linger_s    how long fresh readings wait to share a batch
    timeout_s   how long a batch waits for its receipt before it is sent again
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
        self._progress_s = 0.0
        self.resent = 0

    def accepted(self, low: int, high: int, now_s: float, *, live: bool) -> None:
        """These readings are in the spool now. `live` ones, while the link is up, go before the backlog."""
        if not (self._fresh or self._backlog or self._flights):
            self._progress_s = now_s  # nothing was due before
        if not (live and self._up):
            self._backlog.add(low, high)
            return
        if not self._fresh:
            self._fresh_since_s = now_s
        self._fresh.add(low, high)
        if len(self._fresh) > FRESH_MAX_BATCHES * self._batch:
            self._to_backlog(self._fresh)
            self._fresh = RangeSet()

    def connected(self, now_s: float) -> None:
        """The link is up. Whatever was in flight may be lost: it is sent again."""
        self._up, self._progress_s = True, now_s
        self._recall()

    def disconnected(self) -> None:
        self._up = False
        self._recall()

    def _recall(self) -> None:
        for flight in self._flights.values():
            self._to_backlog(flight.left)
            self.resent += bool(flight.left)
        self._flights.clear()
        self._to_backlog(self._fresh)
        self._fresh = RangeSet()

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
        if not fresh and not self._backlog:
            return None
        backfill = bool(self._backlog) and (self._backlog_turn or not fresh)
        self._backlog_turn = not backfill
        source = self._backlog if backfill else self._fresh
        pairs = _first(source, self._batch)
        for low, high in pairs:
            source.remove(low, high)
        if not backfill:
            self._fresh_since_s = now_s
        self._flights[self._next_flight] = _Flight(RangeSet(pairs), now_s)
        self._next_flight += 1
        return Plan(pairs, backfill)

    def put_back(self, pairs: Pairs) -> None:
        """A part of a plan could not be sent after all: it is backlog."""
        self._drop(pairs)
        self._to_backlog(pairs)

    def receipted(self, pairs: Pairs, now_s: float) -> None:
        """The hub has these; or the spool has not got them any more."""
        self._progress_s = now_s
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
        for number, flight in list(self._flights.items()):
            if now_s - flight.sent_s >= self._timeout_s:
                del self._flights[number]
                self._to_backlog(flight.left)
                self.resent += 1

    def stalled(self, now_s: float) -> bool:
        """Is the link up in name only: much waits, and no receipt comes?"""
        waiting = bool(self._flights) or bool(self._backlog)
        return self._up and waiting and now_s - self._progress_s >= STALL_TIMEOUTS * self._timeout_s

    def wake_s(self, now_s: float) -> float | None:
        """How long nothing will be due [s], or None when only an event can make something due."""
        if not self._up:
            return None
        dues = [flight.sent_s + self._timeout_s for flight in self._flights.values()]
        if len(self._flights) < self._window:
            if self._backlog:
                dues.append(now_s)
            if self._fresh:
                dues.append(self._fresh_since_s + self._linger_s)
        return max(0.0, min(dues) - now_s) if dues else None

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
