# SPDX-License-Identifier: Apache-2.0
"""A RangeSet is a set of whole numbers, whatever the order of its making."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldchain.kernel.ranges import RangeSet, as_pairs

SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 8)).map(lambda t: (t[0], t[0] + t[1])), max_size=30
)


def numbers(spans: list[tuple[int, int]]) -> set[int]:
    return {n for low, high in spans for n in range(low, high + 1)}


@given(SPANS)
def test_it_agrees_with_a_plain_set(spans: list[tuple[int, int]]) -> None:
    ours, plain = RangeSet(spans), numbers(spans)
    assert numbers(ours.pairs()) == plain
    assert len(ours) == len(plain)
    assert ours.top() == max(plain, default=-1)
    assert [n in ours for n in range(75)] == [n in plain for n in range(75)]


@given(SPANS)
def test_its_ranges_are_sorted_and_never_touch(spans: list[tuple[int, int]]) -> None:
    pairs = RangeSet(spans).pairs()
    assert all(before[1] + 1 < after[0] for before, after in pairwise(pairs))


@given(SPANS, st.integers(0, 70), st.integers(0, 10))
def test_missing_and_covers_agree_with_a_plain_set(spans: list[tuple[int, int]], low: int, more: int) -> None:
    ours, plain, asked = RangeSet(spans), numbers(spans), set(range(low, low + more + 1))
    assert numbers(ours.missing(low, low + more)) == asked - plain
    assert ours.covers(low, low + more) == (asked <= plain)


@given(SPANS, SPANS)
def test_a_union_holds_both(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    assert numbers(RangeSet(one).union(RangeSet(other)).pairs()) == numbers(one) | numbers(other)


@given(st.lists(st.integers(0, 99)))
def test_numbers_become_ranges(some: list[int]) -> None:
    assert numbers(as_pairs(some)) == set(some)


def test_a_range_that_runs_backwards_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not a range: 5\.\.4"):
        RangeSet([(5, 4)])
