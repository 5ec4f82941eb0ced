# SPDX-License-Identifier: Apache-2.0
"""What alerts says of a device in English, in the reader's language: the gate, and "may I leave?". Pure.

A sentence that is not known here stands as it is.
"""

from __future__ import annotations

import re

from dashboards.console.words import t

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
