# SPDX-License-Identifier: Apache-2.0
"""What a thumb typed, as a wish. Pure; forgives form, never guesses meaning.

    OK 483126              mine            ok483126, Ok 483 126, 0K.483126, OK ໔໘໓໑໒໖, ＯＫ ４８３１２６
    OK 483126 DOOR         mine, and what I do: DOOR POWER MOVED COMING WORK
    OK 483126 KS           signed on a shared telephone; or with a PIN: OK 483126 7391
    MOVED 483126 2         the blood is in appliance 2 (or vte-br-02) now
    PASS 483126            somebody else, please
    INFO 483126            tell me more          (also: ? 483126)
    ALL 483126             all of mine
    LIST 483126            the rest of a rescue card
    vte-br-03?             how is it?
    vte-br-03 4.2          its thermometer says so   (also: vte-br-03: -30,5 C KS)

A code is six digits. Digits in groups are joined only when that gives exactly one code.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum

from coldchain.records.pins import PIN

CODE_DIGITS = 6
TEXT_MAX = 480
"""Three joined messages: nobody's answer is longer."""


class Verb(StrEnum):
    """What is wanted."""

    ACKNOWLEDGE = "acknowledge"
    PASS = "pass"  # noqa: S105 -- no password
    DETAIL = "detail"
    ALL = "all"
    LIST = "list"
    ASK = "ask"
    BY_HAND = "by_hand"
    UNCLEAR = "unclear"


class Action(StrEnum):
    """What the person does about it: it says when the temperature should bend."""

    NONE = ""
    DOOR = "door"
    POWER = "power"
    MOVED = "moved"
    COMING = "coming"
    WORK = "work"


@dataclass(frozen=True, slots=True)
class Wish:
    """`codes`: every code in the text; more than one names no alarm. `target`: what ASK, MOVED or BY_HAND
    names; `value` of BY_HAND in thousandths of a degree.
    """

    verb: Verb
    codes: tuple[str, ...] = ()
    action: Action = Action.NONE
    target: str = ""
    initials: str = ""
    pin: str = field(default="", repr=False)
    words: tuple[str, ...] = field(default=(), compare=False)
    value: int = 0

    @property
    def code(self) -> str:
        """The one code, or empty."""
        return self.codes[0] if len(self.codes) == 1 else ""


_VERBS = {
    "ok": Verb.ACKNOWLEDGE, "okay": Verb.ACKNOWLEDGE, "oke": Verb.ACKNOWLEDGE, "okk": Verb.ACKNOWLEDGE,
    "yes": Verb.ACKNOWLEDGE, "ack": Verb.ACKNOWLEDGE, "oui": Verb.ACKNOWLEDGE, "ຕົກລົງ": Verb.ACKNOWLEDGE,
    "pass": Verb.PASS, "no": Verb.PASS, "non": Verb.PASS, "next": Verb.PASS, "khong": Verb.PASS,
    "ບໍ່": Verb.PASS,
    "info": Verb.DETAIL, "detail": Verb.DETAIL, "more": Verb.DETAIL,
    "all": Verb.ALL, "tout": Verb.ALL, "tous": Verb.ALL, "ທັງໝົດ": Verb.ALL, "tatca": Verb.ALL,
    "list": Verb.LIST, "liste": Verb.LIST, "ds": Verb.LIST, "danhsach": Verb.LIST, "ລາຍການ": Verb.LIST,
}  # fmt: skip
_ACTIONS = {
    "door": Action.DOOR, "closed": Action.DOOR, "porte": Action.DOOR, "cua": Action.DOOR, "ປະຕູ": Action.DOOR,
    "power": Action.POWER, "mains": Action.POWER, "courant": Action.POWER, "dien": Action.POWER,
    "ໄຟ": Action.POWER,
    "moved": Action.MOVED, "move": Action.MOVED, "deplace": Action.MOVED, "ຍ້າຍ": Action.MOVED,
    "coming": Action.COMING, "arrive": Action.COMING, "den": Action.COMING, "ໄປ": Action.COMING,
    "work": Action.WORK, "working": Action.WORK,
}  # fmt: skip
_FILLERS = frozenset(
    {"to", "in", "the", "is", "i", "a", "code", "alarm", "please", "vers", "dans", "or", "and"}
)
_ASK = re.compile(r"\s*([a-z0-9][a-z0-9 .\-_]{0,46}[a-z0-9]|[a-z0-9])\s*[?]+[\s.!?]*")
_HAND = re.compile(
    r"\s*([a-z][a-z0-9]*(?:-[a-z0-9]+)+)\s*[:=]?\s+([+\-\u2212\u2013]?)\s?([0-9]{1,3})(?:[.,]([0-9]{1,2}))?"
    r"\s*(?:\N{DEGREE SIGN}\s*)?c?(?:\s+([a-z]{2,4}))?[\s.!]*"
)
_INITIALS = re.compile(r"[a-z]{2,4}")
_TOKEN = re.compile(r"[0-9]+|[^\W\d_](?:[^\W\d_]|[\u0eb0-\u0ebc\u0ec8-\u0ecd])*|[?]")
_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+")
_ZERO_K = re.compile(r"\b0k(?=[\W\d_]|$)")


