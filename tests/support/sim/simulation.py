# SPDX-License-Identifier: Apache-2.0
"""One run: the processes, what wakes them and what passes between them."""

from __future__ import annotations

import logging
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import structlog

from coldchain.kernel.errors import StoreUnavailable
from coldchain.records.registry import Desk
from coldchain.records.reserve import Reserve
from coldchain.settings import IngestSettings, Settings
from gateway.codecs.frames import Report
from sim.agenda import Agenda
from sim.disk import Died, Disk
from sim.estate import registry_of
from sim.evil import MINUTE_MS, Evil
from sim.gateway import Gateway
from sim.hub import Alerts, Broker, Ingest, Modem
from sim.plan import START_MS, TICK_MS, Plan
from sim.sqlite import mounted

SILENT_MS = 2 * TICK_MS
"""A sensor is silent two of its intervals after its last live reading."""
SMS_MS = 4_000
"""The modem is busy with a message for so long."""
DUTIES_TICKS = 6
"""Ingest seals and removes once in so many ticks; the real one does every ten seconds."""
BACK_MS, BACK_MOST_MS = 2_000, 300_000
"""A process is started anew after so long; after longer and longer when it dies again and again."""
SETTLE_MS = 12 * 3_600_000
ROOM_MS = 5_000
"""On a full disk ingest asks for room so often."""
LAST_TICKS, LAST_EVERY_MS = 14, 60_000
"""When all has come, alerts has so many rounds more: late readings are judged again at leisure."""


