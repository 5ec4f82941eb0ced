# SPDX-License-Identifier: Apache-2.0
"""A past that came through no gateway, such as a demo's month: written by the journal's writer.

Readings go through the log, so that alerts can judge them as they pass, and lie in chunks at the end; or
straight into chunks where nobody is to judge them. They count as `seeded`, never as journalled: no gateway
accepted them. Nothing here is safe against a crash half-way: who begins a past anew removes what is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple

import numpy as np

from coldchain.kernel.readings import JOURNALLED, Rows
from coldchain.records.chunks import Chunk, make_chunk
from coldchain.records.sql import transaction
from ingest.journal import SqliteJournal

CHUNK_ROWS = 1_500
"""About so many readings of a series lie in one chunk."""
NO_LINK = 0


class History:
    """Over an open journal that nobody else writes. `readings`: put into chunks since the last `finish`."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal, self._db = journal, journal.db
        self.readings = 0

    def series(self, names: Iterable[tuple[str, int]]) -> list[int]:
        """The number of each (sensor, quantity); new ones get the next."""
        known = self._journal.known.series_of
        wanted = list(names)
        fresh = [name for name in dict.fromkeys(wanted) if name not in known]
        with transaction(self._db) as db:
            for name in fresh:
                known[name] = len(known) + 1
                db.execute("INSERT INTO series (id, sensor, quantity) VALUES (?,?,?)", (known[name], *name))
        return [known[name] for name in wanted]

    def source(self, node: str, boot: int = 0) -> int:
        """The number of that run: who reads a reading's provenance sees where it came from."""
        number = int(self._journal.known.sources([(node, boot)])[0])
        self._journal.checkpoint()
        return number

    def log(self, rows: Rows, arrived_ms: int) -> None:
        """One batch of the log, for alerts to read."""
        with transaction(self._db):
            self._journal.append(rows, arrived_ms, NO_LINK)
            self._journal._keep()  # noqa: SLF001 -- two halves of one writer

    def seal(self, rows: Iterable[Rows], *, commit: int = 400) -> None:
        """Rows of one series each, in order, into chunks."""
        ready: list[Chunk] = []
        for one in rows:
            ready += chunks_of(one)
            self._journal._since.parts.append(one[-1:])  # noqa: SLF001 -- of which `latest` is made
            if len(ready) >= commit:
                self._write(ready)
                ready = []
        self._write(ready)

    def _write(self, ready: list[Chunk]) -> None:
        with transaction(self._db) as db:
            db.executemany(
                "INSERT INTO chunk (series, start_ms, n, valid, first_ms, last_ms, vmin, vmax, vsum, data)"
                " VALUES (?,?,?,?,?,?,?,?,?,?)",
                [astuple(chunk) for chunk in ready],
            )
        self.readings += sum(chunk.n for chunk in ready)

    def finish(self) -> None:
        """All that went through the log lies in chunks now: it is emptied; counters tell the two apart."""
        self._journal.checkpoint()
        with transaction(self._db) as db:
            (logged,) = db.execute("SELECT coalesce(sum(n), 0) FROM log").fetchone()
            db.execute("UPDATE series SET sealed = ?", (self._journal.position,))
            db.execute("DELETE FROM log")
            self._journal.set_cursor("sealed", self._journal.position)
            for name, more in (("seeded", self.readings), ("journalled", -int(logged))):
                self._journal._count(name, more)  # noqa: SLF001
            self._journal._keep_counters()  # noqa: SLF001
        self.readings = 0


def chunks_of(rows: Rows) -> Iterator[Chunk]:
    """Rows of one series, in order, as chunks. A chunk's start is its first instant, not that of a window."""
    assert rows.dtype == JOURNALLED
    if not len(rows):
        return
    pieces = max(1, round(len(rows) / CHUNK_ROWS))
    for piece in np.array_split(rows, pieces):
        yield make_chunk(int(piece["series"][0]), int(piece["at_ms"][0]), piece)
