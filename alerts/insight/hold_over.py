# SPDX-License-Identifier: Apache-2.0
"""What is known without readings: how long an appliance keeps its load without power, and when a silent one
would pass its limit; and after a repair, whether one may leave.

Warming without power follows dT/dt = k (ambient - T). k is learnt from the appliance's own outages; until
there were any, the maker's figure or the design's worst stands in. The blind clock must not be late: it
uses the quickest warming seen, a margin, and the warmest the room may be.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from alerts.insight.cycles import DRIFT, DUTY, PEAK, PERIOD, PULL_DOWN, TROUGH
from alerts.insight.scan import Floats, Table, shifted
from alerts.insight.slots import Slots
from alerts.rules.flat import Bools, Ints, segments_of

OUTAGE_LEAST_S = 1200.0
"""A shorter outage says little about the load: the air warms first."""
RISE_LEAST_K = 0.3
WEIGHT = 0.3
MARGIN = 1.35
"""The blind clock assumes warming this much quicker than the quickest seen: doors are opened in the dark."""
UNLEARNT_MARGIN = 1.15
"""And this much quicker than the default, which is already the worst of its design."""
OUTAGES_ENOUGH = 3
AMBIENT_MARGIN_K = 2.0

STATE = np.dtype(
    [
        ("outages", "<i8"),
        ("k_mean", "<f8"),
        ("k_most", "<f8"),
        ("began_at", "<f8"),  # of the outage that goes on [s since epoch]; 0: none
        ("began_c", "<f8"),
        ("gap_sum", "<f8"),
        ("gap_s", "<f8"),
        ("last_at", "<f8"),
        ("last_c", "<f8"),
    ]
)


def blank(n: int) -> Table:
    return np.zeros(n, STATE)


def feed(table: Table, slots: Slots, ambient_c: Floats, off: Bools) -> None:
    """Watch outages in closed slots: only those in one, and the first after it, are looked at.

    ambient_c, off  (M,) as in `advance`
    """
    seg = slots.seg
    looks = np.flatnonzero(off | shifted(off, seg, table["began_at"][seg.series] > 0))
    if not len(looks):
        return
    mine = segments_of(slots.series[looks])
    many = mine.last - mine.first + 1
    for turn in range(int(many.max())):
        at = looks[mine.first[many > turn] + turn]
        advance(table, slots.series[at], slots.at_s[at], slots.mean_c[at], ambient_c[at], off[at])


def advance(table: Table, series: Ints, at_s: Floats, load_c: Floats, ambient_c: Floats, off: Bools) -> None:
    """Watch outages: one closed slot of each series (unique), in order of time.

    load_c [°C]; ambient_c NaN where unknown (such steps teach nothing); off: the appliance is without power.
    Call it slot after slot; what is kept depends on each series' own slots only.
    """
    was = table[series]
    runs = was["began_at"] > 0
    step = np.where(runs, at_s - was["last_at"], 0.0)
    known = np.isfinite(ambient_c)
    gap = np.where(known, ambient_c - load_c, 0.0)
    was["gap_sum"] += np.where(runs & off & known, gap * step, 0.0)
    was["gap_s"] += np.where(runs & off & known, step, 0.0)
    ends = runs & ~off
    lasted, rose = was["last_at"] - was["began_at"], was["last_c"] - was["began_c"]
    with np.errstate(divide="ignore", invalid="ignore"):
        k = rose / was["gap_sum"]
    teaches = ends & (lasted >= OUTAGE_LEAST_S) & (rose >= RISE_LEAST_K) & (was["gap_s"] > 0.8 * lasted)
    teaches &= (was["gap_sum"] > 0) & np.isfinite(k)
    first = teaches & (was["outages"] == 0)
    mean = np.where(first, k, was["k_mean"] + WEIGHT * (k - was["k_mean"]))
    was["k_mean"] = np.where(teaches, mean, was["k_mean"])
    was["k_most"] = np.where(teaches, np.maximum(was["k_most"], k), was["k_most"])
    was["outages"] += teaches
    starts = off & ~runs
    was["began_at"] = np.where(starts, at_s, np.where(ends, 0.0, was["began_at"]))
    was["began_c"] = np.where(starts, load_c, was["began_c"])
    for name in ("gap_sum", "gap_s"):
        was[name] = np.where(starts | ends, 0.0, was[name])
    was["last_at"], was["last_c"] = at_s, load_c
    table[series] = was


def seconds_held(
    rows: Table, start_c: Floats, limit_c: Floats, ambient_c: Floats, default_k: Floats, *, cautious: bool
) -> Floats:
    """(S,) seconds from `start_c` to `limit_c` without power; inf where the room never gets there.

    default_k  [1/s] for appliances without outages of their own
    cautious   the blind clock: no later than the truth; else the likely figure, for reports
    """
    learnt = rows["outages"] > 0
    if cautious:
        own = MARGIN * rows["k_most"]
        few = rows["outages"] < OUTAGES_ENOUGH
        own = np.where(few, np.maximum(own, UNLEARNT_MARGIN * default_k), own)
        k = np.where(learnt, own, UNLEARNT_MARGIN * default_k)
        room = ambient_c + AMBIENT_MARGIN_K
    else:
        k, room = np.where(learnt, rows["k_mean"], default_k), ambient_c
    with np.errstate(divide="ignore", invalid="ignore"):
        held = np.log((room - start_c) / (room - limit_c)) / k
    held = np.where(room > limit_c, held, np.inf)
    return np.where(start_c >= limit_c, 0.0, np.round(held, 1))


def maker_k(hold_over_s: float, start_c: float, limit_c: float, ambient_c: float) -> float:
    """[1/s] of a maker's hold-over: that long from start to limit in that room."""
    assert ambient_c > limit_c > start_c, (start_c, limit_c, ambient_c)
    assert hold_over_s > 0, hold_over_s
    return float(np.log((ambient_c - start_c) / (ambient_c - limit_c)) / hold_over_s)


