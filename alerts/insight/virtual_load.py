# SPDX-License-Identifier: Apache-2.0
"""The temperature that blood would have where only air is measured: a first-order lag of the air.

dT_load/dt = (T_air - T_load) / tau, with the air linear between readings, so sampling may be irregular.
Where the air was unknown for long the lag begins anew at the air itself: it then errs towards alarm.
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
    decay,
    last_true,
    put_rows,
    rows_of,
    scan_of,
    shifted,
    stepped,
)
from alerts.rules.flat import Bools

STATE = np.dtype(
    [("at", "<i8"), ("since", "<i8"), ("seen", "<i8"), ("air_c", "<f8"), ("lag", scan_of(1))], align=True
)

SETTLED = 3.0
"""Time constants until the beginning is forgotten to 5 %."""

UNNOTICED = 0.5
"""Part of a time constant that a gap may last and still be bridged: a bag goes 39 % of the way in it."""


@dataclass(frozen=True, slots=True)
class Virtual:
    """load_c (N,) the lagged temperature [°C]; settled (N,) False while the beginning is still felt."""

    load_c: Floats
    settled: Bools


def blank(n: int) -> Table:
    table = np.zeros(n, STATE)
    table["at"] = table["since"] = table["lag"]["group"] = NEVER
    return table


def advance(table: Table, readings: Readings, tau_s: Floats, gap_ms: int) -> Virtual:
    """Lag the air of each series by `tau_s` (one per series number, > 0 [s]).

    A step longer than `gap_ms` that is also long beside tau is unknown: the lag begins anew.
    """
    seg, air = readings.seg, readings.celsius
    was = rows_of(table, seg.series)
    before_at, before = shifted(readings.at, seg, was["at"]), shifted(air, seg, was["air_c"])
    step_ms = readings.at - before_at
    tau_ms = tau_s[readings.series] * 1000.0
    anew = (before_at == NEVER) | ((step_ms > gap_ms) & (step_ms > UNNOTICED * tau_ms))
    x = np.maximum(step_ms, 1e-6) / tau_ms
    a = decay(x)
    # First-order hold: the weights of both ends of a ramp; they and `a` add up to one.
    r = (1.0 - a) / x
    b = (1.0 - r) * air + (r - a) * before
    still = step_ms == 0
    a, b = np.where(still, 1.0, a), np.where(still, 0.0, b)
    a, b = np.where(anew, 0.0, a), np.where(anew, air, b)
    seen = np.repeat(was["seen"], seg.last - seg.first + 1) + readings.rank()
    load = stepped(a[:, None], b[:, None], seen // GROUP, seg, was["lag"])
    began = last_true(anew, seg)
    carried = np.repeat(was["since"], seg.last - seg.first + 1)
    since = np.where(began >= 0, readings.at[began], carried)
    was["at"], was["air_c"] = readings.at[seg.last], air[seg.last]
    was["seen"], was["since"] = seen[seg.last] + 1, since[seg.last]
    put_rows(table, seg.series, was)
    return Virtual(load[:, 0], readings.at - since >= SETTLED * tau_ms)


def learnt_tau_s(air_c: Floats, load_c: Floats, step_s: float, *, least_s: float, most_s: float) -> float:
    """tau of a pair of probes over evenly spaced means, by least squares; NaN when they tell nothing.

    air_c, load_c  (T,) [°C], NaN where unknown
    """
    rate = (load_c[2:] - load_c[:-2]) / (2.0 * step_s)
    pull = (air_c - load_c)[1:-1]
    known = np.isfinite(rate) & np.isfinite(pull)
    rate, pull = rate[known], pull[known]
    if not len(rate) or float(np.sum(pull * rate)) <= 0.0:
        return float("nan")
    tau = float(np.sum(pull * pull) / np.sum(pull * rate))
    return tau if least_s <= tau <= most_s else float("nan")
