# SPDX-License-Identifier: Apache-2.0
"""A World repeats itself bit for bit, and its probes fail as real ones do."""

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.faults import Scenario
from firmware_sim.fleet import Fleet
from firmware_sim.physics import noise
from firmware_sim.physics.plates import plate_temperature_c
from firmware_sim.physics.prepare import prepare
from firmware_sim.physics.quantities import OFFERS, Quantity
from firmware_sim.physics.world import World

START = 1_790_000_000.0
HOUR = 3600.0


def digest(world):
    state = world.state
    h = hashlib.sha256()
    for name in type(state).__dataclass_fields__:
        h.update(getattr(state, name).tobytes())
    h.update(world.sense_all().tobytes())
    return h.hexdigest()


def scenario_of(*faults):
    return Scenario.of({"name": "test", "fault": list(faults)})


def world_with(fleet, *faults, seed=1, **more):
    schedule = scenario_of(*faults).resolve(fleet, seed)
    assert not schedule.unmatched
    return World(fleet, schedule, seed=seed, start_utc_s=START, **more)


def test_the_same_seed_gives_the_same_run_bit_for_bit():
    runs = []
    for _ in range(2):
        fleet = Fleet.load()
        ready = prepare(fleet, Scenario.load(), seed=7, start_utc_s=START, begin_s=-1200)
        trail = []
        for minute in range(-20, 10):
            ready.world.step_to(60.0 * minute)
            trail.append(digest(ready.world))
        runs.append((ready.schedule, trail))
    assert runs[0] == runs[1]
    assert len(set(runs[0][1])) == 30


def test_another_seed_or_start_gives_another_run():
    fleet = Fleet.small(6)
    one = World(fleet, seed=1, start_utc_s=START)
    assert digest(one) != digest(World(fleet, seed=2, start_utc_s=START))
    assert digest(one) != digest(World(fleet, seed=1, start_utc_s=START + HOUR))


STORM = (
    {"kind": "probe_stuck", "target": {"type": "plasma-freezer"}, "start_s": 303.3},
    {"kind": "probe_drift", "target": {"type": "platelet-incubator"}, "start_s": -50, "k_per_h": 6.0},
    {"kind": "warm_load", "target": {"type": "blood-refrigerator"}, "start_s": 97},
    {"kind": "refrigerant_loss", "target": {"type": "ultra-freezer"}, "start_s": -9e5, "part_per_day": 0.05},
    {"kind": "mains_cut", "target": {"site": "vte"}, "start_s": 311, "duration_s": 400},
)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.floats(0, 900), max_size=6))
def test_how_the_steps_are_cut_does_not_matter(cuts):
    fleet = Fleet.small(12)
    whole = world_with(fleet, *STORM, warm_up_s=600)
    whole.step_to(900.0)
    pieces = world_with(fleet, *STORM, warm_up_s=600)
    for cut in sorted(cuts):
        pieces.step_to(cut)
        pieces.sense_all()
    pieces.step_to(900.0)
    assert digest(pieces) == digest(whole)


def test_an_appliance_is_the_same_in_every_fleet():
    small, large = Fleet.small(3), Fleet.small(40)
    few = World(small, seed=4, start_utc_s=START, warm_up_s=HOUR)
    many = World(large, seed=4, start_utc_s=START, warm_up_s=HOUR)
    for row, appliance in enumerate(small.appliances):
        np.testing.assert_equal(few.sense(row), many.sense(large.index(appliance.id)))


def test_an_empty_fleet_is_a_world_too():
    world = World(Fleet.small(0), seed=1, start_utc_s=START)
    world.step_to(600.0)
    assert world.sense_all().shape == (0, len(Quantity))


def test_a_day_of_the_nation_begins_in_steady_state():
    """No trend after the hidden warm-up: the first hour's mean is like the fourth's."""
    fleet = Fleet.load()
    world = World(fleet, seed=2, start_utc_s=START)
    fixed = [row for row, appliance in enumerate(fleet.appliances) if not appliance.mobile]
    hours = []
    for hour in range(4):
        rows = []
        for minute in range(0, 60, 5):
            world.step_to(hour * HOUR + minute * 60.0)
            rows.append(world.load_c[fixed])
        hours.append(np.mean(rows, axis=0))
    assert np.median(np.abs(hours[3] - hours[0])) < 0.25
    assert world.state.cooling.any()
    assert not world.state.cooling.all()


