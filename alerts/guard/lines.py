# SPDX-License-Identifier: Apache-2.0
"""Lines from a guard's modem to the hub's, one SMS each, for machines and people alike. Format 1. Pure.

    CC1 vte-gw-1 alive 2026-11-22T00:00Z, 2.9 to 5.1, in range
    CC1 vte-gw-1 alive 2026-11-22T00:00Z, 2.9 to 9.4, out of range: vte-br-01 9.4
    CC1 vte-gw-1 last 2026-11-22T00:00Z, power out since 23:10Z, battery 12 %, 2.9 to 5.1, in range

docs/wire-format.md. A line never acknowledges anything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from coldchain.kernel.instants import EPOCH

LETTERS_MAX = 160
MINUTE_MS = 60_000
AGE_MAX_MS = 26 * 3_600_000
"""A line speaks for a day and what an SMS may take; after that the site is silent again."""


class Kind(StrEnum):
    """What a line is."""

    ALIVE = "alive"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Spot:
    """An appliance and its newest temperature in thousandths; `inside`: no alarm of it stands."""

    appliance: str
    value: int
    inside: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A line that came. low, high: thousandths, None when the guard had heard nothing."""

    gateway: str
    kind: Kind
    at_ms: int
    low: int | None
    high: int | None
    inside: bool
    text: str


def alive(gateway: str, at_ms: int, spots: Sequence[Spot]) -> str:
    """The daily line.

    >>> alive("vte-gw-1", 1795305600000, [Spot("vte-br-01", 2900, True), Spot("vte-br-02", 5149, True)])
    'CC1 vte-gw-1 alive 2026-11-22T00:00Z, 2.9 to 5.1, in range'
    >>> alive("g", 0, [])
    'CC1 g alive 1970-01-01T00:00Z, nothing heard'
    """
    return _fit(f"CC1 {gateway} alive {_instant(at_ms)}, ", spots)


def last(gateway: str, at_ms: int, since_ms: int, battery_pct: float, spots: Sequence[Spot]) -> str:
    """The last gasp: mains are out and the battery falls.

    >>> last("g", 1795305600000, 1795302600000, 12.4, [Spot("b-01", 7000, False)])
    'CC1 g last 2026-11-22T00:00Z, power out since 23:10Z, battery 12 %, 7.0 to 7.0, out of range: b-01 7.0'
    """
    since = (EPOCH + timedelta(milliseconds=since_ms)).strftime("%H:%MZ")
    head = f"CC1 {gateway} last {_instant(at_ms)}, power out since {since}, battery {int(battery_pct)} %, "
    return _fit(head, spots)


def _fit(head: str, spots: Sequence[Spot]) -> str:
    if not spots:
        return f"{head}nothing heard"
    low, high = min(s.value for s in spots), max(s.value for s in spots)
    text = f"{head}{_celsius(low)} to {_celsius(high)}, "
    outside = [f"{s.appliance} {_celsius(s.value)}" for s in spots if not s.inside]
    if not outside:
        return f"{text}in range"
    for shown in range(len(outside), 0, -1):
        more = f" +{len(outside) - shown}" if shown < len(outside) else ""
        whole = f"{text}out of range: {', '.join(outside[:shown])}{more}"
        if len(whole) <= LETTERS_MAX:
            return whole
    return f"{text}out of range: {len(outside)}"


_LINE = re.compile(
    r"\s*CC1 (?P<gateway>[a-z0-9][a-z0-9-]{0,47}) (?P<kind>alive|last) (?P<at>\d{4}-\d\d-\d\dT\d\d:\d\dZ), "
    r"(?:power out since \d\d:\d\dZ, battery \d{1,3} %, )?"
    r"(?:nothing heard|(?P<low>-?\d{1,3}\.\d) to (?P<high>-?\d{1,3}\.\d), "
    r"(?:(?P<inside>in range)|out of range: .+))\s*"
)


def read(text: str) -> Line | None:
    """The line in an SMS, or None when it is something else.

    >>> found = read("CC1 vte-gw-1 alive 2026-11-22T00:00Z, -31.5 to 5.1, in range")
    >>> found.gateway, found.at_ms, found.low, found.high, found.inside
    ('vte-gw-1', 1795305600000, -31500, 5100, True)
    >>> read("CC1 g alive 2026-11-22T00:00Z, nothing heard").inside, read("OK 123456")
    (False, None)
    """
    found = _LINE.fullmatch(text)
    if found is None:
        return None
    try:
        at = datetime.strptime(found["at"], "%Y-%m-%dT%H:%M%z")
    except ValueError:
        return None
    return Line(
        found["gateway"],
        Kind(found["kind"]),
        round(at.timestamp() * 1000),
        _milli(found["low"]),
        _milli(found["high"]),
        found["inside"] is not None,
        text.strip(),
    )


def speaks_for(line: Line, since_ms: int, now_ms: int) -> bool:
    """Does it say that the site has been well after it fell silent, and not too long ago?"""
    return (
        line.kind is Kind.ALIVE and line.inside and since_ms < line.at_ms <= now_ms < line.at_ms + AGE_MAX_MS
    )


def _milli(text: str | None) -> int | None:
    return None if text is None else round(float(text) * 1000)


def _celsius(value: int) -> str:
    """Cut, not rounded, towards the worse to read: a digit must not hide that a limit was passed."""
    return f"{int(value / 100) / 10:.1f}"


def _instant(at_ms: int) -> str:
    return (EPOCH + timedelta(milliseconds=at_ms)).strftime("%Y-%m-%dT%H:%MZ")
