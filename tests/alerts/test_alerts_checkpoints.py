# SPDX-License-Identifier: Apache-2.0
"""Whatever comes late, the records of each sensor end as the ordered stream leaves them, bit for bit."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from walks import DAY, MINUTE, Reading, pieces, walk
from ward import Ward, instant

from alerts.bookkeeping import late
from alerts.judgement import checkpoints
from alerts.judgement.checkpoints import DAYS, day_of, is_kept, starts_ms
from alerts.judgement.state import STATE
from alerts.rules import NUMBER_OF

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
START = instant("00:00")
SENSORS = ("br-1/load", "br-2/load", "br-2/load-2")
OF_ARRIVAL = ("live_at", "late_from", "late_until", "rough", "announced")
"""Columns that say how readings came, not what they were."""


def ward_of(folder: Path, days: int) -> Ward:
    folder.mkdir(exist_ok=True)
    ward = Ward(folder, f"+{days} 00:00")
    ward.fridge("br-1")
    ward.fridge("br-2", probes=2)
    return ward


def record(ward: Ward, sensor: str, readings: list[Reading]) -> None:
    ward._record([(at, sensor, value) for at, value in readings])


def rest(ward: Ward) -> None:
    """Until nothing waits any more, not even what may wait."""
    for step_s in (0, 5, 5, late.LAZY_S, 5, 5):
        ward.now_ms += round(step_s * 1000)
        ward.settle()
    assert (ward.service._at.state.table["late_from"] == -1).all()


def told(ward: Ward) -> tuple[list[tuple], list[bytes]]:
    """All excursions of all kinds; and each sensor's records, as bytes."""
    found = [
        (e.id, e.raised_ms, e.ended_ms, e.peak, e.limit_value, e.profile)
        for s in SENSORS
        for e in ward.alarms.excursions(sensor=s, kinds=tuple(NUMBER_OF))
    ]
    records = []
    for sensor in SENSORS:
        rows = ward.service._at.state.rows(ward._series[sensor])
        columns = [rows.table[name].tobytes() for name in STATE.names or () if name not in OF_ARRIVAL]
        records.append(b"".join([*columns, rows.insight.tobytes()]))
    return sorted(found), records


def close(ward: Ward) -> None:
    ward.service.close()
    ward.journal.db.close()


def in_order(folder: Path, truth: dict[str, list[Reading]], days: int) -> tuple[list[tuple], list[bytes]]:
    ward = ward_of(folder, days)
    for sensor in SENSORS:
        for piece in pieces(truth[sensor], list(range(0, 100_000, 400))):
            record(ward, sensor, piece)
            ward.settle()
    rest(ward)
    found = told(ward)
    close(ward)
    return found


def scrambled(seed: int, folder: Path, truth: dict[str, list[Reading]], days: int) -> Ward:
    """Pieces overtake each other, some come twice, alerts dies now and then, time passes or does not."""
    rng = np.random.default_rng(seed)
    ward = ward_of(folder, days)
    parts = []
    for sensor in SENSORS:
        edges = rng.integers(0, len(truth[sensor]) + 1, rng.integers(0, 6)).tolist()
        parts += [(sensor, piece) for piece in pieces(truth[sensor], edges)]
    for place in rng.permutation(len(parts)).tolist():
        sensor, piece = parts[place]
        twice = piece[: int(rng.integers(0, 20))]
        for part in pieces([*piece, *twice], rng.integers(0, len(piece) + 1, rng.integers(0, 3)).tolist()):
            record(ward, sensor, part)
        ward.now_ms += int(rng.choice([0, 500, 5_000, 70_000, 400_000]))
        if rng.random() < 0.7:
            ward.settle()
        if rng.random() < 0.2:
            ward.restart_alerts(killed=rng.random() < 0.5)
    rest(ward)
    return ward


