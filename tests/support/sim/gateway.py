# SPDX-License-Identifier: Apache-2.0
"""A gateway in the simulation: real spool, commit and link state; nodes that keep every report."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from coldchain.kernel.errors import BatchError
from coldchain.kernel.link import Batch, Receipt, decode_receipt, encode_batch
from gateway.codecs.frames import Pairs, Report
from gateway.intake import Arrival, Outcome
from gateway.link_state import LinkState
from gateway.spool import Spool, open_spool
from gateway.writer import SpoolWriter, _Work
from sim.disk import Handle
from sim.plan import START_MS, milli_c, sensor_number

if TYPE_CHECKING:
    from sim.simulation import Simulation

T = TypeVar("T")
GAPS_PER_STATUS = 100
STATUS_S = 1800.0
NODE_WINDOW = 60
"""Reports that a node sends before it waits for an answer."""
NODE_PATIENCE_S, NODE_PATIENCE_MOST_S = 2.0, 120.0
"""A node sends again what was not answered, less and less often."""


class Node:
    """Keeps every report until it is acknowledged. It is its own route."""

    def __init__(self, name: str, sensors: list[int]) -> None:
        self.name, self.sensors, self.boot, self.seq = name, sensors, 1, 0
        self.ring: dict[tuple[int, int], Report] = {}

    def measure(self, at_ms: int) -> Report:
        minute = (at_ms - START_MS) // 60_000
        readings = tuple((c, 1, 0, milli_c(minute, sensor)) for c, sensor in enumerate(self.sensors))
        report = Report(self.name, self.boot, self.seq, at_ms - START_MS, 0, 2, at_ms, readings)
        self.ring[self.boot, self.seq] = report
        self.seq += 1
        return report

    def reboot(self) -> None:
        self.boot, self.seq = self.boot + 1, 0


class Line:
    """The way back to a gateway's nodes; answers may get lost."""

    def __init__(self, sim: Simulation, nodes: list[Node]) -> None:
        self._sim, self.nodes = sim, {node.name: node for node in nodes}

    def acknowledge(self, node: str, boot: int, pairs: Pairs) -> None:
        self._sim.effect("before answer")
        if not self._sim.strikes("answer lost"):
            ring = self.nodes[node].ring
            for low, high in pairs:
                for seq in range(low, high + 1):
                    report = ring.pop((boot, seq), None)
                    if report is not None:
                        self._sim.acknowledged(report)
        self._sim.effect("after answer")

    def ask_again(self, node: str, boot: int, pairs: Pairs) -> None:
        """They send everything again anyway."""

    def committed(self) -> None: ...


