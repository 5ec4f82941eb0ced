# SPDX-License-Identifier: Apache-2.0
"""Blood that was moved: one exposure clock over the places where it was.

Counted is the time beyond the limits within the last day, at the source until the move and at the target
since; the budget is that of the profile that the source carried. A source into which blood was moved before
counts with the worse of what it held and what came. Readings decide, not alarms: short excursions count, too.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from alerts.alarms.entries import Case, Scene
from alerts.bookkeeping.book import Book
from alerts.bookkeeping.late import Record
from alerts.rules.exposure import beyond, line_of
from alerts.rules.flat import Ints, segments_of
from alerts.rules.table import judging_of
from alerts.store import AlarmStore
from coldchain.kernel.limits import Profile
from coldchain.kernel.stays import Stay
from coldchain.kernel.words import NO_VALUE, Status
from coldchain.records.alarms import Moved
from coldchain.records.registry import Registry, Sensor
from coldchain.settings.profile_files import PROFILES

Floats = npt.NDArray[np.float64]

KIND, RULE = "exposure", "exposure@1"
DAY_MS = 86_400_000
"""A budget is so much within a day; after a day the target's own count has taken over."""
LOOK_EVERY_MS = 60_000
CLOCKS_MAX = 20
"""So many clocks are looked at in one go."""
HOPS_MAX = 8


class Clocks:
    """Looks once a minute, in transactions of its own."""

    def __init__(self, store: AlarmStore, book: Book, readings: Record) -> None:
        self._store, self._book, self._readings = store, book, readings

    def look(self, scene: Scene) -> bool:
        """False when there was nothing to do."""
        running = self._running(scene.now_ms)
        if not running:
            return False
        for row in running:
            with self._store.transaction():
                self._advance(row, scene)
        self._readings.close()
        return True

    def _running(self, now_ms: int) -> list[Moved]:
        """Those that have waited a minute, or were never looked at; the longest waiting first."""
        found = self._store.db.execute(
            "SELECT * FROM moved WHERE ended_ms IS NULL AND (looked_ms <= ? OR looked_ms > ?)"
            " ORDER BY looked_ms LIMIT ?",
            (now_ms - LOOK_EVERY_MS, now_ms, CLOCKS_MAX),
        )
        return [Moved(*row) for row in found.fetchall()]

    def _advance(self, row: Moved, scene: Scene) -> None:
        source = scene.registry.appliance_by_id.get(row.source)
        profile = PROFILES.get((source.carries(row.at_ms) if source else None) or "")
        over = profile is None or scene.now_ms >= row.at_ms + DAY_MS
        before_ms = out_ms = 0
        allowed_ms = None
        if profile is not None:
            start_ms = scene.now_ms - DAY_MS
            before_ms = self._before(row.source, row.at_ms, start_ms, profile, scene.registry)
            here = Stay(row.target, max(start_ms, row.at_ms), scene.now_ms)
            out_ms = before_ms + self._out(here, profile, scene.registry)
            if profile.budget is not None:
                allowed_ms = round(profile.budget.total_seconds() * 1000)
        exposure = row.exposure
        if exposure is None and allowed_ms is not None and out_ms >= allowed_ms and not over:
            self._write(row.id, before_ms, out_ms, allowed_ms, scene.now_ms, None, case_id(row))
            exposure = self._book.open(_case(row, profile, scene), scene)
        self._write(
            row.id, before_ms, out_ms, allowed_ms, scene.now_ms, scene.now_ms if over else None, exposure
        )
        alarm = self._store.alarm(exposure) if exposure else None
        if alarm is not None and alarm.standing and (over or alarm.state == "acknowledged"):
            self._book.over(alarm.id, scene.now_ms, None, scene)  # it says what has been: being told is all

    def _write(
        self,
        id_: int,
        before_ms: int,
        out_ms: int,
        allowed_ms: int | None,
        now_ms: int,
        ended_ms: int | None,
        exposure: str | None,
    ) -> None:
        self._store.db.execute(
            "UPDATE moved SET before_ms = ?1, out_ms = ?2, allowed_ms = ?3, looked_ms = ?4, ended_ms = ?5,"
            " exposure = ?6, most_ms = max(most_ms, ?2),"
            " within_ms = CASE WHEN ?6 IS NOT NULL AND ?2 < ?3 THEN coalesce(within_ms, ?4) END"
            " WHERE id = ?7",
            (before_ms, out_ms, allowed_ms, now_ms, ended_ms, exposure, id_),
        )

    # --- how long

    def _before(
        self, place: str, until_ms: int, start_ms: int, profile: Profile, registry: Registry, hops: int = 0
    ) -> int:
        """Beyond the limits in that place until then, or where its blood had been before: the worse [ms]."""
        if until_ms <= start_ms:
            return 0
        row = self._store.db.execute(
            "SELECT source, at_ms FROM moved WHERE target = ? AND at_ms < ? AND at_ms > ?"
            " ORDER BY at_ms DESC LIMIT 1",
            (place, until_ms, start_ms),
        ).fetchone()
        if row is None or hops >= HOPS_MAX:
            return self._out(Stay(place, start_ms, until_ms), profile, registry)
        came_from, at_ms = row
        own = self._out(Stay(place, start_ms, at_ms), profile, registry)
        brought = self._before(came_from, at_ms, start_ms, profile, registry, hops + 1)
        return self._out(Stay(place, at_ms, until_ms), profile, registry) + max(own, brought)

    def _out(self, stay: Stay, profile: Profile, registry: Registry) -> int:
        """By the place's own limits where they are for the same component, else by those of the blood."""
        if stay.end_ms <= stay.start_ms:
            return 0
        appliance = registry.appliance_by_id.get(stay.appliance)
        local = PROFILES.get((appliance.carries(stay.end_ms) if appliance else None) or "")
        terms = local if local is not None and local.component == profile.component else profile
        sensors = judging_of(registry, stay.appliance)
        return max((self._of_sensor(s, stay, terms) for s in sensors), default=0)

    def _of_sensor(self, sensor: Sensor, stay: Stay, profile: Profile) -> int:
        gap_ms = 3_000 * sensor.due_s(stay.start_ms)
        rows = self._readings(sensor.id, stay.start_ms - gap_ms, stay.end_ms + gap_ms)
        rows = rows[(rows["value"] != NO_VALUE) & (rows["status"] == Status.OK)]
        rows = rows[np.argsort(rows["at_ms"], kind="stable")]
        at, value = rows["at_ms"].astype(np.int64), rows["value"].astype(np.float64)
        at, value = within(at, value + _offset(sensor, at), stay, gap_ms)
        if not len(at):
            return 0
        line = line_of(at, value, segments_of(np.zeros(len(at), np.int64)), gap_ms)
        total = 0
        for limit_c, sign in ((profile.limits.high_c, 1), (profile.limits.low_c, -1)):
            if limit_c is not None:
                out_ms, _ = beyond(line, limit_c * 1000, sign)
                total += int(out_ms.sum())
        return total


