# SPDX-License-Identifier: Apache-2.0
"""What people are told, in one SMS of 160 letters: which appliance, how warm, how long, what to reply.

Pure. Only letters that every phone's alphabet has, so no degree sign; a name that needs others is left out:
the appliance's id stands in front anyway.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from zoneinfo import ZoneInfo

from coldchain.kernel.instants import EPOCH

LETTERS_MAX = 160
"""One segment in the GSM 7-bit alphabet."""

SAFE = frozenset(string.ascii_letters + string.digits + " .,:;()/+-'&#%!?_*=")
"""Letters that take one place in that alphabet and look alike on every phone."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a message may say. Values in thousandths of a degree, None where unknown; instants in ms."""

    number: int
    scope: str
    appliance: str
    name: str
    place: str
    zone: str
    kind: str
    since_ms: int
    at_ms: int
    value: int | None = None
    limit: int | None = None
    peak: int | None = None
    appliances: int = 0


def raised(f: Facts) -> str:
    """The first message about an alarm.

    >>> raised(
    ...     Facts(
    ...         7,
    ...         "appliance",
    ...         "vte-br-03",
    ...         "Blood fridge 3",
    ...         "Vientiane",
    ...         "Asia/Vientiane",
    ...         "high",
    ...         1657195200000,
    ...         1657195920000,
    ...         7200,
    ...         6000,
    ...     )
    ... )
    'vte-br-03 7.2C over 6.0C for 12 min (since 19:00). Blood fridge 3, Vientiane. Reply OK 7'
    """
    since = clock(f.since_ms, f.zone)
    if f.kind in ("high", "low"):
        side = "over" if f.kind == "high" else "under"
        told = f"{f.appliance} {celsius(f.value)} {side} {celsius(f.limit)} for {span(f.at_ms - f.since_ms)}"
        told += f" (since {since})."
    elif f.kind == "sensor_fault":
        told = f"{f.appliance} PROBE FAULT since {since}: temperature unknown."
    elif f.scope == "appliance":
        told = f"{f.appliance} SILENT since {since}, was {celsius(f.value)}. Check power and node."
    else:
        told = f"{f.appliance} SILENT since {since}: {f.appliances} appliances unseen. Check power and link."
    return fit(told, _where(f), f"Reply OK {f.number}")


def returned(f: Facts) -> str:
    """It is over; `at_ms` is when.

    >>> returned(
    ...     Facts(
    ...         7,
    ...         "appliance",
    ...         "vte-br-03",
    ...         "Blood fridge 3",
    ...         "Vientiane",
    ...         "Asia/Vientiane",
    ...         "high",
    ...         1657195200000,
    ...         1657198560000,
    ...         5600,
    ...         6000,
    ...         9100,
    ...     )
    ... )
    'vte-br-03 back in range at 19:56 after 56 min, peak 9.1C. Blood fridge 3, Vientiane. Alarm 7'
    """
    at, lasted = clock(f.at_ms, f.zone), span(f.at_ms - f.since_ms)
    if f.kind in ("high", "low"):
        told = f"{f.appliance} back in range at {at} after {lasted}, peak {celsius(f.peak)}."
    elif f.kind == "sensor_fault":
        told = f"{f.appliance} probe measures again since {at}, unknown for {lasted}."
    else:
        told = f"{f.appliance} reports again since {at}, silent for {lasted}."
    return fit(told, _where(f), f"Alarm {f.number}")


def released(f: Facts) -> str:
    """Nobody watches it any more: no word that it is well.

    >>> released(Facts(7, "appliance", "vte-br-03", "Blood fridge 3", "Vientiane", "UTC", "high", 0, 0))
    'vte-br-03 is no longer monitored: taken out of the registry. Blood fridge 3, Vientiane. Alarm 7'
    """
    told = f"{f.appliance} is no longer monitored: taken out of the registry."
    return fit(told, _where(f), f"Alarm {f.number}")


def digest(place: str, appliances: Sequence[str], numbers: Sequence[int]) -> str:
    """Many alarms of one site in one message.

    >>> digest("Vientiane", ["vte-br-01", "vte-br-02", "vte-pf-01", "vte-pi-01"], [3, 4, 5, 6])
    '4 alarms at Vientiane: vte-br-01, vte-br-02, vte-pf-01, vte-pi-01. Reply OK 3-6'
    """
    reply = f"Reply OK {min(numbers)}-{max(numbers)}"
    head = f"{len(numbers)} alarms at {place}:" if SAFE.issuperset(place) else f"{len(numbers)} alarms:"
    room = LETTERS_MAX - len(head) - len(reply) - 10
    named = list(dict.fromkeys(appliances))
    shown: list[str] = []
    while named and len(", ".join([*shown, named[0]])) <= room:
        shown.append(named.pop(0))
    more = f" +{len(named)}" if named else ""
    return f"{head} {', '.join(shown)}{more}. {reply}"


def fit(told: str, where: str, reply: str) -> str:
    """The place is shortened before anything else is."""
    room = LETTERS_MAX - len(told) - len(reply) - 3
    where = where if len(where) <= room else where[: max(room, 0)].rstrip(" ,.")
    text = f"{told} {where}. {reply}" if where else f"{told} {reply}"
    return text if len(text) <= LETTERS_MAX else f"{told[: LETTERS_MAX - len(reply) - 1]} {reply}"


def _where(f: Facts) -> str:
    return ", ".join(part for part in (f.name, f.place) if part and SAFE.issuperset(part))


def celsius(value: int | None) -> str:
    """At least one decimal, at most two, cut and not rounded: 6.04 over 6.0 must not read 6.0.

    >>> celsius(7200), celsius(6040), celsius(-25000), celsius(None)
    ('7.2C', '6.04C', '-25.0C', 'unknown')
    """
    if value is None:
        return "unknown"
    text = f"{value / 1000:.3f}".rstrip("0")
    whole, _, rest = text.partition(".")
    return f"{whole}.{(rest or '0')[:2]}C"


def span(ms: int) -> str:
    """A length of time in the largest fitting unit.

    >>> span(45_000), span(720_000), span(5_400_000), span(200_000_000)
    ('45 s', '12 min', '1 h 30', '55 h')
    """
    seconds = max(0, ms) // 1000
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d}" if minutes < 48 * 60 else f"{minutes // 60} h"


def clock(at_ms: int, zone: str) -> str:
    """The hour and minute that the clock on the wall shows there.

    >>> clock(1657195200000, "Asia/Vientiane")
    '19:00'
    """
    return (EPOCH + timedelta(milliseconds=at_ms)).astimezone(_zone(zone)).strftime("%H:%M")


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
