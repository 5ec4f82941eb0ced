# SPDX-License-Identifier: Apache-2.0
"""Ingest on real brokers: what a gateway publishes is recorded and receipted."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from paho.mqtt.client import Client
from rig.brokers import Broker, NatsBroker
from rig.influx import Influx

from coldchain.kernel.link import Batch, Receipt, decode_receipt, encode_batch, topic
from coldchain.kernel.readings import SPOOLED
from coldchain.ports.clock import wall_ms
from coldchain.ports.mqtt_client import make_client, start_client, stop_client
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.health import beats
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Desk, Registry, Sensor
from coldchain.records.sql import open_writer, transaction
from coldchain.settings import InfluxSettings, MqttSettings, Settings
from ingest.inbox import Message
from ingest.journal import SqliteJournal
from ingest.service import IngestService

WAIT_S = 15.0


class FakeGateway:
    """Publishes batches of its own making and keeps the receipts."""

    def __init__(self, name: str, address: MqttSettings) -> None:
        self.name, self.receipts = name, list[Receipt]()
        self._told = threading.Condition()
        self._up = threading.Event()
        self.client: Client = make_client(address, f"fake-{name}", clean=True)
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: self._up.set()
        self.client.on_message = self._on_message
        start_client(self.client, address, clean=True)
        assert self._up.wait(WAIT_S)

    def _on_connect(self, client, *_) -> None:
        client.subscribe(topic(self.name, "receipt"), 1)

    def _on_message(self, client, _data, message) -> None:
        with self._told:
            self.receipts.append(decode_receipt(bytes(message.payload)))
            self._told.notify_all()
        client.ack(message.mid, message.qos)

    def publish(self, payload: bytes, what: str = "batch", *, retain: bool = False) -> None:
        self.client.publish(topic(self.name, what), payload, qos=1, retain=retain)

    def recorded(self) -> set[int]:
        return {n for r in self.receipts for low, high in r.recorded for n in range(low, high + 1)}

    def wait_recorded(self, numbers: set[int]) -> None:
        with self._told:
            assert self._told.wait_for(lambda: self.recorded() >= numbers, WAIT_S), self.receipts

    def close(self) -> None:
        stop_client(self.client)


def batch(gateway: str, low: int, n: int, *, node: str = "n-1", boot: int = 1) -> Batch:
    rows = np.zeros(n, SPOOLED)
    rows["seq"] = np.arange(low, low + n)
    rows["quantity"], rows["clock"] = 1, 2
    rows["at_ms"] = rows["device_ms"] = wall_ms() - 60_000 + 10 * np.arange(n)
    rows["gateway_ms"] = rows["at_ms"] + 20
    rows["value"] = 4_000 + rows["seq"] % 100
    return Batch(gateway, "e1", [(low, low + n - 1)], [(node, boot)], rows)


@contextmanager
def running(settings: Settings, **clocks) -> Iterator[IngestService]:
    service = IngestService(settings, **clocks)
    thread = threading.Thread(target=service.run)
    thread.start()
    assert service.subscribed.wait(WAIT_S)
    try:
        yield service
    finally:
        service.stop()
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def settings(broker: Broker, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, mqtt=MqttSettings(port=broker.port))


def publish_registry(settings: Settings, *nodes: str) -> None:
    desk = Desk(settings.desk_db, wall_ms)
    sensors = tuple(Sensor(id=f"{node}/load", node=node, channel=0) for node in nodes)
    desk.publish(Registry(sensors=sensors), author="test", reason="test")
    desk.close()


def test_published_readings_are_recorded_and_receipted(settings: Settings, broker: Broker) -> None:
    publish_registry(settings, "n-1")
    gateway = FakeGateway(f"gw-a-{broker.port}", settings.mqtt)
    with running(settings):
        for low in range(1, 501, 100):
            gateway.publish(encode_batch(batch(gateway.name, low, 100)))
        gateway.wait_recorded(set(range(1, 501)))
        reader = JournalReader(settings.readings_db)
        assert reader.counters()["journalled"] == 500
        rows = reader.readings("n-1/load", 0, 2**60)
        assert sorted(rows["seq"].tolist()) == list(range(1, 501))
        assert rows["value"].tolist() == [4_000 + seq % 100 for seq in rows["seq"].tolist()]
        reader.close()
    gateway.close()
    # What the broker still had for ingest from others waits, and is counted as recorded, too.
    reader = JournalReader(settings.readings_db)
    counters = reader.counters()
    reader.close()
    assert counters["journalled"] == 500
    assert beats(settings.data_dir)[0].figures["recorded"] == 500 + counters.get("waiting", 0)


def test_what_came_while_ingest_was_away_is_recorded_when_it_returns(
    settings: Settings, broker: Broker
) -> None:
    publish_registry(settings, "n-1")
    gateway = FakeGateway(f"gw-b-{broker.port}", settings.mqtt)
    with running(settings):
        gateway.publish(encode_batch(batch(gateway.name, 1, 10)))
        gateway.wait_recorded(set(range(1, 11)))
    gateway.publish(encode_batch(batch(gateway.name, 11, 10)))
    with running(settings):
        gateway.wait_recorded(set(range(1, 21)))
    gateway.close()


def test_unknown_channels_wait_and_are_readmitted_when_adopted(settings: Settings, broker: Broker) -> None:
    publish_registry(settings, "n-1")
    gateway = FakeGateway(f"gw-c-{broker.port}", settings.mqtt)
    with running(settings):
        gateway.publish(encode_batch(batch(gateway.name, 1, 50, node="stranger")))
        gateway.wait_recorded(set(range(1, 51)))
        reader = JournalReader(settings.readings_db)
        assert reader.counters()["waiting"] == 50
        publish_registry(settings, "n-1", "stranger")
        deadline = time.monotonic() + WAIT_S
        while reader.counters()["waiting"] and time.monotonic() < deadline:
            time.sleep(0.05)
        counters = reader.counters()
        assert (counters["waiting"], counters["journalled"], counters["readmitted"]) == (0, 50, 50)
        assert len(reader.readings("stranger/load", 0, 2**60)) == 50
        reader.close()
    gateway.close()


def test_gaps_of_a_status_are_kept_and_receipted(settings: Settings, broker: Broker) -> None:
    gateway = FakeGateway(f"gw-d-{broker.port}", settings.mqtt)
    gap = (
        '{"id": 3, "node": "n-1", "boot": 1, "low": 5, "high": 9, "readings": 5, "reason": "torn",'
        ' "from_ms": 1, "until_ms": 2}'
    )
    with running(settings):
        gateway.publish(
            f'{{"v": 1, "gateway": "{gateway.name}", "epoch": "e1", "gaps": [{gap}]}}'.encode(), "status"
        )
        with gateway._told:
            assert gateway._told.wait_for(lambda: any(r.gaps == [3] for r in gateway.receipts), WAIT_S)
        reader = JournalReader(settings.readings_db)
        assert [g.gateway for g in reader.gateways()] == [gateway.name]
        reader.close()
    gateway.close()


def test_refused_payloads_are_kept_with_their_reason(settings: Settings, broker: Broker) -> None:
    gateway = FakeGateway(f"gw-e-{broker.port}", settings.mqtt)
    with running(settings) as service:
        gateway.publish(b"not a batch")
        gateway.publish(encode_batch(batch("someone-else", 1, 2)))
        gateway.publish(bytes(70_000))
        deadline = time.monotonic() + WAIT_S
        while service._journal.counters.get("refused_payloads", 0) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
    reader = JournalReader(settings.readings_db)
    reasons = reader._db.execute("SELECT reason, detail FROM dead_letter ORDER BY id").fetchall()
    assert sorted(reason for reason, _ in reasons) == ["malformed", "oversize", "topic"]
    gateway.close()


def test_it_seals_when_the_window_is_over_and_removes_what_alerts_has_passed(
    settings: Settings, broker: Broker, monkeypatch
) -> None:
    monkeypatch.setattr("ingest.service.HOUSEKEEPING_EVERY_S", 0.05)
    publish_registry(settings, "n-1")
    gateway = FakeGateway(f"gw-f-{broker.port}", settings.mqtt)
    ahead_ms = [0]
    with running(settings, wall_ms=lambda: wall_ms() + ahead_ms[0]):
        gateway.publish(encode_batch(batch(gateway.name, 1, 100)))
        gateway.wait_recorded(set(range(1, 101)))
        reader = JournalReader(settings.readings_db)
        before = reader.readings("n-1/load", 0, 2**60)
        ahead_ms[0] = 7 * 3_600_000
        until(lambda: reader.cursor("sealed")[0] == 1)
        assert reader.first_position() == 1, "alerts has not judged it yet"
        alarms = open_writer(settings.alarms_db, ALARMS_MIGRATIONS)
        with transaction(alarms) as db:
            values = {"id": 1, "position": 1, "state": b"", "rules_digest": ""}
            row = [values.get(column[1], 0) for column in db.execute("PRAGMA table_info(engine)")]
            db.execute(f"INSERT INTO engine VALUES ({','.join('?' * len(row))})", row)
        alarms.close()
        until(lambda: reader.first_position() == 2)
        assert np.array_equal(reader.readings("n-1/load", 0, 2**60), before)
        gateway.publish(encode_batch(batch(gateway.name, 101, 1)))
        gateway.wait_recorded({101})
        assert reader.last_position() == 2
        reader.close()
    gateway.close()


def test_a_message_of_an_earlier_connection_is_not_acknowledged_on_the_next(tmp_path: Path) -> None:
    """Its id may belong to another message by now."""
    service = IngestService(Settings(data_dir=tmp_path))
    service._journal = SqliteJournal(tmp_path / "readings.db")
    acknowledged = []

    class Paper:
        def ack(self, mid: int, qos: int) -> None:
            acknowledged.append(mid)

        def publish(self, *_, **__) -> None:
            return

    service._client = Paper()  # type: ignore[assignment]
    service._connection = 2
    payload = encode_batch(batch("gw", 1, 3))
    words = ("coldchain/v1/gw/gw/batch", payload, False)
    service.commit([Message(*words, mid=7, qos=1, connection=1), Message(*words, mid=8, qos=1, connection=2)])
    assert acknowledged == [8]
    service._journal.close()


def test_with_influx_configured_the_cursor_and_the_figures_follow(
    nats_broker: NatsBroker, influx: Influx, tmp_path: Path
) -> None:
    influx.create_database("service")
    settings = Settings(
        data_dir=tmp_path,
        mqtt=MqttSettings(port=nats_broker.port),
        influx=InfluxSettings(url=influx.url, bucket="service"),
    )
    publish_registry(settings, "n-1")
    gateway = FakeGateway("gw-influx", settings.mqtt)
    with running(settings):
        gateway.publish(encode_batch(batch(gateway.name, 1, 100)))
        gateway.wait_recorded(set(range(1, 101)))
        reader = JournalReader(settings.readings_db)
        until(lambda: reader.cursor("influx")[1].get("written") == 1)
        reader.close()
    figures = beats(settings.data_dir)[0].figures["influx"]
    assert figures == {"state": "up", "points": 100, "behind": 0}
    assert influx.count("reading", bucket="service") == 100
    gateway.close()


def until(done) -> None:
    deadline = time.monotonic() + WAIT_S
    while not done():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
