# SPDX-License-Identifier: Apache-2.0
"""All together: no cut changes a bit, a sensor feels no other, and it all fits in 2 KiB."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from insight_kit import in_pieces, same, tracks

from alerts.insight import observe
from alerts.insight.validity import CODES
from alerts.judgement.engine import STATE

TAU_S = np.array([900.0, 3600.0, 14_400.0])


def run(table, readings):
    n = readings.seg.n
    around = observe.Around(
        np.full(n, 6.0), np.full(n, 2.0), np.full(n, 15.0), np.full(n, 25.0), readings.at % 7 == 0
    )
    told = observe.advance(table, readings, around, tau_s=TAU_S)
    made = {"code": told.doubts.code, "spike": told.doubts.spike, "stuck": told.doubts.stuck}
    for name, column in (
        ("load", told.load.load_c if told.load else np.zeros(0)),
        ("inside", told.defrosts.inside if told.defrosts else np.zeros(0)),
        ("peak", told.usual[:, 5]),
    ):
        whole = np.full(n, np.nan)
        whole[told.plain] = column
        made[name] = whole
    seconds = np.full(n, np.nan)
    if told.slots and told.forecast:
        seconds[told.plain[told.slots.by]] = told.forecast.seconds
    made["seconds"] = seconds
    return made


@given(tracks(), st.lists(st.integers(0, 400), max_size=8), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_no_cut_changes_a_bit(columns, edges, seed):
    series, at, milli = columns
    rng = np.random.default_rng(seed)
    columns = (series, at, np.where(rng.random(len(at)) < 0.03, rng.choice(CODES, len(at)), milli))

    def fresh():
        return observe.blank(3)

    # A reading may close several slots (after nothing but codes): the last one counts here, in both.
    same(in_pieces(fresh, run, columns, []), in_pieces(fresh, run, columns, edges))


@given(tracks(), st.integers(0, 2))
@settings(max_examples=25, deadline=None)
def test_a_sensor_does_not_feel_the_others(columns, number):
    mine = columns[0] == number
    whole, _ = in_pieces(lambda: observe.blank(3), run, columns, [])
    alone, _ = in_pieces(lambda: observe.blank(3), run, tuple(c[mine] for c in columns), [])
    for name, column in alone.items():
        np.testing.assert_array_equal(whole[name][mine], column, err_msg=name)


def test_it_fits_beside_the_engine_in_two_kilobytes():
    assert observe.STATE.itemsize + STATE.itemsize <= 2048
