# SPDX-License-Identifier: Apache-2.0
"""Codes that people reply, and who may use them. Pure: randomness is handed in.

Nine hundred thousand codes are 19.8 bits. A forger who can fake a known number has five tries in a quarter
of an hour, each of which finds a given live code once in 900,000.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from alerts.answers.parse import CODE_DIGITS
from coldchain.records.registry import Person

Draw = Callable[[int], int]
"""draw(n): a number from 0 to n - 1 that nobody can foresee."""

WRONG_MAX = 5
WRONG_WITHIN_MS = 900_000
NATIONAL_DIGITS = 8
"""Networks may hand up a sender without its country: so many digits must agree at the end."""


def fresh(draw: Draw, taken: Collection[str]) -> str:
    """A code that is not in use; no code begins with 0, which telephones and people drop.

    >>> fresh(lambda n: 0, {"100000"})
    Traceback (most recent call last):
      ...
    AssertionError: draw gives nothing new
    """
    lowest = 10 ** (CODE_DIGITS - 1)
    for _ in range(1000):
        code = str(lowest + draw(9 * lowest))
        if code not in taken:
            return code
    raise AssertionError("draw gives nothing new")


def people_at(number: str, people: Iterable[Person]) -> list[Person]:
    """Whose telephone is it? The whole number, or a national form of it that fits exactly one number.

    >>> nurse = Person(id="a", name="A", phone="+8562055512345")
    >>> [p.id for p in people_at("02055512345", [nurse])], people_at("12345", [nurse])
    (['a'], [])
    """
    everybody = list(people)
    exact = [p for p in everybody if number in (p.phone, *p.numbers)]
    if exact or number.startswith("+"):
        return exact
    bare = number.removeprefix("00").lstrip("0")
    if len(bare) < NATIONAL_DIGITS or not bare.isdecimal():
        return []
    found = [p for p in everybody if any(n.endswith(bare) for n in (p.phone, *p.numbers))]
    telephones = {n for p in found for n in (p.phone, *p.numbers) if n.endswith(bare)}
    return found if len(telephones) == 1 else []


def can_be_answered(number: str) -> bool:
    """A person's telephone, not an operator's short code or a name.

    >>> can_be_answered("+8562055512345"), can_be_answered("1400"), can_be_answered("Unitel")
    (True, False, False)
    """
    digits = number.removeprefix("+")
    return digits.isdecimal() and len(digits) >= NATIONAL_DIGITS