def test_each_type_offers_its_channels_and_no_more():
    fleet = Fleet.small(12)
    world = World(fleet, seed=1, start_utc_s=START, warm_up_s=HOUR)
    table = world.sense_all()
    for row, appliance in enumerate(fleet.appliances):
        offered = {offer.quantity for offer in OFFERS[appliance.type]}
        assert set(world.sense(row)) == {quantity.word for quantity in offered}
        for quantity in Quantity:
            assert math.isnan(table[row, quantity]) == (quantity not in offered)


BR = {"type": "blood-refrigerator", "nth": 0}
PF = {"type": "plasma-freezer", "nth": 0}


def after(fleet, fault, at_s=300.0):
    world = world_with(fleet, fault, warm_up_s=2 * HOUR)
    world.step_to(at_s)
    row = fleet.index(scenario_of(fault).resolve(fleet, 1).faults[0].appliances[0])
    return world, row


@pytest.mark.parametrize(
    ("kind", "target", "quantity", "value"),
    [
        ("probe_open", BR, "load", -127.0),
        ("probe_open", PF, "air", -127.0),
        ("probe_short", BR, "load", math.nan),
        ("probe_short", PF, "load", -242.02),
    ],
)
def test_a_broken_probe_gives_its_code_and_leaves_its_twin_alone(kind, target, quantity, value):
    fleet = Fleet.small(6)
    world, row = after(fleet, {"kind": kind, "target": target, "start_s": 200, "quantity": quantity})
    sensed = world.sense(row)
    np.testing.assert_equal(sensed[quantity], value)
    twin = "air" if quantity == "load" else "load"
    assert -45 < sensed[twin] < 20
    assert (sensed["controller-alarm"] == 5) == (quantity == "air")  # its own control hangs on the air
    others = [r for r in range(len(fleet.appliances)) if r != row]
    assert np.all(world.sense_all()[others, Quantity.LOAD] > -100)


def test_a_stuck_probe_repeats_itself_and_the_truth_moves_on():
    fleet = Fleet.small(6)
    world, row = after(fleet, {"kind": "probe_stuck", "target": BR, "quantity": "air", "start_s": 200})
    held = world.sense(row)["air"]
    seen, true = set(), set()
    for minute in range(6, 60):
        world.step_to(60.0 * minute)
        seen.add(world.sense(row)["air"])
        true.add(round(world.air_c[row], 1))
    assert seen == {held}
    assert len(true) > 5


def test_a_drifting_probe_drifts_at_its_rate():
    fleet = Fleet.small(6)
    drift = {"kind": "probe_drift", "target": BR, "k_per_h": 1.5, "start_s": 0}
    world, row = after(fleet, drift, at_s=4 * HOUR)
    sound = World(fleet, seed=1, start_utc_s=START, warm_up_s=2 * HOUR)
    sound.step_to(4 * HOUR)
    assert world.load_c[row] == sound.load_c[row]
    assert world.sense(row)["load"] - sound.sense(row)["load"] == pytest.approx(6.0, abs=0.07)


def test_power_on_values_of_a_restarted_node():
    fleet = Fleet.small(6)
    world, row = after(fleet, {"kind": "probe_open", "target": BR, "start_s": 200, "quantity": "air"})
    first = world.sense(row, first_conversion=True)
    assert first["load"] == 85.0
    assert first["air"] == -127.0  # nothing there to have a power-on value
    freezer = next(r for r, a in enumerate(fleet.appliances) if a.type == "plasma-freezer")
    assert world.sense(freezer, first_conversion=True) == world.sense(freezer)  # platinum has none


def test_probes_report_in_steps_with_noise_and_offset():
    fleet = Fleet.small(60)
    world = World(fleet, seed=1, start_utc_s=START)
    errors = []
    for minute in range(60):
        world.step_to(60.0 * minute)
        errors.append(world.sense_all()[:, Quantity.LOAD] - world.load_c)
        digital = [row for row, a in enumerate(fleet.appliances) if a.type == "blood-refrigerator"]
        steps = world.sense_all()[digital, Quantity.LOAD] / 0.0625
        assert np.array_equal(steps, np.rint(steps))
    table = np.array(errors)
    assert 0.005 < table.std(axis=0).max() < 0.2
    assert 0.01 < np.abs(table.mean(axis=0)).max() < 0.3


