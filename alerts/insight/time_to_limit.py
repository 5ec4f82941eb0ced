# SPDX-License-Identifier: Apache-2.0
"""How long until the limit: four estimators on slots, the one that did best lately, and its 90 % interval.

They speak only of a *drift*: a move in one direction, since the last turn, larger than the appliance's usual
move between turns. Otherwise the answer is "stable" (seconds are infinite).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alerts.insight import regular
from alerts.insight.estimators import FREE, Fit, bend, project, times
from alerts.insight.scan import (
    GROUP,
    NEVER,
    Floats,
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
from alerts.rules.flat import Bools, Ints, Segments

TREND_S = 600.0
"""Lag of the smoothing that decides the direction."""
LINEAR_S, SLOW_S, NEWTON_S, FREE_S = 1200.0, 3600.0, 1800.0, 7200.0
"""Memory of the two slopes and of the two fits [s]."""
BREAK_S = 3600.0
"""A gap this long ends a drift: what came between is unknown."""
FIRST_MOVES, USUAL_MOVES = 10, 50
"""Turns over which the usual move is averaged, at first and later."""
BEYOND, LEAST_MOVE_K = 2.5, 0.25
"""A drift is a move of so many usual ones, and at least this: four steps of a 12-bit probe."""
LEAST_AGE_S = 900.0
REGULARLY = 1.5
"""And so many times what the load rises by regularly, of itself: at defrosts."""
REGULAR_PART = 0.6
"""A rise of more than this part of the way to the limit is nothing regular."""
LEARNT = 1_008
"""Slots that teach what is regular: three and a half days of them, two defrosts of the slowest freezer."""
UNLEARNT_PART = 0.45
"""Before that a rise may be the first of its kind: believed is what covered more than this part of the way to
the limit. By simulation: first defrosts called people for four of ten new freezers; no loss is missed."""
OFF_MOVE_K, OFF_AGE_S = 0.06, 300.0
"""Enough where cooling is known to be off."""
BACKTEST = 6
"""Slots between two looks back: what did each estimator say half an hour ago?"""
PRIOR_K = np.array([0.10, 0.08, 0.35, 0.06])
"""Error that each estimator is thought to have over half an hour before it was seen [K]; by simulation."""
CURVED, STRAIGHT = 1.3, 0.8
"""Width of the interval where a curve is carried on; where a line or a known room's law is. By simulation."""
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
        ("turned", "<i8"),
        ("trend", scan_of(1)),
        ("trend2", scan_of(1)),
        ("usual", scan_of(1)),
        ("fit", scan_of(13)),
        ("anchor", ANCHOR),
        ("error", scan_of(4)),
        ("regular", regular.STATE),
    ],
    align=True,
)


