# SPDX-License-Identifier: Apache-2.0
"""What happened along a chart's axis, each kind as stretches of time: alarms, open doors, defrosts, absent
mains, work, calibrations, what was carried. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from coldchain.kernel.readings import Rows
from coldchain.records.alarms import Alarm, DefrostRow, OutOfService, UpkeepRow
from coldchain.records.devices import Dossier
from coldchain.records.registry import Appliance, Sensor
from coldchain.records.work import WorkOrder
from dashboards.console.series import Series
from dashboards.console.values import figure
from dashboards.console.words import t, word

EXACT_MAX_MS = 31 * 86_400_000
"""Up to here each reading is looked at; in longer ranges there are steps, and mains only: in steps of a day
every door would look open all the time [ms].
"""
SPANS_MAX = 400
LANES = ("alarm", "door", "defrost", "mains", "work", "calibration", "assignment")
"""In this order along the axis."""
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
    """All stretches of one kind of LANES."""

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


def told_lane(kind: str, told: Iterable[tuple[int, int, str]], start_ms: int, end_ms: int) -> Lane:
    """(from, until, words) of what people wrote down, as far as it touches start to end."""
    spans = [
        Span(max(begin, start_ms), max(begin, start_ms, min(until, end_ms)), words)
        for begin, until, words in told
        if begin < end_ms and until >= start_ms
    ]
    return Lane(kind, tuple(sorted(spans, key=lambda span: span.from_ms)[-SPANS_MAX:]))


def work_on(
    out: Iterable[OutOfService], orders: Iterable[WorkOrder], dossier: Dossier, now_ms: int
) -> Iterator[tuple[int, int, str]]:
    """Out of service, under repair, or maintained."""
    for row in out:
        yield row.from_ms, row.back_ms or now_ms, row.reason
    for order in orders:
        begin = order.at("started")
        if begin is not None:
            yield (
                begin,
                order.at("finished") or order.at("cancelled") or now_ms,
                f"{order.number}: {order.what}",
            )
    tasks = {entry.first: entry.said.task for entry in dossier.of("plan")}
    for done in dossier.of("done"):
        yield done.said.done_ms, done.said.done_ms, tasks.get(done.said.plan, "")


def calibrations(sensors: Iterable[Sensor], dossier: Dossier) -> Iterator[tuple[int, int, str]]:
    """When an offset began to apply, and what a certificate says of it."""
    papers = {
        (entry.said.sensor, entry.said.from_ms): entry.said.number for entry in dossier.of("certificate")
    }
    offsets = {(s.id, offset.from_ms): offset.offset_k for s in sensors for offset in s.offsets}
    for (sensor, at_ms), offset_k in offsets.items():
        number = papers.pop((sensor, at_ms), "")
        yield at_ms, at_ms, f"{sensor}: {figure(offset_k, '+g')} K {number}".strip()
    for (sensor, at_ms), number in papers.items():
        yield at_ms, at_ms, f"{sensor} {number}".strip()


def assigned(appliance: Appliance) -> Iterator[tuple[int, int, str]]:
    """When what it carries changed."""
    return ((one.from_ms, one.from_ms, one.carries) for one in appliance.assignments if one.from_ms > 0)


def defrost_lane(
    ended: Iterable[DefrostRow], missing: Iterable[UpkeepRow], start_ms: int, end_ms: int
) -> Lane:
    """Those of all probes together: what overlaps is one. One is missing from when it was due until one came.

    In ranges longer than EXACT_MAX_MS a refrigerator's would be a line: there are those that were too long,
    and those that were missing.
    """
    told: list[tuple[int, int, str]] = []
    for row in sorted(ended, key=lambda one: (one.from_ms, one.what)):
        if told and row.from_ms <= told[-1][1]:
            begin, until, what = told.pop()
            told.append((begin, max(until, row.until_ms), "long" if row.what == "long" else what))
        else:
            told.append((row.from_ms, row.until_ms, row.what))
    if end_ms - start_ms > EXACT_MAX_MS:
        told = [one for one in told if one[2] == "long"]
    told += [(row.since_ms, row.ended_ms or end_ms, "missing") for row in missing if row.kind == "defrost"]
    return told_lane("defrost", [(a, b, t(f"lane.defrost_{what}")) for a, b, what in told], start_ms, end_ms)


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
