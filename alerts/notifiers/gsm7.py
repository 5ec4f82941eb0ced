# SPDX-License-Identifier: Apache-2.0
"""The 7-bit default alphabet of GSM and its packing. Pure.

Alphabet and extension table: 3GPP TS 23.038, 6.2.1 and 6.2.1.1. Packing: 6.1.2.1.1.
One character outside the alphabet turns a whole message to UCS-2, which holds 70 instead of
160; `fit_gsm7` avoids that where a harmless spelling exists.
"""

import re
from collections.abc import Iterable

__all__ = ["EXTENSION", "fit_gsm7", "from_septets", "is_gsm7", "pack", "septets_of", "unpack"]

ESCAPE = 0x1B

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
assert len(_BASIC) == 128

EXTENSION = {
    "\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F,
    "[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40, "€": 0x65,
}  # fmt: skip
"""Characters that cost two septets: the escape and this code."""

_SEPTETS: dict[str, bytes] = {
    character: bytes([code]) for code, character in enumerate(_BASIC) if code != ESCAPE
} | {character: bytes([ESCAPE, code]) for character, code in EXTENSION.items()}
_EXTENDED = {code: character for character, code in EXTENSION.items()}

_SPELLING = str.maketrans(
    {
        "`": "'", "´": "'", "‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"',
        "«": '"', "»": '"', "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "−": "-",
        "\t": " ", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u200b": "", "\ufeff": "",
        "…": "...", "•": "-", "·": "-", "×": "x", "≤": "<=", "≥": ">=", "±": "+/-",
        "→": "->", "µ": "u", "μ": "u", "²": "2", "³": "3", "°": " deg",
        "á": "a", "â": "a", "ã": "a", "À": "A", "Á": "A", "Â": "A", "Ã": "A",
        "ç": "c", "ê": "e", "ë": "e", "È": "E", "Ê": "E", "Ë": "E",
        "í": "i", "î": "i", "ï": "i", "Ì": "I", "Í": "I", "Î": "I", "Ï": "I",
        "ó": "o", "ô": "o", "õ": "o", "Ò": "O", "Ó": "O", "Ô": "O", "Õ": "O",
        "ú": "u", "û": "u", "Ù": "U", "Ú": "U", "Û": "U", "ÿ": "y",
        "œ": "oe", "Œ": "OE",
    }
)  # fmt: skip
"""Spellings that a reader takes for the same word (French without its circumflexes)."""

_NUMERO = re.compile(r"\b([Nn])°\s?")
_DEGREES = re.compile(r"°(?=[CFK]\b)")


def is_gsm7(text: str) -> bool:
    """Can every character be said in the default alphabet and its extension?"""
    return all(character in _SEPTETS for character in text)


def fit_gsm7(text: str) -> str:
    """The same message spelled in GSM-7 when that is possible, else `text` itself.

    Either the result is GSM-7 or it is the text untouched: what must travel as UCS-2
    anyway loses nothing.

    >>> fit_gsm7("8.2 °C – réfrigérateur à l’étage")
    "8.2 C - réfrigérateur à l'étage"
    >>> fit_gsm7("ຕູ້ເຢັນ 8.2 °C")
    'ຕູ້ເຢັນ 8.2 °C'
    """
    spelled = _DEGREES.sub("", _NUMERO.sub(r"\1o ", text)).translate(_SPELLING)
    return spelled if is_gsm7(spelled) else text


def septets_of(character: str) -> bytes:
    """One or two septets, a byte each. KeyError outside the alphabet."""
    return _SEPTETS[character]


def from_septets(septets: Iterable[int]) -> str:
    """Text of septets; an unknown extension is shown by its basic character (TS 23.038, 6.2.1.1)."""
    text: list[str] = []
    escaped = False
    for septet in septets:
        if escaped:
            text.append(_EXTENDED.get(septet, _BASIC[septet]))
            escaped = False
        elif septet == ESCAPE:
            escaped = True
        else:
            text.append(_BASIC[septet])
    return "".join(text)


def pack(septets: bytes, *, fill_bits: int = 0) -> bytes:
    """Seven bits after seven bits, least significant first, after `fill_bits` zeros."""
    value = 0
    for place, septet in enumerate(septets):
        value |= septet << (7 * place + fill_bits)
    return value.to_bytes((7 * len(septets) + fill_bits + 7) // 8, "little")


def unpack(octets: bytes, count: int, *, fill_bits: int = 0) -> list[int]:
    """`count` septets out of `octets`, behind `fill_bits`; bits that are not there are zero."""
    value = int.from_bytes(octets, "little") >> fill_bits
    return [value >> (7 * place) & 0x7F for place in range(count)]
