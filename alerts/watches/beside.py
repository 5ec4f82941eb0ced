# SPDX-License-Identifier: Apache-2.0
"""Air beside a load only warns, while the load is there to speak. Where none speaks, it is critical.

No other sensor enters the engine's step, which must give the same in any order across sensors; so this is
looked at from outside, as silence is.
"""

from __future__ import annotations

import numpy as np

from alerts.alarms.entries import Case, Scene, excursion_id
from alerts.bookkeeping.book import Book
from alerts.judgement.engine import Table
from alerts.rules import CONDITIONS, NUMBER_OF, rule_of
from alerts.rules.flat import Bools
from alerts.rules.terms import Part, RuleTable
from alerts.store import AlarmStore

WARNINGS = tuple(NUMBER_OF[name] for name in ("high_warning", "low_warning"))
FAULT = NUMBER_OF["sensor_fault"]


def dead_loads(table: Table, rules: RuleTable, now_ms: int, silent_after_ms: int) -> Bools:
    """(U,) every load probe of the appliance is at fault or silent. False where there is none.

    table  as long as the rules
    """
    part = rules.terms.part[rules.piece[:-1]]
    loads = np.flatnonzero((part == Part.LOAD) & (rules.unit >= 0))
    units = len(rules.units)
    patience = np.maximum(2 * rules.every_ms[loads], silent_after_ms)
    speaks = (table["live_at"][loads] + patience >= now_ms) & ~table["standing"][loads, FAULT]
    has, alive = np.zeros(units, np.bool_), np.zeros(units, np.bool_)
    has[rules.unit[loads]] = True
    alive[rules.unit[loads[speaks]]] = True
    return has & ~alive


class Beside:
    """Looks now and then; the book raises what it finds."""

    def __init__(self, store: AlarmStore, book: Book, silent_after_ms: int) -> None:
        self._store, self._book, self._silent_after_ms = store, book, silent_after_ms

    def look(self, table: Table, scene: Scene) -> list[Case]:
        """Warnings of air that stand, were told, and have become critical."""
        rules = scene.rules
        table = table[: len(rules)]
        told = table["standing"][:, WARNINGS] & table["announced"][:, WARNINGS]
        beside = rules.terms.part[rules.piece[:-1]] == Part.AIR_BESIDE
        rows = np.flatnonzero(told.any(axis=1) & beside & (rules.unit >= 0))
        if not len(rows):
            return []
        dead = dead_loads(table, rules, scene.now_ms, self._silent_after_ms)
        found = []
        for series in rows[dead[rules.unit[rows]]].tolist():
            for column, kind in enumerate(WARNINGS):
                case = self._case(table, series, kind, scene) if told[series, column] else None
                if case is not None:
                    found.append(case)
        return found

    def _case(self, table: Table, series: int, kind: int, scene: Scene) -> Case | None:
        """None when its alarm is critical already, or there is none."""
        condition, sensor = CONDITIONS[kind], scene.names[series]
        known = self._store.excursion(excursion_id(sensor, condition.name, int(table["since"][series, kind])))
        alarm = self._store.alarm(known.alarm) if known is not None and known.alarm else None
        if known is None or alarm is None or alarm.severity == "critical" or not alarm.standing:
            return None
        return Case(
            id=alarm.id,
            scope=alarm.scope,
            subject=alarm.appliance,
            sensor=sensor,
            site=alarm.site,
            kind=alarm.kind,
            severity="critical",
            since_ms=known.started_ms,
            at_ms=scene.now_ms,
            value=int(table["value"][series]),
            limit=known.limit_value,
            peak=known.peak,
            rule=rule_of(condition),
            profile=known.profile or None,
        )

    def enter(self, cases: list[Case], scene: Scene) -> None:
        """Inside the caller's transaction."""
        for case in cases:
            self._book.open(case, scene)
