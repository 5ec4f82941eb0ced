# SPDX-License-Identifier: Apache-2.0
"""Nodes whose own clock jumps or disagrees with the gateway's. Pure; fed with journalled rows in any batches.

Of nodes that vouch for their clock only: others are stamped by the gateway. A clock set rightly and an uptime
give the same instant of the last start, frame after frame. What a frame waited on its way makes it look slow,
so a clock is called slow only when it is by the same amount for an hour, which no backlog that drains is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alerts.rules.flat import Ints
from coldchain.kernel.readings import Rows
from coldchain.kernel.words import FUTURE_TOLERANCE_MS, ClockQuality

JUMP_MS = 60_000
"""Clocks that are kept right move by less."""
SLOW_MS, SAME_MS, SLOW_FOR_MS = 120_000, 60_000, 3_600_000
REMEMBERED_MS = 24 * 3_600_000
"""A jump is told for a day."""
UNKNOWN = -(2**62)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Of the node's source number. by_ms: its clock is ahead of the gateway's by so much, or moved by it."""

    source: int
    what: str
    since_ms: int
    by_ms: int


class NodeClocks:
    """What is remembered of each source: a node since one of its starts. Learnt anew after our restart."""

    def __init__(self) -> None:
        self._start = np.full(0, UNKNOWN, np.int64)
        self._lag = np.full(0, UNKNOWN, np.int64)
        self._lag_since = np.zeros(0, np.int64)
        self._found: dict[int, Disagreement] = {}

    def feed(self, rows: Rows) -> None:
        """Rows as journalled, in the order of the journal."""
        if not len(rows):
            return
        source = rows["source"].astype(np.int64)
        self._grow(int(source.max()) + 1)
        order = np.arange(len(rows))
        first, last = np.full(len(self._start), -1), np.full(len(self._start), -1)
        last[source] = order
        first[source[::-1]] = order[::-1]
        who = np.flatnonzero(last >= 0)
        told = rows[last[who]]  # a row or two of each source tell what there is to tell
        who = who[(told["clock"] == ClockQuality.TRUSTED) & (told["uptime_ms"] >= 0)]
        if not len(who):
            return
        began, ended = rows[first[who]], rows[last[who]]
        sound = (began["clock"] == ClockQuality.TRUSTED) & (began["uptime_ms"] >= 0)
        now = ended["at_ms"] - ended["uptime_ms"]
        at_first = np.where(sound, began["at_ms"] - began["uptime_ms"], now)
        before = np.where(self._start[who] == UNKNOWN, at_first, self._start[who])
        self._start[who] = now
        self._jumps(who, now - before, ended["gateway_ms"])
        self._disagree(who, ended["gateway_ms"] - ended["at_ms"], ended["gateway_ms"])

    def standing(self, now_ms: int) -> list[Disagreement]:
        """What is to be told at now_ms."""
        for one in list(self._found.values()):
            if one.what == "jumped" and now_ms - one.since_ms > REMEMBERED_MS:
                del self._found[one.source]
        return list(self._found.values())

    def _grow(self, n: int) -> None:
        more = n - len(self._start)
        if more > 0:
            self._start = np.append(self._start, np.full(more, UNKNOWN, np.int64))
            self._lag = np.append(self._lag, np.full(more, UNKNOWN, np.int64))
            self._lag_since = np.append(self._lag_since, np.zeros(more, np.int64))

    def _jumps(self, who: Ints, moved: Ints, at: Ints) -> None:
        for k in np.flatnonzero(np.abs(moved) >= JUMP_MS).tolist():
            self._found[int(who[k])] = Disagreement(int(who[k]), "jumped", int(at[k]), int(moved[k]))

    def _disagree(self, who: Ints, lag: Ints, at: Ints) -> None:
        same = np.abs(lag - self._lag[who]) <= SAME_MS
        self._lag[who] = np.where(same, self._lag[who], lag)
        self._lag_since[who] = np.where(same, self._lag_since[who], at)
        fast = lag < -FUTURE_TOLERANCE_MS
        slow = (self._lag[who] >= SLOW_MS) & (at - self._lag_since[who] >= SLOW_FOR_MS)
        for k in np.flatnonzero(fast | slow).tolist():
            known = self._found.get(int(who[k]))
            since = known.since_ms if known and known.what == "differs" else int(at[k])
            self._found[int(who[k])] = Disagreement(int(who[k]), "differs", since, -int(lag[k]))
        for number in [n for n, one in self._found.items() if one.what == "differs"]:
            place = np.flatnonzero((who == number) & ~fast & ~slow)
            if len(place):
                del self._found[number]
