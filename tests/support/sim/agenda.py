# SPDX-License-Identifier: Apache-2.0
"""What happens when: a heap of events and the virtual clock that they move."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from sim.plan import START_MS

Action = Callable[[], None]


class Agenda:
    """Events of one instant come in the order in which they were asked for."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self._events: list[tuple[int, int, str, Action]] = []
        self._due: dict[str, int] = {}
        self._ticket = 0

    @property
    def now_s(self) -> float:
        """A steady clock."""
        return (self.now_ms - START_MS) / 1000 + 1.0

    def at(self, at_ms: int, action: Action, kind: str = "") -> None:
        self._ticket += 1
        heapq.heappush(self._events, (at_ms, self._ticket, kind, action))

    def wake(self, name: str, in_ms: int, action: Action) -> None:
        """Once, at the earliest of the times that were asked for."""
        at_ms = self.now_ms + in_ms
        if self.now_ms <= self._due.get(name, -1) <= at_ms:
            return
        self._due[name] = at_ms

        def due() -> None:
            if self._due.get(name) == at_ms:
                del self._due[name]
                action()

        self.at(at_ms, due)

    def waits(self, name: str) -> bool:
        """Is it to be woken later?"""
        return self._due.get(name, -1) > self.now_ms

    def has(self, kind: str) -> bool:
        return any(event[2] == kind for event in self._events)

    def drop(self, kind: str) -> None:
        self._events = [event for event in self._events if event[2] != kind]
        heapq.heapify(self._events)

    def play(self, until_ms: int, enough: Callable[[], bool] = lambda: False) -> None:
        """Let everything happen that is due by then, or until it is enough."""
        while self._events and self._events[0][0] <= until_ms and not enough():
            at_ms, _, _, action = heapq.heappop(self._events)
            self.now_ms = max(self.now_ms, at_ms)
            action()
        if not enough():
            self.now_ms = max(self.now_ms, until_ms)
