# SPDX-License-Identifier: Apache-2.0
"""How long until the limit: three estimators on slots, the one that did best lately, and its 90 % interval.

linear   the slope of the last half hour goes on
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
    scan_of,
    shifted,
)
from alerts.insight.slots import Slots
from alerts.rules.flat import Bools, Ints, Segments

LINEAR, NEWTON, FREE = 0, 1, 2
NAMES = ("linear", "newton", "free")

TREND_S = 600.0
"""Lag of the smoothing that decides the direction."""
LINEAR_S, FIT_S = 1800.0, 4 * 3600.0
"""Memory of the linear slope and of the two fits [s]."""
BREAK_S = 3600.0
"""A gap this long ends a drift: what came between is unknown."""
USUAL_MOVES = 50
"""Turns over which the usual move is averaged."""
BEYOND, LEAST_MOVE_K = 2.5, 0.25
"""A drift is a move of so many usual ones, and at least this: four steps of a 12-bit probe."""
LEAST_AGE_S = 900.0
BACKTEST = 6
"""Slots between two looks back: what did each estimator say half an hour ago?"""
PRIOR_K = np.array([0.10, 0.04, 0.08])
"""Error that each estimator is thought to have over half an hour before it was seen [K]; by simulation."""
DOUBT = 0.35
"""Weight of a new half hour in the mean of errors."""
HORIZON_MAX_S = 48 * 3600.0
Z90 = 1.645

ANCHOR = [(n, "<f8") for n in ("at", "level", "turn", "slope", "k", "ambient", "a", "b")]
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
        ("fit", scan_of(9)),
        ("anchor", ANCHOR),
        ("error", scan_of(3)),
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


def advance(table: Table, slots: Slots, high_c: Floats, low_c: Floats, ambient_c: Floats) -> Forecast:
    """Step over closed slots. Limits and ambient are (M,) [°C], NaN where there is none."""
    seg = slots.seg
    was = table[seg.series]
    lengths = seg.last - seg.first + 1
    seen = np.repeat(was["seen"], lengths) + np.arange(seg.n) - np.repeat(seg.first, lengths)
    group = seen // GROUP
    level, at = slots.mean_c, slots.at_s
    before_at, before = shifted(at, seg, was["at"]), shifted(level, seg, was["level"])
    fresh = (before_at == NEVER) | (at - before_at > BREAK_S)
    step = np.maximum(np.where(fresh, 300.0, at - before_at), 1.0)
    moves = _moves(was, level, before, at, step, fresh, group, seg)
    fit = _fits(was, level, before, step, moves.turns, ambient_c, group, seg)
    drift = (moves.moved_k > np.maximum(LEAST_MOVE_K, BEYOND * moves.usual_k)) & (
        at - moves.turn_at >= LEAST_AGE_S
    )
    error = _backtest(was, slots, level, fit, moves, ambient_c, group)
    forecast = _answer(
        level, at, np.where(moves.direction > 0, high_c, low_c), ambient_c, fit, moves, drift, error
    )
    last = seg.last
    was["seen"], was["at"], was["level"] = seen[last] + 1, at[last], level[last]
    was["slot"], was["direction"] = slots.slot[last], moves.direction[last]
    was["turn_at"], was["turn_c"] = moves.turn_at[last], moves.turn_c[last]
    table[seg.series] = was
    return forecast


@dataclass(frozen=True, slots=True)
class _Moves:
    direction: Floats
    turns: Bools
    turn_at: Floats
    turn_c: Floats
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

    stood = (was["trend"]["gain"] * was["trend"]["base"] + was["trend"]["gift"])[:, 0]
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
    return _Moves(direction, turns, turn_at, turn_c, moved, usual[:, 0])


@dataclass(frozen=True, slots=True)
class _Fit:
    """slope [K/s]; k [1/s], NaN unknown; a [1/s] and b [K/s] of the free law about the turn's temperature."""

    slope: Floats
    k: Floats
    a: Floats
    b: Floats


