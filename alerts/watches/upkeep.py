# SPDX-License-Identifier: Apache-2.0
"""What maintenance should hear of, and nobody is woken for: a defrost that is missing or takes too long, a
probe that drifts from its sibling (its calibration is brought forward), a node's clock that disagrees.

It stands in the list of what is to be mended, and so in the morning's message, on the console and in
`coldchain readiness`. Nothing here opens an alarm: a defrost that warms the load is the limits' affair.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

import numpy as np

from alerts.alarms.entries import Scene
from alerts.bookkeeping.defrosted import Defrosted
from alerts.bookkeeping.late import Record
from alerts.insight.clocks import NodeClocks
from alerts.insight.defrost import EARLY, ESTABLISHED, TOO_LONG, template
from alerts.insight.siblings import BASE_DAYS, RECENT_DAYS, drift_of
from alerts.judgement.state import EngineState
from alerts.store import AlarmStore
from coldchain.kernel.readings import Rows
from coldchain.kernel.words import NO_VALUE, Quantity
from coldchain.records.registry import Appliance, Sensor

LOOK_EVERY_MS = 5 * 60_000
DAY_MS = 86_400_000
SETTLED_MS = 8 * 3_600_000
"""A day is taken when it has been over for so long: by then most of what was late has come."""
DAYS_KEPT = 120
FEWEST = 100
"""Readings of a day, that its mean may count."""

Found = Mapping[str, tuple[int, str]]
"""subject -> (since, in words)."""
Nodes = Callable[[], Mapping[int, tuple[str, int]]]
"""() -> source number -> (node, boot)."""


class Upkeep:
    """`feed` with journalled rows, `look` now and then; everything is written in transactions of its own."""

    def __init__(self, store: AlarmStore, record: Record) -> None:
        self._store, self._record = store, record
        self._clocks = NodeClocks()
        self._again_ms = 0
        self._day = -1
        self._queue: deque[str] = deque()

    def feed(self, rows: Rows) -> None:
        self._clocks.feed(rows)

    def look(self, state: EngineState, nodes: Nodes, scene: Scene) -> None:
        """One appliance's day at a time: no look takes long."""
        if not self._again_ms - LOOK_EVERY_MS <= scene.now_ms < self._again_ms:
            self._again_ms = scene.now_ms + LOOK_EVERY_MS
            self._stands("clock", self._of_clocks(nodes, scene.now_ms), scene)
            for kind, found in defrosts(state, scene).items():
                self._stands(kind, found, scene)
        self._siblings(scene)

    # --- clocks

    def _of_clocks(self, nodes: Nodes, now_ms: int) -> Found:
        standing = self._clocks.standing(now_ms)
        names, found = nodes() if standing else {}, {}
        for one in standing:
            node, _ = names.get(one.source, ("", 0))
            if node:
                found[node] = (one.since_ms, f"{one.what} {one.by_ms / 1000:+.0f} s")
        return found

    # --- siblings

    def _siblings(self, scene: Scene) -> None:
        day = (scene.now_ms - SETTLED_MS) // DAY_MS - 1
        if day != self._day:
            self._day = day
            self._queue = deque(a.id for a in scene.registry.appliances if len(_probes(a, scene)) > 1)
            with self._store.transaction() as db:
                db.execute("DELETE FROM sibling_day WHERE day < ?", (day - DAYS_KEPT,))
                Defrosted(self._store).forget(scene.now_ms)
        if self._queue:
            appliance = scene.registry.appliance_by_id.get(self._queue.popleft())
            if appliance is not None:
                self._take_day(appliance, scene)
            if not self._queue:
                self._record.close()

    def _take_day(self, appliance: Appliance, scene: Scene) -> None:
        probes = _probes(appliance, scene)
        sql = "SELECT 1 FROM sibling_day WHERE sensor = ? AND day = ?"
        if self._store.db.execute(sql, (probes[0].id, self._day)).fetchone() is None:
            means = [(p.id, self._day, *self._mean(p)) for p in probes]
            with self._store.transaction() as db:
                db.executemany("INSERT OR REPLACE INTO sibling_day VALUES (?,?,?,?)", means)
        found: dict[str, tuple[int, str]] = {}
        from_day = max(_changes(appliance, probes), default=0) // DAY_MS + 1
        for other in probes[1:]:
            drift = self._drift(probes[0], other, from_day)
            if drift is not None:
                words = f"{drift / 1000:+.1f} K from {probes[0].id}"
                found[other.id] = (self._day * DAY_MS, words)
        self._stands("drift", found, scene, among={p.id for p in probes})

    def _mean(self, probe: Sensor) -> tuple[int, int]:
        rows = self._record(probe.id, self._day * DAY_MS, (self._day + 1) * DAY_MS)
        values = rows["value"][rows["value"] != NO_VALUE]
        return (round(float(values.mean())) if len(values) else 0), len(values)

    def _drift(self, one: Sensor, other: Sensor, from_day: int) -> int | None:
        rows = self._store.db.execute(
            "SELECT b.mean - a.mean FROM sibling_day a JOIN sibling_day b ON a.day = b.day"
            " WHERE a.sensor = ? AND b.sensor = ? AND a.day >= ? AND a.n >= ? AND b.n >= ? ORDER BY a.day",
            (one.id, other.id, from_day, FEWEST, FEWEST),
        ).fetchall()
        if len(rows) < BASE_DAYS + RECENT_DAYS:
            return None
        return drift_of(np.array([row[0] for row in rows], np.int64))

    # --- what stands

    def _stands(self, kind: str, found: Found, scene: Scene, among: set[str] | None = None) -> None:
        """Open what is new, end what is gone (of `among`, if given). Writes only where something changed."""
        rows = self._store.db.execute(
            "SELECT subject FROM upkeep WHERE kind = ? AND ended_ms IS NULL", (kind,)
        ).fetchall()
        open_ = {str(row[0]) for row in rows}
        gone = {s for s in open_ - set(found) if among is None or s in among}
        new = set(found) - open_
        if not gone and not new:
            return
        with self._store.transaction() as db:
            for subject in sorted(gone):
                db.execute(
                    "UPDATE upkeep SET ended_ms = ? WHERE kind = ? AND subject = ? AND ended_ms IS NULL",
                    (scene.now_ms, kind, subject),
                )
            for subject in sorted(new):
                since_ms, words = found[subject]
                db.execute(
                    "INSERT OR REPLACE INTO upkeep VALUES (?,?,?,?,NULL)", (kind, subject, since_ms, words)
                )


