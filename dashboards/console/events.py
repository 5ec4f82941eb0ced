# SPDX-License-Identifier: Apache-2.0
"""What happened along a chart's axis: alarms, open doors, absent mains, each as stretches of time. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from coldchain.kernel.readings import Rows
from coldchain.records.alarms import Alarm
from coldchain.records.registry import Sensor
from dashboards.console.series import Series
from dashboards.console.words import t, word

EXACT_MAX_MS = 31 * 86_400_000
"""Up to here each reading is looked at; in longer ranges there are steps, and mains only: in steps of a day
every door would look open all the time [ms].
"""
SPANS_MAX = 400
TOLD = {"door": 1000, "mains": 0}
"""Quantity -> the value [thousandths] that is an event."""


@dataclass(frozen=True, slots=True)
class Span:
    """[from, until) in ms; `label` says it in words."""

    from_ms: int
    until_ms: int
    label: str


@dataclass(frozen=True, slots=True)
class Lane:
    """All stretches of one kind: alarm, door or mains."""

    kind: str
    spans: tuple[Span, ...]

    @property
    def name(self) -> str:
        return t(f"lane.{self.kind}")

    @property
    def total_ms(self) -> int:
        return sum(span.until_ms - span.from_ms for span in self.spans)


def alarm_lane(alarms: Iterable[Alarm], start_ms: int, end_ms: int) -> Lane:
    """From when the condition began until it was over, or until `end_ms` while it stands."""
    spans = []
    for alarm in alarms:
        until_ms = min(alarm.returned_ms or end_ms, end_ms)
        if until_ms >= start_ms and alarm.since_ms < end_ms:
            label = f"{alarm.number}: {word('kind', alarm.kind)}"
            spans.append(Span(max(alarm.since_ms, start_ms), until_ms, label))
    return Lane("alarm", tuple(sorted(spans, key=lambda span: span.from_ms)))


def held_lane(sensor: Sensor, rows: Rows, start_ms: int, end_ms: int) -> Lane:
    """From a reading that says so until the next one; a reading stands for two of its intervals at most.

    rows: sorted by at_ms; they may begin before start_ms, so that what holds then is known.
    """
    at, value = rows["at_ms"].astype(np.int64), rows["value"]
    until = np.minimum(np.append(at[1:], end_ms), at + hold_ms(sensor, start_ms))
    found: list[tuple[int, int]] = []
    for i in np.flatnonzero(value == TOLD[sensor.quantity]).tolist():
        begin, end = max(int(at[i]), start_ms), min(int(until[i]), end_ms)
        if found and found[-1][1] >= begin:
            found[-1] = (found[-1][0], end)
        elif end > begin:
            found.append((begin, end))
    return _lane(sensor.quantity, found)


def hold_ms(sensor: Sensor, from_ms: int) -> int:
    return 2_000 * sensor.due_s(from_ms)


def stepped_lane(series: Series) -> Lane:
    """Steps in which the mains were absent at any time; neighbours are one stretch."""
    found: list[tuple[int, int]] = []
    for i, value in enumerate(series.low):
        if value != TOLD["mains"]:
            continue
        start = series.start_ms + i * series.step_ms
        end = min(start + series.step_ms, max(start, series.until_ms))
        if found and found[-1][1] >= start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return _lane("mains", found)


def _lane(kind: str, found: list[tuple[int, int]]) -> Lane:
    return Lane(kind, tuple(Span(a, b, t(f"lane.{kind}_is")) for a, b in found[-SPANS_MAX:]))
