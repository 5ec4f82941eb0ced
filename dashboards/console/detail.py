# SPDX-License-Identifier: Apache-2.0
"""What the page of one appliance shows beside its chart. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from coldchain.records.registry import Sensor
from dashboards.console.series import Series
from dashboards.console.values import reading_text
from dashboards.console.views import LastReading, silent_after_ms

TABLE_ROWS = 60


@dataclass(frozen=True, slots=True)
class SensorLine:
    """One sensor's newest reading in words; `old`: too long ago to be now."""

    id: str
    quantity: str
    probe: str
    text: str
    at_ms: int | None
    old: bool


@dataclass(frozen=True, slots=True)
class TableRow:
    """Lowest and highest [thousandths] of a stretch; None: no valid reading."""

    from_ms: int
    until_ms: int
    low: int | None
    high: int | None
    n: int


def sensor_lines(
    sensors: Iterable[Sensor], latest: Mapping[str, LastReading], *, now_ms: int, silent_after: int
) -> list[SensorLine]:
    """Every sensor of an appliance, also those that never reported. `silent_after` in ms."""
    lines = []
    for sensor in sensors:
        last = latest.get(sensor.id)
        text = "" if last is None else reading_text(sensor.quantity, last.value, last.status)
        old = last is None or now_ms - last.at_ms > silent_after_ms(sensor, silent_after)
        lines.append(
            SensorLine(
                sensor.id, sensor.quantity, sensor.probe or "", text, last.at_ms if last else None, old
            )
        )
    return lines


def table(series: Series, rows: int = TABLE_ROWS) -> list[TableRow]:
    """The chart as at most `rows` rows, newest first; lowest of lowest, highest of highest."""
    each = -(-len(series.n) // rows)
    found = []
    for i in range(0, len(series.n), each):
        lows = [v for v in series.low[i : i + each] if v is not None]
        highs = [v for v in series.high[i : i + each] if v is not None]
        start = series.start_ms + i * series.step_ms
        end = min(series.end_ms, start + each * series.step_ms)
        n = sum(series.n[i : i + each])
        if start < series.until_ms:
            found.append(TableRow(start, end, min(lows, default=None), max(highs, default=None), n))
    return found[::-1]
