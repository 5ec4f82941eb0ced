# SPDX-License-Identifier: Apache-2.0
"""What time brings to alarms that no reading brings: shelves that end, chatter that has rested, losses."""

from __future__ import annotations

from alerts.alarms.entries import Scene
from alerts.alarms.proof import Proof, Readings
from alerts.bookkeeping.aside import Aside
from alerts.bookkeeping.book import Book
from alerts.store import AlarmStore
from alerts.watches.gateways import Gateways
from alerts.watches.losses import Losses
from alerts.watches.watch import Watch
from coldchain.settings import Settings


class Keeper:
    """`aside` puts alarms aside by command; `watch` looks for silence; `gateways` is what they say."""

    def __init__(self, store: AlarmStore, book: Book, readings: Readings, settings: Settings) -> None:
        self._store = store
        silent_after_ms = round(settings.alerts.silent_after.total_seconds() * 1000)
        self.aside = Aside(store, book, readings, silent_after_ms)
        self.gateways = Gateways(settings.readings_db, silent_after_ms)
        proof = Proof(readings, silent_after_ms)
        self.watch = Watch(store, book, silent_after_ms, self.gateways.pending, proof)
        self._losses = Losses(store, book, self.gateways)

    def look(self, scene: Scene) -> bool:
        """In a transaction of its own. False when nothing changed."""
        with self._store.transaction():
            changed = self.aside.look(scene)
            return self._losses.look(scene) or changed
