# SPDX-License-Identifier: Apache-2.0
"""Serial frames, version 1. Bytes in, events out; this file never touches a port.

    | 0xC5 | 0x5A | version u8 = 1 | type u8 | length u16 | payload (at most 1024) | crc32 u32 |

Integers are little-endian. The crc covers version, type, length and payload. After damage one byte is dropped
and the hunt for the next C5 5A goes on. Payloads: docs/wire-format.md.
"""

from __future__ import annotations

import struct
import zlib

from gateway.codecs.frames import MAX_MS, SERIAL_NAME_MAX, Event, Hello, Lost, Pairs, Report, is_name

SYNC = b"\xc5\x5a"
VERSION = 1
MAX_PAYLOAD = 1024
HEADER = struct.Struct("<BBH")  # version, type, length
HEAD_BYTES = len(SYNC) + HEADER.size
CRC = struct.Struct("<I")
OVERHEAD = HEAD_BYTES + CRC.size

HELLO, REPORT, LOST = 0x01, 0x02, 0x03
ACK, RESEND, WHO = 0x81, 0x82, 0x83

REPORT_HEAD = struct.Struct("<IIQIBqB")  # boot, seq, uptime_ms, age_ms, clock, unix_ms, count
READING = struct.Struct("<HBBi")  # channel, quantity, status, value
HELLO_HEAD = struct.Struct("<IBI")  # boot, clock, buffered
LOST_HEAD = struct.Struct("<III")  # boot, low, high
RANGES_HEAD = struct.Struct("<IB")  # boot, count
RANGE = struct.Struct("<II")
RANGES_PER_FRAME = 100
NAMES_KEPT = 4096


class BinaryCodec:
    """See frames.Codec."""

    def __init__(self) -> None:
        self.skipped = 0
        self.malformed = 0
        self._buffer = bytearray()
        self._names: dict[bytes, str] = {}

    @property
    def waiting(self) -> int:
        return len(self._buffer)

    def feed(self, chunk: bytes) -> list[Event]:
        self._buffer += chunk
        return self._hunt()

    def idle(self) -> list[Event]:
        events: list[Event] = []
        while self._buffer:
            del self._buffer[:1]
            self.skipped += 1
            events += self._hunt()
        return events

    def _hunt(self) -> list[Event]:
        """Take every complete frame off the buffer; leave at most the beginning of one."""
        buffer, end, at = self._buffer, len(self._buffer), 0
        events: list[Event] = []
        while True:
            start = buffer.find(SYNC, at)
            if start < 0:
                rest = 1 if end > at and buffer[-1] == SYNC[0] else 0
                self.skipped += end - rest - at
                at = end - rest
                break
            self.skipped += start - at
            at = start
            if end - at < HEAD_BYTES:
                break
            version, kind, length = HEADER.unpack_from(buffer, at + 2)
            if version != VERSION or length > MAX_PAYLOAD:
                self.skipped += 1
                at += 1
                continue
            body_end = at + HEAD_BYTES + length
            if end < body_end + CRC.size:
                break
            (crc,) = CRC.unpack_from(buffer, body_end)
            if zlib.crc32(buffer[at + 2 : body_end]) != crc:
                self.skipped += 1
                at += 1
                continue
            event = self._parse(kind, bytes(buffer[at + HEAD_BYTES : body_end]))
            if event is None:
                self.malformed += 1
            else:
                events.append(event)
            at = body_end + CRC.size
        del buffer[:at]
        return events

    def _name(self, payload: bytes) -> tuple[str | None, int]:
        """The name that a payload begins with (None when it is none), and where the rest begins."""
        if not payload:
            return None, 0
        end = 1 + payload[0]
        raw = payload[1:end]
        name = self._names.get(raw)
        if name is None:
            name = raw.decode("ascii", "replace")
            if len(payload) < end or not is_name(name, SERIAL_NAME_MAX):
                return None, end
            if len(self._names) < NAMES_KEPT:
                self._names[raw] = name
        return (name if len(raw) == payload[0] else None), end

    def _parse(self, kind: int, payload: bytes) -> Event | None:
        """The event in a frame whose checksum held, or None when its content breaks the format."""
        name, at = self._name(payload)
        if name is None:
            return None
        try:
            if kind == REPORT:
                return _report(name, payload, at)
            if kind == HELLO:
                boot, clock, buffered = HELLO_HEAD.unpack_from(payload, at)
                at += HELLO_HEAD.size
                text = payload[at + 1 :]
                if len(text) != payload[at]:
                    return None
                return Hello(name, boot, clock, buffered, text.decode("ascii", "replace"))
            if kind == LOST:
                boot, low, high = LOST_HEAD.unpack_from(payload, at)
                sound = low <= high and len(payload) == at + LOST_HEAD.size
                return Lost(name, boot, low, high) if sound else None
        except (struct.error, IndexError):
            return None
        return None

    def ack(self, node: str, boot: int, pairs: Pairs) -> list[bytes]:
        return _ranges(ACK, node, boot, pairs)

    def resend(self, node: str, boot: int, pairs: Pairs) -> list[bytes]:
        return _ranges(RESEND, node, boot, pairs)

    def who(self) -> list[bytes]:
        return [frame(WHO, b"")]


def _report(name: str, payload: bytes, at: int) -> Report | None:
    boot, seq, uptime_ms, age_ms, clock, unix_ms, count = REPORT_HEAD.unpack_from(payload, at)
    rest = payload[at + REPORT_HEAD.size :]
    if len(rest) != count * READING.size or clock > 2 or uptime_ms > MAX_MS or abs(unix_ms) > MAX_MS:
        return None
    return Report(name, boot, seq, uptime_ms, age_ms, clock, unix_ms, tuple(READING.iter_unpack(rest)))


def frame(kind: int, payload: bytes) -> bytes:
    """The payload, framed."""
    assert len(payload) <= MAX_PAYLOAD
    body = HEADER.pack(VERSION, kind, len(payload)) + payload
    return SYNC + body + CRC.pack(zlib.crc32(body))


def _ranges(kind: int, node: str, boot: int, pairs: Pairs) -> list[bytes]:
    name = node.encode("ascii")
    frames = []
    for start in range(0, len(pairs), RANGES_PER_FRAME):
        some = pairs[start : start + RANGES_PER_FRAME]
        head = bytes((len(name),)) + name + RANGES_HEAD.pack(boot, len(some))
        frames.append(frame(kind, head + b"".join(RANGE.pack(low, high) for low, high in some)))
    return frames


def encode_report(report: Report) -> bytes:
    """A node's REPORT frame: what the decoder reads back. For tests and benchmarks of the gateway."""
    name = report.node.encode("ascii")
    assert report.boot is not None
    assert report.seq is not None
    head = REPORT_HEAD.pack(
        report.boot,
        report.seq,
        report.uptime_ms,
        report.age_ms,
        report.clock,
        report.unix_ms,
        len(report.readings),
    )
    return frame(
        REPORT, bytes((len(name),)) + name + head + b"".join(READING.pack(*r) for r in report.readings)
    )