def test_faults_of_the_machine_reach_the_load():
    fleet = Fleet.small(30)
    for fault, word in (
        ({"kind": "compressor_lost", "target": BR, "start_s": 0}, "compressor"),
        ({"kind": "door_open", "target": BR, "start_s": 0}, "door"),
        ({"kind": "mains_cut", "target": {"type": "blood-refrigerator", "nth": 0}, "start_s": 0}, "mains"),
    ):
        world, row = after(fleet, fault, at_s=3 * HOUR)
        sound = World(fleet, seed=1, start_utc_s=START, warm_up_s=2 * HOUR)
        sound.step_to(3 * HOUR)
        assert world.load_c[row] > sound.load_c[row] + 1.0, fault
        assert world.sense(row)[word] == (1.0 if word == "door" else 0.0)
        elsewhere = [r for r, a in enumerate(fleet.appliances) if a.site != fleet.appliances[row].site]
        assert np.array_equal(world.load_c[elsewhere], sound.load_c[elsewhere])


def test_losing_refrigerant_works_harder_and_then_warms():
    fleet = Fleet.small(6)
    leak = {"kind": "refrigerant_loss", "target": BR, "start_s": -3 * 86_400, "part_per_day": 0.12}
    leaking, row = after(fleet, leak, at_s=0.0)
    sound = World(fleet, seed=1, start_utc_s=START, warm_up_s=2 * HOUR)
    running = np.zeros(2)
    for minute in range(0, 24 * 60, 2):
        for number, world in enumerate((leaking, sound)):
            world.step_to(60.0 * minute)
            running[number] += world.state.cooling[row]
    assert running[0] > 1.3 * running[1]


def test_the_agitator_stops_with_the_fault_and_with_the_mains():
    fleet = Fleet.small(6)
    target = {"type": "platelet-incubator"}
    fault = {"kind": "agitator_stopped", "target": target, "start_s": 100, "duration_s": 100}
    world, row = after(fleet, fault, at_s=95.0)
    said = [world.sense(row)["agitator"]]
    for at_s in (150.0, 250.0):
        world.step_to(at_s)
        said.append(world.sense(row)["agitator"])
    assert said == [1.0, 0.0, 1.0]


def test_a_warm_load_mixes_with_the_cold_one():
    fleet = Fleet.small(6)
    fault = {"kind": "warm_load", "target": BR, "start_s": 100, "part": 0.25, "temperature_c": 24.0}
    world, row = after(fleet, fault, at_s=95.0)
    before = world.load_c[row]
    world.step_to(100.0)
    assert world.load_c[row] == pytest.approx(before + 0.25 * (24 - before), abs=0.01)


def test_plates_hold_their_melting_point_while_they_melt():
    heat = np.array([-1000.0, 0.0, 50_000.0, 100_000.0, 103_000.0])
    ones = np.ones_like(heat)
    given_c = plate_temperature_c(heat, 4.0 * ones, 100_000.0 * ones, 500.0 * ones, 1_500.0 * ones)
    assert given_c.tolist() == [2.0, 4.0, 4.0, 4.0, 6.0]


@given(st.integers(0, 2**64 - 1), st.integers(0, 400), st.integers(-(2**40), 2**40))
def test_noise_depends_on_nothing_but_its_words(key, lane, tick):
    keys = np.array([key, key ^ 1, 17], dtype=np.uint64)
    alone = noise.normal(keys[:1], lane, tick)
    assert alone[0] == noise.normal(keys, lane, tick)[0]
    assert 0 <= noise.uniform(keys, lane, tick)[0] < 1


def test_noise_is_nearly_normal_and_white():
    keys = np.arange(2000, dtype=np.uint64)
    table = np.array([noise.normal(keys, 1, tick) for tick in range(200)])
    assert abs(table.mean()) < 0.01
    assert table.std() == pytest.approx(1.0, abs=0.01)
    assert abs(np.corrcoef(table[:-1].ravel(), table[1:].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(table[:, :-1].ravel(), table[:, 1:].ravel())[0, 1]) < 0.01
