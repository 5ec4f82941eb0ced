# SPDX-License-Identifier: Apache-2.0
"""What a channel does beside sending, each in a thread of its own: listen, delete what is written down, ask
about credit and signal, and look whether a channel that was out works again.

A modem that says nothing holds up nobody but itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

import structlog

from alerts.notices.budget import Budget
from coldchain.kernel.errors import ColdChainError
from coldchain.ports.clock import steady_s
from coldchain.ports.notifier import STEP_MAX_S, Delivery, Heard, Notifier

log = structlog.get_logger()

HEAR_S = 0.25
"""While nothing is due, the modem is listened to in such pieces, so that a new notice waits no longer [s]."""
LOOK_AGAIN_S, LOOK_AGAIN_MAX_S = 2.0, 300.0
"""A channel that is out is looked at so often. One that works whenever it is looked at and fails whenever it
is used is looked at half as often each time: its messages are not to use up all their tries in a minute.
"""
HANGS_S = STEP_MAX_S + 10.0
"""A try or an errand that has not moved for longer will not end by itself: with the time to start anew,
inside the 120 s in which whatever stops making progress must show."""


class Hangs(ColdChainError):
    """A channel has neither answered nor failed. The process ends: what was being tried is tried again, as
    often as what nobody answers.
    """

    def __init__(self, channel: str, took_s: float) -> None:
        super().__init__(f"the channel {channel} hangs since {took_s:.0f} s: look at its device or server")
        self.channel = channel


@dataclass(slots=True)
class Errand:
    """One round of one channel, and what came of it.

    ask    credit and signal
    look   does it work again?
    forget what is safe in the file by now
    works  the answer to `look`
    bad    what ended it
    """

    channel: str
    since_s: float
    ask: bool = False
    look: bool = False
    forget: list[Heard] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    works: bool = False
    bad: Exception | None = None


class Errands:
    """For one thread. `done` is called from a channel's thread when there is something to take in."""

    def __init__(self, channels: Mapping[str, Notifier], budget: Budget, done: Callable[[], None]) -> None:
        self._channels: dict[str, Any] = dict(channels)
        self._budget, self._done = budget, done
        self.listening = any(hasattr(channel, "hear") for channel in channels.values())
        self._given: dict[str, SimpleQueue[Errand | None]] = {name: SimpleQueue() for name in channels}
        self._results: SimpleQueue[Errand] = SimpleQueue()
        self._under_way: dict[str, Errand] = {}
        self._forget: dict[str, list[Heard]] = {name: [] for name in channels}
        self._began_s = dict.fromkeys(channels, float("-inf"))
        self._looked_s = dict.fromkeys(channels, float("-inf"))
        self._again_s = dict.fromkeys(channels, LOOK_AGAIN_S)
        for name in channels:
            threading.Thread(target=self._run, args=(name,), name=f"errands-{name}", daemon=True).start()

    def start(self, channel: str, now_s: float, *, out: bool) -> None:
        """One round, if that channel has anything to do and is not at it. `out`: its last try said so."""
        way = self._channels[channel]
        if channel in self._under_way or now_s - self._began_s[channel] < HEAR_S:
            return
        first = channel == next(iter(self._channels))
        if not out:
            self._again_s[channel] = LOOK_AGAIN_S
        look = out and hasattr(way, "check") and now_s - self._looked_s[channel] >= self._again_s[channel]
        errand = Errand(channel, now_s, ask=first and self._budget.due(now_s), look=look)
        if not (errand.ask or look or hasattr(way, "hear")):
            return
        errand.forget, self._forget[channel] = self._forget[channel], []
        self._began_s[channel] = now_s
        self._under_way[channel] = errand
        self._given[channel].put(errand)

    def results(self) -> list[Errand]:
        """Rounds that have ended since the last call. Raises what broke the budget."""
        found: list[Errand] = []
        while True:
            try:
                errand = self._results.get_nowait()
            except Empty:
                return found
            del self._under_way[errand.channel]
            if errand.look:
                self._looked_s[errand.channel] = steady_s()
            if errand.works:
                self._again_s[errand.channel] = min(2 * self._again_s[errand.channel], LOOK_AGAIN_MAX_S)
            if errand.bad is not None:
                raise errand.bad
            found.append(errand)

    def forget(self, errand: Errand) -> None:
        """What it heard is written down: the next round deletes it."""
        self._forget[errand.channel] += errand.heard

    def under_way(self) -> list[tuple[str, float]]:
        """(channel, since when [s]) of rounds that have not ended."""
        return [(one.channel, one.since_s) for one in self._under_way.values()]

    def stop(self) -> None:
        for queue in self._given.values():
            queue.put(None)

    def _run(self, name: str) -> None:
        while (errand := self._given[name].get()) is not None:
            try:
                self._do(errand)
            except Exception as bad:  # noqa: BLE001 -- it is told in the thread that waits for it
                errand.bad = bad
            self._results.put(errand)
            if errand.heard or errand.works or errand.bad:
                self._done()

    def _do(self, errand: Errand) -> None:
        way = self._channels[errand.channel]
        if errand.ask:
            self._budget.look(steady_s())
        try:
            if errand.forget:
                way.forget(errand.forget)
            if errand.look:
                errand.works = way.check().delivery is Delivery.ACCEPTED
            if hasattr(way, "hear"):
                errand.heard = way.hear(HEAR_S)
        except Exception:  # a listener that breaks does not end the outbox
            log.exception("listener_broke")
