# SPDX-License-Identifier: Apache-2.0
"""Retention: raw readings go after their time and leave hourly figures behind; those go after theirs.

Runs at most once an hour, in short steps between commits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import structlog

from coldchain.kernel.readings import Rows
from coldchain.kernel.words import NO_VALUE
from coldchain.records import chunks
from coldchain.records.registry import Registry
from coldchain.records.sql import transaction
from ingest.journal import SqliteJournal
from ingest.rollups import Rolled, roll, rule_for

log = structlog.get_logger()

HOUR_MS = 3_600_000
CHUNKS_A_STEP = 16
JUMP_MS = 31 * 24 * HOUR_MS
"""A clock that is this far ahead of the last run is doubted: what retention takes, nothing brings back."""
DOUBTED_RUNS = 7 * 24
"""So many hourly runs, a week, it must go on saying so before it is believed."""


class Retention:
    """keep_raw_ms, keep_hourly_ms: how long readings (by their instants and by their arrival) and
    hourly figures stay [ms].
    """

    def __init__(self, journal: SqliteJournal, keep_raw_ms: int, keep_hourly_ms: int, window_ms: int) -> None:
        self._journal, self._db = journal, journal.db
        self._keep_raw_ms, self._keep_hourly_ms, self._window_ms = keep_raw_ms, keep_hourly_ms, window_ms
        self._last_ms = self._doubts = 0

    def steps(self, now_ms: int, registry: Registry) -> Iterator[None]:
        """Let go what is older than its time. A chunk goes whole, once its newest reading is old enough."""
        if 0 <= now_ms - self._last_ms < HOUR_MS:
            return
        self._last_ms = now_ms
        if not self._believed(now_ms):
            return
        horizon = now_ms - self._keep_raw_ms
        names = self._db.execute("SELECT id, sensor FROM series").fetchall()
        for series, sensor in names:
            after: int | None = -(2**62)
            while after is not None:
                after = self._expire(series, sensor, after, horizon, registry)
                yield
        with transaction(self._db) as db:
            db.execute("DELETE FROM hourly WHERE start_ms < ?", (now_ms - self._keep_hourly_ms,))
        yield

    def _believed(self, now_ms: int) -> bool:
        """A dead clock battery or a wrong time server must not cost two years of readings."""
        row = self._db.execute("SELECT position FROM cursor WHERE consumer = 'retention'").fetchone()
        if row is not None and now_ms - row[0] > JUMP_MS and self._doubts < DOUBTED_RUNS:
            self._doubts += 1
            log.warning("retention.clock_doubted", ahead_days=(now_ms - row[0]) // (24 * HOUR_MS))
            return False
        self._doubts = 0
        with transaction(self._db):
            self._journal.set_cursor("retention", now_ms)
        return True

    def _expire(
        self, series: int, sensor: str, after_ms: int, horizon_ms: int, registry: Registry
    ) -> int | None:
        """Let go of some chunks that begin after `after_ms`; the last one looked at, None when there is none.

        Old instants alone are not enough: a record of years ago may have come only yesterday.
        """
        found = self._db.execute(
            "SELECT id, start_ms, data FROM chunk WHERE series = ? AND start_ms > ? AND start_ms < ?"
            " AND last_ms < ? ORDER BY start_ms LIMIT ?",
            (series, after_ms, horizon_ms, horizon_ms, CHUNKS_A_STEP),
        ).fetchall()
        if not found:
            return None
        parts = [(number, chunks.decode(data, series)) for number, _, data in found]
        old = [(number, rows) for number, rows in parts if int(rows["arrived_ms"].max()) < horizon_ms]
        if old:
            self._let_go(series, sensor, old, registry)
        return int(found[-1][1])

    def _let_go(self, series: int, sensor: str, old: list[tuple[int, Rows]], registry: Registry) -> None:
        carried = self._carried(series)
        hours: list[Rolled] = []
        for _, rows in old:  # chunk by chunk: years may lie between two of them
            at, value = rows["at_ms"].copy(), rows["value"].astype(np.int64)
            first, last = int(at[0]) // HOUR_MS * HOUR_MS, int(at[-1]) // HOUR_MS * HOUR_MS + HOUR_MS
            newest = int(at[-1]), int(value[-1])
            if carried is not None and carried[0] <= at[0]:
                at, value = np.insert(at, 0, carried[0]), np.insert(value, 0, carried[1])
            hours += roll(at, value, first, last, HOUR_MS, rule_for(registry, sensor, first, last)).rows()
            carried = newest
        with transaction(self._db) as db:
            for hour in hours:
                self._keep_hour(series, hour)
            db.executemany("DELETE FROM chunk WHERE id = ?", [(number,) for number, _ in old])
            self._journal.set_cursor(f"expired-{series}", 0, json.dumps(carried))

    def _carried(self, series: int) -> tuple[int, int] | None:
        """(instant, value) of the newest reading that an earlier step let go."""
        row = self._db.execute(
            "SELECT detail FROM cursor WHERE consumer = ?", (f"expired-{series}",)
        ).fetchone()
        if row is None:
            return None
        at, value = json.loads(row[0])
        return at, value

    def _keep_hour(self, series: int, row: Rolled) -> None:
        """Add to what an earlier step, or readings that came very late, left for the same hour."""
        if not row.n:
            return
        self._db.execute(
            "INSERT INTO hourly VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT (series, start_ms) DO UPDATE SET"
            " n = n + excluded.n, vmin = coalesce(min(vmin, excluded.vmin), vmin, excluded.vmin),"
            " vmax = coalesce(max(vmax, excluded.vmax), vmax, excluded.vmax), vsum = vsum + excluded.vsum,"
            " below_s = min(3600, below_s + excluded.below_s),"
            " above_s = min(3600, above_s + excluded.above_s),"
            " unknown_s = max(0, unknown_s + excluded.unknown_s - 3600)",
            (series, row.start_ms, row.n, _none(row.vmin), _none(row.vmax), row.vsum, *row.seconds()),
        )


def _none(value: int) -> int | None:
    return None if value == NO_VALUE else value
