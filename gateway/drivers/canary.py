# SPDX-License-Identifier: Apache-2.0
"""The canary: once a day a made-up reading that tells its day, to prove everything that lies behind a driver.

Its node is `canary-GATEWAY`, channel 0, and no appliance hangs on it: nobody judges it.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from datetime import time as daytime

from coldchain.kernel.instants import EPOCH
from coldchain.kernel.words import CANARY_NODE, Quantity, Status, canary_value
from coldchain.settings import LineSettings
from gateway.codecs.frames import Report
from gateway.drivers.base import LineFigures, Maps, Surroundings

LOOK_S = 5.0
LATEST = timedelta(hours=1)
"""A gateway that was off at the time makes up for it within this."""


def due_day(at_ms: int, at: daytime) -> int | None:
    """The value of the reading that is due at that instant, or None: not yet, or no more.

    at  a time of day with its offset from UTC

    >>> due_day(1767223800000, daytime.fromisoformat("06:30+07:00"))  # 2026-01-01 06:30 in Vientiane
    9497
    >>> due_day(1767223799999, daytime.fromisoformat("06:30+07:00")) is None
    True
    """
    local = (EPOCH + timedelta(milliseconds=at_ms)).astimezone(at.tzinfo)
    since = local - datetime.combine(local.date(), at)
    return canary_value(local.date()) if timedelta(0) <= since < LATEST else None


class Canary:
    """`device` in the settings is the time of day with its offset, e.g. `06:30+07:00`."""

    def __init__(self, settings: LineSettings, _maps: Maps, around: Surroundings) -> None:
        self._at = daytime.fromisoformat(settings.device)
        self._around = around
        self._sung: int | None = None
        self._held = False
        self._line = LineFigures("canary", state="up")

    def figures(self) -> list[LineFigures]:
        return [self._line]

    def hold(self, *, held: bool) -> None:
        self._held = held

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Report if it is time, once a day."""
        now_ms = self._around.wall_ms()
        value = due_day(now_ms, self._at)
        if value is None or value == self._sung or self._held:
            return
        self._sung = value
        self._line.events, self._line.last_ms = self._line.events + 1, now_ms
        channel = (0, int(Quantity.TEMPERATURE), int(Status.OK), value)
        node = CANARY_NODE + self._around.gateway
        self._around.sink(None, [Report(node, None, None, -1, 0, 0, 0, (channel,))])
