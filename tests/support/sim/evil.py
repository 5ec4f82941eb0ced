# SPDX-License-Identifier: Apache-2.0
"""What strikes, and when: by the plan's rates and the run's dice."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from sim.agenda import Agenda
from sim.disk import Died, Handle
from sim.plan import TICK_MS, Plan

if TYPE_CHECKING:
    from sim.simulation import Simulation

MINUTE_MS = 60_000
FUSE_MOST = 80
"""A process that is to die does so within so many effects and calls of its disk."""


class Evil:
    """`tick` strikes at what there is; `strikes` is asked at each occasion."""

    def __init__(self, plan: Plan, dice: random.Random, agenda: Agenda) -> None:
        self._plan, self._dice, self._agenda = plan, dice, agenda
        self.struck: Counter[str] = Counter()
        self.calm = False
        self._cut_until: dict[str, int] = {}
        self._fuses: dict[str, tuple[int, bool]] = {}

    def strikes(self, name: str, *, later: bool = False) -> bool:
        """`later`: it is counted when it comes to pass."""
        rate = 0.0 if self.calm else self._plan.faults.get(name, 0.0)
        struck = rate > 0 and self._dice.random() < rate
        if struck and not later:
            self.struck[name] += 1
        return struck

    def heal(self) -> None:
        """From here on nothing goes wrong."""
        self.calm = True
        self._cut_until.clear()
        self._fuses.clear()

    def is_cut(self, gateway: str) -> bool:
        return self._cut_until.get(gateway, 0) > self._agenda.now_ms

    def burn(self, handle: Handle) -> None:
        """A fuse burns with each effect and each call of the disk."""
        fuse = self._fuses.get(handle.name)
        if fuse is None:
            return
        left, power = fuse
        if left > 0:
            self._fuses[handle.name] = left - 1, power
            return
        del self._fuses[handle.name]
        self.struck[f"{'power loss' if power else 'death'} of {handle.name.partition('-')[0]}"] += 1
        raise Died("power" if power else "killed")

    def _light(self, name: str, *, power: bool) -> None:
        self._fuses[name] = self._dice.randrange(FUSE_MOST), power

    def tick(self, sim: Simulation) -> None:
        """What may happen in each tick."""
        for name in sim.gateways:
            self._strike_gateway(sim, name)
        for name in ("ingest", "alerts"):
            if self.strikes(f"{name} dies", later=True):
                self._light(name, power=False)
        if self.strikes("hub power loss", later=True):
            self._light(self._dice.choice(("ingest", "alerts")), power=True)
        self._trouble_disk(sim, "hub", "hub disk full")
        if self.strikes("broker wiped"):
            sim.wipe_broker()

    def _strike_gateway(self, sim: Simulation, name: str) -> None:
        if self.strikes("partition"):
            self._cut_until[name] = sim.now_ms + self._dice.randrange(1, 60) * TICK_MS
        if self.strikes("gateway dies", later=True):
            self._light(name, power=False)
        if self.strikes("gateway power loss", later=True):
            self._light(name, power=True)
        self._trouble_disk(sim, name, "gateway disk full")
        for node in sim.gateways[name].nodes:
            if self.strikes("node reboot"):
                node.reboot()

    def _trouble_disk(self, sim: Simulation, host: str, word: str) -> None:
        if self.strikes("sync fails"):
            sim.disk.mute.add(host)
        if self.strikes(word):
            sim.disk.full.add(host)
            again_ms = sim.now_ms + self._dice.randrange(1, 120) * MINUTE_MS
            sim.at(again_ms, partial(sim.disk.full.discard, host))
