# SPDX-License-Identifier: Apache-2.0
"""Cycles: a sawtooth's figures come out, odd cycles do not count, cuts change nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from insight_kit import EPOCH_MS, MINUTE_MS, in_pieces, same, tracks

from alerts.insight import cycles, slots
from alerts.insight.scan import Readings


class Tables(dict):
    def tobytes(self):
        return self["slots"].tobytes() + self["cycles"].tobytes()


def fresh():
    return Tables(slots=slots.blank(3), cycles=cycles.blank(3))


def run(table, readings):
    closed = slots.close(table["slots"], readings)
    made = cycles.advance(table["cycles"], readings, closed)
    if made is None:
        return {}
    names = ("series", "at", "features", "usual", "healthy", "count")
    return {name: getattr(made, name) for name in names}


def ordered(result):
    out, table = result
    if out:
        order = np.lexsort((out["at"], out["series"]))
        out = {name: column[order] for name, column in out.items()}
    return out, table


@given(tracks(), st.lists(st.integers(0, 400), max_size=6))
@settings(max_examples=100, deadline=None)
def test_no_cut_changes_a_bit(columns, edges):
    same(ordered(in_pieces(fresh, run, columns, [])), ordered(in_pieces(fresh, run, columns, edges)))


@given(tracks(), st.integers(0, 2))
@settings(max_examples=30, deadline=None)
def test_a_sensor_does_not_feel_the_others(columns, number):
    whole, _ = ordered(in_pieces(fresh, run, columns, []))
    alone, _ = ordered(in_pieces(fresh, run, tuple(c[columns[0] == number] for c in columns), []))
    if alone:
        mine = whole["series"] == number
        for name, column in alone.items():
            np.testing.assert_array_equal(whole[name][mine], column)


def zigzag(value, band):
    """The plain loop: extremes of a play that is loose by `band`."""
    pointer, way, top, found = value[0], 0, value[0], []
    for x in value[1:]:
        new = min(max(pointer, x - band / 2), x + band / 2)
        turn = np.sign(new - pointer)
        if turn not in (0, way):
            if way:
                found.append(top)
            way, top = turn, x
        top = max(top, x) if way >= 0 else min(top, x)
        pointer = new
    return found


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_reversals_are_those_of_the_plain_loop(seed):
    rng = np.random.default_rng(seed)
    milli = np.cumsum(rng.integers(-90, 91, 300)) + 4000
    at = EPOCH_MS + 6 * MINUTE_MS * np.arange(300)  # one reading a slot: the band is the least
    made = run(fresh(), Readings.of(np.zeros(300, np.int64), at, milli))
    troughs = made["features"][:, cycles.TROUGH].tolist() if made else []
    assert troughs == [t / 1000 for t in zigzag(milli, cycles.BAND_LEAST)[0:]][2 - _first_rises(milli) :: 2]


def _first_rises(milli):
    """1 when the first finished extreme is a peak: then troughs with two before them begin at the third."""
    found = zigzag(milli, cycles.BAND_LEAST)
    return 0 if len(found) < 2 or found[0] < found[1] else -1


def sawtooth(minutes, up=6, down=4, low=3.0, high=5.0, noise=0.03):
    phase = np.arange(minutes) % (up + down)
    rng = np.random.default_rng(3)
    clean = np.where(phase < up, low + (high - low) * phase / up, high - (high - low) * (phase - up) / down)
    return clean + rng.normal(0, noise, minutes)


def usual_of(celsius, at=None):
    at = EPOCH_MS + MINUTE_MS * np.arange(len(celsius)) if at is None else at
    tables = fresh()
    run(tables, Readings.of(np.zeros(len(at), np.int64), at, np.rint(celsius * 1000).astype(np.int64)))
    return cycles.usual(tables["cycles"][:1])[0], tables


def test_the_figures_of_a_sawtooth():
    usual, _ = usual_of(sawtooth(1440))
    assert usual[cycles.PERIOD] == pytest.approx(600, rel=0.02)
    assert usual[cycles.DUTY] == pytest.approx(0.4, abs=0.03)
    assert usual[cycles.PULL_DOWN] == pytest.approx(2.0 / 240, rel=0.08)
    assert usual[cycles.DRIFT] == pytest.approx(2.0 / 360, rel=0.08)
    assert usual[cycles.TROUGH] == pytest.approx(3.0, abs=0.1)
    assert usual[cycles.PEAK] == pytest.approx(5.0, abs=0.1)


def test_a_defrost_now_and_then_does_not_move_the_usual():
    wave = sawtooth(1440)
    for start in (300, 660, 1020):
        wave[start : start + 20] += 8.0 * np.sin(np.linspace(0, np.pi, 20))
    usual, _ = usual_of(wave)
    assert usual[cycles.PEAK] == pytest.approx(5.0, abs=0.25)
    assert usual[cycles.PERIOD] == pytest.approx(600, rel=0.05)


def test_a_stop_is_counted_in_periods():
    at = EPOCH_MS + MINUTE_MS * np.arange(500)
    wave = np.concatenate([sawtooth(450), 5.0 + 0.05 * np.arange(50)])
    _, tables = usual_of(wave, at)
    assert cycles.stalled(tables["cycles"][:1], at[-1:])[0] > 4


def test_a_cycle_across_a_gap_counts_for_nothing():
    at = EPOCH_MS + MINUTE_MS * np.concatenate([np.arange(300), 500 + np.arange(300)])
    usual, _ = usual_of(sawtooth(600), at)
    assert usual[cycles.PERIOD] == pytest.approx(600, rel=0.05)


def test_the_cut_test_can_fail(monkeypatch):
    at = EPOCH_MS + MINUTE_MS * np.arange(300)
    columns = (np.zeros(300, np.int64), at, np.rint(sawtooth(300) * 1000).astype(np.int64))
    whole = ordered(in_pieces(fresh, run, columns, []))
    plain = cycles.played  # type: ignore[attr-defined]
    monkeypatch.setattr(cycles, "played", lambda v, h, a, s, p: plain(v, h, a, s, np.zeros_like(p)))
    with pytest.raises(AssertionError):
        same(whole, ordered(in_pieces(fresh, run, columns, list(range(0, 300, 3)))))
