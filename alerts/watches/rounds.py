# SPDX-License-Identifier: Apache-2.0
"""What the service looks after besides temperatures: each part knows by itself when it is its turn."""

from __future__ import annotations

from typing import Any

from alerts.alarms.entries import Scene
from alerts.answers.codes import Draw
from alerts.bookkeeping.book import Book
from alerts.bookkeeping.late import Record
from alerts.bookkeeping.moved import Clocks
from alerts.notices.outbox import Outbox
from alerts.store import AlarmStore
from alerts.watches.broken import Broken
from alerts.watches.canary import Canaries, LastHeard
from alerts.watches.daily import Daily, Ready
from alerts.watches.drills import Drills
from alerts.watches.duty import DutyWatch
from alerts.watches.peers import Peers
from alerts.watches.ping import Ping
from alerts.watches.room import SUBJECT, Room
from alerts.watches.setback import Setback
from coldchain.kernel.clocks import SteadyClock
from coldchain.settings import Settings


class Rounds:
    """Each call writes in transactions of its own, and says whether anything changed."""

    def __init__(
        self,
        store: AlarmStore,
        book: Book,
        settings: Settings,
        last_heard: LastHeard,
        draw: Draw,
        ready: Ready | None,
        steady_s: SteadyClock,
    ) -> None:
        self._store = store
        self._broken = Broken(store, book)
        self._canaries = Canaries(store, book, self._broken, settings, last_heard, draw)
        self._daily = Daily(store, book, self._broken, settings, ready)
        self._parts = (
            Setback(store, steady_s),
            DutyWatch(store, book),
            Room(store, self._broken, settings.data_dir),
            Peers(store, book, settings.data_dir, steady_s),
            Clocks(store, book, Record(settings.readings_db)),
            Drills(store, book, Record(settings.readings_db)),
            self._canaries,
            self._daily,
        )
        self._ping = Ping(settings.notify.ping_url)
        self._version = -1

    def hear(self, scene: Scene) -> bool:
        """Before people's answers: what our own modem sent itself is no answer."""
        return self._canaries.hear(scene)

    def look(self, scene: Scene) -> bool:
        changed = self._forget(scene)
        for part in self._parts:
            changed |= part.look(scene)
        return changed

    def beat(self, now_s: float, position: int, behind: int, outbox: Outbox | None) -> dict[str, Any]:
        """Show that we live, and give our figures. `position`, `behind`: see Ping.look."""
        self._ping.look(now_s, position, behind)
        took_ms, budget = self._canaries.took_ms, outbox.budget if outbox else None
        figures = {
            "canary_s": None if took_ms is None else round(took_ms / 1000, 1),
            "credit": budget.credit if budget else None,
            "signal_dbm": budget.signal_dbm if budget else None,
        }
        return {name: value for name, value in figures.items() if value is not None} | self._ping.figures()

    def _forget(self, scene: Scene) -> bool:
        """With each version of the registry: what is no longer there is broken no longer."""
        if scene.version in (0, self._version):  # 0: the registry has not been read yet
            return False
        self._version = scene.version
        known = self._canaries.subjects(scene.registry) | self._daily.subjects(scene.registry)
        with self._store.transaction():
            return self._broken.forget(known | {SUBJECT}, scene)
