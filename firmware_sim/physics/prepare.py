# SPDX-License-Identifier: Apache-2.0
"""From fleet, scenario and seed to a World that stands at its beginning.

A fault may ask that the sensed load passes a temperature at a given instant. That is solved by trying: copies
of the appliance, the same to the last bit, suffer the fault from different instants; the best start is kept.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from firmware_sim.faults import Fault, Scenario, ScenarioError, Schedule
from firmware_sim.fleet import Fleet
from firmware_sim.physics.noise import FloatArray
from firmware_sim.physics.quantities import Quantity
from firmware_sim.physics.state import DT_S
from firmware_sim.physics.strikes import Strike
from firmware_sim.physics.world import WARM_UP_S, World

_COPIES = 41
_WINDOW_S = 3600
"""Crossings are looked for this long before and after the wanted instant."""
_WORST_MISS_S = 60.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run ready to go: the fleet, its concrete faults, and its World at ``begin_s``."""

    fleet: Fleet
    schedule: Schedule
    world: World


def prepare(
    fleet: Fleet, scenario: Scenario | None, *, seed: int, start_utc_s: float, begin_s: float = 0.0
) -> Prepared:
    """Resolve the scenario, place its faults, warm the World up to ``begin_s`` [s after the start]."""
    schedule = scenario.resolve(fleet, seed) if scenario is not None else Schedule()
    placed = [
        fault if fault.passing is None else place(fault, schedule, fleet, seed, start_utc_s, begin_s)
        for fault in schedule.faults
    ]
    schedule = replace(schedule, faults=tuple(placed))
    world = World(fleet, schedule, seed=seed, start_utc_s=start_utc_s, begin_s=begin_s)
    return Prepared(fleet, schedule, world)


def place(
    fault: Fault, schedule: Schedule, fleet: Fleet, seed: int, start_utc_s: float, begin_s: float
) -> Fault:
    """The fault with the start that makes its first appliance's sensed load pass its limit when wanted.

    Other faults already placed on that appliance act too. Raises ScenarioError when no start within the
    warm-up comes within a minute of the wanted instant.
    """
    assert fault.passing is not None
    passing, row = fault.passing, fleet.index(fault.appliances[0])
    first_s = begin_s - WARM_UP_S + 600.0
    others = [f for f in schedule.physics if f.passing is None and fleet.appliances[row].id in f.appliances]
    low, high = first_s, passing.at_s - DT_S
    best, miss = low, math.inf
    for _ in range(3):
        starts = np.unique(np.floor(np.linspace(low, high, _COPIES) / DT_S) * DT_S)
        passed = _crossings(fault, others, starts, fleet, row, seed, start_utc_s, begin_s)
        misses = np.abs(passed - passing.at_s)
        pick = int(np.argmin(misses))
        best, miss = float(starts[pick]), float(misses[pick])
        low, high = float(starts[max(pick - 1, 0)]), float(starts[min(pick + 1, len(starts) - 1)])
        if miss <= DT_S or high - low <= 2 * DT_S or math.isinf(miss):
            break
    if miss > _WORST_MISS_S:
        raise ScenarioError(
            f"{fault.kind} on {fault.appliances[0]}: no start after {first_s:.0f} s makes the load pass "
            f"{passing.limit_c} °C at {passing.at_s:.0f} s; choose a later instant or another appliance"
        )
    return replace(fault, start_s=best, passing=None)


def _crossings(
    fault: Fault, others: Sequence[Fault], starts: FloatArray, fleet: Fleet, row: int,
    seed: int, start_utc_s: float, begin_s: float,
) -> FloatArray:  # fmt: skip
    """For each start, the last instant of the window with the sensed load inside (inf: the end)."""
    assert fault.passing is not None
    everywhere = np.arange(len(starts), dtype=np.intp)
    strikes = [Strike(other, everywhere) for other in others]
    strikes += [
        Strike(replace(fault, start_s=float(start), passing=None), np.array([copy], dtype=np.intp))
        for copy, start in enumerate(starts)
    ]
    copies = replace(fleet.only((fleet.appliances[row],)), appliances=(fleet.appliances[row],) * len(starts))
    world = World(copies, seed=seed, start_utc_s=start_utc_s, begin_s=begin_s, strikes=strikes)
    return _last_inside(world, fault.passing.limit_c, fault.passing.at_s)


def _last_inside(world: World, limit_c: float, at_s: float) -> FloatArray:
    upward = limit_c > float(world.sense_all()[0, Quantity.SET_POINT])
    world.step_to(at_s - _WINDOW_S)
    last = np.full(len(world.ids), -math.inf)
    while world.now_s < at_s + _WINDOW_S:
        world.step_to(world.now_s + DT_S)
        load = world.sense_all()[:, Quantity.LOAD]
        inside = load <= limit_c if upward else load >= limit_c
        last = np.where(inside, world.now_s, last)
    return np.where(last >= at_s + _WINDOW_S - DT_S, math.inf, last)
