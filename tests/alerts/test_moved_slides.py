# SPDX-License-Identifier: Apache-2.0
"""The clock of moved blood counts one day back and slides; what the blood has had stays in the record."""

from pathlib import Path

import numpy as np
from book_kit import FRIDGE, HOUR, MINUTE, START, Shop

from alerts.bookkeeping.moved import Clocks
from coldchain.kernel.readings import JOURNALLED
from coldchain.records.alarms import AlarmsReader, Moved


class Warm:
    """FRIDGE was at 9 °C for 40 minutes before START, and at 4 °C else."""

    def __call__(self, sensor: str, start_ms: int, end_ms: int) -> np.ndarray:
        at = np.arange(-(-start_ms // MINUTE) * MINUTE, end_ms, MINUTE)
        rows = np.zeros(len(at), JOURNALLED)
        warm = (at >= START - 40 * MINUTE) & (at < START)
        rows["at_ms"], rows["value"] = at, np.where(warm, 9000, 4000)
        return rows

    def close(self) -> None:
        """Nothing is open."""


def moved(shop: Shop) -> Moved:
    (row,) = AlarmsReader(shop.store_path).moved()
    return row


def test_a_clock_that_slides_says_since_when_and_keeps_its_most(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    with shop.store.transaction() as db:
        db.execute(
            "INSERT INTO moved (alarm, source, target, person, at_ms) VALUES ('a', ?, 'vte-br-07', 'noy', ?)",
            (FRIDGE, START),
        )
    clocks = Clocks(shop.store, shop.book, Warm())  # type: ignore[arg-type]

    def after(minutes: int) -> Moved:
        shop.now_ms = START + minutes * MINUTE
        assert clocks.look(shop.scene)
        return moved(shop)

    first = after(2)
    assert 39 * MINUTE < first.out_ms < 42 * MINUTE, "it was used up at the source"
    assert first.exposure is not None
    assert (first.slid, first.within_ms, first.worst_ms) == (False, None, first.out_ms)
    day = 24 * 60
    half = after(day - 30)
    assert half.slid
    assert (half.within_ms, half.worst_ms) == (shop.now_ms, first.out_ms)
    later = after(day - 5)
    assert later.out_ms < half.out_ms < 30 * MINUTE
    assert (later.within_ms, later.worst_ms) == (half.within_ms, first.out_ms), "first seen, and the most"
    ended = after(day + 1)
    assert (ended.ended_ms, ended.out_ms) == (shop.now_ms, 0)
    assert (ended.slid, ended.within_ms, ended.worst_ms) == (True, half.within_ms, first.out_ms)


def test_a_clock_of_an_older_record_was_used_up_at_least() -> None:
    row = Moved(1, "a", "br-3", "br-4", "noy", 0, 0, 0, 30 * MINUTE, HOUR, "exposure", None)
    assert (row.slid, row.worst_ms) == (True, 30 * MINUTE)
