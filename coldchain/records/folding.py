# SPDX-License-Identifier: Apache-2.0
"""Readings, whole chunks and hourly figures folded into equal spans: the lowest, the highest, how many.

No I/O but the question for hours.
"""

from __future__ import annotations

import sqlite3

import numpy as np
import numpy.typing as npt

from coldchain.kernel.words import NO_VALUE

Longs = npt.NDArray[np.int64]
MinMax = tuple[Longs, Longs, Longs, Longs]
"""start_ms, vmin, vmax, n of each bucket; vmin and vmax are NO_VALUE where nothing valid was read."""

HOUR_MS = 3_600_000


class Fold:
    """Folds values and whole chunks into equal buckets of start_ms <= at < end_ms."""

    def __init__(self, start_ms: int, end_ms: int, buckets: int) -> None:
        self.start_ms, self.end_ms = start_ms, end_ms
        self._edges = start_ms + (end_ms - start_ms) * np.arange(buckets, dtype=np.int64) // buckets
        self._low = np.full(buckets, 2**62, np.int64)
        self._high = np.full(buckets, -(2**62), np.int64)
        self._n = np.zeros(buckets, np.int64)

    def _bucket(self, at: Longs) -> Longs:
        return np.searchsorted(self._edges, at, side="right") - 1

    def wholes(
        self, valid: Longs, first: Longs, last: Longs, vmin: Longs, vmax: Longs
    ) -> npt.NDArray[np.bool_]:
        """Take the chunks that lie in one bucket; True for each that was taken."""
        bucket = self._bucket(first)
        whole: npt.NDArray[np.bool_] = (
            (first >= self.start_ms) & (last < self.end_ms) & (bucket == self._bucket(last))
        )
        self._take(bucket[whole], vmin[whole], vmax[whole], valid[whole])
        return whole

    def hours(self, start: Longs, n: Longs, vmin: Longs, vmax: Longs) -> None:
        """Hours of which only figures remain. One that reaches into the next bucket counts in both: that a
        peak shows is worth more than where its hour ends.
        """
        first = np.maximum(self._bucket(start), 0)
        last = self._bucket(np.minimum(start + HOUR_MS, self.end_ms) - 1)
        self._take(first, vmin, vmax, n)
        both = last > first
        self._take(last[both], vmin[both], vmax[both], n[both])

    def values(self, at: Longs, value: Longs) -> None:
        inside = (at >= self.start_ms) & (at < self.end_ms) & (value != NO_VALUE)
        at, value = at[inside], value[inside]
        self._take(self._bucket(at), value, value, np.ones(len(at), np.int64))

    def _take(self, bucket: Longs, low: Longs, high: Longs, n: Longs) -> None:
        np.minimum.at(self._low, bucket, low)
        np.maximum.at(self._high, bucket, high)
        np.add.at(self._n, bucket, n)

    def answer(self) -> MinMax:
        none = self._n == 0
        self._low[none] = self._high[none] = NO_VALUE
        return self._edges, self._low, self._high, self._n


def fold_hours(db: sqlite3.Connection, series: int, fold: Fold) -> None:
    """What remains of readings whose time is up."""
    found = db.execute(
        "SELECT start_ms, n, vmin, vmax FROM hourly WHERE series = ? AND start_ms > ? AND start_ms < ?"
        " AND vmin IS NOT NULL",
        (series, fold.start_ms - HOUR_MS, fold.end_ms),
    ).fetchall()
    if found:
        start, n, vmin, vmax = np.array(found, np.int64).T
        fold.hours(start, n, vmin, vmax)
