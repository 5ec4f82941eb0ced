# SPDX-License-Identifier: Apache-2.0
"""What happened along a chart's axis: alarms, open doors, absent mains, each as stretches of time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from coldchain.records.alarms import Alarm
from coldchain.records.registry import Sensor
from dashboards.console.series import Series
from dashboards.console.words import t, word

DOOR_STEP_MAX_MS = 30 * 60_000
"""Doors open every day: in longer steps they would look open all the time, so there they are left out."""
SPANS_MAX = 400
TOLD = {"door": ("high", 1000), "mains": ("low", 0)}
"""Quantity -> the extreme of a step, and its value [thousandths], that make the step an event."""


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


def state_lane(kind: str, series: Series) -> Lane:
    """Steps in which the door was open, or the mains absent, at any time; neighbours are one stretch."""
    side, told = TOLD[kind]
    values = series.high if side == "high" else series.low
    found: list[tuple[int, int]] = []
    for i, value in enumerate(values):
        if value != told:
            continue
        start = series.start_ms + i * series.step_ms
        end = min(start + series.step_ms, max(start, series.until_ms))
        if found and found[-1][1] >= start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return Lane(kind, tuple(Span(a, b, t(f"lane.{kind}_is")) for a, b in found[-SPANS_MAX:]))


def lanes(
    alarms: Iterable[Alarm], sensors: Iterable[Sensor], day: Mapping[str, Series], start_ms: int, end_ms: int
) -> list[Lane]:
    """Alarms always; door and mains where the appliance has such a sensor (`day`: sensor id -> series)."""
    found = [alarm_lane(alarms, start_ms, end_ms)]
    for sensor in sensors:
        series = day.get(sensor.id)
        if sensor.quantity not in TOLD or series is None:
            continue
        if sensor.quantity != "door" or series.step_ms <= DOOR_STEP_MAX_MS:
            found.append(state_lane(sensor.quantity, series))
    return found
