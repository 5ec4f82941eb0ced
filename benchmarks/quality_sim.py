# SPDX-License-Identifier: Apache-2.0
"""Simulated appliances with a plan of faults, as columns of minutes, and the truth they are scored by.

The physics runs on a coarser grid than that of the nodes (`GRID_S`, shown not to matter by
`tests/alerts/test_quality_smoke.py`); what probes say is made of a whole block at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.quality_plan import (
    FROZEN_PLATES,
    PER_SITE,
    SETTING_CHANGE,
    WARM_PLATES,
    Planned,
    strike,
)
from firmware_sim.fleet import Appliance, Fleet, Node, Site
from firmware_sim.physics.designs import ApplianceType
from firmware_sim.physics.probes import (
    DIGITAL_NOISE_K,
    DIGITAL_STEP_K,
    DISCONNECTED_C,
    PLATINUM_NOISE_K,
    PLATINUM_STEP_K,
)
from firmware_sim.physics.state import NORMAL
from firmware_sim.physics.world import World

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

START_UTC_S = 1_790_000_000.0
DAY_S = 86_400.0
MINUTES = 1440

GRID_S = {
    ApplianceType.BLOOD_REFRIGERATOR: 15,
    ApplianceType.PLASMA_FREEZER: 30,
    ApplianceType.ULTRA_FREEZER: 30,
    ApplianceType.PLATELET_INCUBATOR: 20,
    ApplianceType.PASSIVE_BOX: 30,
    ApplianceType.ACTIVE_BOX: 20,
}
"""Grid of the physics by type [s]: half of the quickest time constant that is stepped explicitly, or less."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A day of N appliances, arrays (T, N) by minute; (T,) instants [s after the start].

    load, air  thousandths of a degree as the probes report them
    truth_c    the hidden, noiseless temperature of the load; ambient_c the room
    defrost    it heats or drips; mains, door, compressor as contacts say
    """

    at_s: Floats
    load: Ints
    air: Ints
    truth_c: Floats
    ambient_c: npt.NDArray[np.float32]
    defrost: Bools
    mains: Bools
    door: Bools
    compressor: Bools


def fleet_of(kind: ApplianceType, count: int, seed: int) -> Fleet:
    """Appliances of one type, `PER_SITE` on one supply, sites of all three levels."""
    sites = max(1, math.ceil(count / PER_SITE))
    names = [f"s{seed}-{n}" for n in range(sites)]
    levels = ("central", "provincial", "district")
    appliances = tuple(
        Appliance(
            f"{kind}-{seed}-{n}", "", names[n // PER_SITE], kind, "", f"{names[n // PER_SITE]}-n", 0, 10
        )
        for n in range(count)
    )
    return Fleet(
        "quality",
        7.0,
        tuple(Site(name, name, "", levels[n % 3], 18.0, 102.0) for n, name in enumerate(names)),
        (),
        tuple(Node(f"{name}-n", name, "", "mqtt", 1) for name in names),
        appliances,
    )


def run(
    kind: ApplianceType,
    count: int,
    days: int,
    seed: int,
    planned: list[Planned],
    *,
    outside: bool,
    grid_s: int | None = None,
) -> Iterator[Chunk]:
    """Days of minutes, one after the other. outside: every fourth appliance is beyond its design's ranges."""
    strikes = [s for s in map(strike, planned) if s is not None]
    world = World(
        fleet_of(kind, count, seed),
        seed=seed,
        start_utc_s=START_UTC_S,
        strikes=strikes,
        dt_s=grid_s or GRID_S[kind],
    )
    if outside:
        _stretch(world, seed)
    pokes = sorted(_pokes(planned), key=lambda poke: poke[0])
    probes = Probes(world, planned, seed)
    for day in range(days):
        raw = _Raw(count)
        for minute in range(MINUTES):
            t_s = day * DAY_S + minute * 60.0
            while pokes and pokes[0][0] <= t_s:
                _poke(world, *pokes.pop(0)[1:])
            world.step_to(t_s)
            raw.note(minute, world)
        at_s = day * DAY_S + 60.0 * np.arange(MINUTES, dtype=np.float64)
        yield Chunk(
            at_s,
            probes.say(0, at_s, raw.load_c),
            probes.say(1, at_s, raw.air_c),
            raw.truth_c,
            raw.ambient_c,
            raw.defrost,
            raw.mains,
            raw.door,
            raw.compressor,
        )


