# SPDX-License-Identifier: Apache-2.0
"""One look a second for all viewers: what changed goes out as server-sent events.

Nobody looks while nobody watches. A viewer who falls behind, or comes back after too long, is told to load
the page again rather than fed without bound.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Any

import structlog

from coldchain.records.health import Heart
from dashboards.console.live import changes
from dashboards.console.source import Look, Records, Watch
from dashboards.console.views import Row

POLL_S = 1.0
LOOK_EVERY = 2
"""With viewers, new readings are looked at every second poll; alarms and the registry at once."""
IDLE_LOOK_EVERY = 10
"""Silence comes by the passing of time: without any commit there is a look every so many polls."""
STRIP_EVERY_MS = 10_000
KEEP_EVENTS = 120
QUEUE_MAX = 64
VIEWERS_MAX = 500

log = structlog.get_logger()
END = ""
RESYNC = "event: resync\ndata: 1\n\n"


class Hub:
    """Watches the record and tells the viewers. `run` is one task of the application's loop."""

    def __init__(
        self,
        records: Records,
        heart: Heart,
        row_markup: Callable[[Row], str],
        frame_markup: Callable[[Look], dict[str, str]],
    ) -> None:
        self._records, self._heart = records, heart
        self._row_markup, self._frame_markup = row_markup, frame_markup
        settings = records.settings
        self._watch = Watch((settings.alarms_db, settings.desk_db, settings.readings_db))
        self._viewers: set[asyncio.Queue[str]] = set()
        self._kept: deque[tuple[int, str]] = deque(maxlen=KEEP_EVENTS)
        self._base: Look | None = None
        self._frame: dict[str, str] = {}
        self._token: tuple[tuple[int, int], ...] = ()
        self._strip_ms = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False
        # Numbers go on from the clock, so that one from before a restart is never taken for one of ours.
        self.number = records.wall_ms()
        self.looks = self.told = 0

    def stop_streams(self) -> None:
        """End every stream, from any thread: a server waits for open answers before it stops."""
        self._stopping = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        for queue in self._viewers:
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(END)

    async def run(self) -> None:
        """Until cancelled. A failing look is logged and tried again: viewers see the age grow meanwhile."""
        polls = 0
        self._loop = asyncio.get_running_loop()
        while True:
            try:
                await self._poll(polls)
            except Exception:
                log.exception("console.look_failed")
            self._heart.beat({"viewers": len(self._viewers), "looks": self.looks, "events": self.told})
            polls += 1
            await asyncio.sleep(POLL_S)

    async def _poll(self, polls: int) -> None:
        if self._base is None:  # once, so that the first visitor need not wait
            await self.look()
        if not self._viewers:
            return
        token = self._watch.token()
        urgent = token[:2] != self._token[:2]
        due = token != self._token and polls % LOOK_EVERY == 0
        if urgent or due or polls % IDLE_LOOK_EVERY == 0 or self._base is None:
            self._token = token
            await self.look(max_age_ms=0)

    async def look(self, max_age_ms: int = 500) -> Look:
        """The fleet, at most so old. Every look is told to the viewers: a page begins where events go on."""
        base = self._base
        if base is not None and 0 <= self._records.wall_ms() - base.fleet.now_ms < max_age_ms:
            return base
        look = await asyncio.to_thread(self._records.look)
        self.looks += 1
        self.tell(look)
        return look

    def tell(self, look: Look) -> None:
        """Send what changed since the last look; a short beat when nothing did."""
        base, self._base = self._base, look
        said: dict[str, Any] = {} if base is None else changes(base.fleet, look.fleet, self._row_markup)
        said |= self._frame_changes(look)
        said["now"] = look.fleet.now_ms
        self.number += 1
        self.told += 1
        data = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
        event = f"id: {self.number}\nevent: fleet\ndata: {data}\n\n"
        self._kept.append((self.number, event))
        for queue in self._viewers:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(RESYNC)
            else:
                queue.put_nowait(event)

    def _frame_changes(self, look: Look) -> dict[str, str]:
        """Counts and troubles at once; the strip, whose figures never rest, every STRIP_EVERY_MS."""
        frame = self._frame_markup(look)
        if 0 <= look.fleet.now_ms - self._strip_ms < STRIP_EVERY_MS:
            frame.pop("strip", None)
        else:
            self._strip_ms = look.fleet.now_ms
        changed = {what: html for what, html in frame.items() if self._frame.get(what) != html}
        self._frame |= frame
        return changed

    async def events(self, since: int) -> AsyncGenerator[str, None]:
        """For one viewer: what it missed since event `since`, then what comes."""
        queue: asyncio.Queue[str] = asyncio.Queue(QUEUE_MAX)
        missed = [event for number, event in self._kept if number > since]
        known = bool(self._kept) and self._kept[0][0] - 1 <= since <= self.number
        self._viewers.add(queue)
        try:
            yield "retry: 3000\n\n"
            if not known:
                yield RESYNC
            else:
                for event in missed:
                    yield event
            while not self._stopping:
                event = await queue.get()
                if event == END:
                    return
                yield event
        finally:
            self._viewers.discard(queue)

    @property
    def seen(self) -> Look | None:
        """The last look, if there was one."""
        return self._base

    @property
    def full(self) -> bool:
        return len(self._viewers) >= VIEWERS_MAX

    def close(self) -> None:
        self._watch.close()
