# SPDX-License-Identifier: Apache-2.0
"""From the registry to the terms of every series.

Built once for each version of the registry; the loops here run over its entries, never over readings.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from alerts.rules.terms import AT_BITS, SERIES_MAX, RuleTable, columns_of
from coldchain.kernel.limits import Profile
from coldchain.kernel.words import Quantity
from coldchain.records.registry import Appliance, Registry, Sensor
from coldchain.settings.profile_files import PROFILES


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
        key=np.array([(number << AT_BITS) | at for number, at, _ in pieces], np.int64),
        terms=columns_of([p for _, _, p in pieces], names),
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
