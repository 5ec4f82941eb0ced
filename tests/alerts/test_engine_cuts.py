# SPDX-License-Identifier: Apache-2.0
"""Everything the engine knows and says is the same to the bit wherever a stream is cut."""

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_fleet import DAY, MINUTE, T0, block, cycling, fleet, happened, judged

from alerts.insight import observe
from alerts.judgement import state as saving
from alerts.judgement.engine import EngineState, Events, What, rejudge
from alerts.rules.flat import Block
from alerts.rules.terms import RuleTable
from coldchain.records.registry import Assignment, Offset

FLEETS: tuple[tuple[str | None, ...], ...] = (("load", "air", "air"), (None, "air", "air"))
"""Air beside a load; air alone, and a probe of which nobody says what it is."""


@cache
def rich(probes: tuple[str | None, ...]) -> tuple[RuleTable, Block]:
    """Three days of everything: defrosts, a door, codes, a failing compressor, gaps, a loading."""
    spans = (
        Assignment(carries="loading", from_ms=T0, until_ms=T0 + 200 * MINUTE),
        Assignment(carries="red-cells@eu", from_ms=T0 + 200 * MINUTE),
    )
    one = fleet(*probes, assignments=spans, offsets=(Offset(from_ms=T0 + DAY * MINUTE, offset_k=0.2),))
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
def rich_whole(probes: tuple[str | None, ...]) -> tuple[EngineState, Events]:
    rules, whole = rich(probes)
    return judged(rules, whole, [])


@given(edges=st.lists(st.integers(0, 12_000), max_size=12))
@settings(max_examples=25, deadline=None)
@pytest.mark.parametrize("probes", FLEETS)
def test_no_cut_changes_a_verdict_or_a_bit_of_state(probes, edges) -> None:
    rules, whole = rich(probes)
    state, events = rich_whole(probes)
    cut, told = judged(rules, whole, sorted(min(e, len(whole)) for e in edges))
    order = ("at", "series", "kind", "what")
    plain = [e.tolist() for e in np.sort(events[events["what"] != What.GROWN], order=order)]
    assert [e.tolist() for e in np.sort(told[told["what"] != What.GROWN], order=order)] == plain
    assert cut.table.tobytes() == state.table.tobytes()
    assert cut.insight.tobytes() == state.insight.tobytes()


@pytest.mark.parametrize("probes", FLEETS)
def test_the_rich_stream_is_rich(probes) -> None:
    """What the property above compares: conditions of nearly every kind."""
    names = {name for name, _, _ in happened(rich_whole(probes)[1])}
    assert {"high", "high_warning", "sensor_fault", "forecast", "cumulative"} <= names


@pytest.mark.parametrize("probes", FLEETS)
@pytest.mark.parametrize("series", [0, 1])
def test_one_series_judged_again_from_any_of_its_records_comes_out_the_same(series, probes) -> None:
    rules, whole = rich(probes)
    state, events = rich_whole(probes)
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


def test_what_was_learnt_in_another_form_is_learnt_anew_and_limits_go_on(monkeypatch) -> None:
    state, _ = rich_whole(FLEETS[0])
    saved = state.save()
    again = EngineState.load(saved)
    assert again.table.tobytes() == state.table.tobytes()
    assert again.insight.tobytes() == state.insight.tobytes()
    monkeypatch.setattr(saving, "_LAYOUT", saving._LAYOUT[:4] + b"else")
    other = EngineState.load(saved)
    assert other.table.tobytes() == state.table.tobytes()
    assert other.insight.tobytes() == observe.blank(len(state.table)).tobytes()
    monkeypatch.setattr(saving, "_LAYOUT", b"else" + saving._LAYOUT[4:])
    with pytest.raises(AssertionError, match="raise FORMAT"):
        EngineState.load(saved)
