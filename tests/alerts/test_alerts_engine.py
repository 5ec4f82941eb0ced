# SPDX-License-Identifier: Apache-2.0
"""The vectorised engine agrees with the scalar judge, however the stream is cut, shuffled and doubled."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scalar_judge import Plain, judge

from alerts.judgement import engine
from alerts.judgement.engine import EngineState, What, rejudge, step
from alerts.rules import CONDITIONS
from alerts.rules.flat import Block
from alerts.rules.table import build_table
from alerts.rules.terms import RuleTable
from coldchain.kernel.words import Quantity
from coldchain.records.registry import Appliance, Assignment, Registry, Sensor, Site

S = 1000
HIGH, LOW, DEADBAND, DELAY = 6000, 2000, 300, 300 * S
FAULT_AFTER = 120 * S
SENSORS = 4


def table(n: int = SENSORS) -> RuleTable:
    """n blood refrigerators, one load probe each."""
    red = (Assignment(carries="red-cells@eu"),)
    registry = Registry(
        sites=(Site(id="vte", name="Vientiane"),),
        appliances=tuple(Appliance(id=f"br-{i}", name="", site="vte", assignments=red) for i in range(n)),
        sensors=tuple(
            Sensor(id=f"br-{i}/load", appliance=f"br-{i}", probe="load", node=f"n-{i}", channel=1)
            for i in range(n)
        ),
    )
    series = {i: (f"br-{i}/load", Quantity.TEMPERATURE) for i in range(n)}
    return build_table(registry, series, fault_after_ms=FAULT_AFTER, insight=False)


RULES = table()

INSIDE, OUTSIDE = (2000, 2299, 2300, 4000, 5699, 5700, 5701, 6000), (1000, 1999, 6001, 7000, 9000)
CODES = (-127_000, -126_999, 79_999, 80_000, 84_000, 85_000)
values = st.sampled_from((*INSIDE, *OUTSIDE, *CODES))
reading = st.tuples(st.integers(0, SENSORS - 1), st.integers(0, 40), values, st.integers(0, 9), st.booleans())


def plain_of(drawn: list[tuple]) -> list[tuple[int, Plain]]:
    """(sensor, reading); one in ten failed."""
    return [
        (s, Plain(t * 60 * S, -(2**31) if failed == 0 else v, failed != 0, live))
        for s, t, v, failed, live in drawn
    ]


def block(readings: list[tuple[int, Plain]]) -> Block:
    return Block(
        np.array([s for s, _ in readings], np.int64),
        np.array([r.at for _, r in readings], np.int64),
        np.array([r.value for _, r in readings], np.int64),
        np.array([r.usable for _, r in readings], np.bool_),
        np.array([r.live for _, r in readings], np.bool_),
        np.zeros(len(readings), np.bool_),
    )


JUDGED = ("high", "low", "sensor_fault")
"""What the scalar judge knows."""


def told(events: engine.Events, sensor: int) -> list[tuple]:
    """The engine's events of one sensor in the scalar judge's words."""
    found = []
    for e in events[events["series"] == sensor]:
        what, condition = What(e["what"]).name, CONDITIONS[e["kind"]]
        if what != "GROWN" and condition.name in JUDGED:
            peak = int(e["peak"]) * (condition.sign or 1) if what == "RETURNED" else None
            found.append((int(e["at"]), condition.name, what, int(e["since"]), peak))
    return sorted(found, key=repr)


def expected(readings: list[tuple[int, Plain]], sensor: int) -> list[tuple]:
    mine = [r for s, r in readings if s == sensor]
    return judge(mine, high=HIGH, low=LOW, deadband=DEADBAND, delay_ms=DELAY, fault_after_ms=FAULT_AFTER)


def one_value_an_instant(readings: list[tuple[int, Plain]]) -> list[tuple[int, Plain]]:
    return list({(s, r.at): (s, r) for s, r in readings}.values())


@given(drawn=st.lists(reading, max_size=120), cuts=st.lists(st.integers(0, 120), max_size=6), data=st.data())
@settings(max_examples=400, deadline=None)
def test_any_cut_any_order_across_sensors_and_doubles_give_the_scalar_verdicts(drawn, cuts, data) -> None:
    readings = sorted(one_value_an_instant(plain_of(drawn)), key=lambda p: (p[1].at, p[0]))
    state, events = EngineState.fresh(), []
    edges = [0, *sorted(min(c, len(readings)) for c in cuts), len(readings)]
    for low, high in pairwise(edges):
        part = data.draw(st.permutations(readings[low:high])) if high - low < 8 else readings[low:high]
        part = [*part, *part[:2]]
        did = step(state, block(list(part)), RULES)
        state = did.state
        events.append(did.events)
    everything = np.concatenate(events)
    for sensor in range(SENSORS):
        assert told(everything, sensor) == expected(readings, sensor)
    assert (state.table["late_from"] == -1).all()


@given(drawn=st.lists(reading, min_size=1, max_size=80))
@settings(max_examples=300, deadline=None)
def test_judging_again_from_the_record_needs_no_order_at_all(drawn) -> None:
    """Equal instants with different values included."""
    readings = plain_of([(0, *rest[1:4], True) for rest in drawn])
    _, events = rejudge(block(readings), RULES)
    assert told(events, 0) == expected(readings, 0)


@given(drawn=st.lists(reading, min_size=1, max_size=60), cut=st.integers(0, 60))
@settings(max_examples=200, deadline=None)
def test_a_saved_state_goes_on_where_it_stood(drawn, cut) -> None:
    readings = sorted(one_value_an_instant(plain_of(drawn)), key=lambda p: p[1].at)
    left, right = readings[:cut], readings[cut:]
    kept = step(EngineState.fresh(), block(left), RULES)
    restored = EngineState.load(kept.state.save())
    after, again = step(kept.state, block(right), RULES), step(restored, block(right), RULES)
    assert np.array_equal(after.events, again.events)
    assert after.state.save() == again.state.save()


@given(drawn=st.lists(reading, min_size=1, max_size=60))
@settings(max_examples=200, deadline=None)
def test_after_a_calm_reading_nothing_before_matters(drawn) -> None:
    """What makes judging again cheap: begin at any calm reading, and the rest comes out the same."""
    readings = sorted(one_value_an_instant(plain_of([(0, *r[1:]) for r in drawn])), key=lambda p: p[1].at)
    quiet = engine.calm(block(readings), RULES)
    whole = expected(readings, 0)
    for at in np.flatnonzero(quiet):
        begin = readings[at][1].at
        tail = expected(readings[at:], 0)
        assert tail == [e for e in whole if e[0] > begin]


def test_a_step_changes_nothing_it_was_given() -> None:
    state = EngineState.fresh(SENSORS)
    before = state.table.copy()
    first = step(state, block([(0, Plain(0, 9000)), (0, Plain(400 * S, 9000))]), RULES)
    assert np.array_equal(state.table, before)
    again = step(state, block([(0, Plain(0, 9000)), (0, Plain(400 * S, 9000))]), RULES)
    assert np.array_equal(first.events, again.events)


def test_late_readings_are_set_aside_with_their_span() -> None:
    state = step(EngineState.fresh(), block([(1, Plain(1000 * S, 4000))]), RULES).state
    did = step(state, block([(1, Plain(500 * S, 9000)), (1, Plain(700 * S, 4000))]), RULES)
    row = did.state.table[1]
    assert (row["late_from"], row["late_until"], bool(row["rough"])) == (500 * S, 700 * S, True)
    assert not len(did.events)


def test_an_identical_reading_again_is_not_late() -> None:
    same = block([(1, Plain(1000 * S, 4000))])
    state = step(step(EngineState.fresh(), same, RULES).state, same, RULES).state
    assert state.table[1]["late_from"] == -1


def test_less_than_two_kibibytes_of_state_a_sensor() -> None:
    assert engine.STATE.itemsize < 2048


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("ripe", "a delay that counts from the wrong side"),
        ("deadband", "a return at the limit instead of inside it"),
    ],
)
def test_the_agreement_sees_a_planted_fault(broken, why, monkeypatch) -> None:
    """The comparison is worth something: two planted faults, both seen."""
    readings = [(0, Plain(t * 60 * S, 7000)) for t in range(6)] + [(0, Plain(400 * S, 5900))]
    rules = table()
    if broken == "ripe":
        rules.terms.delay_ms[:] += 1
    else:
        rules.terms.high_back[:] = HIGH
    events = step(EngineState.fresh(), block(readings), rules).events
    assert told(events, 0) != expected(readings, 0), why


def with_bystanders() -> RuleTable:
    """As RULES, and beside each probe a door, whose series is judged by nothing."""
    red = (Assignment(carries="red-cells@eu"),)
    doors = {SENSORS + i: (f"br-{i}/door", Quantity.DOOR) for i in range(SENSORS)}
    probes = {i: (f"br-{i}/load", Quantity.TEMPERATURE) for i in range(SENSORS)}
    registry = Registry(
        sites=(Site(id="vte", name="Vientiane"),),
        appliances=tuple(
            Appliance(id=f"br-{i}", name="", site="vte", assignments=red) for i in range(SENSORS)
        ),
        sensors=tuple(
            sensor
            for i in range(SENSORS)
            for sensor in (
                Sensor(id=f"br-{i}/load", appliance=f"br-{i}", probe="load", node=f"n-{i}", channel=1),
                Sensor(id=f"br-{i}/door", appliance=f"br-{i}", quantity="door", node=f"n-{i}", channel=2),
            )
        ),
    )
    return build_table(registry, {**probes, **doors}, fault_after_ms=FAULT_AFTER, insight=False)


@settings(max_examples=200)
@given(st.lists(st.lists(st.tuples(st.integers(0, 2 * SENSORS + 1), values), max_size=8), max_size=12))
def test_what_is_not_judged_changes_no_verdict(blocks) -> None:
    """Blocks of doors alone, of strangers alone, one reading a series or several, in any mixture."""
    rules, both, alone = with_bystanders(), EngineState.fresh(), EngineState.fresh()
    told_with, told_without = [], []
    for turn, drawn in enumerate(blocks):
        readings = [(s, Plain((turn * 10 + i) * 60 * S, v, True, True)) for i, (s, v) in enumerate(drawn)]
        done = step(both, block(readings), rules)
        both = done.state
        told_with += done.events.tolist()
        done = step(alone, block([(s, p) for s, p in readings if s < SENSORS]), rules)
        alone = done.state
        told_without += done.events.tolist()
    assert told_with == told_without
