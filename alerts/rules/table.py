# SPDX-License-Identifier: Apache-2.0
"""From the registry to the terms of every series.

Built once for each version of the registry; the loops here run over its entries, never over readings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from alerts.rules.terms import (
    AT_BITS,
    NO_LOADING,
    SERIES_MAX,
    Part,
    Piece,
    RuleTable,
    columns_of,
    inner,
)
from coldchain.kernel.limits import Profile
from coldchain.kernel.words import Quantity
from coldchain.records.registry import Appliance, Registry, Sensor
from coldchain.settings.profile_files import PROFILES

LOADING = "loading"
LOADING_MAX_MS = 24 * 3_600_000
"""A cool-down that has not reached its range by then never will: from then on it is judged. Ours."""
TAU_S = {
    "blood-refrigerator": 5_400.0,
    "plasma-freezer": 7_200.0,
    "ultra-freezer": 7_200.0,
    "platelet-incubator": 1_800.0,
    "passive-box": 5_400.0,
    "active-box": 5_400.0,
}
"""Lag of a load behind its air by kind of appliance [s], until measured: ours, by simulation."""
QUICK_S = 1_800.0
"""Of any other kind: a quicker load errs towards alarm."""


def build_table(
    registry: Registry,
    series: Mapping[int, tuple[str, Quantity | int]],
    *,
    fault_after_ms: int,
    insight: bool = True,
    profiles: Mapping[str, Profile] = PROFILES,
) -> RuleTable:
    """The table for the series that records know: number -> (sensor id, quantity).

    insight   False: limits, faults by codes and time out of range only
    profiles  others than those in force, to see what they would do
    """
    size = max(series, default=-1) + 1
    assert size < SERIES_MAX, size
    judged, looked_at = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
    every, tau_s = np.zeros(size, np.int64), np.full(size, QUICK_S)
    unit, group = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
    units = tuple(a.id for a in registry.appliances)
    unit_of = {name: n for n, name in enumerate(units)}
    groups, heard = _heard_through(registry)
    parts = parts_of(registry)
    pieces: list[Piece] = []
    for number in range(size):
        name, _ = series.get(number, ("", 0))
        sensor = registry.sensor_by_id.get(name)
        appliance = registry.appliance_by_id.get(sensor.appliance or "") if sensor else None
        part = parts.get(name)
        if sensor is None or appliance is None or part is None:
            pieces.append(Piece(number, 0))
            continue
        judged[number] = True
        pieces += _pieces(number, appliance, sensor, part, profiles)
        if part is Part.AGITATOR:
            continue
        every[number] = sensor.every_s * 1000
        unit[number] = unit_of[appliance.id]
        group[number] = heard[appliance.site]
        looked_at[number] = insight
        tau_s[number] = appliance.tau_s or TAU_S.get(appliance.kind, QUICK_S)
    names = tuple(dict.fromkeys(["", *(p.profile.label for p in pieces if p.profile)]))
    at_pieces = np.array([p.series for p in pieces] or [0], np.int64)
    terms = columns_of(pieces, names)
    inner_high, inner_low = inner(terms)
    return RuleTable(
        judged=judged,
        piece=np.searchsorted(at_pieces, np.arange(size + 1)),
        key=np.array([(p.series << AT_BITS) | p.at for p in pieces], np.int64),
        terms=terms,
        inner_high=inner_high,
        inner_low=inner_low,
        every_ms=every,
        unit=unit,
        units=units,
        group=group,
        groups=groups,
        profiles=names,
        fault_after_ms=fault_after_ms,
        tau_s=tau_s,
        insight=looked_at,
    )


def _heard_through(registry: Registry) -> tuple[tuple[tuple[str, str], ...], dict[str, int]]:
    """What falls silent together: (scope, id) of each group, and site -> its group.

    A site's own gateway; else the gateway that stands at no site; else the site itself.
    """
    gateways = {g.site: ("gateway", g.id) for g in registry.gateways}
    of_site = {s.id: gateways.get(s.id) or gateways.get(None) or ("site", s.id) for s in registry.sites}
    groups = tuple(dict.fromkeys(of_site.values()))
    return groups, {site: groups.index(group) for site, group in of_site.items()}


BESIDE = {Part.AIR_BESIDE, Part.AGITATOR}
"""Parts that are not held against limits themselves."""


def parts_of(registry: Registry) -> dict[str, Part]:
    """What each judged sensor is to its appliance."""
    return _parts(registry.sensors)


def _parts(sensors: tuple[Sensor, ...]) -> dict[str, Part]:
    loads = {s.appliance for s in sensors if s.probe == "load" and s.code is Quantity.TEMPERATURE}
    found: dict[str, Part] = {}
    for sensor in sensors:
        if sensor.appliance is None:
            continue
        if sensor.code is Quantity.AGITATOR:
            found[sensor.id] = Part.AGITATOR
        elif sensor.code is Quantity.TEMPERATURE:
            beside = sensor.appliance in loads
            alone = Part.AIR_ALONE if sensor.probe == "air" else Part.PROBE
            found[sensor.id] = Part.LOAD if sensor.probe == "load" else Part.AIR_BESIDE if beside else alone
    return found


def judging_sensors(registry: Registry) -> set[str]:
    """Sensors held against limits: an appliance's load probes or, if it has none, all its temperatures."""
    return {name for name, part in parts_of(registry).items() if part not in BESIDE}


