# SPDX-License-Identifier: Apache-2.0
"""Every condition of the live engine: a story for each, and a planted fault that the stories see."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from one_fleet import DAY, MINUTE, T0, block, cycling, fleet, happened, raised_by

from alerts import rules as rules_of_all
from alerts.judgement import judging, sight
from alerts.judgement.engine import EngineState, What, step
from alerts.rules import NUMBER_OF
from coldchain.records.registry import Assignment, Offset

# --- what no temperature is


def test_a_step_that_is_borne_out_began_with_its_first_reading() -> None:
    """9 °C after 4 °C is doubted once; the next bears it out, and the alarm is no later for it."""
    events = step(EngineState.fresh(), block({0: [4.0] * 10 + [9.0] * 8}), fleet("load").rules).events
    high = events[(events["kind"] == NUMBER_OF["high"]) & (events["what"] == What.RAISED)]
    assert [((e["since"] - T0) // MINUTE, (e["at"] - T0) // MINUTE) for e in high] == [(10, 15)]


def test_the_first_reading_counts_only_if_it_was_beyond_itself() -> None:
    """A spike below the limit, then above it: the run began with the second."""
    events = step(EngineState.fresh(), block({0: [1.0] * 10 + [5.9] + [9.0] * 8}), fleet("load").rules).events
    high = events[(events["kind"] == NUMBER_OF["high"]) & (events["what"] == What.RAISED)]
    assert [((e["since"] - T0) // MINUTE) for e in high] == [11]


def test_a_spike_opens_nothing_and_returns_nothing() -> None:
    """One reading far off is nobody's excursion, and inside an excursion no return."""
    assert raised_by({0: [*cycling(60), 19.0, *cycling(60)]}, fleet("load")) == []
    events = step(
        EngineState.fresh(), block({0: [*[9.0] * 20, 2.5, *[9.0] * 20]}), fleet("load").rules
    ).events
    assert ("high", 0, 5) in happened(events)
    assert not [e for e in happened(events, what=What.RETURNED) if e[0] == "high"]


def test_a_probe_that_stands_still_is_a_fault_and_no_return() -> None:
    """It freezes at 7 °C: the excursion goes on; after its own longest run it is at fault."""
    values = [*cycling(3 * DAY), *[7.0] * 400]
    events = step(EngineState.fresh(), block({0: values}), fleet("load").rules).events
    assert ("high", 0, 3 * DAY + 5) in happened(events)
    assert [e for e in happened(events) if e[0] == "sensor_fault"]
    assert not [e for e in happened(events, what=What.RETURNED) if e[0] == "high"]


# --- set-points and speed


def test_a_warning_comes_before_the_limit_and_has_its_own_delay() -> None:
    assert raised_by({0: [4.0] * 5 + [5.8] * 15}, fleet("load", insight=False)) == [("high_warning", 0, 15)]
    assert raised_by({0: [4.0] * 5 + [2.3] * 15}, fleet("load", insight=False)) == [("low_warning", 0, 15)]


def test_a_load_that_warms_too_fast_warns_and_its_recovery_does_not() -> None:
    """0.25 K a minute towards 6 °C; and the same downwards, which ends inside."""
    rise = [4.0 + 0.25 * n for n in range(60)]
    told = raised_by({0: [4.0] * 60 + rise}, fleet("load"))
    assert "rate" in [name for name, _, _ in told]
    assert min(at for name, _, at in told if name == "rate") <= 60 + 20
    fall = [19.0 - 0.25 * n for n in range(56)]
    assert "rate" not in [name for name, _, at in raised_by({0: fall + [5.0] * 60}, fleet("load"))]


def test_less_time_left_than_people_need_is_foreseen() -> None:
    """A compressor dies: the forecast comes before the warning, and that before the limit."""
    rise = [4.0 + 0.012 * n for n in range(300)]
    told = {
        name: at for name, _, at in reversed(raised_by({0: cycling(DAY, swing=0.1) + rise}, fleet("load")))
    }
    assert told["forecast"] < told["high_warning"] < told["high"]
    assert told["forecast"] > DAY


def test_after_a_warm_spell_nothing_too_cold_is_foreseen() -> None:
    """A load pulls down from 9 °C to 4 °C: where it will stop, its slope does not say."""
    fall = [4.0 + 5.0 * math.exp(-n / 60) for n in range(300)]
    told = raised_by({0: cycling(DAY, swing=0.1) + [9.0] * 30 + fall}, fleet("load"))
    assert "forecast" not in [name for name, _, at in told if at > DAY + 30]


# --- time


