# SPDX-License-Identifier: Apache-2.0
"""What maintenance hears of and nobody is woken for: drifting probes, odd defrosts, clocks that disagree."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ward import Ward

from alerts.insight.clocks import NodeClocks
from alerts.insight.siblings import drift_of
from coldchain.kernel.readings import JOURNALLED, Rows
from coldchain.kernel.words import ClockQuality
from coldchain.wiring.readiness import readiness

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
BOOTED = 1_700_000_000_000


# --- siblings


@given(st.lists(st.integers(-150, 150), min_size=17, max_size=60), st.integers(-4000, 4000))
def test_what_always_differs_alike_is_no_drift(noise: list[int], usual: int) -> None:
    assert drift_of(np.array(noise) + usual) is None


@given(st.integers(700, 5000), st.booleans())
def test_what_moves_and_stays_is_a_drift_of_that_size(by: int, down: bool) -> None:
    step = -by if down else by
    assert drift_of(np.array([1000] * 20 + [1000 + step] * 3)) == step
    assert drift_of(np.array([1000] * 20 + [1000 + step] * 2 + [1000])) is None, "one day is back"


def test_a_pair_that_always_scatters_is_given_its_scatter() -> None:
    wild = np.array([0, 800, -700, 900, -800, 700, -900] * 3 + [900, 900, 900])
    assert drift_of(wild) is None
    assert drift_of(wild[:16]) is None, "too few days"


# --- clocks


def frames(
    n: int, *, source: int = 1, every: int = MINUTE, slow: int = 0, jump_at: int = -1, jump: int = 0
) -> Rows:
    """A node that reports each minute; from frame jump_at on its clock is `jump` further."""
    rows = np.zeros(n, JOURNALLED)
    uptime = every * (1 + np.arange(n))
    off = np.where((np.arange(n) >= jump_at) & (jump_at >= 0), jump, 0) - slow
    rows["source"], rows["clock"], rows["uptime_ms"] = source, ClockQuality.TRUSTED, uptime
    rows["gateway_ms"] = BOOTED + uptime + 200
    rows["at_ms"] = BOOTED + uptime + off
    return rows


@given(st.integers(1, 40), st.sampled_from([-7_200_000, -90_000, 75_000, 3_600_000]), st.data())
def test_a_jump_is_seen_wherever_the_batches_are_cut(at: int, jump: int, data: st.DataObject) -> None:
    rows = frames(60, jump_at=at, jump=jump)
    clocks = NodeClocks()
    cuts = sorted(data.draw(st.lists(st.integers(0, 60), max_size=4)))
    for part in np.split(rows, cuts):
        clocks.feed(part)
    found = clocks.standing(BOOTED + HOUR)
    assert [one.source for one in found] == [1]
    assert found[0].what in ("jumped", "differs")
    if found[0].what == "jumped":
        assert abs(found[0].by_ms - jump) < 1000


def test_a_jump_is_told_for_a_day() -> None:
    clocks = NodeClocks()
    clocks.feed(frames(10))
    clocks.feed(frames(60, jump_at=10, jump=-90_000)[10:])
    assert clocks.standing(BOOTED + 20 * HOUR)
    assert not clocks.standing(BOOTED + 26 * HOUR)


def test_a_slow_clock_is_called_slow_after_an_hour_and_well_again_when_it_is_set() -> None:
    clocks = NodeClocks()
    rows = frames(200, slow=5 * MINUTE)
    clocks.feed(rows[:50])
    assert not clocks.standing(BOOTED + DAY)
    for k in range(50, 120, 10):
        clocks.feed(rows[k : k + 10])
    (one,) = clocks.standing(BOOTED + DAY)
    assert (one.what, one.by_ms) == ("differs", -5 * MINUTE - 200)


def test_a_fast_clock_is_called_fast_at_once() -> None:
    clocks = NodeClocks()
    clocks.feed(frames(3, slow=-10 * MINUTE))
    assert [(one.what, one.by_ms) for one in clocks.standing(BOOTED)] == [("differs", 10 * MINUTE - 200)]
    clocks.feed(frames(3, source=2))
    assert len(clocks.standing(BOOTED)) == 1


def test_a_backlog_that_drains_and_a_node_without_a_clock_are_no_disagreement() -> None:
    rows = frames(600)
    rows["gateway_ms"] = BOOTED + 600 * MINUTE + np.arange(600) * 100
    without = frames(300, slow=DAY)
    without["clock"] = ClockQuality.UNTRUSTED
    clocks = NodeClocks()
    for k in range(0, 600, 20):
        clocks.feed(rows[k : k + 20])
    clocks.feed(without)
    assert not clocks.standing(BOOTED)


# --- in the ward


def noted(ward: Ward) -> dict[tuple[str, str], str]:
    return {(row.kind, row.subject): row.detail for row in ward.alarms.upkeep()}


def told(ward: Ward) -> set[tuple[str, str]]:
    kinds = {"defrost", "defrost_long", "drift", "clock"}
    return {(f.what, f.subject) for f in readiness(ward.settings, ward.now_ms) if f.what in kinds}


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    made = Ward(tmp_path)
    made.fridge("br-1", probes=2)
    made.service.tick()
    return made


def hours(ward: Ward, n: float, values: dict[str, np.ndarray]) -> None:
    """That many hours of minutes, in pieces of six hours; the ward looks at the end of each."""
    total = round(n * 60)
    for first in range(0, total, 360):
        last = min(first + 360, total)
        began = ward.now_ms
        ward.now_ms += (last - first) * MINUTE
        ward._record(
            [
                (began + (k - first) * MINUTE, sensor, float(column[k]))
                for k in range(first, last)
                for sensor, column in values.items()
            ]
        )
        for _ in range(4):
            ward.now_ms += 2000
            ward.service.tick()
        ward.now_ms -= 8000


def test_a_probe_that_drifts_is_in_the_list_and_nobody_is_called(ward: Ward) -> None:
    swing = 4.0 + 0.4 * np.sin(2 * np.pi * np.arange(24 * 60) / 20)
    for day in range(22):
        off = 0.3 if day < 17 else 1.1
        hours(ward, 24, {"br-1/load": swing, "br-1/load-2": swing + off})
    ward.phone("technician").expect_nothing()
    assert noted(ward) == {("drift", "br-1/load-2"): "+0.8 K from br-1/load"}
    assert told(ward) == {("drift", "br-1/load-2")}


def test_siblings_that_agree_are_not_in_the_list(ward: Ward) -> None:
    swing = 4.0 + 0.4 * np.sin(2 * np.pi * np.arange(24 * 60) / 20)
    for _ in range(20):
        hours(ward, 24, {"br-1/load": swing, "br-1/load-2": swing + 0.3})
    assert noted(ward) == {}


def test_a_missing_and_an_overlong_defrost_are_told_to_maintenance_only(tmp_path: Path) -> None:
    ward = Ward(tmp_path)
    ward.fridge("br-1")
    ward.service.tick()
    sensor, total = "br-1/load", 60 * 24 * 5
    value = 3.0 + 0.3 * np.sin(2 * np.pi * np.arange(total) / 10)
    value += np.random.default_rng(4).normal(0, 0.02, total)
    for start in range(200, 60 * 24 * 3, 360):
        value[start : start + 24] += 2.0 * np.sin(np.pi * (np.arange(24) + 0.5) / 24)
    hours(ward, 24 * 3, {sensor: value[: 60 * 24 * 3]})
    assert noted(ward) == {}
    hours(ward, 18, {sensor: value[60 * 24 * 3 : 60 * 24 * 3 + 18 * 60]})
    assert set(noted(ward)) == {("defrost", sensor)}
    long = value[: 8 * 60].copy()
    long[:400] = 3.0 + 2.0 * np.sin(np.pi * (np.arange(400) + 0.5) / 400)
    hours(ward, 3, {sensor: long[:180]})
    assert ("defrost_long", sensor) in noted(ward)
    hours(ward, 5, {sensor: long[180:]})
    assert ("defrost_long", sensor) not in noted(ward), "it has ended"
    assert ("defrost_long", sensor) in told(ward), "and is told the next morning"
    ward.phone("technician").expect_nothing()
