# SPDX-License-Identifier: Apache-2.0
"""Retention: raw readings go after their time and leave hourly figures behind; those go after theirs.

Runs at most once an hour, in short steps between commits.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from coldchain.kernel.words import NO_VALUE
from coldchain.records import chunks
from coldchain.records.registry import Registry
from coldchain.records.sql import transaction
from ingest.journal import SqliteJournal
from ingest.rollups import Rolled, roll, rule_for

HOUR_MS = 3_600_000
CHUNKS_A_STEP = 16


class Retention:
    """keep_raw_ms, keep_hourly_ms: how long readings and hourly figures stay, by their instants [ms]."""

    def __init__(self, journal: SqliteJournal, keep_raw_ms: int, keep_hourly_ms: int, window_ms: int) -> None:
        self._journal, self._db = journal, journal.db
        self._keep_raw_ms, self._keep_hourly_ms, self._window_ms = keep_raw_ms, keep_hourly_ms, window_ms
        self._last_ms = 0

    def steps(self, now_ms: int, registry: Registry) -> Iterator[None]:
        """Let go what is older than its time. A chunk goes whole, once its newest reading is old enough."""
        if now_ms - self._last_ms < HOUR_MS:
            return
        self._last_ms = now_ms
        horizon = now_ms - self._keep_raw_ms
        names = self._db.execute("SELECT id, sensor FROM series").fetchall()
        for series, sensor in names:
            while self._expire(series, sensor, horizon, registry):
                yield
        with transaction(self._db) as db:
            db.execute("DELETE FROM hourly WHERE start_ms < ?", (now_ms - self._keep_hourly_ms,))
        yield

    def _expire(self, series: int, sensor: str, horizon_ms: int, registry: Registry) -> bool:
        found = self._db.execute(
            "SELECT id, data FROM chunk WHERE series = ? AND start_ms < ? AND last_ms < ?"
            " ORDER BY start_ms LIMIT ?",
            (series, horizon_ms, horizon_ms, CHUNKS_A_STEP),
        ).fetchall()
        if not found:
            return False
        fronts = [chunks.decode_front(data) for _, data in found]
        at = np.concatenate([front[0] for front in fronts])
        value = np.concatenate([front[1] for front in fronts])
        order = np.argsort(at, kind="stable")
        at, value = at[order], value[order]
        carried = self._carried(series, int(at[0]))
        first, last = int(at[0]) // HOUR_MS * HOUR_MS, int(at[-1]) // HOUR_MS * HOUR_MS + HOUR_MS
        if carried is not None:
            at, value = np.insert(at, 0, carried[0]), np.insert(value, 0, carried[1])
        rolled = roll(at, value, first, last, HOUR_MS, rule_for(registry, sensor, first, last))
        with transaction(self._db) as db:
            for row in rolled.rows():
                self._keep_hour(series, row)
            db.executemany("DELETE FROM chunk WHERE id = ?", [(number,) for number, _ in found])
            detail = f"[{int(at[-1])},{int(value[-1])}]"
            self._journal.set_cursor(f"expired-{series}", 0, detail)
        return True

    def _carried(self, series: int, before_ms: int) -> tuple[int, int] | None:
        """The reading before the oldest chunk, which went with an earlier step."""
        row = self._db.execute(
            "SELECT detail FROM cursor WHERE consumer = ?", (f"expired-{series}",)
        ).fetchone()
        if row is None:
            return None
        at, value = (int(word) for word in row[0].strip("[]").split(","))
        return (at, value) if at <= before_ms else None

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
