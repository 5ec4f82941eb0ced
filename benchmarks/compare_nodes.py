# SPDX-License-Identifier: Apache-2.0
"""Simulated nodes for the comparison: numbered readings by MQTT, QoS 1, and the ledger of each.

The same program for every pipeline. What differs is when a node forgets a report: at the broker's PUBACK, as
an ordinary device does, or at the answer that docs/wire-format.md describes.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from coldchain.ports.clock import wall_ms

Trust = Literal["puback", "answer"]
BOOT = 1
ON_THE_LINE = 64
"""Reports that a node may have unacknowledged on the line (rule 2 of the wire format)."""
RETRY_S, RETRY_MAX_S = 2.0, 60.0
TICK_S = 0.05


@dataclass(slots=True)
class Kept:
    """A report as its node measured it. values in thousandths, one a channel."""

    at_ms: int
    values: list[int]
    acknowledged: bool = False
    sent_s: float = -1e9


@dataclass(slots=True)
class Node:
    """One device with a steady clock that it knows to be right. Measure from one thread."""

    name: str
    channels: int
    trust: Trust
    dice: random.Random
    reports: list[Kept] = field(default_factory=list)
    _open: dict[int, Kept] = field(default_factory=dict)
    _mids: dict[int, int] = field(default_factory=dict)
    _published: list[int] = field(default_factory=list)
    _answers: list[bytes] = field(default_factory=list)
    _wait_s: float = RETRY_S
    _client: paho.Client | None = None
    _began_ms: int = 0

    def connect(self, port: int) -> None:
        client = self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"node-{self.name}",
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
        )
        client.reconnect_delay_set(1, 4)
        client.on_publish = lambda _c, _d, mid, _r, _p: self._published.append(mid)
        client.on_message = lambda _c, _d, message: self._answers.append(bytes(message.payload))
        if self.trust == "answer":
            client.on_connect = lambda c, *_: c.subscribe(f"coldchain/v1/node/{self.name}/ack", qos=1)
        self._began_ms = wall_ms()
        client.connect_async("127.0.0.1", port, keepalive=15)
        client.loop_start()

    def close(self) -> None:
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()

    def measure(self, at_ms: int) -> None:
        """One report of all channels."""
        seq = len(self.reports)
        kept = Kept(at_ms, [self.dice.randrange(2_000, 6_000) for _ in range(self.channels)])
        self.reports.append(kept)
        if self.trust == "answer":
            self._open[seq] = kept
        else:
            self._publish([seq])  # the library keeps it until PUBACK, over reconnections too

    def tick(self, now_s: float) -> None:
        """Take answers, send what is due."""
        while self._published:
            seq = self._mids.pop(self._published.pop(0), None)
            if seq is not None and self.trust == "puback":
                self.reports[seq].acknowledged = True
        while self._answers:
            self._take(json.loads(self._answers.pop(0)))
        if self._open and self._client is not None and self._client.is_connected():
            first = [seq for seq, _ in zip(self._open, range(ON_THE_LINE), strict=False)]
            due = [seq for seq in first if now_s - self._open[seq].sent_s >= self._wait_s]
            if any(self._open[seq].sent_s > 0 for seq in due):
                self._wait_s = min(self._wait_s * 2, RETRY_MAX_S)
            for seq in due:
                self._open[seq].sent_s = now_s
            if due:
                self._publish(due)

    def _take(self, said: dict[str, Any]) -> None:
        for low, high in said.get("ack", ()):
            for seq in range(low, high + 1):
                if (kept := self._open.pop(seq, None)) is not None:
                    kept.acknowledged = True
        for low, high in said.get("resend", ()):
            for seq in range(low, high + 1):
                if seq in self._open:
                    self._open[seq].sent_s = -1e9
        self._wait_s = RETRY_S

    def _publish(self, seqs: list[int]) -> None:
        assert self._client is not None
        now_ms, body = wall_ms(), []
        for seq in seqs:
            kept = self.reports[seq]
            readings = [{"ch": n, "q": "temperature", "m": value} for n, value in enumerate(kept.values)]
            body.append(
                {
                    "v": 1,
                    "node": self.name,
                    "boot": BOOT,
                    "seq": seq,
                    "uptime_ms": kept.at_ms - self._began_ms,
                }
                | {"age_ms": now_ms - kept.at_ms, "clock": 2, "unix_ms": kept.at_ms, "readings": readings}
            )
        text = json.dumps(body[0] if len(body) == 1 else body, separators=(",", ":"))
        told = self._client.publish(f"coldchain/v1/node/{self.name}/report", text, qos=1)
        if self.trust == "puback":
            self._mids[told.mid] = seqs[0]


class Field:
    """All nodes, driven by one thread: each measures once in `every_s`, spread evenly over that time."""

    def __init__(self, nodes: list[Node], every_s: float) -> None:
        self.nodes, self._every_s = nodes, every_s
        self._told = threading.Event()
        self.measuring = True
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self, port: int) -> None:
        for node in self.nodes:
            node.connect(port)
        self._thread.start()

    def stop(self) -> None:
        self._told.set()
        self._thread.join()
        for node in self.nodes:
            node.close()

    @property
    def measured(self) -> int:
        """Readings so far."""
        return sum(len(node.reports) * node.channels for node in self.nodes)

    def _run(self) -> None:
        began_s = time.monotonic()
        due = [began_s + n * self._every_s / len(self.nodes) for n in range(len(self.nodes))]
        while not self._told.wait(TICK_S):
            now_s = time.monotonic()
            for n, node in enumerate(self.nodes):
                if self.measuring and due[n] <= now_s:
                    node.measure(wall_ms())
                    due[n] += self._every_s
                node.tick(now_s)


def make_nodes(count: int, channels: int, trust: Trust, seed: int, prefix: str = "n") -> list[Node]:
    """Nodes whose values come from `seed`."""
    name: Callable[[int], str] = lambda n: f"{prefix}-{n:02d}"  # noqa: E731 -- one word for two uses
    return [Node(name(n), channels, trust, random.Random(f"{seed}/{name(n)}")) for n in range(count)]
