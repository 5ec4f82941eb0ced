# SPDX-License-Identifier: Apache-2.0
"""Codes that jump, spikes, probes that stand still or drift; cuts change nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from insight_kit import EPOCH_MS, MINUTE_MS, in_pieces, same, tracks

from alerts.insight import slots, validity
from alerts.insight.scan import Readings

NAMES = ("code", "spike", "stuck", "quiet")


def run(table, readings):
    told = validity.advance(table, readings)
    return {name: getattr(told, name) for name in NAMES}


@given(tracks(), st.lists(st.integers(0, 400), max_size=6), st.integers(0, 2**32 - 1))
@settings(max_examples=80, deadline=None)
def test_no_cut_changes_a_bit(columns, edges, seed):
    series, at, milli = columns
    rng = np.random.default_rng(seed)
    odd = rng.random(len(milli))
    milli = np.where(odd < 0.05, rng.choice(validity.CODES, len(milli)), milli)
    milli = np.where(odd > 0.6, milli // 3000 * 3000, milli)  # runs of one value
    columns = (series, at, milli)
    young, least = validity.YOUNG, validity.STUCK_LEAST
    validity.YOUNG, validity.STUCK_LEAST = 20, 3  # short streams must reach the rule
    try:
        whole = in_pieces(lambda: validity.blank(3), run, columns, [])
        same(whole, in_pieces(lambda: validity.blank(3), run, columns, edges))
    finally:
        validity.YOUNG, validity.STUCK_LEAST = young, least


def one(celsius):
    at = EPOCH_MS + MINUTE_MS * np.arange(len(celsius))
    milli = np.rint(np.asarray(celsius, float) * 1000).astype(np.int64)
    return run(validity.blank(1), Readings.of(np.zeros(len(at), np.int64), at, milli))


@pytest.mark.parametrize("code", [85.0, -127.0, 127.94, 882.6])
def test_a_code_that_jumps_is_a_code(code):
    told = one([4.0, 4.1, code, code, 4.2])
    assert told["code"].tolist() == [False, False, True, True, False]


def test_a_value_reached_by_degrees_is_no_code():
    assert not one(np.arange(70.0, 90.0, 1.0))["code"].any()


def test_a_lone_spike_is_one_and_a_step_is_not():
    assert one([4.0, 4.1, 4.0, 4.1, 12.0, 4.0, 4.1])["spike"].tolist() == [False] * 4 + [True, False, False]
    assert one([4.0, 4.1, 4.0, 4.1, 12.0, 12.1, 12.0])["spike"].tolist() == [False] * 4 + [True, False, False]
    assert not one(4.0 + 0.9 * np.arange(20))["spike"].any(), "a fast rise"


def healthy(minutes, hold=30, seed=4):
    rng = np.random.default_rng(seed)
    lasts = rng.integers(1, hold, minutes)
    return np.repeat(4.0 + 0.1 * (np.arange(minutes) % 7), lasts)[:minutes]


def test_a_probe_that_stands_still_is_found_within_twice_its_own_quiet_run():
    told = one(np.concatenate([healthy(4000, 90), np.full(600, 4.05)]))
    assert not told["stuck"][:4000].any()
    assert told["stuck"][4000:].any()
    first = int(np.flatnonzero(told["stuck"])[0]) - 4000
    assert first <= 2 * 90 + 1


def test_a_probe_that_is_always_quiet_is_not_stuck():
    """13 hours without a change of a tenth is healthy for some: it was so from the beginning."""
    quiet = np.repeat(4.0 + 0.1 * (np.arange(20) % 2), 780)
    assert not one(quiet)["stuck"].any()


def test_a_stuck_probe_does_not_teach_that_it_is_healthy():
    stuck = np.full(2000, 4.05)
    told = one(np.concatenate([healthy(4000, 60), stuck, healthy(500, 60), stuck]))
    assert told["stuck"][-1]
    assert told["stuck"][4000 + 2000 + 500 :].sum() > 1800


def drifting(own, sibling):
    at = EPOCH_MS // 300_000 * 300_000 + 5 * MINUTE_MS * np.arange(len(own))
    milli = np.rint(own * 1000).astype(np.int64)
    readings = Readings.of(np.zeros(len(at), np.int64), at, milli)
    closed = slots.close(slots.blank(1), readings)
    assert closed is not None
    return validity.drift(validity.blank_drift(1), closed, sibling[: len(closed.slot)])


def test_drift_is_the_difference_that_grows():
    hours = np.arange(12 * 24 * 8) / 12
    air = 4.0 + np.sin(hours)
    load = 4.2 + 0.3 * np.sin(hours - 1) + 0.1 * np.maximum(hours - 120, 0)
    told = drifting(load, air)
    found = np.flatnonzero(told.drifts)
    assert len(found)
    assert 120 < hours[found[0]] < 120 + 36
    assert not drifting(4.2 + 0.3 * np.sin(hours - 1), air).drifts.any()


@given(st.lists(st.integers(0, 400), max_size=5), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_no_cut_changes_a_drift(edges, seed):
    rng = np.random.default_rng(seed)
    columns = (
        np.repeat([0, 1], 300),
        np.tile(EPOCH_MS // 300_000 * 300_000 + 5 * MINUTE_MS * np.arange(300), 2),
        rng.integers(3000, 5000, 600),
    )

    def blank():
        return Pair(slots.blank(2), validity.blank_drift(2))

    def step(tables, readings):
        closed = slots.close(tables.slots, readings)
        if closed is None:
            return {}
        sibling = np.where(closed.slot % 5 == 0, np.nan, (closed.slot % 11) / 3.0)
        told = validity.drift(tables.drift, closed, sibling)
        return {"away": told.away_k, "drifts": told.drifts, "slot": closed.slot, "series": closed.series}

    def ordered(result):
        out, table = result
        order = np.lexsort((out["slot"], out["series"]))
        return {name: column[order] for name, column in out.items()}, table

    same(ordered(in_pieces(blank, step, columns, [])), ordered(in_pieces(blank, step, columns, edges)))


class Pair:
    def __init__(self, closed, drift):
        self.slots, self.drift = closed, drift

    def tobytes(self):
        return self.slots.tobytes() + self.drift.tobytes()
