# SPDX-License-Identifier: Apache-2.0
"""Readings that look like temperatures and are none: codes, spikes, a probe that stands still or drifts away.

A code is a value that a converter or a driver sends instead of a temperature; it is taken for one only when
it jumps there. A spike deviates from the readings before it and the next one does not bear it out. A probe
stands still when one value lasts beyond twice its own longest healthy run. It drifts when its difference to
its sibling leaves what it used to be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from alerts.insight.scan import (
    GROUP,
    NEVER,
    Floats,
    Readings,
    Table,
    affine,
    along,
    decay,
    last_true,
    put_rows,
    rank_of,
    rows_of,
    scan_of,
    shifted,
    value_of,
)
from alerts.insight.slots import Slots
from alerts.rules.flat import Bools, Ints, Segments, segments_of

CODES = np.array([-127_000, 85_000, 127_940, 300_000, 302_000, 304_000, 882_600])
"""[thousandths] -127: no answer, and 85: power-on (DS18B20 and its drivers); 127.94: failed conversion;
300, 302, 304: broken probes of emonTx boards; 882.6: a cold room's converter in a public record."""
COLDEST, WARMEST = -127_000, 85_000
"""Nothing between them is a code."""
DISTANT = 5_000
"""A code this far from the last temperature is one; nearer, it may be a temperature. Ours."""
NOTHING = -(2**31)

SPIKE_LEAST, SPIKE_SPREADS = 4_000, 8
"""A spike is off the median of the four before by this, and by so many of their own spreads."""

YOUNG = 2_880
"""Readings before a quiet run may be called too long: two days of minutes."""
STUCK_LEAST, STUCK_TIMES = 120, 2
"""A run is too long beyond twice the longest healthy one, and never below two hours of minutes."""
RESTFUL, RESTFUL_TIMES, RESTFUL_YOUNG = 100, 4, 10_080
"""A probe that has rested so long in health (a still load, coarse steps) is given more, after a week: the
longest of its runs in the next weeks were twice that of the first at one in ten of them, by simulation."""
NEARLY = 2
"""A run too long by less than this factor, which then ended, teaches half: a still load rings once."""

DRIFT_BASE_S, DRIFT_S = 4 * 86_400.0, 8 * 3600.0
DRIFT_LEAST_K, DRIFT_SPREADS = 0.8, 4.0
DRIFT_YOUNG = 3 * 288
"""Slots in common before a difference has a history: three days."""

STATE = np.dtype(
    [
        ("plain", "<i4"),
        ("window", "<i4", 4),
        ("filled", "<i4"),
        ("odd", "<i4"),
        ("value", "<i4"),
        ("run", "<i4"),
        ("readings", "<i4"),
        ("longest", "<i4"),  # run ever, healthy or not
        ("learnt", "<i4"),  # the longest healthy one
    ],
    align=True,
)

DRIFT_STATE = np.dtype([("seen", "<i8"), ("lag", scan_of(3))], align=True)


@dataclass(frozen=True, slots=True)
class Doubts:
    """For each reading (N,): a code; a spike; of a run that is too long. quiet: readings in its run."""

    code: Bools
    spike: Bools
    stuck: Bools
    quiet: Ints


def blank(n: int) -> Table:
    table = np.zeros(n, STATE)
    table["plain"] = table["value"] = NOTHING
    return table


def advance(table: Table, readings: Readings) -> Doubts:
    """Doubt readings that reached us as temperatures: finite, inside what the probe can say."""
    was = rows_of(table, readings.seg.series)
    doubts = doubt(was, readings)
    put_rows(table, readings.seg.series, was)
    return doubts


def doubt(was: Table, readings: Readings) -> Doubts:
    """As `advance`; `was` are the records of the readings' segments."""
    code = _codes(was, readings)
    spike = _spikes(was, readings, code)
    quiet, stuck = _quiet(was, readings)
    return Doubts(code, spike, stuck & ~code, quiet)


def _codes(was: Table, readings: Readings) -> Bools:
    seg, milli = readings.seg, readings.milli
    suspect = (milli >= WARMEST) | (milli <= COLDEST)
    which = np.flatnonzero(suspect)
    if len(which):
        suspect[which] = np.isin(milli[which], CODES)
        which = np.flatnonzero(suspect)
    if not len(which):
        was["plain"] = milli[seg.last]
        return suspect
    source = last_true(~suspect, seg)
    before = np.where(source >= 0, milli[source], along(was["plain"], seg))
    was["plain"] = before[seg.last]
    suspect[which] = np.abs(before[which] - milli[which]) > DISTANT
    return suspect


