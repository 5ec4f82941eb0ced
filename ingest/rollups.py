# SPDX-License-Identifier: Apache-2.0
"""Roll-ups: min, max, mean, count and the seconds below, above and unknown, window by window. Pure.

A reading holds until the next one, but no longer than `hold_ms`: after that the time is unknown. So is the
time that a failed reading holds. Time in an hour that no reading reaches is unknown from its first to its
last ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coldchain.kernel.words import NO_VALUE, Quantity
from coldchain.records.registry import Registry
from coldchain.settings.profile_files import PROFILES

Longs = npt.NDArray[np.int64]
NO_LOW, NO_HIGH = -(2**40), 2**40


@dataclass(frozen=True, slots=True)
class Rule:
    """Limits by time. from_ms, low, high: (K,) each, spans begin at from_ms; limits in thousandths, closed.

    hold_ms  a reading stands for this long at most [ms]
    """

    from_ms: Longs
    low: Longs
    high: Longs
    hold_ms: int


@dataclass(frozen=True, slots=True)
class Rolled:
    """One window. n counts the readings that have a value; without any, vmin and vmax are NO_VALUE."""

    start_ms: int
    n: int
    vmin: int
    vmax: int
    vsum: int
    below_ms: int
    above_ms: int
    unknown_ms: int

    def seconds(self) -> tuple[int, int, int]:
        """Seconds below, above and unknown, rounded."""
        return tuple(round(span / 1000) for span in (self.below_ms, self.above_ms, self.unknown_ms))  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Rollup:
    """Consecutive windows, column by column: (W,) each, as in `Rolled`."""

    start_ms: Longs
    n: Longs
    vmin: Longs
    vmax: Longs
    vsum: Longs
    below_ms: Longs
    above_ms: Longs
    unknown_ms: Longs

    def rows(self) -> Iterator[Rolled]:
        columns = (getattr(self, name).tolist() for name in self.__slots__)
        return (Rolled(*row) for row in zip(*columns, strict=True))


def rule_for(registry: Registry, sensor: str, start_ms: int, end_ms: int) -> Rule:
    """What limits the sensor's readings from start to end: those of the profile that its appliance carries.

    Only load probes of temperature have limits (the only temperature probe there is counts as one).
    """
    entry = registry.sensor_by_id.get(sensor)
    free = Rule(np.array([start_ms]), np.array([NO_LOW]), np.array([NO_HIGH]), 120_000)
    if entry is None:
        return free
    free = Rule(free.from_ms, free.low, free.high, 2_000 * entry.due_s(start_ms))
    appliance = registry.appliance_by_id.get(entry.appliance or "")
    if appliance is None or entry.code != Quantity.TEMPERATURE or not _is_load(registry, sensor):
        return free
    edges = {start_ms}
    for assignment in appliance.assignments:
        edges |= {at for at in (assignment.from_ms, assignment.until_ms) if at and start_ms < at < end_ms}
    ordered = sorted(edges)
    bounds = [_limits(appliance.carries(at)) for at in ordered]
    low, high = np.array(bounds, np.int64).T
    return Rule(np.array(ordered, np.int64), low, high, free.hold_ms)


def _is_load(registry: Registry, sensor: str) -> bool:
    entry = registry.sensor_by_id[sensor]
    if entry.probe is not None:
        return entry.probe == "load"
    same = [s for s in registry.sensors if s.appliance == entry.appliance and s.code == Quantity.TEMPERATURE]
    return len(same) == 1


def _limits(carried: str | None) -> tuple[int, int]:
    profile = PROFILES.get(carried or "")
    if profile is None:
        return NO_LOW, NO_HIGH
    low = NO_LOW if profile.low_c is None else round(profile.low_c * 1000)
    high = NO_HIGH if profile.high_c is None else round(profile.high_c * 1000)
    return low, high


def roll(at: Longs, value: Longs, start_ms: int, end_ms: int, window_ms: int, rule: Rule) -> Rollup:
    """The windows from start to end, both whole multiples of window_ms apart.

    at, value  (N,) sorted by at; readings before start_ms only hold into the first window
    """
    assert (end_ms - start_ms) % window_ms == 0
    count = (end_ms - start_ms) // window_ms
    starts = start_ms + window_ms * np.arange(count, dtype=np.int64)
    inside = (at >= start_ms) & (at < end_ms) & (value != NO_VALUE)
    place, valid = (at[inside] - start_ms) // window_ms, value[inside]
    n, total = np.zeros(count, np.int64), np.zeros(count, np.int64)
    low, high = np.full(count, 2**62, np.int64), np.full(count, -(2**62), np.int64)
    np.add.at(n, place, 1)
    np.add.at(total, place, valid)
    np.minimum.at(low, place, valid)
    np.maximum.at(high, place, valid)
    low[n == 0] = high[n == 0] = NO_VALUE
    return Rollup(starts, n, low, high, total, *_spans(at, value, starts, end_ms, rule))


def _spans(at: Longs, value: Longs, starts: Longs, end_ms: int, rule: Rule) -> tuple[Longs, Longs, Longs]:
    """Milliseconds below, above and unknown of each window: every moment where anything changes cuts."""
    cuts = np.unique(np.concatenate([starts, at, at + rule.hold_ms, rule.from_ms, [end_ms]]))
    cuts = cuts[(cuts >= starts[0]) & (cuts <= end_ms)]
    begin, length = cuts[:-1], np.diff(cuts)
    window = np.searchsorted(starts, begin, side="right") - 1
    span = np.maximum(np.searchsorted(rule.from_ms, begin, side="right") - 1, 0)
    unknown = np.ones(len(begin), np.bool_)
    held = np.zeros(len(begin), np.int64)
    if len(at):
        reading = np.searchsorted(at, begin, side="right") - 1
        held = value[np.maximum(reading, 0)]
        unknown = (reading < 0) | (begin >= at[reading] + rule.hold_ms) | (held == NO_VALUE)
    below = ~unknown & (held < rule.low[span])
    above = ~unknown & (held > rule.high[span])
    sums = []
    for mask in (below, above, unknown):
        total = np.zeros(len(starts), np.int64)
        np.add.at(total, window[mask], length[mask])
        sums.append(total)
    return sums[0], sums[1], sums[2]
