# SPDX-License-Identifier: Apache-2.0
"""Defrosts learnt from each sensor's own bumps: rises above its usual peak that come again at intervals.

A bump belongs to the candidate whose height, duration and spacing it shares. A candidate seen three times
at intervals that agree is the template: by clock when they agree closely, else by run time.
Only what lies inside the template is a defrost: no longer than 1.5 times its duration, no higher than its
margin, never above the caller's ceiling, and only when one was due. All else is no defrost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from alerts.insight.cycles import PEAK, TROUGH, Known
from alerts.insight.scan import NEVER, Floats, Readings, Table, along, last_true, put_rows, rows_of
from alerts.rules.flat import Bools, Ints, Segments, segments_of
from alerts.rules.limits import LEAST, Carried, latch, telling

CANDIDATES = 4
LEARNT = 3
"""Bumps of one kind before it may be a template."""
ESTABLISHED = 8
"""Seen so often, a kind survives a long absence."""
RISE_K, RISE_PART = 0.4, 0.4
"""A bump begins above the usual peak by this, or by this part of the usual swing, whichever is more."""
SHORTEST_S, LONGEST_S, CLOSEST_S = 480.0, 3 * 3600.0, 2 * 3600.0
"""A bump shorter or longer is none; openings are shorter. Nothing defrosts oftener than the third."""
ALIKE = 1.7
"""Bumps whose heights and durations differ by less than this factor may be of one kind; beside it:"""
ALIKE_K, ALIKE_S = 0.4, 300.0
EARLY = 0.6
"""Part of the usual interval after which the next defrost may come."""
AGREES, BY_CLOCK = 0.35, 0.04
"""Mean deviation of intervals, as a part of them: a template; one kept by a clock."""
WEIGHT = 0.3
TOO_LONG = 1.5
"""Times the learnt duration: longer is no defrost any more."""
TOO_HIGH, TOO_HIGH_K = 1.6, 0.5
MISSING = 2.2
"""Usual intervals without one: it is missing (one may be skipped)."""
NO_DEFROST, A_DEFROST, LONG = range(3)
"""What a bump was, once it is over."""

BUMP = [("since", "<i8"), ("standing", "?"), ("announced", "?"), ("spent", "?"), ("peak", "<i8")]
CANDIDATE = [
    ("seen", "<f8"),
    ("height", "<f8"),
    ("lasts", "<f8"),
    ("began", "<f8"),
    ("every", "<f8"),
    ("strays", "<f8"),
]
DUE = [("began", "<f8"), ("within", "<f8")]
HOT = np.dtype([*BUMP, ("due", DUE)], align=True)
STATE = np.dtype([("kind", CANDIDATE, CANDIDATES), ("hot", HOT)], align=True)
"""height [K] over the usual peak, lasts [s], began [s since epoch], every [s] between beginnings.

due  of the template: its last beginning, and after how long the next one is missing [s]; inf without one
"""


@dataclass(frozen=True, slots=True)
class Defrosts:
    """For each reading (N,), and bumps that ended (B,).

    inside    it belongs to a defrost as learnt: its height says nothing about the appliance
    overlong  it belongs to one that lasts longer than it may
    missing   none came for MISSING intervals
    began     (N,) when the bump that is open began [ms]; NEVER if none
    ended_by    (B,) reading that ended a bump; ended_began (B,) [ms]; ended_peak (B,) [thousandths]
    ended_what  (B,) NO_DEFROST, A_DEFROST, or LONG: one that lasted longer than it may
    ended_usual (B,) how long the template lasted before it [s]; 0 without one
    """

    inside: Bools
    overlong: Bools
    missing: Bools
    began: Ints
    ended_by: Ints
    ended_began: Ints
    ended_peak: Ints
    ended_what: Ints
    ended_usual: Floats


def blank(n: int) -> Table:
    table = np.zeros(n, STATE)
    table["hot"]["since"], table["hot"]["peak"] = NEVER, LEAST
    table["kind"]["began"] = -1e18
    table["hot"]["due"]["within"] = np.inf
    return table


def template(rows: Table) -> Table:
    """(S,) each sensor's template: the candidate seen most often that is learnt; `seen` is 0 if none."""
    kinds = rows["kind"]
    good = (kinds["seen"] >= LEARNT) & (kinds["strays"] <= AGREES * kinds["every"])
    good &= kinds["every"] >= CLOSEST_S
    size = np.where(good, kinds["height"] * np.sqrt(np.minimum(kinds["seen"], 20.0)), -1.0)
    best = np.argmax(size, axis=1)
    index = np.arange(len(rows))
    found = kinds[index, best].copy()
    found["seen"] = np.where(good[index, best], found["seen"], 0.0)
    return np.asarray(found)


