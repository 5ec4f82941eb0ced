# SPDX-License-Identifier: Apache-2.0
"""What a probe sent before it took another's place, however it comes, is none of that place's readings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from coldchain.kernel.link import Batch
from coldchain.kernel.readings import SPOOLED
from coldchain.kernel.words import ClockQuality
from coldchain.records.duty import Before
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Appliance, Registry, Sensor, Site
from ingest.journal import SqliteJournal

T0 = 1_800_000_000_000
WIRED_MS = T0 + 10_000
"""The tenth reading is the first at its place."""


def batch(first: int, end: int, *, slow_ms: int = 0, clock: ClockQuality = ClockQuality.NONE) -> Batch:
    """One reading a second of the new probe. slow_ms: so far its node's own clock is behind."""
    rows = np.zeros(end - first, SPOOLED)
    rows["quantity"], rows["seq"], rows["value"], rows["clock"] = 1, np.arange(first, end), 4_000, clock
    rows["gateway_ms"] = T0 + 1_000 * np.arange(first, end)
    rows["at_ms"] = rows["gateway_ms"] - slow_ms
    return Batch("gw", "e", [(first + 1, end)], [("bench", 1)], rows)


def of_old(first: int, end: int) -> Batch:
    """One reading a second of the probe that was there before."""
    made = batch(first, end)
    return replace(made, epoch="old", nodes=[("old", 1)])


def journal_of(folder: Path) -> SqliteJournal:
    journal = SqliteJournal(folder / "readings.db")
    journal.record([batch(0, 4)], T0)  # waits
    return journal


def replaced(journal: SqliteJournal) -> None:
    sensor = Sensor(id="f/load", appliance="f", node="bench", channel=0, probe="load", wired_ms=WIRED_MS)
    appliance = Appliance(id="f", name="F", site="s")
    journal.rewire(Registry(sites=(Site(id="s", name="S"),), appliances=(appliance,), sensors=(sensor,)))
    journal.readmit(WIRED_MS)


@pytest.mark.parametrize("late", [False, True])
def test_its_time_on_the_bench_is_dead_lettered_whenever_it_comes(tmp_path: Path, late: bool) -> None:
    journal = journal_of(tmp_path)
    if late:
        replaced(journal)
    (receipt,) = journal.record([batch(4, 14)], WIRED_MS + 4_000)
    if not late:
        replaced(journal)
    assert receipt is not None
    counters = journal.counters
    assert (counters["dead_lettered"], counters["waiting"]) == (10, 0)
    kept = JournalReader(tmp_path / "readings.db").readings("f/load", 0, 2**62)
    assert kept["seq"].tolist() == [10, 11, 12, 13]
    (again,) = journal.record([batch(0, 14)], WIRED_MS + 5_000)
    assert again is not None
    assert journal.counters["dead_lettered"] == 10, "each once"


@pytest.mark.parametrize(
    ("first", "slow_ms", "clock"),
    [(20, 60_000, ClockQuality.TRUSTED), (4, 0, ClockQuality.GATEWAY_DOUBT)],
    ids=["its own clock is slow", "the gateway's is not set"],
)
def test_a_clock_that_is_wrong_loses_no_reading(
    tmp_path: Path, first: int, slow_ms: int, clock: ClockQuality
) -> None:
    journal = journal_of(tmp_path)
    replaced(journal)
    before = journal.counters["dead_lettered"]
    journal.record([batch(first, first + 5, slow_ms=slow_ms, clock=clock)], WIRED_MS + 20_000)
    assert journal.counters["dead_lettered"] == before


def test_what_the_old_probe_sent_while_it_was_there_is_the_place_s_however_late(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "readings.db")
    appliance, site = Appliance(id="f", name="F", site="s"), Site(id="s", name="S")

    def wired(**of_it: object) -> None:
        sensor = Sensor.model_validate(
            {"id": "f/load", "appliance": "f", "probe": "load", "channel": 0, **of_it}
        )
        journal.rewire(Registry(sites=(site,), appliances=(appliance,), sensors=(sensor,)))
        journal.readmit(WIRED_MS)

    wired(node="old")
    journal.record([of_old(0, 5)], T0 + 5_000)
    until = Before(node="old", channel=0, until_ms=WIRED_MS)
    wired(node="bench", wired_ms=WIRED_MS, before=(until,))
    journal.record([of_old(5, 14)], WIRED_MS + 4_000)
    kept = JournalReader(tmp_path / "readings.db").readings("f/load", 0, 2**62)
    assert kept["seq"].tolist() == list(range(10)), "its backlog is judged as any late reading"
    assert journal.counters["waiting"] == 4, "what it sends from the bench waits to be named"
    wired(node="bench", wired_ms=WIRED_MS, before=(until,))
    assert journal.counters["waiting"] == 4
    journal.close()
    again = SqliteJournal(tmp_path / "readings.db")
    assert again.counters["waiting"] == 4
