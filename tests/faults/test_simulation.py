# SPDX-License-Identifier: Apache-2.0
"""Seeds of the simulated chain: whatever strikes, nothing is lost, doubled, altered, missed or untold."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from sim.plan import Plan, swarm
from sim.seeds import run_plan, run_seed
from sim.simulation import simulated
from sim.verdict import Verdict, judge

from coldchain.records import sql
from coldchain.records.reserve import Reserve
from gateway.spool import Spool
from ingest.known import Known
from ingest.service import IngestService

SHORT: dict[str, int] = {"hours": 8, "gateways": 2, "nodes": 2}


def bad(verdict: Verdict) -> dict[str, int]:
    return {name: getattr(verdict, name) for name in Verdict.BAD if getattr(verdict, name)}


def test_without_faults_the_truth_is_found() -> None:
    verdict, struck = run_plan(Plan(0, 8, 2, 2))
    assert struck.total() == 0
    assert bad(verdict) == {}, verdict.told
    assert verdict.excursions >= 3
    assert verdict.messages >= 3
    assert max(verdict.latency_ms) <= 10_000
    assert max(verdict.watchdog_ms) <= 120_000


FULL = Plan(3, 5, 3, 1, channels=3, faults={"hub disk full": 0.04, "partition": 0.08})


def test_silence_is_told_while_the_disk_is_full() -> None:
    """By the room that is kept for alarms: each gateway that falls silent meanwhile, within 120 s."""
    verdict, struck = run_plan(FULL)
    assert bad(verdict) == {}, verdict.told
    assert struck["hub disk full"] >= 1
    assert verdict.watchdog_ms
    assert max(verdict.watchdog_ms) <= 120_000


def test_without_that_room_it_is_seen_to_come_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reserve, "let_go", lambda _: None)
    verdict, _ = run_plan(FULL)
    assert max(verdict.watchdog_ms) > 600_000


@pytest.mark.parametrize("seed", range(1, 3))
def test_a_seed(seed: int) -> None:
    verdict, struck = run_plan(swarm(seed, **SHORT))
    assert bad(verdict) == {}, verdict.told
    assert struck.total() > 0


def test_a_seed_is_the_same_run_again() -> None:
    brief = {**SHORT, "hours": 3}
    first, second, other = (run_seed((seed, brief)).verdict for seed in (7, 7, 8))
    assert first["digest"] == second["digest"]
    assert first["latency_ms"] == second["latency_ms"]
    assert first["digest"] != other["digest"]


STORM = {"lose": 0.1, "delay": 0.1, "ingest dies": 0.2, "gateway dies": 0.2, "partition": 0.02}
CUTS = {"gateway power loss": 0.3, "hub power loss": 0.1}


def caught(faults: dict[str, float], folder: Path) -> set[str]:
    """What is wrong after a run, in words."""
    try:
        with simulated(folder, Plan(3, 5, 2, 2, faults=faults)) as sim:
            return set(bad(judge(sim)))
    except AssertionError as broke:
        return {str(broke)}


def test_a_receipt_taken_for_more_than_it_says_is_seen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    true = Spool.receipt
    monkeypatch.setattr(
        Spool, "receipt", lambda self, pairs, gaps: true(self, [(low, high + 1) for low, high in pairs], gaps)
    )
    late = {"lose": 0.3, "delay": 0.2, "partition": 0.05}
    assert caught(late, tmp_path) & {"lost", "it does not drain"}


def test_an_acknowledgement_before_the_commit_is_seen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The spool forgets what it has sent, as if the broker's word were enough."""
    true = Spool.read

    def read(self: Spool, pairs: list[tuple[int, int]]) -> object:
        found = true(self, pairs)
        self.receipt(pairs, [])
        return found

    monkeypatch.setattr(Spool, "read", read)
    assert caught(STORM, tmp_path) >= {"lost"}


def test_a_commit_without_a_sync_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only losing power shows it: killing processes does not."""
    true = sql.open_writer

    def unsynced(*args, **words):
        db = true(*args, **words)
        db.execute("PRAGMA synchronous=OFF")
        return db

    for module in ("gateway.spool", "ingest.journal"):
        monkeypatch.setattr(f"{module}.open_writer", unsynced)
    assert caught(STORM, tmp_path / "killed") == set()
    assert caught(CUTS, tmp_path / "cut") & {"lost", "unsent", "it does not drain"}


def test_readings_that_are_not_recognised_are_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ingest forgets what it has recorded before."""
    monkeypatch.setattr(Known, "mark", lambda self, runs: None)
    assert caught({"double": 0.3, "delay": 0.2}, tmp_path) >= {"doubled"}


def test_an_acknowledgement_to_the_broker_alone_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ingest lets go of groups that it has not recorded: gateways wait for its receipt."""
    true, dice = IngestService.commit, random.Random(1)

    def commit(self: IngestService, group: list) -> None:
        if dice.random() < 0.05:
            for item in group:
                self._acknowledge(item)
            return
        true(self, group)

    monkeypatch.setattr(IngestService, "commit", commit)
    assert caught({}, tmp_path) == set()