def advance(table: Table, readings: Readings, usual: Known, ceiling_c: Floats) -> Defrosts:
    """Follow bumps. usual: the cycles' figures known at each reading; ceiling_c (N,) [°C].

    Where nothing is above its line and no bump is open there is nothing to follow.
    """
    hot = rows_of(table["hot"], readings.seg.series)
    found = follow(table, hot, readings, usual, ceiling_c)
    put_rows(table["hot"], readings.seg.series, hot)
    return found


def follow(table: Table, hot: Table, readings: Readings, usual: Known, ceiling_c: Floats) -> Defrosts:
    """As `advance`; `hot` are the hot records of the readings' segments, which `table` is not asked for."""
    seg, value = readings.seg, readings.milli
    line, back = _lines(usual.figures)
    if not seg.single or len(line) != seg.n:  # of a tick, each reading has its own
        line, back = line[usual.of], back[usual.of]
    above = value > line
    which = _stirring(above, value <= back, hot["standing"], seg)
    nothing, never = np.zeros(seg.n, np.bool_), np.full(seg.n, NEVER)
    if not len(which):
        none = np.zeros(0, np.int64)
        missing = _missing(readings, hot["due"], None)
        return Defrosts(nothing, nothing, missing, never, none, none, none, none, np.zeros(0))
    due, some = hot["due"].copy(), readings.take(which)
    rows = slice(None) if len(some.seg.first) == len(hot) else np.searchsorted(seg.series, some.seg.series)
    bump = hot[rows]
    did, after = _bumps(
        table,
        bump,
        some,
        (above[which], value[which] <= back[which]),
        usual.figures[usual.of[which]],
        ceiling_c[which],
    )
    hot[rows] = bump
    inside, overlong = nothing, nothing.copy()
    inside[which], overlong[which], never[which] = did.inside, did.overlong, did.began
    by = which[did.ended_by]
    missing = _missing(readings, np.concatenate([due, _due(after)]), by)
    return replace(did, inside=inside, overlong=overlong, missing=missing, began=never, ended_by=by)


def _stirring(above: Bools, back: Bools, standing: Bools, seg: Segments) -> Ints:
    """Indices of the readings that belong to a bump, begin or end one, and some more."""
    if seg.single:
        return np.flatnonzero(above | standing)
    stirs = standing.copy()
    stirs[np.searchsorted(seg.first, np.flatnonzero(above), side="right") - 1] = True
    if not stirs.any():
        return np.zeros(0, np.int64)
    found = telling(back, seg)
    which = np.arange(seg.n) if found is None else found[0]
    return which if stirs.all() else which[along(stirs, seg)[which]]


def _missing(readings: Readings, due: Table, ended_by: Ints | None) -> Bools:
    """(N,) a defrost is missing. due (S + B,): before these readings, then as of each of `ended_by`."""
    seg = readings.seg
    if not np.isfinite(due["within"]).any():
        return np.zeros(seg.n, np.bool_)
    of = along(np.arange(len(seg.first)), seg)
    if ended_by is not None and len(ended_by):
        ends = np.zeros(seg.n, np.bool_)
        ends[ended_by] = True
        source = last_true(ends, seg)
        of = np.where(source >= 0, len(seg.first) + np.cumsum(ends) - 1, of)
    return np.asarray(readings.at / 1000.0 - due["began"][of] > due["within"][of])


def _due(templates: Table) -> Table:
    due = np.zeros(len(templates), DUE)
    due["began"] = templates["began"]
    due["within"] = np.where(templates["seen"] >= LEARNT, MISSING * templates["every"], np.inf)
    return due


