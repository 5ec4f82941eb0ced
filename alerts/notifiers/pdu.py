# SPDX-License-Identifier: Apache-2.0
"""SMS transport PDUs as a modem in PDU mode takes and gives them. Pure.

    SMSC length u8 (00: the centre stored in the SIM) | first octet | ...

    SUBMIT         | MR u8 | DA: digits u8, type u8, semi-octets | PID | DCS | VP u8 | UDL u8 | UD
    DELIVER        | OA    | PID | DCS | SCTS 7 | UDL u8 | UD
    STATUS-REPORT  | MR u8 | RA  | SCTS 7 | DT 7 | ST u8

Layouts: 3GPP TS 23.040, 9.2.2. Coding scheme: TS 23.038, 4. A text that needs more than one
message is cut between characters, and each part begins with the header 05 00 03 ref total n
(TS 23.040, 9.2.3.24.1); an escape pair or a surrogate pair is never torn.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from alerts.notifiers.gsm7 import is_gsm7, pack, septets_of
from coldchain.kernel.errors import ColdChainError

__all__ = ["Coding", "Part", "PduError", "Segments", "dialled", "relative_validity", "segments", "submit"]

PARTS_MAX = 255  # one octet counts them

_SUBMIT = 0x01
_RELATIVE_VALIDITY = 0x10
_STATUS_REPORT_REQUEST = 0x20
_HEADER_PRESENT = 0x40

_INTERNATIONAL, _UNKNOWN_TYPE = 0x91, 0x81
_NUMBER = re.compile(r"\+[1-9][0-9]{4,14}|[0-9]{3,20}")
_DECORATION = re.compile(r"[\s().\-/\u2010-\u2013]")


class PduError(ColdChainError):
    """The text or number cannot be said in a PDU, or the PDU breaks the layout."""


class Coding(Enum):
    """How characters travel, with the room of a lone message and of a part [units]."""

    GSM7 = (0x00, 160, 153)
    UCS2 = (0x08, 70, 67)

    def __init__(self, scheme: int, alone: int, part: int) -> None:
        self.scheme, self.alone, self.part = scheme, alone, part


@dataclass(frozen=True, slots=True)
class Segments:
    """What a text costs: `parts` messages; `used` of `room` units (septets, or 16-bit units)."""

    coding: Coding
    parts: int
    used: int
    room: int


@dataclass(frozen=True, slots=True)
class Part:
    """One SMS-SUBMIT, its SMSC field included."""

    octets: bytes

    @property
    def length(self) -> int:
        """For ``AT+CMGS``: octets without the SMSC field (7..164)."""
        return len(self.octets) - 1 - self.octets[0]

    @property
    def line(self) -> bytes:
        """Upper-case hexadecimal on one line, without the closing Ctrl-Z."""
        return self.octets.hex().upper().encode("ascii")


def segments(text: str) -> Segments:
    """How many messages `text` makes, and how full they are, as `submit` would cut it."""
    coding, pieces = _cut(text)
    used = sum(_units(coding, piece) for piece in pieces)
    room = coding.alone if len(pieces) == 1 else coding.part * len(pieces)
    return Segments(coding, len(pieces), used, room)


def dialled(number: str) -> str:
    """`number` without the spaces and hyphens people write; PduError if it cannot be one."""
    bare = _DECORATION.sub("", number)
    if not _NUMBER.fullmatch(bare):
        raise PduError(f"{number!r} is not a telephone number; write it as +8562055512345")
    return bare


def submit(
    number: str,
    text: str,
    *,
    reference: int,
    validity: timedelta | None = None,
    report: bool = False,
) -> tuple[Part, ...]:
    """The SMS-SUBMITs that carry `text` to `number`, in order.

    reference  0..255, the same in every part; differs between messages to one number
    validity   how long the centre tries; None leaves it to the centre
    report     ask for a delivery report for each part
    """
    assert 0 <= reference <= 255, reference
    destination = _address(dialled(number))
    coding, pieces = _cut(text)
    first = _SUBMIT | (_STATUS_REPORT_REQUEST if report else 0)
    period = b""
    if validity is not None:
        first |= _RELATIVE_VALIDITY
        period = bytes([relative_validity(validity)])
    parts = []
    for place, piece in enumerate(pieces, start=1):
        header = b"" if len(pieces) == 1 else bytes([5, 0, 3, reference, len(pieces), place])
        octets = bytes([0, first | (_HEADER_PRESENT if header else 0), 0])
        octets += destination + bytes([0, coding.scheme]) + period
        parts.append(Part(octets + _user_data(coding, header, piece)))
    return tuple(parts)


def relative_validity(period: timedelta) -> int:
    """TP-VP, the shortest the octet can say that is not shorter (TS 23.040, 9.2.3.12.1).

    >>> relative_validity(timedelta(minutes=5)), relative_validity(timedelta(hours=24))
    (0, 167)
    """
    minutes = -(-int(period.total_seconds()) // 60)
    if minutes <= 12 * 60:
        return max(-(-minutes // 5) - 1, 0)
    if minutes <= 24 * 60:
        return 143 - (-(minutes - 12 * 60) // 30)
    days = -(-minutes // (24 * 60))
    if days <= 30:
        return 166 + days
    return min(192 - (-days // 7), 255)


def _cut(text: str) -> tuple[Coding, list[bytes]]:
    """Coding and the encoded body of each part; an empty text makes one empty part."""
    if is_gsm7(text):
        coding, characters = Coding.GSM7, [septets_of(character) for character in text]
    else:
        # A lone surrogate is no character: U+FFFD shows that something was there.
        sound = text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")
        coding, characters = Coding.UCS2, [character.encode("utf-16-be") for character in sound]
    alone = b"".join(characters)
    if _units(coding, alone) <= coding.alone:
        return coding, [alone]
    pieces = list(_filled(coding, characters))
    if len(pieces) > PARTS_MAX:
        raise PduError(f"the text needs {len(pieces)} messages, at most {PARTS_MAX} can be joined")
    return coding, pieces


def _filled(coding: Coding, characters: Iterable[bytes]) -> Iterable[bytes]:
    piece = b""
    for character in characters:
        if _units(coding, piece + character) > coding.part:
            yield piece
            piece = b""
        piece += character
    yield piece


def _units(coding: Coding, encoded: bytes) -> int:
    return len(encoded) if coding is Coding.GSM7 else len(encoded) // 2


def _user_data(coding: Coding, header: bytes, piece: bytes) -> bytes:
    if coding is Coding.UCS2:
        return bytes([len(header) + len(piece)]) + header + piece
    # Septets start on a septet boundary behind the header (TS 23.040, 9.2.3.24).
    header_septets = -(-8 * len(header) // 7)
    fill_bits = 7 * header_septets - 8 * len(header)
    return bytes([header_septets + len(piece)]) + header + pack(piece, fill_bits=fill_bits)


def _address(number: str) -> bytes:
    kind = _INTERNATIONAL if number.startswith("+") else _UNKNOWN_TYPE
    digits = number.removeprefix("+")
    padded = digits + "F" * (len(digits) % 2)
    swapped = "".join(padded[i + 1] + padded[i] for i in range(0, len(padded), 2))
    return bytes([len(digits), kind]) + bytes.fromhex(swapped)
