# SPDX-License-Identifier: Apache-2.0
"""The binary serial frame v1 as a node knows it. Bytes in, messages out; this file never touches a port.

    | 0xC5 | 0x5A | version u8 | type u8 | length u16 | payload | crc u32 |   little-endian

Written from docs/wire-format.md alone. Both directions are here, so that tests can play the gateway.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

SYNC = b"\xc5\x5a"
VERSION = 1
PAYLOAD_MAX = 1024
NAME_MAX = 24
READINGS_MAX = 120  # 55 bytes of a report's head and 8 a reading stay below PAYLOAD_MAX
RANGES_MAX = 120  # 30 bytes of head and 8 a range
AGE_MAX_MS = 0xFFFF_FFFF

HELLO, REPORT, LOST = 0x01, 0x02, 0x03
ACK, RESEND, WHO = 0x81, 0x82, 0x83

_HEAD = struct.Struct("<BBH")
_REPORT = struct.Struct("<IIQIBqB")
_READING = struct.Struct("<HBBi")
_RANGE = struct.Struct("<II")

Ranges = tuple[tuple[int, int], ...]
"""Closed ranges (low, high) of sequence numbers."""


class Reading(NamedTuple):
    """One value of one quantity. `value` in thousandths of the unit; meaningless when `status` is not 0."""

    channel: int
    quantity: int
    status: int
    value: int


class Report(NamedTuple):
    """What one node measured at one instant. `clock` 0 none (then `unix_ms` is 0), 1 doubtful, 2 right."""

    boot: int
    seq: int
    uptime_ms: int
    clock: int
    unix_ms: int
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Hello:
    """A node says who it is and how many reports it still holds."""

    node: str
    boot: int
    clock: int
    buffered: int
    text: str


@dataclass(frozen=True, slots=True)
class SentReport:
    """A report on the line: with its node and the age that it had when sent [ms]."""

    node: str
    report: Report
    age_ms: int


@dataclass(frozen=True, slots=True)
class Lost:
    """Reports low..high of a node are gone for good."""

    node: str
    boot: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Ack:
    """The gateway has these on disk."""

    node: str
    boot: int
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Resend:
    """The gateway missed these."""

    node: str
    boot: int
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Who:
    """The gateway asks every node of the line to say HELLO."""


Message = Hello | SentReport | Lost | Ack | Resend | Who


class BadPayload(Exception):
    """A frame with a right checksum whose payload contradicts itself."""


def encode(message: Message) -> bytes:
    """The frame of a message."""
    match message:
        case SentReport(node, report, age_ms):
            kind, payload = REPORT, report_payload(node, report, age_ms)
        case Hello():
            kind = HELLO
            text = message.text.encode("ascii", "replace")[:200]
            payload = _name(message.node) + struct.pack("<IBI", message.boot, message.clock, message.buffered)
            payload += bytes([len(text)]) + text
        case Lost():
            kind, payload = (
                LOST,
                _name(message.node) + struct.pack("<III", message.boot, message.low, message.high),
            )
        case Ack(node, boot, ranges) | Resend(node, boot, ranges):
            assert len(ranges) <= RANGES_MAX, len(ranges)
            kind = ACK if isinstance(message, Ack) else RESEND
            payload = (
                _name(node)
                + struct.pack("<IB", boot, len(ranges))
                + b"".join(_RANGE.pack(*r) for r in ranges)
            )
        case Who():
            kind, payload = WHO, b""
    return frame(kind, payload)


def frame(kind: int, payload: bytes) -> bytes:
    """Sync, head, payload and checksum."""
    assert len(payload) <= PAYLOAD_MAX, len(payload)
    body = _HEAD.pack(VERSION, kind, len(payload)) + payload
    return SYNC + body + crc32(body).to_bytes(4, "little")


def report_payload(node: str, report: Report, age_ms: int) -> bytes:
    """A report as it travels; `age_ms` beyond 32 bits stays at the largest."""
    assert len(report.readings) <= READINGS_MAX, len(report.readings)
    head = _REPORT.pack(
        report.boot,
        report.seq,
        report.uptime_ms,
        min(max(age_ms, 0), AGE_MAX_MS),
        report.clock,
        report.unix_ms,
        len(report.readings),
    )
    return _name(node) + head + b"".join(_READING.pack(*reading) for reading in report.readings)


def _name(name: str) -> bytes:
    raw = name.encode("ascii")
    assert 1 <= len(raw) <= NAME_MAX, name
    return bytes([len(raw)]) + raw


class _Cursor:
    """Reads a payload from the left; running out of bytes is BadPayload."""

    def __init__(self, payload: bytes) -> None:
        self.payload, self.at = payload, 0

    def take(self, shape: struct.Struct | str) -> tuple[int, ...]:
        shape = struct.Struct(shape) if isinstance(shape, str) else shape
        if self.at + shape.size > len(self.payload):
            raise BadPayload(f"{len(self.payload)} bytes are too few")
        values = shape.unpack_from(self.payload, self.at)
        self.at += shape.size
        return values

    def text(self) -> str:
        (length,) = self.take("<B")
        raw = self.payload[self.at : self.at + length]
        if len(raw) < length:
            raise BadPayload("a name runs past the end")
        self.at += length
        try:
            return raw.decode("ascii")
        except UnicodeDecodeError as bad:
            raise BadPayload("a name is not ASCII") from bad

    def ranges(self) -> Ranges:
        (count,) = self.take("<B")
        pairs = tuple((low, high) for low, high in (self.take(_RANGE) for _ in range(count)))
        if any(low > high for low, high in pairs):
            raise BadPayload("a range runs backwards")
        return pairs

    def end(self) -> None:
        if self.at != len(self.payload):
            raise BadPayload(f"{len(self.payload) - self.at} bytes too many")


def _read_report(cursor: _Cursor) -> SentReport:
    node = cursor.text()
    boot, seq, uptime_ms, age_ms, clock, unix_ms, count = cursor.take(_REPORT)
    readings = tuple(Reading(*cursor.take(_READING)) for _ in range(count))
    return SentReport(node, Report(boot, seq, uptime_ms, clock, unix_ms, readings), age_ms)


def _read_hello(cursor: _Cursor) -> Hello:
    node = cursor.text()
    boot, clock, buffered = cursor.take("<IBI")
    return Hello(node, boot, clock, buffered, cursor.text())


def _read_lost(cursor: _Cursor) -> Lost:
    node = cursor.text()
    boot, low, high = cursor.take("<III")
    return Lost(node, boot, low, high)


def _read_ack(cursor: _Cursor) -> Ack:
    node = cursor.text()
    (boot,) = cursor.take("<I")
    return Ack(node, boot, cursor.ranges())


def _read_resend(cursor: _Cursor) -> Resend:
    node = cursor.text()
    (boot,) = cursor.take("<I")
    return Resend(node, boot, cursor.ranges())


_READERS: dict[int, Callable[[_Cursor], Message]] = {
    HELLO: _read_hello,
    REPORT: _read_report,
    LOST: _read_lost,
    ACK: _read_ack,
    RESEND: _read_resend,
    WHO: lambda _: Who(),
}


def decode(kind: int, payload: bytes) -> Message | None:
    """The message of a payload; None for a type this version does not know. Raises BadPayload."""
    reader = _READERS.get(kind)
    if reader is None:
        return None
    cursor = _Cursor(payload)
    message = reader(cursor)
    cursor.end()
    return message


class FrameDecoder:
    """Feed it the stream in any slices; after damage it drops one byte and hunts for the next frame.

    The buffer never holds more than one frame of the largest size between two calls.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.bytes_skipped = 0
        self.bad_payloads = 0

    def feed(self, chunk: bytes) -> list[Message]:
        """Every whole message that the stream now holds."""
        self._buffer += chunk
        buffer, at = self._buffer, 0
        found: list[Message] = []
        while (start := buffer.find(SYNC, at)) >= 0:
            self.bytes_skipped += start - at
            at = start
            if len(buffer) - at < 6:
                break
            version, kind, length = _HEAD.unpack_from(buffer, at + 2)
            end = at + 10 + length
            sound = version == VERSION and length <= PAYLOAD_MAX
            if sound and len(buffer) < end:
                break
            if not sound or crc32(buffer[at + 2 : end - 4]) != int.from_bytes(
                buffer[end - 4 : end], "little"
            ):
                at += 1
                self.bytes_skipped += 1
                continue
            message = self._decoded(kind, bytes(buffer[at + 6 : end - 4]))
            at = end
            if message is not None:
                found.append(message)
        else:
            keep = 1 if buffer[at:].endswith(SYNC[:1]) else 0
            self.bytes_skipped += len(buffer) - at - keep
            at = len(buffer) - keep
        del buffer[:at]
        return found

    def reset(self) -> None:
        """Forget a half frame: the line was closed."""
        self._buffer.clear()

    def _decoded(self, kind: int, payload: bytes) -> Message | None:
        try:
            return decode(kind, payload)
        except BadPayload:
            self.bad_payloads += 1
            return None