def _bumps(
    table: Table,
    bump: Table,
    readings: Readings,
    sides: tuple[Bools, Bools],
    usual: Floats,
    ceiling_c: Floats,
) -> tuple[Defrosts, Table]:
    """Those of `advance`, with `missing` left out, and the template after each bump that ended.

    sides  (N,) above the line, well below it
    """
    seg = readings.seg
    was, value = rows_of(table, seg.series), readings.milli
    carried = Carried(bump["since"], bump["standing"], bump["announced"], bump["peak"])
    none = np.zeros(seg.n, np.bool_)
    did = latch(*sides, value, readings.at, 0, none, seg, carried)
    began = _open(readings, did.raised, did.raised_since, did.returned, bump)
    known, of = template(was), along(np.arange(len(was)), seg)
    height = did.returned_peak / 1000.0 - usual[did.returned, PEAK]
    is_one, news = _learn(was, readings, did.returned, did.returned_since, height)
    if len(news):
        ends = np.zeros(seg.n, np.bool_)
        ends[did.returned] = True
        of = np.where(last_true(ends, seg) >= 0, len(was) + np.cumsum(ends) - 1, of)
        known = np.concatenate([known, news])
        final = np.append(
            readings.series[did.returned[1:]] != readings.series[did.returned[:-1]], values=True
        )
        who = np.searchsorted(seg.series, readings.series[did.returned[final]])
        bump["due"][who] = _due(news[final])
        table["kind"][seg.series] = was["kind"]
    inside, overlong = _against(rows_of(known, of), readings, usual, ceiling_c, began)
    spent = _spent(inside, began, bump, readings)
    rows = np.searchsorted(seg.series, readings.series[did.returned])
    left = np.where(did.returned == seg.first[rows], bump["spent"][rows], spent[did.returned - 1])
    bump["since"], bump["standing"], bump["peak"] = did.after.since, did.after.standing, did.after.peak
    bump["spent"] = spent[seg.last]
    before = known[: len(was)][rows]
    if len(news) > 1:
        again = np.append(False, readings.series[did.returned[1:]] == readings.series[did.returned[:-1]])
        before[again] = news[:-1][again[1:]]
    ended = did.returned, did.returned_since, np.asarray(did.returned_peak, np.int64)
    lasts = (readings.at[did.returned] - did.returned_since) / 1000.0
    told = _what(before, did.returned_since / 1000.0, lasts, height, (is_one, left))
    return Defrosts(inside & ~spent, overlong, none, began, *ended, *told), news


def _what(
    before: Table, began_s: Floats, lasts: Floats, height: Floats, seen: tuple[Bools, Bools]
) -> tuple[Ints, Floats]:
    """What (B,) bumps that ended were, and how long the template lasted. before: it, as each found it.

    seen  it is of the template's kind; a reading had seen it beyond the template before it ended

    What was not due is none, however alike; one that is overlong is as high as others, if well known.
    """
    is_one, left = seen
    learnt = before["seen"] >= LEARNT
    due = learnt & (began_s - before["began"] >= EARLY * before["every"])
    high = height <= TOO_HIGH * before["height"] + TOO_HIGH_K
    high &= height >= np.minimum(before["height"] / ALIKE, before["height"] - ALIKE_K)
    long = due & high & left & (before["seen"] >= ESTABLISHED)
    long &= (lasts > TOO_LONG * before["lasts"]) & (lasts <= LONGEST_S)
    what = np.where(long, LONG, np.where(due & is_one, A_DEFROST, NO_DEFROST))
    return what, np.where(learnt, before["lasts"], 0.0)


def _spent(inside: Bools, began: Ints, bump: Table, readings: Readings) -> Bools:
    """(N,) the open bump has once left the template: it is no defrost until it ends."""
    seg = readings.seg
    outside = (began != NEVER) & ~inside
    index = last_true(outside, seg)
    lengths = seg.last - seg.first + 1
    carried = np.repeat(bump["spent"] & bump["standing"], lengths) & (
        began == np.repeat(bump["since"], lengths)
    )
    spent: Bools = (began != NEVER) & (carried | ((index >= 0) & (began[index] == began)))
    return spent


def _lines(usual: Floats) -> tuple[Ints, Ints]:
    """(N,) above which a bump begins, at or below which it ends [thousandths]."""
    swing = usual[:, PEAK] - usual[:, TROUGH]
    known = np.isfinite(swing)
    rise = np.maximum(RISE_K, RISE_PART * np.where(known, swing, 0.0))
    peak = np.where(known, usual[:, PEAK], 1e6)
    line = np.rint((peak + rise) * 1000.0).astype(np.int64)
    return line, np.rint((peak + 0.5 * rise) * 1000.0).astype(np.int64)


def _open(readings: Readings, raised: Ints, since: Ints, returned: Ints, bump: Table) -> Ints:
    """(N,) the beginning of the bump that each reading belongs to; NEVER outside."""
    n, seg = readings.seg.n, readings.seg
    mark = np.zeros(n, np.int64)  # 0 no news, else instant + 2 or 1 for "none"
    mark[seg.first] = np.where(bump["standing"], bump["since"] + 2, 1)
    mark[returned] = 1
    mark[raised] = since + 2
    index = np.maximum.accumulate(np.where(mark != 0, np.arange(n), 0))
    found = mark[index]
    return np.where(found > 1, found - 2, NEVER)


def _against(
    known: Table, readings: Readings, usual: Floats, ceiling_c: Floats, began: Ints
) -> tuple[Bools, Bools]:
    at_s = readings.at / 1000.0
    learnt, is_open = known["seen"] >= LEARNT, began != NEVER
    began_s = began / 1000.0
    due = began_s - known["began"] >= EARLY * known["every"]
    age = at_s - began_s
    value = readings.celsius
    peak = np.where(np.isfinite(usual[:, PEAK]), usual[:, PEAK], 0.0)
    low = value <= peak + TOO_HIGH * known["height"] + TOO_HIGH_K
    short = age <= TOO_LONG * known["lasts"]
    under = ~(value > ceiling_c)
    defrost = learnt & is_open & due
    return defrost & low & short & under, defrost & ~short


