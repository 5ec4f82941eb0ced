# SPDX-License-Identifier: Apache-2.0
"""The course of a trip as one picture: each leg with its limits, and where it changes hands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import numpy as np

from coldchain.kernel.stays import Leg
from dashboards.console.values import number_c

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 596, 300, 58, 58, 12
"""Its letters are sized for a telephone's width there: room for them."""
POINTS_MAX = 400
"""So many parts of the whole width: each shows its least and its most, so that no peak is hidden."""
LABEL_LEAST_PX = 116
Scale = Callable[[float], float]


def course(legs: Sequence[Leg], label: str, clock: Callable[[int], str]) -> str:
    """An SVG, or nothing where nothing was read. clock: makes words of an instant."""
    read = [leg for leg in legs if len(leg.at)]
    if not read:
        return ""
    start, end = legs[0].start_ms, max(legs[-1].end_ms, legs[0].start_ms + 1)
    bounds = [round(b * 1000) for leg in legs for b in (leg.low_c, leg.high_c) if b is not None]
    low = min([int(leg.milli.min()) for leg in read] + bounds) - 500
    high = max([int(leg.milli.max()) for leg in read] + bounds) + 500

    def x(at: float) -> float:
        return round(LEFT + (WIDTH - LEFT - 4) * (at - start) / (end - start), 1)

    def y(milli: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - milli) / (high - low), 1)

    parts = [f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">']
    for value in _ticks(low, high):
        parts.append(f'<path class="grid" d="M{LEFT} {y(value)}H{WIDTH - 4}"/>')
        place = f'x="{LEFT - 6}" y="{y(value)}" dy=".32em"'
        parts.append(f'<text class="axis end" {place}>{escape(number_c(value))}</text>')
    for leg in legs:
        parts += _leg(leg, x, y)
        if x(leg.end_ms) - x(leg.start_ms) >= LABEL_LEAST_PX:
            middle = round((x(leg.start_ms) + x(leg.end_ms)) / 2, 1)
            parts.append(
                f'<text class="axis mid" x="{middle}" y="{HEIGHT - 6}">{escape(leg.appliance)}</text>'
            )
    parts.append(f'<text class="axis" x="{LEFT}" y="{HEIGHT - 32}">{escape(clock(start))}</text>')
    parts.append(f'<text class="axis end" x="{WIDTH - 4}" y="{HEIGHT - 32}">{escape(clock(end))}</text>')
    return "".join([*parts, "</svg>"])


def _leg(leg: Leg, x: Scale, y: Scale) -> list[str]:
    """Limits, the band of its readings, and a line where it begins."""
    parts = [f'<path class="grid" d="M{x(leg.start_ms)} {TOP}V{HEIGHT - BOTTOM}"/>']
    bounds = [y(bound * 1000) for bound in (leg.low_c, leg.high_c) if bound is not None]
    parts += [f'<path class="limit" d="M{x(leg.start_ms)} {bound}H{x(leg.end_ms)}"/>' for bound in bounds]
    if not len(leg.at):
        return parts
    width = max((leg.end_ms - leg.start_ms) / POINTS_MAX, 1.0)
    place = ((leg.at - leg.start_ms) / width).astype(np.int64)
    first = np.flatnonzero(np.append(True, place[1:] != place[:-1]))
    least, most = np.minimum.reduceat(leg.milli, first), np.maximum.reduceat(leg.milli, first)
    at = leg.at[first]
    gap_ms = 3 * float(np.median(np.diff(leg.at))) + width if len(leg.at) > 2 else float("inf")
    for run in np.split(np.arange(len(at)), np.flatnonzero(np.diff(at) > gap_ms) + 1):
        above = [f"{x(at[i])} {y(most[i])}" for i in run]
        below = [f"{x(at[i])} {y(least[i])}" for i in run[::-1]]
        parts.append(f'<path class="band" d="M{"L".join(above + below)}Z"/>')
    return parts


def _ticks(low: int, high: int) -> list[int]:
    """Four to eight round temperatures [thousandths].

    >>> _ticks(1_500, 10_500)
    [2000, 4000, 6000, 8000, 10000]
    """
    step = next((s for s in (500, 1000, 2000, 5000, 10_000) if (high - low) / s <= 8), 20_000)
    return list(range(-(-low // step) * step, high + 1, step))
