# SPDX-License-Identifier: Apache-2.0
"""The lag of the air: exact on a ramp, the same however it is cut, honest after a gap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from insight_kit import EPOCH_MS, MINUTE_MS, in_pieces, same, tracks

from alerts.insight import scan, virtual_load
from alerts.insight.scan import Readings

GAP_MS = 2 * MINUTE_MS


def run(table, readings):
    made = virtual_load.advance(table, readings, np.array([900.0, 3600.0, 14_400.0]), GAP_MS)
    return {"load": made.load_c, "settled": made.settled}


def one(at, celsius, tau_s=3600.0):
    milli = np.rint(np.asarray(celsius) * 1000).astype(np.int64)
    readings = Readings.of(np.zeros(len(at), np.int64), np.asarray(at, np.int64), milli)
    return virtual_load.advance(virtual_load.blank(1), readings, np.array([tau_s]), GAP_MS)


@given(tracks(), st.lists(st.integers(0, 400), max_size=6))
@settings(max_examples=60, deadline=None)
def test_no_cut_changes_a_bit(columns, edges):
    def fresh():
        return virtual_load.blank(3)

    same(in_pieces(fresh, run, columns, []), in_pieces(fresh, run, columns, edges))


@given(tracks(), st.integers(0, 2))
@settings(max_examples=30, deadline=None)
def test_a_sensor_does_not_feel_the_others(columns, number):
    mine = columns[0] == number
    whole, _ = in_pieces(lambda: virtual_load.blank(3), run, columns, [])
    alone, _ = in_pieces(lambda: virtual_load.blank(3), run, tuple(c[mine] for c in columns), [])
    if mine.any():
        np.testing.assert_array_equal(whole["load"][mine], alone["load"])


def test_it_follows_the_differential_equation_at_any_sampling():
    """A ramp from 4 °C at 6 K/h: the closed solution lags by tau times the slope, less what has decayed."""
    rng = np.random.default_rng(5)
    at = EPOCH_MS + np.cumsum(rng.integers(5_000, 110_000, 400))
    hours = (at - at[0]) / 3.6e6
    made = one(at, 4.0 + 6.0 * hours)
    closed = 4.0 + 6.0 * (hours - (1 - np.exp(-hours)))
    assert np.abs(made.load_c - closed).max() < 0.003


def test_a_step_of_air_reaches_63_percent_after_tau():
    at = EPOCH_MS + MINUTE_MS * np.arange(0, 400)
    made = one(at, np.where(np.arange(400) < 200, 4.0, 10.0))
    assert made.load_c[199] == pytest.approx(4.0)
    assert made.load_c[259] == pytest.approx(4.0 + 6.0 * (1 - np.exp(-1)), abs=0.04)
    assert not made.settled[100]
    assert made.settled[200]


def test_after_a_long_gap_it_begins_at_the_air_and_says_so():
    at = EPOCH_MS + MINUTE_MS * np.concatenate([np.arange(300), 400 + np.arange(5)])
    made = one(at, np.concatenate([np.full(300, 4.0), np.full(5, 9.0)]))
    assert made.settled[299]
    assert made.load_c[300] == pytest.approx(9.0)
    assert not made.settled[300]


def test_a_short_gap_is_bridged():
    at = EPOCH_MS + MINUTE_MS * np.concatenate([np.arange(300), 310 + np.arange(5)])
    made = one(at, np.concatenate([np.full(300, 4.0), np.full(5, 9.0)]))
    assert 4.2 < made.load_c[300] < 4.6
    assert made.settled[300]


def test_decay_is_the_exponential():
    x = np.linspace(0, 2, 100)
    assert np.abs(scan.decay(x) / np.exp(-x) - 1).max() < 2e-3
    assert scan.decay(np.array([1e9]))[0] == 0.0 or scan.decay(np.array([1e9]))[0] < 1e-30


def test_tau_is_learnt_from_a_pair():
    at = EPOCH_MS + 5 * MINUTE_MS * np.arange(2000)
    air = 4.0 + 1.5 * np.sin(at / 3.6e6)
    load = one(at, air, tau_s=7200.0).load_c
    assert virtual_load.learnt_tau_s(air, load, 300.0, least_s=600, most_s=86_400) == pytest.approx(
        7200, rel=0.05
    )
    assert np.isnan(virtual_load.learnt_tau_s(air, air, 300.0, least_s=600, most_s=86_400))


def test_the_cut_test_can_fail(monkeypatch):
    """With a base that is forgotten at the cut, the values differ."""
    at = EPOCH_MS + MINUTE_MS * np.arange(200)
    columns = (np.zeros(200, np.int64), at, np.rint(4000 + 900 * np.sin(np.arange(200))).astype(np.int64))
    whole = in_pieces(lambda: virtual_load.blank(3), run, columns, [])
    monkeypatch.setattr(scan, "value_of", lambda was: was["gift"])
    with pytest.raises(AssertionError):
        same(whole, in_pieces(lambda: virtual_load.blank(3), run, columns, [127]))
