# SPDX-License-Identifier: Apache-2.0
"""Sealing: rows of the log become chunks, one per series and window, in steps short enough to stand
between commits.

A run takes the log up to one position. Series by series the rows are merged into chunks (prepared outside any
transaction, for nobody else writes chunks), then written together with the series' `sealed` position. A
reader takes a series' rows up to there from its chunks and the later ones from the log, so each step is
whole by itself and a crash between two steps only means that the rest is done again by the next run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from itertools import pairwise

import numpy as np

from coldchain.kernel.readings import Rows
from coldchain.records import chunks
from coldchain.records.chunks import Chunk
from coldchain.records.rows import unpack_rows
from coldchain.records.sql import transaction
from ingest.journal import SqliteJournal

RUN_ROWS_MAX = 100_000
"""Rows of one run, held decoded (6 MB)."""
STEP_S = 0.015
"""A step is ended after this [s]; what it had begun may take as long again."""
WRITE_CHUNKS = 16
"""Chunks of one transaction, at least; those of one series go together."""
LOAD_BATCHES = 100
REMOVE_BATCHES = 200


@dataclass(frozen=True, slots=True)
class Windows:
    """window_ms: one chunk per series and window. after_ms: sealed this long after its end."""

    window_ms: int = 6 * 3_600_000
    after_ms: int = 30 * 60_000


class Sealer:
    """Yields between steps of work; ends when there is nothing to do now."""

    def __init__(
        self,
        journal: SqliteJournal,
        windows: Windows,
        *,
        steady_s: Callable[[], float] = time.monotonic,
        run_rows: int = RUN_ROWS_MAX,
    ) -> None:
        self._journal, self._db = journal, journal.db
        self._windows, self._steady_s, self._run_rows = windows, steady_s, run_rows

    def due(self, now_ms: int) -> bool:
        """Does a window that ended long enough ago still lie in the log, or more rows than a run takes?"""
        window = self._windows.window_ms
        ended = (now_ms - self._windows.after_ms) // window * window
        oldest = self._db.execute(
            "SELECT arrived_ms FROM log WHERE position > ? ORDER BY position LIMIT 1", (self.sealed(),)
        ).fetchone()
        if oldest is None:
            return False
        return oldest[0] < ended or self._unsealed() > self._run_rows

    def sealed(self) -> int:
        """Every row up to this position lies in a chunk."""
        row = self._db.execute("SELECT position FROM cursor WHERE consumer = 'sealed'").fetchone()
        return int(row[0]) if row else 0

    def _unsealed(self) -> int:
        (n,) = self._db.execute(
            "SELECT coalesce(sum(n), 0) FROM log WHERE position > ?", (self.sealed(),)
        ).fetchone()
        return int(n)

    def steps(self, now_ms: int) -> Iterator[None]:
        """Seal everything committed so far, if a run is due."""
        if not self.due(now_ms):
            return
        target = self._journal.position
        while (done := self.sealed()) < target:
            yield from self._run(done, target)

    def _run(self, after: int, target: int) -> Iterator[None]:
        parts: list[tuple[int, Rows]] = []
        n = 0
        position = after
        while position < target and n < self._run_rows:
            found = self._db.execute(
                "SELECT position, rows FROM log WHERE position > ? AND position <= ?"
                " ORDER BY position LIMIT ?",
                (position, target, LOAD_BATCHES),
            ).fetchall()
            if not found:
                position = target
                break
            for at, blob in found:
                parts.append((at, unpack_rows(blob)))
                n += len(parts[-1][1])
                position = at
                if n >= self._run_rows:
                    break
            yield
        yield from self._seal(parts, position)

    def _seal(self, parts: list[tuple[int, Rows]], position: int) -> Iterator[None]:
        if parts:
            rows = np.concatenate([part for _, part in parts])
            at = np.repeat([place for place, _ in parts], [len(part) for _, part in parts])
            order = np.argsort(rows["series"], kind="stable")
            rows, at = rows[order], at[order]
            starts = np.flatnonzero(np.diff(rows["series"], prepend=-1))
            bounds = [*starts.tolist(), len(rows)]
            yield
            written: list[tuple[int, list[Chunk]]] = []
            began = self._steady_s()
            for low, high in pairwise(bounds):
                series = int(rows["series"][low])
                mine = rows[low:high][at[low:high] > self._sealed_of(series)]
                ready: list[Chunk] = []
                for start_ms, group in _by_window(mine, self._windows.window_ms):
                    ready.append(self._merged(series, start_ms, group))
                    if self._steady_s() - began > STEP_S:
                        yield
                        began = self._steady_s()
                written.append((series, ready))
                if sum(len(chunk) for _, chunk in written) >= WRITE_CHUNKS:
                    self._write(written, position)
                    written = []
                    yield
                    began = self._steady_s()
            self._write(written, position)
        with transaction(self._db):
            self._journal.set_cursor("sealed", position)
        yield

    def _sealed_of(self, series: int) -> int:
        return int(self._db.execute("SELECT sealed FROM series WHERE id = ?", (series,)).fetchone()[0])

    def _merged(self, series: int, start_ms: int, rows: Rows) -> Chunk:
        found = self._db.execute(
            "SELECT data FROM chunk WHERE series = ? AND start_ms = ?", (series, start_ms)
        ).fetchone()
        if found:
            rows = np.concatenate([chunks.decode(found[0], series), rows])
        return chunks.make_chunk(series, start_ms, rows)

    def _write(self, written: list[tuple[int, list[Chunk]]], position: int) -> None:
        with transaction(self._db) as db:
            for series, ready in written:
                db.executemany(
                    "INSERT INTO chunk"
                    " (series, start_ms, n, valid, first_ms, last_ms, vmin, vmax, vsum, data)"
                    " VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT (series, start_ms) DO UPDATE SET"
                    " n = excluded.n, valid = excluded.valid, first_ms = excluded.first_ms,"
                    " last_ms = excluded.last_ms, vmin = excluded.vmin, vmax = excluded.vmax,"
                    " vsum = excluded.vsum, data = excluded.data",
                    [astuple(chunk) for chunk in ready],
                )
                db.execute("UPDATE series SET sealed = ? WHERE id = ?", (position, series))

    def remove(self, consumed: int) -> Iterator[None]:
        """Take batches out of the log that are sealed and that every consumer has passed (`consumed`)."""
        upto = min(self.sealed(), consumed)
        (oldest,) = self._db.execute("SELECT min(position) FROM log").fetchone()
        if oldest is None or oldest > upto:
            return
        self._journal.checkpoint()  # `seen` and `latest` must not need what goes now
        while oldest <= upto:
            oldest = min(oldest + REMOVE_BATCHES, upto + 1)
            with transaction(self._db) as db:
                db.execute("DELETE FROM log WHERE position < ?", (oldest,))
            yield


def _by_window(rows: Rows, window_ms: int) -> Iterator[tuple[int, Rows]]:
    """(start of the window, its rows): windows are whole multiples of their length since 1970."""
    if not len(rows):
        return
    start = rows["at_ms"] // window_ms * window_ms
    for one in np.unique(start).tolist():
        yield one, rows[start == one]
