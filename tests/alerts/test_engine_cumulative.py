# SPDX-License-Identifier: Apache-2.0
"""The time out of range of a day, carried hour by hour, is what plain lines add up, wherever it is cut."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.rules import cumulative
from alerts.rules.cumulative import HOUR_MS, RING, Kept, advance
from alerts.rules.flat import segments_of

MINUTE = 60_000
T0 = 1_657_195_200_000
HIGH, LOW, GAP = 6000, 2000, 30 * MINUTE

steps = st.lists(
    st.tuples(st.integers(1, 32), st.sampled_from([4000, 7000, 6000, 9000, 1000]), st.booleans()), max_size=90
)


def crossed(here: int, there: int, edge: int, step: int) -> int:
    """ms of one step above the edge."""
    if here > edge and there > edge:
        return step
    if here <= edge and there <= edge:
        return 0
    cross = round((edge - here) / (there - here) * step)
    return cross if here > edge else step - cross


def plainly(readings: list[tuple[int, int, bool]]) -> list[int]:
    """Seconds beyond up to each reading, one after the other."""
    found, spent = [], []
    for n, (at, value, counts) in enumerate(readings):
        if n:
            before_at, before, _ = readings[n - 1]
            step = at - before_at
            if 0 < step <= GAP and counts:
                ms = crossed(before, value, HIGH, step) + crossed(-before, -value, -LOW, step)
                spent.append((before_at // HOUR_MS, round(ms / 1000)))
        found.append(sum(s for hour, s in spent if hour >= at // HOUR_MS - 24))
    return found


def vectorised(many: list[list[tuple[int, int, bool]]], cuts: list[int]) -> list[list[int]]:
    """The same of several sensors at once, in blocks."""
    found: list[list[int]] = [[] for _ in many]
    n = len(many)
    kept = Kept(
        np.full(n, -1, np.int64),
        np.zeros(n, np.int64),
        np.full(n, -1, np.int64),
        np.zeros((n, RING), np.uint16),
    )
    longest = max(map(len, many), default=0)
    edges = [0, *sorted(min(c, longest) for c in cuts), longest]
    for low, high in pairwise(edges):
        rows = [(s, *r) for s, readings in enumerate(many) for r in readings[low:high]]
        if not rows:
            continue
        series, at, value, counts = (np.array(column) for column in zip(*rows, strict=True))
        seg = segments_of(series)
        who = seg.series
        was = Kept(kept.at[who], kept.value[who], kept.hour[who], kept.out_s[who])
        limits = (np.full(len(at), LOW), np.full(len(at), HIGH))
        sums, after = advance(at, value, limits, np.full(len(at), GAP), counts, seg, was)
        kept.at[who], kept.value[who] = after.at, after.value
        kept.hour[who], kept.out_s[who] = after.hour, after.out_s
        for s, total in zip(series.tolist(), sums.tolist(), strict=True):
            found[s].append(total)
    return found


def timeline(drawn: list[tuple[int, int, bool]]) -> list[tuple[int, int, bool]]:
    at, found = T0, []
    for minutes, value, counts in drawn:
        at += minutes * MINUTE
        found.append((at, value, counts))
    return found


@given(many=st.lists(steps, min_size=1, max_size=3), cuts=st.lists(st.integers(0, 90), max_size=5))
@settings(max_examples=200, deadline=None)
def test_a_day_s_time_out_of_range_is_counted_reading_by_reading(many, cuts) -> None:
    lines = [timeline(drawn) for drawn in many]
    assert vectorised(lines, cuts) == [plainly(readings) for readings in lines]


def test_the_comparison_sees_a_gap_that_counts(monkeypatch) -> None:
    """The property is worth something: a step longer than the gap, added up, is seen."""
    readings = [(T0, 7000, True), (T0 + 40 * MINUTE, 7000, True)]
    assert vectorised([readings], []) == [plainly(readings)] == [[0, 0]]
    monkeypatch.setitem(globals(), "GAP", 60 * MINUTE)
    assert vectorised([readings], []) == [[0, 2400]]


@pytest.mark.parametrize(("hours", "counted"), [(24, 300), (25, 0)])
def test_what_began_more_than_a_day_ago_no_longer_counts(hours, counted) -> None:
    out = [(T0 + n * MINUTE, 7000 if n < 6 else 4000, True) for n in range(7)]
    later = [(T0 + hours * HOUR_MS, 4000, True)]
    assert plainly(out + later)[-1] // 100 * 100 == counted
    assert vectorised([out + later], [3])[0][-1] // 100 * 100 == counted
    assert cumulative.RING == 25
