# SPDX-License-Identifier: Apache-2.0
"""GSM 7-bit text as a telephone reads and writes it.

Written from the code chart of 3GPP TS 23.038 (6.2.1), column by column, and kept apart from the
driver's table on purpose: each is a witness of the other.
"""

ESC = 27

_COLUMNS = (
    "@ £ $ ¥ è é ù ì ò Ç LF Ø ø CR Å å",
    "Δ _ Φ Γ Λ Ω Π Ψ Σ Θ Ξ ESC Æ æ ß É",
    "SP ! \" # ¤ % & ' ( ) * + , - . /",
    "0 1 2 3 4 5 6 7 8 9 : ; < = > ?",
    "¡ A B C D E F G H I J K L M N O",
    "P Q R S T U V W X Y Z Ä Ö Ñ Ü §",
    "¿ a b c d e f g h i j k l m n o",
    "p q r s t u v w x y z ä ö ñ ü à",
)
_NAMED = {"LF": "\n", "CR": "\r", "SP": " ", "ESC": "\x1b"}
CHART = [_NAMED.get(cell, cell) for column in _COLUMNS for cell in column.split(" ")]
ESCAPED = {10: "\f", 20: "^", 40: "{", 41: "}", 47: "\\", 60: "[", 61: "~", 62: "]", 64: "|", 101: "€"}


def read(bits: str) -> str:
    """Text of a string of bits, seven a character, each group most significant bit first."""
    text, escaped = "", False
    for start in range(0, len(bits) - 6, 7):
        code = int(bits[start : start + 7], 2)
        if escaped:
            text, escaped = text + ESCAPED[code], False
        elif code == ESC:
            escaped = True
        else:
            text += CHART[code]
    if escaped:
        raise ValueError("an escape with nothing behind it")
    return text


def septets(octets: bytes, count: int, skip_bits: int) -> str:
    """`count` groups of seven bits behind `skip_bits`, in reading order, as `read` takes them."""
    # The stream runs from the low bit of the first octet upwards.
    stream = "".join(f"{octet:08b}"[::-1] for octet in octets)[skip_bits:]
    if len(stream) < 7 * count:
        raise ValueError(f"{len(octets)} octets hold no {count} septets")
    return "".join(stream[7 * i : 7 * i + 7][::-1] for i in range(count))


def write(text: str) -> list[int] | None:
    """Codes of `text`, or None if a character is not in the chart."""
    unescaped = {character: code for code, character in ESCAPED.items()}
    codes: list[int] = []
    for character in text:
        if character in unescaped:
            codes += [ESC, unescaped[character]]
        elif character in CHART and character != "\x1b":
            codes.append(CHART.index(character))
        else:
            return None
    return codes


def octets(codes: list[int], skip_bits: int) -> bytes:
    """The codes as the air carries them, behind `skip_bits` zeros."""
    stream = "0" * skip_bits + "".join(f"{code:07b}"[::-1] for code in codes)
    stream += "0" * (-len(stream) % 8)
    return bytes(int(stream[i : i + 8][::-1], 2) for i in range(0, len(stream), 8))