def _offset(sensor: Sensor, at: Ints) -> Floats:
    """(N,) thousandths that the calibration in force then adds."""
    add = np.zeros(len(at))
    for offset in sensor.offsets:  # by date
        add[at >= offset.from_ms] = round(offset.offset_k * 1000)
    return add


def within(at: Ints, value: Floats, stay: Stay, gap_ms: int) -> tuple[Ints, Floats]:
    """Readings of a stay, with what it was at its two ends: between neighbours on their line, and as the last
    one says until the next is due.

    >>> stay = Stay("br-03", 1_000, 5_000)
    >>> within(np.array([0, 2_000]), np.array([4.0, 6.0]), stay, 3_000)
    (array([1000, 2000, 5000]), array([5., 6., 6.]))
    >>> within(np.array([0]), np.array([4.0]), stay, 3_000)[1]
    array([4.])
    """
    ends_at: list[int] = []
    for edge in (stay.start_ms, stay.end_ms):
        after = int(np.searchsorted(at, edge))
        if after < len(at) and at[after] == edge:
            continue
        before_near = after > 0 and edge - at[after - 1] <= gap_ms
        joined = after == len(at) or at[after] - at[after - 1] <= gap_ms
        if before_near and joined:
            ends_at.append(edge)
    edges = np.array(ends_at, np.int64)
    known = np.interp(edges, at, value) if len(at) else np.zeros(0)
    at, value = np.concatenate([at, edges]), np.concatenate([value, known])
    order = np.argsort(at, kind="stable")
    at, value = at[order], value[order]
    inside = (at >= stay.start_ms) & (at <= stay.end_ms)
    return at[inside], value[inside]


def case_id(row: Moved) -> str:
    return f"moved/{row.id}:{KIND}:{row.at_ms}"


def _case(row: Moved, profile: Profile | None, scene: Scene) -> Case:
    target = scene.registry.appliance_by_id.get(row.target)
    return Case(
        id=case_id(row),
        scope="appliance",
        subject=row.target,
        site=target.site if target else "",
        kind=KIND,
        severity="critical",
        since_ms=row.at_ms,
        at_ms=scene.now_ms,
        rule=RULE,
        profile=profile.label if profile else None,
    )
