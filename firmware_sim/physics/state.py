# SPDX-License-Identifier: Apache-2.0
"""The state of a fleet, and one step of it: heat between the four nodes, and the controller that moves it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_sim.physics.constants import (
    PLATE_LATENT_J_PER_KG,
    PLATE_LIQUID_J_PER_KG_K,
    PLATE_SOLID_J_PER_KG_K,
    BoolArray,
    Constants,
)
from firmware_sim.physics.noise import FloatArray
from firmware_sim.physics.plates import plate_temperature_c

DT_S = 5
"""The grid [s]. The fastest node, air with its door open, has a time constant near 30 s: it is implicit."""
COARSEST_DT_S = 30
"""The evaporators, explicit, have time constants of 34 s (cabinets of blood) and more."""

NORMAL, HEATING, DRIPPING = 0, 1, 2
"""Modes of the defrost."""


@dataclass(slots=True)
class State:
    """One row per appliance; temperatures [°C], energies [J], times [s of the run].

    load_probe_c, air_probe_c, control_c   what the lagging probes have reached
    plates_j     energy of the plates over all-solid at the melting point
    cooling, warming   the compressor runs; the heater runs
    rested_at_s  when the compressor last stopped
    mode, mode_since_s   of the defrost; run_s   compressor time since the last one
    """

    air_c: FloatArray
    load_c: FloatArray
    wall_c: FloatArray
    evaporator_c: FloatArray
    plates_j: FloatArray
    load_probe_c: FloatArray
    air_probe_c: FloatArray
    control_c: FloatArray
    cooling: BoolArray
    warming: BoolArray
    rested_at_s: FloatArray
    mode: NDArray[np.int8]
    mode_since_s: FloatArray
    run_s: FloatArray
    battery_pct: FloatArray
    humidity_pct: FloatArray


@dataclass(frozen=True, slots=True)
class Drive:
    """What acts on the fleet during one step: surroundings [°C], door gap 0..1, power, health.

    condenser, charge   parts of the cooling power left by a warm room and by lost refrigerant
    """

    ambient_c: FloatArray
    condenser: FloatArray
    gap: FloatArray
    powered: BoolArray
    able: BoolArray
    charge: FloatArray


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Constants multiplied out once for steps of ``dt_s`` seconds."""

    dt_s: int
    air_k: FloatArray
    load_k: FloatArray
    wall_k: FloatArray
    evaporator_k: FloatArray
    plate_latent_j: FloatArray
    plate_solid: FloatArray
    plate_liquid: FloatArray
    cooling_slope: FloatArray
    lift_most_k: FloatArray
    fixed_paths: FloatArray
    defrost_in: FloatArray
    defrost_wall: FloatArray
    heats: BoolArray
    load_a: FloatArray
    air_a: FloatArray
    control_a: FloatArray

    @classmethod
    def of(cls, c: Constants, dt_s: int = DT_S) -> "Coefficients":
        kilograms = c["plates_kg"]
        lift_k = np.maximum(c["cooling_at_c"] - c["cooling_floor_c"], 1.0)
        return cls(
            dt_s=dt_s,
            air_k=dt_s / c["air_j_per_k"],
            load_k=dt_s * c["load_w_per_k"] / c["load_j_per_k"],
            wall_k=dt_s / c["wall_j_per_k"],
            evaporator_k=dt_s / c["evaporator_j_per_k"],
            plate_latent_j=kilograms * PLATE_LATENT_J_PER_KG,
            plate_solid=np.maximum(kilograms * PLATE_SOLID_J_PER_KG_K, 1.0),
            plate_liquid=np.maximum(kilograms * PLATE_LIQUID_J_PER_KG_K, 1.0),
            cooling_slope=c["cooling_w"] / lift_k,
            lift_most_k=1.15 * lift_k,
            fixed_paths=c["load_w_per_k"] + c["wall_w_per_k"] + c["plates_w_per_k"],
            defrost_in=c["defrost_w"] * (1.0 - c["defrost_wall_part"]),
            defrost_wall=c["defrost_w"] * c["defrost_wall_part"],
            heats=c["heater_w"] > 0,
            load_a=dt_s / (dt_s + c["load_lag_s"]),
            air_a=dt_s / (dt_s + c["air_lag_s"]),
            control_a=dt_s / (dt_s + c["control_lag_s"]),
        )


def plates_c(s: State, c: Constants, k: Coefficients) -> FloatArray:
    """Temperature of the plates [°C]; of no meaning where there are none."""
    return plate_temperature_c(
        s.plates_j, c["plates_melt_c"], k.plate_latent_j, k.plate_solid, k.plate_liquid
    )


