# SPDX-License-Identifier: Apache-2.0
"""Defrosts that have ended, as rows of alarms.db: each once, whatever dies, whatever comes late."""

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection

import pytest
from ward import Ward, instant

from alerts.bookkeeping import late
from alerts.bookkeeping.defrosted import KEPT_MS, Defrosted
from alerts.store import AlarmStore
from coldchain.records.alarm_spans import SpanReader
from coldchain.records.alarms import DefrostRow
from coldchain.records.sql import transaction

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
MINUTE, HOUR = 60_000, 3_600_000
EVERY = 5
START, SENSOR = instant("00:00"), "br-1/load"
Measured = list[tuple[int, str, float]]


def readings(hours: float, bumps: dict[int, tuple[int, float]] | None = None) -> Measured:
    """Five-minute readings of a refrigerator that defrosts every four hours; `bumps`: others [min]."""
    told = {k * 240 + 60: (40, 3.5) for k in range(round(hours / 4))} | (bumps or {})
    found = []
    for minute in range(0, round(hours * 60), EVERY):
        celsius = 3.8 + 0.5 * math.sin(minute * 2 * math.pi / 35)
        for start, (lasts, height) in told.items():
            if start <= minute < start + lasts:
                celsius += height * math.sin(math.pi * (minute - start + 1) / lasts)
        found.append((START + minute * MINUTE, SENSOR, round(celsius, 3)))
    return found


def facts(rows: list[DefrostRow]) -> list[tuple[object, ...]]:
    return [(r.sensor, r.from_ms, r.until_ms, r.what, r.appliance, r.peak, r.usual_ms) for r in rows]


def ward_at(folder: str | Path, hours: float = 30) -> Ward:
    ward = Ward(Path(folder), "00:00")
    ward.fridge("br-1")
    ward.now_ms = START + round(hours * HOUR)
    ward.settle()
    return ward


def told(ward: Ward) -> list[DefrostRow]:
    return ward.alarms.defrosts(0, 2**62)


def rest(ward: Ward) -> None:
    for step_s in (5, 5, late.LAZY_S, 5):
        ward.now_ms += round(1000 * step_s)
        ward.settle()


def close(ward: Ward) -> None:
    ward.service.close()
    ward.journal.db.close()


def test_each_defrost_after_the_third_is_a_row_with_its_beginning_and_end(tmp_path: Path) -> None:
    ward = ward_at(tmp_path)
    ward._record(readings(24))
    ward.settle()
    rows = told(ward)
    assert [(r.from_ms - START) // HOUR for r in rows] == [13, 17, 21]
    for row in rows:
        assert 15 * MINUTE <= row.until_ms - row.from_ms <= 40 * MINUTE
        assert (row.what, row.appliance) == ("usual", "br-1")
        assert row.peak > 6000
        assert row.usual_ms == pytest.approx(row.until_ms - row.from_ms, abs=10 * MINUTE)
    assert told(ward)[1:] == ward.alarms.defrosts(START + 16 * HOUR, START + 40 * HOUR, "br-1")
    assert ward.alarms.defrosts(START + 14 * HOUR, START + 16 * HOUR) == []
    assert ward.alarms.defrosts(0, 2**62, "br-2") == []


def test_one_that_lasts_too_long_is_told_so(tmp_path: Path) -> None:
    ward = ward_at(tmp_path, 48)
    ward._record(readings(44, {41 * 60: (100, 3.5)}))
    ward.settle()
    assert [row.what for row in told(ward)] == ["usual"] * 7 + ["long"]
    (row,) = told(ward)[-1:]
    assert row.until_ms - row.from_ms > 1.5 * row.usual_ms


def test_a_killed_process_writes_nothing_twice_and_changes_no_row(tmp_path: Path) -> None:
    ward = ward_at(tmp_path)
    stream = readings(24)
    for first in range(0, len(stream), 18):
        ward._record(stream[first : first + 18])
        ward.settle()
        before = told(ward)
        ward.restart_alerts(killed=True)
        ward.settle()
        assert told(ward) == before
        ward.now_ms += 1000
    assert len(before) == 3


class Killed(BaseException):
    """The process is no more."""


def story(folder: str, fatal: int, *, before: bool, late_min: int) -> tuple[list[tuple[object, ...]], int]:
    """Alerts dies at one commit, just before or just after; so much of the last defrost comes late."""
    ward, commits = ward_at(folder), 0
    stream = readings(24)
    gone = [one for one in stream if 21 * HOUR <= one[0] - START < 21 * HOUR + late_min * MINUTE]

    @contextmanager
    def dying(store: AlarmStore) -> Iterator[Connection]:
        nonlocal commits
        commits += 1
        mine = commits == fatal
        with transaction(store.db) as db:
            yield db
            if mine and before:
                raise Killed
        if mine:
            raise Killed

    came = [one for one in stream if one not in gone]
    parts = [came[:240], came[240:], gone] if gone else [came[:240], came[240:]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AlarmStore, "transaction", dying)
        for part in parts:
            ward._record(part)
            for step_s in (0, 2, late.LAZY_S if part is gone else 1):
                ward.now_ms += round(1000 * step_s)
                try:
                    ward.settle()
                except Killed:
                    ward.restart_alerts(killed=True)
                    ward.settle()
        commits_then = commits
        rest(ward)
    found = facts(told(ward))
    close(ward)
    return found, commits_then


@pytest.mark.parametrize("late_min", [0, 25])
def test_killed_at_any_commit_the_rows_are_those_of_the_ordered_stream(late_min: int) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        ward = ward_at(folder)
        ward._record(readings(24))
        ward.settle()
        expected = facts(told(ward))
        close(ward)
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        found, commits = story(folder, 0, before=False, late_min=late_min)
    assert found == expected
    assert len(expected) == 3
    for n in range(1, commits + 1, max(1, commits // 8)):
        for before in (True, False):
            with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
                found, _ = story(folder, n, before=before, late_min=late_min)
            assert found == expected, (n, before)


def test_what_late_readings_take_back_is_said_to_be_none(tmp_path: Path) -> None:
    """Without its warm middle it looked like a defrost; with it, it is a warm spell."""
    ward = ward_at(tmp_path)
    stream, middle = readings(24), START + 17 * HOUR + 15 * MINUTE
    warm = [(at, sensor, 22.0) for at, sensor, _ in stream if middle <= at < middle + 15 * MINUTE]
    ward._record([one for one in stream if one[0] not in [at for at, _, _ in warm]])
    ward.settle()
    before = told(ward)
    assert [(r.from_ms - START) // HOUR for r in before] == [13, 17, 21]
    ward.now_ms += HOUR
    ward._record(warm)
    rest(ward)
    assert [(r.from_ms - START) // HOUR for r in told(ward)] == [13, 21]
    since = SpanReader(ward.settings.alarms_db).defrosts_since(before[0].decided_ms + 1)
    assert [(r.from_ms, r.what) for r in since if r.what == "none"] == [(before[1].from_ms, "none")]


def test_rows_are_kept_for_a_year(tmp_path: Path) -> None:
    ward = ward_at(tmp_path)
    ward._record(readings(24))
    ward.settle()
    store = ward.service._store
    with store.transaction():
        Defrosted(store).forget(ward.now_ms + KEPT_MS - 10 * HOUR)
    assert [(r.from_ms - START) // HOUR for r in told(ward)] == [21]
