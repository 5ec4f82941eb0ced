# SPDX-License-Identifier: Apache-2.0
"""Time to limit: known courses are foretold, cycling is stable, cuts change nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from insight_kit import EPOCH_MS, MINUTE_MS, in_pieces, same, tracks

from alerts.insight import slots, time_to_limit
from alerts.insight.scan import Readings


def fresh():
    return {"slots": slots.blank(3), "limit": time_to_limit.blank(3)}


def run(table, readings, ambient=25.0):
    closed = slots.close(table["slots"], readings)
    if closed is None:
        return {}
    m = len(closed.slot)
    known = np.full(m, ambient)
    told = time_to_limit.advance(
        table["limit"], closed, np.full(m, 6.0), np.full(m, 2.0), known, np.zeros(m, bool)
    )
    return {
        "series": closed.series,
        "slot": closed.slot,
        "mean": closed.mean_c,
        "at": closed.at_s,
        "by": readings.at[closed.by],
        "direction": told.direction,
        "seconds": told.seconds,
        "low": told.low_s,
        "high": told.high_s,
    }


class Whole(dict):
    """Two tables, compared as one."""

    def tobytes(self):
        return self["slots"].tobytes() + self["limit"].tobytes()


def ordered(result):
    out, table = result
    if out:
        order = np.lexsort((out["slot"], out["series"]))
        out = {name: column[order] for name, column in out.items()}
    return out, Whole(table)


@given(tracks(), st.lists(st.integers(0, 400), max_size=6))
@settings(max_examples=80, deadline=None)
def test_no_cut_changes_a_bit(columns, edges):
    same(ordered(in_pieces(fresh, run, columns, [])), ordered(in_pieces(fresh, run, columns, edges)))


@given(tracks(), st.integers(0, 2))
@settings(max_examples=30, deadline=None)
def test_a_sensor_does_not_feel_the_others(columns, number):
    whole, _ = in_pieces(fresh, run, columns, [])
    alone, _ = in_pieces(fresh, run, tuple(c[columns[0] == number] for c in columns), [])
    if alone:
        mine = whole["series"] == number
        for name, column in alone.items():
            np.testing.assert_array_equal(whole[name][mine], column)


def course(celsius, ambient=25.0, noise=0.02, seed=1):
    """Forecasts of one sensor whose readings come every minute."""
    rng = np.random.default_rng(seed)
    at = EPOCH_MS // 300_000 * 300_000 + MINUTE_MS * np.arange(len(celsius))
    milli = np.rint((celsius + rng.normal(0, noise, len(celsius))) * 16) * 1000 // 16
    readings = Readings.of(np.zeros(len(at), np.int64), at, milli.astype(np.int64))
    made = run(fresh(), readings, ambient)
    made["minute"] = (made["at"] * 1000 - at[0]) / MINUTE_MS
    return made


MINUTES = np.arange(1440)
CYCLING = 4.0 + 0.2 * np.sin(2 * np.pi * MINUTES / 40)
KNOWN = np.tile(CYCLING, 4)
"""Four days of it: what it does regularly is learnt."""


@pytest.mark.parametrize("ambient", [25.0, np.nan])
def test_newton_warming_is_foretold(ambient):
    """tau 18 h towards 25 °C from 4 °C: 6 °C is passed 1.8 h after the cut."""
    warm = 25.0 - 21.0 * np.exp(-(MINUTES[:400]) / (18 * 60))
    cut = len(KNOWN)
    made = course(np.concatenate([KNOWN, warm]), ambient)
    passes = cut + 18 * 60 * np.log(21 / 19)
    left = (passes - made["minute"]) * 60
    told = (made["minute"] > cut + 30) & (left > 1800)
    assert (made["direction"][told] == 1).all()
    miss = np.abs(made["seconds"][told] - left[told]) / left[told]
    assert np.median(miss) < 0.12
    assert np.mean((made["low"][told] <= left[told]) & (left[told] <= made["high"][told])) >= 0.7


@pytest.mark.parametrize("days", [1, 4])
def test_the_first_rise_of_a_new_appliance_is_believed_later_than_that_of_a_known_one(days):
    """A load that rises by 0.8 K in half an hour and falls again, as at a first defrost."""
    up, down = np.linspace(4.0, 4.8, 30), np.linspace(4.8, 4.0, 90)
    made = course(np.concatenate([np.tile(CYCLING, days), up, down]), np.nan)
    foreseen = (made["minute"] > days * 1440) & (made["direction"] > 0) & (made["seconds"] < 7200)
    assert foreseen.any() == (days == 4)


def test_a_loss_on_the_first_day_is_foretold_before_half_the_way():
    warm = 25.0 - 21.0 * np.exp(-(MINUTES[:400]) / (18 * 60))
    made = course(np.concatenate([CYCLING, warm]), np.nan)
    told = (made["direction"] > 0) & (made["mean"] > 4.0 + 0.48 * 2.0)
    assert told[made["mean"] > 4.0 + 0.48 * 2.0].all()
    assert made["minute"][told][0] < 1440 + 18 * 60 * np.log(21 / 19) - 50, "the limit is an hour away"


def test_normal_cycling_is_stable():
    made = course(np.concatenate([CYCLING, CYCLING]))
    assert (made["direction"][60:] == 0).mean() > 0.99
    assert np.isinf(made["seconds"][60:]).mean() > 0.99


def test_cooling_towards_the_low_limit():
    made = course(np.concatenate([CYCLING, 4.0 - 0.02 * MINUTES[:80]]), np.nan)
    assert made["direction"][-1] == -1
    passes = len(CYCLING) + 100
    left = (passes - made["minute"][-1]) * 60
    assert made["seconds"][-1] == pytest.approx(left, rel=0.25)


def test_a_warming_that_ends_below_the_limit_never_reaches_it():
    """The room is at 5.5 °C: Newton has no crossing; the free law must not invent one for long."""
    warm = 5.5 - 1.5 * np.exp(-MINUTES[:600] / 90)
    made = course(np.concatenate([CYCLING, warm]), 5.5)
    late = made["minute"] > len(CYCLING) + 400
    assert not ((made["direction"][late] == 1) & (made["seconds"][late] < 1800)).any()


def test_slots_are_means_of_their_readings():
    at = EPOCH_MS // 300_000 * 300_000 + MINUTE_MS * np.arange(11)
    readings = Readings.of(np.zeros(11, np.int64), at, np.arange(11) * 100)
    closed = slots.close(slots.blank(1), readings)
    assert closed.mean_c.tolist() == [0.2, 0.7]
    assert closed.by.tolist() == [5, 10]
    assert (closed.least_c.tolist(), closed.most_c.tolist()) == ([0.0, 0.5], [0.4, 0.9])
