# SPDX-License-Identifier: Apache-2.0
"""Drills: an appliance's alarm tested on purpose, by the rules of every day.

While a drill runs, the appliance's readings are marked as a test: they show life, and nothing judges them but
this. They are held against the appliance's own limits by the engine's own step; when those trip, an alarm of
kind `drill` is raised, told and answered as any other. Trip point and every answer's time are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from alerts.alarms.entries import Case, Scene
from alerts.bookkeeping.book import Book
from alerts.bookkeeping.late import Readings
from alerts.judgement.engine import What, rejudge
from alerts.rules import CONDITIONS
from alerts.rules.flat import block_of
from alerts.rules.table import judging_sensors
from alerts.store import AlarmStore
from coldchain.kernel.words import Flag
from coldchain.records.registry import Appliance, Drill

KIND, RULE = "drill", "drill@1"
LOOK_EVERY_MS = 5_000
LATE_MS = 120_000
"""Readings of its last moments are waited for so long after a drill's end."""
PRODUCT = tuple(n for n, c in enumerate(CONDITIONS) if c.name in ("high", "low"))


@dataclass(frozen=True, slots=True)
class Trip:
    """Where the limits tripped: the instant, and thousandths of a degree."""

    at_ms: int
    sensor: str
    value: int
    limit: int
    kind: str


class Drills:
    """Looks at the drills of the registry that run. `readings` of the record."""

    def __init__(self, store: AlarmStore, book: Book, readings: Readings) -> None:
        self._store, self._book, self._readings = store, book, readings
        self._again_ms = 0
        self._over: set[tuple[str, int]] = set()

    def look(self, scene: Scene) -> bool:
        """Begin, trip and end drills, each in a transaction. False when nothing changed."""
        if scene.now_ms < self._again_ms <= scene.now_ms + LOOK_EVERY_MS:
            return False
        self._again_ms = scene.now_ms + LOOK_EVERY_MS
        changed = False
        for appliance in scene.registry.appliances:
            for drill in appliance.drills:
                if drill.from_ms <= scene.now_ms and not self._ended(appliance, drill):
                    changed |= self._turn(appliance, drill, scene)
        return changed

    def _ended(self, appliance: Appliance, drill: Drill) -> bool:
        """The record is asked until it says so: what is over stays over."""
        key = (appliance.id, drill.from_ms)
        if key not in self._over:
            row = self._store.db.execute(
                "SELECT ended_ms FROM drill WHERE appliance = ? AND from_ms = ?", key
            ).fetchone()
            if row is not None and row[0] is not None:
                self._over.add(key)
        return key in self._over

    def _turn(self, appliance: Appliance, drill: Drill, scene: Scene) -> bool:
        with self._store.transaction():
            key = (appliance.id, drill.from_ms)
            begun = self._store.db.execute(
                "INSERT OR IGNORE INTO drill (appliance, from_ms, until_ms, person) VALUES (?,?,?,?)",
                (*key, drill.until_ms, drill.by),
            ).rowcount
            (alarm,) = self._store.db.execute(
                "SELECT alarm FROM drill WHERE appliance = ? AND from_ms = ?", key
            ).fetchone()
            tripped = alarm is None and self._trip(appliance, drill, scene)
            over = scene.now_ms >= drill.until_ms + LATE_MS
            if over:
                self._end(appliance, drill, scene)
        return bool(begun or tripped or over)

    def _trip(self, appliance: Appliance, drill: Drill, scene: Scene) -> bool:
        trip = self._find(appliance, drill, scene)
        if trip is None:
            return False
        case = Case(
            id=f"{appliance.id}:{KIND}:{drill.from_ms}",
            scope="appliance",
            subject=appliance.id,
            sensor=trip.sensor,
            site=appliance.site,
            kind=KIND,
            severity="critical",
            since_ms=trip.at_ms,
            at_ms=trip.at_ms,
            value=trip.value,
            limit=trip.limit,
            peak=trip.value,
            rule=RULE,
        )
        alarm = self._book.open(case, scene)
        self._store.db.execute(
            "UPDATE drill SET alarm = ?, trip_ms = ?, trip_value = ?, limit_value = ?, kind = ?, told_ms = ?"
            " WHERE appliance = ? AND from_ms = ?",
            (alarm, trip.at_ms, trip.value, trip.limit, trip.kind, scene.now_ms, appliance.id, drill.from_ms),
        )
        return True

    def _find(self, appliance: Appliance, drill: Drill, scene: Scene) -> Trip | None:
        """The first reading of the drill at which the rules of every day raise a product limit."""
        numbers = {name: number for number, name in scene.names.items()}
        judging = judging_sensors(scene.registry)
        trips = []
        for sensor in scene.registry.sensors:
            if sensor.appliance != appliance.id or sensor.id not in judging or sensor.id not in numbers:
                continue
            rows = self._readings(sensor.id, drill.from_ms, min(drill.until_ms, scene.now_ms + 1))
            rows = rows[(rows["flags"] & int(Flag.TEST)) != 0].copy()
            if not len(rows):
                continue
            rows["series"] = numbers[sensor.id]
            block = block_of(rows, 2**53)
            block = replace(block, drill=np.zeros(len(block), np.bool_))
            _, events = rejudge(block, scene.rules)
            mine = (events["what"] == What.RAISED) & np.isin(events["kind"], PRODUCT)
            for event in events[mine][:1]:
                kind = CONDITIONS[int(event["kind"])].kind
                value, limit = int(event["value"]), int(event["limit"])
                trips.append(Trip(int(event["at"]), sensor.id, value, limit, kind))
        return min(trips, key=lambda trip: trip.at_ms, default=None)

    def _end(self, appliance: Appliance, drill: Drill, scene: Scene) -> None:
        (alarm,) = self._store.db.execute(
            "SELECT alarm FROM drill WHERE appliance = ? AND from_ms = ?", (appliance.id, drill.from_ms)
        ).fetchone()
        if alarm is not None:
            self._book.over(alarm, scene.now_ms, None, scene, why="drill")
        self._store.db.execute(
            "UPDATE drill SET ended_ms = ? WHERE appliance = ? AND from_ms = ?",
            (scene.now_ms, appliance.id, drill.from_ms),
        )
