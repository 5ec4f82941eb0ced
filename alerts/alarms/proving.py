# SPDX-License-Identifier: Apache-2.0
"""Appliances whose work is done: the gate is looked at once a minute, and they go back once it lets them."""

from __future__ import annotations

from collections.abc import Callable
from sqlite3 import Connection

from alerts.alarms.entries import Scene
from coldchain.records.site import TOO_LONG

LOOK_EVERY_MS = 60_000
WAITS_MS = 30 * 24 * 3_600_000
"""An appliance that has not shown by then that it works does not do so by itself: it is looked at no longer,
stays out, and is on the morning's list until somebody asks again: ours.
"""

Back = Callable[[str, str, Scene, str], str]
"""(appliance, person, scene, reason) -> applied, nothing to do, or refused: with what is missing."""


class Proving:
    """Inside the caller's transaction."""

    def __init__(self, db: Connection, back: Back) -> None:
        self._db, self._back = db, back

    def ask(self, appliance: str, person: str, scene: Scene, *, reason: str) -> str:
        """The gate begins to look. A second asking takes the place of the first."""
        self.end(appliance, scene, "asked again")
        said = self._back(appliance, person, scene, reason)
        if not said.startswith("refused"):
            return said
        missing = said.partition("yet: ")[2] or said
        self._db.execute(
            "INSERT INTO proving (appliance, person, reason, asked_ms, looked_ms, missing)"
            " VALUES (?,?,?,?,?,?)",
            (appliance, person, reason, scene.now_ms, scene.now_ms, missing),
        )
        return f"applied: {appliance} goes back into service by itself once nothing is missing: {missing}"

    def end(self, appliance: str, scene: Scene, came: str) -> None:
        """It is looked at no longer: it went back, or out once more."""
        self._db.execute(
            "UPDATE proving SET ended_ms = ?, came = ? WHERE appliance = ? AND ended_ms IS NULL",
            (scene.now_ms, came, appliance),
        )

    def look(self, scene: Scene) -> bool:
        """Did any go back?"""
        changed = self._over(scene.now_ms)
        due = self._db.execute(
            "SELECT id, appliance, person, reason FROM proving WHERE ended_ms IS NULL"
            " AND (looked_ms <= ? OR looked_ms > ?)",
            (scene.now_ms - LOOK_EVERY_MS, scene.now_ms),
        ).fetchall()
        for id_, appliance, person, reason in due:
            said = self._back(appliance, person, scene, reason)
            if said.startswith("refused"):
                missing = said.partition("yet: ")[2] or said
                self._db.execute(
                    "UPDATE proving SET looked_ms = ?, missing = ? WHERE id = ?", (scene.now_ms, missing, id_)
                )
                continue
            came = "applied" if said.startswith("applied") else said
            self._db.execute(
                "UPDATE proving SET looked_ms = ?, missing = '', ended_ms = ?, came = ? WHERE id = ?",
                (scene.now_ms, scene.now_ms, came, id_),
            )
            changed = True
        return changed

    def _over(self, now_ms: int) -> bool:
        done = self._db.execute(
            "UPDATE proving SET ended_ms = ?, came = ? WHERE ended_ms IS NULL AND asked_ms <= ?",
            (now_ms, TOO_LONG, now_ms - WAITS_MS),
        )
        return done.rowcount > 0
