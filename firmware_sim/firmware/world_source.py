# SPDX-License-Identifier: Apache-2.0
"""The physics of a fleet as its nodes feel it: each quantity every so often, some at once when they change.

The World stands on a grid of 5 s; each node looks at it at its own moment within the 5 s, so that a fleet
does not speak in chorus. A node's quantities that are due together share a report.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firmware_sim.faults import Scenario, Schedule
from firmware_sim.firmware.frames import Reading
from firmware_sim.firmware.node import Clock, NodeConfig
from firmware_sim.firmware.sources import Board, Measurement
from firmware_sim.fleet import Fleet, Node
from firmware_sim.physics.noise import key_of
from firmware_sim.physics.prepare import prepare
from firmware_sim.physics.quantities import OFFERS, Quantity
from firmware_sim.physics.state import DT_S
from firmware_sim.physics.world import World
from firmware_sim.truth import TruthWriter

NO_ANSWER = 3  # status of the wire format
DT_MS = round(DT_S * 1000)
_WRONG_BY_MS = 11 * 3_600_000 + 7 * 60_000
_TEMPERATURES = (Quantity.LOAD, Quantity.AIR)
_FIRST = math.inf


@dataclass(frozen=True, slots=True)
class ClockMix:
    """One serial node in `absent_in` has no clock, one in `wrong_in` a wrong one; 0: none has."""

    absent_in: int = 8
    wrong_in: int = 8


class WorldSource:
    """A `Source` over a `World`. It steps the World: nobody else may.

    start_ms  instant 0 of the World [ms UTC]
    """

    def __init__(
        self, world: World, fleet: Fleet, *, start_ms: int, seed: int, clocks: ClockMix | None = None
    ) -> None:
        self._world, self._fleet, self._start_ms = world, fleet, start_ms
        self._clocks = clocks or ClockMix()
        self._seed = seed
        shape = (len(fleet.appliances), len(Quantity))
        self._offered = world.offered()
        self._every = np.ones(shape, np.int64)
        self._on_change = np.full(shape, np.inf)
        self._channel = np.zeros(shape, np.int64)
        for row, appliance in enumerate(fleet.appliances):
            for offer in OFFERS[appliance.type]:
                place = row, offer.quantity
                self._every[place] = max(round(offer.every_s / DT_S), 1)
                self._channel[place] = appliance.channel(offer.quantity)
                if offer.on_change is not None:
                    self._on_change[place] = max(offer.on_change, 1e-9)
        self._node_rows: dict[str, list[int]] = {node.id: [] for node in fleet.nodes}
        for row, appliance in enumerate(fleet.appliances):
            self._node_rows[appliance.node].append(row)
        keys = {name: key_of(seed, "turn", name) for name in self._node_rows}
        self._phase = np.array([[keys[a.node] // 8 % 10_000] for a in fleet.appliances], np.int64)
        self._offset_ms = {name: key % (DT_MS - 500) for name, key in keys.items()}
        self._sent = np.full(shape, _FIRST)
        self._power_on = np.zeros(shape[0], bool)
        self._tick = math.ceil(world.now_s / DT_S)
        self._due: deque[Measurement] = deque()

    def boards(self) -> list[Board]:
        return [Board(self._board(node), node.link) for node in self._fleet.nodes]

    def next_ms(self) -> int:
        tick_ms = self._start_ms + self._tick * DT_MS
        return self._due[0].at_ms if self._due else tick_ms

    def take(self, until_ms: int) -> Iterator[Measurement]:
        # Every turn ends before the next tick, so measurements of one tick precede those of the next.
        while self.next_ms() <= until_ms:
            if self._due:
                yield self._due.popleft()
            else:
                self._look(self._start_ms + self._tick * DT_MS)

    def restarted(self, node: str) -> None:
        """Everything is sent at the next look; digital probes begin with 85 °C."""
        rows = self._node_rows[node]
        self._due = deque(one for one in self._due if one.node != node)
        self._sent[rows] = _FIRST
        self._power_on[rows] = True

    def _board(self, node: Node) -> NodeConfig:
        draw = key_of(self._seed, "clock", node.id)
        mix = self._clocks
        if node.link == "serial" and mix.absent_in and draw % mix.absent_in == 0:
            return NodeConfig(node.id, Clock.ABSENT)
        if node.link == "serial" and mix.wrong_in and draw % mix.wrong_in == 1:
            return NodeConfig(node.id, Clock.DOUBTFUL, clock_error_ms=-_WRONG_BY_MS)
        return NodeConfig(node.id)

    def _look(self, tick_ms: int) -> None:
        self._world.step_to(self._tick * DT_S)
        values = self._world.sense_all()
        due = (self._tick - self._phase) % self._every == 0
        with np.errstate(invalid="ignore"):
            moved = np.abs(values - self._sent) >= self._on_change
        moved |= np.isnan(values) != np.isnan(self._sent)
        moved &= np.isfinite(self._on_change)
        send = self._offered & (due | moved | np.isinf(self._sent))
        self._sent = np.where(send, values, self._sent)
        self._tick += 1
        rows = np.flatnonzero(send.any(axis=1)).tolist()
        by_node: dict[str, list[Reading]] = {}
        for row in rows:
            node = self._fleet.appliances[row].node
            by_node.setdefault(node, []).extend(self._readings(row, send[row], values[row]))
        self._due.extend(
            Measurement(name, tick_ms + self._offset_ms[name], tuple(by_node[name]))
            for name in sorted(by_node, key=lambda name: (self._offset_ms[name], name))
        )

    def _readings(self, row: int, send: NDArray[np.bool_], values: NDArray[np.float64]) -> Iterator[Reading]:
        first = self._world.sense(row, first_conversion=True) if self._power_on[row] else {}
        self._power_on[row] = False
        for column in np.flatnonzero(send).tolist():
            quantity = Quantity(column)
            value = float(values[column])
            if first and quantity in _TEMPERATURES:
                value = first[quantity.word]
            channel = int(self._channel[row, column])
            if math.isnan(value):
                yield Reading(channel, quantity.wire_code, NO_ANSWER, 0)
            else:
                yield Reading(channel, quantity.wire_code, 0, round(value * 1000))


def fleet_source(
    fleet: Fleet,
    scenario: Scenario | None,
    *,
    seed: int,
    start_ms: int,
    backfill_s: float = 1_200.0,
    clocks: ClockMix | None = None,
    truth: Path | None = None,
) -> tuple[WorldSource, Schedule]:
    """A simulated fleet ready for a `FleetRunner`, and its faults.

    start_ms    instant 0 of the scenario [ms UTC]
    backfill_s  the nodes have measured for so long before that; it comes first, as old reports
    truth       the file for the hidden load temperatures and the faults, for scoring afterwards
    """
    ready = prepare(fleet, scenario, seed=seed, start_utc_s=start_ms / 1000, begin_s=-backfill_s)
    source = WorldSource(ready.world, fleet, start_ms=start_ms, seed=seed, clocks=clocks)
    if truth is not None:
        TruthWriter(truth, ready.world, ready.schedule, seed=seed, start_utc_s=start_ms / 1000)
    return source, ready.schedule
