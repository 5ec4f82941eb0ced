# SPDX-License-Identifier: Apache-2.0
"""A restore as it will be done: backed up while everything writes, the hub lost, brought back, started.

Ingest and alerts are the real processes; the gateway lives on another machine and goes on measuring.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rig.brokers import NatsBroker
from typer.testing import CliRunner

from coldchain.cli.app import app
from coldchain.kernel.errors import StoreUnavailable
from coldchain.ports.clock import wall_ms
from coldchain.records.alarms import AlarmsReader
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Appliance, Assignment, Desk, Person, Registry, Sensor, Site
from coldchain.settings import GatewaySettings, MqttSettings, Settings
from gateway.codecs.frames import Report
from gateway.service import GatewayService
from gateway.spool import read_accounts

ROOT = Path(__file__).parents[2]
REGISTRY = Registry(
    sites=(Site(id="s", name="S"),),
    appliances=(Appliance(id="a", name="A", site="s", assignments=(Assignment(carries="red-cells@eu"),)),),
    sensors=(Sensor(id="a/load", appliance="a", probe="load", node="rr-n1", channel=0),),
    people=(Person(id="p", name="P", phone="+8562000000001"),),
)
WARM_FROM = 3
"""From this report on it is 9 °C. Reports are dated a tenth of a minute apart, so that none is late."""


class FarGateway:
    """A gateway's service on a thread of its own, and a node that reports to it."""

    def __init__(self, folder: Path, broker: NatsBroker) -> None:
        mqtt = MqttSettings(host="127.0.0.1", port=broker.port)
        gateway = GatewaySettings(id="rr-gw", mqtt_nodes=False, batch_linger=0.05, receipt_timeout=2)  # type: ignore[arg-type]
        self.settings = Settings(data_dir=folder, gateway=gateway, mqtt=mqtt)
        self.service = GatewayService(self.settings)
        self.thread = threading.Thread(target=self.service.run)
        self.thread.start()
        self.sent = 0
        until((folder / "health" / "gateway.json").exists)

    def measure(self, count: int) -> None:
        """Reports six seconds apart, the newest of them just now when 95 have been sent."""
        for _ in range(count):
            age_ms = max(0, 95 - self.sent) * 6_000
            value = 4_000 if self.sent < WARM_FROM else 9_000
            report = Report("rr-n1", 1, self.sent, self.sent, age_ms, 0, 0, ((0, 1, 0, value),))
            self.service._on_loop(self.service.take, None, [report])
            self.sent += 1
            time.sleep(0.01)

    def pending(self) -> int:
        return len(read_accounts(self.settings.spool_db)[2])

    def stop(self) -> None:
        self.service.stop()
        self.thread.join()


def until(done: Callable[[], bool], within_s: float = 20.0) -> None:
    end = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < end, "in time"
        time.sleep(0.05)


def config_of(folder: Path, broker: NatsBroker) -> Path:
    path = folder / "coldchain.toml"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(f'data_dir = "data"\n[mqtt]\nport = {broker.port}\n')
    return path


@contextmanager
def hub(config: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Ingest and alerts as processes. They end by SIGKILL: the machine is lost."""
    with ExitStack() as ends:
        running = []
        for name in ("ingest", "alerts"):
            process = subprocess.Popen(
                [sys.executable, "-m", "coldchain.wiring.process", name, str(config)],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stderr=subprocess.DEVNULL,
            )
            ends.callback(process.wait)
            ends.callback(process.kill)
            running.append(process)
        yield running


def sequences(data: Path) -> Counter[int]:
    try:
        rows = JournalReader(data / "readings.db").readings("a/load", 0, 2**53)
    except StoreUnavailable:  # ingest has only just begun it
        return Counter()
    return Counter(int(seq) for seq in rows["seq"])


def alarms(data: Path) -> list[str]:
    try:
        return sorted(a.id for a in AlarmsReader(data / "alarms.db").alarms() if a.kind == "high")
    except StoreUnavailable:
        return []


def test_a_hub_is_lost_and_brought_back_from_last_nights_backup(
    tmp_path: Path, nats_broker: NatsBroker
) -> None:
    old, new = config_of(tmp_path / "old", nats_broker), config_of(tmp_path / "new", nats_broker)
    lost, found = tmp_path / "old" / "data", tmp_path / "new" / "data"
    desk = Desk(lost / "desk.db", wall_ms)
    desk.publish(REGISTRY, author="test", reason="test")
    desk.close()
    far = FarGateway(tmp_path / "far", nats_broker)
    try:
        with hub(old):
            far.measure(60)
            until(lambda: len(sequences(lost)) >= 50 and bool(alarms(lost)))
            writing = threading.Thread(target=far.measure, args=(20,))
            writing.start()
            made = CliRunner().invoke(app, ["backup", str(tmp_path / "backup"), "-c", str(old)])
            assert made.exit_code == 0, made.output
            writing.join()
            until(lambda: far.pending() == 0)
            rang = alarms(lost)
        whole = sequences(lost)
        assert set(whole) == set(range(80))
        far.measure(20)  # the hub is gone, the gateway is not
        restored = CliRunner().invoke(app, ["restore", str(tmp_path / "backup"), "-c", str(new)])
        assert restored.exit_code == 0, restored.output
        kept = sequences(found)
        assert 50 <= len(kept) <= 80
        with hub(new) as running:
            until(lambda: far.pending() == 0 and set(sequences(found)) >= set(range(80, 100)))
            far.measure(5)
            until(lambda: set(sequences(found)) >= set(range(80, 105)))
            until(lambda: bool(alarms(found)))
            assert [process.poll() for process in running] == [None, None]
    finally:
        far.stop()
    after = sequences(found)
    assert set(after.values()) == {1}, "nothing twice"
    assert set(after) == set(kept) | set(range(80, 105)), "what the backup had, and all since the loss"
    assert alarms(found) == rang, "the alarm of before goes on; it is not raised anew"
    verified = CliRunner().invoke(app, ["verify", str(tmp_path / "backup")])
    assert verified.exit_code == 0, "and the backup is as it was"
