# SPDX-License-Identifier: Apache-2.0
"""What insight adds to a replay: doubts about probes, defrosts that need nobody, time left, causes. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alerts.insight import cause, cycles, observe
from alerts.insight.scan import Readings
from alerts.recording import Found, Recording, Told, seconds
from alerts.rules.exposure import Excursions
from alerts.rules.flat import Bools, Ints
from coldchain.kernel.instants import rfc3339
from coldchain.kernel.limits import Profile

FORECAST = "forecast@1"
PEOPLE_NEED_S = 7_200.0
"""Time that people need to come and move blood [s]: ours, until a site says so."""
LASTS_SLOTS = 2
"""It must be told so many times in a row, five minutes apart, which is foreseen once more."""
CALM_AGAIN_S = 3_600.0
"""A forecast alarm is over when nothing was foreseen within twice that need, for so long."""
DEFROST_C = 10.0
"""Nothing above is a defrost of a freezer [°C]: air beside the heater was seen at 6 °C. Ours."""
MARGIN_K = 4.0
"""Nor of a refrigerator, above its limit by this: red cells at 10 °C, the limit of transport."""
LOOK_MS = 600_000
"""A cause is asked for so long after an excursion began, or at its last reading."""


@dataclass(frozen=True, slots=True)
class Foresight:
    """N readings of a recording: doubtful (N,) no temperature after all; excused (N,) in a learnt defrost."""

    doubtful: Bools
    excused: Bools
    at: Ints
    seen: observe.Observed
    where: Ints


def foresee(
    recording: Recording, usable: Bools, profile: Profile, room: tuple[Ints, npt.NDArray[np.float64]] | None
) -> Foresight | None:
    """room: instants [ms] and °C beside it. None when there is nothing to look at."""
    where = np.flatnonzero(usable)
    if not len(where):
        return None
    n, at = len(where), recording.at[where]
    readings = Readings.of(recording.sensor[where], at, np.rint(recording.milli[where]).astype(np.int64))
    high, low = profile.limits.high_c, profile.limits.low_c
    ceiling = np.inf if high is None else DEFROST_C if high < 0 else high + MARGIN_K
    ambient = np.full(n, np.nan) if room is None or not len(room[0]) else np.interp(at, *room)
    around = observe.Around(
        np.full(n, np.nan if high is None else high),
        np.full(n, np.nan if low is None else low),
        np.full(n, ceiling),
        ambient,
        np.zeros(n, np.bool_),
    )
    gap_ms = round(2000 * profile.expected_every.total_seconds())
    table = observe.blank(len(recording.sensors))
    seen = observe.advance(table, readings, around, gap_ms=gap_ms)
    doubtful, excused = np.zeros(len(usable), np.bool_), np.zeros(len(usable), np.bool_)
    doubtful[where] = seen.doubts.code | seen.doubts.spike | seen.doubts.stuck
    if seen.defrosts is not None:
        excused[where[seen.plain]] = seen.defrosts.inside
    return Foresight(doubtful, excused, at, seen, where)


def forecasts(recording: Recording, foresight: Foresight, profile: Profile) -> list[Found]:
    """A line for each five minutes of a drift towards a limit, and alarms where too little time is left."""
    slots, forecast = foresight.seen.slots, foresight.seen.forecast
    if slots is None or forecast is None:
        return []
    by = foresight.where[foresight.seen.plain[slots.by]]
    at = recording.at[by]
    passed = at / 1000.0 - slots.at_s
    left, low, high = (x - passed for x in (forecast.seconds, forecast.low_s, forecast.high_s))
    value = recording.celsius[by]
    bound = _bounds(forecast.direction, profile)
    inside = np.where(forecast.direction > 0, value <= bound, value >= bound)
    near = (forecast.direction != 0) & np.isfinite(left) & (left > 0) & inside & ~foresight.excused[by]
    # Twice in a row: one five minutes' worth of noise foresees nothing.
    near[1:] &= near[:-1].copy() & (recording.sensor[by][1:] == recording.sensor[by][:-1])
    near[:1] = False
    told = np.flatnonzero(near)
    found: list[Found] = []
    for row in told.tolist():
        name = recording.sensors[int(recording.sensor[by[row]])]
        line: Told = {
            "event": "forecast",
            "at": rfc3339(int(at[row])),
            "sensor": name,
            "limit_c": float(bound[row]),
            "seconds_to_limit": round(float(left[row])),
            "low_s": max(0, round(float(low[row]))),
            "high_s": round(float(high[row])) if np.isfinite(high[row]) else None,
            "value_c": float(value[row]),
        }
        found.append((int(at[row]), name, "forecast", "", line))
    short = np.full(len(at), np.inf)
    short[told] = left[told]
    return found + _alarms(recording, by, short, bound, profile)


def _bounds(direction: Ints, profile: Profile) -> npt.NDArray[np.float64]:
    high, low = (np.nan if c is None else c for c in (profile.limits.high_c, profile.limits.low_c))
    return np.where(direction > 0, high, low)


def _alarms(
    recording: Recording,
    by: Ints,
    left_s: npt.NDArray[np.float64],
    bound: npt.NDArray[np.float64],
    profile: Profile,
) -> list[Found]:
    """Few slots foresee anything: a loop over those, and over the ends of what they raised."""
    found: list[Found] = []
    sensor, at = recording.sensor[by], recording.at[by]
    for number in np.unique(sensor[left_s < PEOPLE_NEED_S]).tolist():
        mine = np.flatnonzero(sensor == number)
        if len(mine) < LASTS_SLOTS:
            continue
        short, near = left_s[mine] < PEOPLE_NEED_S, left_s[mine] < 2 * PEOPLE_NEED_S
        short[LASTS_SLOTS - 1 :] &= np.lib.stride_tricks.sliding_window_view(short, LASTS_SLOTS).all(axis=1)
        short[: LASTS_SLOTS - 1] = False
        if not short.any():
            continue
        since: int | None = None
        last_near = 0
        for k in np.flatnonzero(short | (np.arange(len(mine)) >= np.argmax(short))).tolist():
            row = int(mine[k])
            now, raised = int(at[row]), since is None and bool(short[k])
            last_near = now if near[k] else last_near
            over = since is not None and now - last_near >= 1000 * CALM_AGAIN_S
            if not (raised or over):
                continue
            since = now if raised else since
            event = "alarm.raised" if raised else "alarm.returned"
            name = recording.sensors[number]
            line: Told = {
                "event": event,
                "at": rfc3339(now),
                "sensor": name,
                "kind": "forecast",
                "severity": "warning",
                "since": rfc3339(since or now),
                "value_c": float(recording.celsius[by[row]]),
                "limit_c": None if np.isnan(bound[row]) else float(bound[row]),
                "rule": FORECAST,
                "profile": profile.label,
            }
            if raised:
                line["seconds_to_limit"] = seconds(1000 * round(float(left_s[row])))
            found.append((now, name, event, "forecast", line))
            since = None if over else since
    return found


def causes(
    recording: Recording, foresight: Foresight, valid: Ints, facts: Excursions
) -> list[tuple[str, float, list[str]]]:
    """Of each excursion: its likeliest cause, how likely, and what spoke for it.

    valid  indices of the readings that `facts` counts
    """
    n = len(facts.first)
    if not n:
        return []
    plain = foresight.where[foresight.seen.plain]
    begin, end = valid[facts.first], valid[facts.last]
    key = (recording.sensor << 43) | recording.at
    moment = np.minimum(np.searchsorted(key, key[begin] + LOOK_MS, side="right") - 1, end)
    place = np.clip(np.searchsorted(plain, moment, side="right") - 1, 0, len(plain) - 1)
    before = np.clip(np.searchsorted(plain, begin, side="left") - 1, 0, len(plain) - 1)
    usual = foresight.seen.usual
    span = np.maximum(recording.at[moment] - recording.at[plain[before]], 1) / 1000.0
    rate = (recording.celsius[moment] - recording.celsius[plain[before]]) / span
    unknown = np.full(n, np.nan)
    inside = foresight.excused[plain[place]].astype(np.float64)
    period = usual[before, cycles.PERIOD]
    scene = cause.Scene(
        mains=unknown, door=unknown, door_s=unknown, compressor=unknown, idle_s=unknown,
        siblings=_together(recording, begin), stalled=_stalled(recording, begin, end, period), rate=rate,
        usual=usual[place], healthy=usual[before], template=inside, load_lead_k=unknown, probe=unknown,
    )  # fmt: skip
    told = cause.diagnose(cause.features(scene), shape=n)
    words = [cause.Cause(int(c)).word for c in told.cause]
    return [
        (word, float(likely), [name for name, _ in told.evidence(row)])
        for row, (word, likely) in enumerate(zip(words, told.likely.tolist(), strict=True))
    ]


def _stalled(
    recording: Recording, begin: Ints, end: Ints, period_s: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Usual periods that the excursion lasted: it did not turn meanwhile. NaN where no cycles are known."""
    lasted = (recording.at[end] - recording.at[begin]) / 1000.0
    sound = period_s > 0
    return np.where(sound, lasted / np.where(sound, period_s, 1.0), np.nan)


def _together(recording: Recording, begin: Ints) -> npt.NDArray[np.float64]:
    """Part of the other sensors that left their limits within an hour; NaN where there is no other."""
    others = len(recording.sensors) - 1
    if not others:
        return np.full(len(begin), np.nan)
    at, sensor = recording.at[begin], recording.sensor[begin]
    found = [len(np.unique(sensor[np.abs(at - t) <= 3_600_000])) - 1 for t in at.tolist()]
    return np.array(found, np.float64) / others
