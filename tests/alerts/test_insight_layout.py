# SPDX-License-Identifier: Apache-2.0
"""Short cuts for ticks, long histories and pieces: the same to the bit as plain loops and whole blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from insight_kit import same, tracks

from alerts.insight import observe, scan
from alerts.insight.cycles import _middle
from alerts.insight.play import played
from alerts.insight.scan import Readings, affine, scan_of
from alerts.rules.flat import segments_of

FLAT = ("plain", "usual")
PARTS = ("doubts", "load", "slots", "forecast", "cycles", "defrosts")


def everything(columns, table):
    """All that one call tells, by name, and the records after it."""
    series, at, milli = columns
    order = np.lexsort((at, series))
    readings = Readings.of(series[order], at[order], milli[order])
    n = len(order)
    around = observe.Around(
        np.full(n, 6.0), np.full(n, 2.0), np.full(n, 15.0), np.full(n, 25.0), np.zeros(n, np.bool_)
    )
    seen = observe.advance(table, readings, around, tau_s=np.full(3, 3600.0))
    told = {name: np.asarray(getattr(seen, name)) for name in FLAT}
    for name in PARTS:
        part = getattr(seen, name)
        for field in () if part is None else part.__slots__:
            if field != "seg":
                told[f"{name}.{field}"] = getattr(part, field)
    return told, table


@given(tracks(most=120), st.integers(3, 40))
@settings(max_examples=40, deadline=None)
def test_pieces_are_joined_to_what_one_call_tells(columns, piece):
    if not len(columns[0]):
        return
    whole = everything(columns, observe.blank(3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(observe, "PIECE", piece)
        patch.setattr(observe, "FEWEST", 2)
        pieces = everything(columns, observe.blank(3))
    same(whole, pieces)


def test_indices_of_a_piece_count_from_the_blocks_beginning(monkeypatch):
    at = 1_790_000_000_000 + 60_000 * np.arange(200)
    columns = (np.zeros(200, np.int64), at, np.rint(4000 + 900 * np.sin(at / 120_000)).astype(np.int64))
    whole, _ = everything(columns, observe.blank(3))
    monkeypatch.setattr(observe, "PIECE", 50)
    monkeypatch.setattr(observe, "_moved", lambda seen, *_: seen)
    wrong, _ = everything(columns, observe.blank(3))
    assert not np.array_equal(whole["slots.by"], wrong["slots.by"])


@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.integers(1, 5))
@settings(max_examples=80, deadline=None)
def test_a_play_is_that_of_the_plain_loop(seed, n, sensors):
    rng = np.random.default_rng(seed)
    series = np.sort(rng.integers(0, sensors, n)) if rng.random() < 0.7 else np.arange(n)
    seg = segments_of(series)
    value, half = rng.integers(-900, 900, n), rng.integers(0, 300, n)
    anew, start = rng.random(n) < 0.05, rng.integers(-900, 900, len(seg.first))
    plain = []
    for first, last, begun in zip(seg.first, seg.last, start, strict=True):
        pointer = begun
        for k in range(first, last + 1):
            slack = 0 if anew[k] else half[k]
            pointer = min(max(pointer, value[k] - slack), value[k] + slack)
            plain.append(pointer)
    np.testing.assert_array_equal(played(value, half, anew, seg, start), plain)


@given(st.integers(0, 2**32 - 1), st.integers(1, 500), st.sampled_from([1, 4, 13]), st.booleans())
@settings(max_examples=80, deadline=None)
def test_every_way_through_a_recurrence_is_that_of_the_plain_loop(seed, n, width, alone):
    rng = np.random.default_rng(seed)
    series = np.zeros(n, np.int64) if alone else np.sort(rng.integers(0, max(1, n // 3), n))
    seg = segments_of(series)
    step = rng.integers(0, 200) + np.arange(n) - np.repeat(seg.first, seg.last - seg.first + 1)
    group = step // scan.GROUP
    a, b = rng.random((n, width)), rng.normal(size=(n, width))
    was = np.zeros(len(seg.first), scan_of(width))
    was["group"], was["base"] = group[seg.first] - rng.integers(0, 2), rng.normal(size=(len(was), width))
    was["gain"], was["gift"] = rng.random((len(was), width)), rng.normal(size=(len(was), width))
    plain = np.empty_like(b)
    for row, (first, last) in enumerate(zip(seg.first, seg.last, strict=True)):
        base, gain, gift, now = (was[row][name] for name in ("base", "gain", "gift", "group"))
        for k in range(first, last + 1):
            if group[k] != now:
                base, gain, gift, now = gain * base + gift, np.ones(width), np.zeros(width), group[k]
            gain, gift = gain * a[k], gift * a[k] + b[k]
            plain[k] = gain * base + gift
    values, after = affine(a, b, group, seg, was)
    np.testing.assert_array_equal(values, plain)
    np.testing.assert_array_equal(scan.value_of(after), plain[seg.last])


@given(st.lists(st.floats(-50, 50), min_size=5, max_size=5))
def test_the_middle_of_five(numbers):
    assert _middle(*(np.array([x]) for x in numbers))[0] == sorted(numbers)[2]


def test_what_every_reading_touches_is_seen_where_it_lies():
    table = observe.blank(2)
    table["doubt"]["run"], table["slot"]["n"], table["cycle"]["hot"]["half"] = 7, 5, 3
    table["defrost"]["hot"]["due"]["within"] = 9.0
    hot = table.view(observe._PARTS)["hot"]
    found = (hot["doubt"]["run"], hot["slot"]["n"], hot["cycle"]["half"], hot["bump"]["due"]["within"])
    assert [column.tolist() for column in found] == [[7, 7], [5, 5], [3, 3], [9.0, 9.0]]
