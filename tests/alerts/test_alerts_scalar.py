# SPDX-License-Identifier: Apache-2.0
"""The vectorised engine is the scalar one, bit for bit, whatever befalls the stream on its way."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scalar_engine import Reading, Terms, judge
from walks import pieces

from alerts.insight import observe
from alerts.judgement.again import Task, judge_again, unknown_to
from alerts.judgement.engine import Events, What, step
from alerts.judgement.state import EngineState, Rows, blank
from alerts.rules import CONDITIONS
from alerts.rules.exposure import beyond, line_of
from alerts.rules.flat import Block, in_order, segments_of
from alerts.rules.terms import Part, RuleTable, of_one_profile
from coldchain.kernel.limits import Limits
from coldchain.settings.profile_files import PROFILES

MINUTE = 60_000
T0 = 1_772_323_200_000
SENSORS = 3
PROFILE = replace(
    PROFILES["red-cells@eu"],
    critical=Limits(2.1, 5.9, "test"),
    warning=Limits(2.4, 5.5, "test"),
    on_delay=timedelta(minutes=5),
    warning_delay=timedelta(minutes=10),
    budget=timedelta(minutes=30),
    deadband_k=0.3,
)
TERMS = Terms(
    high=5_900, low=2_100, warn_high=5_500, warn_low=2_400, limit_high=6_000, limit_low=2_000,
    deadband=300, delay=5 * MINUTE, warn_delay=10 * MINUTE, fault_after=2 * MINUTE, gap=2 * MINUTE,
    budget_s=1_800,
)  # fmt: skip
TOLD = {"high", "low", "high_warning", "low_warning", "sensor_fault", "cumulative"}
NO_VALUE = -(2**31)


def rules_of(*, insight: bool) -> RuleTable:
    return of_one_profile(SENSORS, PROFILE, MINUTE, TERMS.fault_after, part=Part.LOAD, insight=insight)


RULES = {insight: rules_of(insight=insight) for insight in (True, False)}

height = st.one_of(
    st.sampled_from([4_000, 5_500, 5_501, 5_601, 5_600, 5_900, 5_901, 6_000, 6_001]),
    st.sampled_from([2_399, 2_099, 1_999, 2_700]),
    st.integers(0, 9_000),
    st.sampled_from([79_999, 80_000, 85_000]),
    st.sampled_from([-127_000, 85_000, 84_000, 81_000, 127_940, 302_000, 882_600, 14_000, -9_000]),
    st.just(None),
)
stretch = st.tuples(
    height, st.integers(1, 14), st.sampled_from([MINUTE, MINUTE, MINUTE, 20_000, 7 * MINUTE, 130_000, 0])
)
"""A value (None: failed), how many readings of it, and how far apart."""


def stream(stretches: list[tuple[int | None, int, int]], wobble: int) -> list[Reading]:
    """Of equal instants there are several values now and then."""
    at, found = T0, []
    for n, (value, many, apart) in enumerate(stretches):
        for m in range(many):
            usable = value is not None
            found.append((at, value + (m * wobble) % 7 if value is not None else NO_VALUE, usable))
            at += apart or (MINUTE if m else 0)
        at += n % 3 * 1_000
    return sorted(set(found))


def block(readings: list[tuple[int, Reading]]) -> Block:
    no = np.zeros(len(readings), np.bool_)
    return Block(
        np.array([s for s, _ in readings], np.int64),
        np.array([r[0] for _, r in readings], np.int64),
        np.array([r[1] for _, r in readings], np.int64),
        np.array([r[2] for _, r in readings], np.bool_),
        no, no,
    )  # fmt: skip


class Station:
    """Alerts without its files: the state, what was told, and a record in which late readings are found."""

    def __init__(self, *, insight: bool) -> None:
        self.rules = RULES[insight]
        self.state = EngineState.fresh(SENSORS)
        self.record: list[tuple[int, Reading]] = []
        self.events: list[list[Events]] = [[] for _ in range(SENSORS)]
        self.checkpoints: list[list[Rows]] = [[] for _ in range(SENSORS)]

    def hears(self, readings: list[tuple[int, Reading]]) -> None:
        self.record += readings
        did = step(self.state, block(readings), self.rules)
        self.state = did.state
        for event in did.events:
            self.events[int(event["series"])].append(event)

    def restarts(self) -> None:
        self.state = EngineState.load(self.state.save())

    def keeps(self) -> None:
        """A checkpoint of each sensor of which nothing waits."""
        for n in range(SENSORS):
            if self.state.table["late_from"][n] == -1 and self.state.table["at"][n] != -1:
                self.checkpoints[n].append(self.state.rows(n))

    def settles(self) -> None:
        """All that came late is judged again."""
        tasks = []
        for n in np.flatnonzero(self.state.table["late_from"] != -1).tolist():
            late_from, newest = self.state.table["late_from"][n], self.state.table["at"][n]
            kept = [rows for rows in self.checkpoints[n] if rows.table["at"][0] < late_from]
            self.checkpoints[n] = kept
            start = kept[-1] if kept else Rows(blank(1), observe.blank(1))
            mine = in_order(block([r for r in self.record if r[0] == n and r[1][0] <= newest]))
            after = int(start.table["at"][0])
            begin = Rows(start.table.copy(), start.insight.copy())
            tasks.append(Task(n, begin, unknown_to(start, mine), after))
        if not tasks:
            return
        for again in judge_again(tasks, self.rules, lambda *_: None):
            n = again.task.series
            known = [e for e in self.events[n] if e["at"] <= again.task.after_ms]
            self.events[n] = [*known, *again.events]
            self.state.table[n : n + 1] = again.rows.table
            self.state.insight[n : n + 1] = again.rows.insight
            self.state.table["late_from"][n] = self.state.table["late_until"][n] = -1

    def told(self, sensor: int) -> list[tuple]:
        found = []
        for e in self.events[sensor]:
            what, condition = What(int(e["what"])).name, CONDITIONS[int(e["kind"])]
            if condition.name in TOLD and what in ("RAISED", "RETURNED"):
                ends = what == "RETURNED" and condition.sign
                peak = int(e["peak"]) * condition.sign if ends else None
                found.append((condition.name, what, int(e["at"]), int(e["since"]), peak))
        return sorted(found, key=repr)


def expected(readings: list[Reading], *, insight: bool) -> list[tuple]:
    return judge(readings, TERMS, insight=insight)[0] if readings else []


drawn = st.lists(st.lists(stretch, max_size=12), min_size=SENSORS, max_size=SENSORS)


@given(drawn=drawn, wobble=st.integers(0, 3), insight=st.booleans(), data=st.data())
@settings(max_examples=120, deadline=None)
def test_any_cut_double_order_across_sensors_and_restart(drawn, wobble, insight, data) -> None:
    truth = [stream(s, wobble) for s in drawn]
    arriving = sorted(((n, r) for n, mine in enumerate(truth) for r in mine), key=lambda p: p[1])
    station = Station(insight=insight)
    for part in pieces(arriving, data.draw(st.lists(st.integers(0, len(arriving)), max_size=6))):
        mixed = data.draw(st.permutations(part)) if len(part) < 9 else part[::-1]
        station.hears([*mixed, *part[: data.draw(st.integers(0, 3))]])
        if data.draw(st.booleans()):
            station.hears(part[-data.draw(st.integers(1, 3)) :])  # the newest once more
        if data.draw(st.booleans()):
            station.restarts()
    assert (station.state.table["late_from"] == -1).all() or any(part for part in truth)
    station.settles()  # a double of an instant's lower value looks late, and changes nothing
    for n in range(SENSORS):
        assert station.told(n) == expected(truth[n], insight=insight)


@given(drawn=drawn, wobble=st.integers(0, 3), insight=st.booleans(), data=st.data())
@settings(max_examples=120, deadline=None)
def test_late_readings_and_checkpoints(drawn, wobble, insight, data) -> None:
    """Pieces overtake each other; late ones are judged again now or later, from a checkpoint or from none."""
    truth = [stream(s, wobble) for s in drawn]
    parts = []
    for n, mine in enumerate(truth):
        edges = data.draw(st.lists(st.integers(0, len(mine)), max_size=4))
        parts += [[(n, r) for r in piece] for piece in pieces(mine, edges)]
    station = Station(insight=insight)
    for part in data.draw(st.permutations(parts)):
        station.hears(part)
        if data.draw(st.booleans()):
            station.settles()
        if data.draw(st.booleans()):
            station.keeps()
        if data.draw(st.integers(0, 3)) == 0:
            station.restarts()
    station.settles()
    plain = Station(insight=insight)
    plain.hears([(n, r) for n, mine in enumerate(truth) for r in mine])
    for n in range(SENSORS):
        assert station.told(n) == expected(truth[n], insight=insight)
        for this, other in ((station, plain), (plain, station)):
            rows, others = this.state.rows(n), other.state.rows(n)
            assert rows.insight.tobytes() == others.insight.tobytes()
            for name in ("at", "value", "since", "standing", "peak", "plain"):
                assert rows.table[name].tobytes() == others.table[name].tobytes()


def test_neither_cuts_nor_company_change_what_is_carried() -> None:
    """Short streams that move a lot: compared where they end, in twenty places."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        truth = []
        for n in range(SENSORS):
            many = int(rng.integers(5, 60))
            value = 4_000 + np.cumsum(rng.choice([-900, -40, 0, 40, 900], many))
            value[many // 2 :] += int(rng.choice([0, 6_000, -6_000]))
            truth.append([(n, (T0 + m * MINUTE, int(v), True)) for m, v in enumerate(value)])
        together, apart, cut, ticks = (Station(insight=True) for _ in range(4))
        together.hears([r for mine in truth for r in mine])
        for mine in truth:
            apart.hears(mine)
            for part in pieces(mine, rng.integers(0, len(mine), 4).tolist()):
                cut.hears(part)
        for m in range(60 if seed < 8 else 0):
            ticks.hears([mine[m] for mine in truth if m < len(mine)])
        for station in (apart, cut, *([ticks] if seed < 8 else [])):
            assert [station.told(n) for n in range(SENSORS)] == [together.told(n) for n in range(SENSORS)]
            assert station.state.insight.tobytes() == together.state.insight.tobytes(), seed
            assert station.state.table.tobytes() == together.state.table.tobytes(), seed


@pytest.mark.parametrize("seed", range(6))
def test_several_values_of_one_instant_in_any_order(seed) -> None:
    """Each in a block of its own: the lower one comes first, whichever arrived first."""
    rng = np.random.default_rng(seed)
    heights = rng.choice([4_000, 5_400, 5_600, 6_100, 7_000, 1_900], (40, 2))
    readings = [(T0 + n * MINUTE, int(v), True) for n, pair in enumerate(heights) for v in pair]
    station = Station(insight=True)
    for reading in readings:
        station.hears([(0, reading)])
        if rng.random() < 0.4:
            station.settles()
        if rng.random() < 0.4:
            station.keeps()
    station.settles()
    plain = Station(insight=True)
    plain.hears([(0, r) for r in readings])
    assert station.told(0) == expected(readings, insight=True)
    assert station.state.rows(0).insight.tobytes() == plain.state.rows(0).insight.tobytes()


@given(drawn=st.lists(stretch, min_size=1, max_size=20), wobble=st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_time_below_above_and_unknown(drawn, wobble) -> None:
    readings = stream(drawn, wobble)
    _, ms = judge(readings, TERMS, insight=False)
    station = Station(insight=False)
    station.hears([(0, r) for r in readings])
    sound = [r for r in readings if not _is_fault(readings, r)]
    if not sound:
        assert ms["unknown"] == readings[-1][0] - readings[0][0]
        return
    at, value = (np.array(column, np.int64) for column in list(zip(*sound, strict=True))[:2])
    line = line_of(at, value, segments_of(np.zeros(len(at), np.int64)), TERMS.gap)
    above, below = (int(beyond(line, edge, sign)[0].sum()) for edge, sign in ((6_000, 1), (2_000, -1)))
    known = int(line.step_ms[line.known].sum())
    assert (above, below) == (ms["above"], ms["below"])
    assert known - above - below == ms["in"]


def _is_fault(readings: list[Reading], wanted: Reading) -> bool:
    """By the codes of a DS18B20 alone, as told by the last plain value before it."""
    _, value, usable = wanted
    if not usable or value == -127_000:
        return True
    before = [r[1] for r in readings if r < wanted and r[2] and r[1] not in (-127_000, 85_000)]
    return value == 85_000 and (not before or abs(before[-1] - value) > 5_000)


@pytest.mark.parametrize("seed", range(4))
def test_a_probe_that_stands_still_longer_than_it_ever_did(seed) -> None:
    """Days of a value that changes now and then, cut anywhere; runs of all lengths."""
    rng = np.random.default_rng(seed)
    runs = rng.choice([1, 2, 5, 40, 110, 130, 260, 500], 90, p=[0.3, 0.2, 0.2, 0.1, 0.06, 0.06, 0.04, 0.04])
    value = np.repeat(rng.integers(3_000, 6_500, len(runs)), runs)
    readings = [(T0 + n * MINUTE, int(v), True) for n, v in enumerate(value)]
    station = Station(insight=True)
    for part in pieces(readings, rng.integers(0, len(readings), 12).tolist()):
        station.hears([(0, r) for r in part])
        station.restarts()
    told = station.told(0)
    assert told == expected(readings, insight=True)
    assert len(readings) > 3_000


@pytest.mark.parametrize("seed", range(3))
def test_a_day_of_short_excursions_spends_the_budget(seed) -> None:
    rng = np.random.default_rng(seed)
    n = 3 * 1440
    warm = rng.random(n // 4) < 0.06
    value = 4_000 + np.repeat(warm, 4)[:n] * rng.integers(1_500, 4_000, n) + rng.integers(0, 200, n)
    keep = rng.random(n) < 0.97
    readings = [(T0 + m * MINUTE, int(v), True) for m, v in enumerate(value) if keep[m]]
    station = Station(insight=False)
    for part in pieces(readings, rng.integers(0, len(readings), 20).tolist()):
        station.hears([(0, r) for r in part])
    told = station.told(0)
    assert told == expected(readings, insight=False)
    assert {name for name, *_ in told} >= {"cumulative"}
