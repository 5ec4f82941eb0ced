# SPDX-License-Identifier: Apache-2.0
"""The soak's world as a process: nodes that report to an end and then only deliver, faults on command.

`python -m soak.world DIR/world.json`. Commands are JSON lines in the FIFO DIR/world.ctl.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coldchain.ports.clock import wall_ms
from coldchain.settings.profile_files import PROFILES
from coldchain.wiring.demo.plan import DemoPlan, load_world
from coldchain.wiring.demo.world import World
from coldchain.wiring.logs import set_up_logs
from firmware_sim.firmware.fleet_runner import FleetConfig, FleetRunner, steady_now
from firmware_sim.firmware.sources import Measurement, SyntheticSource
from firmware_sim.modem import control as outcomes

ON_DELAY_MS = round(PROFILES["red-cells@eu"].on_delay.total_seconds() * 1000)
HOT_MILLI_C, CALM_MILLI_C = 8_000, 3_000
"""Too warm from here to half a degree more; well inside the limits from here to two degrees more [m°C]."""
FIRST_RAISE_MS, LAST_RAISE_MS = 5_000, 5_000
"""The first excursion counts so long after the start, the last so long before the end."""


def hot_from(names: list[str], channels: list[int], start_ms: int, end_ms: int) -> dict[tuple[str, int], int]:
    """(node, channel) -> instant from which it is too warm: their alarms are due evenly over the run."""
    hot = [(name, channel) for channel in channels for name in names]
    first, last = start_ms + FIRST_RAISE_MS, end_ms - LAST_RAISE_MS
    step = (last - first) / max(len(hot) - 1, 1)
    return {who: round(first + n * step) - ON_DELAY_MS for n, who in enumerate(hot)}


class Warming:
    """A synthetic source in which chosen channels grow too warm at their time. Nothing is measured after
    `end_ms`.
    """

    def __init__(self, plain: SyntheticSource, hot: dict[tuple[str, int], int], end_ms: int) -> None:
        self._plain, self._hot, self._end_ms = plain, hot, end_ms
        self.boards, self.restarted = plain.boards, plain.restarted

    def next_ms(self) -> int | None:
        due = self._plain.next_ms()
        return due if due is not None and due <= self._end_ms else None

    def take(self, until_ms: int) -> Iterator[Measurement]:
        for measured in self._plain.take(min(until_ms, self._end_ms)):
            readings = tuple(
                r._replace(value=HOT_MILLI_C + r.value % 500)
                if self._hot.get((measured.node, r.channel), 2**62) <= measured.at_ms
                else r._replace(value=CALM_MILLI_C + r.value % 2_000)
                for r in measured.readings
            )
            yield measured._replace(readings=readings)


class SoakWorld(World):
    """The world with a hand in it."""

    def _fleet(self) -> FleetRunner:
        plan, notes = self._plan, self._plan.notes
        plain = SyntheticSource(
            notes["sensors"],
            seed=plan.seed,
            start_ms=self._start_ms - round(plan.synthetic_backfill_s * 1000),
            every_ms=round(plan.synthetic_every_s * 1000),
            per_node=notes["per_node"],
        )
        end_ms = self._start_ms + notes["end_after_ms"]
        names = [board.config.name for board in plain.boards()]
        hot = hot_from(names, notes["hot_channels"], self._start_ms, end_ms)
        config = FleetConfig(
            plan.directory,
            boot=self.boot,
            start_ms=self._start_ms,
            began_ms=self._start_ms - round(plan.synthetic_backfill_s * 1000),
            mqtt=self._broker,
            seed=plan.seed,
        )
        return FleetRunner(config, Warming(plain, hot, end_ms), now_ms=steady_now(wall_ms()))

    def obey(self, path: Path) -> None:
        """Take commands until the process ends."""
        # Open for both: the end of one writer is not the end of the file.
        with os.fdopen(os.open(path, os.O_RDWR), "rb", buffering=0) as pipe:
            pending = b""
            while True:
                pending += pipe.read(4096)
                *lines, pending = pending.split(b"\n")
                for line in lines:
                    self._do(**json.loads(line))

    def _do(self, what: str, node: str = "", value: Any = None) -> None:
        assert self.fleet is not None
        fleet, modem = self.fleet, self.modem
        if what == "unplug":
            fleet.unplug(node)
        elif what == "plug":
            fleet.plug(node)
        elif what == "reboot":
            fleet.restart(node)
        elif what == "noise":
            fleet.lines[node].byte_error_rate = value
        elif what == "vanish":
            fleet.lines[node].cut = value
        elif what == "modem-unplug":
            modem.unplug()
        elif what == "modem-plug":
            modem.replug()
        elif what == "modem-hang":
            modem.control.hung = value
        elif what == "modem-lies":
            modem.control.next(outcomes.false_ok(reference=value))
        elif what == "modem-mute":
            modem.control.next(outcomes.unanswered(sent=value))
        elif what == "modem-restart":
            modem.restart()
        else:
            raise AssertionError(what)


def main(arguments: list[str]) -> int:
    set_up_logs("world")
    path = Path(arguments[0])
    plan: DemoPlan
    plan, replayed, start_ms = load_world(path)
    world = SoakWorld(plan, replayed, start_ms)
    signal.signal(signal.SIGTERM, lambda *_: world.told.set())
    signal.signal(signal.SIGINT, lambda *_: world.told.set())
    threading.Thread(target=world.obey, args=(path.with_name("world.ctl"),), daemon=True).start()
    world.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
