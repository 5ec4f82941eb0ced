# SPDX-License-Identifier: Apache-2.0
"""Four courses that a temperature may take from here, and when each passes a limit.

linear   the slope of the last minutes goes on
bent     that slope still grows or fades as it lately did, less and less: a load that lags its air does so
newton   dT/dt = k (ambient - T), k fitted since the turn, the room's temperature known
free     dT/dt = a T + b, both fitted since the turn; silent where the asymptote does not pass the limit
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alerts.insight.scan import Floats, decay

LINEAR, NEWTON, FREE, BENT = 0, 1, 2, 3
NAMES = ("linear", "newton", "free", "bent")

BEND_S, BEND_LEAST, BEND_MOST = 2700.0, 0.8, 2.5
"""The slope goes on bending for so long; it ends between these parts of what it is."""
BEND_APART_S = 150.0


@dataclass(frozen=True, slots=True)
class Fit:
    """k [1/s], NaN unknown; a [1/s] and b [K/s] of the free law about the turn's temperature.

    slope is that of now; ends is what it comes to [K/s]
    """

    slope: Floats
    k: Floats
    a: Floats
    b: Floats
    ends: Floats


def bend(quick: Floats, quick_lag: Floats, slow: Floats, slow_lag: Floats) -> tuple[Floats, Floats]:
    """The slope now, and what it comes to, from two means of it that look back differently far [K/s, s]."""
    apart = slow_lag - quick_lag
    bend = np.where(apart > BEND_APART_S, (quick - slow) / apart, 0.0)
    bend = np.where(np.isfinite(bend), bend, 0.0)
    quick = np.where(np.isfinite(quick), quick, 0.0)
    part = np.where(quick != 0.0, bend / np.where(quick == 0.0, 1.0, quick), 0.0)
    now = quick * np.clip(1.0 + part * quick_lag, 0.6, 1.5)
    return now, now * np.clip(1.0 + part * BEND_S, BEND_LEAST, BEND_MOST)


def project(level: Floats, ahead_s: Floats, fit: Fit, ambient: Floats) -> Floats:
    """(M, 4) where each estimator sees the temperature after `ahead_s`; NaN where it has no say."""
    k, a = np.maximum(fit.k, 0.0), -fit.a
    newton = ambient - (ambient - level) * decay(k * ahead_s)
    slow = np.maximum(a, 1e-9)
    asymptote = fit.b / slow
    free = np.where(a > 1e-9, asymptote - (asymptote - level) * decay(slow * ahead_s), np.nan)
    bent = level + fit.ends * ahead_s - (fit.ends - fit.slope) * BEND_S * (1.0 - decay(ahead_s / BEND_S))
    return np.column_stack([level + fit.slope * ahead_s, newton, free, bent])


def times(level: Floats, limit: Floats, fit: Fit, ambient: Floats) -> Floats:
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


def _bent_time(to_go: Floats, guess: Floats, fit: Fit) -> Floats:
    """Seconds until the bending course has gone `to_go`; six steps of a contraction."""
    late = (fit.ends - fit.slope) * BEND_S
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        time = guess
        for _ in range(6):
            time = np.maximum((to_go + late * (1.0 - decay(np.maximum(time, 0.0) / BEND_S))) / fit.ends, 0.0)
    return np.where(np.isfinite(guess) & (fit.ends * to_go > 0), time, np.nan)