def short_excursions(hours: int) -> list[float]:
    """Four minutes of each half hour: never as long as the on-delay."""
    return ([7.0] * 4 + [4.0] * 26) * (2 * hours)


def test_many_short_excursions_spend_the_day_s_budget_and_a_day_pays_it_back() -> None:
    events = step(
        EngineState.fresh(),
        block({0: short_excursions(8) + [4.0] * 30 * 60}),
        fleet("load", insight=False).rules,
    ).events
    ((_, _, at),) = [e for e in happened(events) if e[0] == "cumulative"]
    assert at // 30 in (7, 8)
    spent = int(
        events["figure"][(events["kind"] == NUMBER_OF["cumulative"]) & (events["what"] == What.RAISED)][0]
    )
    assert 1_800 < spent < 2_400
    ((_, _, over),) = [e for e in happened(events, what=What.RETURNED) if e[0] == "cumulative"]
    assert 24 * 60 < over < 33 * 60


def test_a_gap_is_unknown_never_time_and_never_a_return() -> None:
    minutes = [*range(10), *range(400, 410)]
    events = step(EngineState.fresh(), block({0: [9.0] * 20}, {0: minutes}), fleet("load").rules).events
    assert [e for e in happened(events) if e[0] == "high"] == [("high", 0, 5)]
    assert happened(events, what=What.RETURNED) == []
    state = step(EngineState.fresh(), block({0: [9.0] * 20}, {0: minutes}), fleet("load").rules).state
    assert int(state.table["out_s"].sum()) == 18 * 60


def test_a_gap_that_counted_would_be_seen(monkeypatch) -> None:
    """The assertion above is worth something."""
    rules = fleet("load").rules
    rules.every_ms[:] = 500 * MINUTE
    state = step(
        EngineState.fresh(), block({0: [9.0] * 20}, {0: [*range(10), *range(400, 410)]}), rules
    ).state
    assert int(state.table["out_s"].sum()) == 409 * 60


# --- air


def defrosting(days: int, *, height: float = 6.0, lasts: int = 30, every: int = 360) -> list[float]:
    """Air that swings about 4 °C and is warmed by a heater every six hours."""
    minutes = np.arange(days * DAY)
    phase = minutes % every
    bump = np.where(phase < lasts, height * np.sin(math.pi * phase / lasts), 0.0)
    return np.round(np.array(cycling(days * DAY)) + bump, 2).tolist()


def test_a_learnt_defrost_excuses_air_and_never_the_load() -> None:
    """The same readings of a probe of which nobody says what it is, of air beside, air alone, a load."""
    values, learnt = defrosting(4), 2 * DAY
    late: dict[tuple[str | None, ...], list[str]] = {}
    for probes in ((None,), ("load", "air"), ("air",), ("load",)):
        series = len(probes) - 1
        given = {n: (values if n == series else cycling(4 * DAY, seed=9)) for n in range(len(probes))}
        told = raised_by(given, fleet(*probes))
        late[probes] = [name for name, s, at in told if s == series and at > learnt]
    assert late[None,] == late["load", "air"] == late["air",] == []
    assert "high" in late["load",]


def test_an_air_that_stays_warm_after_a_defrost_is_excused_no_longer() -> None:
    values = defrosting(4)
    values[3 * DAY + 15 :] = [10.0] * (DAY - 15)
    assert ("high", 0) in [(name, s) for name, s, at in raised_by({0: values}, fleet(None)) if at > 3 * DAY]
    told = [(name, at) for name, _, at in raised_by({0: values}, fleet("air")) if at > 3 * DAY]
    (at,) = [at for name, at in told if name == "high"]
    assert at < 3 * DAY + 120


def test_air_beside_a_load_warns_after_its_delay_and_is_never_critical() -> None:
    air = [4.0] * 30 + [12.0] * 300
    told = raised_by({0: cycling(330), 1: air}, fleet("load", "air"))
    assert [(name, s, at) for name, s, at in told if s == 1] == [("high_warning", 1, 60)]


def test_air_alone_is_judged_by_the_load_it_would_give() -> None:
    """A bag lags its air by an hour and a half: eight minutes of an open door are nothing, an hour is."""
    opening = [4.0] * 600 + [11.0] * 8 + [4.0] * 60
    assert [n for n, _, _ in raised_by({0: opening}, fleet("air")) if n == "high"] == []
    warm = [4.0] * 600 + [8.5] * 120
    ((_, _, at),) = [e for e in raised_by({0: warm}, fleet("air")) if e[0] == "high"]
    assert 600 + 50 < at <= 600 + 56
    far = [4.0] * 600 + [16.0] * 30
    ((_, _, at),) = [e for e in raised_by({0: far}, fleet("air")) if e[0] == "high"]
    assert at <= 611


