# SPDX-License-Identifier: Apache-2.0
"""A short soak in the ordinary run, and proof that its checker sees what it is there for."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from soak.__main__ import report
from soak.check import Verdict, check_readings
from soak.faults import schedule
from soak.parts import Wish
from soak.run import Result, Soak

SEED = 3


@pytest.fixture(scope="module")
def soaked(tmp_path_factory) -> tuple[Soak, Result]:
    wish = Wish(
        tmp_path_factory.mktemp("soak"),
        SEED,
        8.0,
        nodes=5,
        per_node=10,
        backfill_s=320.0,
        fault_every_s=0.5,
        heal_s=0.0,
    )
    soak = Soak(wish, print)
    return soak, soak.run()


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_a_short_soak_keeps_the_promises(soaked) -> None:
    _, result = soaked
    print(report(result, SEED))
    assert result.sound, report(result, SEED)
    assert result.faults.total() >= 10
    assert result.verdict.alarms == len(result.verdict.latency_s) > 0


PLANTED = {
    "lost": "DELETE FROM log WHERE position = (SELECT max(position) FROM log)",
    "doubled": (
        "INSERT INTO log SELECT position + 1000000, arrived_ms, link, n, first_ms, last_ms, rows FROM log"
        " ORDER BY position DESC LIMIT 1"
    ),
}


@pytest.mark.timeout(300)
@pytest.mark.slow
@pytest.mark.parametrize("what", ["lost", "doubled"])
def test_the_checker_sees_a_planted_row(soaked, tmp_path: Path, what: str) -> None:
    soak, _ = soaked
    settings = soak.demo.settings
    with sqlite3.connect(settings.readings_db) as whole, sqlite3.connect(tmp_path / "readings.db") as copy:
        whole.backup(copy)
        copy.execute(PLANTED[what])
    verdict = Verdict()
    check_readings(verdict, settings.model_copy(update={"data_dir": tmp_path}), soak.plan.ledger)
    assert getattr(verdict, what) > 0


def test_the_same_seed_strikes_the_same_way() -> None:
    nodes = ["a", "b"]
    assert list(schedule(7, 60, nodes, 1.0)) == list(schedule(7, 60, nodes, 1.0))
    assert list(schedule(7, 60, nodes, 1.0)) != list(schedule(8, 60, nodes, 1.0))