@dataclass(frozen=True, slots=True)
class Forecast:
    """For each closed slot. Seconds count from the slot's mean instant `at_s`.

    direction  (M,) +1 warming, -1 cooling, 0 stable
    seconds    (M,) until the limit lies behind; inf: never, on this course; low_s, high_s its 90 % interval
    way        (M,) its number in `estimators.NAMES`; 0 where stable
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
    table["regular"] = regular.blank(n)
    return table


def advance(
    table: Table, slots: Slots, high_c: Floats, low_c: Floats, ambient_c: Floats, off: Bools
) -> Forecast:
    """Step over closed slots. Limits and ambient are (M,) [°C], NaN where there is none.

    off  (M,) cooling is known to be off (mains, siblings, compressor): a drift is believed sooner
    """
    seg = slots.seg
    was = rows_of(table, seg.series)
    seen = along(was["seen"], seg) + rank_of(seg)
    group = seen // GROUP
    level, at = slots.mean_c, slots.at_s
    before_at, before = shifted(at, seg, was["at"]), shifted(level, seg, was["level"])
    fresh = (before_at == NEVER) | (at - before_at > BREAK_S)
    step = np.maximum(np.where(fresh, 300.0, at - before_at), 1.0)
    moves = _moves(was, level, before, at, step, fresh, group, seg)
    fit = _fits(was, level, before, step, moves, ambient_c, group, seg)
    rose = moves.turns & ~fresh & (moves.ended_k > LEAST_MOVE_K)
    rose &= ~(moves.ended_k > REGULAR_PART * (high_c - before + moves.ended_k))
    risen = regular.advance(was["regular"], seg, at, rose, moves.ended_k)
    enough = np.maximum(LEAST_MOVE_K, BEYOND * moves.usual_k)
    enough = np.maximum(enough, np.where(moves.direction > 0, REGULARLY * risen, 0.0))
    first_ones = (seen < LEARNT) & (moves.direction > 0) & np.isfinite(high_c)
    enough = np.where(first_ones, np.maximum(enough, UNLEARNT_PART * (high_c - moves.turn_c)), enough)
    enough = np.where(off, OFF_MOVE_K, enough)
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
    ended_k: Floats


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
        out = stepped(np.where(fresh, 0.0, a)[:, None], b[:, None], group, seg, was[name])
        return out[:, 0]

    stood = value_of(was["trend"])[:, 0]
    one = lag("trend", level, before)
    two = lag("trend2", one, shifted(one, seg, stood))
    direction = np.where(one > two, 1.0, np.where(one < two, -1.0, 0.0))
    then = shifted(direction, seg, was["direction"])
    direction = np.where(direction == 0.0, np.where(fresh, 0.0, then), direction)
    turns = fresh | (direction != then)
    began = last_true(turns, seg)
    known = began >= 0
    # The smoothed direction turns late: the move began at the slot before.
    start_c, start_at = np.where(fresh, level, before), np.where(fresh, at, at - step)
    turn_at = np.where(known, start_at[began], along(was["turn_at"], seg))
    turn_c = np.where(known, start_c[began], along(was["turn_c"], seg))
    moved = (level - turn_c) * direction
    rose = before - shifted(turn_c, seg, was["turn_c"])
    ended = np.abs(rose)
    learns = turns & ~fresh
    first = was["usual"]["group"] == NEVER
    count = np.cumsum(learns)
    count += along(was["turned"] - count[seg.first] + learns[seg.first], seg)
    was["turned"] = count[seg.last]
    weight = 1.0 / np.clip(count + FIRST_MOVES, FIRST_MOVES, USUAL_MOVES)
    a_usual = np.where(learns, 1.0 - weight, 1.0)
    b_usual = np.where(learns, weight * np.minimum(ended, 5.0), 0.0)
    head = seg.first[first]
    a_usual[head], b_usual[head] = 0.0, 0.3  # until it is learnt
    usual = stepped(a_usual[:, None], b_usual[:, None], group, seg, was["usual"])
    return _Moves(direction, turns, turn_at, turn_c, at - turn_at, moved, usual[:, 0], rose)


def _fits(
    was: Table,
    level: Floats,
    before: Floats,
    step: Floats,
    moves: _Moves,
    ambient: Floats,
    group: Ints,
    seg: Segments,
) -> Fit:
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
    memory = {memory_s: decay(step / memory_s) for memory_s in (LINEAR_S, SLOW_S, NEWTON_S, FREE_S)}
    a = np.column_stack([memory[memory_s] for _, memory_s in columns])
    a[turns] = 0.0
    b[turns & (level == before)] = 0.0
    s = stepped(a, b, group, seg, was["fit"])
    s = np.ascontiguousarray(s.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        k = np.where(s[7] > 0, s[6] / s[7], np.nan)
        mean_x, mean_y = s[9] / s[8], s[10] / s[8]
        spread = s[11] / s[8] - mean_x * mean_x
        slant = (s[12] / s[8] - mean_x * mean_y) / spread
        slope, ends = bend(s[1] / s[0], age - s[2] / s[0], s[4] / s[3], age - s[5] / s[3])
    slant = np.where(spread > 0.04, slant, np.nan)
    return Fit(slope, k, slant, mean_y - slant * (mean_x - 40.0), ends)


def _backtest(
    was: Table, slots: Slots, level: Floats, fit: Fit, moves: _Moves, ambient: Floats, group: Ints
) -> Floats:
    """(M, 4) mean error of each estimator over the last half hours of this drift [K]."""
    seg = slots.seg
    turn = slots.slot // BACKTEST
    carried = np.where(was["slot"] == NEVER, NEVER, was["slot"] // BACKTEST)
    a, b = np.ones((seg.n, 4)), np.zeros((seg.n, 4))
    looks = np.flatnonzero(turn != shifted(turn, seg, carried))
    if len(looks):
        columns = (slots.at_s, level, moves.turn_at, fit.slope, fit.k, ambient, fit.a, fit.b, fit.ends)
        then, now = _anchors(was, seg, looks, columns)
        told = Fit(then["slope"], then["k"], then["a"], then["b"], then["ends"])
        ahead_s = np.maximum(now["at"] - then["at"], 0.0)
        miss = np.abs(project(then["level"], ahead_s, told, then["ambient"]) - now["level"][:, None])
        same = (then["at"] != NEVER) & (then["turn"] == now["turn"])
        tells = same[:, None] & np.isfinite(miss)
        a[looks] = np.where(tells, 1.0 - DOUBT, 1.0)
        b[looks] = np.where(tells, DOUBT * np.where(tells, miss, 0.0), 0.0)
    anew = moves.turns.copy()
    anew[seg.first[was["error"]["group"] == NEVER]] = True
    a[anew], b[anew] = 0.0, PRIOR_K
    return stepped(a, b, group, seg, was["error"])


def _anchors(was: Table, seg: Segments, looks: Ints, columns: tuple[Floats, ...]) -> tuple[Table, Table]:
    """What was known when each of `looks` was last looked back from, and what is known there now."""
    now = np.zeros(len(looks), ANCHOR)
    for (name, _), column in zip(ANCHOR, columns, strict=True):
        now[name] = column[looks]
    of = looks if seg.single else np.searchsorted(seg.first, looks, side="right") - 1
    opens = np.append(True, of[1:] != of[:-1])
    then = np.empty_like(now)
    then[1:] = now[:-1]
    put_rows(then, np.flatnonzero(opens), rows_of(was["anchor"], of[opens]))
    last = np.append(opens[1:], True)
    put_rows(was["anchor"], of[last], rows_of(now, np.flatnonzero(last)))
    return then, now


def _answer(
    level: Floats,
    at: Floats,
    limit: Floats,
    ambient: Floats,
    fit: Fit,
    moves: _Moves,
    drift: Bools,
    error: Floats,
) -> Forecast:
    """Only what drifts is looked at further: the rest is stable."""
    n, d = len(level), np.flatnonzero(drift)
    seconds, low, high = np.full(n, np.inf), np.full(n, np.inf), np.full(n, np.inf)
    way = np.zeros(n, np.int64)
    if len(d):
        theirs = Fit(fit.slope[d], fit.k[d], fit.a[d], fit.b[d], fit.ends[d])
        age = np.maximum(at[d] - moves.turn_at[d], 1.0)
        passed = np.isfinite(limit[d]) & ((limit[d] - level[d]) * moves.direction[d] <= 0)
        found = _chosen(times(level[d], limit[d], theirs, ambient[d]), age, passed, error[d], theirs.slope)
        seconds[d], low[d], high[d], way[d] = found
    direction = np.where(drift, moves.direction, 0).astype(np.int64)
    return Forecast(
        direction, seconds, low, high, way, fit.slope, moves.turn_at, moves.moved_k, moves.usual_k
    )


def _chosen(
    seconds: Floats, age: Floats, passed: Bools, error: Floats, slope: Floats
) -> tuple[Floats, Floats, Floats, Ints]:
    """Of the estimators' seconds (M, 4) those of the one that erred least, with their interval; and which."""
    usable = np.isfinite(seconds)
    usable[:, FREE] &= age >= 2 * LINEAR_S
    way = np.argmin(np.where(usable, error, np.inf), axis=1)
    best = (np.arange(len(way)), way)
    chosen = np.where(usable[best], seconds[best], np.inf)
    chosen[chosen > HORIZON_MAX_S] = np.inf
    chosen = np.where(passed, 0.0, np.round(chosen, 1))
    spread = _spread(
        chosen, age, seconds, usable, error[best], slope, np.where(way >= FREE, CURVED, STRAIGHT)
    )
    return chosen, np.round(chosen / spread, 1), np.round(chosen * spread, 1), way


def _spread(
    chosen: Floats,
    age: Floats,
    seconds: Floats,
    usable: Bools,
    error: Floats,
    slope: Floats,
    width: Floats,
) -> Floats:
    """(M,) factor above and below the middle that holds 90 %: grows with how far it looks beyond what it saw,
    with its errors so far and with how the estimators disagree. width: CURVED or STRAIGHT.
    """
    ratio = np.where(np.isfinite(chosen), chosen / age, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(usable & (seconds > 0), np.log(np.where(usable, seconds, 1.0)), np.nan)
    apart = np.fmax.reduce(logs, axis=1) - np.fmin.reduce(logs, axis=1)
    apart = np.where(apart > 0, apart, 0.0)
    relative = np.minimum(error / np.maximum(np.abs(slope) * 1800.0, 0.05), 1.0)
    sigma = 0.05 + 0.07 * np.sqrt(ratio) + 0.15 * np.minimum(apart, 1.5) + 0.25 * relative
    return np.asarray(np.exp(Z90 * width * np.minimum(sigma, 1.2)))
