# SPDX-License-Identifier: Apache-2.0
"""What alerts says of a device in English, in the reader's language: the gate, and "may I leave?". Pure.

A sentence that is not known here stands as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from dashboards.console.english import ENGLISH
from dashboards.console.words import LANGUAGES, local, speaking, t, word

GATE = (
    (re.compile(r"no profile is assigned.*"), "gate.profile"),
    (re.compile(r"nobody is told about its site.*"), "gate.people"),
    (re.compile(r"no probe measures it"), "gate.probe"),
    (re.compile(r"it is not in the registry"), "gate.registry"),
    (re.compile(r"(?P<sensor>\S.*) does not report"), "gate.silent"),
    (
        re.compile(r"(?P<sensor>\S.*) has held its range for (?P<held>[^o]+) of (?P<wanted>.+)"),
        "gate.held",
    ),
)
LEAVE = (
    (re.compile(r"no cycles yet"), "leave_why.no_cycles"),
    (re.compile(r"not yet in range"), "leave_why.range"),
    (re.compile(r"does not pull down as it used to"), "leave_why.pull_down"),
    (re.compile(r"runs nearly all the time"), "leave_why.runs"),
    (re.compile(r"cycles are not those of its healthy days"), "leave_why.odd"),
    (re.compile(r"no readings"), "leave_why.readings"),
    (re.compile(r"its healthy days are not known: (?P<n>\d+) cycles.*"), "leave_why.unknown"),
    (re.compile(r"(?P<n>\d+) cycles like those of its healthy days, in range"), "leave_why.healthy"),
)
Patterns = tuple[tuple[re.Pattern[str], str], ...]


def missing_said(missing: str) -> list[str]:
    """What the return-to-service gate still wants, a sentence each.

    >>> missing_said("no probe measures it; f/load has held its range for 1 h 05 min of 24 h 00 min")
    ['no probe measures it', 'f/load has held its range for 1 h 05 min of 24 h 00 min']
    """
    return [_said(part, GATE) for part in missing.split("; ") if part]


def leave_said(why: str) -> str:
    """Why the contractor may leave, or not.

    >>> leave_said("3 cycles like those of its healthy days, in range"), leave_said("something new")
    ('3 cycles like those of its healthy days, in range', 'something new')
    """
    return _said(why, LEAVE)


def _said(text: str, patterns: Patterns) -> str:
    for pattern, key in patterns:
        if found := pattern.fullmatch(text.strip()):
            return t(key, **found.groupdict())
    return text


LABELS = {
    "maker": "device.maker", "model": "device.model", "warranty_until_ms": "device.warranty",
    "status": "device.status", "reason": "device.reason", "appliance": "device.place", "site": "device.site",
    "from_ms": "stay.from", "until_ms": "chart.until", "note": "device.note", "task": "care.task",
    "every_days": "care.every_days", "first_ms": "care.first", "plan": "entry.plan", "done_ms": "care.done",
    "name": "part.name", "count": "part.count", "used_ms": "care.done", "title": "paper.name",
    "sort": "paper.sort", "sensor": "appliance.sensor", "offset_k": "cal.offset", "expires_ms": "cal.expires",
    "laboratory": "cal.laboratory", "mapped_ms": "map.day", "load": "map.load", "points": "map.points",
    "coldest_c": "map.coldest", "warmest_c": "map.warmest", "hold_min": "map.hold_min", "by": "map.by",
    "off": "care.off",
}  # fmt: skip
"""A field of an entry -> the word on its form."""
UNTOLD = ("sha256", "media", "size", "paper")


def entry_words(said: Any, day_of: Callable[[int], str]) -> str:
    """What an entry says, in a line, as its form has it; empty: it withdraws."""
    fields = {} if said is None else said.model_dump()
    told = []
    for name, value in fields.items():
        if value is None or value is False or value == "" or name in UNTOLD:
            continue
        if name == "order":
            told.append(t("work.number", n=value))
        elif value is True:
            told.append(t(LABELS[name]))
        else:
            told.append(f"{_label(name, 'laboratory' in fields)}: {_value(name, value, day_of)}")
    return ", ".join(told)


def _label(name: str, certificate: bool) -> str:  # noqa: FBT001 -- of which the number is
    if name == "number":
        return t("cal.number" if certificate else "part.number")
    return t(LABELS[name])


def _value(name: str, value: Any, day_of: Callable[[int], str]) -> str:
    if name.endswith("_ms"):
        return day_of(value)
    if name in ("status", "sort", "load"):
        return word({"status": "device_status", "sort": "paper_sort", "load": "map_load"}[name], value)
    return local(str(value)) if isinstance(value, float) else str(value)


def work_said(what: str, alarm: int | None) -> str:
    """What an order is about: raised from an alarm in one tap, in the reader's language; else as typed."""
    kind = None if alarm is None else _of_alarms().get(what.replace(str(alarm), "#", 1))
    return what if kind is None else t("work.from_alarm", n=alarm, kind=word("kind", kind))


@cache
def _of_alarms() -> dict[str, str]:
    """What an order raised from an alarm is called in every language, `#` for its number -> the kind."""
    kinds = [key.removeprefix("kind.") for key in ENGLISH if key.startswith("kind.")]
    found: dict[str, str] = {}
    for code in LANGUAGES:
        with speaking(code):
            found |= {t("work.from_alarm", n="#", kind=word("kind", kind)): kind for kind in kinds}
    return found