class _Raw:
    """One day as the world goes by; columns are those of `Chunk`, probes still without error."""

    def __init__(self, count: int) -> None:
        shape = (MINUTES, count)
        self.load_c, self.air_c, self.truth_c = np.empty(shape), np.empty(shape), np.empty(shape)
        self.ambient_c = np.empty(shape, np.float32)
        self.defrost, self.mains = np.empty(shape, np.bool_), np.empty(shape, np.bool_)
        self.door, self.compressor = np.empty(shape, np.bool_), np.empty(shape, np.bool_)

    def note(self, minute: int, world: World) -> None:
        s = world.state
        self.load_c[minute], self.air_c[minute] = s.load_probe_c, s.air_probe_c
        self.truth_c[minute] = s.load_c
        self.ambient_c[minute], self.mains[minute], self.door[minute] = world.surroundings()
        self.defrost[minute], self.compressor[minute] = s.mode != NORMAL, s.cooling


class Probes:
    """Errors of the two probes of each appliance: offset, drift, noise, steps, and their planned faults."""

    def __init__(self, world: World, planned: list[Planned], seed: int) -> None:
        c = world.constants
        self.step = np.where(c.digital, DIGITAL_STEP_K, PLATINUM_STEP_K)
        self.noise = np.where(c.digital, DIGITAL_NOISE_K, PLATINUM_NOISE_K).astype(np.float32)
        self.offset = world.offsets_k
        self.rng = np.random.default_rng([seed, 77])
        self.faults = [p for p in planned if p.kind.startswith("probe_")]
        self.held: dict[int, float] = {}

    def say(self, probe: int, at_s: Floats, lagged_c: Floats) -> Ints:
        """(T, N) thousandths. Only the load's probe fails by plan; `lagged_c` is used up."""
        n = lagged_c.shape[1]
        lagged_c += self.offset[probe]
        lagged_c += self.rng.standard_normal(lagged_c.shape, np.float32) * self.noise
        begin, end = float(at_s[0]), float(at_s[-1]) + 60.0
        acting = [p for p in self.faults if p.start_s < end and p.end_s > begin] if probe == 0 else []
        for p in acting:
            if p.kind == "probe_drift":
                age = np.clip(at_s - p.start_s, 0.0, None) * (at_s < p.end_s)
                lagged_c[:, p.rows[0]] += p.number * age / 3600.0
        lagged_c /= self.step
        np.rint(lagged_c, out=lagged_c)
        lagged_c *= self.step * 1000.0
        milli = np.rint(lagged_c).astype(np.int64)
        for p in acting:
            row, inside = p.rows[0], (at_s >= p.start_s) & (at_s < p.end_s)
            if p.kind == "probe_open":
                milli[inside, row] = round(DISCONNECTED_C * 1000)
            elif p.kind == "probe_stuck" and inside.any():
                if p.start_s > begin - 60.0:
                    self.held[row] = int(milli[np.flatnonzero(inside)[0], row])
                milli[inside, row] = self.held[row]
        assert milli.shape == (len(at_s), n)
        return milli


def _pokes(planned: list[Planned]) -> list[tuple[float, str, int, float]]:
    """(instant, kind, row, number) of what is done to the world from outside: not faults of the simulator."""
    found = []
    for p in planned:
        if p.kind == SETTING_CHANGE:
            found += [(p.start_s, p.kind, p.rows[0], p.number), (p.end_s, p.kind, p.rows[0], -p.number)]
        elif p.kind in (WARM_PLATES, FROZEN_PLATES):
            found.append((p.start_s, p.kind, p.rows[0], p.number))
    return found


def _poke(world: World, kind: str, row: int, number: float) -> None:
    if kind == SETTING_CHANGE:
        world.constants["set_point_c"][row] += number
    else:
        # Number: energy of the plates as a part of what melting takes; below 0 they are frozen hard.
        world.state.plates_j = world.state.plates_j.copy()
        world.state.plates_j[row] = number * world.latent_j[row]


def _stretch(world: World, seed: int) -> None:
    """Every fourth appliance: insulation, load and cooling a tenth beyond the ends of their ranges."""
    rng = np.random.default_rng(seed + 1)
    rows = np.arange(0, len(world.ids), 4)
    for name in ("outside_w_per_k", "load_j_per_k", "cooling_w", "door_w_per_k", "band_k"):
        column = world.constants[name]
        low, high = column.min() * 0.9, column.max() * 1.1
        column[rows] = np.where(rng.random(len(rows)) < 0.5, low, high)
    world.recompute()