def judging_of(registry: Registry, appliance: str) -> list[Sensor]:
    """Those of one appliance."""
    mine = registry.sensors_of.get(appliance, ())
    parts = _parts(mine)
    return [sensor for sensor in mine if sensor.id in parts and parts[sensor.id] not in BESIDE]


def _pieces(
    number: int, appliance: Appliance, sensor: Sensor, part: Part, profiles: Mapping[str, Profile]
) -> list[Piece]:
    """From 0 on: a new one wherever the profile, the loading or the offset changes."""
    turns = {0} | {max(0, offset.from_ms) for offset in sensor.offsets}
    for assignment in appliance.assignments:
        turns |= {max(0, assignment.from_ms), max(0, assignment.until_ms or 0)}
        if assignment.carries == LOADING:
            turns.add(max(0, assignment.from_ms) + LOADING_MAX_MS)
    found: list[Piece] = []
    for at in sorted(turns):
        profile, loading = _in_force(appliance, at, profiles)
        offset_k = next((o.offset_k for o in reversed(sensor.offsets) if o.from_ms <= at), 0.0)
        piece = Piece(number, at, profile, part, round(offset_k * 1000), loading)
        if not found or replace(found[-1], at=at) != piece:
            found.append(piece)
    return found


def _in_force(appliance: Appliance, at: int, profiles: Mapping[str, Profile]) -> tuple[Profile | None, int]:
    """The profile that judges at that moment, and when the loading began that it belongs to.

    Loading is judged by what is to be held: the profile that follows or, if none is known, the last one; like
    any other from LOADING_MAX_MS on.
    """
    carried = appliance.carries(at)
    if carried != LOADING:
        return profiles.get(carried or ""), NO_LOADING
    began = max(a.from_ms for a in appliance.assignments if a.carries == LOADING and a.from_ms <= at)
    others = [a for a in appliance.assignments if a.carries in profiles]
    after = sorted((a for a in others if a.from_ms > at), key=lambda a: a.from_ms)
    before = sorted((a for a in others if a.from_ms <= at), key=lambda a: a.from_ms)
    wanted = after[0] if after else before[-1] if before else None
    if wanted is None:
        return None, NO_LOADING
    lasts = at < max(0, began) + LOADING_MAX_MS
    return profiles[wanted.carries], max(0, began) if lasts else NO_LOADING
