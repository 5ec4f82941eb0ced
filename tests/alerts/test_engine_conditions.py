# SPDX-License-Identifier: Apache-2.0
"""Every condition of the live engine: scenarios, and the same to the bit wherever a stream is cut."""

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.engine import EngineState, Events, What, rejudge, step
from alerts.rules import CONDITIONS, NUMBER_OF
from alerts.rules.flat import Block
from alerts.rules.table import build_table
from alerts.rules.terms import RuleTable
from coldchain.records.registry import Appliance, Assignment, Offset, Registry, Sensor, Site

MINUTE = 60_000
T0 = 1_657_195_200_000
DAY = 1440
RED = (Assignment(carries="red-cells@eu"),)


@dataclass(frozen=True)
class Fleet:
    """One appliance and its sensors; series are numbered in their order."""

    rules: RuleTable
    names: tuple[str, ...]


def fleet(
    *probes: str | None,
    assignments: tuple[Assignment, ...] = RED,
    kind: str = "blood-refrigerator",
    offsets: tuple[Offset, ...] = (),
    insight: bool = True,
) -> Fleet:
    """probes: load, air, agitator, or None where nobody says."""
    sensors = tuple(
        Sensor(
            id=f"a/{n}",
            appliance="a",
            quantity="agitator" if probe == "agitator" else "temperature",
            probe=None if probe == "agitator" else probe,  # type: ignore[arg-type]
            node="n",
            channel=n,
            offsets=offsets,
        )
        for n, probe in enumerate(probes)
    )
    registry = Registry(
        sites=(Site(id="vte", name="Vientiane"),),
        appliances=(Appliance(id="a", name="", site="vte", kind=kind, assignments=assignments),),
        sensors=sensors,
    )
    series = {n: (s.id, s.code) for n, s in enumerate(sensors)}
    rules = build_table(registry, series, fault_after_ms=5 * MINUTE, insight=insight)
    return Fleet(rules, tuple(s.id for s in sensors))


def block(values: dict[int, list[float]], at: dict[int, list[int]] | None = None) -> Block:
    """Readings a minute of each series; NaN: it failed."""
    columns = []
    for series, celsius in values.items():
        when = at[series] if at else range(len(celsius))
        columns += [(series, T0 + t * MINUTE, c) for t, c in zip(when, celsius, strict=True)]
    columns.sort(key=lambda c: (c[1], c[0]))
    told = np.array([-(2**31) if math.isnan(c) else round(c * 1000) for _, _, c in columns], np.int64)
    yes = np.ones(len(columns), np.bool_)
    usable = told != -(2**31)
    series = np.array([s for s, _, _ in columns], np.int64)
    return Block(series, np.array([t for _, t, _ in columns], np.int64), told, usable, yes, ~yes)


