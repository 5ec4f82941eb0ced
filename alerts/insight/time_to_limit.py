# SPDX-License-Identifier: Apache-2.0
"""How long until the limit: four estimators on slots, the one that did best lately, and its 90 % interval.

linear   the slope of the last minutes goes on
bent     that slope still grows or fades as it lately did, less and less: a load that lags its air does so
newton   dT/dt = k (ambient - T), k fitted since the turn, the room's temperature known
free     dT/dt = a T + b, both fitted since the turn; silent where the asymptote does not pass the limit

They speak only of a *drift*: a move in one direction, since the last turn, larger than the appliance's usual
move between turns. Otherwise the answer is "stable" (seconds are infinite).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alerts.insight.scan import (
    GROUP,
    NEVER,
    Floats,
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
from alerts.rules.flat import Bools, Ints, Segments

LINEAR, NEWTON, FREE, BENT = 0, 1, 2, 3
NAMES = ("linear", "newton", "free", "bent")

TREND_S = 600.0
"""Lag of the smoothing that decides the direction."""
LINEAR_S, SLOW_S, NEWTON_S, FREE_S = 1200.0, 3600.0, 1800.0, 7200.0
"""Memory of the two slopes and of the two fits [s]."""
BREAK_S = 3600.0
"""A gap this long ends a drift: what came between is unknown."""
USUAL_MOVES = 50
"""Turns over which the usual move is averaged."""
BEYOND, LEAST_MOVE_K = 2.5, 0.25
"""A drift is a move of so many usual ones, and at least this: four steps of a 12-bit probe."""
LEAST_AGE_S = 900.0
BEND_S, BEND_LEAST, BEND_MOST = 2700.0, 0.3, 2.5
"""The slope goes on bending for so long; it ends between these parts of what it is."""
BEND_APART_S = 150.0
OFF_MOVE_K, OFF_AGE_S = 0.06, 300.0
"""Enough where cooling is known to be off."""
BACKTEST = 6
"""Slots between two looks back: what did each estimator say half an hour ago?"""
PRIOR_K = np.array([0.10, 0.08, 0.12, 0.06])
"""Error that each estimator is thought to have over half an hour before it was seen [K]; by simulation."""
DOUBT = 0.35
"""Weight of a new half hour in the mean of errors."""
HORIZON_MAX_S = 48 * 3600.0
Z90 = 1.645

ANCHOR = [(n, "<f8") for n in ("at", "level", "turn", "slope", "k", "ambient", "a", "b", "ends")]
STATE = np.dtype(
    [
        ("seen", "<i8"),
        ("at", "<f8"),
        ("level", "<f8"),
        ("slot", "<i8"),
        ("direction", "<f8"),
        ("turn_at", "<f8"),
        ("turn_c", "<f8"),
        ("trend", scan_of(1)),
        ("trend2", scan_of(1)),
        ("usual", scan_of(1)),
        ("fit", scan_of(13)),
        ("anchor", ANCHOR),
        ("error", scan_of(4)),
    ],
    align=True,
)


@dataclass(frozen=True, slots=True)
class Forecast:
    """For each closed slot. Seconds count from the slot's mean instant `at_s`.

    direction  (M,) +1 warming, -1 cooling, 0 stable
    seconds    (M,) until the limit lies behind; inf: never, on this course; low_s, high_s its 90 % interval
    way        (M,) estimator: LINEAR, NEWTON, FREE
    slope      (M,) [K/s]; turn_at (M,) when the drift began [s since epoch]; moved_k (M,) since then
    usual_k    (M,) the usual move between turns
    """

    direction: Ints
    seconds: Floats
    low_s: Floats
    high_s: Floats
    way: Ints
    slope: Floats
    turn_at: Floats
    moved_k: Floats
    usual_k: Floats


def blank(n: int) -> Table:
    table = np.zeros(n, STATE)
    table["at"] = table["slot"] = NEVER
    for name in ("trend", "trend2", "usual", "fit", "error"):
        table[name]["group"] = NEVER
    table["anchor"]["at"] = NEVER
    return table


def advance(
    table: Table, slots: Slots, high_c: Floats, low_c: Floats, ambient_c: Floats, off: Bools
) -> Forecast:
    """Step over closed slots. Limits and ambient are (M,) [°C], NaN where there is none.

    off  (M,) cooling is known to be off (mains, siblings, compressor): a drift is believed sooner
    """
    seg = slots.seg
    was = rows_of(table, seg.series)
    lengths = seg.last - seg.first + 1
    seen = np.repeat(was["seen"], lengths) + np.arange(seg.n) - np.repeat(seg.first, lengths)
    group = seen // GROUP
    level, at = slots.mean_c, slots.at_s
    before_at, before = shifted(at, seg, was["at"]), shifted(level, seg, was["level"])
    fresh = (before_at == NEVER) | (at - before_at > BREAK_S)
    step = np.maximum(np.where(fresh, 300.0, at - before_at), 1.0)
    moves = _moves(was, level, before, at, step, fresh, group, seg)
    fit = _fits(was, level, before, step, moves, ambient_c, group, seg)
    enough = np.where(off, OFF_MOVE_K, np.maximum(LEAST_MOVE_K, BEYOND * moves.usual_k))
    age = at - moves.turn_at
    drift = (moves.moved_k > enough) & (age >= np.where(off, OFF_AGE_S, LEAST_AGE_S))
    error = _backtest(was, slots, level, fit, moves, ambient_c, group)
    forecast = _answer(
        level, at, np.where(moves.direction > 0, high_c, low_c), ambient_c, fit, moves, drift, error
    )
    last = seg.last
    was["seen"], was["at"], was["level"] = seen[last] + 1, at[last], level[last]
    was["slot"], was["direction"] = slots.slot[last], moves.direction[last]
    was["turn_at"], was["turn_c"] = moves.turn_at[last], moves.turn_c[last]
    put_rows(table, seg.series, was)
    return forecast


@dataclass(frozen=True, slots=True)
class _Moves:
    direction: Floats
    turns: Bools
    turn_at: Floats
    turn_c: Floats
    age_s: Floats
    moved_k: Floats
    usual_k: Floats


def _moves(
    was: Table,
    level: Floats,
    before: Floats,
    at: Floats,
    step: Floats,
    fresh: Bools,
    group: Ints,
    seg: Segments,
) -> _Moves:
    """Which way, since when, how far, and how far it usually goes before it turns."""
    x = step / TREND_S
    a = decay(x)
    r = (1.0 - a) / x

    def lag(name: str, now: Floats, then: Floats) -> Floats:
        b = np.where(fresh, now, (1.0 - r) * now + (r - a) * then)
        out, was[name] = affine(np.where(fresh, 0.0, a)[:, None], b[:, None], group, seg, was[name])
        return out[:, 0]

    stood = value_of(was["trend"])[:, 0]
    one = lag("trend", level, before)
    two = lag("trend2", one, shifted(one, seg, stood))
    direction = np.where(one > two, 1.0, np.where(one < two, -1.0, 0.0))
    then = shifted(direction, seg, was["direction"])
    direction = np.where(direction == 0.0, np.where(fresh, 0.0, then), direction)
    turns = fresh | (direction != then)
    began = last_true(turns, seg)
    lengths = seg.last - seg.first + 1
    known = began >= 0
    # The smoothed direction turns late: the move began at the slot before.
    start_c, start_at = np.where(fresh, level, before), np.where(fresh, at, at - step)
    turn_at = np.where(known, start_at[began], np.repeat(was["turn_at"], lengths))
    turn_c = np.where(known, start_c[began], np.repeat(was["turn_c"], lengths))
    moved = (level - turn_c) * direction
    ended = np.abs(before - shifted(turn_c, seg, was["turn_c"]))
    learns = turns & ~fresh
    first = was["usual"]["group"] == NEVER
    weight = 1.0 / USUAL_MOVES
    a_usual = np.where(learns, 1.0 - weight, 1.0)
    b_usual = np.where(learns, weight * np.minimum(ended, 5.0), 0.0)
    head = seg.first[first]
    a_usual[head], b_usual[head] = 0.0, 0.3  # until it is learnt
    usual, was["usual"] = affine(a_usual[:, None], b_usual[:, None], group, seg, was["usual"])
    return _Moves(direction, turns, turn_at, turn_c, at - turn_at, moved, usual[:, 0])


@dataclass(frozen=True, slots=True)
class _Fit:
    """k [1/s], NaN unknown; a [1/s] and b [K/s] of the free law about the turn's temperature.

    slope is that of now; ends is what it comes to [K/s]
    """

    slope: Floats
    k: Floats
    a: Floats
    b: Floats
    ends: Floats


def _fits(
    was: Table,
    level: Floats,
    before: Floats,
    step: Floats,
    moves: _Moves,
    ambient: Floats,
    group: Ints,
    seg: Segments,
) -> _Fit:
    turns = moves.turns
    rate, middle = (level - before) / step, 0.5 * (level + before)
    gap = np.where(np.isnan(ambient), 0.0, ambient - middle)
    offset = middle + 40.0  # any origin: the sums are of moderate size
    age = moves.age_s
    moved, aged = rate * step, (age - 0.5 * step) * step
    columns = (
        (step, LINEAR_S),
        (moved, LINEAR_S),
        (aged, LINEAR_S),
        (step, SLOW_S),
        (moved, SLOW_S),
        (aged, SLOW_S),
        (moved * gap, NEWTON_S),
        (gap * gap * step, NEWTON_S),
        (step, FREE_S),
        (offset * step, FREE_S),
        (moved, FREE_S),
        (offset * offset * step, FREE_S),
        (offset * moved, FREE_S),
    )
    b = np.column_stack([column for column, _ in columns])
    a = np.column_stack([decay(step / memory_s) for _, memory_s in columns])
    a[turns] = 0.0
    b[turns & (level == before)] = 0.0
    s, was["fit"] = affine(a, b, group, seg, was["fit"])
    s = np.ascontiguousarray(s.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        k = np.where(s[7] > 0, s[6] / s[7], np.nan)
        mean_x, mean_y = s[9] / s[8], s[10] / s[8]
        spread = s[11] / s[8] - mean_x * mean_x
        slant = (s[12] / s[8] - mean_x * mean_y) / spread
        slope, ends = _bend(s[1] / s[0], age - s[2] / s[0], s[4] / s[3], age - s[5] / s[3])
    slant = np.where(spread > 0.04, slant, np.nan)
    return _Fit(slope, k, slant, mean_y - slant * (mean_x - 40.0), ends)


def _bend(quick: Floats, quick_lag: Floats, slow: Floats, slow_lag: Floats) -> tuple[Floats, Floats]:
    """The slope now, and what it comes to, from two means of it that look back differently far [K/s, s]."""
    apart = slow_lag - quick_lag
    bend = np.where(apart > BEND_APART_S, (quick - slow) / apart, 0.0)
    bend = np.where(np.isfinite(bend), bend, 0.0)
    quick = np.where(np.isfinite(quick), quick, 0.0)
    part = np.where(quick != 0.0, bend / np.where(quick == 0.0, 1.0, quick), 0.0)
    now = quick * np.clip(1.0 + part * quick_lag, 0.6, 1.5)
    return now, now * np.clip(1.0 + part * BEND_S, BEND_LEAST, BEND_MOST)


def _project(level: Floats, ahead_s: Floats, fit: _Fit, ambient: Floats) -> Floats:
    """(M, 4) where each estimator sees the temperature after `ahead_s`; NaN where it has no say."""
    k, a = np.maximum(fit.k, 0.0), -fit.a
    newton = ambient - (ambient - level) * decay(k * ahead_s)
    slow = np.maximum(a, 1e-9)
    asymptote = fit.b / slow
    free = np.where(a > 1e-9, asymptote - (asymptote - level) * decay(slow * ahead_s), np.nan)
    bent = level + fit.ends * ahead_s - (fit.ends - fit.slope) * BEND_S * (1.0 - decay(ahead_s / BEND_S))
    return np.column_stack([level + fit.slope * ahead_s, newton, free, bent])


def _backtest(
    was: Table, slots: Slots, level: Floats, fit: _Fit, moves: _Moves, ambient: Floats, group: Ints
) -> Floats:
    """(M, 4) mean error of each estimator over the last half hours of this drift [K]."""
    seg = slots.seg
    turn = slots.slot // BACKTEST
    carried = np.where(was["slot"] == NEVER, NEVER, was["slot"] // BACKTEST)
    looks = turn != shifted(turn, seg, carried)
    now = np.zeros(seg.n, ANCHOR)
    for name, column in zip(
        ("at", "level", "turn", "slope", "k", "ambient", "a", "b", "ends"),
        (slots.at_s, level, moves.turn_at, fit.slope, fit.k, ambient, fit.a, fit.b, fit.ends),
        strict=True,
    ):
        now[name] = column
    index = last_true(looks, seg)
    lengths = seg.last - seg.first + 1
    anchor = np.where(index >= 0, now[index], np.repeat(was["anchor"], lengths))
    then = shifted(anchor, seg, was["anchor"])
    same = looks & (then["at"] != NEVER) & (then["turn"] == moves.turn_at)
    told = _Fit(then["slope"], then["k"], then["a"], then["b"], then["ends"])
    saw = _project(then["level"], np.maximum(slots.at_s - then["at"], 0.0), told, then["ambient"])
    miss = np.abs(saw - level[:, None])
    tells = same[:, None] & np.isfinite(miss)
    a = np.where(tells, 1.0 - DOUBT, 1.0)
    b = np.where(tells, DOUBT * np.where(tells, miss, 0.0), 0.0)
    anew = moves.turns | (np.repeat(was["error"]["group"], lengths) == NEVER) & (
        np.arange(seg.n) == np.repeat(seg.first, lengths)
    )
    a[anew], b[anew] = 0.0, PRIOR_K
    error, was["error"] = affine(a, b, group, seg, was["error"])
    was["anchor"] = anchor[seg.last]
    return error


def _times(level: Floats, limit: Floats, fit: _Fit, ambient: Floats) -> Floats:
    """(M, 4) seconds until each estimator's temperature reaches the limit; NaN where it has no say."""
    to_go = limit - level
    with np.errstate(divide="ignore", invalid="ignore"):
        linear = to_go / fit.slope
        newton = np.log((ambient - level) / (ambient - limit)) / fit.k
        asymptote = -fit.b / fit.a
        free = np.log((asymptote - level) / (asymptote - limit)) / -fit.a
    beyond = np.sign(asymptote - limit) == np.sign(to_go)
    reaches = beyond & (np.abs(asymptote - limit) > 0.3 * np.abs(to_go)) & (fit.a < -1e-6)
    newton_reaches = (fit.k > 0) & (np.sign(ambient - limit) == np.sign(to_go))
    linear = np.where(linear >= 0, linear, np.nan)
    newton = np.where(newton_reaches, newton, np.nan)
    free = np.where(reaches, free, np.nan)
    return np.column_stack([linear, newton, free, _bent_time(to_go, linear, fit)])


