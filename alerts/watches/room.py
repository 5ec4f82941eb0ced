# SPDX-License-Identifier: Apache-2.0
"""Room on the disk: a reserve for alarms is kept, and a full disk is an alarm that the reserve lets out."""

from __future__ import annotations

from pathlib import Path

from alerts.alarms.entries import Scene
from alerts.store import AlarmStore
from alerts.watches.broken import Broken
from coldchain.records.reserve import Reserve

SUBJECT = "disk"
LOOK_EVERY_MS = 5_000


class Room:
    """Looks every few seconds."""

    def __init__(self, store: AlarmStore, broken: Broken, directory: Path) -> None:
        self._store, self._broken = store, broken
        self._reserve = Reserve(directory)
        self._again_ms = 0

    def look(self, scene: Scene) -> bool:
        """Raise and clear, each in a transaction. False when nothing changed."""
        if scene.now_ms < self._again_ms <= scene.now_ms + LOOK_EVERY_MS:
            return False
        self._again_ms = scene.now_ms + LOOK_EVERY_MS
        self._reserve.look()
        standing = self._broken.stands(SUBJECT)
        if self._reserve.spent == standing:
            return False
        with self._store.transaction():
            if standing:
                return self._broken.whole(SUBJECT, scene)
            self._broken.found(SUBJECT, "", "disk", scene, detail="readings wait at the gateways: make room")
        return True
