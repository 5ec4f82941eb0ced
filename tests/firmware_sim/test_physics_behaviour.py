# SPDX-License-Identifier: Apache-2.0
"""Each type behaves like one: cycles, defrosts, openings, pull-down and warm-up in ranges of real ones."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from cycle_measures import cycles, reversals, rises, spells, undisturbed

from firmware_sim.faults import Scenario
from firmware_sim.fleet import Fleet
from firmware_sim.physics.designs import ApplianceType
from firmware_sim.physics.measured import BLOOD_REFRIGERATOR, FREEZER, HOUSEHOLD_REFRIGERATOR, OTHER
from firmware_sim.physics.quantities import Quantity
from firmware_sim.physics.state import HEATING
from firmware_sim.physics.world import World

START = 1_790_000_000.0  # 2026-09-21 13:33:20 UTC
LIMITS_C = {  # where the load of each type loses blood: red-cells, plasma, platelets (EU)
    ApplianceType.BLOOD_REFRIGERATOR: (2.0, 6.0),
    ApplianceType.PLASMA_FREEZER: (-90.0, -25.0),
    ApplianceType.ULTRA_FREEZER: (-95.0, -65.0),
    ApplianceType.PLATELET_INCUBATOR: (20.0, 24.0),
    ApplianceType.PASSIVE_BOX: (2.0, 6.0),
    ApplianceType.ACTIVE_BOX: (2.0, 6.0),
}


def rows_of(fleet, kind):
    return [row for row, appliance in enumerate(fleet.appliances) if appliance.type is kind]


@pytest.fixture(scope="module")
def national():
    return Fleet.load()


@pytest.fixture(scope="module")
def week(national):
    """Four days of the healthy national fleet, a row every 30 s."""
    world = World(national, seed=11, start_utc_s=START)
    t_s = np.arange(0, 4 * 86_400, 30)
    names = ("load", "air", "evaporator", "running", "heating", "sensed", "door", "ambient")
    kept = {name: np.empty((len(t_s), len(world.ids)), dtype=np.float32) for name in names}
    for number, at in enumerate(t_s):
        world.step_to(float(at))
        sensed = world.sense_all() if number % 2 == 0 else None
        state = world.state
        for name, value in (
            ("load", state.load_c),
            ("air", state.air_c),
            ("evaporator", state.evaporator_c),
            ("running", state.cooling),
            ("heating", state.mode == HEATING),
        ):
            kept[name][number] = value
        if sensed is not None:
            for name, quantity in (
                ("sensed", Quantity.AIR),
                ("door", Quantity.DOOR),
                ("ambient", Quantity.AMBIENT),
            ):
                kept[name][number] = sensed[:, quantity]
    return SimpleNamespace(t_s=t_s.astype(float), **kept)


def quiet_cycles(week, row):
    """Whole cycles far from defrosts; openings are left in, like the record's few."""
    defrosts = week.t_s[rises(week.heating[:, row])]
    opened = week.t_s[::2][rises(week.door[::2, row])]
    return cycles(week.t_s, week.running[:, row], undisturbed(week.t_s, defrosts, opened))


def test_a_healthy_fleet_loses_nothing(week, national):
    for kind, (low, high) in LIMITS_C.items():
        load = week.load[:, rows_of(national, kind)]
        assert low < load.min(), kind
        assert load.max() < high, kind


def test_blood_refrigerators_cycle_like_the_record(week, national):
    m = BLOOD_REFRIGERATOR
    period, share, evaporator, load, air = [], [], [], [], []
    for row in rows_of(national, ApplianceType.BLOOD_REFRIGERATOR):
        for c in quiet_cycles(week, row):
            period.append(week.t_s[c.stop] - week.t_s[c.start])
            share.append(week.running[c, row].mean())
            evaporator.append(np.ptp(week.evaporator[c, row]))
            load.append(np.ptp(week.load[c, row]))
            air.append(np.ptp(week.air[c, row]))
    assert len(period) > 10_000
    assert m["period"].holds(np.median(period), margin=0.15)
    assert m["share"].holds(np.median(share), margin=0.2)
    assert m["evaporator_swing"].holds(np.median(evaporator))
    # The record's product probe is slower than air and faster than a bag: it must lie between the two.
    assert np.median(load) < m["product_swing"].high < np.median(air)
    assert max(period) / 60 < HOUSEHOLD_REFRIGERATOR["period"].low
    everything = week.running[:, rows_of(national, ApplianceType.BLOOD_REFRIGERATOR)].mean()
    assert m["share_all"].holds(everything, margin=0.2)


