# SPDX-License-Identifier: Apache-2.0
"""Hold-over learnt from outages, a blind clock that is not late, and "may I leave?"."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from insight_kit import EPOCH_MS, in_pieces, same

from alerts.insight import hold_over, slots
from alerts.insight.hold_over import Leave, may_leave

HOUR = 3600.0


def outage(table, k, hours, ambient=28.0, start=4.0, begin=1e6, row=0):
    """Slots before, during and after one outage of one appliance."""
    t = np.arange(-3, hours * 12 + 4) * 300.0
    off = (t >= 0) & (t <= hours * HOUR)
    load = np.where(t < 0, start, ambient - (ambient - start) * np.exp(-k * np.maximum(t, 0)))
    for at, c, o in zip(t, load, off, strict=True):
        one = np.array([row])
        hold_over.advance(
            table, one, np.array([begin + at]), np.array([c]), np.array([ambient]), np.array([o])
        )
    return table


def held(table, default=1e-5, cautious=False, start=4.0):
    rows = table[:1]
    columns = (np.array([start]), np.array([6.0]), np.array([28.0]), np.array([default]))
    return float(hold_over.seconds_held(rows, *columns, cautious=cautious)[0])


def test_the_own_outage_teaches_the_hold_over():
    k = 1.0 / (20 * HOUR)
    table = outage(hold_over.blank(1), k, 3)
    assert table["outages"][0] == 1
    assert held(table) == pytest.approx(np.log(24 / 22) / k, rel=0.03)


def test_before_any_outage_the_maker_speaks():
    k = hold_over.maker_k(4 * HOUR, 4.0, 6.0, 28.0)
    assert held(hold_over.blank(1), k) == pytest.approx(4 * HOUR)


@pytest.mark.parametrize(("hours", "ambient"), [(0.2, 28.0), (3, 4.2)], ids=["too short", "cold room"])
def test_an_outage_that_says_nothing_teaches_nothing(hours, ambient):
    assert outage(hold_over.blank(1), 1e-5, hours, ambient)["outages"][0] == 0


@given(st.floats(5e-6, 5e-5), st.lists(st.floats(1, 8), min_size=1, max_size=4))
@settings(max_examples=30, deadline=None)
def test_the_blind_clock_is_not_later_than_the_truth(k, hours):
    table = hold_over.blank(1)
    for n, lasts in enumerate(hours):
        outage(table, k * (1 + 0.1 * n), lasts, begin=1e6 * (n + 1))
    truth = np.log(24 / 22) / (k * (1 + 0.1 * (len(hours) - 1)))
    if table["outages"][0]:
        assert held(table, default=1e-6, cautious=True) <= truth


@given(st.lists(st.integers(0, 80), max_size=5), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_no_cut_changes_what_outages_teach(edges, seed):
    rng = np.random.default_rng(seed)
    at = EPOCH_MS // 300_000 * 300_000 + 300_000 * np.arange(80)
    columns = (np.repeat([0, 1], 80), np.tile(at, 2), rng.integers(3000, 6000, 160))
    off = np.repeat(rng.random(20) < 0.5, 4)

    class Both(dict):
        def tobytes(self):
            return self["slots"].tobytes() + self["held"].tobytes()

    def step(tables, readings):
        closed = slots.close(tables["slots"], readings)
        if closed is not None:
            dark = off[(closed.slot - at[0] // 300_000) % 80]
            hold_over.feed(tables["held"], closed, np.full(len(dark), 28.0), dark)
        return {}

    def blank():
        return Both(slots=slots.blank(2), held=hold_over.blank(2))

    same(in_pieces(blank, step, columns, []), in_pieces(blank, step, columns, edges))


def test_rows_do_not_touch_each_other():
    table = outage(hold_over.blank(2), 2e-5, 3, row=1)
    assert table[0] == hold_over.blank(1)[0]
    alone = outage(hold_over.blank(1), 2e-5, 3)
    assert table[1] == alone[0]


def test_beyond_the_limit_there_is_no_time_and_a_cold_room_has_all_of_it():
    assert held(hold_over.blank(1), start=6.5) == 0.0
    rows = hold_over.blank(1)
    told = hold_over.seconds_held(
        rows, np.array([4.0]), np.array([6.0]), np.array([5.0]), np.array([1e-5]), cautious=False
    )
    assert np.isinf(told[0])


HEALTHY = np.array([[600.0, 0.4, 0.0083, 0.0055, 3.0, 5.0]])


@pytest.mark.parametrize(
    ("since", "counted", "minutes", "in_range", "word", "reason"),
    [
        (HEALTHY[0], 6, 60, True, Leave.YES, 0),
        (HEALTHY[0], 2, 30, True, Leave.NOT_YET, 1),
        (HEALTHY[0], 2, 95, True, Leave.NO, 1),
        (HEALTHY[0], 6, 60, False, Leave.NOT_YET, 2),
        ([600, 0.4, 0.0050, 0.0055, 3.0, 5.0], 6, 95, True, Leave.NO, 3),
        ([600, 0.58, 0.0063, 0.0075, 3.0, 5.0], 6, 60, True, Leave.YES, 0),
        ([900, 0.95, 0.0083, 0.0055, 3.0, 5.0], 6, 60, True, Leave.NOT_YET, 4),
        ([600, 0.4, 0.0083, 0.0055, 4.5, 6.5], 6, 60, True, Leave.NOT_YET, 5),
    ],
)
def test_may_i_leave(since, counted, minutes, in_range, word, reason):
    yes = np.array([True])
    told = may_leave(
        HEALTHY,
        np.array([since], float),
        np.array([counted]),
        np.array([minutes * 60.0]),
        yes & in_range,
        yes,
    )
    assert (Leave(int(told.leave[0])), int(told.reason[0])) == (word, reason)


def test_without_readings_never_yes():
    told = may_leave(HEALTHY, HEALTHY, np.array([9]), np.array([6000.0]), np.array([True]), np.array([False]))
    assert told.leave[0] == Leave.NO


def test_a_quick_first_fall_below_the_load_speaks_for_cycles_that_cannot_come_yet():
    healthy = np.array([[1800.0, 0.5, 0.002, 0.002, -36.0, -34.0]])
    unknown = np.full((1, 6), np.nan)
    yes = np.array([True])

    def asked(fall):
        return hold_over.may_leave(healthy, unknown, np.array([0]), np.array([3600.0]), yes, yes, fall)

    assert asked(np.array([0.003])).leave[0] == hold_over.Leave.YES
    assert asked(np.array([0.001])).leave[0] == hold_over.Leave.NOT_YET
    assert asked(None).leave[0] == hold_over.Leave.NOT_YET


def test_air_that_falls_to_its_load_is_no_first_fall():
    """A door that closes: the air comes down by 8 K, to the load and no further."""
    load = np.full(60, -30.0)
    closing = -30.0 + 8.0 * np.exp(-np.arange(60) / 5.0)
    cooled = -30.0 - 4.0 * (1 - np.exp(-np.arange(60) / 15.0))
    assert hold_over.first_fall(closing, load, 15, 60.0, 0.5) < 0.6 / 900
    assert hold_over.first_fall(cooled, load, 15, 60.0, 0.5) > 2.0 / 900
    assert hold_over.first_fall(cooled[:10], load[:10], 15, 60.0, 0.5) == 0.0
