# SPDX-License-Identifier: Apache-2.0
"""What a modem hands up: SMS-DELIVER and SMS-STATUS-REPORT, decoded. Pure.

Layouts: 3GPP TS 23.040, 9.2.2.1 and 9.2.2.3. Never asserts on bytes from the air: whatever
breaks the layout is a `PduError`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

from alerts.notifiers.gsm7 import from_septets, unpack
from alerts.notifiers.pdu import Coding, PduError

__all__ = ["Concatenation", "Deliver", "Fate", "StatusReport", "decode"]

_DELIVER, _STATUS_REPORT = 0x00, 0x02
_HEADER_PRESENT = 0x40
_ALPHANUMERIC, _INTERNATIONAL = 5, 1


class Fate(StrEnum):
    """What a status report says (TP-Status, TS 23.040, 9.2.3.15)."""

    DELIVERED = "delivered"
    TRYING = "trying"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Concatenation:
    """The place of a part: `part` of `total`, joined by (sender, reference, total)."""

    reference: int
    total: int
    part: int


@dataclass(frozen=True, slots=True)
class Deliver:
    """An incoming message, or one part of it.

    sender   as the network gives it: +856..., a short code or a name
    at_ms    the centre's time stamp [ms since epoch], None if it is no date
    """

    sender: str
    text: str
    at_ms: int | None
    joined: Concatenation | None


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The centre's word on one part that was submitted with a report asked for.

    reference      that `+CMGS` returned; 0..255, wraps: match on recipient too
    discharged_ms  when it was delivered or given up [ms since epoch]
    status         the octet itself
    """

    reference: int
    recipient: str
    discharged_ms: int | None
    status: int

    @property
    def fate(self) -> Fate:
        if self.status < 0x20:
            return Fate.DELIVERED
        return Fate.TRYING if self.status < 0x40 else Fate.FAILED


class _Octets:
    """A cursor that refuses to read past the end."""

    def __init__(self, octets: bytes) -> None:
        self._octets, self._at = octets, 0

    def take(self, count: int, what: str) -> bytes:
        taken = self._octets[self._at : self._at + count]
        if len(taken) < count:
            raise PduError(f"the PDU ends within its {what}: {len(taken)} of {count} octets")
        self._at += count
        return taken

    def one(self, what: str) -> int:
        return self.take(1, what)[0]


def decode(pdu: str) -> Deliver | StatusReport:
    """The message in one hexadecimal line of ``+CMT``, ``+CDS``, ``+CMGR`` or ``+CMGL``."""
    try:
        octets = _Octets(bytes.fromhex(pdu.strip()))
    except ValueError as bad:
        raise PduError(f"not hexadecimal: {pdu[:24]!r}") from bad
    octets.take(octets.one("SMSC length"), "SMSC")
    first = octets.one("first octet")
    if first & 0x03 == _DELIVER:
        return _deliver(octets, header_present=bool(first & _HEADER_PRESENT))
    if first & 0x03 == _STATUS_REPORT:
        return _status_report(octets)
    raise PduError(f"neither DELIVER nor STATUS-REPORT: first octet {first:#04x}")


def _deliver(octets: _Octets, *, header_present: bool) -> Deliver:
    sender = _address(octets)
    octets.one("protocol identifier")
    scheme = octets.one("coding scheme")
    at_ms = _instant(octets.take(7, "time stamp"))
    length = octets.one("user data length")
    coding = _coding(scheme)
    size = -(-7 * length // 8) if coding is Coding.GSM7 else length
    data = octets.take(size, "user data")
    header = data[: data[0] + 1] if header_present and data else b""
    if len(header) > len(data) or (header and len(header) != header[0] + 1):
        raise PduError("the user data header is longer than the user data")
    return Deliver(sender, _text(coding, data, length, header), at_ms, _joined(header))


def _status_report(octets: _Octets) -> StatusReport:
    reference = octets.one("reference")
    recipient = _address(octets)
    octets.take(7, "time stamp")
    discharged_ms = _instant(octets.take(7, "discharge time"))
    return StatusReport(reference, recipient, discharged_ms, octets.one("status"))


def _coding(scheme: int) -> Coding | None:
    """None is eight-bit data. TS 23.038, 4: groups 00xx and 01xx, 1110, 1111, the rest GSM-7."""
    group = scheme >> 4
    if group < 0x8:
        if scheme & 0x20:
            raise PduError("compressed text")
        return {0: Coding.GSM7, 1: None, 2: Coding.UCS2, 3: Coding.GSM7}[scheme >> 2 & 3]
    if group == 0xE:
        return Coding.UCS2
    return None if group == 0xF and scheme & 0x04 else Coding.GSM7


def _text(coding: Coding | None, data: bytes, length: int, header: bytes) -> str:
    if coding is Coding.GSM7:
        skipped = -(-8 * len(header) // 7)
        return from_septets(unpack(data, max(length, skipped))[skipped:])
    body = data[len(header) :]
    if coding is Coding.UCS2:
        return body.decode("utf-16-be", "replace")
    return body.decode("latin-1")


def _joined(header: bytes) -> Concatenation | None:
    elements = header[1:]
    while len(elements) >= 2:
        kind, size = elements[0], elements[1]
        value, elements = elements[2 : 2 + size], elements[2 + size :]
        if (kind, len(value)) in ((0x00, 3), (0x08, 4)):
            total, part = value[-2], value[-1]
            # "Shall ignore the element" when zero or out of order (TS 23.040, 9.2.3.24.1).
            if 1 <= part <= total:
                return Concatenation(int.from_bytes(value[:-2], "big"), total, part)
    return None


def _address(octets: _Octets) -> str:
    digits = octets.one("address length")
    kind = octets.one("address type")
    coded = octets.take((digits + 1) // 2, "address")
    if kind >> 4 & 7 == _ALPHANUMERIC:
        return from_septets(unpack(coded, digits * 4 // 7))
    number = "".join("0123456789*#abc "[n] for octet in coded for n in (octet & 15, octet >> 4))
    return ("+" if kind >> 4 & 7 == _INTERNATIONAL else "") + number[:digits]


def _instant(stamp: bytes) -> int | None:
    """Milliseconds of a time stamp: semi-octets, the last a signed count of quarter hours."""
    year, month, day, hour, minute, second = (10 * (o & 15) + (o >> 4) for o in stamp[:6])
    quarters = 10 * (stamp[6] & 7) + (stamp[6] >> 4)
    offset = timedelta(minutes=15 * (-quarters if stamp[6] & 8 else quarters))
    try:
        local = datetime(2000 + year, month, day, hour, minute, second, tzinfo=timezone(offset))
        return (local - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    except ValueError:
        return None
