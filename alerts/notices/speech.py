# SPDX-License-Identifier: Apache-2.0
"""What to say of an alarm: the facts as they stand, how near the limit came, the rescue card of a site.

Reads and writes inside the caller's transaction; who is told, and when, is `telling`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from alerts.words.texts import FORETOLD, CardLine, Facts, lapsed, raised, rescue, rest
from coldchain.records.alarms import Alarm, Moved
from coldchain.settings.profile_files import PROFILES

if TYPE_CHECKING:
    from alerts.alarms.entries import Newest, Scene
    from alerts.store import AlarmStore

Left = Callable[[str, int], int | None]
"""(sensor, instant) -> ms until its limit on the present course; None: unknown, or not on its way there."""

NEAREST_EVERY_MS = 60_000
POWER, CHAIN = "power", "chain"


def nobody_knows(_sensor: str, _at_ms: int) -> int | None:
    return None


class Speech:
    """One for a service."""

    def __init__(self, store: AlarmStore, newest: Newest, left: Left = nobody_knows) -> None:
        self._store, self._newest, self._left = store, newest, left
        self._look_ms = 0

    # --- sentences

    def raised(self, alarm: Alarm, facts: Facts, language: str, code: str) -> str:
        if alarm.kind == POWER and alarm.scope == "site":
            return rescue(facts, self.card(alarm.id), language, code)
        return raised(facts, language, code)

    def lapsed(self, facts: Facts, answered_ms: int, language: str, code: str) -> str:
        return lapsed(facts, answered_ms, language, code)

    def rest(self, alarm: Alarm, language: str, scene: Scene) -> str:
        """What had no room on the rescue card."""
        return rest(self.facts(alarm, scene.now_ms, None, scene), self.card(alarm.id), language)

    # --- facts

    def facts(self, alarm: Alarm, at_ms: int, value: int | None, scene: Scene, appliances: int = 0) -> Facts:
        """As they stand; of an alarm that is over `left_ms` is the least that it was."""
        site = scene.registry.site_by_id.get(alarm.site)
        appliance = scene.registry.appliance_by_id.get(alarm.appliance)
        if not appliances and alarm.scope != "appliance":
            appliances = sum(a.site == alarm.site for a in scene.registry.appliances)
        moved = self.moved_of(alarm.id) if alarm.kind == "exposure" else None
        return Facts(
            number=alarm.number,
            scope=alarm.scope,
            appliance=moved.source if moved else alarm.appliance,
            name=appliance.name if appliance and alarm.scope == "appliance" and not moved else "",
            place=site.name if site else "",
            zone=site.zone if site else "UTC",
            kind=alarm.kind,
            since_ms=alarm.since_ms,
            at_ms=at_ms,
            value=value,
            limit=alarm.limit_value,
            peak=alarm.peak,
            appliances=appliances,
            left_ms=self.left(alarm, at_ms) if alarm.standing else self.nearest(alarm.id),
            site=alarm.site,
            severity=alarm.severity,
            bound=bound_of(alarm),
            target=moved.target if moved else "",
            out_ms=moved.worst_ms if moved else None,
            allowed_ms=moved.allowed_ms if moved else None,
            link=self._link(alarm.appliance) if alarm.kind == CHAIN else "",
        )

    def latest(self, sensor: str) -> int | None:
        newest = self._newest(sensor)
        return newest[0] if newest else None

    def card(self, alarm: str) -> list[CardLine]:
        """The site's appliances, worst first."""
        found = self._store.db.execute(
            "SELECT appliance, minutes, refuge FROM alarm_list WHERE alarm = ? ORDER BY place", (alarm,)
        )
        return [CardLine(*row) for row in found.fetchall()]

    def _link(self, subject: str) -> str:
        """Which link of the chain broke."""
        row = self._store.db.execute("SELECT link FROM broken WHERE subject = ?", (subject,)).fetchone()
        return str(row[0]) if row else ""

    def moved_of(self, alarm: str) -> Moved | None:
        """The move that an alarm is about: in answer to it, or because its budget has ended."""
        row = self._store.db.execute(
            "SELECT * FROM moved WHERE exposure = ?1 OR alarm = ?1 ORDER BY id DESC LIMIT 1", (alarm,)
        ).fetchone()
        return Moved(*row) if row else None

    # --- how near

    def left(self, alarm: Alarm, at_ms: int) -> int | None:
        """Until the limit [ms]; 0 is no time left: that it has passed the value says."""
        if alarm.kind not in FORETOLD or not alarm.sensor:
            return None
        left_ms = self._left(alarm.sensor, at_ms)
        return left_ms if left_ms is None or left_ms > 0 else None

    def left_of(self, appliance: str, scene: Scene) -> int | None:
        """The least of its sensors [ms]; None: none is on its way to a limit."""
        sensors = [s.id for s in scene.registry.sensors if s.appliance == appliance]
        found = [left for s in sensors if (left := self._left(s, scene.now_ms))]
        return min(found, default=None)

    def nearest(self, alarm: str) -> int | None:
        row = self._store.db.execute("SELECT left_ms FROM nearest WHERE alarm = ?", (alarm,)).fetchone()
        return int(row[0]) if row else None

    def look(self, scene: Scene) -> None:
        """Once a minute: how near did each standing alarm come to its limit?"""
        if self._look_ms <= scene.now_ms < self._look_ms + NEAREST_EVERY_MS:
            return
        self._look_ms = scene.now_ms
        found = [
            (alarm.id, left_ms)
            for alarm in self._store.standing()
            if (left_ms := self.left(alarm, scene.now_ms)) is not None
        ]
        if found:
            with self._store.transaction() as db:
                db.executemany(
                    "INSERT INTO nearest VALUES (?,?) ON CONFLICT (alarm) DO UPDATE"
                    " SET left_ms = min(left_ms, excluded.left_ms)",
                    found,
                )


def bound_of(alarm: Alarm) -> int | None:
    """What the alarm's profile permits on its side [thousandths]; None where that is not known."""
    profile = PROFILES.get((alarm.profile or "").rpartition(" v")[0])
    if profile is None or alarm.kind not in ("high", "low"):
        return None
    bound_c = profile.limits.high_c if alarm.kind == "high" else profile.limits.low_c
    return None if bound_c is None else round(bound_c * 1000)
