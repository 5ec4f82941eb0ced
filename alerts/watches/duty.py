# SPDX-License-Identifier: Apache-2.0
"""Holes in the rotas are alarms: when nobody is on call for a site, or will not be within a day."""

from __future__ import annotations

from alerts.alarms.entries import Case, Scene
from alerts.bookkeeping.book import Book
from alerts.oncall.rota import gaps, rotas_of
from alerts.store import AlarmStore

KIND, RULE = "rota_gap", "rota_gap@1"
AHEAD_MS = 24 * 3_600_000
"""So long before, there is time to find somebody."""
LOOK_EVERY_MS = 60_000


class DutyWatch:
    """Looks once a minute; a site without any rota has no holes: all its people are told."""

    def __init__(self, store: AlarmStore, book: Book) -> None:
        self._store, self._book = store, book
        self._again_ms, self._version = 0, -1

    def look(self, scene: Scene) -> bool:
        """Raise and clear, each in a transaction. False when nothing changed."""
        if scene.now_ms < self._again_ms <= scene.now_ms + LOOK_EVERY_MS and scene.version == self._version:
            return False
        self._again_ms, self._version = scene.now_ms + LOOK_EVERY_MS, scene.version
        standing = {a.appliance: a.id for a in self._store.standing() if a.kind == KIND}
        changed = False
        for site in scene.registry.sites:
            rotas = rotas_of(scene.registry, site.id, 1)
            holes = gaps(rotas, scene.now_ms, scene.now_ms + AHEAD_MS) if rotas else []
            alarm = standing.pop(site.id, None)
            if holes and alarm is None:
                with self._store.transaction():
                    self._book.open(_case(site.id, holes[0][0], scene.now_ms), scene)
                changed = True
            elif alarm is not None and not holes:
                changed |= self._over(alarm, scene)
        for alarm in standing.values():
            changed |= self._over(alarm, scene)
        return changed

    def _over(self, alarm: str, scene: Scene) -> bool:
        with self._store.transaction():
            self._book.over(alarm, scene.now_ms, None, scene)
        return True


def _case(site: str, from_ms: int, now_ms: int) -> Case:
    return Case(
        id=f"rota/{site}:{KIND}:{from_ms}",
        scope="rota",
        subject=site,
        site=site,
        kind=KIND,
        severity="warning",
        since_ms=from_ms,
        at_ms=now_ms,
        rule=RULE,
    )
