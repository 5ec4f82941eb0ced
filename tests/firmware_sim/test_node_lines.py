# SPDX-License-Identifier: Apache-2.0
"""Conversations of real nodes over real pseudo-terminals."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial
from listener import Listener

from firmware_sim.firmware.fleet_runner import FleetConfig, FleetRunner, steady_now
from firmware_sim.firmware.frames import Resend, SentReport
from firmware_sim.firmware.ledger import ACKED, MEASURED, read_ledger
from firmware_sim.firmware.sources import SyntheticSource, synthetic_value

START_MS = 1_700_000_000_000
SEED = 11


def until(true: Callable[[], bool], *, patience_s: float = 8.0) -> None:
    deadline_s = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline_s, "did not come to pass"
        time.sleep(0.01)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[FleetRunner]:
    """Two nodes of three sensors, 40 reports each, all measured within half a second."""
    source = SyntheticSource(6, seed=SEED, start_ms=START_MS, every_ms=10, per_node=3, limit=40)
    runner = FleetRunner(
        FleetConfig(tmp_path, boot=5, start_ms=START_MS), source, now_ms=steady_now(START_MS)
    )
    runner.start()
    yield runner
    runner.stop()


def test_every_report_arrives_and_is_acknowledged_once(runner: FleetRunner, tmp_path: Path) -> None:
    ears = [Listener(tmp_path / "lines" / name) for name in ("syn-000", "syn-001")]
    until(lambda: runner.snapshot().acked == 80)
    runner.stop()
    for ear in ears:
        ear.close()

    ledger = read_ledger(runner.ledger_path)
    assert len(ledger.of(MEASURED)) == len(ledger.of(ACKED)) == 240
    heard = {
        (one.node, one.report.boot, one.report.seq, r.channel, r.status, r.value, one.report.unix_ms)
        for ear in ears
        for one in ear.reports
        for r in one.report.readings
    }
    assert ledger.acked_readings() == heard
    assert (
        "syn-001", 5, 7, 2, 0, synthetic_value(SEED, "syn-001", 2, 7), START_MS + 75,
    ) in heard  # fmt: skip


def test_what_nobody_heard_is_sent_again_with_its_age(runner: FleetRunner, tmp_path: Path) -> None:
    """The first of each report is ignored; the second comes 2 s later and is older by that."""
    seen: dict[int, int] = {}

    def second_time(one: SentReport) -> bool:
        return seen.setdefault(one.report.seq, one.age_ms) != one.age_ms

    ear = Listener(tmp_path / "lines" / "syn-000", keeps=second_time)
    until(lambda: len(ear.reports) >= 40)
    ear.close()
    for one in ear.reports:
        assert 1_900 <= one.age_ms - seen[one.report.seq] < 4_000
    assert runner.snapshot().resent >= 40


def test_a_gateway_that_dies_finds_the_rest_when_it_returns(runner: FleetRunner, tmp_path: Path) -> None:
    port = tmp_path / "lines" / "syn-000"
    first = Listener(port, keeps=lambda one: one.report.seq < 10)
    until(lambda: len(first.reports) == 10 and runner.snapshot().measured == 80)
    first.close()
    second = Listener(port)
    until(lambda: len({one.report.seq for one in second.reports}) == 30)
    assert second.hellos[0].buffered == 30
    assert min(one.report.seq for one in second.reports) == 10
    second.close()


def test_a_pulled_cable_is_an_error_and_costs_nothing(runner: FleetRunner, tmp_path: Path) -> None:
    port = tmp_path / "lines" / "syn-001"
    first = Listener(port, keeps=lambda one: one.report.seq < 5)
    until(lambda: len(first.reports) >= 5)
    runner.unplug("syn-001")
    until(lambda: first.error is not None)
    assert not port.is_symlink()
    first.close()
    runner.plug("syn-001")
    until(port.exists)
    second = Listener(port)
    until(lambda: {one.report.seq for one in second.reports} >= set(range(5, 40)))
    second.close()


def test_bytes_that_were_sent_to_nobody_are_gone(runner: FleetRunner, tmp_path: Path) -> None:
    """No stale frame waits in the port: its age would be wrong by the time it is read."""
    port = tmp_path / "lines" / "syn-000"
    until(lambda: runner.snapshot().measured == 80)
    time.sleep(0.3)
    ear = Listener(port)
    until(lambda: len(ear.reports) >= 40)
    assert min(one.age_ms for one in ear.reports) > 250
    ear.close()


def test_what_a_dead_gateway_had_not_read_is_gone(runner: FleetRunner, tmp_path: Path) -> None:
    """It opened the port, read nothing and died: its successor finds an empty port, then fresh frames."""
    port = tmp_path / "lines" / "syn-000"
    dead = serial.Serial(str(port), exclusive=True)
    until(lambda: runner.snapshot().lines_open == 1 and runner.snapshot().measured == 80)
    time.sleep(0.3)
    assert dead.in_waiting > 1_000
    dead.close()
    until(lambda: runner.snapshot().lines_open == 0)
    next_one = os.open(port, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)  # pyserial would flush by itself
    with contextlib.suppress(BlockingIOError):
        assert os.read(next_one, 1) == b""
    os.close(next_one)


def test_a_cut_line_loses_bytes_and_nothing_else(runner: FleetRunner, tmp_path: Path) -> None:
    runner.lines["syn-000"].cut = True
    ear = Listener(tmp_path / "lines" / "syn-000")
    until(lambda: runner.snapshot().measured == 80)
    time.sleep(0.5)
    assert not ear.reports
    runner.lines["syn-000"].cut = False
    until(lambda: len({one.report.seq for one in ear.reports}) == 40)
    ear.close()


def test_noise_is_survived(runner: FleetRunner, tmp_path: Path) -> None:
    for line in runner.lines.values():
        line.byte_error_rate = 0.002  # about every sixth frame of 90 bytes
    ears = [Listener(tmp_path / "lines" / name) for name in runner.lines]
    until(lambda: runner.snapshot().acked == 80, patience_s=40)
    assert sum(ear.bytes_skipped for ear in ears) > 0, "the noise did not bite"
    runner.stop()
    for ear in ears:
        ear.close()
    heard = {
        (one.node, one.report.boot, one.report.seq, r.channel, r.status, r.value, one.report.unix_ms)
        for ear in ears
        for one in ear.reports
        for r in one.report.readings
    }
    assert heard == read_ledger(runner.ledger_path).acked_readings()


def test_a_resend_of_forgotten_reports_is_answered_with_lost(runner: FleetRunner, tmp_path: Path) -> None:
    ear = Listener(tmp_path / "lines" / "syn-000")
    until(lambda: runner.snapshot().acked == 40)
    ear.say(Resend("syn-000", 5, ((3, 4),)))
    until(lambda: bool(ear.lost))
    assert (ear.lost[0].low, ear.lost[0].high) == (3, 4)
    ear.close()