def plain(text: str) -> str:
    """Small letters without accents, ASCII digits, one alphabet's width.

    >>> plain("ＯＫ ໔໘໓ đã Déplacé")
    'ok 483 da deplace'
    """
    found = []
    for character in unicodedata.normalize("NFKD", text[:TEXT_MAX]).casefold().replace("đ", "d"):
        value = unicodedata.decimal(character, None)
        if value is not None:
            found.append(str(value))
        elif not ("\u0300" <= character <= "\u036f") and unicodedata.category(character) not in ("Cf", "Cc"):
            found.append(character)
        elif character in "\n\r\t":
            found.append(" ")
    return "".join(found)


def parse(text: str) -> Wish:
    """The wish in a text; UNCLEAR is an answer, not an error."""
    said = plain(text)
    if (asked := _ASK.fullmatch(said)) and not re.fullmatch(r"[0-9 .\-]+", asked[1]):
        return Wish(Verb.ASK, target=re.sub(r"[\s._]+", "-", asked[1]))
    if (hand := _HAND.fullmatch(said)) and hand[1].partition("-")[0] not in _VERBS.keys() | _ACTIONS.keys():
        return _by_hand(hand)
    said = _ZERO_K.sub("ok", said)
    names = [
        name for name in _NAME.findall(said) if name.partition("-")[0].rstrip("0123456789") not in _VERBS
    ]
    for name in names:
        said = said.replace(name, " ", 1)
    tokens = _TOKEN.findall(said)
    tokens = [part for token in tokens for part in _unstuck(token)]
    codes, numbers = _codes([token for token in tokens if token.isdigit()])
    pins = [number for number in numbers if PIN.fullmatch(number)]
    numbers = [number for number in numbers if number not in pins]
    words = [token for token in tokens if not token.isdigit()]
    action = next((_ACTIONS[w] for w in words if w in _ACTIONS), Action.NONE)
    verbs = list(dict.fromkeys(_VERBS[w] for w in words if w in _VERBS))
    if "?" in words and not verbs:
        verbs = [Verb.DETAIL]
    if not verbs and action is not Action.NONE:
        verbs = [Verb.ACKNOWLEDGE]
    pin = pins[0] if len(pins) == 1 else ""
    if not verbs and codes and len(words) == len(_signatures(words)):
        verbs = [Verb.ACKNOWLEDGE]  # the code alone, or signed
    if len(verbs) != 1:
        return Wish(Verb.UNCLEAR, codes, words=tuple(words))
    target = ""
    if action is Action.MOVED:
        target = names[0] if len(names) == 1 else (numbers[0] if len(numbers) == 1 else "")
    signatures = _signatures(words)
    initials = signatures[0].upper() if len(signatures) == 1 else ""
    return Wish(verbs[0], codes, action, target, initials, pin, tuple(words))


def _by_hand(found: re.Match[str]) -> Wish:
    """A name, a number, and perhaps initials."""
    name, sign, whole, part, initials = found.groups()
    size = int(whole) * 1000 + int((part or "").ljust(3, "0"))
    value = -size if sign and sign != "+" else size
    return Wish(Verb.BY_HAND, target=name, initials=(initials or "").upper(), value=value)


def _signatures(words: list[str]) -> list[str]:
    return [
        w for w in words if _INITIALS.fullmatch(w) and w not in _VERBS.keys() | _ACTIONS.keys() | _FILLERS
    ]


def _unstuck(token: str) -> list[str]:
    """`okdoor` is not split; a Lao word that is run together with the next one is."""
    for word in ("ຕົກລົງ", "ບໍ່", "ທັງໝົດ", "ລາຍການ"):
        known = plain(word)
        if token.startswith(known) and token != known:
            return [known, token.removeprefix(known)]
    return [token]


def _codes(groups: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """(codes, other numbers). Whole groups of six are codes; else all the groups together if that is six,
    or all but a last short one.
    """
    whole = [g for g in groups if len(g) == CODE_DIGITS]
    if whole:
        return tuple(dict.fromkeys(whole)), [g for g in groups if len(g) != CODE_DIGITS]
    if len("".join(groups)) == CODE_DIGITS:
        return ("".join(groups),), []
    if len("".join(groups[:-1])) == CODE_DIGITS:
        return ("".join(groups[:-1]),), groups[-1:]
    return (), groups


_VERBS.update({plain(word): verb for word, verb in list(_VERBS.items())})
_ACTIONS.update({plain(word): action for word, action in list(_ACTIONS.items())})
