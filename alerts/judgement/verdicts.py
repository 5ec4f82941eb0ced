# SPDX-License-Identifier: Apache-2.0
"""A recording judged under a profile by the very step of the live engine, with the facts beside. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from alerts.judgement.chatter import calmed
from alerts.judgement.engine import EngineState, Events, Room, View, What, step
from alerts.judgement.foresight import causes, forecasts
from alerts.judgement.recording import (
    Found,
    Recording,
    Told,
    excursions,
    exposure_of,
    in_print,
    seconds,
    summaries,
)
from alerts.rules import CONDITIONS, rule_of
from alerts.rules.flat import Block, Bools, Ints, segments_of
from alerts.rules.silence import NOT_YET, silent_spans
from alerts.rules.terms import AT_BITS, Part, of_one_profile
from alerts.rules.validity import MOST, UNKNOWN
from coldchain.kernel.instants import rfc3339
from coldchain.kernel.limits import Profile
from coldchain.kernel.words import NO_VALUE

SILENCE = "silence@1"
FAULT_AFTER_MS = 300_000
"""How long a probe may give nothing but faults before it is an alarm: the default of the settings."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A recording, and how the engine saw each of its readings."""

    recording: Recording
    view: View

    @property
    def fault(self) -> Bools:
        return self.view.fault


def judge_profile(
    recording: Recording,
    profile: Profile,
    interval_s: float | None = None,
    *,
    room: Room | None = None,
    insight: bool = True,
    part: Part = Part.PROBE,
) -> list[Told]:
    """Every line of a replay. interval_s: how often readings are due, where the profile is not to say.

    part     what every sensor of the recording is to its appliance
    insight  False: validity by codes, limits, silence, time; no forecasts, causes, defrosts, chatter
    Every reading counts as live: alarms are those that would have notified, had each arrived at its instant.
    """
    if not len(recording.at):
        return []
    interval_ms = round(1000 * (interval_s or profile.expected_every.total_seconds()))
    profile = replace(profile, expected_every=timedelta(milliseconds=interval_ms))
    sensors = len(recording.sensors)
    rules = of_one_profile(sensors, profile, interval_ms, FAULT_AFTER_MS, part=part, insight=insight)
    recording, block = _block_of(recording)
    did = step(EngineState.fresh(sensors), block, rules, give=True, room=room)
    assert did.view is not None
    judged = Judged(recording, did.view)
    sight = did.view.sight
    limits = profile.limits
    low, high = (None if c is None else round(c * 1000) for c in (limits.low_c, limits.high_c))
    every = np.full(sensors, interval_ms, np.int64)
    exposure = exposure_of(recording, ~judged.fault, low, high, every)
    found = _alarms(judged, did.events, profile)
    found += _sensor_faults(judged)
    found += _silences(judged, profile, 2 * interval_ms)
    if exposure is not None:
        bounds = {"high": limits.high_c, "low": limits.low_c}
        valid = np.flatnonzero(~judged.fault)
        why = {k: causes(recording, sight, valid, e) for k, (_, e) in exposure.out.items()} if insight else {}
        found += excursions(recording, exposure, {k: c for k, c in bounds.items() if c is not None}, why)
    found += forecasts(recording, sight, profile)
    if insight:
        found = calmed(found, int(recording.at.max()))
    return [*in_print(found), *summaries(recording, ~judged.fault, exposure)]


def _block_of(recording: Recording) -> tuple[Recording, Block]:
    """As the engine takes it: what differs by less than it can tell is one reading."""
    milli = recording.milli
    value = np.where(np.isfinite(milli), milli, UNKNOWN)
    twin = np.append(False, (np.diff(value) == 0) & (np.diff(recording.at) == 0))
    twin[1:] &= np.diff(recording.sensor) == 0
    if twin.any():
        sensor, at, celsius = recording.sensor[~twin], recording.at[~twin], recording.celsius[~twin]
        recording = replace(recording, sensor=sensor, at=at, celsius=celsius)
        value = value[~twin]
    whole = np.abs(value) < 2**31
    if bool(whole.all()) and bool((value == np.rint(value)).all()):
        value = value.astype(np.int64)
    yes = np.ones(len(value), np.bool_)
    usable = np.abs(recording.milli) <= MOST  # NaN is not
    return recording, Block(recording.sensor, recording.at, value, usable, live=yes, drill=~yes)


def _celsius(recording: Recording, index: int) -> float | None:
    value = float(recording.celsius[index])
    return None if np.isnan(value) else value


def _alarms(judged: Judged, events: Events, profile: Profile) -> list[Found]:
    """What would notify."""
    recording = judged.recording
    events = events[(events["what"] == What.RAISED) | (events["what"] == What.RETURNED)]
    key = (recording.sensor << AT_BITS) | recording.at
    places = np.searchsorted(key, (events["series"] << AT_BITS) | events["at"], side="right") - 1
    found: list[Found] = []
    for event, place in zip(events, places.tolist(), strict=True):
        condition = CONDITIONS[int(event["kind"])]
        raised = int(event["what"]) == What.RAISED
        at, limit = int(event["at"]), int(event["limit"])
        told = {
            "severity": condition.severity,
            "since": rfc3339(int(event["since"])),
            "value_c": _celsius(recording, place),
            "limit_c": None if limit == NO_VALUE else limit / 1000,
            "rule": rule_of(condition),
            "profile": profile.label,
            **_figure(condition.name, int(event["figure"]), raised=raised),
        }
        found.append(
            _alarm(
                RAISED if raised else RETURNED,
                at,
                recording.sensors[int(event["series"])],
                condition.kind,
                told,
            )
        )
    return found