def _spikes(was: Table, readings: Readings, code: Bools) -> Bools:
    """Codes are left out of the window: they are no neighbours of anything."""
    if not code.any():
        return _spikes_among(was, readings.milli, readings.seg, slice(None))
    spike = np.zeros(readings.seg.n, np.bool_)
    which = np.flatnonzero(~code)
    if len(which):
        seg = segments_of(readings.series[which])
        rows = np.searchsorted(readings.seg.series, seg.series)
        spike[which] = _spikes_among(was, readings.milli[which], seg, rows)
    return spike


def _spikes_among(was: Table, milli: Ints, seg: Segments, rows: Ints | slice) -> Bools:
    """rows: the records of these segments."""
    spike = np.zeros(seg.n, np.bool_)
    window = _before(milli, seg, np.ascontiguousarray(was["window"][rows].T, np.int64))
    least = np.minimum(np.minimum(*window[:2]), np.minimum(*window[2:]))
    most = np.maximum(np.maximum(*window[:2]), np.maximum(*window[2:]))
    odd = np.zeros(len(seg.first), np.int64)
    # What lies no further from all four than this lies no further from their median.
    which = np.flatnonzero(np.maximum(most, milli) - np.minimum(least, milli) > SPIKE_LEAST)
    if len(which):
        which = which[(along(was["filled"][rows], seg) + rank_of(seg))[which] >= 4]
        side = np.zeros(seg.n, np.int64)
        side[which] = _side(milli[which], np.sort(np.stack([w[which] for w in window]), axis=0))
        # The second in a row on the same side bears the first out: it is no spike but a step.
        spike = (side != 0) & (side != shifted(side, seg, was["odd"][rows]))
        odd = side[seg.last]
    was["odd"][rows] = odd
    was["filled"][rows] += seg.last - seg.first + 1
    was["window"][rows] = np.stack([milli[seg.last], *(w[seg.last] for w in window[:3])], axis=1)
    return spike


def _before(milli: Ints, seg: Segments, past: Ints) -> list[Ints]:
    """The four readings before each, newest first, (N,) each. past (4, S): those before the segments."""
    if seg.single:
        return list(past)
    window = [milli]
    for row in past:
        window.append(shifted(window[-1], seg, row))
    return window[1:]


def _side(milli: Ints, stack: Ints) -> Ints:
    """+1, -1 for a reading that is off upwards, downwards; stack (4, N): the four before it, sorted."""
    off = milli - (stack[1] + stack[2]) // 2
    spread = np.maximum(stack[3] - stack[1], stack[2] - stack[0])
    return np.where(np.abs(off) > np.maximum(SPIKE_LEAST, SPIKE_SPREADS * spread), np.sign(off), 0)


def _quiet(was: Table, readings: Readings) -> tuple[Ints, Bools]:
    """(N,) readings so far in the run of one value, and whether it is too long."""
    seg, milli = readings.seg, readings.milli
    changes = milli != shifted(milli, seg, was["value"])
    if seg.single:
        run = np.where(changes, 1, was["run"] + 1)
    else:
        began, index = last_true(changes, seg), np.arange(seg.n)
        run = np.where(began >= 0, index + 1 - began, along(was["run"], seg) + rank_of(seg) + 1)
    known = _learn(was, readings, changes, run)
    stuck = run > STUCK_LEAST
    which = np.flatnonzero(stuck)
    if len(which):
        of = np.searchsorted(seg.first, which, side="right") - 1
        age = was["readings"][of] + (which - seg.first[of]) + 1
        learnt = known(which, of)
        stuck[which] = (age > _young(learnt)) & (run[which] > _bound(learnt))
    was["value"], was["run"] = milli[seg.last], run[seg.last]
    was["readings"] += seg.last - seg.first + 1
    return run, stuck


def _bound(learnt: Ints) -> Ints:
    """Readings of one value that are too many, by the longest healthy run."""
    return np.where(learnt < RESTFUL, np.maximum(STUCK_LEAST, STUCK_TIMES * learnt), RESTFUL_TIMES * learnt)


def _young(learnt: Ints) -> Ints:
    return np.where(learnt < RESTFUL, YOUNG, RESTFUL_YOUNG)


