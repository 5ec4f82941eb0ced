# SPDX-License-Identifier: Apache-2.0
r"""The whole chain as processes, for one fault at a time: any broker, a proxy before it, nodes with a ledger.

with Chain(folder, mosquitto="max_queued_messages 20\n") as chain:
    chain.until(lambda: chain.figures("gateway").get("accepted"))
    ...
    chain.drains()
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from rig.programs import need
from soak.check import Verdict, check_readings
from soak.proxy import Proxy

from coldchain.kernel.errors import ColdChainError
from coldchain.records.alarms import Alarm, AlarmsReader
from coldchain.records.health import beats
from coldchain.wiring.broker import HOST, BrokerProgram, EmbeddedBroker, mqtt_keeps
from coldchain.wiring.child import free_port
from coldchain.wiring.demo.account import Books, keep_books, pending
from coldchain.wiring.demo.plan import DemoPlan, write_settings
from coldchain.wiring.demo.run import Demo
from coldchain.wiring.process import PROCESSES
from coldchain.wiring.supervise import Child, our_process

HURRY = "[gateway]\nbatch_linger = 0.2\nreceipt_timeout = 2\nbatch_readings = 100"


@dataclass(frozen=True, slots=True)
class Wants:
    """mosquitto: what to add to its settings; None takes nats-server. environment: of a process, by name."""

    mosquitto: str | None = None
    sensors: int = 20
    every_s: float = 0.5
    backfill_s: float = 400.0
    environment: dict[str, dict[str, str]] | None = None
    hurry: str = HURRY
    more: str = ""


class _Struck(Demo):
    def __init__(self, plan: DemoPlan, wants: Wants) -> None:
        self.wants, self.broker_port = wants, free_port()
        super().__init__(plan, lambda _: None)

    def _children(self) -> list[Child]:
        logs = self.plan.directory / "log"
        logs.mkdir(exist_ok=True)
        folder = self.settings.data_dir / "broker"
        program = None
        if self.wants.mosquitto is not None:
            program = BrokerProgram("mosquitto", need("mosquitto"))
        broker = EmbeddedBroker(folder, self.broker_port, program=program)
        command = broker.prepare()
        if self.wants.mosquitto is not None:
            conf = folder / "broker.conf"
            text = conf.read_text().replace("max_queued_messages 0\n", "")
            conf.write_text(text + self.wants.mosquitto)
        world = [sys.executable, "-m", "coldchain.wiring.demo.world", str(self.plan.world_file)]
        ours = [our_process(name, self.plan.config, logs, self.settings.data_dir) for name in PROCESSES]
        for child in ours:
            child.environment.update((self.wants.environment or {}).get(child.name, {}))
        return [
            Child(
                "broker",
                command,
                logs / "broker.log",
                folder,
                asks=partial(mqtt_keeps, HOST, self.broker_port),
            ),
            *ours,
            Child("world", world, logs / "world.log"),
        ]


class Chain:
    """One run in one folder."""

    def __init__(self, folder: Path, wants: Wants | None = None, **more: Any) -> None:
        wants = replace(wants or Wants(), **more)
        self.plan = DemoPlan(
            directory=folder,
            appliances=0,
            console_port=0,
            synthetic=wants.sensors,
            synthetic_every_s=wants.every_s,
            synthetic_backfill_s=wants.backfill_s,
        )
        write_settings(self.plan)
        text = self.plan.config.read_text().replace("[gateway]", wants.hurry, 1)
        text = text.replace("[mqtt]", "[mqtt]\nkeepalive = 5", 1)
        self.plan.config.write_text(text + wants.more)
        self.demo = _Struck(self.plan, wants)
        self.settings = self.demo.settings
        self.proxy = Proxy(self.settings.mqtt.port, self.demo.broker_port, seed=1)

    def __enter__(self) -> Self:
        self.proxy.start()
        self.demo.supervisor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.demo.supervisor.stop()
        self.proxy.stop()

    # --- looking

    def figures(self, name: str) -> dict[str, Any]:
        return next((beat.figures for beat in beats(self.settings.data_dir) if beat.name == name), {})

    def books(self) -> Books:
        return keep_books(self.settings, 0)

    def alarms(self) -> list[Alarm]:
        try:
            reader = AlarmsReader(self.settings.alarms_db)
            found = reader.open_alarms()
            reader.close()
        except ColdChainError:
            return []
        return list(found)

    def told(self) -> str:
        """All that the telephones have received."""
        return self.plan.inbox.read_text() if self.plan.inbox.exists() else ""

    def log(self, name: str) -> str:
        return (self.plan.directory / "log" / f"{name}.log").read_text(errors="replace")

    def pid(self, name: str) -> int:
        pid = self.demo.supervisor.child(name).pid
        assert pid is not None, f"{name} does not run"
        return pid

    def deaths(self, name: str) -> int:
        return self.demo.supervisor.child(name).deaths

    def verdict(self) -> Verdict:
        """The nodes' ledger against the record. After the chain has stopped."""
        found = Verdict()
        check_readings(found, self.settings, self.plan.ledger)
        return found

    # --- doing

    def signal(self, name: str, number: int) -> None:
        os.kill(self.pid(name), number)

    def passes(self, seconds: float) -> None:
        self.until(lambda: False, seconds, must=False)

    def until(self, done: Callable[[], object], seconds: float = 30.0, *, must: bool = True) -> float:
        """Supervise until that holds; how long it took [s]."""
        began_s = time.monotonic()
        while (took_s := time.monotonic() - began_s) < seconds:
            self.demo.supervisor.check()
            if done():
                return took_s
            time.sleep(0.05)
        assert not must, f"it did not come true within {seconds:.0f} s: {self.books()}"
        return took_s

    def drains(self, seconds: float = 60.0) -> float:
        """No more is measured; until all that was has been recorded and judged. How long it took [s]."""
        self.demo.supervisor.stop("world")
        return self.until(self._settled, seconds)

    def _settled(self) -> bool:
        try:
            if pending(self.settings) or not self.books().balanced:
                return False
        except ColdChainError:
            return False
        return bool(self.figures("alerts").get("behind", 1) == 0)

    def sound(self) -> Verdict:
        """After it has drained and stopped: nothing lost, doubled, altered or invented."""
        self.demo.supervisor.stop()
        found = self.verdict()
        assert (found.lost, found.doubled, found.altered, found.invented) == (0, 0, 0, 0), found
        assert found.acknowledged > 0
        assert self.books().balanced
        return found
