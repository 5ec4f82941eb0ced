# SPDX-License-Identifier: Apache-2.0
"""Loss is loud: what a gateway counted as lost is one alarm of the gateway, with how much and since when.

It clears by itself when somebody has acknowledged it, or a day after the last gap.
"""

from __future__ import annotations

from alerts.alarms.entries import Case, Scene
from alerts.alarms.lifecycle import State
from alerts.bookkeeping.book import Book
from alerts.store import AlarmStore
from alerts.watches.gateways import Gap, Gateways

KIND, RULE = "loss", "loss@1"
LASTS_MS = 24 * 3_600_000
LOOK_EVERY_MS = 10_000
OVERLAP_MS = 60_000
"""Gaps are asked for again from so long before the newest that is known: clocks may be set back a little."""


class Losses:
    """Compares the gaps of `readings.db` with those that are in an alarm."""

    def __init__(self, store: AlarmStore, book: Book, gateways: Gateways) -> None:
        self._store, self._book, self._gateways = store, book, gateways
        self._again_ms = 0

    def look(self, scene: Scene) -> bool:
        """Raise and clear, inside the caller's transaction. False when nothing changed."""
        if scene.now_ms < self._again_ms <= scene.now_ms + LOOK_EVERY_MS:
            return False
        self._again_ms = scene.now_ms + LOOK_EVERY_MS
        fresh = self._fresh()
        for gap in fresh:
            old = scene.now_ms - gap.arrived_ms > LASTS_MS
            self._put(gap, "" if old else self._open(gap, scene))
        return self._clear(scene) or bool(fresh)

    def _fresh(self) -> list[Gap]:
        (newest,) = self._store.db.execute("SELECT coalesce(max(arrived_ms), 0) FROM loss").fetchone()
        sql = "SELECT gateway, epoch, gap FROM loss WHERE arrived_ms >= ?"
        known = set(self._store.db.execute(sql, (newest - OVERLAP_MS,)).fetchall())
        found = self._gateways.gaps(newest - OVERLAP_MS)
        return [gap for gap in found if (gap.gateway, gap.epoch, gap.id) not in known]

    def _put(self, gap: Gap, alarm: str) -> None:
        values = (gap.gateway, gap.epoch, gap.id, alarm, gap.readings, gap.arrived_ms)
        self._store.db.execute("INSERT OR IGNORE INTO loss VALUES (?,?,?,?,?,?)", values)

    def _open(self, gap: Gap, scene: Scene) -> str:
        site = next((g.site for g in scene.registry.gateways if g.id == gap.gateway), None)
        case = Case(
            id=f"gateway/{gap.gateway}:{KIND}:{gap.epoch}:{gap.id}",
            scope="gateway",
            subject=gap.gateway,
            site=site or "",
            kind=KIND,
            severity="warning",
            since_ms=gap.from_ms,
            at_ms=scene.now_ms,
            rule=RULE,
        )
        alarm = self._book.open(case, scene)
        of = f" of {gap.node}" if gap.node else ""
        self._store.note(alarm, scene.now_ms, "lost", f"{gap.readings} readings{of}: {gap.reason}")
        return alarm

    def _clear(self, scene: Scene) -> bool:
        changed = False
        for alarm in self._store.standing():
            if alarm.kind != KIND:
                continue
            newest = self._store.db.execute(
                "SELECT coalesce(max(arrived_ms), 0) FROM loss WHERE alarm = ?", (alarm.id,)
            ).fetchone()
            over = scene.now_ms - int(newest[0]) > LASTS_MS
            if over or alarm.state == State.ACKNOWLEDGED.value:
                self._book.over(alarm.id, scene.now_ms, None, scene)
                changed = True
        return changed
