# SPDX-License-Identifier: Apache-2.0
"""Serial lines of text, version 1. Bytes in, events out.

    $CC1,node,boot,seq,uptime_ms,age_ms,unix_ms,channel:quantity:value[,...]*crc32<CR><LF>
    $OK1,node,boot,low-high*crc32<CR><LF>                                        (the answer)

A line ends at LF; a CR before it is optional. A report that is numbered must carry its checksum. Boot and seq
may be empty (the gateway numbers it, nothing is answered); then the checksum and its `*` may be missing too.
"""

from __future__ import annotations

import zlib
from decimal import Decimal, InvalidOperation

from coldchain.kernel.words import QUANTITY_OF_WORD, Status
from gateway.codecs.frames import (
    MAX_MS,
    MAX_SEQ,
    SERIAL_NAME_MAX,
    Channel,
    Event,
    Pairs,
    Report,
    is_name,
)

MAX_LINE = 1024
"""A line longer than this is noise: it is dropped and counted."""
STATUS_OF_WORD = {status.name.lower().replace("_", "-"): status for status in Status if status}
VALUE_MAX = 2**31 - 1


class AsciiCodec:
    """See frames.Codec. `skipped` counts whole lines' bytes, their ends included."""

    def __init__(self) -> None:
        self.skipped = 0
        self.malformed = 0
        self._buffer = bytearray()
        self._overlong = False  # the line that is arriving is already too long: wait for its end

    @property
    def waiting(self) -> int:
        return len(self._buffer)

    def feed(self, chunk: bytes) -> list[Event]:
        self._buffer += chunk
        events: list[Event] = []
        *lines, rest = self._buffer.split(b"\n")
        for line in lines:
            if self._overlong or len(line) > MAX_LINE:
                self._overlong = False
                self.skipped += len(line) + 1
                continue
            event = self._line(bytes(line))
            if event is not None:
                events.append(event)
        if len(rest) > MAX_LINE:
            self._overlong = True
        if self._overlong:
            self.skipped += len(rest)
            rest = bytearray()
        self._buffer = rest
        return events

    def idle(self) -> list[Event]:
        self.skipped += len(self._buffer)
        self._buffer = bytearray()
        self._overlong = False
        return []

    def _line(self, line: bytes) -> Event | None:
        """A report, or None with the line counted. Noise before the `$` is skipped: the line may be saved."""
        start = line.rfind(b"$CC1,")
        if start < 0:
            if line.strip(b"\r \t"):
                self.skipped += len(line) + 1
            return None
        self.skipped += start
        body, star, check = line[start + 1 :].rstrip(b"\r \t").partition(b"*")
        if star and not _checks(body, check):
            self.skipped += len(line) + 1 - start
            return None
        try:
            return _report(body.decode("ascii"), checked=bool(star))
        except (ValueError, ArithmeticError):
            self.malformed += 1
            return None

    def ack(self, node: str, boot: int, pairs: Pairs) -> list[bytes]:
        return [_sealed(f"OK1,{node},{boot},{low}-{high}") for low, high in pairs]

    def resend(self, node: str, boot: int, pairs: Pairs) -> list[bytes]:
        return []

    def who(self) -> list[bytes]:
        return []


def _checks(body: bytes, check: bytes) -> bool:
    return len(check) == 8 and check.lower() == b"%08x" % zlib.crc32(body)


def _sealed(body: str) -> bytes:
    return f"${body}*{zlib.crc32(body.encode('ascii')):08x}\r\n".encode("ascii")


def _report(body: str, *, checked: bool) -> Report:
    """The report, or ValueError."""
    word, node, boot, seq, uptime, age, unix, *readings = body.split(",")
    if word != "CC1" or not is_name(node, SERIAL_NAME_MAX):
        raise ValueError("not a report of a named node")
    if bool(boot) != bool(seq):
        raise ValueError("boot and seq go together")
    if boot and not checked:
        raise ValueError("a numbered report without its checksum")
    clock = 0 if not unix else 1 if unix.endswith("?") else 2
    return Report(
        node,
        _number(boot, MAX_SEQ) if boot else None,
        _number(seq, MAX_SEQ) if seq else None,
        _number(uptime, MAX_MS) if uptime else -1,
        _number(age, MAX_SEQ) if age else 0,
        clock,
        _number(unix.removesuffix("?"), MAX_MS) if unix else 0,
        tuple(_reading(text) for text in readings),
    )


def _number(text: str, largest: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ValueError(f"not a whole number: {text[:30]!r}")
    number = int(text)
    if number > largest:
        raise ValueError(f"{number} is more than {largest}")
    return number


def _reading(text: str) -> Channel:
    channel, quantity, value = text.split(":")
    code = QUANTITY_OF_WORD.get(quantity)
    if code is None:
        raise ValueError(f"no such quantity: {quantity[:30]!r}")
    if value.startswith("!"):
        status = STATUS_OF_WORD.get(value[1:])
        if status is None:
            raise ValueError(f"no such fault: {value[:30]!r}")
        return _number(channel, 65535), code, status, 0
    return _number(channel, 65535), code, 0, _thousandths(value)


def _thousandths(text: str) -> int:
    """A plain decimal number as thousandths, rounded half to even; ValueError otherwise."""
    if not text.isascii() or len(text) > 30 or not text.strip("+-").replace(".", "", 1).isdigit():
        raise ValueError(f"not a decimal number: {text[:30]!r}")
    try:
        value = int((Decimal(text) * 1000).to_integral_value())
    except InvalidOperation as bad:
        raise ValueError(f"not a decimal number: {text[:30]!r}") from bad
    if abs(value) > VALUE_MAX:
        raise ValueError(f"out of range: {text[:30]!r}")
    return value


def encode_report(report: Report) -> bytes:
    """A node's line: what the decoder reads back. For tests of the gateway."""
    words = {quantity: word for word, quantity in QUANTITY_OF_WORD.items()}
    faults = {status: word for word, status in STATUS_OF_WORD.items()}
    unix = "" if report.clock == 0 else f"{report.unix_ms}{'?' if report.clock == 1 else ''}"
    boot, seq = ("", "") if report.boot is None else (str(report.boot), str(report.seq))
    uptime = "" if report.uptime_ms < 0 else str(report.uptime_ms)
    readings = [
        f"{channel}:{words[quantity]}:{'!' + faults[status] if status else str(Decimal(value) / 1000)}"  # type: ignore[index]
        for channel, quantity, status, value in report.readings
    ]
    return _sealed(",".join(["CC1", report.node, boot, seq, uptime, str(report.age_ms), unix, *readings]))
