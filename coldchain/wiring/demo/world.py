# SPDX-License-Identifier: Apache-2.0
"""The world of a demo as one process: appliances, nodes, lines, recorded files, a modem and its phones.

`python -m coldchain.wiring.demo.world DIR/world.json`, until SIGTERM. It knows the installation only by its
serial lines, its broker and its modem's port.
"""

from __future__ import annotations

import secrets
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from coldchain.files import read_readings
from coldchain.ports.clock import wall_ms
from coldchain.records.health import Heart
from coldchain.settings import load
from coldchain.wiring.demo.files import ReplaySensor
from coldchain.wiring.demo.plan import BACKFILL_S, DemoPlan, load_world
from coldchain.wiring.demo.show import Inbox
from coldchain.wiring.logs import set_up_logs
from firmware_sim.faults import Scenario
from firmware_sim.firmware.fleet_runner import FleetConfig, FleetRunner, steady_now
from firmware_sim.firmware.mqtt import MqttAccount
from firmware_sim.firmware.sources import Measurement, Source, SyntheticSource
from firmware_sim.firmware.world_source import fleet_source
from firmware_sim.modem.sim import ModemSim
from firmware_sim.replay import Replay

BEAT_S = 0.5

HOT_MILLI_C = 8_000
"""What the first channel of each synthetic node reads: above every limit of red cells [m°C]."""


class World:
    """Everything that would be copper, steel and people on a site."""

    def __init__(self, plan: DemoPlan, replayed: list[ReplaySensor], start_ms: int) -> None:
        self.told = threading.Event()
        self._plan, self._start_ms = plan, start_ms
        self._broker = MqttAccount("127.0.0.1", load(plan.config).mqtt.port)
        # A run's boot numbers differ from those of all other runs in this folder, also of one that was killed
        # and started again within a second: what has the name of an old report is taken for it, and dropped.
        self.boot = secrets.randbits(32)
        self._heart = Heart(plan.directory, "world", wall_ms)
        self._replies = Inbox(plan.replies)
        self.modem = ModemSim(plan.inbox, link=plan.directory / "modem")
        self.fleet = self._fleet()
        self.replay = self._replay(replayed) if replayed else None

    def _fleet(self) -> FleetRunner | None:
        """The nodes. They have measured for BACKFILL_S before the start; that comes first, as old reports."""
        plan, schedule = self._plan, None
        began_ms = self._start_ms - BACKFILL_S * 1000
        config = FleetConfig(
            plan.directory,
            boot=self.boot,
            start_ms=self._start_ms,
            began_ms=began_ms,
            mqtt=self._broker,
            seed=plan.seed,
        )
        source: Source
        if plan.synthetic:
            source = Heated(
                SyntheticSource(
                    plan.synthetic,
                    seed=plan.seed,
                    start_ms=self._start_ms - round(plan.synthetic_backfill_s * 1000),
                    every_ms=round(plan.synthetic_every_s * 1000),
                )
            )
        elif plan.appliances:
            source, schedule = fleet_source(
                plan.fleet_of(),
                Scenario.load(plan.scenario) if plan.scenario else Scenario.load(),
                seed=plan.seed,
                start_ms=self._start_ms,
                backfill_s=BACKFILL_S,
                truth=plan.directory / f"truth-{self._start_ms}.jsonl",
            )
        else:
            return None
        return FleetRunner(config, source, now_ms=steady_now(wall_ms()), schedule=schedule)

    def _replay(self, sensors: list[ReplaySensor]) -> Replay:
        recorded = ((r.sensor, r.at_ms, r.celsius) for path in self._plan.replay for r in read_readings(path))
        return Replay(
            recorded,
            folder=self._plan.directory,
            boot=self.boot,
            channels={sensor.sensor: sensor.channel for sensor in sensors},
        )

    def run(self) -> None:
        """Until told to stop."""
        self.modem.start()
        if self.replay:
            self.replay.start()
        if self.fleet:
            self.fleet.start()
        while not self.told.wait(BEAT_S):
            for said in self._replies.new():
                self.modem.phone(str(said["number"])).reply(str(said["text"]))
            self._heart.beat(self._figures(), now=True)
        for part in (self.fleet, self.replay, self.modem):
            if part:
                part.stop()

    def _figures(self) -> dict[str, object]:
        figures: dict[str, object] = {}
        if self.fleet:
            seen = self.fleet.snapshot()
            figures |= {"measured": seen.measured, "acked": seen.acked, "held": seen.held, "lost": seen.lost}
        if self.replay:
            figures |= {"replayed": self.replay.done.is_set(), "replay_acked": self.replay.acked}
        return figures


class Heated:
    """A synthetic source whose first channels are too warm: it makes alarms."""

    def __init__(self, plain: SyntheticSource) -> None:
        self._plain = plain
        self.boards, self.next_ms, self.restarted = plain.boards, plain.next_ms, plain.restarted

    def take(self, until_ms: int) -> Iterator[Measurement]:
        for measured in self._plain.take(until_ms):
            first, *others = measured.readings
            yield measured._replace(readings=(first._replace(value=HOT_MILLI_C), *others))


def main(arguments: list[str]) -> int:
    """The world file. Returns 0."""
    set_up_logs("world")
    world = World(*load_world(Path(arguments[0])))
    signal.signal(signal.SIGTERM, lambda *_: world.told.set())
    signal.signal(signal.SIGINT, lambda *_: world.told.set())
    world.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