@pytest.mark.parametrize("seed", range(12))
def test_the_records_of_any_order_are_those_of_the_ordered_stream(seed) -> None:
    days = (1, 3, 6)[seed % 3]
    truth = {s: walk(3 * seed + n, START, days) for n, s in enumerate(SENSORS)}
    with tempfile.TemporaryDirectory(dir=MEMORY) as one, tempfile.TemporaryDirectory(dir=MEMORY) as other:
        excursions, records = in_order(Path(one), truth, days)
        ward = scrambled(seed, Path(other), truth, days)
        found, ended = told(ward)
        close(ward)
        assert found == excursions
        assert ended == records


def test_days_kept_are_never_wanted_again_once_dropped() -> None:
    days = np.arange(20_000, 20_900)
    for newest in range(20_700, 20_900, 7):
        now, later = is_kept(days, newest), is_kept(days, newest + 1)
        assert not (later & ~now & (days <= newest)).any()


def test_checkpoints_lie_no_further_apart_than_a_quarter_of_their_age() -> None:
    for newest in range(20_700, 20_800):
        kept = np.flatnonzero(is_kept(np.arange(newest + 1), newest))
        assert len(kept) <= 4 * 9
        assert kept[-1] == newest
        gaps, age = np.diff(kept), newest - kept[:-1]
        assert (gaps <= np.maximum(1, age / 4)).all()
        assert (gaps[age <= DAYS] == 1).all()


@given(series=st.integers(0, 2**20 - 1), at=st.integers(0, 2**42))
def test_a_day_begins_where_it_is_said_to(series, at) -> None:
    day = int(day_of(np.array([series]), np.array([at]))[0])
    assert starts_ms(series, day) <= at < starts_ms(series, day + 1)