# --- what is carried


def test_a_loading_that_never_cools_rings_after_a_day() -> None:
    """Nobody has said when it ends: after a day it is judged like any other."""
    carried = (
        Assignment(carries="red-cells@eu", from_ms=0, until_ms=T0),
        Assignment(carries="loading", from_ms=T0),
    )
    one = fleet("load", assignments=carried, insight=False)
    told = raised_by({0: [12.0 + 0.3 * (n % 7) for n in range(DAY + 60)]}, one)
    first = [at for name, _, at in told if name == "high"]
    assert first
    assert DAY <= first[0] <= DAY + 10, first


def test_loading_is_let_cool_down_until_it_reached_its_range() -> None:
    """Warm for an hour: nothing. In range, then warm again: an alarm, though the loading is not over."""
    spans = (
        Assignment(carries="loading", from_ms=T0, until_ms=T0 + 300 * MINUTE),
        Assignment(carries="red-cells@eu", from_ms=T0 + 300 * MINUTE),
    )
    cooling = [15.0 - 0.1 * n for n in range(90)]
    told = raised_by({0: cooling + [5.0] * 60 + [8.0] * 20}, fleet("load", assignments=spans, insight=False))
    assert [e for e in told if e[0] == "high"] == [("high", 0, 155)]
    assert [e for e in told if e[2] < 150] == []
    never = raised_by({0: [15.0] * 320}, fleet("load", assignments=spans, insight=False))
    assert [e for e in never if e[0] == "high"] == [("high", 0, 305)]


def test_what_is_empty_rings_nobody() -> None:
    assert raised_by({0: [20.0] * 60}, fleet("load", assignments=(Assignment(carries="empty"),))) == []


def test_a_correction_counts_from_its_date_and_the_record_keeps_what_came() -> None:
    """The probe reads 0.4 K low since the calibration at minute 20."""
    offsets = (Offset(from_ms=T0 + 20 * MINUTE, offset_k=0.4),)
    did = step(EngineState.fresh(), block({0: [5.7] * 40}), fleet("load", offsets=offsets).rules)
    assert [e for e in happened(did.events) if e[0] == "high"] == [("high", 0, 25)]
    assert int(did.state.table["value"][0]) == 5_700
    assert 6_100 in did.events["value"][did.events["kind"] == NUMBER_OF["high"]]


PLATELETS = (Assignment(carries="platelets@eu"),)


def test_an_agitator_that_stands_still_is_an_alarm_where_platelets_are() -> None:
    values = {0: [1.0] * 10 + [0.0] * 30 + [1.0] * 5}
    one = fleet("agitator", assignments=PLATELETS, kind="platelet-incubator")
    events = step(EngineState.fresh(), block(values), one.rules).events
    assert happened(events) == [("agitator", 0, 25)]
    assert happened(events, what=What.RETURNED) == [("agitator", 0, 40)]
    assert raised_by(values, fleet("agitator")) == []
    assert raised_by({0: [1.0] * 10 + [0.0] * 14 + [1.0] * 30}, one) == []


# --- worth something: each of these faults is seen


@pytest.mark.parametrize(
    ("plant", "story"),
    [
        ("excused", test_a_learnt_defrost_excuses_air_and_never_the_load),
        ("doubtful", test_a_spike_opens_nothing_and_returns_nothing),
        ("settled", test_air_alone_is_judged_by_the_load_it_would_give),
        ("cooling", test_loading_is_let_cool_down_until_it_reached_its_range),
        ("near", test_less_time_left_than_people_need_is_foreseen),
        ("rate", test_a_load_that_warms_too_fast_warns_and_its_recovery_does_not),
    ],
)
def test_the_stories_see_a_planted_fault(plant, story, monkeypatch) -> None:
    real = sight.look

    def blinded(*args):
        seen = real(*args)
        changes: dict[str, Any] = {plant: np.zeros_like(seen.excused)} if hasattr(seen, plant) else {}
        return replace(seen, **changes)

    monkeypatch.setattr(judging, "look", blinded)
    if plant == "cooling":
        monkeypatch.setattr(judging, "cooling_of", lambda *args: np.zeros(len(args[1]), np.bool_))
    if plant == "near":
        monkeypatch.setattr(sight, "NEAR_TIMES", 0)
        monkeypatch.setattr(rules_of_all, "FORESEEN_MS", 10**9)
    if plant == "rate":
        monkeypatch.setattr(sight, "APART_S", 0.0)
    with pytest.raises((AssertionError, KeyError, ValueError)):
        story()
