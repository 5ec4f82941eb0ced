# SPDX-License-Identifier: Apache-2.0
"""Many nodes in one thread: measure what the source has, move bytes, apply faults of firmware and line."""

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from firmware_sim.faults import Fault, FaultKind, Schedule
from firmware_sim.firmware.ledger import LedgerWriter
from firmware_sim.firmware.line import PtyLine
from firmware_sim.firmware.mqtt import MqttAccount, MqttLink
from firmware_sim.firmware.node import MQTT_RESEND_MAX_MS, Node
from firmware_sim.firmware.posts import MqttPost, Post, SerialPost
from firmware_sim.firmware.sources import Board, Source

HOUSEKEEPING_MS = 200
IDLE_MS = 1_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The fleet in numbers, reports unless said otherwise."""

    nodes: int
    measured: int
    acked: int
    held: int
    lost: int
    resent: int
    lines_open: int
    mqtt_connected: int

    @property
    def settled(self) -> bool:
        """Everything measured has been acknowledged or given up."""
        return self.held == 0


@dataclass(frozen=True, slots=True)
class FleetConfig:
    """What a fleet of nodes needs beside its source. Plain data: it may travel to a child process.

    folder    lines are `folder/lines/NODE`, the ledger is `folder/ledger.bin`
    boot      boot number of every node at its start; must differ from run to run in one folder
    start_ms  instant 0 of the schedule [ms UTC]
    began_ms  when the nodes were switched on; None: at the source's first measurement
    seed      of the line noise
    """

    folder: Path
    boot: int
    start_ms: int
    began_ms: int | None = None
    mqtt: MqttAccount | None = None
    seed: int = 0


class FleetRunner:
    """Runs nodes until stopped. `run` blocks, `start` uses a thread; any thread may ask for a `snapshot`.

    now_ms  true time [ms UTC]; never steps (`steady_now`)
    """

    def __init__(
        self,
        config: FleetConfig,
        source: Source,
        *,
        now_ms: Callable[[], int],
        schedule: Schedule | None = None,
    ) -> None:
        self.config = config
        self.source = source
        self.ledger_path = config.folder / "ledger.bin"
        self._schedule = schedule or Schedule()
        self._now_ms = now_ms
        self._ledger = LedgerWriter(self.ledger_path)
        self._selector = selectors.DefaultSelector()
        self._waker, self._bell = socket.socketpair()
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._calls: deque[Callable[[], None]] = deque()
        first_ms = source.next_ms()
        began_ms = config.start_ms if first_ms is None else first_ms
        self._judged_ms = began_ms if config.began_ms is None else config.began_ms
        self._posts = {board.config.name: self._post(board, at) for at, board in enumerate(source.boards())}
        for fault in self._schedule.active_at((self._judged_ms - config.start_ms) / 1000):
            if fault.kind is not FaultKind.NODE_REBOOT:
                self._apply(fault, begins=True, at_ms=self._judged_ms)

    def _post(self, board: Board, number: int) -> Post:
        config, name, begin_ms = self.config, board.config.name, self._judged_ms
        if board.link == "mqtt":
            assert config.mqtt is not None, f"{name} speaks MQTT: give the runner a broker"
            patient = replace(board.config, resend_max_ms=MQTT_RESEND_MAX_MS)
            node = Node(patient, boot=config.boot, now_ms=begin_ms, diary=self._ledger)
            return MqttPost(MqttLink(node, config.mqtt), self._selector)
        node = Node(board.config, boot=config.boot, now_ms=begin_ms, diary=self._ledger)
        line = PtyLine(config.folder / "lines" / name, seed=config.seed * 1_000 + number)
        return SerialPost(node, line, self._selector)

    @property
    def lines(self) -> dict[str, PtyLine]:
        """The serial lines by node, for tests that break them."""
        return {name: post.line for name, post in self._posts.items() if isinstance(post, SerialPost)}

    def call(self, what: Callable[[], None]) -> None:
        """Do this in the runner's thread, as soon as it can."""
        self._calls.append(what)
        self._wake()

    def unplug(self, node: str) -> None:
        """Pull a serial node's cable."""
        post = self._posts[node]
        assert isinstance(post, SerialPost), node
        self.call(post.unplug)

    def plug(self, node: str) -> None:
        """Put it back: a new port under the old name."""
        self.call(self.lines[node].plug)

    def restart(self, node: str) -> None:
        """Take the node's power for a moment."""
        self.call(lambda: self._restart(self._posts[node], self._now_ms()))

    def start(self) -> None:
        """Run in a thread."""
        self._thread = threading.Thread(target=self.run, name="fleet", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End `run`; waits for the thread of `start`. Any thread, or a signal handler."""
        self._stop.set()
        self._wake()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(10)

    def run(self) -> None:
        """Block until stopped, then take the lines away."""
        try:
            housekept_ms = 0
            while not self._stop.is_set():
                now_ms = self._now_ms()
                while self._calls:
                    self._calls.popleft()()
                self.step(now_ms)
                if now_ms - housekept_ms >= HOUSEKEEPING_MS:
                    housekept_ms = now_ms
                    for post in self._posts.values():
                        post.tick(now_ms)
                self._wait(now_ms)
        finally:
            self.close()

    def close(self) -> None:
        """Take the lines away and close the ledger."""
        for post in self._posts.values():
            post.close()
        self._selector.close()
        self._waker.close()
        self._bell.close()
        self._ledger.close()

    def step(self, now_ms: int) -> None:
        """Measure and send what is due."""
        for measurement in self.source.take(now_ms):
            self._apply_faults(measurement.at_ms)
            post = self._posts[measurement.node]
            if not post.silent:
                post.node.measure(measurement.readings, measurement.at_ms)
        self._apply_faults(now_ms)
        for post in self._posts.values():
            post.pump(now_ms)

    def snapshot(self) -> Snapshot:
        posts = list(self._posts.values())
        total = {
            key: sum(post.node.counts[key] for post in posts)
            for key in ("measured", "acked", "lost", "resent")
        }
        return Snapshot(
            nodes=len(posts),
            held=sum(len(post.node.ring) for post in posts),
            lines_open=sum(post.connected for post in posts if isinstance(post, SerialPost)),
            mqtt_connected=sum(post.connected for post in posts if isinstance(post, MqttPost)),
            **total,
        )

    def _wait(self, now_ms: int) -> None:
        due = [self.source.next_ms(), *(post.next_ms(now_ms) for post in self._posts.values())]
        quiet = all(post.connected for post in self._posts.values())
        soonest = min([ms for ms in due if ms is not None], default=now_ms + IDLE_MS)
        limit_ms = IDLE_MS if quiet else HOUSEKEEPING_MS
        timeout_s = min(max(soonest - now_ms, 0), limit_ms) / 1000
        for key, events in self._selector.select(timeout_s):
            if key.data is None:
                self._bell.recv(64)
            else:
                post: Post = key.data
                post.ready(events, self._now_ms())

    def _wake(self) -> None:
        with suppress(OSError):  # it has ended by itself
            self._waker.send(b"!")

    def _apply_faults(self, now_ms: int) -> None:
        if now_ms <= self._judged_ms:
            return
        start_ms = self.config.start_ms
        since_s, until_s = (self._judged_ms - start_ms) / 1000, (now_ms - start_ms) / 1000
        self._judged_ms = now_ms
        for event in self._schedule.events_between(since_s, until_s):
            self._apply(event.fault, begins=event.begins, at_ms=start_ms + round(event.at_s * 1000))

    def _apply(self, fault: Fault, *, begins: bool, at_ms: int) -> None:
        post = self._posts.get(fault.node)
        if post is None:
            return
        if fault.kind is FaultKind.NODE_REBOOT and begins:
            self._restart(post, at_ms)
        elif fault.kind is FaultKind.NODE_SILENT:
            post.silent = begins
            # Before the start, nobody was there to hear it: what it had measured until then still comes.
            post.mute = begins and at_ms >= self.config.start_ms
            if not begins:  # its watchdog has noticed
                self._restart(post, at_ms)
        elif fault.kind is FaultKind.LINE_NOISE and isinstance(post, SerialPost):
            post.line.byte_error_rate = fault.number("byte_error_rate") if begins else 0.0

    def _restart(self, post: Post, at_ms: int) -> None:
        post.node.restart(at_ms)
        self.source.restarted(post.node.config.name)


def steady_now(anchor_ms: int) -> Callable[[], int]:
    """A clock that reads `anchor_ms` now and never steps."""
    began_s = time.monotonic()
    return lambda: anchor_ms + round((time.monotonic() - began_s) * 1000)