def defrosts(state: EngineState, scene: Scene) -> dict[str, Found]:
    """`defrost` (none came for 2.2 usual intervals) and `defrost_long`, of templates seen often."""
    hot = state.insight["defrost"]["hot"]
    at = state.table["at"][: len(hot)]
    missing: dict[str, tuple[int, str]] = {}
    late = np.flatnonzero(at / 1000.0 - hot["due"]["began"] > hot["due"]["within"])
    overlong: dict[str, tuple[int, str]] = {}
    bumps = np.flatnonzero(hot["standing"])
    which = np.union1d(late, bumps)
    known = template(state.insight["defrost"][which])
    for row, series in zip(known, which.tolist(), strict=True):
        name = scene.names.get(series, "")
        if not name or row["seen"] < ESTABLISHED:
            continue
        began_s, every_s = float(row["began"]), float(row["every"])
        if series in late:
            since_ms = round(1000 * (began_s + float(hot["due"]["within"][series])))
            missing[name] = (since_ms, f"none for {at[series] / 3.6e6 - began_s / 3600:.0f} h")
        since = int(hot["since"][series])
        age_s = (int(at[series]) - since) / 1000.0
        due = since / 1000.0 - began_s >= EARLY * every_s
        if hot["standing"][series] and due and age_s > TOO_LONG * float(row["lasts"]):
            overlong[name] = (since, f"lasts {age_s / 60:.0f} min, usually {row['lasts'] / 60:.0f}")
    return {"defrost": missing, "defrost_long": overlong}


def _probes(appliance: Appliance, scene: Scene) -> list[Sensor]:
    """Its temperature probes, the first by name the one that the others are set against."""
    mine = scene.registry.sensors_of.get(appliance.id, ())
    return sorted((s for s in mine if s.code is Quantity.TEMPERATURE), key=lambda s: s.id)


def _changes(appliance: Appliance, probes: list[Sensor]) -> list[int]:
    """Since when it is another matter: what it carries, a probe's calibration [ms]."""
    carried = [assignment.from_ms for assignment in appliance.assignments]
    return carried + [offset.from_ms for probe in probes for offset in probe.offsets]
