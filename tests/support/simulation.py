# SPDX-License-Identifier: Apache-2.0
"""The whole chain in one thread on a virtual clock: nodes, spools, links, journal, engine, and a seeded evil.

Spool, link state, codecs, admission, journal, sealing and engine are the real ones; network and lines are
lists, time is a number. A seed gives the same run. A crash drops an object between two of its effects and
opens its file again. Durability against power loss is not simulated: SQLite's files are real, and a crash is
a process's.
"""

from __future__ import annotations

import heapq
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from alerts.service import AlertService
from coldchain.kernel.errors import BatchError
from coldchain.kernel.link import Batch, decode_receipt, encode_batch, encode_receipt, topic
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Appliance, Assignment, Desk, Registry, Sensor, Site
from coldchain.settings import Settings
from gateway.codecs.frames import Report
from gateway.intake import Arrival
from gateway.link_state import LinkState
from gateway.spool import Spool, open_spool
from ingest.inbox import Message
from ingest.journal import SqliteJournal
from ingest.sealing import Sealer, Windows
from ingest.service import read

START_MS = 1_790_000_000_000 // 3_600_000 * 3_600_000
TICK_MS = 600_000
STEPS = (0, 5_000, 30_000, 120_000)
"""In each tick the chain is turned at these moments [ms]."""
CHANNELS = 5

