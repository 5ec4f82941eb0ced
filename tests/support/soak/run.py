# SPDX-License-Identifier: Apache-2.0
"""One soak: start the chain, strike it by schedule, heal it, let it drain, check it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rig.influx import Influx

from coldchain.kernel.errors import ColdChainError
from coldchain.ports.clock import wall_ms
from coldchain.records.health import beats
from coldchain.records.registry import Desk
from coldchain.settings import load
from coldchain.wiring.broker import HOST, EmbeddedBroker, mqtt_keeps
from coldchain.wiring.child import free_port
from coldchain.wiring.demo.account import Books, keep_books
from coldchain.wiring.demo.plan import DemoPlan, write_settings
from coldchain.wiring.demo.run import Demo
from coldchain.wiring.process import PROCESSES as OURS
from coldchain.wiring.supervise import Child, our_process
from soak.check import Verdict, all_series, check_alarms, check_audit, check_readings
from soak.faults import schedule
from soak.parts import Wish, appliance_of, first_messages_due, pss_kb, soak_registry
from soak.projected import Projected, check_influx, counted
from soak.proxy import Proxy
from soak.strike import Hang, Striker

TICK_S = 0.05
SAMPLE_S = 2.0
START_S = 30.0
PER_NODE_HOT = 10
WATCHDOG_S = 120.0
"""The promise: what hangs shows within so long."""
HURRY = """[gateway]
batch_linger = 0.2
receipt_timeout = 3
batch_readings = 500"""
INGEST = """
[ingest]
window = 60
seal_after = 20
"""


@dataclass(slots=True)
class Result:
    verdict: Verdict
    books: Books
    faults: Counter[str] = field(default_factory=Counter)
    drain_s: float = float("nan")
    drained: bool = False
    peak_mb: float = 0.0
    deaths: dict[str, int] = field(default_factory=dict)
    corrupted: int = 0
    projected: Projected | None = None
    hangs: list[Hang] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """NaN, of a process that hung and was not found, is not at most anything."""
        found = all(hang.found_s <= WATCHDOG_S for hang in self.hangs)
        projected = self.projected is None or self.projected.sound
        return self.verdict.sound and self.drained and self.books.balanced and found and projected

    def last_line(self) -> str:
        v = self.verdict
        return (
            f"soak: lost {v.lost}, doubled {v.doubled}, altered {v.altered}, invented {v.invented}, "
            f"dead-lettered {v.dead_lettered}, missed {len(v.missed)}, untold {len(v.untold)}, "
            f"false alarms {len(v.false_alarms)}, undelivered {v.unsent}, audit altered {len(v.audit)}, "
            f"influx {self._influx()}"
        )

    def _influx(self) -> str:
        p = self.projected
        return "-" if p is None else f"{p.missing}/{p.doubled}/{p.altered}/{p.invented}"


class SoakDemo(Demo):
    """The demo's processes, with a proxy before the broker and a world that can be struck."""

    broker_port: int

    def __init__(self, plan: DemoPlan, wish: Wish) -> None:
        super().__init__(plan, lambda _: None)
        self.registry = soak_registry(wish)
        desk = Desk(self.settings.desk_db, wall_ms)
        desk.publish(self.registry, author="soak", reason="the soak's sensors")
        desk.close()

    def _children(self) -> list[Child]:
        logs = self.plan.directory / "log"
        logs.mkdir(exist_ok=True)
        self.broker_port = free_port()
        folder = self.settings.data_dir / "broker"
        command = EmbeddedBroker(folder, self.broker_port).prepare()
        world = [sys.executable, "-m", "soak.world", str(self.plan.world_file)]
        return [
            Child(
                "broker",
                command,
                logs / "broker.log",
                folder,
                asks=partial(mqtt_keeps, HOST, self.broker_port),
            ),
            *(
                _tells_stacks(our_process(name, self.plan.config, logs, self.settings.data_dir))
                for name in OURS
            ),
            Child("world", world, logs / "world.log", environment={"PYTHONPATH": python_path()}),
        ]


def _tells_stacks(child: Child) -> Child:
    """SIGABRT makes it write every thread's stack into its log: what a wedged process was doing."""
    child.environment["PYTHONFAULTHANDLER"] = "1"
    return child


def python_path() -> str:
    root = Path(__file__).parents[3]
    return os.pathsep.join((str(root), str(root / "tests" / "support")))


