# SPDX-License-Identifier: Apache-2.0
"""Through the real store: whatever the order, the batches, the doubles and the kills, the same excursions."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scalar_engine import Terms, judge
from walks import pieces
from ward import MINUTE, Ward, instant

from alerts.bookkeeping import late
from coldchain.records.alarms import Excursion

LIMITS = Terms(
    high=6_000, low=2_000, warn_high=5_500, warn_low=2_500, limit_high=6_000, limit_low=2_000, deadband=300,
    delay=5 * MINUTE, warn_delay=10 * MINUTE, fault_after=5 * MINUTE, gap=2 * MINUTE, budget_s=1_800,
)  # fmt: skip
"""Of red-cells@eu."""
KINDS = ("high", "low", "sensor_fault", "high_warning", "low_warning", "cumulative")
SIGN = {"low": -1, "low_warning": -1}
SENSORS = ("br-1/load", "br-2/load")
START = instant("00:00")

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Hundreds of small stores: nobody pulls the plug, so they need no disk."""

value = st.sampled_from([4.0, 5.0, 5.8, 6.0, 7.0, 7.9, 9.0, 1.0, 2.1, 3.0, -127.0, 85.0, 84.0, None])
stretch = st.tuples(value, st.integers(1, 12))
"""A value, and how many minutes it lasts."""


def timeline(stretches: list[tuple[float | None, int]]) -> list[tuple[int, float | None]]:
    values = [v for v, minutes in stretches for _ in range(minutes)]
    return [(START + n * MINUTE, v) for n, v in enumerate(values)]


def expected(readings: list[tuple[int, float | None]]) -> set[tuple]:
    """(kind, start, end, peak) by the scalar engine."""
    plain = [(at, -(2**31) if v is None else round(v * 1000), v is not None) for at, v in readings]
    found: dict[tuple[str, int], tuple] = {}
    told, _ = judge(plain, LIMITS, insight=True)
    for kind, what, at, since, peak in sorted(told, key=lambda e: (e[2], e[1] == "RAISED")):
        if what == "RAISED":
            found[kind, since] = (kind, since, None, None)
        else:
            signed = None if peak is None else SIGN.get(kind, 1) * peak
            found[kind, since] = (kind, since, at, signed)
    return set(found.values())


def written(excursions: list[Excursion]) -> set[tuple]:
    return {
        (e.kind, e.started_ms, e.ended_ms, e.peak if e.ended_ms is not None else None) for e in excursions
    }


def rest(ward: Ward) -> None:
    """Until nothing waits any more, not even what may wait."""
    for step_s in (5, 5, late.LAZY_S, 5, 5):
        ward.now_ms += round(1000 * step_s)
        ward.settle()


def run(data: st.DataObject, folder: Path) -> tuple[dict[str, list], dict[str, list[Excursion]]]:
    """Two sensors' readings, arriving in any order in any batches, some twice, alerts killed now and then."""
    ward = Ward(folder, "06:00")
    for sensor in SENSORS:
        ward.fridge(sensor.partition("/")[0])
    truth = {s: timeline(data.draw(st.lists(stretch, min_size=1, max_size=10))) for s in SENSORS}
    arriving = [(at, s, v) for s, readings in truth.items() for at, v in readings]
    if data.draw(st.booleans()):
        arriving = data.draw(st.permutations(arriving))
    else:  # what gateways do: some pieces overtake others, each in order
        cut = data.draw(st.lists(st.integers(0, len(arriving)), max_size=4))
        arriving = [r for piece in data.draw(st.permutations(pieces(arriving, cut))) for r in piece]
    while arriving:
        n = data.draw(st.integers(1, 40))
        batch, arriving = arriving[:n], arriving[n:]
        ward._record(batch + batch[: data.draw(st.integers(0, 2))])
        ward.now_ms += data.draw(st.sampled_from([0, 500, 5_000]))
        if data.draw(st.integers(0, 3)):
            ward.settle()
        if data.draw(st.integers(0, 4)) == 0:
            ward.restart_alerts(killed=data.draw(st.booleans()))
    rest(ward)
    found = {s: ward.alarms.excursions(sensor=s, kinds=KINDS) for s in SENSORS}
    assert ward.alarms.notices() == []
    ward.service.close()
    ward.journal.db.close()
    return truth, found


@given(data=st.data())
@settings(max_examples=60, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
def test_any_order_any_batches_any_kills_give_the_same_excursions(data) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        truth, found = run(data, Path(folder))
        for sensor in SENSORS:
            assert written(found[sensor]) == expected(truth[sensor])
            assert all(e.retrospective for e in found[sensor])


def test_the_comparison_sees_late_readings_left_out(tmp_path, monkeypatch) -> None:
    """The property is worth something: with late readings set aside for good, it fails."""
    monkeypatch.setattr(late.Revision, "settle", lambda _self, _state, waiting, *_: waiting.clear() or 0)
    ward = Ward(tmp_path, "06:00")
    ward.fridge("br-1")
    readings = timeline([(4.0, 5), (7.9, 10), (4.0, 5)])
    for half in (readings[10:], readings[:10]):
        ward._record([(at, "br-1/load", v) for at, v in half])
        ward.settle()
    assert written(ward.alarms.excursions(kinds=KINDS)) != expected(readings)


@pytest.mark.parametrize("later", [False, True])
def test_months_of_one_sensor_in_thousands_of_batches(tmp_path, later) -> None:
    """20,000 readings, 5 a batch: in order straight through; after newer ones, judged again together."""
    ward = Ward(tmp_path, "23:00")
    ward.fridge("br-1")
    start = START - 20_000 * MINUTE
    if later:
        ward._record([(START, "br-1/load", 4.0)])
        ward.settle()
    for n in range(0, 20_000, 5):
        at = start + n * MINUTE
        ward._record([(at + i * MINUTE, "br-1/load", 7.9 if n % 1000 < 20 else 4.0) for i in range(5)])
        if n % 100 == 0:
            ward.settle()
            ward.now_ms += 100
    rest(ward)
    found = ward.alarms.excursions()
    assert len([e for e in found if e.kind == "high"]) == 20
    assert {(e.ended_ms or 0) - e.started_ms for e in found if e.kind == "high"} == {20 * MINUTE}
