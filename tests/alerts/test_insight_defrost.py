# SPDX-License-Identifier: Apache-2.0
"""Defrosts: learnt after three, by clock or run time; nothing beyond the template is taken for one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from insight_kit import EPOCH_MS, MINUTE_MS, in_pieces, same, tracks

from alerts.insight import cycles, defrost, slots


class Tables(dict):
    def tobytes(self):
        return b"".join(table.tobytes() for table in self.values())


def fresh():
    return Tables(slots=slots.blank(3), cycles=cycles.blank(3), defrost=defrost.blank(3))


def run(table, readings):
    before = cycles.usual(table["cycles"][readings.seg.series])
    closed = slots.close(table["slots"], readings)
    made = cycles.advance(table["cycles"], readings, closed)
    usual = cycles.in_force(before, made, readings.seg)
    told = defrost.advance(table["defrost"], readings, usual, np.full(readings.seg.n, 15.0))
    names = ("inside", "overlong", "missing", "began")
    seen = {name: getattr(told, name) for name in names}
    for name in ("what", "began", "peak", "usual"):
        seen[f"ended_{name}"] = np.zeros(readings.seg.n)
        seen[f"ended_{name}"][told.ended_by] = getattr(told, f"ended_{name}")
    return seen


@given(tracks(), st.lists(st.integers(0, 400), max_size=6))
@settings(max_examples=80, deadline=None)
def test_no_cut_changes_a_bit(columns, edges):
    same(in_pieces(fresh, run, columns, []), in_pieces(fresh, run, columns, edges))


def days(bumps, total, seed=2):
    """Cycling of ten minutes with bumps (start minute, minutes, height) added."""
    rng = np.random.default_rng(seed)
    value = 4.0 + 0.6 * np.sin(2 * np.pi * np.arange(total) / 10) + rng.normal(0, 0.03, total)
    for start, lasts, height in bumps:
        end = min(start + lasts, total)
        value[start:end] += height * np.sin(np.pi * (np.arange(end - start) + 0.5) / lasts)
    at = EPOCH_MS + MINUTE_MS * np.arange(total)
    return np.zeros(total, np.int64), at, np.rint(value * 1000).astype(np.int64)


CLOCK = [(k * 360 + 200, 24, 7.0) for k in range(8)]
RUN_TIME = [(start, 24, 7.0) for start in (200, 520, 940, 1290, 1600, 2040, 2400, 2700)]


@given(st.lists(st.integers(0, 3200) | st.integers(3100, 3150), max_size=6), st.booleans())
@settings(max_examples=10, deadline=None)
def test_no_cut_changes_what_is_learnt(edges, by_clock):
    """The last one is overlong."""
    columns = days([*(CLOCK if by_clock else RUN_TIME), (3080, 60, 7.0)], 3300)
    whole = in_pieces(fresh, run, columns, [])
    assert whole[0]["ended_what"].max() == defrost.LONG
    same(whole, in_pieces(fresh, run, columns, edges))


def test_an_overlong_one_is_that_wherever_it_is_cut():
    columns = days([*CLOCK, (3080, 60, 7.0)], 3150)
    for edge in range(3105, 3142):
        told, _ = in_pieces(fresh, run, columns, [edge])
        assert told["ended_what"].max() == defrost.LONG, edge


@pytest.mark.parametrize("bumps", [CLOCK, RUN_TIME])
def test_after_three_the_next_ones_lie_inside(bumps):
    columns = days(bumps, 2880)
    told, table = in_pieces(fresh, run, columns, [])
    high = columns[2] > 6000
    for start, lasts, _ in bumps[3:]:
        span = slice(start, start + lasts)
        assert told["inside"][span][high[span]].all(), start
    first = slice(0, bumps[2][0] + 24)
    assert not told["inside"][first].any()
    assert defrost.template(table["defrost"][:1])["every"][0] == pytest.approx(360 * 60, rel=0.1)


@pytest.mark.parametrize(
    ("start", "lasts", "height", "hidden_min"),
    [(2000, 240, 7.0, 40), (2240, 24, 14.0, 6), (2240, 120, 7.0, 40)],
    ids=["not due", "too high", "too long"],
)
def test_what_lies_outside_the_template_is_not_hidden(start, lasts, height, hidden_min):
    """An excursion at any time may be hidden for less than 1.5 times the learnt duration, never longer."""
    columns = days([*CLOCK[:5], (start, lasts, height)], 2880)
    told, _ = in_pieces(fresh, run, columns, [])
    span = slice(start, start + lasts)
    high = columns[2][span] > 6000
    assert told["inside"][span][high].sum() <= hidden_min
    assert (~told["inside"][span] & high).sum() >= 5


def test_one_too_soon_is_no_defrost():
    columns = days([*CLOCK[:5], (1640 + 80, 24, 7.0)], 2880)
    told, _ = in_pieces(fresh, run, columns, [])
    assert not told["inside"][1720:1744].any()


def test_an_overlong_and_a_missing_one_are_told():
    columns = days([*CLOCK[:5], (2000, 90, 7.0)], 2100)
    told, _ = in_pieces(fresh, run, columns, [])
    assert told["overlong"].any()
    columns = days(CLOCK[:5], 2880)
    told, _ = in_pieces(fresh, run, columns, [])
    assert not told["missing"][: 1640 + 2 * 360].any()
    assert told["missing"][-1]


def ended(columns):
    """(began in minutes, minutes, what, usual minutes) of the bumps that were defrosts."""
    told, _ = in_pieces(fresh, run, columns, [])
    by = np.flatnonzero(told["ended_what"])
    began = (told["ended_began"][by] - EPOCH_MS) / MINUTE_MS
    lasted = (columns[1][by] - told["ended_began"][by]) / MINUTE_MS
    return list(zip(began, lasted, told["ended_what"][by], told["ended_usual"][by] / 60, strict=True))


@pytest.mark.parametrize("bumps", [CLOCK, RUN_TIME])
def test_each_one_after_the_third_is_told_once_it_is_over(bumps):
    found = ended(days(bumps, 2880))
    assert [what for _, _, what, _ in found] == [defrost.A_DEFROST] * 5
    for (began, lasted, _, usual), (start, lasts, _) in zip(found, bumps[3:], strict=True):
        assert start <= began <= start + 6
        assert began + lasted <= start + lasts + 1
        assert usual == pytest.approx(lasted, abs=4)


@pytest.mark.parametrize(
    ("bump", "what"),
    [
        ((3440, 26, 7.0), defrost.A_DEFROST),
        ((3440, 60, 7.0), defrost.LONG),
        ((3440, 150, 7.0), None),
        ((3440, 60, 16.0), None),
        ((3440, 60, 1.5), None),
        ((3180, 24, 7.0), None),
    ],
    ids=["usual", "overlong", "for hours", "a warm spell", "low", "not due"],
)
def test_what_is_longer_than_it_may_is_told_so_and_a_warm_spell_is_no_defrost(bump, what):
    """After hours the usual range has followed: that is the limits' affair, and `upkeep` told of it."""
    bumps = [(k * 360 + 200, 24, 7.0) for k in range(9)]
    assert bumps[-1][0] == 3080
    more = ended(days([*bumps, bump], 3900))[6:]
    assert [one for _, _, one, _ in more] == ([] if what is None else [what])


@pytest.mark.parametrize(("lasts", "what"), [(120, [defrost.LONG]), (400, [])])
def test_a_compressor_that_does_not_cool_for_hours_is_no_defrost(lasts, what):
    """It cycles no more, so that the usual range does not follow; as high as a defrost it is all the same."""
    columns = days([(k * 360 + 200, 24, 7.0) for k in range(9)], 3900)
    span = slice(3440, 3440 + lasts)
    columns[2][span] = np.rint(4600 + 6800 * np.sin(np.pi * (np.arange(lasts) + 0.5) / lasts))
    assert [one for _, _, one, _ in ended(columns)[6:]] == what


def test_random_openings_are_never_learnt():
    rng = np.random.default_rng(9)
    starts = np.sort(rng.choice(np.arange(60, 14_000, 20), 60, replace=False))
    columns = days([(int(s), int(rng.integers(4, 12)), float(rng.uniform(1.5, 5))) for s in starts], 14_400)
    told, _ = in_pieces(fresh, run, columns, [])
    assert told["inside"].sum() < 0.1 * (columns[2] > 6000).sum()