def _learn(was: Table, readings: Readings, ended: Ints, began: Ints, height: Floats) -> tuple[Bools, Table]:
    """Give ended bumps (B,) to their candidates, one after the other of each sensor.

    Returns whether each was of the template's kind, and (B,) the template after it.
    """
    is_one = np.zeros(len(ended), np.bool_)
    news = np.zeros(len(ended), CANDIDATE)
    if not len(ended):
        return is_one, news
    lasts = (readings.at[ended] - began) / 1000.0
    fits = np.flatnonzero((lasts >= SHORTEST_S) & (lasts <= LONGEST_S) & np.isfinite(height) & (height > 0))
    sensor = np.searchsorted(readings.seg.series, readings.series[ended])
    # A bump that fits nothing teaches nothing: it finds the template as the one before left it.
    news[:] = template(was)[sensor]
    if not len(fits):
        return is_one, news
    seg = segments_of(sensor[fits])
    many, row = seg.last - seg.first + 1, seg.series
    known = rows_of(news, fits[seg.first])
    for turn in range(int(many.max())):
        on = np.flatnonzero(many > turn)
        bump, who = fits[seg.first[on] + turn], row[on]
        is_one[bump] = _alike(known[on], height[bump], lasts[bump]) & (known["seen"][on] >= LEARNT)
        was["kind"][who] = _given(was["kind"][who], began[bump] / 1000.0, height[bump], lasts[bump])
        known[on] = template(was[who])
        put_rows(news, bump, known[on])
    source = np.maximum.accumulate(np.where(np.isin(np.arange(len(ended)), fits), np.arange(len(ended)), -1))
    found = np.flatnonzero((source >= 0) & (sensor[source] == sensor))
    put_rows(news, found, rows_of(news, source[found]))
    return is_one, news


def _alike(kind: Table, height: Floats, lasts: Floats) -> Bools:
    high = np.abs(np.log(np.maximum(kind["height"], 0.05) / np.maximum(height, 0.05)))
    long = np.abs(np.log(np.maximum(kind["lasts"], 1.0) / np.maximum(lasts, 1.0)))
    near_high = (high < np.log(ALIKE)) | (np.abs(kind["height"] - height) < ALIKE_K)
    near_long = (long < np.log(ALIKE)) | (np.abs(kind["lasts"] - lasts) < ALIKE_S)
    return np.asarray((kind["seen"] > 0) & near_high & near_long)


def _given(kinds: Table, began: Floats, height: Floats, lasts: Floats) -> Table:
    """The candidates (B, K) after each took its bump, or after it took the place of the least of them."""
    index = np.arange(len(kinds))
    alike = _alike(kinds, height[:, None], lasts[:, None])
    since = began[:, None] - kinds["began"]
    early = (kinds["seen"] >= LEARNT) & (since < EARLY * kinds["every"])
    match = alike & ~early
    has = match.any(axis=1)
    drop = alike.any(axis=1) & ~has  # one of a kind, but not due: an opening that looks like it
    # The one seen most often of those that match; else the least and oldest gives way.
    take = np.argmax(np.where(match, kinds["seen"], -1.0), axis=1)
    weakest = np.argmin(kinds["seen"] * 1e6 + kinds["began"] / 1e6, axis=1)
    place = np.where(has, take, weakest)
    k = kinds[index, place].copy()
    gap = began - k["began"]
    steps = np.where(k["seen"] >= 2, np.maximum(np.rint(gap / np.maximum(k["every"], 1.0)), 1.0), 1.0)
    # After a long absence (a fault, out of use) the gap says nothing of the interval of a well-known kind.
    away, well_known = steps > 3, k["seen"] >= ESTABLISHED
    every = np.where(away & well_known, k["every"], gap / np.where(away, 1.0, steps))
    strays = np.abs(every - k["every"])
    first, second = ~has, has & (k["seen"] == 1)
    k["height"] = np.where(first, height, k["height"] + WEIGHT * (height - k["height"]))
    k["lasts"] = np.where(first, lasts, k["lasts"] + WEIGHT * (lasts - k["lasts"]))
    old_every = k["every"]
    k["every"] = np.where(first, 0.0, np.where(second, every, old_every + WEIGHT * (every - old_every)))
    third = has & (k["seen"] == 2)
    k["strays"] = np.where(
        first | second, 0.0, np.where(third, strays, k["strays"] + WEIGHT * (strays - k["strays"]))
    )
    k["began"] = began
    k["seen"] = np.where(first, 1.0, k["seen"] + 1.0)
    after = kinds.copy()
    after[index[~drop], place[~drop]] = k[~drop]
    return after
