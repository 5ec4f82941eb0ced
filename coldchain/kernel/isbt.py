# SPDX-License-Identifier: Apache-2.0
"""ISBT 128 donation identification numbers: scanned or typed, checked, and shown. Pure.

    bar code      =A9999 26 123456 ff     `=`, facility, year, sequence, two flag characters
    eye-readable   A9999 26 123456 T      T: the check character, ISO 7064 MOD 37,2 over the thirteen

Sources: JPAC Guidelines for the Blood Transfusion Services, annex 2 (the check, and its example below);
the layout: ICCBBA IG-033, as told at developer.digitalhealth.gov.au. Only the number is kept: it says
which bag, and nothing of who gave it.
"""

from __future__ import annotations

import re

from coldchain.kernel.errors import BadData

VALUES = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*"
"""A character's place is its value."""
FLAG_CHECK = range(60, 97)
"""Flags from 60 to 96 are 60 and the check value."""
_NUMBER = re.compile(r"[1-9A-NP-Z][0-9A-NP-Z]{4}[0-9]{8}")
"""Facility of five (the letter O is not used), year of two, sequence of six."""
_BETWEEN = re.compile(r"[\s.\-]+")
NUMBER_MAX = 24
"""Of what is no number, so much is told back."""


class BadDonation(BadData):
    """A text is no donation number.

    why    one of shape, scanned, unchecked, behind, mistyped, flags: whoever shows it has words for each
    number, typed   what was given, and the part of it that does not fit
    """

    def __init__(self, text: str, why: str, number: str, typed: str = "") -> None:
        super().__init__(f"{number}: {text}")
        self.why, self.number, self.typed = why, number, typed


def check_value(number: str) -> int:
    """The check of thirteen characters, 0 to 36.

    >>> check_value("G123498654321")
    17
    """
    total = 0
    for character in number:
        total = (total + VALUES.index(character)) * 2 % 37
    return (38 - total) % 37


def check_character(number: str) -> str:
    """What is printed in the box behind the number.

    >>> check_character("G123498654321")
    'H'
    """
    return VALUES[check_value(number)]


def read_donation(text: str) -> str:
    """The thirteen characters of what a scanner or a hand gave. BadDonation says what is wrong.

    >>> (
    ...     read_donation("=G12349865432177"),
    ...     read_donation("g1234 98 654321 h"),
    ...     read_donation("=G12349865432100"),
    ... )
    ('G123498654321', 'G123498654321', 'G123498654321')
    """
    said = _BETWEEN.sub("", text).upper()
    scanned = said.startswith("=")
    said = said.removeprefix("=")
    number, rest = said[:13], said[13:]
    given = text.strip()[:NUMBER_MAX]
    if not _NUMBER.fullmatch(number):
        raise BadDonation("no donation number: five characters, the year, six digits", "shape", given)
    if scanned and len(rest) != 2:
        raise BadDonation("a scanned number ends in two flag characters", "scanned", given)
    flags, typed = (rest, "") if len(rest) == 2 else (rest[:-1], rest[-1:])
    if not scanned and not typed and not _checks(flags):
        raise BadDonation("type the check character too, the one in the box behind it", "unchecked", number)
    if flags and not (len(flags) == 2 and flags.isalnum()):
        raise BadDonation("behind it come two flag characters, then the check", "behind", given)
    if typed and typed != check_character(number):
        raise BadDonation(f"the check character is not {typed}: read it again", "mistyped", number, typed)
    if _checks(flags) and int(flags) - FLAG_CHECK.start != check_value(number):
        raise BadDonation(f"its flags {flags} do not fit it: scan it again", "flags", number, flags)
    return number


def _checks(flags: str) -> bool:
    return flags.isascii() and flags.isdigit() and len(flags) == 2 and int(flags) in FLAG_CHECK


def shown(number: str) -> str:
    """As it is printed, with its check character.

    >>> shown("G123498654321")
    'G1234 98 654321 H'
    """
    return f"{number[:5]} {number[5:7]} {number[7:]} {check_character(number)}"
