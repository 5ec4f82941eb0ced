# SPDX-License-Identifier: Apache-2.0
"""What a codec makes of bytes, whatever the format: reports, greetings, word of a loss."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from coldchain.kernel.link import NAME_CHARS

Channel = tuple[int, int, int, int]
"""One reading on the wire: channel, quantity, status, value [thousandths of the quantity's unit]."""

Pairs = list[tuple[int, int]]

MAX_SEQ = 2**32 - 1
MAX_MS = 2**62
"""Times on the wire beyond this [ms] are nonsense, and would overflow when they are subtracted."""
NAME_MAX = 48
SERIAL_NAME_MAX = 24


class Report(NamedTuple):
    """What one node measured at one instant.

    boot, seq   None when the node does not number its reports: the gateway then does
    uptime_ms   the node's steady clock at the measurement; -1 unknown
    age_ms      between measurement and sending
    clock       words.ClockQuality that the node claims: 0, 1 or 2
    unix_ms     its clock at the measurement; 0 without one
    """

    node: str
    boot: int | None
    seq: int | None
    uptime_ms: int
    age_ms: int
    clock: int
    unix_ms: int
    readings: tuple[Channel, ...]


class Hello(NamedTuple):
    """A node says that it is there. `buffered` reports wait in it."""

    node: str
    boot: int
    clock: int
    buffered: int
    text: str


class Lost(NamedTuple):
    """A node says that its reports low..high are gone for good."""

    node: str
    boot: int
    low: int
    high: int


Event = Report | Hello | Lost


class Codec(Protocol):
    """A byte stream's grammar. Feed it any slices: the events do not depend on how the stream was cut.

    skipped    bytes that were no part of any frame
    malformed  frames or lines whose check held (or that had none) and whose content broke the format
    waiting    bytes held back because the frame they begin is not complete; bounded
    """

    skipped: int
    malformed: int

    @property
    def waiting(self) -> int: ...

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that are complete now."""
        ...

    def idle(self) -> list[Event]:
        """The line has been quiet: what waits is torn. Give it up; return the whole frames behind it."""
        ...

    def ack(self, node: str, boot: int, pairs: Pairs) -> list[bytes]:
        """Frames that tell the node that these reports are on our disk."""
        ...

    def resend(self, node: str, boot: int, pairs: Pairs) -> list[bytes]:
        """Frames that ask for these reports again; empty where the format cannot."""
        ...

    def who(self) -> list[bytes]:
        """Frames that ask everybody on the line to greet; empty where the format cannot."""
        ...


def is_name(text: str, longest: int = NAME_MAX) -> bool:
    """Is it a node's name?"""
    return 1 <= len(text) <= longest and NAME_CHARS.issuperset(text)
