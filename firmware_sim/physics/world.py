# SPDX-License-Identifier: Apache-2.0
"""A fleet of appliances, stepped together on a fixed grid, of 5 s unless told.

    world = World(fleet, schedule, seed=1, start_utc_s=..., begin_s=-1200)
    world.step_to(60.0)
    world.sense(0)["load"]

Time is seconds after the start of the run and may be negative. The same fleet, schedule, seed and
``start_utc_s`` give the same bits, however the calls of `step_to` are cut. The World begins in cyclic
steady state: it lives `WARM_UP_S` before ``begin_s``, hidden.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from firmware_sim.faults import Schedule
from firmware_sim.fleet import Fleet
from firmware_sim.physics import constants, probes
from firmware_sim.physics.constants import BoolArray, Constants
from firmware_sim.physics.designs import ApplianceType
from firmware_sim.physics.noise import FloatArray, key_of, uniform
from firmware_sim.physics.quantities import OFFERS, Quantity
from firmware_sim.physics.state import (
    COARSEST_DT_S,
    DT_S,
    HEATING,
    NORMAL,
    Coefficients,
    Drive,
    State,
    condenser_part,
    control,
    exchange_heat,
    plates_c,
)
from firmware_sim.physics.strikes import Strike, Strikes, Suffering
from firmware_sim.physics.surroundings import DAY_S, SLOT_S, Room, Surroundings

WARM_UP_S = 8 * 3600
"""Longer than any cycle and most loads' time constants; loads begin at their mean anyway."""
_ALARM_MINUTES = 10
_DOOR_ALARM_MINUTES = 3  # whole minutes seen open: more than two minutes
_QUIET_AFTER_DEFROST_S = 3600.0
_BATTERY_FLOOR_PCT = 5.0
_CHARGE_PCT_PER_H = 12.0
_PROBE_OF = {0: Quantity.LOAD, 1: Quantity.AIR}
_LANE_PHASE, _LANE_RUN, _LANE_PACKED, _LANE_DAMP = 300, 301, 302, 303


