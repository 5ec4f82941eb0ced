# SPDX-License-Identifier: Apache-2.0
"""Cooling cycles out of temperatures: a cycle is trough, peak, trough, each reversal beyond a noise band.

Reversals are those of a play (backlash): a pointer pushed by the readings, loose by the noise band.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alerts.insight.play import played
from alerts.insight.scan import (
    GROUP,
    NEVER,
    Floats,
    Readings,
    Table,
    along,
    decay,
    last_true,
    put_rows,
    rank_of,
    rows_of,
    scan_of,
    shifted,
    stepped,
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

HOT = [
    ("at", "<i8"),
    ("since", "<i8"),  # of the last setting anew
    ("top_at", "<i8"),  # when the extreme of the run that goes on was, and what
    ("top", "<i4"),
    ("pointer", "<i4"),
    ("way", "<i4"),  # +1 rising, -1 falling, 0 not known
    ("half", "<i4"),  # half the noise band in force
    ("usual", "<f8", N),  # figures in force, NaN before the first cycle
]
STATE = np.dtype(
    [
        ("hot", HOT),  # all that a reading touches where no slot closes and no run ends
        ("past", "<i8", (2, 3)),  # the last two extremes: value, instant, since; newest first
        ("range", scan_of(1)),
        ("seen", "<i4"),
        ("cycles", "<i4"),
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


@dataclass(frozen=True, slots=True)
class Known:
    """What was known of cycles at each of N readings: row `of` of `figures` (K, 6), NaN before any."""

    figures: Floats
    of: Ints

    def columns(self) -> Floats:
        """(N, 6)."""
        return np.asarray(self.figures[self.of])


def blank(n: int) -> Table:
    table = np.zeros(n, STATE)
    hot = table["hot"]
    hot["at"] = hot["since"] = NEVER
    hot["half"], hot["usual"] = BAND_LEAST // 2, np.nan
    for name in ("range", "mean", "healthy"):
        table[name]["group"] = NEVER
    table["past"][:, :, 2] = -2
    return table


def usual(rows: Table) -> Floats:
    """(S, 6) what each sensor's cycles are like; NaN before the first."""
    figures: Floats = rows["hot"]["usual"]
    return figures


def healthy(rows: Table) -> Floats:
    """(S, 6) each sensor's slow mean; NaN before the first cycle."""
    return np.where((rows["cycles"] > 0)[:, None], value_of(rows["healthy"]), np.nan)


def in_force(before: Floats, made: Cycles | None, seg: Segments) -> Known:
    """The usual figures known at each reading. before (S, 6): `usual` before these readings."""
    if made is None:
        return Known(before, along(np.arange(len(seg.first)), seg))
    if seg.single:
        figures = before.copy()
        figures[made.by] = made.usual
        return Known(figures, np.arange(seg.n))
    shows = np.zeros(seg.n, np.int64)
    shows[made.by] = 1
    place = np.searchsorted(made.series, seg.series) + np.arange(len(seg.series))
    figures = np.empty((len(before) + len(made.by), N))
    is_made = np.ones(len(figures), np.bool_)
    is_made[place] = False
    figures[place], figures[is_made] = before, made.usual
    shows[seg.first[1:]] += 1
    return Known(figures, np.cumsum(shows))


def stalled(rows: Table, at: Ints) -> Floats:
    """(S,) how many usual periods ago the last reversal was; NaN while cycles are not known."""
    newest = rows["past"][:, 0, 1]
    period = usual(rows)[:, PERIOD]
    known = (rows["cycles"] >= MEDIAN) & (period > 0)
    return np.where(known, (at - newest) / 1000.0 / np.where(known, period, 1.0), np.nan)


def advance(table: Table, readings: Readings, closed: Slots | None) -> Cycles | None:
    """Cycles that these readings finished. `closed`: the slots that the same readings closed."""
    hot = rows_of(table["hot"], readings.seg.series)
    made = follow(table, hot, readings, closed)
    put_rows(table["hot"], readings.seg.series, hot)
    return made


