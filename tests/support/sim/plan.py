# SPDX-License-Identifier: Apache-2.0
"""What to simulate: the fleet, the faults and their rates; and how warm it truly is."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import cache

START_MS = 1_790_000_000_000 // 3_600_000 * 3_600_000
TICK_MS = 600_000
"""Nodes report so often."""
NETWORK = ("line loss", "answer lost", "lose", "double", "delay", "flip", "partition", "broker wiped")
PROCESSES = ("gateway dies", "ingest dies", "alerts dies")
DISKS = ("gateway power loss", "hub power loss", "gateway disk full", "hub disk full", "sync fails")
FAULTS = (*NETWORK, *PROCESSES, *DISKS, "node reboot", "modem refuses", "modem mute")
RARE = {
    "hub power loss": 0.05,
    "hub disk full": 0.05,
    "broker wiped": 0.1,
    "partition": 0.2,
    "gateway dies": 0.05,
    "ingest dies": 0.05,
    "alerts dies": 0.05,
    "sync fails": 0.2,
    "gateway disk full": 0.2,
    "gateway power loss": 0.2,
}
"""These weigh more, or have more occasions: their rates are multiplied by so much."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`faults`: how likely each is at each occasion.

    every_s  how often nodes measure; they report each tick what they have measured since
    """

    seed: int
    hours: int = 48
    gateways: int = 3
    nodes: int = 4
    every_s: int = 600
    channels: int = 5
    faults: dict[str, float] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.hours, self.gateways, self.nodes, self.channels, self.every_s


def swarm(seed: int, **words: int) -> Plan:
    """A random subset of the faults at random rates: rare combinations occur, too."""
    dice = random.Random(seed)
    chosen = [name for name in FAULTS if dice.random() < 0.5]
    rates = {name: dice.choice((0.01, 0.05, 0.2)) * RARE.get(name, 1.0) for name in chosen}
    return Plan(seed, faults=rates, **words)


def sensor_number(plan: Plan, gateway: int, node: int, channel: int) -> int:
    return (gateway * plan.nodes + node) * plan.channels + channel


def milli_c(minute: int, sensor: int) -> int:
    """4 °C with a little noise; every third sensor has its own hours of warmth [thousandths]."""
    tick = minute * 60_000 // TICK_MS
    calm = 4_000 + (tick * 7 + sensor * 13 + minute % 10) % 300
    return calm + 4_500 if is_warm(tick, sensor) else calm


@cache
def is_warm(tick: int, sensor: int) -> bool:
    period, begin, lasts = 90 + sensor % 23, sensor * 3 % 70, 3 + sensor % 5
    return sensor % 3 == 0 and begin <= tick % period < begin + lasts


def excursions(plan: Plan) -> set[tuple[int, int, int | None]]:
    """(sensor, start, end) of every excursion above the limit of 6 °C, by the truth: nothing judges.

    It ends with the first reading back inside; None: it lasts to the end.
    """
    found: set[tuple[int, int, int | None]] = set()
    ticks = plan.hours * 3_600_000 // TICK_MS
    for sensor in range(plan.gateways * plan.nodes * plan.channels):
        start: int | None = None
        for tick in range(ticks):
            warm = is_warm(tick, sensor)
            if warm and start is None:
                start = START_MS + tick * TICK_MS
            elif not warm and start is not None:
                found.add((sensor, start, START_MS + tick * TICK_MS))
                start = None
        if start is not None:
            found.add((sensor, start, None))
    return found
