# SPDX-License-Identifier: Apache-2.0
"""The blind clock: what silence may hide. If power went with the last reading, when is the limit passed?

No later than the truth: the quickest warming seen or thought of, the warmest room (`hold_over.seconds_held`,
cautious). Nothing but the past is known of a silent appliance, so its last value is not trusted to be the
warmest of its last cycle either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alerts.alarms.entries import Case
from alerts.insight import hold_over
from alerts.insight.scan import Floats, Table
from alerts.rules.flat import Ints
from alerts.words.texts import clock
from coldchain.records.alarms import Alarm

HOT_ROOM_C = 35.0
"""A room nobody measures, in the hot season of the Mekong valley [°C]; ours."""
PROBE_K = 0.25
"""The load may be this much nearer its limit than its probe says [K]: a DS18B20 adjusted at two points."""
NEED_MS = 7_200_000
"""People need this long to come and move blood [ms]; ours, until a site says so."""


@dataclass(frozen=True, slots=True)
class Blind:
    """(N,) the worst case. passes_ms: when the limit would be passed; `NEVER` where the room is too cool.

    last_ms  the last reading; since then nothing is known
    """

    last_ms: Ints
    passes_ms: Ints

    def within(self, need_ms: int, now_ms: int) -> Ints:
        """Indices of those whose worst case comes before people can."""
        return np.flatnonzero((self.passes_ms >= 0) & (self.passes_ms <= now_ms + need_ms))


NEVER = -1


def worst_case(
    held: Table, last_ms: Ints, value_c: Floats, limit_c: Floats, ambient_c: Floats, worst_k: Floats
) -> Blind:
    """held: (N,) records of hold_over; ambient_c NaN: `HOT_ROOM_C`; limit_c NaN: no high limit, never."""
    room = np.where(np.isnan(ambient_c), HOT_ROOM_C, ambient_c)
    seconds = hold_over.seconds_held(held, value_c + PROBE_K, limit_c, room, worst_k, cautious=True)
    reaches = np.isfinite(seconds)
    passes = last_ms + np.where(reaches, seconds, 0.0).astype(np.int64) * 1000
    return Blind(last_ms, np.where(reaches, passes, NEVER))


def words(component: str, limit_c: float, last_ms: int, passes_ms: int, zone: str) -> str:
    """What the silence may mean, in a sentence.

    >>> words("red cells", 6.0, 0, 12_600_000, "UTC")
    'no data since 00:00; if power is out, red cells pass 6 °C at about 03:30'
    >>> words("platelets", 24.0, 0, NEVER, "UTC")
    'no data since 00:00; the room does not bring platelets to 24 °C'
    """
    since = f"no data since {clock(last_ms, zone)}; "
    if passes_ms == NEVER:
        return f"{since}the room does not bring {component} to {limit_c:g} °C"
    return f"{since}if power is out, {component} pass {limit_c:g} °C at about {clock(passes_ms, zone)}"


def case_again(alarm: Alarm, severity: str, at_ms: int) -> Case:
    """The grounds of an alarm once more, with another severity: the book makes the same alarm worse."""
    return Case(
        id=alarm.id,
        scope=alarm.scope,
        subject=alarm.appliance,
        sensor=alarm.sensor,
        site=alarm.site,
        kind=alarm.kind,
        severity=severity,
        since_ms=alarm.since_ms,
        at_ms=at_ms,
        value=alarm.value,
        limit=alarm.limit_value,
        peak=alarm.peak,
        rule=alarm.rule,
        profile=alarm.profile,
    )