class Simulation(Agenda):
    """`run`, then see `sim.verdict`."""

    def __init__(self, folder: Path, plan: Plan, disk: Disk) -> None:
        super().__init__()
        self.folder, self.plan, self.disk = folder, plan, disk
        self.dice = random.Random(plan.seed)
        self.evil = Evil(plan, self.dice, self)
        self.gave_up: Counter[str] = Counter()
        self.measured: list[Report] = []
        self.acked: set[tuple[str, int, int]] = set()
        self.replied: set[str] = set()
        self.batch = min(500, 50 * max(1, 600 // plan.every_s))
        self.on_effect: Callable[[str], None] | None = None
        self._mid = 0
        self._deaths: dict[str, tuple[int, int]] = {}
        self.settings = Settings(
            data_dir=folder / "hub",
            ingest=IngestSettings(window=timedelta(hours=6), seal_after=timedelta(hours=1)),
        )
        self.broker, self.modem = Broker(self), Modem(self)
        self.gateways = {g.name: g for g in (Gateway(self, number) for number in range(plan.gateways))}
        for place in ("hub", *self.gateways):
            (folder / place).mkdir(parents=True, exist_ok=True)
        self.registry = registry_of(self.gateways.values(), plan.channels)
        desk = Desk(self.settings.desk_db, lambda: START_MS)
        desk.publish(self.registry, author="sim", reason="sim")
        desk.close()
        disk.effect = self.effect
        disk.burn = self.evil.burn
        self.reserve = Reserve(self.settings.data_dir)
        disk.spared = lambda handle: handle.name == "alerts" and self.reserve.spent
        self.ingest: Ingest | None = None
        self.alerts: Alerts | None = None
        self._given: set[int] = set()
        self.lives_of_alerts = 0
        self.end_ms = START_MS

    # --- evil

    @property
    def struck(self) -> Counter[str]:
        return self.evil.struck

    def strikes(self, name: str) -> bool:
        return self.evil.strikes(name)

    def effect(self, name: str) -> None:
        """Something is done, or was done just now: where a process may die."""
        if self.on_effect is not None:
            self.on_effect(name)
        if self.disk.running is not None:
            self.evil.burn(self.disk.running)

    def wipe_broker(self) -> None:
        """It restarts and knows nothing any more."""
        self.broker.unacknowledged.clear()
        self.drop("net")
        for gateway in self.gateways.values():
            if gateway.link is not None and gateway.up:
                gateway.link.disconnected()
                gateway.up = False

    # --- processes

    def _within(self, name: str, function: Callable[[], Any]) -> Any:
        """Do it; whatever ends the process, ends it."""
        try:
            return function()
        except Died as death:
            self._down(name, power=death.args == ("power",))
        except (sqlite3.Error, StoreUnavailable) as bad:
            self.gave_up[f"{name.partition('-')[0]}: {bad}"] += 1
            self._down(name, power=False)
        return None

    def _down(self, name: str, *, power: bool) -> None:
        names = [name] if name in self.gateways else ["ingest", "alerts"] if power else [name]
        for one in names:
            self._bury(one)
        away_ms = 0
        if power:
            self.disk.power_loss(name if name in self.gateways else "hub")
            away_ms = self.dice.randrange(1, 20) * MINUTE_MS
        for one in names:
            died_ms, before_ms = self._deaths.get(one, (-(2**62), 0))
            often = self.now_ms - died_ms < 10 * MINUTE_MS
            back_ms = min(2 * before_ms, BACK_MOST_MS) if often else BACK_MS
            self._deaths[one] = self.now_ms, back_ms
            back_ms = max(back_ms, away_ms)
            self.wake(f"up {one}", back_ms, partial(self._up, one))

    def _bury(self, name: str) -> None:
        if name in self.gateways:
            gateway = self.gateways[name]
            self.disk.bury(gateway.handle)
            gateway.link, gateway.up = None, False
        elif name == "ingest" and self.ingest is not None:
            self.disk.bury(self.ingest.handle)
            self.ingest = None
        elif name == "alerts" and self.alerts is not None:
            self.alerts.forget()
            self.disk.bury(self.alerts.handle)
            self.alerts = None

    def _up(self, name: str) -> None:
        if name in self.gateways:
            self._within(name, self.gateways[name].start)
            self._turn_gateway(name)
        elif name == "ingest":
            self._given.clear()
            self._within(name, self._start_ingest)
            self._turn_ingest()
        else:
            self._within(name, self._start_alerts)
            self._turn_alerts()

    def _start_ingest(self) -> None:
        self.ingest = None
        self.ingest = Ingest(self)

    def _start_alerts(self) -> None:
        self.alerts = None
        self.lives_of_alerts += 1
        self.reserve.look()  # as `run_process` does, before anything is written
        self.alerts = Alerts(self)

    # --- the network

    def publish(self, gateway: str, what: str, payload: bytes) -> None:
        self.effect("before publish")
        self.send(gateway, what, payload)
        self.effect("after publish")

    def send(self, gateway: str, what: str, payload: bytes) -> None:
        """Into the network, which may lose, double, delay and flip. `what` empty: to the gateway."""
        if self.strikes("lose"):
            return
        for _ in range(2 if self.strikes("double") else 1):
            late_ms = self.dice.randrange(20, 120)
            if self.strikes("delay"):
                late_ms = self.dice.randrange(1, 5 * TICK_MS)
            if self.strikes("flip"):
                spoilt = bytearray(payload)
                spoilt[self.dice.randrange(len(spoilt))] ^= 1 << self.dice.randrange(8)
                payload = bytes(spoilt)
            self.at(self.now_ms + late_ms, partial(self._arrives, gateway, what, payload), "net")

    def _arrives(self, gateway: str, what: str, payload: bytes) -> None:
        if self.evil.is_cut(gateway):
            return
        if what:
            self._mid += 1
            self.broker.unacknowledged[self._mid] = gateway, what, payload
            self.wake("ingest", 20, self._turn_ingest)
        elif self.gateways[gateway].link is not None:
            self._within(gateway, partial(self.gateways[gateway].receive, payload))
            self._turn_gateway(gateway)

    # --- turns

    def _turn_gateway(self, name: str) -> None:
        gateway = self.gateways[name]
        if gateway.link is None:
            return
        again_s = self._within(name, partial(gateway.turn, cut=self.evil.is_cut(name)))
        if again_s is not None:
            soon_ms = max(200, round((again_s - self.now_s) * 1000))
            self.wake(name, soon_ms, partial(self._turn_gateway, name))

    def _turn_ingest(self) -> None:
        ingest = self.ingest
        if ingest is None:
            return
        if self.reserve.spent:  # what room there is is for alarms: readings wait, unacknowledged
            self.wake("ingest", ROOM_MS, self._turn_ingest)
            self.wake("alerts", 200, self._turn_alerts)
            return
        waiting = [(mid, *what) for mid, what in self.broker.unacknowledged.items() if mid not in self._given]
        for first in range(0, len(waiting), 64):
            group = waiting[first : first + 64]
            self._given.update(mid for mid, *_ in group)
            self._within("ingest", partial(ingest.take, group))
            if self.ingest is None:
                return
        self._given &= self.broker.unacknowledged.keys()
        self.wake("alerts", self.dice.randrange(100, 250), self._turn_alerts)

    def _duties(self) -> None:
        if self.ingest is not None and not self.reserve.spent:
            self._within("ingest", self.ingest.duties)

    def _turn_alerts(self) -> None:
        if self.alerts is None:
            return
        self._within("alerts", self.alerts.tick)
        self._send_message()
        if self.alerts is None:
            return
        if self.alerts.late_waits:
            self.wake("alerts", 2_000, self._turn_alerts)
            return
        live_at = self.alerts.service._at.state.table["live_at"]
        due = live_at[live_at > 0] + SILENT_MS + 1_000
        ahead = due[due > self.now_ms]
        if len(ahead):
            self.wake("alerts", int(ahead.min()) - self.now_ms, self._turn_alerts)
        if len(ahead) < len(due):  # the gateway may be the cause: that is decided within five minutes
            new = self.now_ms - int(due[due <= self.now_ms].max()) < 7 * MINUTE_MS
            self.wake("alerts", 30_000 if new else TICK_MS, self._turn_alerts)

    def _send_message(self) -> None:
        """As the outbox's thread does: one message after the other."""
        if self.alerts is None or self.waits("message"):
            return
        if self._within("alerts", self.alerts.send_one):
            self.wake("message", SMS_MS, self._send_message)
        elif self.alerts is not None:
            row = self.alerts.service._store.db.execute(
                "SELECT min(due_ms) FROM notice WHERE state IN ('due', 'failed', 'unknown')"
            ).fetchone()
            if row[0] is not None:
                self.wake("message", max(1_000, row[0] - self.now_ms), self._send_message)

    def replies(self, number: str, text: str) -> None:
        """Somebody may answer a message, later."""
        if self.dice.random() < 0.3:
            self.replied.add(text)
            later_ms = self.dice.randrange(1, 20) * MINUTE_MS
            self.at(self.now_ms + later_ms, partial(self._answer, number, text))

    def _answer(self, number: str, text: str) -> None:
        self.modem.answer(number, text)
        self._turn_alerts()
        self.wake("alerts", 1_000, self._turn_alerts)

    # --- the run

    def start(self) -> None:
        for name in (*self.gateways, "ingest", "alerts"):
            self._up(name)

    def run(self) -> None:
        self.start()
        ticks = self.plan.hours * 3_600_000 // TICK_MS
        for tick in range(ticks):
            self.at(START_MS + tick * TICK_MS, partial(self._tick, START_MS + tick * TICK_MS))
        end_ms = self.end_ms = START_MS + ticks * TICK_MS
        self.play(end_ms)
        self.heal()
        self.play(end_ms + 30 * MINUTE_MS)
        self._tick(self.now_ms)  # one more: new readings bring what waits for the next receipt
        self.play(end_ms + SETTLE_MS, self.settled)
        assert self.settled(), "it does not drain"
        self.rest()

    def heal(self) -> None:
        """From here on nothing goes wrong."""
        self.evil.heal()
        self.disk.full.clear()
        self.disk.mute.clear()
        for name in self.gateways:
            self._turn_gateway(name)

    def rest(self) -> None:
        """Late readings are judged at leisure, what is due is told."""
        for _ in range(LAST_TICKS):
            self._turn_alerts()
            self.play(self.now_ms + LAST_EVERY_MS)

    def settled(self) -> bool:
        flying = self.has("net")
        idle = self.ingest is not None and self.alerts is not None and not self.broker.unacknowledged
        return idle and not flying and not any(gateway.waits for gateway in self.gateways.values())

    def _tick(self, at_ms: int) -> None:
        self.evil.tick(self)
        step_ms = self.plan.every_s * 1000
        for gateway in self.gateways.values():
            for node in gateway.nodes:
                for back in range(TICK_MS // step_ms - 1, -1, -1):
                    self.measured.append(node.measure(at_ms - back * step_ms))
        for name in self.gateways:
            self.wake(name, 100, partial(self._turn_gateway, name))
        if at_ms // TICK_MS % DUTIES_TICKS == 0:
            self.at(at_ms + 30_000, self._duties)

    def acknowledged(self, report: Report) -> None:
        assert report.boot is not None
        assert report.seq is not None
        self.acked.add((report.node, report.boot, report.seq))

    def close(self) -> None:
        for name in (*self.gateways, "ingest", "alerts"):
            self._bury(name)


@contextmanager
def simulated(
    folder: Path, plan: Plan, prepare: Callable[[Simulation], None] | None = None
) -> Iterator[Simulation]:
    """A run that is over, its files still there."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    disk = Disk(folder, random.Random(plan.seed + 1))
    free = patch.object(Reserve, "_free", lambda self: 0 if self._directory.name in disk.full else 2**40)
    try:
        with mounted(disk), free:
            simulation = Simulation(folder, plan, disk)
            if prepare is not None:
                prepare(simulation)
            try:
                simulation.run()
                yield simulation
            finally:
                simulation.close()
    finally:
        structlog.configure(**before)
