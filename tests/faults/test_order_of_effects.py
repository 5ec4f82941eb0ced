# SPDX-License-Identifier: Apache-2.0
"""What must never come before what: no acknowledgement before its commit, no heartbeat without progress."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from coldchain.kernel.link import Batch, encode_batch, topic
from coldchain.kernel.readings import SPOOLED
from coldchain.ports import clock
from coldchain.settings import GatewaySettings, MqttSettings, Settings
from coldchain.wiring.child import free_port
from gateway.codecs.frames import Report
from gateway.service import GatewayService
from ingest.inbox import Message, Request
from ingest.journal import SqliteJournal
from ingest.service import IngestService


class Diary:
    """Stands for journal, MQTT client and route: notes what was asked of it, in order."""

    def __init__(self) -> None:
        self.did: list[str] = []

    def record(self, arrivals: list, now_ms: int) -> list:
        self.did.append("commit")
        raise OSError("the disk is gone")

    def ack(self, mid: int, qos: int) -> None:
        self.did.append("ack")

    def publish(self, *_: object, **__: object) -> None:
        self.did.append("receipt")

    def acknowledge(self, node: str, boot: int, pairs: list) -> None:
        self.did.append("ack")

    def submit(self, arrivals: list, losses: list) -> None:
        self.did.append("submit")

    backlog = 0


def batch() -> Batch:
    rows = np.zeros(1, SPOOLED)
    rows["quantity"] = 1
    return Batch("gw-1", "e", [(1, 1)], [("n", 1)], rows)


def test_a_commit_that_fails_is_neither_acknowledged_nor_receipted(tmp_path: Path) -> None:
    service, diary = IngestService(Settings(data_dir=tmp_path)), Diary()
    service._journal, service._client = diary, diary  # type: ignore[assignment]
    message = Message(topic("gw-1", "batch"), encode_batch(batch()), False, 7, 1, service._connection)
    with pytest.raises(OSError, match="the disk is gone"):
        service.commit([message])
    assert diary.did == ["commit"]


def test_what_is_only_handed_in_is_not_acknowledged_to_the_node(tmp_path: Path) -> None:
    service, diary = GatewayService(Settings(data_dir=tmp_path)), Diary()
    service._writer = diary  # type: ignore[assignment]
    service.take(diary, [Report("n", 1, 0, 0, 0, 0, 0, ((0, 1, 0, 4_000),))])  # type: ignore[arg-type]
    assert diary.did == ["submit"], "the acknowledgement follows the commit, and nothing else"


def test_durations_do_not_follow_the_wall_clock(monkeypatch) -> None:
    before = clock.steady_s()
    for name, scale in (("time", 1), ("time_ns", 10**9)):
        true = getattr(time, name)()
        monkeypatch.setattr(time, name, lambda true=true, scale=scale: true + 3_600 * scale)
    assert clock.wall_ms() / 1000 - time.clock_gettime(time.CLOCK_REALTIME) > 3_000
    assert clock.steady_s() - before < 60


def beat_ms(directory: Path) -> int:
    return int(json.loads((directory / "health" / "ingest.json").read_text())["at_ms"])


def test_no_heart_beats_while_a_commit_hangs(tmp_path: Path, monkeypatch) -> None:
    """A held lock or a dead disk must show: the beat comes from the loop that does the work."""
    hang, hung = threading.Event(), threading.Event()

    def hold(*_: object) -> list:
        hung.set()
        hang.wait(30)
        return [None]

    settings = Settings(
        data_dir=tmp_path, mqtt=MqttSettings(port=free_port()), gateway=GatewaySettings(id="gw-1")
    )
    service = IngestService(settings)
    thread = threading.Thread(target=service.run, daemon=True)
    thread.start()
    try:
        until_s = time.monotonic() + 10
        while not (tmp_path / "health" / "ingest.json").exists():
            assert time.monotonic() < until_s, "it never beat"
            time.sleep(0.05)
        monkeypatch.setattr(SqliteJournal, "record", hold)
        service.inbox.put(Request(batch(), Future()))
        assert hung.wait(5)
        time.sleep(0.2)
        last_ms = beat_ms(tmp_path)
        time.sleep(3.0)  # a beat is due every 2 s
        assert beat_ms(tmp_path) == last_ms
    finally:
        hang.set()
        service.stop()
        thread.join(10)
    assert not thread.is_alive()
