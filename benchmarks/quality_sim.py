# SPDX-License-Identifier: Apache-2.0
"""Simulated appliances with a plan of faults, as columns of minutes, and the truth they are scored by.

Seeds and ranges of evaluation are not those of tuning; every fourth appliance of an evaluation lies outside
the ranges of its design (a tenth beyond either end).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from firmware_sim.faults import Fault, FaultKind
from firmware_sim.fleet import Appliance, Fleet, Node, Site
from firmware_sim.physics.designs import ApplianceType
from firmware_sim.physics.quantities import Quantity
from firmware_sim.physics.state import NORMAL, Coefficients
from firmware_sim.physics.strikes import Strike
from firmware_sim.physics.world import World

Floats = npt.NDArray[np.float64]

START_UTC_S = 1_790_000_000.0
DAY_S = 86_400.0
PER_SITE = 8
"""Appliances on one supply."""
QUIET_DAYS = 4.0
"""Days without faults at the beginning: what is learnt is learnt here."""
TUNING_SEEDS, EVALUATION_SEEDS = range(100, 200), range(2000, 3000)

SETTING_CHANGE = "setting_change"
"""Not a fault of the simulator: the set-point is moved under way."""

PLAN: dict[str, tuple[float, float]] = {
    FaultKind.DOOR_OPEN: (8 * 60.0, 50 * 60.0),
    FaultKind.COMPRESSOR_LOST: (3 * 3600.0, 14 * 3600.0),
    FaultKind.REFRIGERANT_LOSS: (30 * 3600.0, 60 * 3600.0),
    FaultKind.MAINS_CUT: (0.5 * 3600.0, 9 * 3600.0),
    FaultKind.WARM_LOAD: (4 * 3600.0, 4 * 3600.0 + 1),
    FaultKind.PROBE_OPEN: (3600.0, 5 * 3600.0),
    FaultKind.PROBE_STUCK: (20 * 3600.0, 40 * 3600.0),
    FaultKind.PROBE_DRIFT: (30 * 3600.0, 50 * 3600.0),
    SETTING_CHANGE: (30 * 3600.0, 40 * 3600.0),
}
"""How long each lasts [s], least and most."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault of one appliance (of all on the supply, for a cut)."""

    kind: str
    start_s: float
    end_s: float
    rows: tuple[int, ...]
    number: float


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of minutes of N appliances. Arrays (T, N) [°C], NaN where a probe does not answer.

    truth_c   the hidden, noiseless temperature of the load; defrost: 1 while it heats or drips
    """

    at_s: Floats
    load_c: Floats
    air_c: Floats
    ambient_c: Floats
    truth_c: Floats
    defrost: Floats
    mains: Floats
    door: Floats
    compressor: Floats


def fleet_of(kind: ApplianceType, count: int, seed: int) -> Fleet:
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


def plan(count: int, days: float, seed: int, kinds: tuple[str, ...]) -> list[Planned]:
    """Each appliance suffers one fault every three to six days, never two at once."""
    rng = np.random.default_rng(seed)
    planned: list[Planned] = []
    free_from = np.full(count, QUIET_DAYS * DAY_S)
    lone = [k for k in kinds if k != FaultKind.MAINS_CUT]
    for first in range(0, count, PER_SITE):
        rows = tuple(range(first, min(first + PER_SITE, count)))
        at = QUIET_DAYS * DAY_S + rng.uniform(0, 3) * DAY_S
        while FaultKind.MAINS_CUT in kinds and at < days * DAY_S - 12 * 3600:
            lasts = rng.uniform(*PLAN[FaultKind.MAINS_CUT])
            planned.append(Planned(FaultKind.MAINS_CUT, at, at + lasts, rows, 0.0))
            at += rng.uniform(6, 12) * DAY_S
        cuts = [p for p in planned if p.rows == rows and p.kind == FaultKind.MAINS_CUT]
        for row in rows:
            at = float(free_from[row]) + rng.uniform(0, 3) * DAY_S
            while lone:
                kind = lone[int(rng.integers(len(lone)))]
                lasts, number = rng.uniform(*PLAN[kind]), _number(kind, rng)
                if at + lasts > days * DAY_S - 12 * 3600:
                    break
                clear = DAY_S / 2
                if all(at + lasts + clear < c.start_s or at > c.end_s + clear for c in cuts):
                    planned.append(Planned(kind, at, at + lasts, (row,), number))
                at += lasts + rng.uniform(1.5, 4) * DAY_S
    return sorted(planned, key=lambda p: p.start_s)


def _number(kind: str, rng: np.random.Generator) -> float:
    match kind:
        case FaultKind.DOOR_OPEN:
            return float(rng.uniform(0.15, 1.0))
        case FaultKind.REFRIGERANT_LOSS:
            return float(rng.uniform(0.3, 0.6))
        case FaultKind.WARM_LOAD:
            return float(rng.uniform(0.1, 0.3))
        case FaultKind.PROBE_DRIFT:
            return float(rng.choice([-1.0, 1.0]) * rng.uniform(0.05, 0.15))
        case "setting_change":
            return float(rng.choice([-1.0, 1.0]) * rng.uniform(0.6, 1.2))
        case _:
            return 0.0


_KEYS = {
    FaultKind.DOOR_OPEN: "gap",
    FaultKind.REFRIGERANT_LOSS: "part_per_day",
    FaultKind.WARM_LOAD: "part",
    FaultKind.PROBE_DRIFT: "k_per_h",
}


def _strike(p: Planned) -> Strike:
    kind = FaultKind(p.kind)
    numbers: dict[str, float | str] = {_KEYS[kind]: p.number} if kind in _KEYS else {}
    if kind is FaultKind.WARM_LOAD:
        numbers["temperature_c"] = 22.0
    if kind in (FaultKind.PROBE_DRIFT, FaultKind.PROBE_OPEN, FaultKind.PROBE_SHORT, FaultKind.PROBE_STUCK):
        numbers["quantity"] = "load"
    return Strike(Fault(kind, p.start_s, p.end_s, (), numbers=numbers), np.array(p.rows, dtype=np.intp))


def run(
    kind: ApplianceType, count: int, days: float, seed: int, planned: list[Planned], *, outside: bool
) -> Iterator[Chunk]:
    """Days of minutes, one after the other."""
    strikes = [_strike(p) for p in planned if p.kind != SETTING_CHANGE]
    world = World(fleet_of(kind, count, seed), seed=seed, start_utc_s=START_UTC_S, strikes=strikes)
    if outside:
        _stretch(world, seed)
    changes = sorted(
        [(p.start_s, p.rows[0], p.number) for p in planned if p.kind == SETTING_CHANGE]
        + [(p.end_s, p.rows[0], -p.number) for p in planned if p.kind == SETTING_CHANGE]
    )
    wanted = (
        Quantity.LOAD,
        Quantity.AIR,
        Quantity.AMBIENT,
        Quantity.MAINS,
        Quantity.DOOR,
        Quantity.COMPRESSOR,
    )
    for day in range(math.ceil(days)):
        rows: list[list[Floats]] = []
        for minute in range(1440):
            t_s = day * DAY_S + minute * 60.0
            while changes and changes[0][0] <= t_s:
                _, row, by = changes.pop(0)
                world._c["set_point_c"][row] += by
            world.step_to(t_s)
            sensed = world.sense_all()
            rows.append(
                [
                    *(sensed[:, q].copy() for q in wanted),
                    world.load_c.copy(),
                    (world.state.mode != NORMAL).astype(float),
                ]
            )
        load, air, ambient, mains, door, compressor, truth, defrost = (
            np.array([r[n] for r in rows], dtype=np.float64) for n in range(8)
        )
        at = START_UTC_S + day * DAY_S + 60.0 * np.arange(1440, dtype=np.float64)
        yield Chunk(at, load, air, ambient, truth, defrost, mains, door, compressor)


def _stretch(world: World, seed: int) -> None:
    """Every fourth appliance: insulation, load and cooling a tenth beyond the ends of their ranges."""
    rng = np.random.default_rng(seed + 1)
    rows = np.arange(0, len(world.ids), 4)
    for name in ("outside_w_per_k", "load_j_per_k", "cooling_w", "door_w_per_k", "band_k"):
        column = world._c[name]
        low, high = column.min() * 0.9, column.max() * 1.1
        column[rows] = np.where(rng.random(len(rows)) < 0.5, low, high)
    world._k = Coefficients.of(world._c)
