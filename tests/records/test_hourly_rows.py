# SPDX-License-Identifier: Apache-2.0
"""What remains of readings whose time is up is read wherever lowest and highest are asked for."""

from pathlib import Path

import numpy as np

from coldchain.kernel.readings import JOURNALLED, Rows
from coldchain.kernel.words import NO_VALUE
from coldchain.records.folding import HOUR_MS, Fold
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Registry
from ingest.history import History
from ingest.journal import SqliteJournal
from ingest.retention import Retention

DAY = 24 * HOUR_MS
START = 19_000 * DAY
DAYS = 40
PEAK_AT = START + 3 * DAY + 5 * HOUR_MS + 123_000


def readings(number: int) -> Rows:
    """Five-minute readings between 3.5 and 4.5 °C, and one of 17.5 °C."""
    at = np.arange(START, START + DAYS * DAY, 300_000, dtype=np.int64)
    rows = np.zeros(len(at) + 1, JOURNALLED)
    rows["series"], rows["source"] = number, 1
    rows["at_ms"] = np.append(at, PEAK_AT)
    rows["value"] = np.append(4000 + np.round(500 * np.sin(at / HOUR_MS)), 17_500)
    rows = rows[np.argsort(rows["at_ms"])]
    rows["seq"] = np.arange(len(rows))
    rows["gateway_ms"] = rows["arrived_ms"] = rows["at_ms"]
    return rows


def expired(folder: Path, *, keep_days: int) -> JournalReader:
    """A record whose readings older than so many days are hourly figures now."""
    journal = SqliteJournal(folder / "readings.db")
    history = History(journal)
    (number,) = history.series([("a/load", 1)])
    history.seal([readings(number)])
    history.finish()
    for _ in Retention(journal, keep_days * DAY, 10_000 * DAY, DAY).steps(START + DAYS * DAY, Registry()):
        pass
    journal.close()
    return JournalReader(folder / "readings.db")


def test_a_peak_of_which_only_its_hour_remains_shows_in_every_step(tmp_path: Path) -> None:
    reader = expired(tmp_path, keep_days=20)
    assert reader.latest()["a/load"].at_ms == START + DAYS * DAY - 300_000
    whole, old = START, START + 10 * DAY
    assert len(reader.readings("a/load", whole, old)) == 0, "their time is up"
    for buckets in (1, 7, 40, 400):
        _, low, high, n = reader.min_max("a/load", START, START + DAYS * DAY, buckets)
        assert high.max() == 17_500
        assert low[low != NO_VALUE].min() < 3_520
        assert (n > 0).all(), "hours, then chunks: no hole between them"
        same = reader.min_max_many(["a/load"], START, START + DAYS * DAY, buckets)["a/load"]
        assert np.array_equal(same[2], high)


def test_an_hour_across_an_edge_counts_on_both_sides_and_none_outside() -> None:
    fold = Fold(START, START + 3 * HOUR_MS, 2)
    one = np.array([1], np.int64)
    fold.hours(np.array([START + HOUR_MS], np.int64), one, one * 10, one * 20)
    assert fold.answer()[2].tolist() == [20, 20]
    fold = Fold(START, START + 2 * HOUR_MS, 2)
    fold.hours(np.array([START - HOUR_MS // 2], np.int64), one, one * 10, one * 20)
    assert fold.answer()[2].tolist() == [20, NO_VALUE]
