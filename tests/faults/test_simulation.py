# SPDX-License-Identifier: Apache-2.0
"""Seeds of the simulated chain: whatever happens on the way, the same readings and the same excursions."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from simulation import Plan, Simulation, simulated, swarm

from gateway.spool import Spool

MEMORY = Path("/dev/shm")
SHORT = {"hours": 12, "gateways": 2, "nodes": 2}
LONG_SEEDS, LONG_S = 100, 300.0


def folder() -> Path:
    """A sync costs nothing in memory, and a crash of a process loses nothing there either."""
    return Path(tempfile.mkdtemp(prefix="coldchain-sim-", dir=MEMORY if MEMORY.is_dir() else None))


@cache
def undisturbed(hours: int, gateways: int, nodes: int) -> frozenset[tuple[str, str, int, int | None]]:
    """The excursions of a run in which nothing fails."""
    place = folder()
    try:
        with simulated(place / "sim", Plan(0, hours, gateways, nodes)) as sim:
            check(sim)
            return frozenset(sim.excursions())
    finally:
        shutil.rmtree(place)


def check(sim: Simulation) -> None:
    kept = sim.recorded()
    told = {(*name, *what) for name, what in sim.told.items()}
    assert len(told) == sim.measured, "everything is acknowledged in the end"
    assert told - set(kept) == set(), "acknowledged to a node, and not recorded as it was measured"
    assert set(kept) - told == set(), "recorded, and never measured so"
    assert [name for name, times in kept.items() if times > 1] == [], "recorded twice"
    assert sim.journal.counters.get("dead_lettered", 0) == 0


def one(seed: int, **words: int) -> tuple[int, Counter[str]]:
    """Run a seed; returns (readings, what struck)."""
    plan, place = swarm(seed, **words), folder()
    try:
        with simulated(place / "sim", plan) as sim:
            check(sim)
            assert sim.excursions() == undisturbed(plan.hours, plan.gateways, plan.nodes), plan
            return sim.measured, sim.struck
    finally:
        shutil.rmtree(place)


def test_without_faults_there_are_excursions_to_find() -> None:
    found = undisturbed(**SHORT)
    assert len(found) >= 4
    assert {kind for _, kind, _, _ in found} >= {"high", "high_warning"}


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_seed(seed: int) -> None:
    _, struck = one(seed, **SHORT)
    assert struck.total() > 0


def test_a_planted_fault_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receipt taken for one reading more than it says."""
    true = Spool.receipt
    monkeypatch.setattr(
        Spool, "receipt", lambda self, pairs, gaps: true(self, [(low, high + 1) for low, high in pairs], gaps)
    )
    place = folder()
    plan = Plan(1, faults={"lose": 0.2, "delay": 0.2, "partition": 0.05}, **SHORT)
    try:
        with (
            pytest.raises(AssertionError, match=r"not recorded|does not drain"),
            simulated(place / "sim", plan) as sim,
        ):
            check(sim)
    finally:
        shutil.rmtree(place)


@pytest.mark.soak
@pytest.mark.timeout(1_200)
def test_many_seeds() -> None:
    began_s, readings, struck = time.monotonic(), 0, Counter[str]()
    seeds = 0
    while seeds < LONG_SEEDS and time.monotonic() - began_s < LONG_S:
        seeds += 1
        n, kinds = one(1_000 + seeds, hours=48, gateways=3, nodes=4)
        readings += n
        struck += kinds
    print(
        f"\n{seeds} seeds in {time.monotonic() - began_s:.0f} s: {readings} readings, {struck.total()} faults"
    )
    print(", ".join(f"{name} {n}" for name, n in sorted(struck.items())))