def follow(table: Table, hot: Table, readings: Readings, closed: Slots | None) -> Cycles | None:
    """As `advance`; `hot` are the hot records of the readings' segments, which `table` is not asked for."""
    seg = readings.seg
    half = _half_band(table, hot, readings, closed)
    anew = readings.at - shifted(readings.at, seg, hot["at"]) > BREAK_MS
    anew[seg.first[hot["at"] == NEVER]] = True
    pointer = played(readings.milli, half, anew, seg, hot["pointer"])
    moved = np.sign(pointer - shifted(pointer, seg, hot["pointer"]))
    moved[anew] = 0
    if seg.single:
        way = np.where((moved == 0) & ~anew, hot["way"], moved)
        since = np.where(anew, readings.at, hot["since"])
        runs = _runs_of_tick(hot, readings, way, since)
    else:
        decided = last_true((moved != 0) | anew, seg)
        way = np.where(decided >= 0, moved[decided], along(hot["way"], seg))
        since = along(hot["since"], seg)
        if anew.any():
            began = last_true(anew, seg)
            since = np.where(began >= 0, readings.at[began], since)
        runs = _runs(hot, readings, way, since)
    hot["at"], hot["pointer"], hot["way"] = readings.at[seg.last], pointer[seg.last], way[seg.last]
    hot["since"] = since[seg.last]
    made = _cycles(table, runs, readings)
    if made is not None:
        last = np.append(made.series[1:] != made.series[:-1], values=True)
        hot["usual"][np.searchsorted(seg.series, made.series[last])] = made.usual[last]
    return made


