# SPDX-License-Identifier: Apache-2.0
"""Reading `readings.db`: the log of batches, the sealed chunks, and what is known beside them.

A series' rows up to its `sealed` position lie in its chunks, the later ones in the log. Each answer comes
from one short read transaction, so that no reading is seen twice or missed while ingest seals.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from coldchain.kernel.readings import JOURNALLED, Rows, empty
from coldchain.kernel.words import Flag
from coldchain.ports.journal import JournalView
from coldchain.records import chunks
from coldchain.records.folding import Fold, MinMax, fold_hours
from coldchain.records.readings_schema import READINGS_MIGRATIONS
from coldchain.records.rows import unpack_rows
from coldchain.records.sql import open_reader

Longs = npt.NDArray[np.int64]

PIECE_BATCHES = 500
"""So many batches of the log are decoded at once where all of it is read."""
TAIL_ROWS_MAX = 400_000
"""So many rows of the log are kept decoded (24 MB); a longer log is read anew for each question."""


@dataclass(frozen=True, slots=True)
class LogBatch:
    """One batch of the log; `rows` is of `JOURNALLED`, in the order the gateway sent them."""

    position: int
    arrived_ms: int
    rows: Rows


@dataclass(frozen=True, slots=True)
class Latest:
    """A sensor's newest reading in event time; value in thousandths, NO_VALUE when it failed."""

    at_ms: int
    value: int
    status: int
    flags: int
    arrived_ms: int


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """A gateway's last word about itself, as it sent it (JSON)."""

    gateway: str
    arrived_ms: int
    status: str