def _figure(name: str, figure: int, *, raised: bool) -> Told:
    """What else a condition has to tell."""
    if name == "forecast":
        return {"seconds_to_limit": figure} if raised else {}
    if name == "rate":
        return {"rate_k_min": figure / 1000}
    return {"seconds_out": figure} if name == "cumulative" else {}


RAISED, RETURNED = "alarm.raised", "alarm.returned"


def _alarm(event: str, at: int, sensor: str, kind: str, told: Told) -> Found:
    return (
        at,
        sensor,
        event,
        kind,
        {"event": event, "at": rfc3339(at), "sensor": sensor, "kind": kind, **told},
    )


def _sensor_faults(judged: Judged) -> list[Found]:
    """Each run of readings that are no temperature."""
    recording, fault = judged.recording, judged.fault
    if not fault.any():
        return []
    seg = segments_of(recording.sensor)
    begins, ends = fault.copy(), fault.copy()
    begins[1:] &= ~fault[:-1] | (recording.sensor[1:] != recording.sensor[:-1])
    ends[:-1] &= ~fault[1:] | (recording.sensor[1:] != recording.sensor[:-1])
    last_of = seg.last[seg.of]
    why = _why(judged.view)
    found: list[Found] = []
    for first, last in zip(np.flatnonzero(begins).tolist(), np.flatnonzero(ends).tolist(), strict=True):
        at, name = int(recording.at[first]), recording.sensors[int(recording.sensor[first])]
        over = None if last == last_of[last] else int(recording.at[last + 1])
        value = _celsius(recording, first)
        told = {
            "event": "sensor_fault",
            "at": rfc3339(at),
            "sensor": name,
            "start": rfc3339(at),
            "end": None if over is None else rfc3339(over),
            "readings": last - first + 1,
            "value_c": value,
            "why": "no value" if value is None else why[first],
        }
        found.append((at, name, "sensor_fault", "", told))
    return found


def _why(view: View) -> dict[int, str]:
    """Of each reading that is no temperature, what it is."""
    seen, where = view.sight.seen, view.sight.where
    told = {
        n: "code" if view.block.usable[n] else "out of range" for n in np.flatnonzero(view.fault).tolist()
    }
    if seen is not None:
        told |= dict.fromkeys(where[seen.doubts.spike].tolist(), "spike")
        told |= dict.fromkeys(where[seen.doubts.stuck].tolist(), "stuck")
    return told


def _silences(judged: Judged, profile: Profile, after_ms: int) -> list[Found]:
    """Silence is judged up to the newest reading of all: where nobody is heard, it ends."""
    recording = judged.recording
    seg = segments_of(recording.sensor)
    last, until = silent_spans(recording.at, seg, after_ms, int(recording.at.max()))
    warm = _stood_beyond(judged, last, profile)
    found: list[Found] = []
    for place, over, beyond in zip(last.tolist(), until.tolist(), warm.tolist(), strict=True):
        since, name = int(recording.at[place]), recording.sensors[int(recording.sensor[place])]
        at = since + after_ms
        ended = over != NOT_YET
        fact = {
            "event": "silence",
            "at": rfc3339(at),
            "sensor": name,
            "since": rfc3339(since),
            "end": rfc3339(over) if ended else None,
            "seconds": seconds(over - since) if ended else None,
        }
        found.append((at, name, "silence", "", fact))
        told = {
            "severity": "critical" if beyond else "warning",
            "since": rfc3339(since),
            "value_c": _celsius(recording, place),
            "limit_c": None,
            "rule": SILENCE,
            "profile": profile.label,
        }
        found.append(_alarm(RAISED, at, name, "silence", told))
        if ended:
            told = {**told, "value_c": _celsius(recording, place + 1)}
            found.append(_alarm(RETURNED, over, name, "silence", told))
    return found


def _stood_beyond(judged: Judged, last: Ints, profile: Profile) -> Bools:
    """Was the last temperature before each silence beyond a limit? (a silence: index of its last reading)"""
    value, fault = judged.view.block.value, judged.fault
    source = np.maximum.accumulate(np.where(~fault, np.arange(len(fault)), -1))[last]
    same = (source >= 0) & (judged.recording.sensor[np.maximum(source, 0)] == judged.recording.sensor[last])
    newest = np.where(same, value[np.maximum(source, 0)], np.nan)
    low, high = profile.limits.low_c, profile.limits.high_c
    warm = newest > high * 1000 if high is not None else np.zeros(len(last), np.bool_)
    cold = newest < low * 1000 if low is not None else np.zeros(len(last), np.bool_)
    return np.asarray(warm | cold)
