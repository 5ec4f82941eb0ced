# SPDX-License-Identifier: Apache-2.0
"""Delivering lines: retried for as long as it takes, cut in halves to find what the server will never take.

What a server answers is not trusted to say which lines it kept: after a refusal every half is sent again,
which writes the same points once more. Pure but for the injected `send` and `pause`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ingest.influx.lines import Line

RETRIED = frozenset((401, 403, 404, 408, 429))
"""Refusals that say nothing about the lines: a token to be renewed, a bucket not made yet, too much at
once.
"""
BACKOFF_MIN_S, BACKOFF_MAX_S = 1.0, 60.0
_DROPPED = re.compile(r"dropped=(\d+)")


class Unavailable(Exception):
    """No answer, or one that says: later."""


class Refusal(Exception):
    """The server will not take these lines. status: HTTP's; text: its words."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:200]}")
        self.status, self.text = status, text


class Stopped(Exception):
    """We were asked to end while waiting."""


@dataclass(slots=True)
class Delivered:
    """points: lines the server took. culprits: (line, why). parked: lines older than its retention, and
    why.
    """

    points: int = 0
    culprits: list[tuple[Line, str]] = field(default_factory=list)
    parked: list[tuple[Line, str]] = field(default_factory=list)


Send = Callable[[Sequence[Line]], None]
"""Write all lines in one request, or raise Refusal or Unavailable."""
Pause = Callable[[float], bool]
"""Wait that long [s]; True when we must stop."""


class Delivery:
    """Sends lines through `send`. `on_trouble` hears of every failed attempt."""

    def __init__(self, send: Send, pause: Pause, on_trouble: Callable[[Exception, float], None]) -> None:
        self._send, self._pause, self._on_trouble = send, pause, on_trouble

    def deliver(self, lines: Sequence[Line]) -> Delivered:
        """Returns when each line is with the server, a culprit, or parked. Raises Stopped."""
        outcome = Delivered()
        self._halve(lines, outcome)
        return outcome

    def _halve(self, lines: Sequence[Line], outcome: Delivered) -> None:
        if not lines:
            return
        refusal = self._attempt(lines)
        if refusal is None:
            outcome.points += len(lines)
        elif "retention" in refusal.text and (len(lines) == 1 or _dropped(refusal.text) == len(lines)):
            outcome.parked += [(line, refusal.text[:200]) for line in lines]
        elif len(lines) == 1:
            outcome.culprits.append((lines[0], str(refusal)))
        else:
            middle = len(lines) // 2
            self._halve(lines[:middle], outcome)
            self._halve(lines[middle:], outcome)

    def _attempt(self, lines: Sequence[Line]) -> Refusal | None:
        wait_s = BACKOFF_MIN_S
        while True:
            try:
                self._send(lines)
                return None
            except Refusal as refusal:
                if refusal.status < 500 and refusal.status not in RETRIED:
                    return refusal
                self._on_trouble(refusal, wait_s)
            except Unavailable as trouble:
                self._on_trouble(trouble, wait_s)
            if self._pause(wait_s):
                raise Stopped
            wait_s = min(2 * wait_s, BACKOFF_MAX_S)


def _dropped(text: str) -> int:
    found = _DROPPED.search(text)
    return int(found[1]) if found else -1
