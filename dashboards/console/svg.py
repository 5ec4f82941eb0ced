# SPDX-License-Identifier: Apache-2.0
"""Charts as SVG text: the sparkline of a row, and the chart for browsers without script. Pure.

The band from lowest to highest is drawn filled; what lies beyond a limit is drawn again in the alarm colour;
a gap is empty in the sparkline and hatched in the chart. The sparkline suits light and dark pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from markupsafe import escape

from dashboards.console.events import Lane
from dashboards.console.series import LimitSpan, Series
from dashboards.console.times import DAY_MS, day, local
from dashboards.console.values import decimal
from dashboards.console.words import t

LANE_PX = 34
"""A row of events: its name, and under it the stretches."""
LANE_MARK_PX = 10
XMLNS = "http://www.w3.org/2000/svg"
LINE, BEYOND, LIMIT = "#5b86a8", "#d9480f", "#8a94a0"
"""Blue-grey, vermilion and grey: told apart also by people who see no red or no green."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Maps instants and values to a box of pixels."""

    left: int
    top: int
    width: int
    height: int
    from_ms: int
    until_ms: int
    low: int
    high: int

    def x(self, at_ms: int) -> str:
        span = max(1, self.until_ms - self.from_ms)
        return _px(self.left + self.width * (at_ms - self.from_ms) / span)

    def y(self, value: int) -> str:
        return _px(self.top + self.height * (self.high - value) / max(1, self.high - self.low))


def _px(at: float) -> str:
    return f"{at:.1f}".removesuffix(".0")