def _learn(was: Table, readings: Readings, changes: Bools, run: Ints) -> Callable[[Ints, Ints], Ints]:
    """The longest healthy run known, of readings in segments. Only record runs are looked at."""
    seg, before = readings.seg, was["learnt"].copy()
    ended = shifted(run, seg, was["run"])
    record = np.flatnonzero(changes & (ended > along(was["longest"], seg)))
    if not len(record):
        return lambda _, of: np.asarray(before[of])
    # Of those beyond all that were before the block: beyond all inside it, too.
    length = ended[record]
    groups = segments_of(readings.series[record])
    top = _running_max(length, groups)
    new = length > shifted(top, groups, np.zeros(len(groups.first), np.int64))
    record, length = record[new], length[new]
    groups = segments_of(readings.series[record])
    rows = np.searchsorted(seg.series, groups.series)
    was["longest"][rows] = length[groups.last]
    many = groups.last - groups.first + 1
    learnt = np.zeros(len(record), np.int64)
    for turn in range(int(many.max())):
        which = many > turn
        at, row = groups.first[which] + turn, rows[which]
        old, long = was["learnt"][row], length[at]
        age = was["readings"][row] + record[at] - seg.first[row] + 1
        healthy = (age <= _young(old)) | (long <= _bound(old))
        nearly = np.where(long <= NEARLY * _bound(old), long // 2, 0)
        learnt[at] = np.maximum(old, np.where(healthy, long, nearly))
        was["learnt"][row] = learnt[at]

    def known(index: Ints, of: Ints) -> Ints:
        source = np.searchsorted(record, index, side="right") - 1
        return np.where(
            record[source] >= np.where(source >= 0, seg.first[of], seg.n), learnt[source], before[of]
        )

    return known


def _running_max(column: Ints, seg: Segments) -> Ints:
    """(N,) the largest so far along each segment. Values below 2^32, not negative."""
    offset = along(np.arange(len(seg.first)) << 32, seg)
    top: Ints = np.maximum.accumulate(column + offset) - offset
    return top


@dataclass(frozen=True, slots=True)
class Drift:
    """For each pair of closed slots (M,): it drifts; how far from what it used to be [K]."""

    drifts: Bools
    away_k: Floats


def blank_drift(n: int) -> Table:
    table = np.zeros(n, DRIFT_STATE)
    table["lag"]["group"] = NEVER
    return table


def drift(table: Table, slots: Slots, sibling_c: Floats) -> Drift:
    """Compare each closed slot with its sibling's mean in the same slot (NaN: not known)."""
    seg = slots.seg
    known = np.isfinite(sibling_c)
    gap = np.where(known, slots.mean_c - np.where(known, sibling_c, 0.0), 0.0)
    was = rows_of(table, seg.series)
    lengths = seg.last - seg.first + 1
    seen = np.repeat(was["seen"], lengths) + _count(known, seg)
    first = known & (seen == 1)
    carried = np.where((was["lag"]["group"] == NEVER)[:, None], 0.0, value_of(was["lag"]))

    memory = decay(np.array([300.0 / DRIFT_BASE_S, 300.0 / DRIFT_S]))
    a = np.where(known[:, None], memory, 1.0)
    a[first] = 0.0
    b = np.where(known[:, None], (1.0 - a) * gap[:, None], 0.0)
    group = seen // GROUP
    # Two lags first, then the mean deviation of the quick from the slow one.
    both = was["lag"][["group", "base", "gain", "gift"]].copy()
    lags = np.zeros(len(was), scan_of(2))
    lags["group"] = both["group"]
    for name in ("base", "gain", "gift"):
        lags[name] = both[name][:, :2]
    pair, after = affine(a, b, group, seg, lags)
    away = pair[:, 1] - pair[:, 0]
    before = shifted(away, seg, carried[:, 1] - carried[:, 0])
    spread_lag = np.zeros(len(was), scan_of(1))
    spread_lag["group"] = both["group"]
    for name in ("base", "gain", "gift"):
        spread_lag[name] = both[name][:, 2:]
    spread, after_spread = affine(
        a[:, :1], np.where(known, (1.0 - a[:, 0]) * np.abs(before), 0.0)[:, None], group, seg, spread_lag
    )
    for name in ("base", "gain", "gift"):
        was["lag"][name] = np.concatenate([after[name], after_spread[name]], axis=1)
    was["lag"]["group"], was["seen"] = after["group"], seen[seg.last]
    put_rows(table, seg.series, was)
    limit = np.maximum(DRIFT_LEAST_K, DRIFT_SPREADS * spread[:, 0])
    return Drift(known & (seen > DRIFT_YOUNG) & (np.abs(away) > limit), away)


def _count(flag: Bools, seg: Segments) -> Ints:
    """(N,) how many True so far in the segment."""
    total = np.cumsum(flag)
    return np.asarray(total - np.repeat(total[seg.first] - flag[seg.first], seg.last - seg.first + 1))
