# SPDX-License-Identifier: Apache-2.0
"""Cooling cycles out of temperatures: a cycle is trough, peak, trough, each reversal beyond a noise band.

Reversals are those of a play (backlash): a pointer pushed by the readings, loose by the noise band. Plays
compose exactly, by minima and maxima, so a block is run through in a few passes and no cut changes anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alerts.insight.scan import (
    GROUP,
    NEVER,
    Floats,
    Readings,
    Table,
    affine,
    decay,
    last_true,
    put_rows,
    rows_of,
    scan_of,
    shifted,
    value_of,
)
from alerts.insight.slots import Slots
from alerts.rules.flat import Ints, Segments, segments_of

FEATURES = ("period_s", "duty", "pull_down", "drift", "trough_c", "peak_c")
"""Seconds; falling part of the period; K/s of the falling and of the rising part; °C."""
N = len(FEATURES)
PERIOD, DUTY, PULL_DOWN, DRIFT, TROUGH, PEAK = range(N)

RANGE_S = 6 * 3600.0
"""Memory of the usual range within a slot, from which the noise band comes."""
BAND_LEAST, BAND_PART = 150, 0.5
"""Noise band: half the usual range of five minutes, at least this [thousandths]: two steps of 12 bits."""
BREAK_MS = 1_800_000
"""After a gap this long the pointer is set anew; a cycle across it counts for nothing."""
MEDIAN = 5
"""A defrost or an opening is one odd cycle among these: the median does not see it."""
WEIGHT = 0.1
"""Of a new median in the mean: what an appliance did over the last ten cycles or so."""

HEALTHY_CYCLES = 300
"""Medians in the mean of the healthy signature: days."""

STATE = np.dtype(
    [
        ("at", "<i8"),
        ("pointer", "<i8"),
        ("way", "<i8"),  # +1 rising, -1 falling, 0 not known
        ("since", "<i8"),  # of the last setting anew
        ("top", "<i8"),  # extreme of the run that goes on, and when
        ("top_at", "<i8"),
        ("past", "<i8", (2, 3)),  # the last two extremes: value, instant, since; newest first
        ("range", scan_of(1)),
        ("seen", "<i8"),
        ("cycles", "<i8"),
        ("last", "<f8", (MEDIAN - 1, N)),
        ("mean", scan_of(N)),
        ("healthy", scan_of(N)),
    ],
    align=True,
)


@dataclass(frozen=True, slots=True)
class Cycles:
    """M finished cycles, by series and instant.

    by        (M,) index of the reading that showed the last trough to be one
    at        (M,) its instant [ms]
    features  (M, 6) of the cycle; usual (M, 6) the running mean of medians, this cycle included
    healthy   (M, 6) the slow mean of medians: what the appliance is like
    count     (M,) cycles of this sensor so far
    """

    series: Ints
    by: Ints
    at: Ints
    features: Floats
    usual: Floats
    healthy: Floats
    count: Ints


def blank(n: int) -> Table:
    table = np.zeros(n, STATE)
    table["at"] = table["since"] = NEVER
    for name in ("range", "mean", "healthy"):
        table[name]["group"] = NEVER
    table["past"][:, :, 2] = -2
    return table


def usual(rows: Table) -> Floats:
    """(S, 6) what each sensor's cycles are like; NaN before the first."""
    return np.where((rows["cycles"] > 0)[:, None], value_of(rows["mean"]), np.nan)


def healthy(rows: Table) -> Floats:
    """(S, 6) each sensor's slow mean; NaN before the first cycle."""
    return np.where((rows["cycles"] > 0)[:, None], value_of(rows["healthy"]), np.nan)


def in_force(before: Floats, made: Cycles | None, seg: Segments) -> Floats:
    """(N, 6) the usual figures known at each reading. before (S, 6): `usual` before these readings."""
    column: Floats = np.repeat(before, seg.last - seg.first + 1, axis=0)
    if made is None:
        return column
    shows = np.zeros(seg.n, np.bool_)
    shows[made.by] = True
    news = np.zeros((seg.n, N))
    news[made.by] = made.usual
    source = last_true(shows, seg)
    return np.where((source >= 0)[:, None], news[source], column)


def stalled(rows: Table, at: Ints) -> Floats:
    """(S,) how many usual periods ago the last reversal was; NaN while cycles are not known."""
    newest = rows["past"][:, 0, 1]
    period = usual(rows)[:, PERIOD]
    known = (rows["cycles"] >= MEDIAN) & (period > 0)
    return np.where(known, (at - newest) / 1000.0 / np.where(known, period, 1.0), np.nan)


