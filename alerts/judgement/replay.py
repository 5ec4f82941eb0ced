# SPDX-License-Identifier: Apache-2.0
"""Judge a recording with the very code of the live engine: readings in, events out. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alerts.judgement.recording import (
    Found,
    Recording,
    Told,
    exposure_of,
    in_print,
    recording_of,
    summaries,
    usual_step_ms,
)
from alerts.rules.flat import Bools, Ints, Numbers, Segments, segments_of
from alerts.rules.limits import LEAST, NEVER, Carried, latch, telling
from coldchain.files.columns import FileColumns
from coldchain.kernel.instants import rfc3339


@dataclass(frozen=True, slots=True)
class PlainLimits:
    """Limits and nothing else: no validity, no silence, no lateness. None: no limit on that side.

    >>> PlainLimits(high_c=6.0, low_c=2.0, on_delay_s=300, deadband_k=0.3).high_c
    6.0
    """

    high_c: float | None
    low_c: float | None
    on_delay_s: float
    deadband_k: float

    def __post_init__(self) -> None:
        assert self.on_delay_s >= 0, "an on-delay is a length of time"
        assert self.deadband_k >= 0, "a deadband is a width"


def replay_limits(recording: Recording, limits: PlainLimits, interval_s: float | None = None) -> list[Told]:
    """Alarms, then summaries. interval_s: how often readings are due; None: each sensor's median step."""
    if not len(recording.at):
        return []
    valid = np.isfinite(recording.celsius)
    low, high = (None if c is None else c * 1000 for c in (limits.low_c, limits.high_c))
    every = usual_step_ms(recording)
    if interval_s is not None:
        every = np.full_like(every, round(interval_s * 1000))
    exposure = exposure_of(recording, valid, low, high, every)
    return [*alarms(recording, limits), *summaries(recording, valid, exposure)]


def judge_limits(recording: FileColumns, limits: PlainLimits) -> list[Told]:
    """``alarm.raised`` and ``alarm.returned``, sorted by instant, sensor, event; ready to be printed as JSON.

    Failed readings (NaN) are skipped. Readings are taken in the order of their instants; of equal instants in
    that of the file.
    """
    return alarms(recording_of([recording], by_value=False), limits)


def alarms(recording: Recording, limits: PlainLimits) -> list[Told]:
    """As `judge_limits`."""
    valid = np.flatnonzero(np.isfinite(recording.celsius))
    if not len(valid):
        return []
    sensor, at, celsius = recording.sensor[valid], recording.at[valid], recording.celsius[valid]
    seg = segments_of(sensor)
    found: list[Found] = []
    for kind, limit_c, out, back, size in _sides(celsius, limits):
        for event, places, since in _latched(out, back, size, at, limits.on_delay_s, seg):
            for place, begun in zip(places.tolist(), since.tolist(), strict=True):
                name = recording.sensors[int(sensor[place])]
                told = {
                    "event": event,
                    "at": rfc3339(int(at[place])),
                    "sensor": name,
                    "kind": kind,
                    "severity": "critical",
                    "since": rfc3339(begun),
                    "value_c": float(celsius[place]),
                    "limit_c": limit_c,
                    "rule": "limits@1",
                }
                found.append((int(at[place]), name, event, kind, told))
    return in_print(found)


def _sides(celsius: Numbers, limits: PlainLimits) -> list[tuple[str, float, Bools, Bools, Numbers]]:
    sides = []
    if limits.high_c is not None:
        high_c = limits.high_c
        sides.append(("high", high_c, celsius > high_c, celsius <= high_c - limits.deadband_k, celsius))
    if limits.low_c is not None:
        low_c = limits.low_c
        sides.append(("low", low_c, celsius < low_c, celsius >= low_c + limits.deadband_k, -celsius))
    return sides


def _latched(
    out: Bools, back: Bools, size: Numbers, at: Ints, on_delay_s: float, seg: Segments
) -> list[tuple[str, Ints, Ints]]:
    which = np.arange(len(at))
    few = telling(back, seg)
    if few is not None:
        which, seg = few
        out, back, size, at = out[which], back[which], size[which], at[which]
    sensors = len(seg.first)
    never = np.zeros(sensors, np.bool_)
    fresh = Carried(np.full(sensors, NEVER), never, never, np.full(sensors, float(LEAST)))
    did = latch(out, back, size, at, round(on_delay_s * 1000), np.ones(len(at), np.bool_), seg, fresh)
    return [
        ("alarm.raised", which[did.raised], did.raised_since),
        ("alarm.returned", which[did.returned], did.returned_since),
    ]
