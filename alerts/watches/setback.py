# SPDX-License-Identifier: Apache-2.0
"""The wall clock is set back: what was due in five minutes must not wait for hours.

Due times are instants of the wall clock, so that they outlive us. When it goes back against a steady one, all
that is still to come goes back with it. A clock set forward makes things due sooner: that harms nobody.
"""

from __future__ import annotations

import structlog

from alerts.alarms.entries import Scene
from alerts.store import AlarmStore
from coldchain.kernel.clocks import SteadyClock

log = structlog.get_logger()

LEAST_MS = 60_000
"""Less than this is how clocks are kept right, not a setting back."""
DUE = (
    "UPDATE escalation SET due_ms = due_ms - ?1 WHERE due_ms IS NOT NULL",
    "UPDATE notice SET due_ms = due_ms - ?1 WHERE state IN ('due', 'failed', 'unknown')",
    "UPDATE delivery SET receipt_due_ms = receipt_due_ms - ?1 WHERE receipt_due_ms IS NOT NULL",
)


class Setback:
    """Looks each time it is asked; what happened while nobody looked is not known."""

    def __init__(self, store: AlarmStore, steady_s: SteadyClock) -> None:
        self._store, self._steady_s = store, steady_s
        self._ahead_ms: float | None = None

    def look(self, scene: Scene) -> bool:
        """True when the clock was set back, and due times with it."""
        ahead_ms = scene.now_ms - self._steady_s() * 1000
        back_ms = 0.0 if self._ahead_ms is None else self._ahead_ms - ahead_ms
        self._ahead_ms = ahead_ms
        if back_ms < LEAST_MS:
            return False
        with self._store.transaction():
            for statement in DUE:
                self._store.db.execute(statement, (round(back_ms),))
        log.warning("clock_set_back", seconds=round(back_ms / 1000))
        return True
