# SPDX-License-Identifier: Apache-2.0
"""Which way a temperature goes, and how long it takes to its limit if it goes on like that. Pure.

A straight line through the last hour: it says what is seen, and no more; the engine's own forecast, which
knows the load, decides what rings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dashboards.console.series import Series
from dashboards.console.values import decimal
from dashboards.console.views import Limit
from dashboards.console.words import Text, said

HOUR_MS = 3_600_000
STEADY_K_H = 0.3
"""Slower than this is a compressor's own swing: ours."""
SWINGS = 2.5
"""What has changed must stand out of the ups and downs by so many of their standard deviations: ours."""
LEAST_STEPS = 4
FAR_MIN = 12 * 60
"""A line that is drawn out longer than this says nothing."""


@dataclass(frozen=True, slots=True)
class Trend:
    """k_h: kelvin an hour, upwards positive; left_min: to the limit it goes towards, None: to none."""

    k_h: float
    left_min: int | None

    @property
    def text(self) -> Text:
        if abs(self.k_h) < STEADY_K_H:
            return said("trend.steady")
        rate = decimal(round(abs(self.k_h) * 1000), 1)
        way = "up" if self.k_h > 0 else "down"
        if self.left_min is None:
            return said(f"trend.{way}", rate=rate)
        return said(f"trend.{way}_left", rate=rate, min=self.left_min)


def trend_of(series: Series, limit: Limit, value: int | None) -> Trend | None:
    """None where too little was read. value: the newest one, from which the time is counted."""
    pairs = zip(series.low, series.high, strict=True)
    found = [
        (i, (low + high) / 2) for i, (low, high) in enumerate(pairs) if low is not None and high is not None
    ]
    if len(found) < LEAST_STEPS or value is None:
        return None
    place, milli = np.array(found, float).T
    slope, start = (float(one) for one in np.polyfit(place, milli, 1))  # thousandths a step
    k_h = slope / series.step_ms * HOUR_MS / 1000
    swing = float(np.std(milli - (slope * place + start)))
    if abs(slope) * (place[-1] - place[0]) < SWINGS * swing:
        return Trend(0.0, None)  # a compressor's own ups and downs
    bound = limit.high if k_h > 0 else limit.low
    if abs(k_h) < STEADY_K_H or bound is None:
        return Trend(k_h, None)
    gap = (bound - value) if k_h > 0 else (value - bound)
    if gap <= 0:  # beyond it already: how long that lasts is told elsewhere
        return Trend(k_h, None)
    left_min = round(gap / 1000 / abs(k_h) * 60)
    return Trend(k_h, left_min if left_min <= FAR_MIN else None)
