# SPDX-License-Identifier: Apache-2.0
"""Simulated stretches as the journal's rows. Pure, but for the numbers that the record gave to names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from coldchain.kernel.readings import JOURNALLED, Rows, empty
from coldchain.kernel.words import NO_VALUE, ClockQuality, Flag, Status
from coldchain.wiring.demo.month.past import SLOW, Ints, Stretch
from firmware_sim.fleet import Fleet
from firmware_sim.physics.noise import key_of
from firmware_sim.physics.quantities import OFFERS, Quantity

ARRIVE_MS = 4_000
"""From the measurement to ingest [ms]."""
PHASES = 12
PHASE_MS = 5_000
"""A node measures at its own moment, a multiple of PHASE_MS after the whole minute."""


@dataclass(frozen=True, slots=True)
class Names:
    """Numbers of the fleet's series: (N, number of quantities), -1 where there is none; (N,) phases [ms]."""

    series: Ints
    phase_ms: Ints
    channel: Ints
    source: int


def sensors_of(fleet: Fleet) -> Iterator[tuple[int, Quantity, str]]:
    """(row, quantity, sensor's id) of everything that the month tells."""
    told = {Quantity.LOAD, Quantity.AIR, Quantity.DOOR, Quantity.MAINS, Quantity.COMPRESSOR, *SLOW}
    for row, appliance in enumerate(fleet.appliances):
        for offer in OFFERS[appliance.type]:
            if offer.quantity in told:
                yield row, offer.quantity, appliance.sensor(offer.quantity)


def names_of(fleet: Fleet, numbers: Mapping[str, int], source: int) -> Names:
    """numbers: sensor's id -> series."""
    shape = len(fleet.appliances), len(Quantity)
    series, channel = np.full(shape, -1, np.int64), np.zeros(shape, np.int64)
    for row, quantity, sensor in sensors_of(fleet):
        series[row, quantity] = numbers[sensor]
        channel[row, quantity] = fleet.appliances[row].channel(quantity)
    keys = [key_of(0, "phase", appliance.node) % PHASES * PHASE_MS for appliance in fleet.appliances]
    return Names(series, np.array(keys, np.int64), channel, source)


def rows_of(stretch: Stretch, names: Names, begin_ms: int, end_ms: int) -> Rows:
    """What was measured from begin to before end, in the order of its arrival."""
    parts = []
    fast = (stretch.at_ms >= begin_ms) & (stretch.at_ms < end_ms)
    for quantity, values in ((Quantity.LOAD, stretch.load), (Quantity.AIR, stretch.air)):
        parts.append(_grid(stretch.at_ms[fast], values[fast], quantity, names))
    slow = (stretch.slow_ms >= begin_ms) & (stretch.slow_ms < end_ms)
    for place, quantity in enumerate(SLOW):
        parts.append(_grid(stretch.slow_ms[slow], stretch.slow[slow, place], quantity, names))
    moved = stretch.moves[(stretch.moves[:, 0] >= begin_ms) & (stretch.moves[:, 0] < end_ms)]
    at, row, what, value = moved.T
    parts.append(_made(at, row, what, value, names))
    rows = np.concatenate(parts)
    return rows[np.argsort(rows["at_ms"], kind="stable")]


def _grid(at_ms: Ints, values: Ints, quantity: Quantity, names: Names) -> Rows:
    row = np.flatnonzero(names.series[:, quantity] >= 0)
    shape = len(at_ms), len(row)
    at = np.broadcast_to(at_ms[:, None], shape).ravel()
    who = np.broadcast_to(row, shape).ravel()
    return _made(at, who, np.full(len(at), int(quantity)), values[:, row].ravel(), names)


def _made(at_ms: Ints, row: Ints, quantity: Ints, value: Ints, names: Names) -> Rows:
    rows = empty(JOURNALLED, len(at_ms))
    at = at_ms + names.phase_ms[row]
    failed = value == NO_VALUE
    rows["series"], rows["channel"] = names.series[row, quantity], names.channel[row, quantity]
    rows["source"], rows["clock"] = names.source, int(ClockQuality.TRUSTED)
    rows["seq"] = at // PHASE_MS & 0xFFFF_FFFF
    rows["at_ms"] = rows["device_ms"] = at
    rows["gateway_ms"] = at + ARRIVE_MS // 2
    rows["arrived_ms"] = at + ARRIVE_MS
    rows["uptime_ms"] = -1
    rows["value"] = value
    rows["status"] = np.where(failed, int(Status.NO_ANSWER), int(Status.OK))
    rows["flags"] = np.where(failed, int(Flag.FAILED), int(Flag.NONE))
    return rows
