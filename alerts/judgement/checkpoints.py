# SPDX-License-Identifier: Apache-2.0
"""What is known of each series about once a day of its own time: from there its past can be judged again.

A checkpoint holds the series' records as they stood after all its readings up to `at_ms`. It depends on the
record and the rules alone, so it stays true whatever became of the process that wrote it, until a reading at
or before `at_ms` comes.

To judge again from an instant is to run through everything since. So the further back, the wider apart
checkpoints may lie: a day while younger than eight, and no more than a quarter of their age before that. That
is 8 of them, and 4 for each doubling of the age.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass

import numpy as np

from alerts.insight import observe
from alerts.judgement.state import STATE, EngineState, Rows
from alerts.rules.flat import Bools, Ints
from alerts.rules.limits import NEVER
from alerts.store import AlarmStore

DAY_MS = 86_400_000
DAYS, OLDEST_DAYS = 8, 730
"""So many days are kept one by one; what is older than the second number is not kept."""
SPREAD = 40_503
"""Days begin at another time for each series, or all would be written at midnight [a part of 2^16]."""
MOST_AT_ONCE = 2_000
"""Of one transaction: some 100 ms."""

LAYOUT = hashlib.sha256(repr((STATE.descr, observe.STATE.descr)).encode()).hexdigest()[:8]
"""Records of another layout cannot be read."""


def day_of(series: Ints, at: Ints) -> Ints:
    """(N,) number of the day of each instant, on its series' own calendar."""
    phase = ((series * SPREAD) & 0xFFFF) * DAY_MS >> 16
    return (at - phase) // DAY_MS


def starts_ms(series: int, day: int) -> int:
    """When that day of the series begins."""
    return day * DAY_MS + (((series * SPREAD) & 0xFFFF) * DAY_MS >> 16)


def is_kept(days: Ints, newest: Ints | int) -> Bools:
    """(N,) is a checkpoint of that day worth keeping, when the newest day is that? What is dropped is never
    wanted again later.
    """
    age = newest - days
    apart = np.ones(len(days), np.int64)
    for doubling in range(OLDEST_DAYS.bit_length()):
        apart[age > DAYS << doubling] = 2 << doubling
    return np.asarray((days % apart == 0) & (age <= OLDEST_DAYS))


@dataclass(frozen=True, slots=True)
class Start:
    """Where judging may begin: one series' records after all its readings up to `at_ms`.

    digest  of the rules under which they were made
    """

    at_ms: int
    rows: Rows
    digest: str


class Checkpoints:
    """The table `checkpoint` of alarms.db. All that writes does so inside the caller's transaction."""

    def __init__(self, store: AlarmStore) -> None:
        self._db = store.db
        self._db.execute("DELETE FROM checkpoint WHERE layout <> ?", (LAYOUT,))
        known = self._db.execute("SELECT series, max(day) FROM checkpoint GROUP BY series").fetchall()
        self._newest = np.full(max((series for series, _ in known), default=-1) + 1, NEVER, np.int64)
        for series, day in known:
            self._newest[series] = day

    def before(self, series: int, at_ms: int) -> Start | None:
        """The newest one of that series that knows only readings before `at_ms`."""
        row = self._db.execute(
            "SELECT at_ms, rules_digest, records FROM checkpoint WHERE series = ? AND at_ms < ?"
            " ORDER BY at_ms DESC LIMIT 1",
            (series, at_ms),
        ).fetchone()
        return Start(row[0], _unpacked(row[2]), row[1]) if row else None

    def take(self, state: EngineState, digest: str) -> int:
        """Keep the records of series that have come to another day; how many."""
        n = len(state.table)
        table = state.table
        self._newest = _grown(self._newest, n)
        series = np.arange(n)
        today = np.where(table["at"] == NEVER, NEVER, day_of(series, table["at"]))
        fresh = (self._newest[:n] == NEVER) & (today != NEVER)
        self._newest[:n][fresh] = today[fresh]  # its first day is not over
        due = np.flatnonzero((today > self._newest[:n]) & (table["late_from"] == NEVER))[:MOST_AT_ONCE]
        for number in due.tolist():
            self.put(number, int(today[number]), state.rows(number), digest)
        return len(due)

    def put(self, series: int, day: int, rows: Rows, digest: str) -> None:
        """The records of one series as they stood when that day began, or a little later."""
        self._newest = _grown(self._newest, series + 1)
        self._newest[series] = newest = max(int(self._newest[series]), day)
        self._db.execute(
            "INSERT OR REPLACE INTO checkpoint VALUES (?,?,?,?,?,?)",
            (series, day, int(rows.table["at"][0]), LAYOUT, digest, _packed(rows)),
        )
        if day == newest:
            self._thin(series, newest)

    def _thin(self, series: int, newest: int) -> None:
        found = self._db.execute("SELECT day FROM checkpoint WHERE series = ?", (series,)).fetchall()
        days = np.array([day for (day,) in found], np.int64)
        gone = days[~is_kept(days, newest)].tolist()
        self._db.executemany(
            "DELETE FROM checkpoint WHERE series = ? AND day = ?", [(series, day) for day in gone]
        )

    def forget_from(self, series: int, at_ms: int) -> None:
        """A reading of that instant was not known to those."""
        self._db.execute("DELETE FROM checkpoint WHERE series = ? AND at_ms >= ?", (series, at_ms))

    def forget_all(self) -> None:
        """The record is another."""
        self._db.execute("DELETE FROM checkpoint")
        self._newest[:] = NEVER


def _grown(newest: Ints, n: int) -> Ints:
    if n <= len(newest):
        return newest
    return np.concatenate([newest, np.full(n - len(newest), NEVER, np.int64)])


def _packed(rows: Rows) -> bytes:
    return zlib.compress(rows.table.tobytes() + rows.insight.tobytes(), 6)


def _unpacked(blob: bytes) -> Rows:
    raw = zlib.decompress(blob)
    table = np.frombuffer(raw, STATE, 1).copy()
    return Rows(table, np.frombuffer(raw, observe.STATE, 1, STATE.itemsize).copy())