class Gateway:
    """`turn` does all there is to do at this moment."""

    def __init__(self, sim: Simulation, number: int) -> None:
        self.sim, self.name = sim, f"gw-{number}"
        self.nodes = [
            Node(f"n-{number}-{n}", [sensor_number(sim.plan, number, n, c) for c in range(sim.plan.channels)])
            for n in range(sim.plan.nodes)
        ]
        self.line = Line(sim, self.nodes)
        self.handle = Handle(self.name, self.name)
        self.link: LinkState | None = None
        self.up = False
        self.told_status_s = -1e9
        self._owed: list[Receipt] = []
        self._patience_s = NODE_PATIENCE_S

    # --- life

    def start(self) -> None:
        sim = self.sim
        self.handle = Handle(self.name, self.name)
        self.link, self.up, self._owed = None, False, []
        with sim.disk.process(self.handle):
            epoch = f"e{sim.dice.getrandbits(32):x}"
            self.spool: Spool = open_spool(
                sim.folder / self.name / "spool.db",
                max_bytes=10**9,
                new_epoch=lambda: epoch,
                wall_ms=lambda: sim.now_ms,
            )
            self.writer = SpoolWriter(
                lambda: self.spool,
                linger_s=0.0,
                steady_s=lambda: sim.now_s,
                on_outcome=self._committed,
                on_failure=lambda bad: None,
            )
            link = LinkState(window=4, batch=sim.batch, linger_s=1.0, timeout_s=20.0)
            for low, high in self.spool.pending:
                link.accepted(low, high, sim.now_s, live=False)
        self.link = link

    def turn(self, *, cut: bool) -> float | None:
        """Returns when to look again at the latest [s of the steady clock]; None: when something happens."""
        assert self.link is not None
        if cut and self.up:
            self.link.disconnected()
        elif not cut and not self.up:
            self.link.connected(self.sim.now_s)
            self.told_status_s = -1e9
        self.up = not cut
        waited = sum(len(node.ring) for node in self.nodes)
        with self.sim.disk.process(self.handle):
            self._hear()
            self._send()
            self._tell_status()
        wake_s = self.link.wake_s(self.sim.now_s)
        left = sum(len(node.ring) for node in self.nodes)
        if left < waited:
            self._patience_s = NODE_PATIENCE_S
        if left:
            wake_s = self._patience_s if wake_s is None else min(wake_s, self._patience_s)
            self._patience_s = min(2 * self._patience_s, NODE_PATIENCE_MOST_S)
        return None if wake_s is None else self.sim.now_s + max(wake_s, 0.2)

    def _call(self, function: Callable[[Spool], T]) -> T | None:
        """As `SpoolWriter.call`, on the spot. None when the disk is full."""
        future: Future[T] = Future()
        self.writer._commit(self.spool, _Work([], [], [(function, future)]))
        return None if future.exception() is not None else future.result()

    # --- nodes

    def _hear(self) -> None:
        """What the lines bring, committed, then acknowledged."""
        sim = self.sim
        sent = (r for node in self.nodes for r in islice(node.ring.values(), NODE_WINDOW))
        reports = [report for report in sent if not sim.strikes("line loss")]
        if reports:
            arrivals = [Arrival(report, sim.now_ms, self.line) for report in reports]
            self.writer._commit(self.spool, _Work(arrivals, [], []))

    def _committed(self, outcome: Outcome) -> None:
        """As the service does after a commit."""
        assert self.link is not None
        for route, nodes in outcome.acks.items():
            for (node, boot), pairs in nodes.items():
                route.acknowledge(node, boot, pairs)
        for part in outcome.stored:
            self.link.accepted(part.low, part.high, self.sim.now_s, live=part.live)

    # --- the hub

    def _send(self) -> None:
        link, sim = self.link, self.sim
        assert link is not None
        if link.stalled(sim.now_s):
            link.disconnected()
            link.connected(sim.now_s)
        while (plan := link.next(sim.now_s)) is not None:
            read = self._call(partial(Spool.read, pairs=plan.pairs))
            if read is None:
                link.put_back(plan.pairs)
                return
            found, nodes, rows = read
            gone = [p for p in plan.pairs if not any(a <= p[0] <= b for a, b in found)]
            if gone:
                link.receipted(gone, sim.now_s)
            if found:
                batch = Batch(self.name, self.spool.epoch, found, nodes, rows, sim.now_ms, plan.backfill)
                sim.publish(self.name, "batch", encode_batch(batch))
                link.confirmed(plan.flight, sim.now_s)

    def _tell_status(self) -> None:
        """Every half hour, with what was lost."""
        sim = self.sim
        if not self.up or sim.now_s - self.told_status_s < STATUS_S:
            return
        self.told_status_s = sim.now_s
        spool = self.spool
        gaps = self._call(lambda spool: spool.gaps.untold(GAPS_PER_STATUS))
        word = {
            "v": 1, "gateway": self.name, "epoch": spool.epoch, "at_ms": sim.now_ms, "uptime_s": 1,
            "spool": {"pending": len(spool.pending), "oldest_ms": spool.oldest_ms(), "bytes": 1,
                      "accepted": spool.accepted, "lost": 0, "full": False},
            "mb_per_site_month": 1.0, "lines": [], "gaps": gaps or [],
        }  # fmt: skip
        sim.publish(self.name, "status", json.dumps(word).encode())

    def receive(self, payload: bytes) -> None:
        """A receipt."""
        assert self.link is not None
        try:
            receipt = decode_receipt(payload)
        except BatchError:
            return
        if receipt.gateway == self.name and receipt.epoch == self.spool.epoch:
            self.link.receipted([*receipt.recorded, *receipt.dead], self.sim.now_s)
            self._owed.append(receipt)
            with self.sim.disk.process(self.handle):
                if self._call(self._forget) is not None:
                    self._owed.clear()

    def _forget(self, spool: Spool) -> bool:
        """What could not be taken out on a full disk goes with the next receipt."""
        for receipt in self._owed:
            spool.receipt([*receipt.recorded, *receipt.dead], receipt.gaps)
        return True

    @property
    def waits(self) -> bool:
        """Is there something that the hub has not receipted?"""
        return any(node.ring for node in self.nodes) or self.link is None or bool(self.spool.pending)