def advance(table: Table, readings: Readings, closed: Slots | None) -> Cycles | None:
    """Cycles that these readings finished. `closed`: the slots that the same readings closed."""
    seg = readings.seg
    was = rows_of(table, seg.series)
    half = _half_band(was, readings, closed)
    anew = readings.at - shifted(readings.at, seg, was["at"]) > BREAK_MS
    anew[seg.first[was["at"] == NEVER]] = True
    pointer = _play(readings.milli, half, anew, seg, was["pointer"])
    moved = np.sign(pointer - shifted(pointer, seg, was["pointer"]))
    moved[anew] = 0
    decided = last_true((moved != 0) | anew, seg)
    lengths = seg.last - seg.first + 1
    way = np.where(decided >= 0, moved[decided], np.repeat(was["way"], lengths))
    began = last_true(anew, seg)
    since = np.where(began >= 0, readings.at[began], np.repeat(was["since"], lengths))
    runs = _runs(was, readings, way, since)
    was["at"], was["pointer"], was["way"] = readings.at[seg.last], pointer[seg.last], way[seg.last]
    was["since"] = since[seg.last]
    cycles = _cycles(was, runs, readings)
    put_rows(table, seg.series, was)
    return cycles


def _half_band(was: Table, readings: Readings, closed: Slots | None) -> Ints:
    """(N,) half the noise band in force at each reading [thousandths]."""
    seg = readings.seg
    spread = np.where(was["range"]["group"] == NEVER, 0.0, value_of(was["range"])[:, 0])
    column = np.repeat(spread, seg.last - seg.first + 1)
    if closed is not None:
        which = np.searchsorted(seg.series, closed.series)
        mine = was[np.unique(which)]
        lengths = closed.seg.last - closed.seg.first + 1
        seen = np.repeat(mine["seen"], lengths) + np.arange(closed.seg.n)
        seen -= np.repeat(closed.seg.first, lengths)
        a = np.full(closed.seg.n, float(decay(np.array([300.0 / RANGE_S]))[0]))
        width = (closed.most_c - closed.least_c) * 1000.0
        b = (1.0 - a) * width
        head = closed.seg.first[mine["range"]["group"] == NEVER]
        a[head], b[head] = 0.0, width[head]
        out, after = affine(a[:, None], b[:, None], seen // GROUP, closed.seg, mine["range"])
        rows = np.unique(which)
        was["range"][rows] = after
        was["seen"][rows] = seen[closed.seg.last] + 1
        # In force from the reading that closed the slot on, until the next one closes.
        known = np.zeros(seg.n, np.bool_)
        known[closed.by] = True
        value = np.zeros(seg.n)
        value[closed.by] = out[:, 0]
        source = last_true(known, seg)
        column = np.where(source >= 0, value[source], column)
    band = np.maximum(BAND_LEAST, BAND_PART * column)
    return (band / 2.0).astype(np.int64)


def _play(value: Ints, half: Ints, anew: Ints, seg: Segments, pointer: Ints) -> Ints:
    """(N,) the pointer after each reading: pushed up by value - half, down by value + half."""
    low = np.where(anew, value, value - half)
    high = np.where(anew, value, value + half)
    rank = np.arange(seg.n) - np.repeat(seg.first, seg.last - seg.first + 1)
    reach, longest = 1, int(rank.max())
    while reach <= longest:
        # Each map so far spans `reach` readings: put the one before in front of it.
        late = np.flatnonzero(rank >= reach)
        if not len(late):
            break
        before = late - reach
        new_low = np.minimum(np.maximum(low[before], low[late]), high[late])
        new_high = np.minimum(np.maximum(high[before], low[late]), high[late])
        low[late], high[late] = new_low, new_high
        reach *= 2
    start = np.repeat(pointer, seg.last - seg.first + 1)
    out: Ints = np.minimum(np.maximum(start, low), high)
    return out


@dataclass(frozen=True, slots=True)
class _Runs:
    """Finished runs of one way: the extreme, its instant, when it was set anew, the reading that ended it."""

    series: Ints
    way: Ints
    top: Ints
    top_at: Ints
    since: Ints
    by: Ints


def _runs(was: Table, readings: Readings, way: Ints, since: Ints) -> _Runs:
    seg = readings.seg
    opens = np.empty(seg.n, np.bool_)
    opens[0] = True
    opens[1:] = (way[1:] != way[:-1]) | (since[1:] != since[:-1])
    opens[seg.first] = True
    first = np.flatnonzero(opens)
    row = np.cumsum(opens) - 1
    sign = np.where(way[first] >= 0, 1, -1)
    size = readings.milli * sign[row]
    top = np.maximum.reduceat(size, first)
    # The first reading that reaches the extreme of its run.
    reaches = np.flatnonzero(size == top[row])
    at = readings.at[reaches[np.searchsorted(row[reaches], np.arange(len(first)))]]
    top *= sign
    head = np.searchsorted(first, seg.first)
    joins = (was["way"] == way[seg.first]) & (was["since"] == since[seg.first]) & (was["at"] != NEVER)
    older = joins & (was["top"] * sign[head] >= top[head] * sign[head])
    top[head[older]], at[head[older]] = was["top"][older], was["top_at"][older]
    apart = np.flatnonzero((was["at"] != NEVER) & ~joins)
    series = np.insert(readings.series[first], head[apart], seg.series[apart])
    ways = np.insert(way[first], head[apart], was["way"][apart])
    tops = np.insert(top, head[apart], was["top"][apart])
    ats = np.insert(at, head[apart], was["top_at"][apart])
    sinces = np.insert(since[first], head[apart], was["since"][apart])
    by = np.insert(first, head[apart], NEVER)
    ends = np.append(series[1:] != series[:-1], values=True)
    was["top"], was["top_at"] = tops[ends], ats[ends]
    done = np.flatnonzero(~ends)
    return _Runs(series[done], ways[done], tops[done], ats[done], sinces[done], by[done + 1])


def _cycles(was: Table, runs: _Runs, readings: Readings) -> Cycles | None:
    """Finished runs become extremes; every trough with a peak and a trough before it ends a cycle."""
    if not len(runs.series):
        return None
    seg = segments_of(runs.series)
    rows = np.searchsorted(readings.seg.series, seg.series)
    now = np.column_stack([runs.top, runs.top_at, np.where(runs.way == 0, -2, runs.since)])
    past = was["past"][rows]
    one = shifted(now, seg, past[:, 0])
    two = shifted(one, seg, past[:, 1])
    whole = (runs.way < 0) & (now[:, 2] == one[:, 2]) & (now[:, 2] == two[:, 2])
    was["past"][rows, 0], was["past"][rows, 1] = now[seg.last], one[seg.last]
    done = np.flatnonzero(whole)
    if not len(done):
        return None
    trough, peak, before = now[done].astype(float), one[done].astype(float), two[done].astype(float)
    falling, rising = (trough[:, 1] - peak[:, 1]) / 1000.0, (peak[:, 1] - before[:, 1]) / 1000.0
    falling, rising = np.maximum(falling, 1.0), np.maximum(rising, 1.0)
    features = np.column_stack(
        [
            falling + rising,
            falling / (falling + rising),
            (peak[:, 0] - trough[:, 0]) / 1000.0 / falling,
            (peak[:, 0] - before[:, 0]) / 1000.0 / rising,
            trough[:, 0] / 1000.0,
            peak[:, 0] / 1000.0,
        ]
    )
    series, by = runs.series[done], runs.by[done]
    mean, slow, count = _mean(was, readings.seg.series, series, features)
    return Cycles(series, by, readings.at[by], features, mean, slow, count)


def _mean(was: Table, known: Ints, series: Ints, features: Floats) -> tuple[Floats, Floats, Ints]:
    """The running and the slow mean of medians, and how many cycles there have been."""
    seg = segments_of(series)
    rows = np.searchsorted(known, seg.series)
    lengths = seg.last - seg.first + 1
    count = np.repeat(was["cycles"][rows], lengths) + np.arange(seg.n) - np.repeat(seg.first, lengths) + 1
    last = was["last"][rows]
    window = [features]
    for back in range(MEDIAN - 1):
        window.append(shifted(window[-1], seg, last[:, back]))
    stack = np.stack(window)
    for back in range(1, MEDIAN):  # before there are five, the newest stands in
        stack[back] = np.where((count > back)[:, None], stack[back], features)
    median = np.sort(stack, axis=0)[MEDIAN // 2]
    a, b = np.full_like(median, 1.0 - WEIGHT), WEIGHT * median
    young = count <= MEDIAN
    a[young], b[young] = 0.0, median[young]
    mean, was["mean"][rows] = affine(a, b, count // GROUP, seg, was["mean"][rows])
    weight = 1.0 / np.clip(count - MEDIAN + 1, 1, HEALTHY_CYCLES)[:, None]
    slow, was["healthy"][rows] = affine(
        np.where(young[:, None], 0.0, (1.0 - weight) * np.ones(N)),
        np.where(young[:, None], median, weight * median),
        count // GROUP,
        seg,
        was["healthy"][rows],
    )
    was["cycles"][rows] = count[seg.last]
    was["last"][rows] = np.stack([w[seg.last] for w in window[: MEDIAN - 1]], axis=1)
    return mean, slow, count
