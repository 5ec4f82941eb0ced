# SPDX-License-Identifier: Apache-2.0
"""How a load warms without power: learnt from each appliance's own outages, corrected by the present one.

    ln((room - T0) / (room - T)) = k (age - LAG (1 - exp(-age / LAG)))

The load follows air and walls, which warm first: for the first half hour it hardly moves, then it follows
Newton's law. One number, k [1/s], is learnt; its sums are kept, so that no cut of the readings changes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alerts.insight import hold_over, slots
from alerts.insight.scan import Floats, Readings, Table
from alerts.insight.slots import Slots
from alerts.rules.flat import Bools, Ints

LAG_S = 1500.0
"""Lag of a full cabinet behind its walls [s]; by simulation of the four cabinet designs, not tuned to one."""
NOISE = 0.0035
"""Noise of the logarithm above: 0.06 K of probe over 20 K to the room."""
DOUBT_LEARNT, DOUBT_DEFAULT = 0.15, 0.6
"""Relative doubt of k: learnt from an own outage (doors, another filling), or its design's."""
MODEL_DOUBT = 0.12
"""What the law itself leaves out: doors, fillings, walls of another thickness [relative]."""
PROBE_DOUBT_K = 0.12
"""The probe's own error against the load: its weight grows as the limit comes near [K]."""
DOUBT_MOST = 1.0
Z90 = 1.645
LEARNS_S = 1800.0
"""A shorter outage teaches nothing: the lag hides everything."""
AGE_MOST_S = 48 * 3600.0
FORGET = 0.5
"""Weight that earlier outages keep when a new one is learnt: fillings and seals change."""


@dataclass(frozen=True, slots=True)
class Design:
    """What is assumed of a kind of appliance before its own outages were seen.

    k       [1/s] likely, for the list; worst  [1/s] for the blind clock: no cabinet of that kind is quicker
    source  of both figures
    """

    k: float
    worst: float
    source: str


OURS = "ours: simulated cuts of 744 cabinets; likely: their median, worst: the quickest and a third more"
BOXES = "ours: an estimate from what a box holds; the worst is five times the likely"
DESIGNS = {
    "blood-refrigerator": Design(1.3e-5, 2.6e-5, OURS),
    "plasma-freezer": Design(4.0e-6, 8.0e-6, OURS),
    "ultra-freezer": Design(3.0e-6, 8.0e-6, OURS),
    "platelet-incubator": Design(2.0e-5, 4.0e-5, OURS),
    "passive-box": Design(2.0e-5, 1.0e-4, BOXES),
    "active-box": Design(2.0e-5, 1.0e-4, BOXES),
}
UNTOLD = Design(4.0e-5, 2.0e-4, "ours: the quickest of all kinds, for a kind that nobody has told us of")

STATE = np.dtype(
    [
        ("slot", slots.STATE),
        ("held", hold_over.STATE),
        ("since", "<f8"),  # of the outage that goes on [s since epoch]; 0: none
        ("base_c", "<f8"),  # load before it
        ("at", "<i8"),  # newest reading taken [ms]
        ("now", "<f8", 2),  # sums of G m and m m of this outage
        ("past", "<f8", 2),  # and of those before
        ("rise_k", "<f8"),  # of this outage, so far
        ("outages", "<i8"),  # that taught something
    ],
    align=True,
)
"""One record per series; read only while its appliance is without power, and just after."""


def blank(n: int) -> Table:
    table = np.zeros(n, STATE)
    table["slot"], table["held"] = slots.blank(n), hold_over.blank(n)
    table["at"] = -1
    return table


def begin(table: Table, series: Ints, since_s: Floats, base_c: Floats) -> None:
    """These lost their power then; `base_c` (S,) their loads before [°C]."""
    fresh = series[table["since"][series] == 0.0]
    which = table["since"][series] == 0.0
    table["since"][fresh], table["base_c"][fresh] = since_s[which], base_c[which]
    table["now"][fresh], table["rise_k"][fresh] = 0.0, 0.0


def end(table: Table, series: Ints, at_s: Floats) -> Ints:
    """Power is back: what was seen is learnt. The series that learnt something."""
    was = table[series]
    lasted = at_s - was["since"]
    runs = was["since"] > 0
    learns = runs & (lasted >= LEARNS_S) & (was["rise_k"] >= hold_over.RISE_LEAST_K) & (was["now"][:, 1] > 0)
    was["past"] = np.where(learns[:, None], FORGET * was["past"] + was["now"], was["past"])
    was["outages"] += learns
    was["now"], was["since"] = 0.0, 0.0
    table[series] = was
    taught: Ints = series[learns]
    return taught


def feed(table: Table, readings: Readings, since_s: Floats, until_s: Floats, ambient_c: Floats) -> None:
    """Readings of loads, sorted, newer than those before. Columns (S,) by series number:

    since_s, until_s  of the outage [s since epoch]; 0: it has power; inf: it goes on
    ambient_c         NaN unknown: such minutes teach nothing
    """
    closed = slots.close(table["slot"], readings)
    if closed is None:
        return
    which = closed.series
    off = (since_s[which] > 0) & (closed.at_s >= since_s[which]) & (closed.at_s < until_s[which])
    hold_over.feed(table["held"], closed, ambient_c[which], off)
    _add(table, closed, since_s[which], ambient_c[which], off)


