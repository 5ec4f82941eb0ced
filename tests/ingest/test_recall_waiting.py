# SPDX-License-Identifier: Apache-2.0
"""A long list of waiting readings makes no redelivery slow: one unknown node must not hold up all others."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from coldchain.kernel.link import Batch
from coldchain.kernel.readings import SPOOLED
from coldchain.records import chunks
from coldchain.records.registry import Registry, Sensor
from ingest import recall
from ingest.journal import SqliteJournal
from ingest.sealing import Sealer, Windows

CHANNELS = 5
WAITED = 300
T0 = 1_700_000_000_000


def batch(number: int, *, value: int = 4_000) -> Batch:
    """One report of an unknown node: its channels at one instant."""
    rows = np.zeros(CHANNELS, SPOOLED)
    rows["channel"], rows["quantity"], rows["seq"] = np.arange(CHANNELS), 1, number
    rows["at_ms"] = rows["gateway_ms"] = T0 + 1_000 * number
    rows["value"] = value
    low = CHANNELS * number + 1
    return Batch("gw", "e", [(low, low + CHANNELS - 1)], [("stranger", 1)], rows)


def counted(monkeypatch: pytest.MonkeyPatch, place: ModuleType, name: str) -> list[int]:
    """One entry for each call of that function from now on."""
    calls: list[int] = []
    true = getattr(place, name)

    def call(*args: object) -> object:
        calls.append(1)
        return true(*args)

    monkeypatch.setattr(place, name, call)
    return calls


@pytest.mark.parametrize("reopened", [False, True])
def test_a_redelivery_reads_little_of_what_waits(tmp_path: Path, monkeypatch, reopened: bool) -> None:
    journal = SqliteJournal(tmp_path / "readings.db")
    for number in range(WAITED):
        journal.record([batch(number)], T0 + 1_000 * number)
    if reopened:
        journal.close()
        journal = SqliteJournal(tmp_path / "readings.db")
    decoded = counted(monkeypatch, recall, "unpack_rows")

    (receipt,) = journal.record([batch(WAITED - 1)], T0)

    assert receipt is not None
    assert receipt.recorded == batch(WAITED - 1).ranges
    assert journal.counters["duplicates"] == CHANNELS
    assert journal.counters["waiting"] == WAITED * CHANNELS
    assert len(decoded) <= CHANNELS, "the newest of each channel, not all that ever waited"


def test_an_old_one_of_those_that_wait_is_still_found(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "readings.db")
    for number in range(WAITED):
        journal.record([batch(number)], T0)
    journal.close()
    journal = SqliteJournal(tmp_path / "readings.db")

    (same,) = journal.record([batch(0)], T0)
    other = batch(1, value=9_000)
    conflicting = Batch("gw", "e2", other.ranges, other.nodes, other.rows)
    (refused,) = journal.record([conflicting], T0)

    assert same is not None
    assert same.recorded == batch(0).ranges
    assert refused is not None
    assert refused.dead == other.ranges, "another value under the same name"


def test_a_redelivery_of_what_is_sealed_opens_one_chunk_a_reading(tmp_path: Path, monkeypatch) -> None:
    """However many chunks a series has, and after a restart: nothing is in memory then."""
    known = Registry(
        sensors=tuple(Sensor(id=f"s/{c}", node="stranger", channel=c) for c in range(CHANNELS)),
    )
    journal = SqliteJournal(tmp_path / "readings.db")
    journal.rewire(known)
    for number in range(60):
        journal.record([batch(number)], T0 + 1_000 * number)
    sealer = Sealer(journal, Windows(5_000, 0))
    for _ in sealer.steps(2**50):
        pass
    for _ in sealer.remove(10**9):
        pass
    journal.close()
    journal = SqliteJournal(tmp_path / "readings.db")
    journal.rewire(known)
    decoded = counted(monkeypatch, chunks, "decode")

    (receipt,) = journal.record([batch(7)], T0)

    assert receipt is not None
    assert receipt.recorded == batch(7).ranges
    assert journal.counters["duplicates"] == CHANNELS
    assert len(decoded) == CHANNELS
