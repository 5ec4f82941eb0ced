# SPDX-License-Identifier: Apache-2.0
"""What the record holds under an identity that came again: first what is fresh in memory, then the file."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from coldchain.kernel.readings import Rows
from coldchain.records import chunks
from coldchain.records.rows import unpack_rows
from ingest.known import Bools, Known, Longs

RECENT_ROWS_MAX = 20_000
"""Redeliveries are nearly always of what just came: so many rows are kept at hand."""
NEAR_MS = 3_600_000
"""The same report may be dated a little differently by another gateway: looked for at its own instant first,
then this far, then everywhere.
"""
EVER_MS = 2**61

Identity = tuple[int, int, int]


class Recaller:
    """An `admission.Recall` over `readings.db`, from its writer's own connection."""

    def __init__(self, db: sqlite3.Connection, known: Known) -> None:
        self._db, self._known = db, known
        self._recent: deque[Rows] = deque()
        self._n = 0

    def remember(self, rows: Rows) -> None:
        """These were just put into the log, or among those that wait."""
        self._recent.append(rows)
        self._n += len(rows)
        while self._n > RECENT_ROWS_MAX and len(self._recent) > 1:
            self._n -= len(self._recent.popleft())

    def __call__(self, asked: Rows) -> tuple[Bools, npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
        """(found, value, status) of each asked row."""
        names = _names(asked)
        wanted = set(names)
        held: dict[Identity, tuple[int, int]] = {}
        for rows in self._places(asked, wanted):
            _look(rows, wanted, held)
            if not wanted:
                break
        found = np.array([name in held for name in names], np.bool_)
        pairs = [held.get(name, (0, 0)) for name in names]
        value = np.array([pair[0] for pair in pairs], np.int32)
        status = np.array([pair[1] for pair in pairs], np.uint8)
        return found, value, status

    def _places(self, asked: Rows, wanted: set[Identity]) -> Iterator[Rows]:
        """Where to look, the likeliest first; whatever is not asked for any more is not read."""
        yield from reversed(self._recent)
        yield from self._waiting(wanted)
        first, last = int(asked["at_ms"].min()), int(asked["at_ms"].max())
        for slack_ms in (0, NEAR_MS, EVER_MS):
            yield from self._log(first - slack_ms, last + slack_ms)
            yield from self._chunks(asked, wanted, slack_ms)

    def _waiting(self, wanted: set[Identity]) -> Iterator[Rows]:
        """Channel by channel, the newest first, until what is wanted of it is found: what came again came
        lately, and an unknown node may have waited for weeks.
        """
        by_channel: dict[tuple[int, int], set[Identity]] = {}
        for name in wanted:
            by_channel.setdefault((name[0], name[2]), set()).add(name)
        for (source, channel), mine in by_channel.items():
            found = self._db.execute(
                "SELECT id FROM waiting WHERE node = ? AND channel = ? ORDER BY id DESC",
                (self._known.node_of[source], channel),
            )
            for (number,) in found.fetchall():
                if mine.isdisjoint(wanted):
                    break
                (blob,) = self._db.execute("SELECT rows FROM waiting WHERE id = ?", (number,)).fetchone()
                yield unpack_rows(blob)

    def _log(self, first_ms: int, last_ms: int) -> Iterator[Rows]:
        found = self._db.execute(
            "SELECT rows FROM log WHERE last_ms >= ? AND first_ms <= ? ORDER BY position DESC",
            (first_ms, last_ms),
        )
        for (blob,) in found.fetchall():
            yield unpack_rows(blob)

    def _chunks(self, asked: Rows, wanted: set[Identity], slack_ms: int) -> Iterator[Rows]:
        """For each row that is still wanted the chunks of its series around its own instant."""
        places = zip(_names(asked), asked["series"].tolist(), asked["at_ms"].tolist(), strict=True)
        for name, series, at_ms in places:
            if name not in wanted:
                continue
            found = self._db.execute(
                "SELECT id FROM chunk WHERE series = ? AND start_ms <= ? AND last_ms >= ?"
                " ORDER BY start_ms DESC",
                (series, at_ms + slack_ms, at_ms - slack_ms),
            )
            for (number,) in found.fetchall():
                if name not in wanted:
                    break
                (data,) = self._db.execute("SELECT data FROM chunk WHERE id = ?", (number,)).fetchone()
                yield chunks.decode(data, series)


def _names(rows: Rows) -> list[Identity]:
    return list(zip(rows["source"].tolist(), rows["seq"].tolist(), rows["channel"].tolist(), strict=True))


def _look(rows: Rows, wanted: set[Identity], held: dict[Identity, tuple[int, int]]) -> None:
    keys = _report_keys(rows["source"], rows["seq"])
    keys_wanted = np.array([(source << 32) | seq for source, seq, _ in wanted], np.int64)
    hits = rows[np.isin(keys, keys_wanted)]
    for name, value, status in zip(
        _names(hits), hits["value"].tolist(), hits["status"].tolist(), strict=True
    ):
        if name in wanted:
            held[name] = (value, status)
            wanted.discard(name)


def _report_keys(source: npt.NDArray[np.uint32], seq: npt.NDArray[np.uint32]) -> Longs:
    return (source.astype(np.int64) << 32) | seq
