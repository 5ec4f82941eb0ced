# SPDX-License-Identifier: Apache-2.0
"""Defrosts that have ended, as rows beside the book: for the chart's axis, the contractor, the projection.

A row's name is its sensor and its beginning, so that writing it again changes nothing, and no two of a sensor
overlap. What a late reading has taken back stays as `none`: who copies the rows hears of it.
"""

from __future__ import annotations

from alerts.alarms.entries import Scene
from alerts.judgement.again import Again
from alerts.judgement.sight import Ended
from alerts.store import AlarmStore
from coldchain.records.alarm_rows import DefrostRow

KEPT_MS = 400 * 86_400_000
"""A chart's year, and a month more."""
USUAL, LONG, NONE = "usual", "long", "none"

_PUT = "INSERT OR REPLACE INTO defrost VALUES (?,?,?,?,?,?,?,?)"
_TAKE_BACK = "UPDATE defrost SET what = 'none', decided_ms = ? WHERE sensor = ? AND from_ms = ?"


class Defrosted:
    """The table `defrost` of alarms.db. All that writes does so inside the caller's transaction."""

    def __init__(self, store: AlarmStore) -> None:
        self._db = store.db

    def enter(self, ended: Ended, scene: Scene) -> None:
        """Those that a block ended."""
        for row in _rows(ended, scene):
            self._put(row)

    def line_up(self, again: Again, scene: Scene) -> None:
        """Those of one sensor that ended after `after_ms` become what was found by judging its past again."""
        sensor, after_ms = scene.names[again.task.series], again.task.after_ms
        found = [row for row in _rows(again.defrosts, scene) if row.until_ms > after_ms]
        kept = {row.from_ms for row in found}
        known = self._db.execute(
            "SELECT from_ms FROM defrost WHERE sensor = ? AND until_ms > ? AND what <> 'none'",
            (sensor, after_ms),
        )
        gone = [(scene.now_ms, sensor, from_ms) for (from_ms,) in known.fetchall() if from_ms not in kept]
        self._db.executemany(_TAKE_BACK, gone)
        for row in found:
            self._put(row)

    def _put(self, row: DefrostRow) -> None:
        met = self._db.execute(
            "SELECT * FROM defrost WHERE sensor = ? AND from_ms < ? AND until_ms > ?",
            (row.sensor, row.until_ms, row.from_ms),
        )
        told = row.what, row.until_ms, row.peak, row.usual_ms
        for known in (DefrostRow(*one) for one in met.fetchall()):
            if known.from_ms != row.from_ms and known.what != NONE:
                self._db.execute(_TAKE_BACK, (row.decided_ms, known.sensor, known.from_ms))
            elif (known.what, known.until_ms, known.peak, known.usual_ms) == told:
                return
        values = row.sensor, row.from_ms, row.until_ms, row.what, row.appliance
        self._db.execute(_PUT, (*values, row.peak, row.usual_ms, row.decided_ms))

    def forget(self, now_ms: int) -> None:
        """Those older than is kept."""
        self._db.execute("DELETE FROM defrost WHERE until_ms < ?", (now_ms - KEPT_MS,))


def _rows(ended: Ended, scene: Scene) -> list[DefrostRow]:
    found = []
    for one in ended:
        sensor = scene.names[int(one["series"])]
        known = scene.registry.sensor_by_id.get(sensor)
        found.append(
            DefrostRow(
                sensor=sensor,
                from_ms=int(one["since"]),
                until_ms=int(one["at"]),
                what=LONG if one["long"] else USUAL,
                appliance=(known.appliance if known else None) or "",
                peak=int(one["peak"]),
                usual_ms=int(one["usual_ms"]),
                decided_ms=scene.now_ms,
            )
        )
    return found