class JournalReader(JournalView):
    """`readings.db` for all who do not write it. One thread at a time; make one for each thread.

    Raises StoreUnavailable when the file is not there yet.
    """

    def __init__(self, path: Path) -> None:
        self._db = open_reader(path, len(READINGS_MIGRATIONS))
        self._tail = _Tail()

    def close(self) -> None:
        self._db.close()

    # --- the log, for those who follow it

    def last_position(self) -> int:
        """The newest committed position; 0 before the first."""
        row = self._db.execute("SELECT value FROM counter WHERE name = 'position'").fetchone()
        return int(row[0]) if row else 0

    def first_position(self) -> int:
        """The oldest position still in the log (last + 1 when it is empty): older ones lie in chunks only."""
        row = self._db.execute("SELECT min(position) FROM log").fetchone()
        return int(row[0]) if row[0] is not None else self.last_position() + 1

    def batches_after(self, position: int, limit: int) -> list[LogBatch]:
        """Up to `limit` batches after `position`, in order. Positions have no holes within the log."""
        found = self._db.execute(
            "SELECT position, arrived_ms, rows FROM log WHERE position > ? ORDER BY position LIMIT ?",
            (position, limit),
        ).fetchall()
        return [LogBatch(at, arrived_ms, unpack_rows(blob)) for at, arrived_ms, blob in found]

    def guard_reports_after(self, number: int) -> list[tuple[int, str, str]]:
        """(number, gateway, JSON) of what guards reported, in the order of their coming."""
        sql = "SELECT id, gateway, body FROM guard_report WHERE id > ? ORDER BY id LIMIT 500"
        return list(self._db.execute(sql, (number,)).fetchall())

    # --- readings

    def series(self) -> dict[int, tuple[str, int]]:
        """Number of each series -> (sensor, quantity)."""
        found = self._db.execute("SELECT id, sensor, quantity FROM series")
        return {number: (sensor, quantity) for number, sensor, quantity in found}

    def sources(self) -> dict[int, tuple[str, int]]:
        """Number of each source -> (node, boot)."""
        found = self._db.execute("SELECT id, node, boot FROM source")
        return {number: (node, boot) for number, node, boot in found}

    def latest(self) -> dict[str, Latest]:
        """Every sensor's newest reading. One from the future counts as of its arrival."""
        with _glance(self._db) as db:
            names = self.series()
            found = {
                row[0]: Latest(*row[1:])
                for row in db.execute("SELECT series, at_ms, value, status, flags, arrived_ms FROM latest")
            }
            at = db.execute("SELECT position FROM cursor WHERE consumer = 'state'").fetchone()
            behind = db.execute(
                "SELECT rows FROM log WHERE position > ? ORDER BY position", (at[0] if at else 0,)
            )
            for (blob,) in behind.fetchall():
                merge_latest(found, unpack_rows(blob))
        return {names[number][0]: newest for number, newest in found.items()}

    def readings(self, sensor: str, start_ms: int, end_ms: int) -> Rows:
        """Every reading of the sensor with start_ms <= at_ms < end_ms, by at_ms, source, seq."""
        with _glance(self._db) as db:
            parts = []
            for series, sealed in _series_of(db, sensor):
                found = db.execute(
                    "SELECT data FROM chunk WHERE series = ? AND start_ms < ? AND last_ms >= ?"
                    " AND first_ms < ? ORDER BY start_ms",
                    (series, end_ms, start_ms, end_ms),
                ).fetchall()
                parts += [chunks.decode(data, series) for (data,) in found]
                parts.append(self._tail.rows(db, series, sealed, start_ms, end_ms))
        if not parts:
            return empty(JOURNALLED)
        rows = np.concatenate(parts)
        inside = (rows["at_ms"] >= start_ms) & (rows["at_ms"] < end_ms)
        return chunks.in_order(rows[inside])

    def min_max(self, sensor: str, start_ms: int, end_ms: int, buckets: int) -> MinMax:
        """The lowest and highest value and the count of valid readings in each of `buckets` equal spans.

        A bucket that covers a chunk takes the chunk's own figures without decoding it.
        """
        assert buckets > 0
        assert end_ms > start_ms
        fold = Fold(start_ms, end_ms, buckets)
        with _glance(self._db) as db:
            for series, sealed in _series_of(db, sensor):
                self._fold_chunks(db, series, fold)
                fold_hours(db, series, fold)
                rows = self._tail.rows(db, series, sealed, start_ms, end_ms)
                fold.values(rows["at_ms"], rows["value"].astype(np.int64))
        return fold.answer()

    def min_max_many(
        self, sensors: Iterable[str], start_ms: int, end_ms: int, buckets: int
    ) -> dict[str, MinMax]:
        """`min_max` of each of the sensors that ever reported, reading the log once for all of them.

        Many short reads, the log before the chunks: what is sealed meanwhile is seen twice, never missed. So
        lowest and highest are exact, and n only tells whether there was a valid reading.
        """
        wanted = set(sensors)
        found = self._db.execute("SELECT id, sensor FROM series").fetchall()
        fold_of = {number: Fold(start_ms, end_ms, buckets) for number, sensor in found if sensor in wanted}
        mine = np.array(sorted(fold_of), np.uint32)
        for rows in _pieces(self._db, start_ms, end_ms):
            rest = rows[np.isin(rows["series"], mine)]
            rest = rest[np.argsort(rest["series"], kind="stable")]
            for part in np.split(rest, np.flatnonzero(np.diff(rest["series"])) + 1):
                if len(part):
                    fold = fold_of[int(part["series"][0])]
                    fold.values(part["at_ms"], part["value"].astype(np.int64))
        for number, fold in fold_of.items():
            with _glance(self._db) as db:
                self._fold_chunks(db, number, fold)
                fold_hours(db, number, fold)
        return {sensor: fold_of[number].answer() for number, sensor in found if number in fold_of}

    def _fold_chunks(self, db: sqlite3.Connection, series: int, fold: Fold) -> None:
        found = db.execute(
            "SELECT id, valid, first_ms, last_ms, vmin, vmax FROM chunk WHERE series = ? AND start_ms < ?"
            " AND last_ms >= ? AND first_ms < ? AND valid > 0",
            (series, fold.end_ms, fold.start_ms, fold.end_ms),
        ).fetchall()
        if not found:
            return
        table = np.array(found, np.int64)
        whole = fold.wholes(*(table[:, column] for column in range(1, 6)))
        parts = []
        for number in table[~whole, 0].tolist():
            (data,) = db.execute("SELECT data FROM chunk WHERE id = ?", (number,)).fetchone()
            parts.append(chunks.decode_front(data))
        if parts:
            fold.values(
                np.concatenate([at for at, _ in parts]), np.concatenate([value for _, value in parts])
            )

    def hourly_mean(
        self, sensor: str, start_ms: int, end_ms: int, between: tuple[int, int]
    ) -> tuple[float, int]:
        """(mean in thousandths, hours) of what remains of readings whose time is up; no hours: nothing.

        between  only hours whose lowest and highest lie between these [thousandths]
        """
        total, n, hours = self._db.execute(
            "SELECT coalesce(sum(h.vsum), 0), coalesce(sum(h.n), 0), count(*) FROM hourly h"
            " JOIN series s ON s.id = h.series WHERE s.sensor = ? AND h.start_ms >= ? AND h.start_ms < ?"
            " AND h.vmin > ? AND h.vmax < ?",
            (sensor, start_ms, end_ms, *between),
        ).fetchone()
        return (total / n, hours) if n else (0.0, 0)

    def first_ms(self) -> int | None:
        """The earliest that chunks, hourly figures or the log hold [ms]; None: nothing."""
        (first,) = self._db.execute(
            "SELECT min(at) FROM ("
            " SELECT (SELECT min(c.start_ms) FROM chunk c WHERE c.series = s.id) AS at FROM series s"
            " UNION ALL SELECT (SELECT min(h.start_ms) FROM hourly h WHERE h.series = s.id) FROM series s"
            " UNION ALL SELECT min(first_ms) FROM log WHERE first_ms > 0)"
        ).fetchone()
        return None if first is None else int(first)

    # --- what is known beside the readings

    def counters(self) -> dict[str, int]:
        """position, journalled, seeded, waiting, readmitted, dead_lettered, duplicates, refused_payloads."""
        return dict(self._db.execute("SELECT name, value FROM counter").fetchall())

    def cursor(self, consumer: str) -> tuple[int, dict[str, Any]]:
        """How far a duty of ingest has come, and its own notes; (0, {}) before it began."""
        row = self._db.execute(
            "SELECT position, detail FROM cursor WHERE consumer = ?", (consumer,)
        ).fetchone()
        return (int(row[0]), json.loads(row[1])) if row else (0, {})

    def gateways(self) -> list[GatewayStatus]:
        """Each gateway's last status."""
        found = self._db.execute("SELECT gateway, arrived_ms, status FROM gateway_status ORDER BY gateway")
        return [GatewayStatus(*row) for row in found]

    def waiting(self) -> list[tuple[str, int, int, int]]:
        """(node, channel, quantity, readings) of every channel that waits for its sensor to be adopted."""
        return self._db.execute(
            "SELECT node, channel, quantity, sum(n) FROM waiting GROUP BY node, channel, quantity"
        ).fetchall()


