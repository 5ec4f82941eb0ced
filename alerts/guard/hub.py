# SPDX-License-Identifier: Apache-2.0
"""The hub's side of guards, as one part of the service: their reports, and their lines by SMS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.guard.adopt import Adoption
from alerts.guard.hearing import GuardLines
from alerts.notices.chains import Chains
from coldchain.kernel.readings import Rows
from coldchain.records.journal import JournalReader

if TYPE_CHECKING:
    from alerts.alarms.entries import Scene
    from alerts.bookkeeping.book import Book
    from alerts.store import AlarmStore


BACKLOG_MS = 5 * 60_000
HOLD_MS = 15_000
"""A guard with something to report says so every 5 s; a first try within 30 s of arrival is promised."""


class Guards:
    """Each call writes in transactions of its own, and says whether anything changed."""

    def __init__(self, store: AlarmStore, book: Book, chains: Chains) -> None:
        self._adoption, self._lines = Adoption(store, book, chains), GuardLines(store, book)
        self._held = chains.held

    def backlog(self, rows: Rows, scene: Scene) -> None:
        """Rows of JOURNALLED, about to be judged. Where they come long after they were measured, and the site
        has a guard, messages wait a moment: what the guard did may lie behind them in the broker's queue.
        """
        waited = rows["arrived_ms"] - rows["gateway_ms"] > BACKLOG_MS
        guarded = {g.site for g in scene.registry.gateways if g.phone} if waited.any() else set()
        if not guarded:
            return
        for series in np.unique(rows["series"][waited]).tolist():
            sensor = scene.registry.sensor_by_id.get(scene.names.get(series, ""))
            appliance = scene.registry.appliance_by_id.get(sensor.appliance or "") if sensor else None
            if appliance is not None and appliance.site in guarded:
                self._held[appliance.site] = scene.now_ms + HOLD_MS

    def adopt(self, journal: JournalReader | None, scene: Scene) -> bool:
        """Reports that came with the batches at hand or before; call it before those are judged."""
        return self._adoption.apply(journal, scene)

    def hear(self, scene: Scene) -> bool:
        """Lines that have come in, and what they make of the alarms of silent gateways."""
        return self._lines.hear(scene) | self._lines.look(scene)