FAULTS = (
    "line loss", "lose", "double", "delay", "flip", "partition",
    "gateway crash before", "gateway crash after", "hub crash before", "hub crash after",
    "alerts crash", "node reboot", "seal",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """What to simulate. `faults`: how likely each is at each occasion."""

    seed: int
    hours: int = 48
    gateways: int = 3
    nodes: int = 4
    faults: dict[str, float] = field(default_factory=dict)


def swarm(seed: int, **words: int) -> Plan:
    """A random subset of the faults at random rates: rare combinations occur, too."""
    dice = random.Random(seed)
    chosen = [name for name in FAULTS if dice.random() < 0.5]
    return Plan(seed, faults={name: dice.choice((0.01, 0.05, 0.2)) for name in chosen}, **words)


class Node:
    """Keeps every report until it is acknowledged."""

    def __init__(self, name: str) -> None:
        self.name, self.boot, self.seq = name, 1, 0
        self.ring: dict[tuple[int, int], Report] = {}

    def measure(self, at_ms: int, values: list[int]) -> None:
        readings = tuple((channel, 1, 0, value) for channel, value in enumerate(values))
        report = Report(self.name, self.boot, self.seq, at_ms - START_MS, 0, 2, at_ms, readings)
        self.ring[self.boot, self.seq] = report
        self.seq += 1

    def reboot(self) -> None:
        self.boot, self.seq = self.boot + 1, 0


class Route:
    """A gateway's way back to its nodes."""


class Gateway:
    """A spool and a link; `sim` is the world around it."""

    def __init__(self, sim: Simulation, number: int) -> None:
        self.sim, self.name = sim, f"gw-{number}"
        self.nodes = [Node(f"n-{number}-{n}") for n in range(sim.plan.nodes)]
        self.route = Route()
        self.up = False
        self.open()

    def open(self) -> None:
        path = self.sim.folder / f"{self.name}.db"
        epoch = f"e{self.sim.dice.getrandbits(32):x}"
        self.spool: Spool = open_spool(
            path, max_bytes=10**9, new_epoch=lambda: epoch, wall_ms=lambda: self.sim.now_ms
        )
        self.link = LinkState(window=4, batch=50, linger_s=1.0, timeout_s=20.0)
        for low, high in self.spool.pending:
            self.link.accepted(low, high, self.sim.now_s, live=False)
        self.up = False

    def crash(self) -> None:
        self.spool.close()
        self.open()

    def turn(self, *, cut: bool) -> None:
        if cut and self.up:
            self.link.disconnected()
        elif not cut and not self.up:
            self.link.connected(self.sim.now_s)
        self.up = not cut
        self._hear()
        while (plan := self.link.next(self.sim.now_s)) is not None:
            self.link.confirmed(plan.flight, self.sim.now_s)
            with self.spool.change():
                found, nodes, rows = self.spool.read(plan.pairs)
            gone = [pair for pair in plan.pairs if pair not in found]
            self.link.receipted(
                [p for p in gone if not any(a <= p[0] <= b for a, b in found)], self.sim.now_s
            )
            if not found:
                continue
            batch = Batch(self.name, self.spool.epoch, found, nodes, rows, self.sim.now_ms, plan.backfill)
            self.sim.send("hub", self.name, encode_batch(batch))

    def _hear(self) -> None:
        """What the lines bring, committed, then acknowledged."""
        sim = self.sim
        reports = [r for node in self.nodes for r in node.ring.values() if not sim.strikes("line loss")]
        if not reports:
            return
        arrivals = [Arrival(report, sim.now_ms, self.route) for report in reports]  # type: ignore[arg-type]
        try:
            with self.spool.change():
                outcome = self.spool.accept(arrivals, [], sim.now_s)
                if sim.strikes("gateway crash before"):
                    raise Crash  # noqa: TRY301 -- inside the transaction, that it may be rolled back
        except Crash:
            self.crash()
            return
        if sim.strikes("gateway crash after"):
            self.crash()
            return
        for part in outcome.stored:
            self.link.accepted(part.low, part.high, sim.now_s, live=part.live)
        nodes = {node.name: node for node in self.nodes}
        for (name, boot), pairs in outcome.acks.get(self.route, {}).items():  # type: ignore[call-overload]
            for low, high in pairs:
                for seq in range(low, high + 1):
                    report = nodes[name].ring.pop((boot, seq), None)
                    if report is not None:
                        sim.acknowledged(report)

    def receive(self, payload: bytes) -> None:
        try:
            receipt = decode_receipt(payload)
        except BatchError:
            return
        if receipt.gateway == self.name and receipt.epoch == self.spool.epoch:
            pairs = [*receipt.recorded, *receipt.dead]
            self.link.receipted(pairs, self.sim.now_s)
            with self.spool.change():
                self.spool.receipt(pairs, receipt.gaps)


class Crash(Exception):
    """The process is gone."""


class Simulation:
    """`run`, then look at `told`, `recorded()`, `excursions()`."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        folder.mkdir(parents=True, exist_ok=True)
        self.dice = random.Random(plan.seed)
        self.now_ms = START_MS
        self.struck: Counter[str] = Counter()
        self.told: dict[tuple[str, int, int, int], tuple[int, int]] = {}
        self.measured = 0
        self._network: list[tuple[int, int, str, str, bytes]] = []
        self._ticket = 0
        self._calm = False
        self._cut_until: dict[str, int] = {}
        self.settings = Settings(data_dir=folder)
        self.gateways = [Gateway(self, number) for number in range(plan.gateways)]
        self.registry = self._registry()
        desk = Desk(self.settings.desk_db, lambda: START_MS)
        desk.publish(self.registry, author="sim", reason="sim")
        desk.close()
        self._open_hub()
        self._open_alerts()

    @property
    def now_s(self) -> float:
        return (self.now_ms - START_MS) / 1000 + 1.0

    def _registry(self) -> Registry:
        pairs = [
            (node.name, c) for gateway in self.gateways for node in gateway.nodes for c in range(CHANNELS)
        ]
        return Registry(
            sites=(Site(id="s", name="S"),),
            appliances=tuple(
                Appliance(
                    id=f"a-{node}-{c}",
                    name=f"{node}/{c}",
                    site="s",
                    assignments=(Assignment(carries="red-cells@eu", from_ms=-(2**62)),),
                )
                for node, c in pairs
            ),
            sensors=tuple(
                Sensor(id=f"a-{node}-{c}/load", appliance=f"a-{node}-{c}", probe="load", node=node, channel=c)
                for node, c in pairs
            ),
        )

    # --- evil

    def strikes(self, name: str) -> bool:
        rate = 0.0 if self._calm else self.plan.faults.get(name, 0.0)
        struck = rate > 0 and self.dice.random() < rate
        self.struck[name] += struck
        return struck

    def send(self, to: str, gateway: str, payload: bytes) -> None:
        """Into the network, which may lose, double, delay and flip."""
        if self.strikes("lose"):
            return
        for _ in range(2 if self.strikes("double") else 1):
            late_ms = self.dice.randrange(1, 5 * TICK_MS) if self.strikes("delay") else 1
            if self.strikes("flip"):
                spoilt = bytearray(payload)
                spoilt[self.dice.randrange(len(spoilt))] ^= 1 << self.dice.randrange(8)
                payload = bytes(spoilt)
            self._ticket += 1
            heapq.heappush(self._network, (self.now_ms + late_ms, self._ticket, to, gateway, payload))

    def acknowledged(self, report: Report) -> None:
        for channel, _, _, value in report.readings:
            assert report.boot is not None
            assert report.seq is not None
            self.told[report.node, report.boot, report.seq, channel] = value, report.unix_ms

    # --- the hub

    def _open_hub(self) -> None:
        self.journal = SqliteJournal(self.settings.readings_db)
        self.journal.rewire(self.registry)

    def _open_alerts(self) -> None:
        self.alerts = AlertService(
            self.settings, None, wall_ms=lambda: self.now_ms, steady_s=lambda: self.now_s
        )

    def _hub_receives(self, gateway: str, payload: bytes) -> None:
        arrival = read(Message(topic(gateway, "batch"), payload, False, 1, 1, 1))
        if self.strikes("hub crash before"):
            self.journal.db.close()
            self._open_hub()
            return
        (receipt,) = self.journal.record([arrival], self.now_ms)
        if self.strikes("hub crash after"):
            self.journal.db.close()
            self._open_hub()
            return
        if receipt is not None:
            self.send(receipt.gateway, gateway, encode_receipt(receipt))

    def _seal(self) -> None:
        for _ in Sealer(self.journal, Windows(6 * 3_600_000, 0)).steps(self.now_ms):
            if self.strikes("hub crash before"):
                self.journal.db.close()
                self._open_hub()
                return

    # --- time

    def run(self) -> None:
        ticks = self.plan.hours * 3_600_000 // TICK_MS
        for tick in range(ticks):
            self._measure(tick)
            for at_ms in STEPS:
                self._turn(START_MS + tick * TICK_MS + at_ms)
            if self.strikes("seal"):
                self._seal()
        self._calm = True
        self._cut_until.clear()
        for turn in range(400):
            self._turn(START_MS + ticks * TICK_MS + turn * 25_000)
            if self._settled() and turn > 3:
                break
        for turn in range(60):  # late readings are judged again at leisure
            self.now_ms += 5_000
            self.alerts.tick()
            del turn
        assert self._settled(), "it does not drain"

    def _settled(self) -> bool:
        rings = any(node.ring for gateway in self.gateways for node in gateway.nodes)
        return not rings and not self._network and not any(gateway.spool.pending for gateway in self.gateways)

    def _measure(self, tick: int) -> None:
        at_ms = START_MS + tick * TICK_MS
        for g, gateway in enumerate(self.gateways):
            for n, node in enumerate(gateway.nodes):
                if self.strikes("node reboot"):
                    node.reboot()
                values = [celsius(tick, (g * self.plan.nodes + n) * CHANNELS + c) for c in range(CHANNELS)]
                node.measure(at_ms, values)
                self.measured += len(values)

    def _turn(self, at_ms: int) -> None:
        self.now_ms = at_ms
        for gateway in self.gateways:
            if self.strikes("partition"):
                self._cut_until[gateway.name] = self.now_ms + self.dice.randrange(1, 60) * TICK_MS
            gateway.turn(cut=self._cut_until.get(gateway.name, 0) > self.now_ms)
        self._deliver()
        if self.strikes("alerts crash"):
            self._crash_alerts()
        self.alerts.tick()

    def _deliver(self) -> None:
        """What is due, and what it causes at once."""
        by_name = {gateway.name: gateway for gateway in self.gateways}
        while self._network and self._network[0][0] <= self.now_ms + 1_000:
            _, _, to, gateway, payload = heapq.heappop(self._network)
            if self._cut_until.get(gateway, 0) > self.now_ms:
                continue
            if to == "hub":
                self._hub_receives(gateway, payload)
            else:
                by_name[to].receive(payload)

    def _crash_alerts(self) -> None:
        self.alerts._store.close()
        if self.alerts._journal is not None:
            self.alerts._journal.close()
        self._open_alerts()

    # --- what came of it

    def recorded(self) -> Counter[tuple[str, int, int, int, int, int]]:
        """(node, boot, seq, channel, value, instant) of every recorded reading, and how often it is there."""
        reader = JournalReader(self.settings.readings_db)
        nodes, found = reader.sources(), Counter[tuple[str, int, int, int, int, int]]()
        for sensor in self.registry.sensors:
            rows = reader.readings(sensor.id, -(2**62), 2**62)
            for source, seq, value, at_ms in rows[["source", "seq", "value", "at_ms"]].tolist():
                found[*nodes[source], seq, sensor.channel, value, at_ms] += 1
        reader.close()
        return found

    def excursions(self) -> set[tuple[str, str, int, int | None]]:
        """(sensor, kind, start, end)."""
        with sqlite3.connect(self.settings.alarms_db) as db:
            found = db.execute("SELECT sensor, kind, started_ms, ended_ms FROM excursion").fetchall()
        db.close()
        return set(found)

    def close(self) -> None:
        self.alerts.close()
        self.journal.close()
        for gateway in self.gateways:
            gateway.spool.close()


def celsius(tick: int, sensor: int) -> int:
    """4 °C with a little noise; each sensor has its own hours of warmth [thousandths]."""
    calm = 4_000 + (tick * 7 + sensor * 13) % 300
    period, begin, lasts = 90 + sensor % 23, sensor * 3 % 70, 3 + sensor % 5
    return calm + 4_500 if begin <= tick % period < begin + lasts and sensor % 3 == 0 else calm


@contextmanager
def simulated(folder: Path, plan: Plan) -> Iterator[Simulation]:
    """A run that is over."""
    simulation = Simulation(folder, plan)
    try:
        simulation.run()
        yield simulation
    finally:
        simulation.close()