def _fits(
    was: Table,
    level: Floats,
    before: Floats,
    step: Floats,
    turns: Bools,
    ambient: Floats,
    group: Ints,
    seg: Segments,
) -> _Fit:
    rate, middle = (level - before) / step, 0.5 * (level + before)
    gap = np.where(np.isnan(ambient), 0.0, ambient - middle)
    known = ~np.isnan(ambient)
    offset = middle + 40.0  # any origin: the sums are of moderate size
    b = np.empty((seg.n, 9))
    b[:, 0], b[:, 1] = step, rate * step
    b[:, 2], b[:, 3] = np.where(known, rate * gap * step, 0.0), gap * gap * step
    b[:, 4], b[:, 5], b[:, 6] = step, offset * step, rate * step
    b[:, 7], b[:, 8] = offset * offset * step, offset * rate * step
    a = np.empty((seg.n, 9))
    a[:, :2] = decay(step / LINEAR_S)[:, None]
    a[:, 2:] = decay(step / FIT_S)[:, None]
    a[turns] = 0.0
    b[turns & (level == before)] = 0.0
    s, was["fit"] = affine(a, b, group, seg, was["fit"])
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(s[:, 0] > 0, s[:, 1] / s[:, 0], 0.0)
        k = np.where(s[:, 3] > 0, s[:, 2] / s[:, 3], np.nan)
        mean_x, mean_y = s[:, 5] / s[:, 4], s[:, 6] / s[:, 4]
        spread = s[:, 7] / s[:, 4] - mean_x * mean_x
        slant = (s[:, 8] / s[:, 4] - mean_x * mean_y) / spread
    sound = spread > 0.04
    slant = np.where(sound, slant, np.nan)
    return _Fit(slope, k, slant, mean_y - slant * (mean_x - 40.0))


def _project(level: Floats, ahead_s: Floats, fit: _Fit, ambient: Floats) -> Floats:
    """(M, 3) where each estimator sees the temperature after `ahead_s`; NaN where it has no say."""
    k, a = np.maximum(fit.k, 0.0), -fit.a
    newton = ambient - (ambient - level) * decay(k * ahead_s)
    slow = np.maximum(a, 1e-9)
    asymptote = fit.b / slow
    free = np.where(a > 1e-9, asymptote - (asymptote - level) * decay(slow * ahead_s), np.nan)
    return np.column_stack([level + fit.slope * ahead_s, newton, free])


def _backtest(
    was: Table, slots: Slots, level: Floats, fit: _Fit, moves: _Moves, ambient: Floats, group: Ints
) -> Floats:
    """(M, 3) mean error of each estimator over the last half hours of this drift [K]."""
    seg = slots.seg
    turn = slots.slot // BACKTEST
    carried = np.where(was["slot"] == NEVER, NEVER, was["slot"] // BACKTEST)
    looks = turn != shifted(turn, seg, carried)
    now = np.zeros(seg.n, ANCHOR)
    for name, column in zip(
        ("at", "level", "turn", "slope", "k", "ambient", "a", "b"),
        (slots.at_s, level, moves.turn_at, fit.slope, fit.k, ambient, fit.a, fit.b),
        strict=True,
    ):
        now[name] = column
    index = last_true(looks, seg)
    lengths = seg.last - seg.first + 1
    anchor = np.where(index >= 0, now[index], np.repeat(was["anchor"], lengths))
    then = shifted(anchor, seg, was["anchor"])
    same = looks & (then["at"] != NEVER) & (then["turn"] == moves.turn_at)
    told = _Fit(then["slope"], then["k"], then["a"], then["b"])
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
    """(M, 3) seconds until each estimator's temperature reaches the limit; NaN where it has no say."""
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
    return np.column_stack([linear, newton, np.where(reaches, free, np.nan)])


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
    rows = np.arange(len(way))
    chosen = np.where(usable[rows, way] & drift, seconds[rows, way], np.inf)
    chosen = np.where(chosen > HORIZON_MAX_S, np.inf, chosen)
    passed = drift & np.isfinite(limit) & ((limit - level) * moves.direction <= 0)
    chosen = np.where(passed, 0.0, np.round(chosen, 1))
    spread = _spread(chosen, age, seconds, usable, error[rows, way], fit.slope)
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
    with its errors so far and with how the estimators disagree."""
    ratio = np.where(np.isfinite(chosen), chosen / age, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(usable & (seconds > 0), np.log(np.where(usable, seconds, 1.0)), np.nan)
    logs = np.where(np.isfinite(logs), logs, np.nan)
    top = np.max(np.where(np.isnan(logs), -np.inf, logs), axis=1)
    bottom = np.min(np.where(np.isnan(logs), np.inf, logs), axis=1)
    apart = np.where(top > bottom, top - bottom, 0.0)
    relative = np.minimum(error / np.maximum(np.abs(slope) * 1800.0, 0.05), 1.0)
    sigma = 0.02 + 0.03 * np.sqrt(ratio) + 0.15 * np.minimum(apart, 1.5) + 0.15 * relative
    return np.asarray(np.exp(Z90 * np.minimum(sigma, 1.2)))
