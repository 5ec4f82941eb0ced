# SPDX-License-Identifier: Apache-2.0
"""What a node remembers: a bounded ring of reports, and the ranges that fell out of it.

A report waits (never sent), then flies (sent, not acknowledged), then is forgotten because an ACK covers it.
Flying reports are always older than waiting ones. Everything here survives the loss of the line.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from firmware_sim.firmware.frames import Ranges, Report

LOST_RANGES_MAX = 64


@dataclass(slots=True)
class Held:
    """A report in the ring: when it was measured and when last sent, by the node's steady clock."""

    report: Report
    at_ms: int
    sent_ms: int | None = None


class Ring:
    """Reports in the order of measurement, at most `capacity` of them."""

    def __init__(self, capacity: int) -> None:
        assert capacity > 0
        self.capacity = capacity
        self.flying: OrderedDict[tuple[int, int], Held] = OrderedDict()
        self._waiting: OrderedDict[tuple[int, int], Held] = OrderedDict()

    def __len__(self) -> int:
        return len(self.flying) + len(self._waiting)

    def __iter__(self) -> Iterator[Held]:
        yield from self.flying.values()
        yield from self._waiting.values()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def push(self, held: Held) -> Held | None:
        """Keep a new report. The oldest when there was no room for both."""
        dropped = None
        if len(self) >= self.capacity:
            _, dropped = (self.flying or self._waiting).popitem(last=False)
        self._waiting[held.report.boot, held.report.seq] = held
        return dropped

    def launch(self, now_ms: int) -> Held | None:
        """The oldest waiting report begins to fly; None when nothing waits."""
        if not self._waiting:
            return None
        key, held = self._waiting.popitem(last=False)
        held.sent_ms = now_ms
        self.flying[key] = held
        return held

    def land(self, boot: int, ranges: Ranges) -> list[Held]:
        """Forget and return the flying reports that an ACK covers. One never sent cannot have arrived."""
        return [self.flying.pop(key) for key in _covered(self.flying, boot, ranges)]

    def ground(self) -> None:
        """Every flying report is due to be sent again."""
        for held in self.flying.values():
            held.sent_ms = None

    def again(self, boot: int, ranges: Ranges) -> None:
        """These are due to be sent again, as far as they fly; what waits will come by itself."""
        for key in _covered(self.flying, boot, ranges):
            self.flying[key].sent_ms = None

    def missing(self, boot: int, low: int, high: int) -> list[tuple[int, int]]:
        """The parts of low..high that are not held."""
        held = sorted(
            seq for part in (self.flying, self._waiting) for seq in _seqs(part, boot) if low <= seq <= high
        )
        holes = []
        for seq in held:
            if low < seq:
                holes.append((low, seq - 1))
            low = seq + 1
        return [*holes, (low, high)] if low <= high else holes

    def forget(self, gone: Iterable[Held]) -> None:
        """Forget these, as far as they are still held."""
        for held in gone:
            key = (held.report.boot, held.report.seq)
            self.flying.pop(key, None)
            self._waiting.pop(key, None)


def _seqs(part: OrderedDict[tuple[int, int], Held], boot: int) -> Iterator[int]:
    return (seq for of, seq in part if of == boot)


def _covered(part: OrderedDict[tuple[int, int], Held], boot: int, ranges: Ranges) -> list[tuple[int, int]]:
    """Keys of that part in the ranges; a range may be far wider than the part."""
    if sum(high - low + 1 for low, high in ranges) <= len(part):
        return [(boot, seq) for low, high in ranges for seq in range(low, high + 1) if (boot, seq) in part]
    return [(of, seq) for of, seq in part if of == boot and any(low <= seq <= high for low, high in ranges)]


@dataclass(slots=True)
class LostRange:
    """Reports low..high of a boot are gone; `told` since the last HELLO."""

    boot: int
    low: int
    high: int
    told: bool = False


class LostRanges:
    """Ranges that a node has to tell as LOST, again at each HELLO. The oldest told one yields beyond 64."""

    def __init__(self) -> None:
        self._ranges: list[LostRange] = []

    def __iter__(self) -> Iterator[LostRange]:
        return iter(self._ranges)

    def add(self, boot: int, low: int, high: int) -> None:
        """These are gone. A range that continues the last one lengthens it."""
        for known in self._ranges:
            if known.boot == boot and known.low <= high + 1 and low <= known.high + 1:
                wider = (min(known.low, low), max(known.high, high))
                # Asked for again: told again, even if nothing is new in it.
                known.told, (known.low, known.high) = False, wider
                return
        self._ranges.append(LostRange(boot, low, high))
        if len(self._ranges) > LOST_RANGES_MAX:
            told = next((known for known in self._ranges if known.told), self._ranges[0])
            self._ranges.remove(told)

    def untell(self) -> None:
        """A HELLO is due: all are to be told again."""
        for known in self._ranges:
            known.told = False

    def acknowledged(self, boot: int, ranges: Ranges) -> None:
        """The gateway has counted these: forget what an ACK covers whole."""
        self._ranges = [
            known
            for known in self._ranges
            if known.boot != boot or not any(low <= known.low and known.high <= high for low, high in ranges)
        ]
