# SPDX-License-Identifier: Apache-2.0
"""A node as a pure state machine: it measures, keeps, sends, listens. Time and bytes come in as arguments.

All instants are milliseconds of one steady clock that the caller holds (in the simulator: true UTC). The
node's own idea of the time of day is that plus its error, if it has a clock at all.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from firmware_sim.firmware.frames import (
    READINGS_MAX,
    Ack,
    FrameDecoder,
    Hello,
    Lost,
    Message,
    Reading,
    Report,
    Resend,
    SentReport,
    Who,
    encode,
)
from firmware_sim.firmware.ring import Held, LostRanges, Ring

WINDOW = 64  # docs/wire-format.md, rule 2
RESEND_MS = 2_000  # rule 3
MQTT_RESEND_MAX_MS = 60_000  # as above, for MQTT: a broker keeps what is sent while nobody listens


class Clock(IntEnum):
    """What a node says of its time of day."""

    ABSENT = 0
    DOUBTFUL = 1
    RIGHT = 2


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """A board.

    clock_error_ms  how far its time of day is ahead of the true one
    capacity        reports that its ring holds
    resend_max_ms   waits between fruitless repetitions double up to this
    """

    name: str
    clock: Clock = Clock.RIGHT
    clock_error_ms: int = 0
    capacity: int = 20_000
    text: str = "coldchain simulated node 1"
    resend_max_ms: int = RESEND_MS


class Diary(Protocol):
    """What a node notes down for those who check it later."""

    def measured(self, node: str, held: Held) -> None: ...
    def acked(self, node: str, held: list[Held]) -> None: ...
    def lost(self, node: str, held: list[Held]) -> None: ...


class Node:
    """One board. `boot` differs at each start of the node; `now_ms` is when it started."""

    def __init__(self, config: NodeConfig, *, boot: int, now_ms: int, diary: Diary | None = None) -> None:
        self.config = config
        self.boot = boot
        self.ring = Ring(config.capacity)
        self.seq = 0
        self.started_ms = now_ms
        self.counts = {"measured": 0, "acked": 0, "lost": 0, "sent": 0, "resent": 0}
        self._diary = diary
        self._lost = LostRanges()
        self._hello_due = True
        self._patience_ms = RESEND_MS

    def measure(self, readings: Iterable[Reading], at_ms: int) -> Report:
        """Make a report of what the probes gave at that instant, and keep it. A channel once, at most 120."""
        values = tuple(readings)
        assert 0 < len(values) <= READINGS_MAX, len(values)
        assert len({reading.channel for reading in values}) == len(values), "a channel twice in one report"
        config = self.config
        unix_ms = at_ms + config.clock_error_ms if config.clock is not Clock.ABSENT else 0
        report = Report(
            self.boot, self.seq, max(at_ms - self.started_ms, 0), int(config.clock), unix_ms, values
        )
        self.seq += 1
        held = Held(report, at_ms)
        self.counts["measured"] += 1
        if self._diary:
            self._diary.measured(config.name, held)
        dropped = self.ring.push(held)
        if dropped:
            self._lose([dropped])
        return report

    def opened(self) -> None:
        """The line opened: say HELLO, and send again what was on its way."""
        self._hello_due = True
        self._patience_ms = RESEND_MS
        self.ring.ground()

    def restart(self, now_ms: int) -> None:
        """Power was lost and returned: a new boot, uptime from 0. The ring is non-volatile.

        A report that only its age would date cannot be dated any more: it is told as LOST.
        """
        self._lose([held for held in self.ring if held.report.clock != Clock.RIGHT])
        self.boot = (self.boot + 1) & 0xFFFF_FFFF
        self.seq = 0
        self.started_ms = now_ms
        self.opened()

    def next_ms(self, now_ms: int) -> int | None:
        """When `outgoing` will have something; None when only a measurement or the gateway can bring it."""
        flying = self.ring.flying
        if self._hello_due or any(not known.told for known in self._lost):
            return now_ms
        if self.ring.waiting and len(flying) < WINDOW:
            return now_ms
        if not flying:
            return None
        return min(
            now_ms if held.sent_ms is None else held.sent_ms + self._patience_ms for held in flying.values()
        )

    def outgoing(self, now_ms: int) -> list[Message]:
        """What the node says now: HELLO, LOST, repetitions, then new reports, oldest first, 64 flying."""
        return [*self._greetings(), *self._repetitions(now_ms), *self._fresh(now_ms)]

    def take(self, message: Message, now_ms: int) -> None:
        """Obey one message of the gateway; what carries another name, or is a node's, is passed over."""
        match message:
            case Who():
                self._hello_due = True
            case Ack(node, boot, ranges) if node == self.config.name:
                landed = self.ring.land(boot, ranges)
                self._lost.acknowledged(boot, ranges)
                self._patience_ms = RESEND_MS
                self.counts["acked"] += len(landed)
                if landed and self._diary:
                    self._diary.acked(node, landed)
            case Resend(node, boot, ranges) if node == self.config.name:
                self.ring.again(boot, ranges)
                for low, high in ranges:
                    # What was never measured is not lost.
                    newest = min(high, self.seq - 1) if boot == self.boot else high
                    for gone in self.ring.missing(boot, low, newest):
                        self._lost.add(boot, *gone)
            case _:
                pass

    def _greetings(self) -> Iterator[Message]:
        name = self.config.name
        if self._hello_due:
            self._hello_due = False
            self._lost.untell()
            yield Hello(name, self.boot, int(self.config.clock), len(self.ring), self.config.text)
        for known in self._lost:
            if not known.told:
                known.told = True
                yield Lost(name, known.boot, known.low, known.high)

    def _repetitions(self, now_ms: int) -> Iterator[Message]:
        due_ms = now_ms - self._patience_ms
        fruitless = False
        for held in self.ring.flying.values():
            if held.sent_ms is None or held.sent_ms <= due_ms:
                fruitless = fruitless or held.sent_ms is not None
                held.sent_ms = now_ms
                self.counts["resent"] += 1
                yield self._sent(held, now_ms)
        if fruitless:
            self._patience_ms = min(self._patience_ms * 2, self.config.resend_max_ms)

    def _fresh(self, now_ms: int) -> Iterator[Message]:
        while len(self.ring.flying) < WINDOW and (held := self.ring.launch(now_ms)):
            self.counts["sent"] += 1
            yield self._sent(held, now_ms)

    def _sent(self, held: Held, now_ms: int) -> SentReport:
        return SentReport(self.config.name, held.report, max(now_ms - held.at_ms, 0))

    def _lose(self, gone: list[Held]) -> None:
        for held in gone:
            self._lost.add(held.report.boot, held.report.seq, held.report.seq)
        self.ring.forget(gone)
        self.counts["lost"] += len(gone)
        if gone and self._diary:
            self._diary.lost(self.config.name, gone)


class SerialNode:
    """The same node with bytes: what it writes to and reads from a line."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._decoder = FrameDecoder()

    def to_send(self, now_ms: int) -> bytes:
        """Frames to write now. Call it when the line is open and has room."""
        return b"".join(encode(message) for message in self.node.outgoing(now_ms))

    def received(self, chunk: bytes, now_ms: int) -> None:
        """Bytes from the line, in any slices."""
        for message in self._decoder.feed(chunk):
            self.node.take(message, now_ms)

    def opened(self) -> None:
        """The line opened: half a frame from before is void."""
        self._decoder.reset()
        self.node.opened()