def _bent_time(to_go: Floats, guess: Floats, fit: _Fit) -> Floats:
    """Seconds until the bending course has gone `to_go`; six steps of a contraction."""
    late = (fit.ends - fit.slope) * BEND_S
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        time = guess
        for _ in range(6):
            time = np.maximum((to_go + late * (1.0 - decay(np.maximum(time, 0.0) / BEND_S))) / fit.ends, 0.0)
    return np.where(np.isfinite(guess) & (fit.ends * to_go > 0), time, np.nan)


def _answer(
    level: Floats,
    at: Floats,
    limit: Floats,
    ambient: Floats,
    fit: _Fit,
    moves: _Moves,
    drift: Bools,
    error: Floats,
) -> Forecast:
    seconds = _times(level, limit, fit, ambient)
    age = np.maximum(at - moves.turn_at, 1.0)
    usable = np.isfinite(seconds)
    usable[:, FREE] &= age >= 2 * LINEAR_S
    cost = np.where(usable, error, np.inf)
    way = np.argmin(cost, axis=1)
    best = (np.arange(len(way)), way)
    chosen = np.where(usable[best] & drift, seconds[best], np.inf)
    chosen[chosen > HORIZON_MAX_S] = np.inf
    passed = drift & np.isfinite(limit) & ((limit - level) * moves.direction <= 0)
    chosen = np.where(passed, 0.0, np.round(chosen, 1))
    spread = _spread(chosen, age, seconds, usable, error[best], fit.slope)
    return Forecast(
        np.where(drift, moves.direction, 0).astype(np.int64),
        chosen,
        np.round(chosen / spread, 1),
        np.round(chosen * spread, 1),
        way,
        fit.slope,
        moves.turn_at,
        moves.moved_k,
        moves.usual_k,
    )


def _spread(
    chosen: Floats, age: Floats, seconds: Floats, usable: Bools, error: Floats, slope: Floats
) -> Floats:
    """(M,) factor above and below the middle that holds 90 %: grows with how far it looks beyond what it saw,
    with its errors so far and with how the estimators disagree.
    """
    ratio = np.where(np.isfinite(chosen), chosen / age, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(usable & (seconds > 0), np.log(np.where(usable, seconds, 1.0)), np.nan)
    apart = np.fmax.reduce(logs, axis=1) - np.fmin.reduce(logs, axis=1)
    apart = np.where(apart > 0, apart, 0.0)
    relative = np.minimum(error / np.maximum(np.abs(slope) * 1800.0, 0.05), 1.0)
    sigma = 0.05 + 0.07 * np.sqrt(ratio) + 0.15 * np.minimum(apart, 1.5) + 0.25 * relative
    return np.asarray(np.exp(Z90 * np.minimum(sigma, 1.2)))