def test_not_all_series_keep_theirs_at_once() -> None:
    begins = {starts_ms(n, 0) // 3_600_000 for n in range(200)}
    assert len(begins) >= 20


def test_a_late_reading_is_judged_from_a_checkpoint(tmp_path, monkeypatch) -> None:
    """Ten days of record, a reading of yesterday: two days are read again, not ten."""
    days = 10
    truth = walk(1, START, days)
    ward = ward_of(tmp_path, days)
    yesterday = next(n for n, (at, _) in enumerate(truth) if at > START + 9 * DAY)
    for piece in pieces([*truth[:yesterday], *truth[yesterday + 1 :]], list(range(0, 5000, 100))):
        record(ward, "br-1/load", piece)
        ward.settle()
        ward.now_ms += 700_000  # the state is saved, and what is due with it
        ward.settle()
    kept = ward.service._store.db.execute("SELECT day, at_ms FROM checkpoint WHERE series = 1").fetchall()
    assert len(kept) >= 7
    asked = []
    readings = ward.service._revision._readings

    def noted(sensor, a, b):
        asked.append(a)
        return readings(sensor, a, b)

    monkeypatch.setattr(ward.service._revision, "_readings", noted)
    record(ward, "br-1/load", truth[yesterday : yesterday + 1])
    rest(ward)
    assert len(asked) == 1
    assert truth[-1][0] - asked[0] < 3 * DAY


def test_records_of_another_layout_are_forgotten(tmp_path, monkeypatch) -> None:
    ward = ward_of(tmp_path, 3)
    for piece in pieces(walk(1, START, 3), list(range(0, 1000, 100))):
        record(ward, "br-1/load", piece)
        ward.settle()
        ward.now_ms += 700_000
        ward.settle()
    assert ward.service._revision.checkpoints.before(1, START + 3 * DAY) is not None
    monkeypatch.setattr(checkpoints, "LAYOUT", "another")
    ward.restart_alerts()
    assert ward.service._revision.checkpoints.before(1, START + 3 * DAY) is None


@pytest.mark.parametrize("calm", [True, False])
def test_calm_late_readings_wait_for_others_and_the_rest_do_not(tmp_path, monkeypatch, calm) -> None:
    ward = ward_of(tmp_path, 1)
    at = [START + n * MINUTE for n in range(600)]
    record(ward, "br-1/load", [(t, 4.0 + (t // MINUTE) % 7 / 10) for t in at if t != at[300]])
    ward.settle()
    again = []
    judge = late.judge_again  # type: ignore[attr-defined]

    def noted(tasks, *more):
        again.append(tasks)
        return judge(tasks, *more)

    monkeypatch.setattr(late, "judge_again", noted)
    record(ward, "br-1/load", [(at[300], 4.2 if calm else 9.0)])
    for _ in range(4):
        ward.now_ms += 5_000
        ward.settle()
    assert len(again) == (0 if calm else 1)
    rest(ward)
    assert len(again) == 1


def test_changed_rules_judge_the_last_day_again_and_forget_nothing_learnt(tmp_path, monkeypatch) -> None:
    """Six days of record: the new rules run through two days of it, from what was learnt before."""
    days = 6
    truth = walk(7, START, days)
    ward = ward_of(tmp_path, days)
    for piece in pieces(truth, list(range(0, 5000, 100))):
        record(ward, "br-1/load", piece)
        ward.settle()
        ward.now_ms += 700_000
        ward.settle()
    before, records = told(ward)
    kinds = {e[0].split(":")[1] for e in before}
    assert len(kinds) >= 3
    asked = []
    monkeypatch.setattr("alerts.judgement.engine.rules_digest", lambda _: "others")
    monkeypatch.setattr("alerts.service.rules_digest", lambda _: "others")
    monkeypatch.setattr("alerts.bookkeeping.late.rules_digest", lambda _: "others")
    ward.restart_alerts()
    readings = ward.service._revision._readings

    def noted(sensor, a, b):
        asked.append(a)
        return readings(sensor, a, b)

    monkeypatch.setattr(ward.service._revision, "_readings", noted)
    rest(ward)
    after, again = told(ward)
    assert len(asked) == 1
    assert DAY <= truth[-1][0] - asked[0] < 4 * DAY
    assert after == before
    assert again[0] == records[0]


@pytest.mark.parametrize("beyond", [True, False])
def test_what_stood_at_the_checkpoint_ends_when_the_record_says(tmp_path, beyond) -> None:
    """It is warm from before a checkpoint; a reading of after it comes late and ends that, or does not."""
    ward = ward_of(tmp_path, 3)
    hour = 60 * MINUTE
    warm = [(START + n * 5 * MINUTE, 4.0 if n < 100 else 7.5) for n in range(700)]
    missing = warm[650:660]
    for piece in pieces([r for r in warm if r not in missing], list(range(0, 700, 50))):
        record(ward, "br-1/load", piece)
        ward.settle()
        ward.now_ms += 700_000
        ward.settle()
    start = ward.service._revision.checkpoints.before(1, missing[0][0])
    assert start is not None
    assert start.rows.table["standing"][0, 0]
    record(ward, "br-1/load", [(at, 7.5 if beyond else 4.0) for at, _ in missing])
    rest(ward)
    found = sorted(
        (e.started_ms, e.ended_ms) for e in ward.alarms.excursions(sensor="br-1/load") if e.kind == "high"
    )
    began = warm[100][0]
    assert found[0] == (began, None if beyond else missing[0][0])
    assert len(found) == (1 if beyond else 2)
    assert found[-1][1] is None
    assert began + hour < start.at_ms


def test_a_checkpoint_knows_nothing_of_a_late_value_of_its_own_instant(tmp_path) -> None:
    days = 3
    truth = dict.fromkeys(SENSORS, walk(11, START, days))
    ward = ward_of(tmp_path / "late", days)
    for piece in pieces(truth[SENSORS[0]], list(range(0, 5000, 90))):
        for sensor in SENSORS:
            record(ward, sensor, piece)
        ward.settle()
        ward.now_ms += 700_000
        ward.settle()
    more = dict(truth)
    for number, sensor in enumerate(SENSORS, start=1):
        start = ward.service._revision.checkpoints.before(number, START + 2 * DAY)
        assert start is not None
        again: list[tuple[int, float | None]] = [
            (start.at_ms, int(start.rows.table["value"][0]) / 1000 - 0.5)
        ]
        record(ward, sensor, again)
        more[sensor] = sorted([*truth[sensor], *again], key=lambda r: (r[0], -1e9 if r[1] is None else r[1]))
    rest(ward)
    found = told(ward)
    close(ward)
    assert found == in_order(tmp_path / "order", more, days)
