# SPDX-License-Identifier: Apache-2.0
"""From the physics to reports: what is sent when, and the faults of firmware and line."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_sim.faults import Fault, FaultKind, Scenario, Schedule
from firmware_sim.firmware.fleet_runner import FleetConfig, FleetRunner
from firmware_sim.firmware.ledger import MEASURED, read_ledger
from firmware_sim.firmware.node import Clock
from firmware_sim.firmware.sources import Measurement, SyntheticSource, synthetic_value
from firmware_sim.firmware.world_source import ClockMix, WorldSource, fleet_source
from firmware_sim.fleet import Fleet
from firmware_sim.physics.quantities import OFFERS, Quantity

START_MS = 1_800_000_000_000
FLEET = Fleet.small(8)
FIRST = FLEET.appliances[0]
DOOR = Scenario.of(
    {
        "name": "door",
        "fault": [{"kind": "door_open", "target": {"appliance": FIRST.id}, "start_s": 62, "duration_s": 120}],
    }
)


def source(seed: int = 1, scenario: Scenario | None = DOOR) -> WorldSource:
    return fleet_source(FLEET, scenario, seed=seed, start_ms=START_MS, backfill_s=300)[0]


@pytest.fixture(scope="module")
def whole() -> list[Measurement]:
    """25 minutes, of which 5 before the start."""
    return list(source().take(START_MS + 1_200_000))


def instants(measured: list[Measurement], channel: int) -> list[int]:
    return [
        one.at_ms
        for one in measured
        if one.node == FIRST.node and any(reading.channel == channel for reading in one.readings)
    ]


def test_the_same_seed_gives_the_same_measurements_however_they_are_taken(whole: list[Measurement]) -> None:
    other, pieces = source(), []
    until_ms = START_MS - 300_000
    step = iter([1, 4_999, 5_000, 61_234, 7] * 10_000)
    while until_ms < START_MS + 1_200_000:
        until_ms = min(until_ms + next(step), START_MS + 1_200_000)
        pieces += list(other.take(until_ms))
    assert pieces == whole
    assert list(source(seed=2).take(START_MS + 60_000)) != [m for m in whole if m.at_ms <= START_MS + 60_000]


def test_measurements_come_in_order_and_each_node_has_its_own_moment(whole: list[Measurement]) -> None:
    assert [one.at_ms for one in whole] == sorted(one.at_ms for one in whole)
    moments = {one.node: one.at_ms % 5_000 for one in whole}
    assert all(one.at_ms % 5_000 == moments[one.node] for one in whole)
    assert len(set(moments.values())) > 1


def test_temperatures_come_each_minute_and_every_channel_is_sent_at_first(whole: list[Measurement]) -> None:
    loads = instants(whole, FIRST.channel(Quantity.LOAD))
    assert {late - early for early, late in itertools.pairwise(loads[1:])} == {60_000}
    first = next(one for one in whole if one.node == FIRST.node)
    assert first.at_ms < START_MS - 300_000 + 5_000
    mine = {FIRST.channel(offer.quantity): offer.quantity.wire_code for offer in OFFERS[FIRST.type]}
    assert {r.channel: r.quantity for r in first.readings if r.channel in mine} == mine


def test_a_door_is_told_when_it_moves(whole: list[Measurement]) -> None:
    channel = FIRST.channel(Quantity.DOOR)
    told = [
        ((one.at_ms - START_MS) / 1000, r.value)
        for one in whole
        if one.node == FIRST.node
        for r in one.readings
        if r.channel == channel and START_MS + 60_000 <= one.at_ms <= START_MS + 190_000
    ]
    opened, closed = told[0], told[-1]
    assert opened[1] == 1000
    assert 62 <= opened[0] <= 72
    assert closed[1] == 0
    assert 182 <= closed[0] <= 192


def test_a_probe_that_does_not_answer_has_a_status_and_no_value() -> None:
    """NaN in the World is `no-answer` on the wire; -127 is a value like any other."""

    class World:
        now_s = 0.0

        def offered(self):
            return source_world.offered()

        def step_to(self, at_s: float) -> None: ...

        def sense_all(self):
            values = source_world.sense_all().copy()
            values[0, Quantity.LOAD], values[0, Quantity.AIR] = math.nan, -127.0
            return values

    source_world = source(scenario=None)._world
    found = WorldSource(World(), FLEET, start_ms=START_MS, seed=1)  # type: ignore[arg-type]
    readings = {
        r.channel: r for one in found.take(START_MS + 5_000) if one.node == FIRST.node for r in one.readings
    }
    assert readings[FIRST.channel(Quantity.LOAD)][2:] == (3, 0)
    assert readings[FIRST.channel(Quantity.AIR)][2:] == (0, -127_000)


def test_some_serial_nodes_have_no_clock_or_a_wrong_one() -> None:
    fleet = Fleet.load()
    boards = WorldSource(source()._world, FLEET, start_ms=0, seed=1).boards()
    assert {board.link for board in boards} <= {"serial", "mqtt"}
    whole, _ = fleet_source(fleet, None, seed=1, start_ms=START_MS, backfill_s=0)
    clocks = {board.config.clock for board in whole.boards() if board.link == "serial"}
    assert clocks == {Clock.RIGHT, Clock.DOUBTFUL, Clock.ABSENT}
    assert {board.config.clock for board in whole.boards() if board.link == "mqtt"} == {Clock.RIGHT}
    plain = ClockMix(absent_in=0, wrong_in=0)
    trusted, _ = fleet_source(FLEET, None, seed=1, start_ms=START_MS, backfill_s=0, clocks=plain)
    assert {board.config.clock for board in trusted.boards()} == {Clock.RIGHT}


def serial_only(found: WorldSource) -> WorldSource:
    boards = [type(board)(board.config, "serial") for board in found.boards()]
    found.boards = lambda: boards  # type: ignore[method-assign]
    return found


def ran(tmp_path: Path, *faults: Fault) -> tuple[FleetRunner, Callable[[int], None]]:
    """A runner of the small fleet that began 100 s before the start, and a way to let time pass."""
    found, _ = fleet_source(FLEET, None, seed=1, start_ms=START_MS, backfill_s=100)
    config = FleetConfig(tmp_path, boot=5, start_ms=START_MS)
    runner = FleetRunner(config, serial_only(found), now_ms=lambda: START_MS, schedule=Schedule(faults))

    def until(at_s: int) -> None:
        for second in range(-100, at_s + 1):
            runner.step(START_MS + second * 1000)

    return runner, until


def fault(kind: FaultKind, start_s: float, end_s: float, **numbers: float) -> Fault:
    return Fault(kind, start_s, end_s, (), node=FIRST.node, numbers=numbers)


def test_a_restarted_node_begins_anew_with_its_power_on_value(tmp_path: Path) -> None:
    runner, until = ran(tmp_path, fault(FaultKind.NODE_REBOOT, 31, 32))
    until(90)
    runner.close()
    ledger = read_ledger(runner.ledger_path)
    mine = ledger.of(MEASURED)
    mine = mine[
        (mine["node"] == ledger.names.index(FIRST.node)) & (mine["channel"] == FIRST.channel(Quantity.LOAD))
    ]
    before, after = mine[mine["boot"] == 5], mine[mine["boot"] == 6]
    assert before["at_ms"].max() <= START_MS + 31_000 < after["at_ms"].min() <= START_MS + 41_000
    assert after["seq"][0] == 0
    assert after["value"][0] == 85_000
    assert not (after["value"][1:] == 85_000).any()
    assert not (before["value"] == 85_000).any()


def test_a_silent_node_measures_nothing_until_its_watchdog_restarts_it(tmp_path: Path) -> None:
    """It was silent before the nodes began, too."""
    runner, until = ran(tmp_path, fault(FaultKind.NODE_SILENT, -500, 20))
    until(100)
    runner.close()
    ledger = read_ledger(runner.ledger_path)
    mine = ledger.of(MEASURED)
    mine = mine[mine["node"] == ledger.names.index(FIRST.node)]
    assert mine["at_ms"].min() > START_MS + 20_000
    assert set(mine["boot"]) == {6}
    assert len(mine)


@pytest.mark.parametrize(("since_s", "mute"), [(-50, False), (50, True)])
def test_what_was_measured_before_the_silence_comes_only_if_nobody_was_there(
    tmp_path: Path, since_s: float, mute: bool
) -> None:
    """The past of a demo is delivered at its start, by a node that fell silent in it too."""
    runner, until = ran(tmp_path, fault(FaultKind.NODE_SILENT, since_s, 300))
    until(100)
    post = runner._posts[FIRST.node]
    assert post.node.counts["measured"] > 0
    assert max(held.at_ms for held in post.node.ring) < START_MS + since_s * 1000
    assert (post.silent, post.mute) == (True, mute)
    runner.close()


def test_a_noisy_line_is_noisy_for_as_long_as_the_scenario_says(tmp_path: Path) -> None:
    runner, until = ran(tmp_path, fault(FaultKind.LINE_NOISE, 5, 15, byte_error_rate=0.25))
    line = runner.lines[FIRST.node]
    until(4)
    assert line.byte_error_rate == 0
    runner.step(START_MS + 6_000)
    assert line.byte_error_rate == 0.25
    runner.step(START_MS + 16_000)
    assert line.byte_error_rate == 0
    runner.close()


def test_synthetic_values_can_be_computed_again() -> None:
    found = SyntheticSource(25, seed=3, start_ms=START_MS, every_ms=1_000, limit=4)
    taken = list(found.take(START_MS + 10_000))
    assert len(taken) == 3 * 4
    assert found.next_ms() is None
    assert [len(one.readings) for one in taken[:3]] == [10, 10, 5]
    assert taken[4].readings[7].value == synthetic_value(3, "syn-001", 7, 1)
    assert len(found.sensors()) == 25
