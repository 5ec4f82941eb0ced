# SPDX-License-Identifier: Apache-2.0
"""A temperature over time as SVG: band of least and most, limits in force, excursions and gaps shaded. Pure.

A peak is never averaged away: what is drawn for a moment is the least and the most of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 680.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 8.0, 8.0, 26.0
FONT = "Libertinus Serif"
Scale = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Band:
    """Least and most of a moment [°C], and the moment's beginning and end [ms]."""

    start_ms: int
    end_ms: int
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Chart:
    """bands in order; limits (label, °C); shaded (start, end, `out` or `gap`); ticks (instant, label)."""

    start_ms: int
    end_ms: int
    bands: Sequence[Band]
    limits: Sequence[tuple[str, float]]
    shaded: Sequence[tuple[int, int, str]]
    ticks: Sequence[tuple[int, str]]


SHADES = {"out": "#f7c9c0", "gap": "#dddddd"}


def draw(chart: Chart, *, height: float = HEIGHT) -> str:
    """The drawing."""
    low, high = _range(chart)
    span = max(chart.end_ms - chart.start_ms, 1)

    def x(at_ms: float) -> float:
        return LEFT + (at_ms - chart.start_ms) / span * (WIDTH - LEFT - RIGHT)

    def y(celsius: float) -> float:
        return TOP + (high - celsius) / (high - low) * (height - TOP - BOTTOM)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}">']
    for start, end, kind in chart.shaded:
        left, right = x(max(start, chart.start_ms)), x(min(end, chart.end_ms))
        box = f'x="{left:.1f}" y="{TOP:g}" width="{max(right - left, 0.8):.1f}"'
        parts.append(f'<rect {box} height="{height - TOP - BOTTOM:.1f}" fill="{SHADES[kind]}"/>')
    for celsius in _steps(low, high):
        parts.append(_line(LEFT, y(celsius), WIDTH - RIGHT, y(celsius), "#e2e2e2", 0.5))
        parts.append(_text(LEFT - 5, y(celsius) + 3.5, f"{celsius:g}".replace("-", "\u2212"), "end"))
    for at_ms, label in chart.ticks:
        parts.append(_line(x(at_ms), height - BOTTOM, x(at_ms), height - BOTTOM + 4, "#555555", 0.7))
        parts.append(_text(x(at_ms), height - BOTTOM + 15, label, "middle"))
    parts += [_course(run, x, y) for run in _runs(chart.bands)]
    for label, celsius in chart.limits:
        parts.append(_line(LEFT, y(celsius), WIDTH - RIGHT, y(celsius), "#b3261e", 0.9, dashed=True))
        parts.append(_text(WIDTH - RIGHT - 2, y(celsius) - 3, label, "end", "#b3261e"))
    frame = f'x="{LEFT:g}" y="{TOP:g}" width="{WIDTH - LEFT - RIGHT:g}" height="{height - TOP - BOTTOM:g}"'
    parts.append(f'<rect {frame} fill="none" stroke="#555555" stroke-width="0.7"/></svg>')
    return "".join(parts)


def _range(chart: Chart) -> tuple[float, float]:
    values = [band.least for band in chart.bands] + [band.most for band in chart.bands]
    values += [celsius for _, celsius in chart.limits]
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    room = max(0.08 * (high - low), 0.3)
    return low - room, high + room


def _steps(low: float, high: float) -> list[float]:
    """Round numbers between, four to eight of them."""
    rough = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= rough)
    first = math.ceil(low / step)
    return [round(n * step, 6) for n in range(first, math.floor(high / step) + 1)]


def _runs(bands: Sequence[Band]) -> list[list[Band]]:
    """Stretches without a hole."""
    runs: list[list[Band]] = []
    for band in bands:
        if runs and band.start_ms <= runs[-1][-1].end_ms:
            runs[-1].append(band)
        else:
            runs.append([band])
    return runs


def _course(run: list[Band], x: Scale, y: Scale) -> str:
    middle = [(x((b.start_ms + b.end_ms) / 2), b) for b in run]
    above = [f"{at:.1f},{y(b.most):.1f}" for at, b in middle]
    below = [f"{at:.1f},{y(b.least):.1f}" for at, b in reversed(middle)]
    points = " ".join([*above, *below])
    return (
        f'<polygon points="{points}" fill="#9db8d9" stroke="#1f4e8c" stroke-width="0.8"'
        ' stroke-linejoin="round"/>'
    )


def _line(
    x1: float, y1: float, x2: float, y2: float, colour: str, width: float, *, dashed: bool = False
) -> str:
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width:g}"{dash}/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#333333") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"'
    return f'<text {place} font-family="{FONT}" font-size="9.5">{escape(text)}</text>'