def happened(events: Events, *, what: What = What.RAISED) -> list[tuple[str, int, int]]:
    """(condition, series, minute) in order."""
    chosen = events[events["what"] == what]
    return [
        (CONDITIONS[int(e["kind"])].name, int(e["series"]), (int(e["at"]) - T0) // MINUTE) for e in chosen
    ]


def judged(rules: RuleTable, whole: Block, edges: list[int]) -> tuple[EngineState, Events]:
    """Cut at those readings."""
    state, found = EngineState.fresh(), []
    for low, high in pairwise([0, *edges, len(whole)]):
        did = step(state, whole.take(np.arange(low, high)), rules)
        state = did.state
        found.append(did.events)
    return state, np.concatenate(found)


def raised_by(values: dict[int, list[float]], one: Fleet) -> list[tuple[str, int, int]]:
    return happened(step(EngineState.fresh(), block(values), one.rules).events)


def cycling(minutes: int, seed: int = 5, mean: float = 4.0, swing: float = 0.4) -> list[float]:
    """A load that swings a little every 40 minutes, with a probe's noise."""
    noise = np.random.default_rng(seed).normal(0, 0.03, minutes)
    return np.round(mean + swing * np.sin(np.arange(minutes) * 2 * math.pi / 40) + noise, 2).tolist()


# --- any cut


@cache
def rich() -> tuple[RuleTable, Block]:
    """Three days of an incubator's worth of everything: defrosts, doors, codes, spikes, a failing compressor,
    gaps, loading, a corrected probe, an agitator that stops.
    """
    spans = (
        Assignment(carries="loading", from_ms=T0, until_ms=T0 + 200 * MINUTE),
        Assignment(carries="red-cells@eu", from_ms=T0 + 200 * MINUTE),
    )
    one = fleet(
        "load", "air", "air", assignments=spans, offsets=(Offset(from_ms=T0 + DAY * MINUTE, offset_k=0.2),)
    )
    rng = np.random.default_rng(1)
    values, at = {}, {}
    for series in range(3):
        minutes = np.arange(3 * DAY)
        c = np.array(cycling(3 * DAY, seed=series, mean=3.5 if series else 4.0, swing=0.4 if series else 0.1))
        c[:150] += 8.0 * np.exp(-minutes[:150] / 40)
        if series:
            c += np.where(minutes % 360 < 30, 5.0 * np.sin(math.pi * (minutes % 360) / 30), 0.0)
        c += np.where((minutes > 2500) & (minutes < 2520), 4.0, 0.0)
        c[3 * DAY - 700 :] += np.arange(700) * 0.006
        c[700], c[1500:1510], c[1800], c[900:905] = 19.0, 85.0, -127.0, math.nan
        keep = rng.random(len(c)) > 0.05
        keep[2000:2100] = False
        values[series], at[series] = np.round(c[keep], 3).tolist(), minutes[keep].tolist()
    return one.rules, block(values, at)


@cache
def rich_whole() -> tuple[EngineState, Events]:
    rules, whole = rich()
    return judged(rules, whole, [])


@given(edges=st.lists(st.integers(0, 12_000), max_size=12))
@settings(max_examples=25, deadline=None)
def test_no_cut_changes_a_verdict_or_a_bit_of_state(edges) -> None:
    rules, whole = rich()
    state, events = rich_whole()
    cut, told = judged(rules, whole, sorted(min(e, len(whole)) for e in edges))
    order = ("at", "series", "kind", "what")
    plain = [e.tolist() for e in np.sort(events[events["what"] != What.GROWN], order=order)]
    assert [e.tolist() for e in np.sort(told[told["what"] != What.GROWN], order=order)] == plain
    assert cut.table.tobytes() == state.table.tobytes()
    assert cut.insight.tobytes() == state.insight.tobytes()


def test_the_rich_stream_is_rich() -> None:
    """What the property above compares: conditions of every kind but the agitator's."""
    names = {name for name, _, _ in happened(rich_whole()[1])}
    assert {"high", "high_warning", "sensor_fault", "forecast", "cumulative"} <= names


@pytest.mark.parametrize("series", [0, 1])
def test_one_series_judged_again_from_any_of_its_records_comes_out_the_same(series) -> None:
    rules, whole = rich()
    state, events = rich_whole()
    mine = whole.take(whole.series == series)
    half = len(mine) // 2
    rows, first = rejudge(mine.take(np.arange(half)), rules)
    after, second = rejudge(mine.take(np.arange(half, len(mine))), rules, rows)
    told = np.concatenate([first, second])
    for what in (What.RAISED, What.RETURNED):
        assert happened(told, what=what) == happened(events[events["series"] == series], what=what)
    rows, _ = rejudge(mine, rules)
    assert rows.insight.tobytes() == after.insight.tobytes() == state.rows(series).insight.tobytes()
    for name in (
        "at",
        "since",
        "standing",
        "sound",
        "sound_at",
        "out_s",
        "hour",
        "soon_at",
        "limit_at",
        "slot_c",
        "cooled",
    ):
        assert np.array_equal(rows.table[name], state.rows(series).table[name]), name
        assert np.array_equal(rows.table[name], after.table[name]), name


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