class Soak:
    """`run` does all of it."""

    def __init__(self, wish: Wish, say: Callable[[str], None]) -> None:
        self.wish, self._say = wish, say
        end_s = wish.faults_s + wish.heal_s + 6.0
        self.influx = Influx(wish.directory / "influx") if wish.influx else None
        hot_channels = list(range(min(PER_NODE_HOT, wish.per_node)))
        self.plan = DemoPlan(
            directory=wish.directory,
            appliances=0,
            console_port=0,
            seed=wish.seed,
            synthetic_every_s=wish.every_s,
            synthetic_backfill_s=wish.backfill_s,
            influx_url=self.influx.url if self.influx else None,
            notes={
                "sensors": wish.nodes * wish.per_node,
                "per_node": wish.per_node,
                "hot_channels": hot_channels,
                "end_after_ms": round(end_s * 1000),
            },
        )
        self._end_s = end_s
        wish.directory.mkdir(parents=True, exist_ok=True)
        os.mkfifo(wish.directory / "world.ctl")
        self._hurry()
        self.demo = SoakDemo(self.plan, wish)
        self._hot = hot_channels
        self.proxy = Proxy(self.demo.settings.mqtt.port, self.demo.broker_port, seed=wish.seed)
        broker = self.demo.settings.data_dir / "broker"
        self.striker = Striker(self.demo.supervisor, self.proxy, broker, wish.directory, self.influx)
        self._peak_kb = 0

    def _hurry(self) -> None:
        write_settings(self.plan)
        text = self.plan.config.read_text()
        text = text.replace("[gateway]", HURRY, 1).replace("[mqtt]", "[mqtt]\nkeepalive = 5", 1)
        text = text.replace("[notify]", "[notify]\nhourly = 0", 1)  # the alarms of months in ten minutes
        text = text.replace('device = "modem"', 'device = "modem"\nsend_timeout = 5')
        self.plan.config.write_text(text + INGEST)
        load(self.plan.config)

    def expected(self) -> set[str]:
        """Appliances of the channels that grow too warm."""
        return {appliance_of(node, channel) for node in range(self.wish.nodes) for channel in self._hot}

    # --- the run

    def run(self) -> Result:
        if self.influx:
            self.influx.start()
        try:
            return self._run()
        finally:
            if self.influx:
                self.influx.stop()

    def _run(self) -> Result:
        self.proxy.start()
        supervisor = self.demo.supervisor
        supervisor.start()
        began_s = time.monotonic()
        try:
            self._strike(began_s)
            self.striker.finish()
            healed_s = time.monotonic()
            self._quietly(began_s + self._end_s - time.monotonic())
            drained = self._await(self._settled, self.wish.drain_s)
            drain_s = time.monotonic() - max(healed_s, began_s + self._end_s)
            if not drained:
                self._ask_stacks()
        finally:
            self.striker.finish()
            self.striker.give_up()
            supervisor.stop()
            self.proxy.stop()
        return self._result(drain_s, drained=drained)

    def _result(self, drain_s: float, *, drained: bool) -> Result:
        verdict, settings, striker = Verdict(), self.demo.settings, self.striker
        rows = check_readings(verdict, settings, self.plan.ledger)
        check_alarms(verdict, settings, self.plan.inbox, self.expected(), rows, striker)
        check_audit(verdict, settings)
        return Result(
            verdict,
            keep_books(settings, 0),
            striker.faults,
            drain_s,
            drained,
            self._peak_kb / 1024,
            {child.name: child.deaths for child in self.demo.supervisor.children},
            self.proxy.corrupted,
            check_influx(self.influx, rows, all_series(settings)) if self.influx else None,
            striker.hangs,
        )

    def _strike(self, began_s: float) -> None:
        nodes = [f"syn-{number:03d}" for number in range(self.wish.nodes)]
        said_s = sampled_s = 0.0
        for fault in schedule(self.wish.seed, self.wish.faults_s, nodes, self.wish.fault_every_s):
            while (now_s := time.monotonic() - began_s) < fault.at_s:
                self._turn()
                if now_s - sampled_s >= SAMPLE_S:
                    sampled_s = now_s
                    self._sample()
                if now_s - said_s >= 10:
                    said_s = now_s
                    self._progress(now_s)
                time.sleep(TICK_S)
            self.striker.apply(fault)

    def _turn(self) -> None:
        self.demo.supervisor.check()
        self.striker.turn()

    def _quietly(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            self._turn()
            time.sleep(TICK_S)

    def _await(self, done: Callable[[], bool], patience_s: float) -> bool:
        until_s = time.monotonic() + patience_s
        while time.monotonic() < until_s:
            self._turn()
            if done():
                return True
            time.sleep(0.3)
        return False

    def _settled(self) -> bool:
        if self.striker.hanging:
            return False
        figures = self._figures()
        if figures.get("world", {}).get("held", 1) or figures.get("gateway", {}).get("pending", 1):
            return False
        alerts = figures.get("alerts", {})
        if alerts.get("behind", 1) or first_messages_due(self.demo.settings, len(self.expected())):
            return False
        try:
            books = keep_books(self.demo.settings, 0)
        except ColdChainError:
            return False
        if books.readings_pending or not books.balanced:
            return False
        return self.influx is None or counted(self.influx) >= books.readings_recorded

    def _figures(self) -> dict[str, dict[str, Any]]:
        return {beat.name: beat.figures for beat in beats(self.demo.settings.data_dir)}

    def _progress(self, now_s: float) -> None:
        figures = self._figures()
        gateway, ingest = figures.get("gateway", {}), figures.get("ingest", {})
        struck = self.striker.faults.total()
        self._say(
            f"{now_s:5.0f} s  {struck:4d} faults  accepted {gateway.get('accepted', 0):>8}  "
            f"recorded {ingest.get('recorded', 0):>8}  pending {gateway.get('pending', 0):>6}  "
            f"alarms {figures.get('alerts', {}).get('alarms_open', 0)}"
        )

    def _sample(self) -> None:
        """Proportional set size of everything of ours; the world is not ours."""
        total = 0
        for child in self.demo.supervisor.children:
            if child.pid is not None and child.name != "world":
                total += pss_kb(child.pid)
        self._peak_kb = max(self._peak_kb, total)

    def _ask_stacks(self) -> None:
        self._say(f"not drained: {keep_books(self.demo.settings, 0)}; stacks are in the logs")
        for name in OURS:
            self.striker.signal(name, signal.SIGABRT)
        time.sleep(1.0)
