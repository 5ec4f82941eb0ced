# SPDX-License-Identifier: Apache-2.0
"""Runs a demo from start to end: prepare the folder, supervise the processes, close the books."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from coldchain.kernel.errors import BadData, ColdChainError
from coldchain.ports.clock import wall_ms
from coldchain.records.health import beats
from coldchain.records.registry import RegistryReader
from coldchain.settings import Settings
from coldchain.wiring.accounts import make_admin
from coldchain.wiring.demo.account import Books, keep_books, pending
from coldchain.wiring.demo.files import NODE, ReplaySensor, replay_sensors
from coldchain.wiring.demo.month.begin import Bar, no_bar, seed_month
from coldchain.wiring.demo.plan import DemoPlan, publish_registry, registry_of, save_world, write_settings
from coldchain.wiring.demo.show import Show, greeting
from coldchain.wiring.process import PROCESSES, alone
from coldchain.wiring.run import broker_child
from coldchain.wiring.supervise import Child, Supervisor, our_process
from firmware_sim.faults import Scenario

TICK_S = 0.2
DRAIN_S = 5.0
"""After the world has stopped, the chain gets this long to deliver what is under way [s]."""
JUDGE_S = 20.0
"""After the last replayed reading is recorded, alerts gets this long to judge it [s]."""

Say = Callable[[str], None]


class NothingToReplay(ColdChainError):
    """`--until-replayed` without a file."""

    exit_code = 2


@contextmanager
def told_as_bad_data(path: Path | None) -> Iterator[None]:
    """What a person's file has wrong, in a sentence."""
    try:
        yield
    except (OSError, ValueError) as bad:
        raise BadData(f"{path or 'the file that comes along'}: {bad}") from bad


class Demo:
    """One run in one folder."""

    def __init__(self, plan: DemoPlan, say: Say, bar: Bar = no_bar) -> None:
        self.plan, self._say = plan, say
        self.told = threading.Event()
        if plan.until_replayed and not plan.replay:
            raise NothingToReplay("--until-replayed needs at least one --replay FILE")
        self.settings = write_settings(plan)
        with told_as_bad_data(plan.fleet):
            self.fleet = plan.fleet_of()
        with told_as_bad_data(plan.scenario):  # the world loads it; a person hears of it here
            _ = plan.scenario and Scenario.load(plan.scenario)
        if plan.history:
            seed_month(plan, self.settings, self.fleet, wall_ms(), say, bar)
        sensors = self._replayed()
        self.registry = publish_registry(plan, self.settings, self.fleet, sensors, wall_ms())
        self.start_ms = wall_ms()
        save_world(plan, sensors, self.start_ms)
        self.supervisor = Supervisor(self._children())

    def _replayed(self) -> list[ReplaySensor]:
        if not self.plan.replay:
            return []
        reader = RegistryReader(self.settings.desk_db)
        reader.refresh()
        appliances = reader.registry.appliance_by_id
        earlier = {
            s.id: ReplaySensor(s.id, s.appliance, s.node, s.channel, appliances[s.appliance].carries(0) or "")
            for s in reader.registry.sensors
            if s.node == NODE and s.appliance is not None
        }
        fleet, folder = registry_of(self.fleet), reader.registry
        taken = {appliance.id for appliance in (*fleet.appliances, *folder.appliances)}
        sensors, count = replay_sensors(self.plan.replay, self.plan.profile, earlier, taken)
        simulated = {sensor.id for sensor in (*fleet.sensors, *folder.sensors)} - set(earlier)
        for clash in simulated & {sensor.sensor for sensor in sensors}:
            raise BadData(
                f"{clash} is a simulated sensor here: replay it by --appliances 0 in another folder"
            )
        if not count and self.plan.until_replayed:
            raise BadData(f"no reading in {', '.join(map(str, self.plan.replay))}: nothing to replay")
        self._say(f"{count} readings of {len(sensors)} sensors to replay")
        return sensors

    def _children(self) -> list[Child]:
        logs = self.plan.directory / "log"
        logs.mkdir(exist_ok=True)
        world = [sys.executable, "-m", "coldchain.wiring.demo.world", str(self.plan.world_file)]
        return [
            broker_child(self.settings, logs),
            *(our_process(name, self.plan.config, logs, self.settings.data_dir) for name in PROCESSES),
            Child("world", world, logs / "world.log"),
        ]

    def run(self, for_s: float | None) -> Books:
        """Until `for_s` has passed, the replay is recorded, or somebody says stop. Returns the books."""
        console, page = self.settings.console.port, self.settings.gateway.page_port
        self._say(
            greeting(
                self.plan.directory,
                f"http://127.0.0.1:{console}/",
                f"http://127.0.0.1:{page}/",
                self.start_ms,
                len(self.registry.appliances),
                make_admin(self.settings),
            )
        )
        show = Show(self.plan.directory, self.plan.inbox, self._say)
        began_s = time.monotonic()
        self.supervisor.start()
        try:
            while not self.told.wait(TICK_S):
                elapsed_s = time.monotonic() - began_s
                self.supervisor.check()
                show.look(elapsed_s)
                if for_s is not None and elapsed_s >= for_s:
                    break
                if self.plan.until_replayed and self._replayed_and_recorded():
                    break
        finally:
            self._close(show)
        return keep_books(self.settings, len(self.registry.appliances))

    def _figures(self, name: str) -> dict[str, object]:
        said = (b for b in beats(self.settings.data_dir) if b.name == name and b.at_ms >= self.start_ms)
        return next((beat.figures for beat in said), {})

    def _replayed_and_recorded(self) -> bool:
        if not self._figures("world").get("replayed"):
            return False
        return pending(self.settings) == 0

    def _close(self, show: Show) -> None:
        """World first, then let the rest drain, then everything."""
        self._say("stopping ...")
        self.supervisor.stop("world")
        self._wait(DRAIN_S, lambda: pending(self.settings) == 0)
        self._wait(
            JUDGE_S if self.plan.until_replayed else DRAIN_S,
            lambda: self._figures("alerts").get("behind", 1) == 0,
        )
        show.look(0.0)
        self.supervisor.stop()

    def _wait(self, patience_s: float, done: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + patience_s
        while time.monotonic() < deadline_s and not done():
            time.sleep(TICK_S)
            self.supervisor.check()


def run_demo(plan: DemoPlan, for_s: float | None, say: Say, bar: Bar = no_bar) -> Books:
    """The whole of it; SIGTERM and Ctrl-C end it cleanly, with the books closed."""
    with alone("demo", plan.directory):
        demo = Demo(plan, say, bar)
        signal.signal(signal.SIGTERM, lambda *_: demo.told.set())
        signal.signal(signal.SIGINT, lambda *_: demo.told.set())
        return demo.run(for_s)


def fresh_folder(base: Path = Path("demo-data")) -> Path:
    """A folder of its own for a run that named none."""
    return base / time.strftime("%Y%m%d-%H%M%S")


__all__ = ["Demo", "Settings", "fresh_folder", "run_demo"]
