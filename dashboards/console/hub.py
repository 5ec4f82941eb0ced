# SPDX-License-Identifier: Apache-2.0
"""One look a second for all viewers: what changed goes out as server-sent events.

Each audience (a language, and the sites an account is for) has a channel of its own, whose events are made
once for all who follow it. Nobody looks while nobody watches. A viewer who falls behind, or comes back after
too long, is told to load the page again rather than fed without bound.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Any

import structlog

from coldchain.records.health import Heart
from dashboards.console.accounts.sight import Audience, cut
from dashboards.console.live import changes
from dashboards.console.source import Look, Records
from dashboards.console.stirring import Watch
from dashboards.console.views import Row
from dashboards.console.words import speaking

POLL_S = 1.0
LOOK_EVERY = 2
"""With viewers, new readings are looked at every second poll; alarms and the registry at once."""
IDLE_LOOK_EVERY = 10
"""Silence comes by the passing of time: without any commit there is a look every so many polls."""
STRIP_EVERY_MS = 10_000
KEEP_EVENTS = 120
QUEUE_MAX = 64
VIEWERS_MAX = 500
STREAM_S = 600.0
"""Then a stream ends; the browser asks for the next by itself, and the gate looks again who asks [s]."""
CHANNELS_MAX = 200
CHANNEL_KEPT_MS = 120_000
"""A channel that nobody follows is kept so long: between a page and its stream, and while a line is down."""

log = structlog.get_logger()
END = ""
RESYNC = "event: resync\ndata: 1\n\n"


class Channel:
    """What one audience is told, and who listens."""

    def __init__(self, audience: Audience, look: Look, number: int) -> None:
        self.audience, self.since, self.touched_ms = audience, number, look.fleet.now_ms
        self.base = cut(look, audience)
        self.viewers: set[asyncio.Queue[str]] = set()
        self.kept: deque[tuple[int, str]] = deque(maxlen=KEEP_EVENTS)
        self.frame: dict[str, str] = {}
        self.strip_ms = 0

    def knows(self, since: int, number: int) -> bool:
        """Can somebody whose page was made at event `since` go on from there?"""
        first = self.kept[0][0] - 1 if len(self.kept) == KEEP_EVENTS else self.since
        return first <= since <= number

    def frame_changes(self, frame: dict[str, str], now_ms: int) -> dict[str, str]:
        """Counts and troubles at once; the strip, whose figures never rest, every STRIP_EVERY_MS."""
        if 0 <= now_ms - self.strip_ms < STRIP_EVERY_MS:
            frame.pop("strip", None)
        else:
            self.strip_ms = now_ms
        changed = {what: html for what, html in frame.items() if self.frame.get(what) != html}
        self.frame |= frame
        return changed

    def put(self, number: int, event: str) -> None:
        self.kept.append((number, event))
        for queue in self.viewers:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(RESYNC)
            else:
                queue.put_nowait(event)


class Hub:
    """Watches the record and tells the viewers. `run` is one task of the application's loop."""

    def __init__(
        self,
        records: Records,
        heart: Heart,
        row_markup: Callable[[Row], str],
        frame_markup: Callable[[Look, bool], dict[str, str]],
    ) -> None:
        self._records, self._heart = records, heart
        self._row_markup, self._frame_markup = row_markup, frame_markup
        settings = records.settings
        self._watch = Watch((settings.alarms_db, settings.desk_db, settings.readings_db))
        self._channels: dict[Audience, Channel] = {}
        self._base: Look | None = None
        self._token: tuple[tuple[int, int], ...] = ()
        self._looking = asyncio.Lock()
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
        for channel in self._channels.values():
            for queue in channel.viewers:
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
            self._heart.beat({"viewers": self.viewers, "looks": self.looks, "events": self.told})
            polls += 1
            await asyncio.sleep(POLL_S)

    async def _poll(self, polls: int) -> None:
        if self._base is None:  # once, so that the first visitor need not wait
            await self.look()
        if not self.viewers:
            return
        token = self._watch.token()
        urgent = token[:2] != self._token[:2]
        due = token != self._token and polls % LOOK_EVERY == 0
        if urgent or due or polls % IDLE_LOOK_EVERY == 0 or self._base is None:
            self._token = token
            await self.look(max_age_ms=0)

    async def look(self, max_age_ms: int = 500) -> Look:
        """The fleet, at most so old. Every look is told to the viewers: a page begins where events go on."""
        async with self._looking:  # whoever comes meanwhile takes what this one sees
            base = self._base
            if base is not None and 0 <= self._records.wall_ms() - base.fleet.now_ms < max_age_ms:
                return base
            look = await asyncio.to_thread(self._records.look)
            self.looks += 1
            self.tell(look)
            return look

    def tell(self, look: Look) -> None:
        """Send what changed since the last look; a short beat when nothing did."""
        self._base = look
        self.number += 1
        self.told += 1
        made: dict[tuple[str, str], str] = {}
        for channel in self._living(look.fleet.now_ms):
            with speaking(channel.audience.language):
                self._tell(channel, cut(look, channel.audience), made)

    def _tell(self, channel: Channel, look: Look, made: dict[tuple[str, str], str]) -> None:
        """made: (language, appliance) -> a row's markup; made once for all who read that language."""

        def markup(row: Row) -> str:
            key = (channel.audience.language, row.id)
            if key not in made:
                made[key] = self._row_markup(row)
            return made[key]

        before, channel.base = channel.base, look
        said: dict[str, Any] = changes(before.fleet, look.fleet, markup)
        said |= channel.frame_changes(self._frame_markup(look, channel.audience.wall), look.fleet.now_ms)
        said["now"] = look.fleet.now_ms
        data = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
        channel.put(self.number, f"id: {self.number}\nevent: fleet\ndata: {data}\n\n")

    def _living(self, now_ms: int) -> list[Channel]:
        """All channels but those that nobody has followed for a while; these are closed."""
        for channel in list(self._channels.values()):
            if channel.viewers:
                channel.touched_ms = now_ms
            elif abs(now_ms - channel.touched_ms) > CHANNEL_KEPT_MS:
                del self._channels[channel.audience]
        return list(self._channels.values())

    def begin(self, audience: Audience) -> int | None:
        """For a page of the last look: the number of the event that its stream goes on from. None: too many
        audiences; the page asks again and again instead.
        """
        assert self._base is not None, "a page is made of a look"
        channel = self._channels.get(audience)
        if channel is None:
            if len(self._channels) >= CHANNELS_MAX:
                return None
            channel = self._channels[audience] = Channel(audience, self._base, self.number)
            with speaking(audience.language):  # what the page shows is not said again
                channel.frame_changes(
                    self._frame_markup(channel.base, audience.wall), self._base.fleet.now_ms
                )
        channel.touched_ms = self._base.fleet.now_ms
        return self.number

    async def events(self, since: int, audience: Audience) -> AsyncGenerator[str, None]:
        """For one viewer: what it missed since event `since`, then what comes."""
        yield "retry: 3000\n\n"
        channel = self._channels.get(audience)
        if channel is None or not channel.knows(since, self.number):
            yield RESYNC  # the page that is loaded then begins a channel
            return
        queue: asyncio.Queue[str] = asyncio.Queue(QUEUE_MAX)
        for number, event in channel.kept:
            if number > since and not queue.full():
                queue.put_nowait(event)
        channel.viewers.add(queue)
        until = asyncio.get_running_loop().time() + STREAM_S
        try:
            while not self._stopping and asyncio.get_running_loop().time() < until:
                event = await queue.get()
                if event == END:
                    return
                yield event
        finally:
            channel.viewers.discard(queue)

    @property
    def seen(self) -> Look | None:
        """The last look, if there was one."""
        return self._base

    @property
    def viewers(self) -> int:
        return sum(len(channel.viewers) for channel in self._channels.values())

    @property
    def full(self) -> bool:
        return self.viewers >= VIEWERS_MAX

    def close(self) -> None:
        self._watch.close()