def _half_band(table: Table, hot: Table, readings: Readings, closed: Slots | None) -> Ints:
    """(N,) half the noise band in force at each reading [thousandths]."""
    seg = readings.seg
    column: Ints = along(hot["half"], seg)
    if closed is None:
        return column
    who, many = closed.seg.series, closed.seg.n
    ranges = rows_of(table["range"], who)
    seen = along(table["seen"][who], closed.seg) + rank_of(closed.seg)
    a = np.full(many, float(decay(np.array([300.0 / RANGE_S]))[0]))
    width = (closed.most_c - closed.least_c) * 1000.0
    b = (1.0 - a) * width
    head = closed.seg.first[ranges["group"] == NEVER]
    a[head], b[head] = 0.0, width[head]
    out = stepped(a[:, None], b[:, None], seen // GROUP, closed.seg, ranges)
    put_rows(table["range"], who, ranges)
    table["seen"][who] = seen[closed.seg.last] + 1
    half = (np.maximum(BAND_LEAST, BAND_PART * out[:, 0]) / 2.0).astype(np.int64)
    # In force from the reading that closed the slot on, until the next one closes.
    column = np.array(column)  # it may be a view of what is written now
    hot["half"][np.searchsorted(seg.series, who)] = half[closed.seg.last]
    if seg.single:
        column[closed.by] = half
        return column
    known = np.zeros(seg.n, np.bool_)
    known[closed.by] = True
    value = np.zeros(seg.n, np.int64)
    value[closed.by] = half
    source = last_true(known, seg)
    return np.where(source >= 0, value[source], column)


@dataclass(frozen=True, slots=True)
class _Runs:
    """Finished runs of one way: the extreme, its instant, when it was set anew, the reading that ended it."""

    series: Ints
    way: Ints
    top: Ints
    top_at: Ints
    since: Ints
    by: Ints


def _runs_of_tick(hot: Table, readings: Readings, way: Ints, since: Ints) -> _Runs:
    """One reading of each sensor goes on with the run, or ends it."""
    known = hot["at"] != NEVER
    joins = (way == hot["way"]) & (since == hot["since"]) & known
    ended = np.flatnonzero(known & ~joins)
    way_was, top, top_at, begun = (hot[name][ended] for name in ("way", "top", "top_at", "since"))
    runs = _Runs(readings.series[ended], way_was, top, top_at, begun, ended)
    rises = np.where(way >= 0, readings.milli > hot["top"], readings.milli < hot["top"])
    new = rises | ~joins
    hot["top"] = np.where(new, readings.milli, hot["top"])
    hot["top_at"] = np.where(new, readings.at, hot["top_at"])
    return runs


def _runs(hot: Table, readings: Readings, way: Ints, since: Ints) -> _Runs:
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
    joins = (hot["way"] == way[seg.first]) & (hot["since"] == since[seg.first]) & (hot["at"] != NEVER)
    older = joins & (hot["top"] * sign[head] >= top[head] * sign[head])
    top[head[older]], at[head[older]] = hot["top"][older], hot["top_at"][older]
    apart = np.flatnonzero((hot["at"] != NEVER) & ~joins)
    series = np.insert(readings.series[first], head[apart], seg.series[apart])
    ways = np.insert(way[first], head[apart], hot["way"][apart])
    tops = np.insert(top, head[apart], hot["top"][apart])
    ats = np.insert(at, head[apart], hot["top_at"][apart])
    sinces = np.insert(since[first], head[apart], hot["since"][apart])
    by = np.insert(first, head[apart], NEVER)
    ends = np.append(series[1:] != series[:-1], values=True)
    hot["top"], hot["top_at"] = tops[ends], ats[ends]
    done = np.flatnonzero(~ends)
    return _Runs(series[done], ways[done], tops[done], ats[done], sinces[done], by[done + 1])


def _cycles(table: Table, runs: _Runs, readings: Readings) -> Cycles | None:
    """Finished runs become extremes; every trough with a peak and a trough before it ends a cycle."""
    if not len(runs.series):
        return None
    seg = segments_of(runs.series)
    now = np.column_stack([runs.top, runs.top_at, np.where(runs.way == 0, -2, runs.since)])
    past = table["past"][seg.series]
    one = shifted(now, seg, past[:, 0])
    two = shifted(one, seg, past[:, 1])
    whole = (runs.way < 0) & (now[:, 2] == one[:, 2]) & (now[:, 2] == two[:, 2])
    table["past"][seg.series] = np.stack([now[seg.last], one[seg.last]], axis=1)
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
    mean, slow, count = _mean(table, series, features)
    return Cycles(series, by, readings.at[by], features, mean, slow, count)


def _middle(a: Floats, b: Floats, c: Floats, d: Floats, e: Floats) -> Floats:
    """The median of five: of the larger of two least, the lesser of two most, and the fifth."""
    f = np.maximum(np.minimum(a, b), np.minimum(c, d))
    g = np.minimum(np.maximum(a, b), np.maximum(c, d))
    return np.maximum(np.minimum(f, g), np.minimum(np.maximum(f, g), e))


def _mean(table: Table, series: Ints, features: Floats) -> tuple[Floats, Floats, Ints]:
    """The running and the slow mean of medians, and how many cycles there have been."""
    seg = segments_of(series)
    who = seg.series
    count = along(table["cycles"][who], seg) + rank_of(seg) + 1
    last = table["last"][who]
    window = [features]
    for back in range(MEDIAN - 1):
        window.append(shifted(window[-1], seg, last[:, back]))
    known = window
    if (count < MEDIAN).any():  # before there are five, the newest stands in
        known = [np.where((count > back)[:, None], w, features) for back, w in enumerate(window)]
    median = _middle(*known)
    a, b = np.full_like(median, 1.0 - WEIGHT), WEIGHT * median
    young = count <= MEDIAN
    a[young], b[young] = 0.0, median[young]
    group = count // GROUP
    records = rows_of(table["mean"], who)
    mean = stepped(a, b, group, seg, records)
    put_rows(table["mean"], who, records)
    weight = 1.0 / np.clip(count - MEDIAN + 1, 1, HEALTHY_CYCLES)[:, None]
    a = np.where(young[:, None], 0.0, (1.0 - weight) * np.ones(N))
    b = np.where(young[:, None], median, weight * median)
    records = rows_of(table["healthy"], who)
    slow = stepped(a, b, group, seg, records)
    put_rows(table["healthy"], who, records)
    table["cycles"][who] = count[seg.last]
    table["last"][who] = np.stack([w[seg.last] for w in window[: MEDIAN - 1]], axis=1)
    return mean, slow, count
