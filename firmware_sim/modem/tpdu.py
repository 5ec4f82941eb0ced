# SPDX-License-Identifier: Apache-2.0
"""The message centre's side of SMS PDUs: reads SUBMIT, writes DELIVER and STATUS-REPORT.

From 3GPP TS 23.040, 9.2. Strict where networks are: a SUBMIT that does not add up is refused
(`BadPdu`), which a modem reports as ``+CMS ERROR: 304``.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from firmware_sim.modem import alphabet

_ZONE = timezone(timedelta(hours=7))  # the centre stands in Vientiane


class BadPdu(ValueError):
    """Not a SUBMIT that a network would carry."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which of how many parts, joined by a reference."""

    reference: int
    total: int
    part: int


@dataclass(frozen=True, slots=True)
class Submitted:
    """One SUBMIT. `validity_min` is None when the sender left it to the centre."""

    number: str
    text: str
    place: Place | None
    report: bool
    validity_min: int | None


def read_submit(octets: bytes, length: int) -> Submitted:
    """The SUBMIT in `octets`, which ``AT+CMGS`` announced as `length` without the SMSC field."""
    try:
        return _read(octets, length)
    except (IndexError, ValueError, KeyError) as bad:
        raise BadPdu(str(bad)) from bad


def _read(octets: bytes, length: int) -> Submitted:
    tpdu = octets[1 + octets[0] :]
    if len(tpdu) != length or not 7 <= length <= 164:
        raise BadPdu(f"{len(tpdu)} octets, {length} announced")
    first = tpdu[0]
    if first % 4 != 1:
        raise BadPdu("not a SUBMIT")
    digits, kind = tpdu[2], tpdu[3]
    if kind not in (0x81, 0x91) or not 1 <= digits <= 20:
        raise BadPdu("bad destination")
    after = 4 + (digits + 1) // 2
    nibbles = "".join(f"{octet % 16:x}{octet // 16:x}" for octet in tpdu[4:after])
    number, filler = nibbles[:digits], nibbles[digits:]
    if not number.isdecimal() or filler not in ("", "f"):
        raise BadPdu(f"bad digits {nibbles}")
    scheme = tpdu[after + 1]
    validity_octets = {0: 0, 2: 1, 1: 7, 3: 7}[first >> 3 & 3]
    at = after + 2 + validity_octets
    validity = _minutes(tpdu[after + 2]) if validity_octets == 1 else None
    place, text = _user_data(tpdu[at], tpdu[at + 1 :], scheme, headed=bool(first & 0x40))
    plus = "+" if kind == 0x91 else ""
    return Submitted(plus + number, text, place, bool(first & 0x20), validity)


def _user_data(length: int, data: bytes, scheme: int, *, headed: bool) -> tuple[Place | None, str]:
    head = data[0] + 1 if headed else 0
    place = None
    if headed:
        if data[1] == 0 and data[2] == 3:
            place = Place(data[3], data[4], data[5])
        elif data[1] == 8 and data[2] == 4:
            place = Place(data[3] * 256 + data[4], data[5], data[6])
        if place and not 1 <= place.part <= place.total:
            raise BadPdu(f"part {place.part} of {place.total}")
    if scheme == 8:
        if len(data) != length or length > 140 or (length - head) % 2:
            raise BadPdu(f"{len(data)} octets of UCS-2, {length} announced")
        # A real centre passes half a surrogate pair on; a phone shows a box for it. We refuse.
        return place, data[head:].decode("utf-16-be")
    if scheme not in (0, 0xF0, 0xF1):
        raise BadPdu(f"coding scheme {scheme:#x} is not handled")
    if length > 160 or len(data) != (length * 7 + 7) // 8:
        raise BadPdu(f"{len(data)} octets for {length} septets")
    skipped = (head * 8 + 6) // 7
    return place, alphabet.read(alphabet.septets(data, length - skipped, 7 * skipped))


def _minutes(octet: int) -> int:
    if octet < 144:
        return (octet + 1) * 5
    if octet < 168:
        return 12 * 60 + (octet - 143) * 30
    return (octet - 166 if octet < 197 else 7 * (octet - 192)) * 24 * 60


def _address(number: str) -> bytes:
    digits = number.lstrip("+")
    kind = 0x91 if number.startswith("+") else 0x81
    if not digits.isdecimal():
        codes = alphabet.write(number) or []
        packed = alphabet.octets(codes, 0)
        return bytes([(7 * len(codes) + 3) // 4, 0xD0]) + packed
    even = digits + "f" * (len(digits) % 2)
    return bytes([len(digits), kind]) + _swapped(even)


def _swapped(digits: str) -> bytes:
    return bytes(int(digits[i + 1] + digits[i], 16) for i in range(0, len(digits), 2))


def _stamp(at_ms: int) -> bytes:
    local = datetime.fromtimestamp(at_ms / 1000, _ZONE)
    fields = f"{local:%y%m%d%H%M%S}28"  # 28 quarters of an hour east
    return _swapped(fields)


def write_deliver(sender: str, text: str, *, centre: str, at_ms: int, reference: int) -> list[bytes]:
    """The DELIVERs, centre included, that bring `text`; several when it is long."""
    scheme, pieces = _pieces(text)
    several = len(pieces) > 1
    fixed = _centre(centre) + bytes([0x44 if several else 0x04]) + _address(sender)
    fixed += bytes([0, scheme]) + _stamp(at_ms)
    deliveries = []
    for part, piece in enumerate(pieces, start=1):
        header = bytes([5, 0, 3, reference, len(pieces), part]) if several else b""
        if scheme == 8:
            data, length = header + bytes(piece), len(header) + len(piece)
        else:
            skipped = 7 if several else 0  # septets, one bit of which is filling
            body = alphabet.octets(piece, 1 if several else 0)
            data, length = header + body, skipped + len(piece)
        deliveries.append(fixed + bytes([length]) + data)
    return deliveries


def _pieces(text: str) -> tuple[int, list[list[int]]]:
    """Coding scheme and the septets or octets of each part; no character is torn."""
    plain = alphabet.write(text) is not None
    alone, joined = (160, 153) if plain else (140, 134)
    characters = [
        (alphabet.write(character) or []) if plain else list(character.encode("utf-16-be"))
        for character in text
    ]
    room = alone if sum(map(len, characters)) <= alone else joined
    pieces: list[list[int]] = [[]]
    for character in characters:
        if len(pieces[-1]) + len(character) > room:
            pieces.append([])
        pieces[-1] += character
    return (0 if plain else 8), pieces


def write_status_report(number: str, *, centre: str, reference: int, at_ms: int, status: int) -> bytes:
    """The centre's report on the part that got `reference`; status 0 is delivered."""
    stamp = _stamp(at_ms)
    body = bytes([0x06, reference]) + _address(number) + stamp + stamp + bytes([status])
    return _centre(centre) + body


def _centre(number: str) -> bytes:
    address = _address(number)[1:]
    return bytes([len(address)]) + address