class World:
    """The physics of a fleet. ``ids`` names the rows.

    ``load_c`` and ``air_c`` are the hidden, noiseless truth [°C]; nodes must use `sense`.
    """

    def __init__(  # noqa: PLR0913
        self,
        fleet: Fleet,
        schedule: Schedule | None = None,
        *,
        seed: int,
        start_utc_s: float,
        begin_s: float = 0.0,
        warm_up_s: float = WARM_UP_S,
        stocked: float = 1.0,
        strikes: Sequence[Strike] | None = None,
        dt_s: int = DT_S,
    ) -> None:
        """``stocked``: how full the cabinets are, 1 the usual load, near 0 empty.

        ``dt_s``: the grid [s], a part of a minute; a coarser one is for judging many appliance-years,
        and looks at its rooms every ten minutes.

        ``strikes`` replaces the schedule, by row: a fleet may then hold one appliance many times.
        """
        assert 60 % dt_s == 0, dt_s
        assert dt_s <= COARSEST_DT_S, dt_s
        self._dt_s, self._ticks_a_minute = dt_s, 60 // dt_s
        self._fine = dt_s <= DT_S
        appliances, sites = fleet.appliances, fleet.sites
        if strikes is None:
            rows_of = {appliance.id: row for row, appliance in enumerate(appliances)}
            strikes = [
                Strike(fault, np.array([rows_of[n] for n in fault.appliances if n in rows_of], dtype=np.intp))
                for fault in (schedule or Schedule()).physics
            ]
        self.ids = tuple(appliance.id for appliance in appliances)
        rows = len(appliances)
        keys = np.array([key_of(seed, name) for name in self.ids], dtype=np.uint64)
        self._c = constants.draw([appliance.type for appliance in appliances], keys)
        for name in ("load_j_per_k", "load_w_per_k"):
            self._c.values[name] = self._c[name] * max(stocked, 0.01)
        self._k = Coefficients.of(self._c, dt_s)
        self._utc_offset_s = fleet.utc_offset_h * 3600
        self._start_utc_s = float(start_utc_s)
        order = {site.id: number for number, site in enumerate(sites)}
        rooms = [Room.of(site.id, site.level, seed) for site in sites]
        self._around = Surroundings.of(
            rooms, [order[a.site] for a in appliances], self._c, self._utc_offset_s
        )
        self._strikes = Strikes(strikes, rows)
        self._suffering = Suffering.none(rows)
        self._held_c = np.zeros((2, rows))
        self._error_k = np.stack([probes.offsets_k(self._c, probe) for probe in (0, 1)])
        self._offered = np.zeros((rows, len(Quantity)), dtype=bool)
        for row, appliance in enumerate(appliances):
            self._offered[row, [offer.quantity for offer in OFFERS[appliance.type]]] = True
        self._damp_pct = 40.0 + 20.0 * uniform(self._c.keys, _LANE_DAMP, 0)
        self._active = self._c.of_type(ApplianceType.ACTIVE_BOX)
        self._packs = self._c.of_type(ApplianceType.PASSIVE_BOX)
        self._minutes_high = np.zeros(rows)
        self._minutes_low = np.zeros(rows)
        self._minutes_open = np.zeros(rows)
        self._sensed: tuple[int, FloatArray] | None = None
        self._watchers: list[tuple[int, Callable[[], None]]] = []
        self._begin(begin_s, warm_up_s)

    def _begin(self, begin_s: float, warm_up_s: float) -> None:
        self._tick = math.floor((begin_s - warm_up_s) / self._dt_s)
        self._slot: int | None = None
        c, rows, utc_s = self._c, len(self.ids), self._utc_s
        self._around.minute(utc_s)
        self._condenser = condenser_part(self._around.ambient_c)
        phase = uniform(c.keys, _LANE_PHASE, 0)
        every = c["defrost_every_s"]
        self._clocked = (every > 0) & ~c.by_run
        self._every_s = np.where(self._clocked, every, np.inf)
        self._phase_s = phase * np.where(self._clocked, every, 0.0)
        self._period = self._period_number(utc_s)
        # Packed between 05:30 and 06:30 local time.
        self._packed_at_s = (5.5 + uniform(c.keys, _LANE_PACKED, 0)) * 3600
        self._packing = self._packing_number(utc_s)
        self._defrosted_at_s = np.full(rows, -np.inf)
        self.state = self._steady(rows)
        self._refresh(-math.inf, self.now_s)
        self.step_to(begin_s)

    def _steady(self, rows: int) -> State:
        c = self._c
        target = np.where(self._packs, c["plates_melt_c"] + 0.7, c["set_point_c"])
        wall_w, outside_w = c["wall_w_per_k"], c["outside_w_per_k"]
        wall = (wall_w * target + outside_w * self._around.ambient_c) / (wall_w + outside_w)
        run = uniform(c.keys, _LANE_RUN, 0) * c["defrost_every_s"]
        return State(
            air_c=target.copy(), load_c=target.copy(), wall_c=wall, evaporator_c=target - 3.0,
            plates_j=0.2 * self._k.plate_latent_j,
            load_probe_c=target.copy(), air_probe_c=target.copy(), control_c=target.copy(),
            cooling=np.zeros(rows, dtype=bool), warming=np.zeros(rows, dtype=bool),
            rested_at_s=np.full(rows, -np.inf),
            mode=np.zeros(rows, dtype=np.int8), mode_since_s=np.full(rows, -np.inf), run_s=run,
            battery_pct=np.full(rows, 100.0), humidity_pct=np.full(rows, 50.0),
        )  # fmt: skip

    @property
    def now_s(self) -> float:
        """The instant on the grid that the state belongs to [s after the start]."""
        return float(self._tick * self._dt_s)

    @property
    def load_c(self) -> FloatArray:
        return self.state.load_c

    @property
    def air_c(self) -> FloatArray:
        return self.state.air_c

    @property
    def constants(self) -> Constants:
        """What each appliance is made of. Whoever changes them calls `recompute`, but for the set-point."""
        return self._c

    @property
    def offsets_k(self) -> FloatArray:
        """(2, N) constant error of the load's and the air's probe [K]."""
        return self._error_k

    @property
    def latent_j(self) -> FloatArray:
        """(N,) energy that melts all plates [J]."""
        return self._k.plate_latent_j

    def recompute(self) -> None:
        """Take changed constants into use."""
        self._k = Coefficients.of(self._c, self._dt_s)

    def surroundings(self) -> tuple[FloatArray, BoolArray, BoolArray]:
        """(room [°C], mains present, door open) now."""
        gap = np.maximum(self._suffering.gap, self._around.door_open(self._utc_s))
        return self._around.ambient_c, self._suffering.grid & ~self._around.away, gap > 0

    @property
    def _utc_s(self) -> float:
        return self._start_utc_s + self._tick * self._dt_s

    def step_to(self, sim_time_s: float) -> None:
        """Advance to the last grid point at or before ``sim_time_s``; earlier times change nothing."""
        last = math.floor(sim_time_s / self._dt_s)
        while self._tick < last:
            self._step()

    def watch(self, every_s: int, look: Callable[[], None]) -> None:
        """Call ``look`` whenever the World reaches a multiple of ``every_s``, whoever steps it."""
        assert every_s % self._dt_s == 0, every_s
        self._watchers.append((every_s // self._dt_s, look))

    def sense(self, row: int, *, first_conversion: bool = False) -> dict[str, float]:
        """What one appliance's channels report now, by `Quantity.word`; NaN where a probe does not answer.

        ``first_conversion``: the node has just started, digital probes hold their power-on value.
        """
        values = self.sense_all()[row]
        sensed = {
            quantity.word: float(values[quantity]) for quantity in Quantity if self._offered[row, quantity]
        }
        if first_conversion and self._c.digital[row]:
            for probe, quantity in _PROBE_OF.items():
                if self._suffering.probe_state[probe, row] < probes.ProbeState.SHORT:
                    sensed[quantity.word] = probes.POWER_ON_C
        return sensed

    def sense_all(self) -> FloatArray:
        """(N, Q) what every channel reports now, columns by `Quantity`; NaN where there is none or no answer.

        Do not write into the result: it is kept until the next step.
        """
        if self._sensed is None or self._sensed[0] != self._tick:
            values = np.where(self._offered, self._all_channels(), np.nan)
            values.flags.writeable = False
            self._sensed = (self._tick, values)
        return self._sensed[1]

    def offered(self) -> NDArray[np.bool_]:
        """(N, Q) which channels exist."""
        return self._offered.copy()

    # -- one step ------------------------------------------------------------------------------------

    def _step(self) -> None:
        before_s = self.now_s
        self._tick += 1
        now_s, utc_s = self.now_s, self._utc_s
        minute = self._tick % self._ticks_a_minute == 0
        if self._strikes.due(before_s, now_s, minute=minute):
            self._refresh(before_s, now_s)
        slot = math.floor(utc_s / SLOT_S)
        if slot != self._slot:
            self._new_slot(slot, utc_s)
        if minute and (self._fine or self._tick % (10 * self._ticks_a_minute) == 0):
            self._around.minute(utc_s)
            self._condenser = condenser_part(self._around.ambient_c)
        drive = self._drive(utc_s)
        if minute:
            self._each_minute(drive, utc_s, now_s)
        control(self.state, self._c, self._k, drive, now_s)
        exchange_heat(self.state, self._c, self._k, drive)
        for every, look in self._watchers:
            if self._tick % every == 0:
                look()

    def _drive(self, utc_s: float) -> Drive:
        hurt = self._suffering
        gap = np.maximum(hurt.gap, self._around.door_open(utc_s))
        mains = hurt.grid & ~self._around.away
        powered = mains | (self._active & (self.state.battery_pct > _BATTERY_FLOOR_PCT))
        able = powered & ~hurt.lost
        return Drive(self._around.ambient_c, self._condenser, gap, powered, able, hurt.charge)

    def _refresh(self, before_s: float, now_s: float) -> None:
        was = self._suffering.probe_state
        self._suffering = self._strikes.at(before_s, now_s)
        state = self._suffering.probe_state
        for probe in _PROBE_OF:
            newly = (state[probe] == probes.ProbeState.STUCK) & (was[probe] != probes.ProbeState.STUCK)
            if newly.any():
                sound = np.zeros_like(state[probe])
                self._held_c[probe] = np.where(newly, self._reported(probe, sound), self._held_c[probe])
        for rows, part, temperature_c in self._suffering.warmed:
            self.state.load_c[rows] += part * (temperature_c - self.state.load_c[rows])

    def _new_slot(self, slot: int, utc_s: float) -> None:
        self._slot = slot
        self._around.slot(utc_s)
        # A box of bags brought in: 0.4..1.2 % of the load, 40 % of the way to the room's temperature.
        part = self._around.restock * (0.004 + 0.008 * uniform(self._c.keys, _LANE_RUN, slot))
        self.state.load_c = self.state.load_c + part * 0.4 * (self._around.ambient_c - self.state.load_c)

    def _each_minute(self, drive: Drive, utc_s: float, now_s: float) -> None:
        self._start_defrosts(drive, utc_s, now_s)
        self._pack_boxes(utc_s)
        self._run_batteries(drive)
        s, c = self.state, self._c
        aim = np.where(drive.gap > 0, 80.0, self._damp_pct)
        s.humidity_pct = s.humidity_pct + np.where(drive.gap > 0, 0.5, 0.08) * (aim - s.humidity_pct)
        self._defrosted_at_s = np.where(s.mode == NORMAL, self._defrosted_at_s, now_s)
        loud = now_s - self._defrosted_at_s > _QUIET_AFTER_DEFROST_S
        self._minutes_high = np.where(loud & (s.control_c > c["alarm_high_c"]), self._minutes_high + 1, 0.0)
        self._minutes_low = np.where(s.control_c < c["alarm_low_c"], self._minutes_low + 1, 0.0)
        self._minutes_open = np.where(drive.gap > 0, self._minutes_open + 1, 0.0)

    def _start_defrosts(self, drive: Drive, utc_s: float, now_s: float) -> None:
        s, c = self.state, self._c
        period = self._period_number(utc_s)
        by_clock = self._clocked & (period > self._period)
        self._period = period
        by_run = c.by_run & (s.run_s >= c["defrost_every_s"])
        start = (by_clock | by_run) & drive.powered & (s.mode == NORMAL)
        s.mode = np.where(start, HEATING, s.mode).astype(np.int8)
        s.mode_since_s = np.where(start, now_s, s.mode_since_s)
        s.run_s = np.where(start, 0.0, s.run_s)

    def _pack_boxes(self, utc_s: float) -> None:
        number = self._packing_number(utc_s)
        packed = self._packs & (number > self._packing)
        self._packing = number
        if not packed.any():
            return
        s, fresh = self.state, self._c["plates_melt_c"]
        s.plates_j = np.where(packed, 0.0, s.plates_j)
        s.load_c = np.where(packed, fresh + 0.5, s.load_c)
        s.battery_pct = np.where(packed, 100.0, s.battery_pct)

    def _run_batteries(self, drive: Drive) -> None:
        s, c = self.state, self._c
        mains = self._suffering.grid & ~self._around.away & ~self._packs
        watts = c["draw_w"] * np.where(self._active, s.cooling + 0.05, 1.0)
        drained = 100.0 * watts / 60 / c["battery_wh"]
        change = np.where(mains, _CHARGE_PCT_PER_H / 60, -drained)
        s.battery_pct = np.clip(s.battery_pct + change, 0.0, 100.0)

    def _period_number(self, utc_s: float) -> FloatArray:
        return np.floor((utc_s + self._phase_s) / self._every_s)

    def _packing_number(self, utc_s: float) -> FloatArray:
        return np.floor((utc_s + self._utc_offset_s - self._packed_at_s) / DAY_S)

    # -- looking at it ---------------------------------------------------------------------------------

    def _reported(self, probe: int, state: NDArray[np.int8]) -> FloatArray:
        lagged = self.state.load_probe_c if probe == 0 else self.state.air_probe_c
        error = self._error_k[probe] + self._suffering.drift_k[probe]
        return probes.reported_c(self._c, probe, self._tick, lagged, error, state, self._held_c[probe])

    def _all_channels(self) -> FloatArray:
        s, c, hurt = self.state, self._c, self._suffering
        gap = np.maximum(hurt.gap, self._around.door_open(self._utc_s))
        mains = hurt.grid & ~self._around.away
        values = np.empty((len(self.ids), len(Quantity)))
        for probe, quantity in _PROBE_OF.items():
            values[:, quantity] = self._reported(probe, hurt.probe_state[probe])
        values[:, Quantity.DOOR] = gap > 0
        values[:, Quantity.MAINS] = mains
        values[:, Quantity.BATTERY] = np.rint(s.battery_pct)
        values[:, Quantity.AMBIENT] = np.rint(self._around.ambient_c * 10) / 10
        values[:, Quantity.HUMIDITY] = np.rint(s.humidity_pct)
        values[:, Quantity.COMPRESSOR] = s.cooling
        values[:, Quantity.AGITATOR] = c.agitator & ~hurt.agitator_stopped & mains & (gap == 0)
        values[:, Quantity.SET_POINT] = np.rint(c["set_point_c"] * 10) / 10
        values[:, Quantity.CONTROLLER_ALARM] = self._own_alarm(mains)
        return values

    def _own_alarm(self, mains: BoolArray) -> FloatArray:
        """0 none, 1 high, 2 low, 3 door, 4 power, 5 sensor; the worst: sensor, power, high, low, door."""
        broken = self._suffering.probe_state[1] >= probes.ProbeState.SHORT
        standing = [
            broken,
            ~mains & ~self._active,
            self._minutes_high >= _ALARM_MINUTES,
            self._minutes_low >= _ALARM_MINUTES,
            self._minutes_open >= _DOOR_ALARM_MINUTES,
        ]
        return np.select(standing, [5.0, 4.0, 1.0, 2.0, 3.0], 0.0)

    def plates_c(self) -> FloatArray:
        """Temperature of the plates of boxes [°C], NaN elsewhere."""
        return np.where(self._packs, plates_c(self.state, self._c, self._k), np.nan)
