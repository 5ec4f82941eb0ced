# SPDX-License-Identifier: Apache-2.0
"""Regular rises: two of a kind are known, one odd day is not, old ones are forgotten, no cut changes it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alerts.insight import regular
from alerts.rules.flat import segments_of

DAY = 86_400.0


def known(at_s, rises):
    """What is known after each step of one sensor; rise 0: none ended there."""
    table, rises = regular.blank(1), np.asarray(rises, float)
    seg = segments_of(np.zeros(len(rises), np.int64))
    return regular.advance(table, seg, np.asarray(at_s, float), rises > 0, rises)


def test_the_second_largest_counts():
    assert known([0, DAY, 2 * DAY], [0.7, 3.0, 0.6]).tolist() == [0.0, 0.7, 0.7]


def test_it_is_forgotten_after_two_spans():
    at = [0, DAY, regular.SPAN_S + DAY, 2 * regular.SPAN_S + DAY]
    assert known(at, [0.7, 0.8, 0.0, 0.0]).tolist() == [0.0, 0.7, 0.7, 0.0]


def plain(at_s, rises):
    """The same, one step after the other."""
    out, seen = [], []
    for at, rise in zip(at_s, rises, strict=True):
        if rise > 0:
            seen.append((at // regular.SPAN_S, round(rise * 1000)))
        now = at // regular.SPAN_S
        sizes = sorted(size for span, size in seen if span >= now - 1)
        out.append(sizes[-2] / 1000 if len(sizes) > 1 else 0.0)
    return out


steps = st.lists(
    st.tuples(st.integers(1, 12), st.sampled_from([0.0, 0.0, 0.3, 0.7, 1.1, 4.0])), min_size=1, max_size=40
)


@given(st.lists(steps, min_size=1, max_size=3), st.integers(0, 40))
def test_many_sensors_and_any_cut_agree_with_one_step_after_the_other(sensors, cut):
    at = [np.cumsum([gap for gap, _ in one]) * DAY for one in sensors]
    rises = [[rise for _, rise in one] for one in sensors]
    table = regular.blank(len(sensors))
    out: list[list] = [[] for _ in sensors]
    for part in (slice(0, cut), slice(cut, None)):
        series = np.concatenate([np.full(len(a[part]), n) for n, a in enumerate(at)])
        if not len(series):
            continue
        seg = segments_of(series.astype(np.int64))
        rose = np.concatenate([np.asarray(r[part], float) for r in rises])
        was = table[seg.series]
        told = regular.advance(was, seg, np.concatenate([a[part] for a in at]), rose > 0, rose)
        table[seg.series] = was
        for n, value in zip(series.tolist(), told.tolist(), strict=True):
            out[n].append(value)
    assert out == [plain(a, r) for a, r in zip(at, rises, strict=True)]
