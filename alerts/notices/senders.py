# SPDX-License-Identifier: Apache-2.0
"""A thread for each channel, so that none waits for another: a call rings while messages leave.

Each has at most one try under way. They only send: what came of it is written by whoever gave it to them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue

from alerts.notices.bundle import Due
from coldchain.ports.clock import steady_s
from coldchain.ports.notifier import Sent

Done = tuple[Due, Sent, int]
"""What was tried, what came of it, under which fence."""


class Senders:
    """For one giver's thread. `attempt` never raises; `done` is called from a sender's thread."""

    def __init__(
        self, channels: Iterable[str], attempt: Callable[[Due], Sent], done: Callable[[], None]
    ) -> None:
        self._attempt, self._done = attempt, done
        self._given: dict[str, SimpleQueue[tuple[Due, int] | None]] = {
            name: SimpleQueue() for name in channels
        }
        self._results: SimpleQueue[Done] = SimpleQueue()
        self.busy: set[str] = set()
        self._tries: dict[str, tuple[Due, int, float]] = {}
        for name in self._given:
            threading.Thread(target=self._run, args=(name,), name=f"send-{name}", daemon=True).start()

    def give(self, due: Due, fence: int) -> None:
        """Start it; its channel is busy until its result was taken. A channel nobody has answers at once."""
        self.busy.add(due.channel)
        self._tries[due.channel] = due, fence, steady_s()
        if due.channel in self._given:
            self._given[due.channel].put((due, fence))
        else:
            self._results.put((due, self._attempt(due), fence))

    def results(self) -> list[Done]:
        """What has come of tries since the last call."""
        found: list[Done] = []
        while True:
            try:
                found.append(self._results.get_nowait())
            except Empty:
                break
        self.busy -= {due.channel for due, _, _ in found}
        return found

    def under_way(self) -> list[tuple[Due, int, float]]:
        """(what is being tried, under which fence, since when [s]) of tries that have not ended."""
        return [self._tries[name] for name in sorted(self.busy)]

    def stop(self, within_s: float) -> list[Done]:
        """No more; the results of what comes to an end within that time."""
        for queue in self._given.values():
            queue.put(None)
        found, until_s = self.results(), steady_s() + within_s
        while self.busy and (left_s := until_s - steady_s()) > 0:
            try:
                done = self._results.get(timeout=left_s)
            except Empty:
                break
            self.busy.discard(done[0].channel)
            found.append(done)
        return found

    def _run(self, name: str) -> None:
        while (given := self._given[name].get()) is not None:
            due, fence = given
            self._results.put((due, self._attempt(due), fence))
            self._done()
