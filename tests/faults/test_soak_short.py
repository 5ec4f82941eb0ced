# SPDX-License-Identifier: Apache-2.0
"""A short soak in the ordinary run, and proof that its checker sees what it is there for."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from soak.__main__ import report
from soak.check import Verdict, check_audit, check_readings, covered_ms
from soak.faults import schedule
from soak.parts import Wish
from soak.projected import Projected, _compare
from soak.run import Result, Soak
from soak.strike import Hang, Span

from coldchain.wiring.broker import find_program

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
        influx=all(find_program(name) for name in ("influxd", "nginx")),
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


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_the_checker_sees_an_altered_audit_trail(soaked, tmp_path: Path) -> None:
    soak, _ = soaked
    settings = soak.demo.settings
    for name in ("alarms.db", "desk.db"):
        with sqlite3.connect(settings.data_dir / name) as whole, sqlite3.connect(tmp_path / name) as copy:
            whole.backup(copy)
    copied, verdict = settings.model_copy(update={"data_dir": tmp_path}), Verdict()
    check_audit(verdict, copied)
    assert verdict.audit == []
    with sqlite3.connect(tmp_path / "alarms.db") as copy:
        copy.execute("UPDATE alarm SET raised_ms = raised_ms + 1 WHERE number = 1")
    check_audit(verdict, copied)
    assert len(verdict.audit) == 1


def test_the_checker_sees_what_is_wrong_in_influxdb() -> None:
    ours = {(1, 1): 4.0, (2, 2): 5.0, (3, 3): 6.0}
    found = Projected()
    _compare(found, ours, [((1, 1), 4.0), ((2, 2), 5.5), ((2, 2), 5.5), ((9, 9), 1.0)])
    assert (found.missing, found.doubled, found.altered, found.invented) == (1, 1, 1, 1)
    assert not found.sound
    assert Projected().sound


def test_what_hangs_and_is_not_found_is_no_success(soaked) -> None:
    _, result = soaked
    for found_s in (float("nan"), 121.0):
        assert not replace(result, hangs=[Hang("ingest", 0, found_s)]).sound
    assert not replace(result, projected=Projected(missing=1)).sound


def test_the_time_that_faults_take_is_counted_once() -> None:
    spans = [Span(50, 80), Span(10, 30), Span(20, 40), Span(95, 200)]
    assert covered_ms(spans, 0, 100) == 30 + 30 + 5
    assert covered_ms(spans, 25, 60) == 15 + 10
    assert covered_ms([], 0, 100) == 0


def test_the_same_seed_strikes_the_same_way() -> None:
    nodes = ["a", "b"]
    assert list(schedule(7, 60, nodes, 1.0)) == list(schedule(7, 60, nodes, 1.0))
    assert list(schedule(7, 60, nodes, 1.0)) != list(schedule(8, 60, nodes, 1.0))
