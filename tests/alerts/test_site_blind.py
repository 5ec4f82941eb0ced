# SPDX-License-Identifier: Apache-2.0
"""Time left without power; and the blind clock, which must not be later than the truth in 95 % of cuts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from power_cut import CUT_S, LEARN_S, LEARNT_S, PROFILE, Story, truth

from alerts.insight import hold_over
from alerts.insight.scan import Readings, Table
from alerts.site import blind, warming
from alerts.site.warming import DESIGNS
from firmware_sim.physics.quantities import Quantity


def law(k: float, age_s: float, room_c: float, start_c: float) -> float:
    """The temperature by the law that is learnt."""
    spent = float(warming.spent(np.array([age_s]))[0])
    return room_c - (room_c - start_c) * math.exp(-k * spent)


def watched(k: float, minutes: int) -> Table:
    """One series through an outage of that k."""
    table = warming.blank(1)
    zero = np.array([0])
    warming.begin(table, zero, np.array([1.0]), np.array([4.0]))
    at = np.arange(1, minutes + 1) * 60_000
    milli = np.array([round(1000 * law(k, t / 1000 - 1.0, 28.0, 4.0)) for t in at.tolist()])
    readings = Readings.of(np.zeros(minutes, np.int64), at, milli)
    warming.feed(table, readings, np.array([1.0]), np.array([np.inf]), np.array([28.0]))
    return table


@given(k=st.floats(6e-6, 6e-5))
def test_an_outage_teaches_its_k(k: float) -> None:
    table = watched(k, 120)
    assert warming.end(table, np.array([0]), np.array([7200.0])).tolist() == [0]
    learnt, doubt = warming.rates(table, np.array([1e-5]))
    assert learnt[0] == pytest.approx(k, rel=0.05)
    assert doubt[0] == warming.DOUBT_LEARNT


def test_a_short_or_flat_outage_teaches_nothing() -> None:
    assert not len(warming.end(watched(2e-5, 25), np.array([0]), np.array([1500.0])))
    assert not len(warming.end(watched(1e-7, 120), np.array([0]), np.array([7200.0])))


def test_the_present_outage_corrects_what_was_thought() -> None:
    """Thought to be three times slower than it is: after an hour and a half the time left is nearly right."""
    k, now_s = 3e-5, 5400.0
    table = watched(k, 90)
    value = law(k, now_s - 1.0, 28.0, 4.0)
    args = (np.array([value]), np.array([6.0]), np.array([2.0]), np.array([28.0]))
    left = warming.seconds_left(table, *args, np.array([1e-5]), np.array([now_s]))
    true_s = next(t for t in range(5400, 90_000) if law(k, t - 1.0, 28.0, 4.0) >= 6.0) - now_s
    assert left.seconds[0] == pytest.approx(true_s, rel=0.1, abs=60)
    assert left.low[0] <= true_s <= left.high[0]


def test_rooms_that_are_too_cool_and_loads_that_are_beyond() -> None:
    table = warming.blank(3)
    value, room = np.array([-30.0, 7.0, 3.0]), np.array([-28.0, 28.0, 0.0])
    high, low = np.array([-25.0, 6.0, 6.0]), np.array([np.nan, 2.0, 2.0])
    left = warming.seconds_left(table, value, high, low, room, np.full(3, 1e-5), np.zeros(3))
    assert left.seconds[0] == np.inf
    assert left.seconds[1] == 0.0
    assert 0 < left.seconds[2] < np.inf, "a cold room brings it to its low limit"


def test_the_sentence() -> None:
    told = blind.words("red cells", 6.0, 0, blind.NEVER, "Asia/Vientiane")
    assert told == "no data since 07:00; the room does not bring red cells to 6 °C"


# --- against physics


@pytest.fixture(scope="module")
def cut() -> tuple[Story, dict[str, float]]:
    story = Story(200, (), learns=True, seed=23)
    return story, truth(story)


def late_share(story: Story, passes: dict[str, float], *, learns: bool, room_known: bool) -> float:
    """Part of the cuts in which the blind clock's time was later than the true one."""
    fleet = story.fleet()
    world = story.world(fleet)
    n = len(fleet.appliances)
    held = hold_over.blank(n)
    if learns:
        for t_s in np.arange(LEARN_S - 300, LEARNT_S + 900, 300.0).tolist():
            world.step_to(t_s)
            sensed = world.sense_all()
            off = np.full(n, LEARN_S <= t_s < LEARNT_S)
            at = np.full(n, 1e9 + t_s)
            hold_over.advance(
                held, np.arange(n), at, sensed[:, Quantity.LOAD], sensed[:, Quantity.AMBIENT], off
            )
    world.step_to(CUT_S)
    sensed = world.sense_all()
    limit = np.array([PROFILE[a.type.value][1] for a in fleet.appliances])
    worst_k = np.array([DESIGNS[a.type.value].worst for a in fleet.appliances])
    room = sensed[:, Quantity.AMBIENT] if room_known else np.full(n, np.nan)
    told = blind.worst_case(held, np.zeros(n, np.int64), sensed[:, Quantity.LOAD], limit, room, worst_k)
    late = [
        told.passes_ms[row] < 0 or told.passes_ms[row] > passes[a.id] * 1000
        for row, a in enumerate(fleet.appliances)
        if math.isfinite(passes[a.id])
    ]
    assert len(late) > 100
    return sum(late) / len(late)


@pytest.mark.parametrize("learns", [False, True])
@pytest.mark.parametrize("room_known", [False, True])
def test_the_blind_clock_is_not_late(
    cut: tuple[Story, dict[str, float]], learns: bool, room_known: bool
) -> None:
    assert late_share(*cut, learns=learns, room_known=room_known) <= 0.05


def test_without_its_margin_the_blind_clock_would_be_late(
    cut: tuple[Story, dict[str, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("MARGIN", 0.6), ("UNLEARNT_MARGIN", 0.2), ("AMBIENT_MARGIN_K", 0.0)):
        monkeypatch.setattr(hold_over, name, value)
    assert late_share(*cut, learns=True, room_known=True) > 0.05
