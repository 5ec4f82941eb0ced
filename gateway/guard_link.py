# SPDX-License-Identifier: Apache-2.0
"""The guard's part of the link: its word in the status, the hub's commands to it, and who speaks first.

After the site was alone the hub first hears what its guard did, then the backlog: so it opens no alarm anew
that somebody was told of and has answered. The backlog waits for that `GATE_S` at most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coldchain.kernel.audit import Anchors
from coldchain.kernel.errors import BatchError
from coldchain.kernel.guard import decode_command, word_json
from coldchain.ports.guard import Guard

GATE_S = 30.0
"""A hub that keeps no reports (an older one) gets the readings after so long."""
HURRY_S = 5.0
"""Statuses come so often while there is something to report [s]; at the gate, each second."""
QUIET = "following"
SETTLE_S = 60.0
"""After a start the link has so long to come up before the age of what waits counts as silence [s]."""


class GuardLink:
    """`guard` None: there is none, and nothing is asked of the hub."""

    def __init__(self, guard: Guard | None, gateway: str, log: Callable[[str, dict[str, Any]], None]) -> None:
        self._guard, self._gateway, self._log = guard, gateway, log
        self._up_s = -GATE_S
        self.on_anchors: Callable[[Anchors], None] = lambda _: None

    def connected(self, now_s: float) -> None:
        self._up_s = now_s

    def gated(self, now_s: float) -> bool:
        """Must readings wait for the reports?"""
        return now_s - self._up_s < GATE_S and self._guard is not None and bool(self._guard.reports())

    def pause_s(self, every_s: float, now_s: float) -> float:
        """How long until the next status."""
        if self._guard is None or not self._guard.reports():
            return every_s
        return min(every_s, 1.0 if self.gated(now_s) else HURRY_S)

    def heard(self, payload: bytes) -> None:
        """A command of the hub's."""
        try:
            gateway, command = decode_command(payload)
        except BatchError as bad:
            self._log("command_refused", {"why": str(bad)[:200]})
            return
        if isinstance(command, Anchors):
            if gateway == self._gateway:
                self.on_anchors(command)
        elif self._guard is not None and gateway == self._gateway:
            self._guard.command(command)

    def word(self) -> dict[str, Any]:
        """For the status: nothing where there is no guard, else no more than must be said: it is paid for."""
        if self._guard is None:
            return {}
        told, how = word_json(self._guard.rules(), self._guard.reports()), self._guard.status()
        if not told["reports"]:
            del told["reports"]
        if how["state"] != QUIET:
            told |= {key: how[key] for key in ("state", "why") if how.get(key)}
        return {"guard": told}


class HubSilence:
    """How long readings have waited for any receipt. Pure; the time is handed in."""

    def __init__(self, now_s: float) -> None:
        self._start_s = self._since_s = now_s
        self._receipts = 0

    def look(self, pending: int, receipts: int, oldest_age_s: float, now_s: float) -> float:
        """The silence [s].

        receipts      how many have come since the start
        oldest_age_s  how long the oldest has waited, by a clock that may be wrong
        """
        if not pending or receipts != self._receipts:
            self._since_s, self._receipts = now_s, receipts
        if pending and not receipts and now_s - self._start_s > SETTLE_S:
            return max(now_s - self._since_s, oldest_age_s)  # a restart is no receipt
        return now_s - self._since_s if pending else 0.0
