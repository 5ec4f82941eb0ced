# SPDX-License-Identifier: Apache-2.0
"""What the registry asks of every series, as columns for rules: limits in force, expected interval.

Built once for each version of the registry; the loops here run over its entries, never over readings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alerts.rules.flat import Bools, Ints, Numbers
from coldchain.kernel.limits import PROFILES, Profile
from coldchain.kernel.words import Quantity
from coldchain.records.registry import Appliance, Registry, Sensor

NO_HIGH, NO_LOW = 2**40, -(2**40)
"""Stand where there is no limit on that side [thousandths]."""

SERIES_MAX = 2**20
_AT_BITS = 43
"""Instants below 2^43 ms (the year 2248) and series below 2^20 share one 63-bit key."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The limits in force for each of N readings: columns (N,), values in the readings' own unit.

    out beyond high or low; back inside at or below high_back, at or above low_back
    """

    high: Numbers
    high_back: Numbers
    low: Numbers
    low_back: Numbers
    delay_ms: Ints
    profile: Ints


@dataclass(frozen=True, slots=True)
class RuleTable:
    """Every series' terms, piece by piece in time, and what silence needs to know.

    judged    (S,) a temperature inside an appliance; terms without limits where another probe counts
    piece     (S + 1,) where each series' pieces begin; `key` sorts pieces by (series, start)
    terms     columns over pieces
    every_ms  (S,) expected interval; 0 for a series the registry does not know
    unit      (S,) number of its appliance, -1 if none; `units` are their ids
    group     (S,) number of what it is heard through, -1 if none; `groups` are (scope, id)
    profiles  names with version, by number; 0 is none
    """

    judged: Bools
    piece: Ints
    key: Ints
    terms: Terms
    every_ms: Ints
    unit: Ints
    units: tuple[str, ...]
    group: Ints
    groups: tuple[tuple[str, str], ...]
    profiles: tuple[str, ...]
    fault_after_ms: int

    def terms_at(self, series: Ints, at: Ints) -> Terms:
        """The terms of each reading. Every series must be known to the table."""
        index = self.piece[series]
        if (self.piece[series + 1] - index > 1).any():
            wanted = (series << _AT_BITS) | np.clip(at, 0, 2**_AT_BITS - 1)
            index = np.searchsorted(self.key, wanted, side="right") - 1
        t = self.terms
        return Terms(
            t.high[index],
            t.high_back[index],
            t.low[index],
            t.low_back[index],
            t.delay_ms[index],
            t.profile[index],
        )

    def __len__(self) -> int:
        return len(self.judged)


def build_table(
    registry: Registry, series: Mapping[int, tuple[str, Quantity | int]], *, fault_after_ms: int
) -> RuleTable:
    """The table for the series that records know: number -> (sensor id, quantity)."""
    size = max(series, default=-1) + 1
    assert size < SERIES_MAX, size
    judged = np.zeros(size, np.bool_)
    every = np.zeros(size, np.int64)
    unit, group = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
    units = tuple(a.id for a in registry.appliances)
    unit_of = {name: n for n, name in enumerate(units)}
    groups, heard = _heard_through(registry)
    counts = judging_sensors(registry)
    pieces: list[tuple[int, int, Profile | None]] = []
    for number in range(size):
        name, _ = series.get(number, ("", 0))
        sensor = registry.sensor_by_id.get(name)
        appliance = registry.appliance_by_id.get(sensor.appliance or "") if sensor else None
        if sensor is None or appliance is None or sensor.code is not Quantity.TEMPERATURE:
            pieces.append((number, 0, None))
            continue
        every[number] = sensor.every_s * 1000
        unit[number] = unit_of[appliance.id]
        group[number] = heard[appliance.site]
        judged[number] = True
        pieces += [(number, at, p if name in counts else None) for at, p in _spans(appliance)]
    names = tuple(dict.fromkeys(["", *(p.label for _, _, p in pieces if p)]))
    at_pieces = np.array([number for number, _, _ in pieces] or [0], np.int64)
    return RuleTable(
        judged=judged,
        piece=np.searchsorted(at_pieces, np.arange(size + 1)),
        key=np.array([(number << _AT_BITS) | at for number, at, _ in pieces], np.int64),
        terms=_columns([p for _, _, p in pieces], names),
        every_ms=every,
        unit=unit,
        units=units,
        group=group,
        groups=groups,
        profiles=names,
        fault_after_ms=fault_after_ms,
    )


def _heard_through(registry: Registry) -> tuple[tuple[tuple[str, str], ...], dict[str, int]]:
    """What falls silent together: (scope, id) of each group, and site -> its group.

    A site's own gateway; else the gateway that stands at no site; else the site itself.
    """
    gateways = {g.site: ("gateway", g.id) for g in registry.gateways}
    of_site = {s.id: gateways.get(s.id) or gateways.get(None) or ("site", s.id) for s in registry.sites}
    groups = tuple(dict.fromkeys(of_site.values()))
    return groups, {site: groups.index(group) for site, group in of_site.items()}


def judging_sensors(registry: Registry) -> set[str]:
    """Sensors held against limits: an appliance's load probes or, if it has none, all its temperatures."""
    by_appliance: dict[str, list[Sensor]] = {}
    for sensor in registry.sensors:
        if sensor.appliance is not None and sensor.code is Quantity.TEMPERATURE:
            by_appliance.setdefault(sensor.appliance, []).append(sensor)
    found: set[str] = set()
    for sensors in by_appliance.values():
        loads = [s for s in sensors if s.probe == "load"]
        found |= {s.id for s in loads or sensors}
    return found


def _spans(appliance: Appliance) -> list[tuple[int, Profile | None]]:
    """(start, profile in force from then), beginning at 0."""
    turns = {0}
    for assignment in appliance.assignments:
        turns |= {max(0, assignment.from_ms), max(0, assignment.until_ms or 0)}
    spans: list[tuple[int, Profile | None]] = []
    for at in sorted(turns):
        profile = PROFILES.get(appliance.carries(at) or "")
        if not spans or spans[-1][1] != profile:
            spans.append((at, profile))
    return spans


def _columns(profiles: list[Profile | None], names: tuple[str, ...]) -> Terms:
    def column(pick: Sequence[float]) -> Ints:
        return np.array([round(x) for x in pick], np.int64)

    high = [p.high_c * 1000 if p and p.high_c is not None else NO_HIGH for p in profiles]
    low = [p.low_c * 1000 if p and p.low_c is not None else NO_LOW for p in profiles]
    band = [p.deadband_k * 1000 if p else 0 for p in profiles]
    high_back = [h - b if h != NO_HIGH else h for h, b in zip(high, band, strict=True)]
    low_back = [w + b if w != NO_LOW else w for w, b in zip(low, band, strict=True)]
    delay = [p.on_delay.total_seconds() * 1000 if p else 0 for p in profiles]
    profile = [names.index(p.label) if p else 0 for p in profiles]
    return Terms(
        column(high), column(high_back), column(low), column(low_back), column(delay), column([*profile])
    )
