# SPDX-License-Identifier: Apache-2.0
"""What is known of one run of one node: which reports came, which are lost, which to ask for again. Pure."""

from __future__ import annotations

import json

from coldchain.kernel.ranges import RangeSet
from gateway.codecs.frames import Channel, Pairs

ASK_EVERY_S = 5.0
"""A node answers a RESEND within its own 2 s timer, and the line may be slow [s]."""
ASKS = 3
"""After so many requests, with the node talking in between, a report is a gap."""
RANGES_ASKED = 100
REMEMBERED = 64
"""A node has at most so many reports on the way: what comes again is among the latest."""


class Source:
    """One (node, boot).

    seen      sequences of accepted reports: a resent one is acknowledged again and accepted once
    lost      sequences that are counted as gaps
    low       the smallest sequence ever noticed: nothing is missed below it
    readings  how many readings its last report held: what a lost report is counted as
    """

    __slots__ = (
        "_contents",
        "asked",
        "asks",
        "boot",
        "id",
        "last_ask_s",
        "lost",
        "low",
        "node",
        "readings",
        "seen",
    )

    def __init__(self, number: int, node: str, boot: int) -> None:
        self.id, self.node, self.boot = number, node, boot
        self.seen = RangeSet()
        self.lost = RangeSet()
        self.low: int | None = None
        self.readings = 1
        self.asked: RangeSet | None = None
        self.asks = 0
        self.last_ask_s = 0.0
        self._contents: dict[int, set[int]] = {}

    def remember(self, seq: int, readings: tuple[Channel, ...]) -> None:
        """What was accepted under that number; the latest are remembered until the process ends."""
        self._contents[seq] = {hash(readings)}
        if len(self._contents) > REMEMBERED:
            del self._contents[next(iter(self._contents))]

    def contradicts(self, seq: int, readings: tuple[Channel, ...]) -> bool:
        """Is the number remembered with other readings? True once for the same readings.

        Then two boards bear one name, or one starts again with an old boot number.
        """
        known = self._contents.get(seq)
        if known is None or hash(readings) in known:
            return False
        known.add(hash(readings))
        return True

    def notice(self, seq: int) -> None:
        """A report of that number exists."""
        if self.low is None or seq < self.low:
            self.low = seq

    def holes(self) -> Pairs:
        """The sequences between the first and the last noticed that neither came nor are counted as lost."""
        if self.low is None or (self.seen.ranges() <= 1 and self.seen.pairs()[:1] == self._whole()):
            return []
        known = self.seen.union(self.lost) if self.lost else self.seen
        return known.missing(self.low, known.top())

    def _whole(self) -> Pairs:
        assert self.low is not None
        return [(self.low, self.seen.top())]

    def missing_of(self, low: int, high: int) -> Pairs:
        """The part of low..high that is not accounted for yet."""
        return self.seen.union(self.lost).missing(low, high)

    def pursue(self, now_s: float) -> tuple[Pairs, Pairs]:
        """Call when the node has just been heard: (what to ask for again, what to give up).

        What is given up is in `lost` from then on. A report that comes after that is accepted all the same.
        """
        holes = self.holes()
        if not holes:
            self.asked = None
            return [], []
        if self.asked is None:
            return self._ask(RangeSet(holes[:RANGES_ASKED]), 1, now_s), []
        if now_s - self.last_ask_s < ASK_EVERY_S:
            return [], []
        still = RangeSet()
        for low, high in self.asked:
            for hole_low, hole_high in holes:
                if max(low, hole_low) <= min(high, hole_high):
                    still.add(max(low, hole_low), min(high, hole_high))
        if not still:
            return self._ask(RangeSet(holes[:RANGES_ASKED]), 1, now_s), []
        if self.asks < ASKS:
            return self._ask(still, self.asks + 1, now_s), []
        self.asked = None
        self.lose(still.pairs())
        return [], still.pairs()

    def _ask(self, what: RangeSet, asks: int, now_s: float) -> Pairs:
        self.asked, self.asks, self.last_ask_s = what, asks, now_s
        return what.pairs()

    def lose(self, pairs: Pairs) -> None:
        """Count these as lost from now on."""
        for low, high in pairs:
            self.lost.add(low, high)
            self.notice(low)

    def saved(self) -> str:
        """As text for the spool; `restore` reads it."""
        return json.dumps(
            [self.low, self.readings, self.seen.pairs(), self.lost.pairs()], separators=(",", ":")
        )

    def restore(self, text: str) -> None:
        self.low, self.readings, seen, lost = json.loads(text)
        self.seen = RangeSet((low, high) for low, high in seen)
        self.lost = RangeSet((low, high) for low, high in lost)