class Leave(IntEnum):
    """May I leave?"""

    NOT_YET = 0
    YES = 1
    NO = 2


WATCH_S = 90 * 60.0
POWER_LEAST, DUTY_MOST = 0.92, 0.85
"""Part of the healthy cooling power; part of the time that it may run (a warm load keeps it busy)."""
CYCLES_WANTED, CYCLES_S = 3, 2700.0
"""Cycles after the repair, beside its pull-down; of an appliance whose cycles are long as many as fill this
time, and one at least."""
FALL_LEAST, FALL_S = 1.2, 1200.0
"""Of the usual pull-down: a warm cabinet's first fall below its load is quicker, or cooling is not whole; and
it counts only so long after the repair, when quick cycles would have come."""
REASONS = (
    "",
    "no cycles yet",
    "not yet in range",
    "does not pull down as it used to",
    "runs nearly all the time",
    "cycles are not those of its healthy days",
    "no readings",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """(S,) the word, and the number of its reason in REASONS."""

    leave: Ints
    reason: Ints


def first_fall(air_c: Floats, load_c: Floats, lasts: int, step_s: float, above_k: float) -> float:
    """Steepest mean fall of the air over `lasts` even steps [K/s]; 0 where there is none.

    It counts from no higher than the load and `above_k`: only cooling takes air below its load, while a door
    that closes or a defrost that ends lets it fall towards it.
    """
    if len(air_c) <= lasts:
        return 0.0
    fall = np.minimum(air_c, load_c + above_k)[:-lasts] - air_c[lasts:]
    return max(0.0, float(np.max(fall))) / (lasts * step_s)


def may_leave(
    healthy: Floats,
    since: Floats,
    counted: Ints,
    age_s: Floats,
    in_range: Bools,
    fresh: Bools,
    fall: Floats | None = None,
) -> Answer:
    """Compare what an appliance did since its repair with its own healthy signature.

    healthy, since  (S, 6) figures of cycles: before the failure (kept by the caller), and the usual since
    counted         (S,) cycles since the repair; age_s (S,) [s] since then
    in_range        (S,) the load is inside its set-points or cools towards them; fresh: readings arrive
    fall            (S,) `first_fall` since the repair, over the falling part of a healthy cycle [K/s]: it
                    speaks where the load is too warm for cycles
    """
    known = np.isfinite(healthy).all(axis=1) & np.isfinite(since).all(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        # What warms the air slows the fall and quickens the rise alike: their sum is the cooling power.
        power = (since[:, PULL_DOWN] + since[:, DRIFT]) / (healthy[:, PULL_DOWN] + healthy[:, DRIFT])
        duty = since[:, DUTY] / healthy[:, DUTY]
        period = since[:, PERIOD] / healthy[:, PERIOD]
        drift = since[:, DRIFT] / healthy[:, DRIFT]
    swing = np.maximum(healthy[:, PEAK] - healthy[:, TROUGH], 0.3)
    off = np.maximum(np.abs(since[:, TROUGH] - healthy[:, TROUGH]), np.abs(since[:, PEAK] - healthy[:, PEAK]))
    wanted = np.clip(
        np.round(CYCLES_S / np.maximum(np.nan_to_num(healthy[:, PERIOD]), 1.0)), 1, CYCLES_WANTED
    )
    few = (counted < wanted) | ~known
    if fall is not None:
        usual = np.where(np.isfinite(healthy[:, PULL_DOWN]), healthy[:, PULL_DOWN], np.inf)
        few &= ~((fall >= FALL_LEAST * usual) & (age_s >= FALL_S))
    weak, long = known & (power < POWER_LEAST), known & (since[:, DUTY] > DUTY_MOST)
    odd = known & ((period < 0.6) | (period > 1.7) | (off > 0.5 * swing) | (drift > 2.5) | (duty < 0.6))
    conditions = [~fresh, few, ~in_range, weak, long, odd]
    reasons = [6, 1, 2, 3, 4, 5]
    reason = np.select(conditions, reasons, 0)
    over = age_s >= WATCH_S
    leave = np.where(reason == 0, int(Leave.YES), np.where(over, int(Leave.NO), int(Leave.NOT_YET)))
    return Answer(leave, reason)
