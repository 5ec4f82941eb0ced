# SPDX-License-Identifier: Apache-2.0
"""Shifts as an iCalendar feed (RFC 5545). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from alerts.oncall.rota import Shift
from coldchain.kernel.instants import rfc3339

LINE_OCTETS = 75
"""RFC 5545, 3.1: longer lines are folded."""


def feed(shifts: Iterable[Shift], names: Mapping[str, str], stamp_ms: int) -> str:
    """One calendar; gaps are events too, so that somebody sees them.

    names     person id -> what to print
    stamp_ms  when the feed was made (DTSTAMP)
    """
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//coldchain//on-call//EN", "CALSCALE:GREGORIAN"]
    for shift in shifts:
        who = names.get(shift.person, shift.person) if shift.person else "NOBODY ON CALL"
        lines += [
            "BEGIN:VEVENT",
            f"UID:{shift.rota}-{shift.start_ms}@coldchain",
            f"DTSTAMP:{_utc(stamp_ms)}",
            f"DTSTART:{_utc(shift.start_ms)}",
            f"DTEND:{_utc(shift.end_ms)}",
            f"SUMMARY:{_escaped(f'{shift.rota}: {who}')}",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _utc(at_ms: int) -> str:
    return rfc3339(at_ms - at_ms % 1000).replace("-", "").replace(":", "")


def _escaped(text: str) -> str:
    for plain, written in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\n", "\\n")):
        text = text.replace(plain, written)
    return text


def _folded(line: str) -> str:
    """Cut between characters, so that no line has more than 75 octets."""
    pieces: list[str] = []
    piece = ""
    for character in line:
        if len((piece + character).encode()) > LINE_OCTETS - (1 if pieces else 0):
            pieces.append(piece)
            piece = ""
        piece += character
    return "\r\n ".join([*pieces, piece])