def _add(table: Table, closed: Slots, since_s: Floats, ambient_c: Floats, off: Bools) -> None:
    which = closed.series
    base = table["base_c"][which]
    with np.errstate(divide="ignore", invalid="ignore"):
        g = np.log((ambient_c - base) / (ambient_c - closed.mean_c))
    m = spent(np.maximum(closed.at_s - since_s, 0.0))
    tells = off & np.isfinite(g) & (table["since"][which] > 0)
    now = table["now"]
    np.add.at(now, (which[tells], 0), (g * m)[tells])
    np.add.at(now, (which[tells], 1), (m * m)[tells])
    last = closed.seg.last[off[closed.seg.last]]
    table["rise_k"][which[last]] = closed.mean_c[last] - base[last]


def spent(age_s: Floats) -> Floats:
    """Age of an outage less what the lag took [s].

    >>> spent(np.array([0.0, 60.0, 86400.0])).round(1).tolist()
    [0.0, 1.2, 84900.0]
    """
    return np.asarray(age_s - LAG_S * -np.expm1(-age_s / LAG_S))


def age_of(wanted_s: Floats) -> Floats:
    """The age at which `spent` is that: its inverse, by bisection, up to AGE_MOST_S and then inf.

    >>> age_of(spent(np.array([300.0, 7200.0]))).round(0).tolist()
    [300.0, 7200.0]
    """
    low, high = np.zeros_like(wanted_s), np.full_like(wanted_s, AGE_MOST_S)
    for _ in range(40):
        middle = 0.5 * (low + high)
        early = spent(middle) < wanted_s
        low, high = np.where(early, middle, low), np.where(early, high, middle)
    return np.where(spent(np.full_like(wanted_s, AGE_MOST_S)) < wanted_s, np.inf, high)


@dataclass(frozen=True, slots=True)
class Left:
    """(N,) seconds until the limit; 0: already beyond; inf: not within AGE_MOST_S.

    low, high  the 90 % interval; learnt  own outages stand behind it
    """

    seconds: Floats
    low: Floats
    high: Floats
    learnt: Bools


def rates(rows: Table, default_k: Floats) -> tuple[Floats, Floats]:
    """(N,) the likely k of each [1/s], and its relative doubt: design, own outages, and the present one."""
    past, now = rows["past"], rows["now"]
    learnt = past[:, 1] > 0
    k = np.where(learnt, past[:, 0] / np.where(learnt, past[:, 1], 1.0), default_k)
    k = np.maximum(k, 0.1 * default_k)
    doubt = np.where(learnt, DOUBT_LEARNT, DOUBT_DEFAULT)
    belief = 1.0 / doubt**2
    weight = now[:, 1] * k * k / NOISE**2
    part = (now[:, 0] * k / NOISE**2 + belief) / (weight + belief)
    return np.maximum(k * part, 0.1 * k), 1.0 / np.sqrt(weight + belief)


def seconds_left(
    rows: Table,
    value_c: Floats,
    high_c: Floats,
    low_c: Floats,
    ambient_c: Floats,
    default_k: Floats,
    now_s: Floats,
) -> Left:
    """Of appliances without power (rows: their records, `begin` was called), and of others as if it went now.

    now_s   (N,) the instant of `value_c` [s]; what is left counts from there
    value_c (N,) the load then; high_c, low_c (N,) limits, NaN: none. The room decides which one is neared.
    """
    limit_c = np.where(ambient_c >= value_c, high_c, low_c)
    off = rows["since"] > 0
    age = np.where(off, np.maximum(now_s - rows["since"], 0.0), 0.0)
    k, doubt = rates(rows, default_k)
    with np.errstate(divide="ignore", invalid="ignore"):
        g = np.log((ambient_c - value_c) / (ambient_c - limit_c))
    never = ~np.isfinite(g)
    beyond = (value_c >= high_c) | (value_c <= low_c)

    def reach(rate: Floats) -> Floats:
        wanted = spent(age) + np.where(never, 0.0, np.maximum(g, 0.0)) / rate
        seconds = np.where(never, np.inf, np.maximum(age_of(wanted) - age, 0.0))
        return np.where(beyond, 0.0, seconds)

    to_go = np.maximum(np.abs(np.nan_to_num(limit_c - value_c, nan=1.0)), 0.05)
    whole = np.sqrt(doubt**2 + MODEL_DOUBT**2 + (PROBE_DOUBT_K / to_go) ** 2)
    factor = np.exp(Z90 * np.minimum(whole, DOUBT_MOST))
    return Left(reach(k), reach(k * factor), reach(k / factor), rows["past"][:, 1] > 0)


def likely_minutes(rows: Table, start_c: Floats, limit_c: Floats, ambient_c: Floats) -> Floats:
    """(N,) hold-over as learnt, from `start_c` to the limit in that room [min]; NaN before it was learnt."""
    learnt = rows["past"][:, 1] > 0
    plain = rows.copy()
    plain["since"], plain["now"] = 0.0, 0.0
    none = np.full(len(rows), np.nan)
    default, at = np.full(len(rows), UNTOLD.k), np.zeros(len(rows))
    held = seconds_left(plain, start_c, limit_c, none, ambient_c, default, at)
    return np.where(learnt, held.seconds / 60.0, np.nan)


def maker_k(hold_over_s: float, start_c: float, limit_c: float, ambient_c: float) -> float:
    """[1/s] of a maker's hold-over under this law: that long from start to limit in that room."""
    assert ambient_c > limit_c > start_c, (start_c, limit_c, ambient_c)
    g = float(np.log((ambient_c - start_c) / (ambient_c - limit_c)))
    return g / max(float(spent(np.array([hold_over_s]))[0]), 1.0)
