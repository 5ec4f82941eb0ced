# SPDX-License-Identifier: Apache-2.0
"""What insight adds to a replay beside its alarms: the time left, slot by slot, and causes. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from alerts.insight import cause, cycles
from alerts.judgement.recording import Found, Recording, Told
from alerts.judgement.sight import Sight
from alerts.rules.exposure import Excursions
from alerts.rules.flat import Ints
from coldchain.kernel.instants import rfc3339
from coldchain.kernel.limits import Profile

LOOK_MS = 600_000
"""A cause is asked for so long after an excursion began, or at its last reading."""


def forecasts(recording: Recording, sight: Sight, profile: Profile) -> list[Found]:
    """A line for each five minutes of a drift towards a limit."""
    seen = sight.seen
    if seen is None or seen.slots is None or seen.forecast is None:
        return []
    slots, forecast, by = seen.slots, seen.forecast, sight.by
    at = recording.at[by]
    passed = at / 1000.0 - slots.at_s
    left, low, high = (x - passed for x in (forecast.seconds, forecast.low_s, forecast.high_s))
    value = recording.celsius[by]
    bound = _bounds(forecast.direction, profile)
    inside = np.where(forecast.direction > 0, value <= bound, value >= bound)
    near = (forecast.direction != 0) & np.isfinite(left) & (left > 0) & inside & ~sight.excused[by]
    # Twice in a row: one five minutes' worth of noise foresees nothing.
    near[1:] &= near[:-1].copy() & (recording.sensor[by][1:] == recording.sensor[by][:-1])
    near[:1] = False
    found: list[Found] = []
    for row in np.flatnonzero(near).tolist():
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
    return found


def _bounds(direction: Ints, profile: Profile) -> npt.NDArray[np.float64]:
    high, low = (np.nan if c is None else c for c in (profile.limits.high_c, profile.limits.low_c))
    return np.where(direction > 0, high, low)


def causes(
    recording: Recording, sight: Sight, valid: Ints, facts: Excursions
) -> list[tuple[str, float, list[str]]]:
    """Of each excursion: its likeliest cause, how likely, and what spoke for it.

    valid  indices of the readings that `facts` counts
    """
    n = len(facts.first)
    if not n:
        return []
    seen = sight.seen
    if seen is None:
        return []
    plain = sight.where[seen.plain]
    begin, end = valid[facts.first], valid[facts.last]
    key = (recording.sensor << 43) | recording.at
    moment = np.minimum(np.searchsorted(key, key[begin] + LOOK_MS, side="right") - 1, end)
    place = np.clip(np.searchsorted(plain, moment, side="right") - 1, 0, len(plain) - 1)
    before = np.clip(np.searchsorted(plain, begin, side="left") - 1, 0, len(plain) - 1)
    usual = seen.usual
    span = np.maximum(recording.at[moment] - recording.at[plain[before]], 1) / 1000.0
    rate = (recording.celsius[moment] - recording.celsius[plain[before]]) / span
    unknown = np.full(n, np.nan)
    inside = sight.excused[plain[place]].astype(np.float64)
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
