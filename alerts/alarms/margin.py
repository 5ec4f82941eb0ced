# SPDX-License-Identifier: Apache-2.0
"""How long an alarm may be put aside: as long as the blood bears it, and never longer than a shift."""

from __future__ import annotations

from dataclasses import dataclass

from coldchain.kernel.limits import Profile
from coldchain.records.alarms import Alarm, Excursion

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SHIFT_MS = 8 * HOUR_MS
"""Ours: who puts an alarm aside hands it over with the shift at the latest."""
ALONE_MS = HOUR_MS
"""Ours: longer takes two people."""
UNSEEN_MS = HOUR_MS
"""Ours: what nobody measures is looked at within the hour, where no maker's hold-over says otherwise."""
UNAGITATED_MS = 8 * HOUR_MS
"""Platelets bear no more at once without agitation (UK guidance; the reference's table of components)."""

UNSEEN = frozenset({"silence", "sensor_fault", "power", "backlog"})
"""While these stand, nobody knows how warm it is."""
TEMPERATURES = frozenset({"high", "low"})


@dataclass(frozen=True, slots=True)
class Left:
    """`ms` may still be put aside, and `why` no more."""

    ms: int
    why: str


def left(
    alarm: Alarm,
    profile: Profile | None,
    *,
    used_ms: int,
    now_ms: int,
    hold_over_min: float | None = None,
    to_limit_ms: int | None = None,
    overdrawn: bool = False,
) -> Left:
    """What may still pass before somebody must act. Never negative; pure.

    used_ms        time beyond the limits in the last day, of the sensor that was worst
    hold_over_min  minutes that the appliance holds its range without power, by its maker
    to_limit_ms    until a limit is passed, where something foresees it
    overdrawn      the day's budget is known to be used up
    """
    found = [Left(SHIFT_MS, "a shift")]
    if alarm.kind in UNSEEN:
        bears = UNSEEN_MS if hold_over_min is None else round(hold_over_min * 60_000)
        found.append(Left(bears - (now_ms - alarm.since_ms), "nobody knows how warm it is"))
    elif alarm.kind == "agitator":
        found.append(Left(UNAGITATED_MS - (now_ms - alarm.since_ms), "platelets bear 8 h without agitation"))
    elif alarm.kind == "cumulative" or (alarm.kind in TEMPERATURES and alarm.severity == "critical"):
        budget = round(profile.budget.total_seconds() * 1000) if profile and profile.budget else 0
        found.append(Left(0 if overdrawn else budget - used_ms, "the day's budget beyond the limits"))
    elif to_limit_ms is not None:
        found.append(Left(to_limit_ms, "until the limit"))
    least = min(found, key=lambda one: one.ms)
    return Left(max(0, least.ms), least.why)


def used_of(excursions: list[Excursion], now_ms: int) -> int:
    """Time beyond the limits within the last day [ms], of the sensor that was worst."""
    by_sensor: dict[str, int] = {}
    for one in excursions:
        if one.kind in TEMPERATURES:
            end = now_ms if one.ended_ms is None else one.ended_ms
            spent = min(end, now_ms) - max(one.started_ms, now_ms - DAY_MS)
            by_sensor[one.sensor] = by_sensor.get(one.sensor, 0) + max(0, spent)
    return max(by_sensor.values(), default=0)