@contextmanager
def _glance(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One consistent view, given up at once."""
    db.execute("BEGIN")
    try:
        yield db
    finally:
        db.execute("COMMIT")


def _series_of(db: sqlite3.Connection, sensor: str) -> Sequence[tuple[int, int]]:
    return db.execute("SELECT id, sealed FROM series WHERE sensor = ?", (sensor,)).fetchall()


def merge_latest(known: dict[int, Latest], rows: Rows) -> None:
    """Put the newest row of each series into `known`. Of equal instants the later row stands."""
    if not len(rows):
        return
    when = effective_ms(rows)
    order = np.lexsort((np.arange(len(rows)), when, rows["series"]))
    series = rows["series"][order]
    lasts = order[np.append(series[1:] != series[:-1], True)]
    for row, at in zip(rows[lasts].tolist(), when[lasts].tolist(), strict=True):
        number, _, _, _, status, _, flags, value, at_ms, _, _, _, arrived_ms = row
        before = known.get(number)
        if before is None or at >= (before.arrived_ms if before.flags & Flag.FUTURE else before.at_ms):
            known[number] = Latest(at_ms, value, status, flags, arrived_ms)


def effective_ms(rows: Rows) -> Longs:
    """When each reading counts as measured: its instant; its arrival when the instant lay in the future."""
    ahead = (rows["flags"] & int(Flag.FUTURE)) != 0
    return np.where(ahead, rows["arrived_ms"], rows["at_ms"])


class _Tail:
    """The unsealed end of the log, decoded once and kept while it is short enough."""

    def __init__(self) -> None:
        self._rows: Rows = empty(JOURNALLED)
        self._positions: Longs = np.zeros(0, np.int64)
        self._last = 0

    def rows(self, db: sqlite3.Connection, series: int, sealed: int, start_ms: int, end_ms: int) -> Rows:
        """The series' rows after position `sealed`, from start_ms to before end_ms, in the order of the
        log.
        """
        floor = db.execute("SELECT position FROM cursor WHERE consumer = 'sealed'").fetchone()
        floor = floor[0] if floor else 0
        after = max(floor, self._last)
        (n,) = db.execute("SELECT coalesce(sum(n), 0) FROM log WHERE position > ?", (after,)).fetchone()
        if len(self._rows) + n > TAIL_ROWS_MAX:
            rows, positions = _load(db, max(floor, sealed), start_ms, end_ms)
        else:
            self._catch_up(db, floor)
            rows, positions = self._rows, self._positions
        at = rows["at_ms"]
        mine = (rows["series"] == series) & (positions > sealed) & (at >= start_ms) & (at < end_ms)
        found: Rows = rows[mine]
        return found

    def _catch_up(self, db: sqlite3.Connection, floor: int) -> None:
        if len(self._positions) and self._positions[0] <= floor:
            keep = self._positions > floor
            self._rows, self._positions = self._rows[keep], self._positions[keep]
        rows, positions = _load(db, max(floor, self._last))
        if len(rows):
            self._rows = np.concatenate([self._rows, rows])
            self._positions = np.concatenate([self._positions, positions])
            self._last = int(positions[-1])


def _load(
    db: sqlite3.Connection, after: int, start_ms: int = -(2**63), end_ms: int = 2**63 - 1
) -> tuple[Rows, Longs]:
    found = db.execute(
        "SELECT position, rows FROM log WHERE position > ? AND last_ms >= ? AND first_ms < ?"
        " ORDER BY position",
        (after, start_ms, end_ms),
    ).fetchall()
    parts = [unpack_rows(blob) for _, blob in found]
    if not parts:
        return empty(JOURNALLED), np.zeros(0, np.int64)
    lengths = [len(part) for part in parts]
    return np.concatenate(parts), np.repeat(np.array([at for at, _ in found], np.int64), lengths)


def _pieces(db: sqlite3.Connection, start_ms: int, end_ms: int) -> Iterator[Rows]:
    """The log's rows of that time, so many batches at once, each piece one short read."""
    position = 0
    while True:
        found = db.execute(
            "SELECT position, rows FROM log WHERE position > ? AND last_ms >= ? AND first_ms < ?"
            " ORDER BY position LIMIT ?",
            (position, start_ms, end_ms, PIECE_BATCHES),
        ).fetchall()
        if not found:
            return
        position = found[-1][0]
        yield np.concatenate([unpack_rows(blob) for _, blob in found])
