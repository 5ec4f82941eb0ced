# SPDX-License-Identifier: Apache-2.0
"""The last day in memory, for the gateway's own page: each channel's newest value, temperatures' min and max.

Bounded: a temperature takes some 4 kB, and there are at most CHANNELS_MAX. Pure: time comes as an argument.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from coldchain.kernel.words import Quantity
from gateway.spool import Stored

BUCKET_MS = 300_000
BUCKETS = 288
"""A day in steps of five minutes."""
CHANNELS_MAX = 4_000


def _numbers() -> array[int]:
    return array("i", bytes(4 * BUCKETS))


@dataclass(slots=True)
class Channel:
    """One channel of one node.

    at_ms, value, status   the newest reading, by its instant
    stamps                 per bucket, the number of the step (instant // BUCKET_MS) that low and high are of
    low, high              thousandths of °C
    """

    quantity: int
    at_ms: int = -1
    value: int = 0
    status: int = 0
    stamps: array[int] = field(default_factory=lambda: array("i"))
    low: array[int] = field(default_factory=lambda: array("i"))
    high: array[int] = field(default_factory=lambda: array("i"))

    def __post_init__(self) -> None:
        if self.quantity in (Quantity.TEMPERATURE, Quantity.AMBIENT):
            self.stamps, self.low, self.high = _numbers(), _numbers(), _numbers()

    def add(self, at_ms: int, value: int, status: int) -> None:
        if at_ms >= self.at_ms:
            self.at_ms, self.value, self.status = at_ms, value, status
        if status or not self.stamps:
            return
        step = at_ms // BUCKET_MS
        if not 0 < step < 2**31:
            return
        place = step % BUCKETS
        if self.stamps[place] < step:  # of an earlier day
            self.stamps[place], self.low[place], self.high[place] = step, value, value
        elif self.stamps[place] == step:
            self.low[place] = min(self.low[place], value)
            self.high[place] = max(self.high[place], value)

    def last_day(self, now_ms: int) -> list[tuple[int, int, int]]:
        """(start of the step [ms], low, high) of every step of the last day that has a reading, in order."""
        newest = now_ms // BUCKET_MS
        return sorted(
            (stamp * BUCKET_MS, self.low[place], self.high[place])
            for place, stamp in enumerate(self.stamps)
            if newest - BUCKETS < stamp <= newest
        )


class Day:
    """All channels, by (node, channel)."""

    def __init__(self) -> None:
        self.channels: dict[tuple[str, int], Channel] = {}
        self.left_out = 0

    def add(self, stored: Stored, now_ms: int) -> None:
        """Take in what was just committed, in any order, as far as it is of the last day."""
        rows = stored.rows
        names = [node for node, _ in stored.nodes]
        columns = (
            rows[name].tolist() for name in ("node", "channel", "quantity", "status", "at_ms", "value")
        )
        for node, channel, quantity, status, at_ms, value in zip(*columns, strict=True):
            if not now_ms - BUCKETS * BUCKET_MS < at_ms < now_ms + BUCKET_MS:
                continue
            key = names[node], channel
            found = self.channels.get(key)
            if found is None:
                if len(self.channels) >= CHANNELS_MAX:
                    self.left_out += 1
                    continue
                found = self.channels[key] = Channel(quantity)
            found.add(at_ms, value, status)
