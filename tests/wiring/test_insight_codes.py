# SPDX-License-Identifier: Apache-2.0
"""Figures of how a device ran leave out what is no temperature: the codes of a probe that does not answer."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from console_seed import HOUR, MINUTE, NOW_MS, Seed, registry

from coldchain.records.duty import Pace
from coldchain.wiring.insight import RecordInsight

COLD, SPAN = "vte-br-000", (NOW_MS - 6 * HOUR, NOW_MS + MINUTE)


@pytest.mark.parametrize("code", [-127_000, 85_000])
def test_codes_of_a_probe_are_no_part_of_the_mean(tmp_path: Path, code: int) -> None:
    seed = Seed(tmp_path, registry(2))
    seed.history(hours=5)
    for one in range(30):
        seed.report(f"{COLD}/load", code, NOW_MS - 30 * MINUTE + one * MINUTE + 30_000)
    seed.close()
    found = RecordInsight(seed.settings, lambda: NOW_MS).figures(COLD, [SPAN])[0]
    assert found.mean_c == pytest.approx(4.0, abs=0.2), "a freezer is not at -47 because its probe is broken"


def test_only_codes_are_not_known(tmp_path: Path) -> None:
    seed = Seed(tmp_path, registry(2))
    for one in range(30):
        seed.report(f"{COLD}/load", -127_000, NOW_MS - 30 * MINUTE + one * MINUTE)
    seed.close()
    assert not RecordInsight(seed.settings, lambda: NOW_MS).figures(COLD, [SPAN])[0].known


def test_hours_that_remain_with_a_code_in_them_are_left_out(tmp_path: Path) -> None:
    seed = Seed(tmp_path, registry(2))
    seed.report(f"{COLD}/load", 4_000, NOW_MS - 400 * HOUR)
    seed.close()
    with closing(sqlite3.connect(seed.settings.readings_db)) as db, db:
        (series,) = db.execute("SELECT id FROM series WHERE sensor = ?", (f"{COLD}/load",)).fetchone()
        for hour, (low, high, total) in enumerate([(3_900, 4_100, 8_000), (-127_000, 4_100, -122_900)]):
            db.execute(
                "INSERT INTO hourly VALUES (?,?,2,?,?,?,0,0,0)",
                (series, NOW_MS - (300 - hour) * HOUR, low, high, total),
            )
    span = (NOW_MS - 310 * HOUR, NOW_MS - 290 * HOUR)
    found = RecordInsight(seed.settings, lambda: NOW_MS).figures(COLD, [span])[0]
    assert (found.mean_c, found.known_ms) == (4.0, HOUR)


def test_readings_that_were_due_less_often_then_are_known_all_the_time(tmp_path: Path) -> None:
    """A month of every ten minutes is whole, although the node sends every minute since."""
    plain = registry(1)
    sensors = tuple(
        one.model_copy(update={"paces": (Pace(until_ms=NOW_MS, every_s=600),)}) for one in plain.sensors
    )
    seed = Seed(tmp_path, plain.model_copy(update={"sensors": sensors}))
    for at_ms in range(NOW_MS - 6 * HOUR, NOW_MS, 10 * MINUTE):
        seed.report(f"{COLD}/load", 4_000, at_ms)
    seed.close()
    found = RecordInsight(seed.settings, lambda: NOW_MS).figures(COLD, [(NOW_MS - 6 * HOUR, NOW_MS)])[0]
    assert found.known_ms == 6 * HOUR - 10 * MINUTE