def test_blood_refrigerators_defrost_like_the_record(week, national):
    m = BLOOD_REFRIGERATOR
    air_rise, load_rise, evaporator_rise, heating, every = [], [], [], [], []
    for row in rows_of(national, ApplianceType.BLOOD_REFRIGERATOR):
        begins = rises(week.heating[:, row])
        every += list(np.diff(week.t_s[begins]) / 3600)
        heating += [(s.stop - s.start) / 2 for s in spells(week.heating[:, row] > 0)]
        for at in begins[1:-1]:
            before = slice(at - 120, at)
            air_rise.append(week.air[at : at + 60, row].max() - np.median(week.air[before, row]))
            load_rise.append(week.load[at : at + 60, row].max() - week.load[at, row])
            evaporator_rise.append(
                week.evaporator[at : at + 30, row].max() - np.median(week.evaporator[before, row])
            )
    assert m["defrost_every"].low < np.median(every) < m["defrost_every"].high
    assert np.ptp(every) < 0.05  # by the clock
    assert m["defrost_heating"].holds(np.median(heating), margin=0.1)
    assert m["defrost_product_rise"].holds(np.median(air_rise))
    assert m["defrost_evaporator_rise"].holds(np.median(evaporator_rise), margin=0.25)
    assert np.median(load_rise) < 0.5  # bags hardly feel it


def test_plasma_freezers_cycle_and_defrost_like_the_record(week, national):
    m = FREEZER
    period, swing, share, warm, peak, every = [], [], [], [], [], []
    for row in rows_of(national, ApplianceType.PLASMA_FREEZER):
        air = week.sensed[::2, row]
        middle = np.median(air)
        minute = week.t_s[::2]
        defrosts = minute[rises(week.heating[::2, row])]
        quiet = undisturbed(minute, defrosts, minute[rises(week.door[::2, row])])
        turns = reversals(air, 0.7)
        troughs = [place for sign, place in turns if sign < 0]
        pairs = [(a, b) for a, b in pairwise(troughs) if quiet[a:b].all()]
        period += [b - a for a, b in pairs]
        swing += [np.ptp(air[a:b]) for a, b in pairs]
        share += [week.running[2 * a : 2 * b, row].mean() for a, b in pairs]
        every += list(np.diff(defrosts) / 3600)
        for at in rises(week.heating[::2, row]):
            after = air[at : at + 180]
            if len(after) == 180:
                warm.append(np.count_nonzero(after > middle + 4.5))
                peak.append(after.max() - middle)
    assert m["period"].holds(np.median(period), margin=0.2)
    assert m["swing"].holds(np.median(swing), margin=0.1)
    assert m["share"].holds(np.median(share), margin=0.2)
    assert m["defrost_warm"].holds(np.median(warm), margin=0.15)
    assert m["defrost_peak"].holds(np.median(peak))
    assert m["defrost_every"].holds(np.median(every), margin=0.1)
    assert np.ptp(every) > 5  # by running time: no clock


def test_an_opening_shows_in_a_freezers_air_for_minutes(national):
    """One usual opening of half a minute to a minute, in the night."""
    night = START - START % 86_400 + 17 * 3600  # midnight in Vientiane
    fault = {"kind": "door_open", "start_s": 600, "duration_s": 45}
    freezers = [a for a in national.appliances if a.type is ApplianceType.PLASMA_FREEZER]
    faults = [{**fault, "target": {"appliance": a.id}} for a in freezers]
    world = World(national, Scenario.of({"fault": faults}).resolve(national, 1), seed=3, start_utc_s=night)
    rows = rows_of(national, ApplianceType.PLASMA_FREEZER)
    air = []
    for minute in range(45):
        world.step_to(60.0 * minute)
        air.append(world.sense_all()[rows, Quantity.AIR])
    series = np.array(air)
    calm = (series[:10].max(axis=0) - series[:10].min(axis=0)) < 5  # no defrost under way
    warm = np.count_nonzero(series[10:30, calm] > np.median(series[:10, calm], axis=0) + 4.5, axis=0)
    assert FREEZER["opening_warm"].holds(np.median(warm))


def test_ultra_freezers_and_incubators_cycle(week, national):
    for kind, least, most in (
        (ApplianceType.ULTRA_FREEZER, 8, 30),  # minutes; general knowledge: cascades run half to two thirds
        (ApplianceType.PLATELET_INCUBATOR, 5, 30),
        (ApplianceType.ACTIVE_BOX, 5, 30),
    ):
        periods = [
            (week.t_s[c.stop] - week.t_s[c.start]) / 60
            for row in rows_of(national, kind)
            for c in quiet_cycles(week, row)
        ]
        assert least < np.median(periods) < most, kind
    assert 0.4 < week.running[:, rows_of(national, ApplianceType.ULTRA_FREEZER)].mean() < 0.75