def scale(series: Series, spans: Sequence[LimitSpan]) -> tuple[int, int]:
    """Bottom and top of the chart [thousandths]: data and limits with a margin, at least 2 K."""
    values = [bound for span in spans for bound in (span.limit.low, span.limit.high) if bound is not None]
    values += series.extremes or ()
    low, high = (min(values), max(values)) if values else (0, 10_000)
    margin = max((high - low) // 10, (2_000 - (high - low)) // 2, 100)
    return low - margin, high + margin


def runs(series: Series) -> Iterator[tuple[int, int]]:
    """Stretches [i, j) of steps that hold readings."""
    start = None
    for i, value in enumerate((*series.low, None)):
        if value is None:
            if start is not None:
                yield start, i
            start = None
        elif start is None:
            start = i


def band(series: Series, frame: Frame) -> str:
    """The path around lowest and highest, one closed piece for each run."""
    pieces = []
    for i, j in runs(series):
        middles = [series.start_ms + k * series.step_ms + series.step_ms // 2 for k in range(i, j)]
        if j - i == 1:  # a lone step is as wide as it lasts
            middles = [series.start_ms + i * series.step_ms, series.start_ms + j * series.step_ms]
        picks = [i, i] if j - i == 1 else list(range(i, j))
        over = [f"{frame.x(m)} {frame.y(series.high[k] or 0)}" for m, k in zip(middles, picks, strict=True)]
        under = [f"{frame.x(m)} {frame.y(series.low[k] or 0)}" for m, k in zip(middles, picks, strict=True)]
        pieces.append(f"M{'L'.join(over)}L{'L'.join(reversed(under))}Z")
    return "".join(pieces)


def beyond_boxes(spans: Sequence[LimitSpan], frame: Frame) -> str:
    """The areas outside the limits, for clipping."""
    boxes = []
    for span in spans:
        x, width = frame.x(span.from_ms), _px(float(frame.x(span.until_ms)) - float(frame.x(span.from_ms)))
        if span.limit.high is not None:
            height = _px(float(frame.y(span.limit.high)) - frame.top)
            boxes.append(f'<rect x="{x}" y="{frame.top}" width="{width}" height="{height}"/>')
        if span.limit.low is not None:
            y = frame.y(span.limit.low)
            height = _px(frame.top + frame.height - float(y))
            boxes.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}"/>')
    return "".join(boxes)


def limit_lines(spans: Sequence[LimitSpan], frame: Frame) -> str:
    lines = []
    for span in spans:
        bounds = [bound for bound in (span.limit.low, span.limit.high) if bound is not None]
        lines += [f"M{frame.x(span.from_ms)} {frame.y(bound)}H{frame.x(span.until_ms)}" for bound in bounds]
    return "".join(lines)


def sparkline(series: Series, spans: Sequence[LimitSpan], width: int = 240, height: int = 44) -> str:
    """A small picture of its own (served as an image): styled by attributes, since it sees no style sheet."""
    low, high = scale(series, spans)
    frame = Frame(0, 2, width, height - 4, series.start_ms, series.end_ms, low, high)
    path = band(series, frame)
    ink = 'stroke-width="1.6" stroke-linejoin="round"'
    return (
        f'<svg xmlns="{XMLNS}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'preserveAspectRatio="none">'
        f'<clipPath id="b">{beyond_boxes(spans, frame)}</clipPath>'
        f'<path d="{limit_lines(spans, frame)}" stroke="{LIMIT}" stroke-width="1" stroke-dasharray="3 3"/>'
        f'<path d="{path}" fill="{LINE}" stroke="{LINE}" {ink}/>'
        f'<path d="{path}" fill="{BEYOND}" stroke="{BEYOND}" {ink} clip-path="url(#b)"/></svg>'
    )


def ticks(low: int, high: int, wanted: int = 5) -> list[int]:
    """Round values between low and high [thousandths].

    >>> ticks(1_400, 6_600)
    [2000, 3000, 4000, 5000, 6000]
    """
    rough = max(1, (high - low) * 4 // (5 * wanted))
    step = next(
        m * 10**p for p in range(1, 8) for m in (1, 2, 5) if m * 10**p >= rough or m * 10**p >= 5_000_000
    )
    return list(range(-(-low // step) * step, high + 1, step))


def time_ticks(from_ms: int, until_ms: int, zone: tzinfo) -> list[tuple[int, str]]:
    """About six instants with their labels; whole hours or days of the zone."""
    span = until_ms - from_ms
    hour = 3_600_000
    steps_ms = (hour, 3 * hour, 6 * hour, 12 * hour, DAY_MS, 7 * DAY_MS, 30 * DAY_MS, 61 * DAY_MS)
    step = next((s for s in steps_ms if span / s <= 7), steps_ms[-1])
    offset = local(from_ms, zone).utcoffset()
    shift = int(offset.total_seconds() * 1000) if offset is not None else 0
    first = -(-(from_ms + shift) // step) * step - shift
    found = []
    for at_ms in range(first, until_ms, step):
        at = local(at_ms, zone)
        midnight = at.hour == 0 and at.minute == 0
        found.append((at_ms, day(at) if midnight else at.strftime("%H:%M")))
    return found


def lane_marks(events: Sequence[Lane], frame: Frame, top: int) -> str:
    """One row a kind beneath the axis; the shortest stretch still shows."""
    marks = []
    for i, lane in enumerate(events):
        y = top + i * LANE_PX + LANE_PX - LANE_MARK_PX
        marks.append(f'<text class="axis" x="{frame.left}" y="{y - 5}">{lane.name}</text>')
        marks.append(f'<path class="grid" d="M{frame.left} {y + LANE_MARK_PX // 2}h{frame.width}"/>')
        for span in lane.spans:
            x = float(frame.x(span.from_ms))
            size = f'width="{_px(max(2.0, float(frame.x(span.until_ms)) - x))}" height="{LANE_MARK_PX}"'
            marks.append(
                f'<rect class="lane {lane.kind}" x="{_px(x)}" y="{y}" {size}>'
                f"<title>{escape(span.label)}</title></rect>"
            )
    return "".join(marks)


def chart(
    series: Series, spans: Sequence[LimitSpan], zone: tzinfo, label: str, events: Sequence[Lane] = ()
) -> str:
    """The whole chart, inline in a page: styled by its classes, which make letters large on a telephone."""
    low, high = scale(series, spans)
    frame = Frame(58, 12, 530, 250, series.start_ms, series.end_ms, low, high)
    bottom, right = frame.top + frame.height, frame.left + frame.width
    grid, texts = [], []
    for value in ticks(low, high):
        grid.append(f"M{frame.left} {frame.y(value)}H{right}")
        places = 1 if value % 1000 else 0
        place = f'x="{frame.left - 8}" y="{frame.y(value)}" dy=".32em"'
        texts.append(f'<text class="axis end" {place}>{decimal(value, places)}</text>')
    for at_ms, text in time_ticks(frame.from_ms, frame.until_ms, zone):
        grid.append(f"M{frame.x(at_ms)} {frame.top}V{bottom}")
        texts.append(f'<text class="axis mid" x="{frame.x(at_ms)}" y="{bottom + 22}">{text}</text>')
    gaps = []
    for start, end in series.gaps():
        x, width = float(frame.x(start)), float(frame.x(end)) - float(frame.x(start))
        gaps.append(
            f'<rect class="gap" x="{_px(x)}" y="{frame.top}" width="{_px(width)}" height="{frame.height}">'
            f"<title>{t('chart.gap')}</title></rect>"
        )
    path = band(series, frame)
    return (
        f'<svg class="chart" viewBox="0 0 {right + 8} {bottom + 32 + LANE_PX * len(events)}" '
        f'role="img" aria-label="{escape(label)}">'
        '<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><path class="hatch" d="M0 0V7"/></pattern>'
        f'<clipPath id="beyond">{beyond_boxes(spans, frame)}</clipPath></defs>'
        f'<path class="grid" d="{"".join(grid)}"/>{"".join(gaps)}{"".join(texts)}'
        f'<path class="limit" d="{limit_lines(spans, frame)}"/>'
        f'<path class="band" d="{path}"/><path class="band over" clip-path="url(#beyond)" d="{path}"/>'
        f"{lane_marks(events, frame, bottom + 26)}</svg>"
    )
