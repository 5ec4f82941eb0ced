# SPDX-License-Identifier: Apache-2.0
"""The blind clock of all that is silent: shown beside its alarm, which becomes critical as it runs out."""

from __future__ import annotations

import numpy as np

from alerts.alarms.entries import Scene
from alerts.bookkeeping.book import Book
from alerts.guard.hearing import word_for
from alerts.rules.flat import Bools
from alerts.rules.silence import Silence
from alerts.site import blind, keeping
from alerts.site.blind import NEED_MS
from alerts.site.now import Now
from alerts.site.outages import Outages
from alerts.site.roster import Roster
from alerts.store import AlarmStore
from coldchain.records.alarms import Alarm
from coldchain.records.site import Blind

EVERY_MS = 60_000
KIND = "silence"


class SilentWatch:
    """`look` reckons, `enter` writes."""

    def __init__(self, store: AlarmStore, book: Book) -> None:
        self._store, self._book = store, book
        self._rows: list[Blind] | None = None
        self._new: list[Blind] = []
        self._looked_ms = 0
        self._noted: dict[str, tuple[str, bool]] = {}
        self._untold = False

    def look(
        self,
        whole: Bools,
        silence: Silence,
        now: Now,
        outages: Outages,
        chart: Roster,
        scene: Scene,
    ) -> bool:
        """whole (A,): nothing of the appliance is heard. Is there something to write?"""
        if scene.now_ms < self._looked_ms + EVERY_MS and self._rows is not None:
            return False
        self._looked_ms = scene.now_ms
        self._new = self._reckon(whole, now, outages, chart, scene)
        near = any(self._is_near(row, scene) for row in self._new)
        return self._new != self._rows or near or self._untold

    def _reckon(self, whole: Bools, now: Now, outages: Outages, chart: Roster, scene: Scene) -> list[Blind]:
        used = np.array([profile is not None for profile in now.profile], np.bool_)
        who = np.flatnonzero(whole & used & (chart.load >= 0) & np.isfinite(now.value_c))
        if not len(who):
            return []
        worst = blind.worst_case(
            outages.rows(chart.load[who])["held"],
            now.value_at[who],
            now.value_c[who],
            now.high_c[who],
            now.ambient_c[who],
            chart.worst_k[who],
        )
        found = []
        for row, n in enumerate(who.tolist()):
            appliance, profile = chart.appliances[n], now.profile[n]
            site = scene.registry.site_by_id.get(appliance.site)
            if profile is None or profile.limits.high_c is None:
                continue
            passes = int(worst.passes_ms[row])
            told = blind.words(
                profile.component,
                profile.limits.high_c,
                int(worst.last_ms[row]),
                passes,
                site.zone if site else "UTC",
            )
            limit = round(profile.limits.high_c * 1000)
            last = int(worst.last_ms[row])
            found.append(
                Blind(appliance.id, appliance.site, last, None if passes < 0 else passes, limit, told)
            )
        return found

    def enter(self, scene: Scene) -> None:
        """Inside the caller's transaction."""
        if self._new != self._rows:
            keeping.put_blind(self._store.db, self._new)
            self._rows = self._new
        worst: dict[str, tuple[Alarm, Blind]] = {}
        self._untold = False
        for row in self._new:
            alarm = self._alarm_of(row, scene)
            self._untold |= alarm is None  # it is raised in a moment
            known = worst.get(alarm.id) if alarm else None
            if alarm is not None and (known is None or _sooner(row, known[1])):
                worst[alarm.id] = (alarm, row)
        for alarm, row in worst.values():
            self._tell(alarm, row, scene)
        self._noted = {id_: noted for id_, noted in self._noted.items() if id_ in worst}

    def _tell(self, alarm: Alarm, row: Blind, scene: Scene) -> None:
        """Noted with the alarm when it is first known and when it runs short; then it is critical."""
        near = self._is_near(row, scene)
        if self._noted.get(alarm.id) != (row.told, near):
            if self._noted.get(alarm.id, ("", False))[0] != row.told or near:
                self._store.note(alarm.id, scene.now_ms, "blind", f"{row.appliance}: {row.told}")
            self._noted[alarm.id] = (row.told, near)
        vouched = word_for(self._store.db, alarm, scene.now_ms) is not None  # its guard would tell
        if near and alarm.severity != "critical" and not vouched:
            self._book.open(blind.case_again(alarm, "critical", scene.now_ms), scene)

    def _alarm_of(self, row: Blind, scene: Scene) -> Alarm | None:
        """The silence it belongs to: its own, or that of what it was heard through."""
        own = self._store.open_alarm("appliance", row.appliance, KIND)
        if own is not None and own.standing:
            return own
        rules = scene.rules
        if row.appliance not in rules.units:
            return None
        unit = rules.units.index(row.appliance)
        groups = np.unique(rules.group[(rules.unit == unit) & (rules.group >= 0)])
        for scope, name in (rules.groups[g] for g in groups.tolist()):
            found = self._store.open_alarm(scope, name, KIND)
            if found is not None and found.standing:
                return found
        return None

    @staticmethod
    def _is_near(row: Blind, scene: Scene) -> bool:
        return row.passes_ms is not None and row.passes_ms <= scene.now_ms + NEED_MS


def _sooner(a: Blind, b: Blind) -> bool:
    never = 2**62
    return (a.passes_ms or never) < (b.passes_ms or never)