def exchange_heat(s: State, c: Constants, k: Coefficients, drive: Drive) -> None:
    """Move heat for one step, air implicitly, the slower nodes by explicit Euler with the new air."""
    values = c.values
    wall_w = values["wall_w_per_k"]
    blown = drive.powered & (s.mode == NORMAL)
    evaporator_w = values["evaporator_w_per_k"] * np.where(blown, 1.0, values["still_fraction"])
    door_w = values["door_w_per_k"] * drive.gap
    plate_c = plates_c(s, c, k)
    plate_w = values["plates_w_per_k"]
    # In place, term by term: it is the longest line of the world's day, and memory is half of its cost.
    flows = values["load_w_per_k"] * s.load_c
    flows += wall_w * s.wall_c
    flows += evaporator_w * s.evaporator_c
    flows += door_w * drive.ambient_c
    flows += plate_w * plate_c
    flows += values["fan_w"] * drive.powered
    flows += values["heater_w"] * s.warming
    paths = k.fixed_paths + evaporator_w
    paths += door_w
    paths *= k.air_k
    paths += 1.0
    flows *= k.air_k
    flows += s.air_c
    flows /= paths
    air = flows
    into_evaporator = air - s.evaporator_c
    into_evaporator *= evaporator_w
    into_evaporator -= _removed_w(s, c, k, drive)
    into_wall = air - s.wall_c
    into_wall *= wall_w
    into_wall += values["outside_w_per_k"] * (drive.ambient_c - s.wall_c)
    if (s.mode == HEATING).any():
        hot = (s.mode == HEATING) & drive.powered
        into_evaporator += k.defrost_in * hot
        into_wall += k.defrost_wall * hot
    into_evaporator *= k.evaporator_k
    into_evaporator += s.evaporator_c
    into_wall *= k.wall_k
    into_wall += s.wall_c
    s.evaporator_c, s.wall_c = into_evaporator, into_wall
    s.load_c = _towards(air, s.load_c, k.load_k)
    s.plates_j = s.plates_j + k.dt_s * plate_w * (air - plate_c)
    s.air_c = air
    s.load_probe_c = _towards(s.load_c, s.load_probe_c, k.load_a)
    s.air_probe_c = _towards(air, s.air_probe_c, k.air_a)
    s.control_c = _towards(air, s.control_c, k.control_a)


def _removed_w(s: State, c: Constants, k: Coefficients, drive: Drive) -> FloatArray:
    """What the compressor takes out of the evaporator [W]."""
    lift = s.evaporator_c - c.values["cooling_floor_c"]
    np.maximum(lift, 0.0, out=lift)
    np.minimum(lift, k.lift_most_k, out=lift)
    lift *= k.cooling_slope
    lift *= drive.condenser
    lift *= drive.charge
    lift *= s.cooling
    return lift


def _towards(goal: FloatArray, now: FloatArray, part: FloatArray) -> FloatArray:
    """That part of the way from now to the goal."""
    then = goal - now
    then *= part
    then += now
    return then


def condenser_part(ambient_c: FloatArray) -> FloatArray:
    """Part of the cooling power left in a warm room: 0.8 % less per kelvin over 25 °C (an estimate)."""
    return np.clip(1.0 - 0.008 * (ambient_c - 25.0), 0.5, 1.2)


def control(s: State, c: Constants, k: Coefficients, drive: Drive, t_s: float) -> None:
    """Thermostat with dead band and rest, heater of an incubator, and the defrost that interrupts both."""
    defrosting = s.mode != NORMAL
    if defrosting.any():
        age = t_s - s.mode_since_s
        hot = (s.mode == HEATING) & (
            (s.evaporator_c >= c["defrost_end_c"]) | (age >= c["defrost_max_s"]) | ~drive.powered
        )
        dry = (s.mode == DRIPPING) & (age >= c["drip_s"])
        s.mode = np.where(hot, DRIPPING, np.where(dry, NORMAL, s.mode)).astype(np.int8)
        s.mode_since_s = np.where(hot | dry, t_s, s.mode_since_s)
        defrosting = s.mode != NORMAL
    above = s.control_c - c["set_point_c"]
    band_k = c["band_k"]
    rested = t_s - s.rested_at_s >= c["min_off_s"]
    rested &= above > band_k
    cooling = np.where(s.cooling, above > -band_k, rested)
    cooling &= drive.able
    cooling &= ~defrosting
    ends = s.cooling > cooling
    if ends.any():
        s.rested_at_s = np.where(ends, t_s, s.rested_at_s)
    s.cooling = cooling
    # The heater works below the cooling band, so that the two never fight.
    warming = above < np.where(s.warming, -1.0, -2.0) * band_k
    warming &= k.heats
    warming &= drive.powered
    s.warming = warming
    # Damp air brings frost: an open door counts tenfold.
    s.run_s = s.run_s + k.dt_s * (cooling + 10.0 * (drive.gap > 0))