def test_rooms_swing_with_the_day(week, national):
    fixed = [row for row, appliance in enumerate(national.appliances) if not appliance.mobile]
    ambient = week.ambient[::2, fixed]
    hours = ((START + week.t_s[::2]) / 3600 + 7) % 24
    afternoon = ambient[(hours > 14) & (hours < 16)].mean(axis=0)
    night = ambient[(hours > 2) & (hours < 4)].mean(axis=0)
    assert np.all(afternoon > night + 1)
    assert 19 < ambient.min() < ambient.max() < 36


def without_power(national, hours):
    """The loads before the mains fail everywhere, (minutes, N) after it, and the World at the end."""
    cuts = [{"kind": "mains_cut", "target": {"site": site.id}, "start_s": 0} for site in national.sites]
    world = World(national, Scenario.of({"fault": cuts}).resolve(national, 1), seed=5, start_utc_s=START)
    before, load = world.load_c.copy(), []
    for minute in range(hours * 60):
        world.step_to(60.0 * minute)
        load.append(world.load_c)
    return before, np.array(load), world


def test_hold_over_without_power(national):
    before, load, world = without_power(national, 20)
    rows = rows_of(national, ApplianceType.BLOOD_REFRIGERATOR)
    two_kelvin = np.argmax(load[:, rows] > before[rows] + 2, axis=0) / 60
    assert OTHER["water_2k_without_power"].holds(np.median(two_kelvin))
    for kind, least_h in (
        (ApplianceType.PLASMA_FREEZER, 3),
        (ApplianceType.ULTRA_FREEZER, 6),
        (ApplianceType.ACTIVE_BOX, 12),  # its battery
    ):
        mine = rows_of(national, kind)
        assert np.all(load[least_h * 60, mine] < LIMITS_C[kind][1]), kind
    fixed = [row for row, appliance in enumerate(national.appliances) if not appliance.mobile]
    cold = [row for row in fixed if national.appliances[row].type is not ApplianceType.PLATELET_INCUBATOR]
    assert np.all(np.diff(load[60:, cold], axis=0) > -0.02)  # nothing pulls down any more
    sensed = world.sense_all()
    assert np.all(sensed[fixed, Quantity.MAINS] == 0)
    assert np.all(sensed[fixed, Quantity.COMPRESSOR] == 0)
    assert np.all(sensed[fixed, Quantity.CONTROLLER_ALARM] == 4)
    assert np.all(sensed[fixed, Quantity.BATTERY] < 70)


def test_pull_down(national):
    """Switched on warm and nearly empty: minutes for refrigerators, hours for -80 freezers."""
    world = World(national, seed=5, start_utc_s=START, stocked=0.05)
    state = world.state
    for name in ("air_c", "load_c", "wall_c", "evaporator_c", "load_probe_c", "air_probe_c", "control_c"):
        getattr(state, name)[:] = 25.0
    state.run_s[:] = 0.0
    reached = np.full(len(world.ids), np.nan)
    target = np.array([a.type for a in national.appliances])
    aim = world.sense_all()[:, Quantity.SET_POINT] + 1.0
    for minute in range(30 * 60):
        world.step_to(60.0 * minute)
        reached = np.where(np.isnan(reached) & (world.air_c < aim), minute / 60, reached)
    assert (
        np.median(reached[target == ApplianceType.BLOOD_REFRIGERATOR]) < 2.5
    )  # tender specification: 150 min
    assert 3 < np.median(reached[target == ApplianceType.PLASMA_FREEZER]) < 24
    assert OTHER["ultra_pull_down"].holds(np.median(reached[target == ApplianceType.ULTRA_FREEZER]))
    assert np.median(reached[target == ApplianceType.ACTIVE_BOX]) < 3


def test_a_passive_box_holds_on_its_plates(national):
    """From packing to all melted, drawn on from what a day has melted."""
    morning = START - START % 86_400 + 23 * 3600  # 06:00 in Vientiane
    boxes = national.only(tuple(a for a in national.appliances if a.type is ApplianceType.PASSIVE_BOX))
    world = World(boxes, seed=5, start_utc_s=morning + 3600)
    rows = rows_of(boxes, ApplianceType.PASSIVE_BOX)
    begin = world.state.plates_j[rows].copy()
    plates_begin = world.plates_c()[rows]
    world.step_to(20 * 3600.0)
    melted = (world.state.plates_j[rows] - begin) / (190e3 * world._c["plates_kg"][rows])
    assert np.allclose(world.plates_c()[rows], plates_begin)  # still melting: no warmer
    assert np.all(world.load_c[rows] < 6.0)
    assert OTHER["passive_hold"].holds(np.median(20 / melted))


def test_a_district_is_warmer_and_works_harder(week, national):
    levels = {site.id: site.level for site in national.sites}
    rows = rows_of(national, ApplianceType.BLOOD_REFRIGERATOR)
    share = {
        level: week.running[:, [r for r in rows if levels[national.appliances[r].site] == level]].mean()
        for level in ("central", "district")
    }
    assert share["district"] > share["central"] + 0.03
