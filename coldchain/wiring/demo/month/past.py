# SPDX-License-Identifier: Apache-2.0
"""The physics of the month before a demo, as a process beside the one that judges it.

`python -m coldchain.wiring.demo.month.past DIR/world.json START_MS UNTIL_MS`: stretch by stretch on stdout.
The grid is the coarsest that the physics allows; probes are looked at every `EVERY_S`, contacts every minute.
"""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from coldchain.kernel.words import NO_VALUE
from coldchain.wiring.demo.month.story import scenario
from coldchain.wiring.demo.plan import DemoPlan, load_world
from firmware_sim.fleet import Fleet
from firmware_sim.physics.quantities import Quantity
from firmware_sim.physics.state import COARSEST_DT_S
from firmware_sim.physics.world import World

EVERY_S = 600
"""A temperature is read this often [s]."""
SLOW_S = 3600
"""What hardly moves, and the heartbeat of contacts [s]."""
LOOK_S = 60
"""Contacts are looked at this often: a door that opened between two looks is not seen [s]."""
STRETCH_S = 6 * 3600
CONTACTS = (Quantity.DOOR, Quantity.MAINS, Quantity.COMPRESSOR)
SLOW = (Quantity.AMBIENT, Quantity.BATTERY, Quantity.HUMIDITY)
WARM_UP_S = 2 * 3600
LENGTH = struct.Struct("<Q")

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Up to six hours of N appliances. Values in thousandths, NO_VALUE where a probe did not answer.

    at_ms    (T,) instants of the temperatures
    load, air  (T, N)
    slow_ms  (H,) instants of `slow`, (H, len(SLOW), N)
    moves    (K, 4) instant, row, quantity of the physics, value: contacts that changed, or their heartbeat
    """

    at_ms: Ints
    load: Ints
    air: Ints
    slow_ms: Ints
    slow: Ints
    moves: Ints


def simulate(fleet: Fleet, seed: int, start_ms: int, until_ms: int) -> Iterator[Stretch]:
    """From start to until, both whole multiples of EVERY_S."""
    schedule = scenario(until_ms).resolve(fleet, seed)
    world = World(
        fleet,
        schedule,
        seed=seed,
        start_utc_s=until_ms / 1000,
        begin_s=(start_ms - until_ms) / 1000,
        warm_up_s=WARM_UP_S,
        dt_s=COARSEST_DT_S,
    )
    hit = {name for fault in schedule.faults for name in fault.appliances}
    watch = _Contacts(world, np.array([name in hit for name in world.ids]))
    for begin_ms in range(start_ms, until_ms, STRETCH_S * 1000):
        yield _stretch(world, watch, until_ms, begin_ms, min(begin_ms + STRETCH_S * 1000, until_ms))


def _stretch(world: World, watch: _Contacts, zero_ms: int, begin_ms: int, end_ms: int) -> Stretch:
    at, loads, airs, slow_at, slow = [], [], [], [], []
    for at_ms in range(begin_ms, end_ms, LOOK_S * 1000):
        world.step_to((at_ms - zero_ms) / 1000)
        beat = at_ms % (SLOW_S * 1000) == 0
        watch.look(at_ms, beat=beat)
        if at_ms % (EVERY_S * 1000):
            continue
        sensed = world.sense_all()
        at.append(at_ms)
        loads.append(_milli(sensed[:, Quantity.LOAD]))
        airs.append(_milli(sensed[:, Quantity.AIR]))
        if beat:
            slow_at.append(at_ms)
            slow.append(np.stack([_milli(sensed[:, quantity]) for quantity in SLOW]))
    none = np.zeros((0, len(SLOW), len(world.ids)), np.int64)
    return Stretch(
        np.array(at, np.int64), np.stack(loads), np.stack(airs),
        np.array(slow_at, np.int64), np.stack(slow) if slow else none, watch.taken(),
    )  # fmt: skip


def _milli(values: npt.NDArray[np.float64]) -> Ints:
    known = np.isfinite(values)
    return np.where(known, np.rint(np.where(known, values, 0.0) * 1000), NO_VALUE).astype(np.int64)


class _Contacts:
    """Doors and mains: told when they change, and once an hour anyway. Compressors make most changes: only
    those of the story are told.
    """

    def __init__(self, world: World, told: npt.NDArray[np.bool_]) -> None:
        self._world = world
        self._before = np.full((len(CONTACTS), len(world.ids)), -1, np.int8)
        self._now = np.empty_like(self._before)
        self._codes = np.array([int(quantity) for quantity in CONTACTS])
        self._offered = world.offered()[:, list(CONTACTS)].T.copy()
        self._offered[CONTACTS.index(Quantity.COMPRESSOR)] &= told
        self._found: list[Ints] = []

    def look(self, at_ms: int, *, beat: bool) -> None:
        now = self._now
        _, now[1], now[0] = self._world.surroundings()
        now[2] = self._world.state.cooling
        told = self._offered if beat else self._offered & (now != self._before)
        self._before, self._now = now, self._before
        which, row = np.nonzero(told)
        if len(row):
            found = np.empty((len(row), 4), np.int64)
            found[:, 0], found[:, 1], found[:, 2] = at_ms, row, self._codes[which]
            found[:, 3] = now[which, row].astype(np.int64) * 1000
            self._found.append(found)

    def taken(self) -> Ints:
        found, self._found = self._found, []
        return np.concatenate(found) if found else np.zeros((0, 4), np.int64)


def stretches(world_file: Path, start_ms: int, until_ms: int) -> Iterator[Stretch]:
    """`simulate` in a process of its own, so that judging and physics each have a core."""
    command = [sys.executable, "-m", __name__, str(world_file), str(start_ms), str(until_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            for _ in range(start_ms, until_ms, STRETCH_S * 1000):
                yield _read(process.stdout)
        finally:
            process.stdout.close()
            process.terminate()


def _read(pipe: IO[bytes]) -> Stretch:
    head = pipe.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise RuntimeError("the month's physics ended early; its words are above")
    with np.load(io.BytesIO(pipe.read(*LENGTH.unpack(head))), allow_pickle=False) as held:
        return Stretch(**held)


def _write(stretch: Stretch, pipe: IO[bytes]) -> None:
    held = io.BytesIO()
    np.savez(held, **{name: getattr(stretch, name) for name in Stretch.__slots__})
    pipe.write(LENGTH.pack(held.tell()) + held.getvalue())
    pipe.flush()


def main(arguments: list[str]) -> int:
    """The world file, start and until [ms]. Returns 0."""
    plan: DemoPlan = load_world(Path(arguments[0]))[0]
    start_ms, until_ms = int(arguments[1]), int(arguments[2])
    with suppress(BrokenPipeError):  # who asked has ended
        for stretch in simulate(plan.fleet_of(), plan.seed, start_ms, until_ms):
            _write(stretch, sys.stdout.buffer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
