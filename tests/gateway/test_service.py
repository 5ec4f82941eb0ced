# SPDX-License-Identifier: Apache-2.0
"""The whole gateway against real brokers: from bytes on a port to receipts. The hub is the test's own."""

import contextlib
import json
import os
import threading
import time
import tty
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from rig.brokers import Broker

from coldchain.kernel.link import Receipt, decode_batch, encode_receipt, sequences, topic
from coldchain.kernel.ranges import RangeSet
from coldchain.ports.mqtt_client import guarded, make_client, start_client, stop_client
from coldchain.settings import GatewaySettings, LineSettings, MqttSettings, Settings
from gateway.codecs import binary
from gateway.codecs.frames import Report
from gateway.service import GatewayService
from gateway.spool import read_accounts

WAIT_S = 8.0


def until(true: Callable[[], bool], what: str = "") -> None:
    end_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end_s, f"{what or 'it'} did not happen within {WAIT_S} s"
        time.sleep(0.02)


class Hub:
    """Takes batches and receipts them, unless told to be deaf."""

    def __init__(self, mqtt: MqttSettings, gateway: str, *, clean: bool = True) -> None:
        self.rows: dict[int, tuple[str, int, int, int, int]] = {}
        self.copies = self.backfills = 0
        self.order: list[tuple[bool, int]] = []
        self.statuses: list[dict] = []
        self.deaf = False
        self.errors: list[Exception] = []
        self._gateway, self._mqtt = gateway, mqtt
        self._subscribed = threading.Event()
        self.client = make_client(mqtt, f"hub-{gateway}", clean=clean)
        self.client.on_connect = lambda client, *_: client.subscribe(topic(gateway, "+"), 1)
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = guarded(self._heard, self.errors.append)
        start_client(self.client, mqtt, clean=clean)
        assert self._subscribed.wait(WAIT_S)

    def _heard(self, client, _data, message) -> None:
        client.ack(message.mid, message.qos)
        what = message.topic.rpartition("/")[2]
        if what == "status":
            self.statuses.append(json.loads(message.payload))
        if what != "batch" or self.deaf:
            return
        batch = decode_batch(message.payload)
        self.backfills += batch.backfill
        self.order.append((batch.backfill, batch.ranges[0][0]))
        for number, row in zip(sequences(batch.ranges), batch.rows, strict=True):
            name = (*batch.nodes[row["node"]], int(row["seq"]), int(row["channel"]), int(row["value"]))
            assert self.rows.setdefault(number, name) == name, "a number was used twice"
            self.copies += 1
        receipt = Receipt(batch.gateway, batch.epoch, batch.ranges, [], [], 0)
        client.publish(topic(batch.gateway, "receipt"), encode_receipt(receipt), qos=1)

    def receipt_gaps(self, epoch: str, gaps: list[int]) -> None:
        receipt = encode_receipt(Receipt(self._gateway, epoch, [], [], gaps, 0))
        self.client.publish(topic(self._gateway, "receipt"), receipt, qos=1)

    def close(self) -> None:
        stop_client(self.client)
        assert self.errors == []


class Node:
    """A binary node on a pseudo-terminal that keeps what is not acknowledged."""

    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        os.set_blocking(self.master, False)
        self.device = os.ttyname(self.slave)
        self.acked = RangeSet()
        self.resends: list[tuple[int, int]] = []
        self._back = b""
        self.asked = False

    def say(self, *seqs: int, node: str = "n1", readings: int = 1) -> None:
        """Report, once the gateway has asked who is there: opening a port drops what came before."""
        until(lambda: (self.listen(), self.asked)[1], "WHO")
        for seq in seqs:
            channels = tuple((c, 1, 0, 4000 + seq) for c in range(readings))
            frame = binary.encode_report(Report(node, 1, seq, seq * 1000, 0, 0, 0, channels))
            while frame:
                try:
                    frame = frame[os.write(self.master, frame) :]
                except BlockingIOError:
                    time.sleep(0.001)

    def raw(self, data: bytes) -> None:
        os.write(self.master, data)

    def listen(self) -> RangeSet:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._back += os.read(self.master, 65536)
        while len(self._back) >= 10:
            size = 10 + int.from_bytes(self._back[4:6], "little")
            frame, self._back = self._back[:size], self._back[size:]
            self.asked |= frame[3] == 0x83
            body = frame[7 + frame[6] :] if len(frame) > 10 else b""
            for low, high in binary.RANGE.iter_unpack(body[5 : 5 + 8 * body[4]] if body else b""):
                self.acked.add(low, high) if frame[3] == 0x81 else self.resends.append((low, high))
        return self.acked

    def close(self) -> None:
        os.close(self.master)
        os.close(self.slave)


class Gateway:
    """The service on a thread."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        (settings.data_dir / "health/gateway.json").unlink(missing_ok=True)  # of a run before
        self.service = GatewayService(settings)
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.service.run()
        except BaseException as bad:  # noqa: BLE001  handed to the test
            self.failure = bad

    def beat(self) -> dict:
        """The newest figures; the first come soon after the start."""
        path = self.settings.data_dir / "health/gateway.json"
        until(lambda: path.exists() or self.failure is not None, "the first beat")
        figures: dict = json.loads(path.read_text())["figures"]
        return figures

    def stop(self) -> float:
        began_s = time.monotonic()
        self.service.stop()
        self._thread.join(10)
        assert not self._thread.is_alive()
        assert self.failure is None
        return time.monotonic() - began_s


def settings_for(folder: Path, port: int, name: str, node: Node | None, **more) -> Settings:
    lines = (LineSettings(device=node.device),) if node else ()
    gateway = {
        "id": name, "lines": lines, "batch_linger": timedelta(seconds=0.1),
        "receipt_timeout": timedelta(seconds=1.5), "status_every": timedelta(seconds=0.3), **more,
    }  # fmt: skip
    mqtt = MqttSettings(port=port, reconnect_max=timedelta(seconds=1))
    return Settings(data_dir=folder / name, mqtt=mqtt, gateway=GatewaySettings(**gateway))


@pytest.fixture(autouse=True)
def _quick_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests look at the beats: do not make them wait for each."""
    monkeypatch.setattr("gateway.service.BEAT_EVERY_S", 0.1)
    monkeypatch.setattr("coldchain.records.health.BEAT_EVERY_S", 0.1)


@pytest.fixture
def node() -> Iterator[Node]:
    one = Node()
    yield one
    one.close()


def test_from_bytes_to_receipts(broker: Broker, node: Node, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, broker.port, f"trip-{broker.program.kind}", node)
    hub, gateway = Hub(settings.mqtt, settings.gateway.id), Gateway(settings)
    try:
        node.say(*range(100), readings=2)
        node.raw(b"\xc5\x5a noise")
        node.say(*range(100, 200), readings=2)
        until(lambda: node.listen().covers(0, 199), "the acknowledgement")
        until(lambda: len(hub.rows) == 400, "the batches")
        until(lambda: not read_accounts(settings.spool_db)[2], "the receipt")
        node.say(5, 6)  # sent again: acknowledged again, accepted once
        until(lambda: bool(hub.statuses) and hub.statuses[-1]["spool"]["accepted"] == 400, "the status")
        until(lambda: gateway.beat()["duplicates"] == 2, "the count of duplicates")
        figures = gateway.beat()
        assert (figures["accepted"], figures["pending"], figures["lost"]) == (400, 0, 0)
        assert figures["link_up"] is True
        assert figures["lines"][node.device]["skipped"] == len(b"\xc5\x5a noise")
        assert figures["bytes_sent"] > 0
        assert figures["mb_per_site_month"] > 0
    finally:
        took_s = gateway.stop()
        hub.close()
    assert took_s < 3
    assert sorted(hub.rows.values()) == sorted(
        ("n1", 1, seq, c, 4000 + seq) for seq in range(200) for c in range(2)
    )
    assert read_accounts(settings.spool_db)[1:] == (400, RangeSet())


def test_lines_wait_while_the_disk_is_behind(
    nats_broker: Broker, node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes then stay in the port's own buffer; nothing is lost, and reading goes on by itself."""
    monkeypatch.setattr("gateway.service.BACKLOG_MAX_REPORTS", 3)
    settings = settings_for(
        tmp_path, nats_broker.port, "behind", node, commit_linger=timedelta(seconds=0.2), mqtt_nodes=False
    )
    gateway = Gateway(settings)
    told: list[bool] = []
    hold = gateway.service._hold

    def watched(*, held: bool) -> None:
        told.append(held)
        hold(held=held)

    monkeypatch.setattr(gateway.service, "_hold", watched)
    try:
        node.say(*range(300))
        until(lambda: node.listen().covers(0, 299), "the acknowledgement")
    finally:
        gateway.stop()
    assert told[:2] == [True, False]
    assert read_accounts(settings.spool_db)[1] == 300


def test_mqtt_5_where_the_broker_has_it(mosquitto_broker: Broker, node: Node, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, mosquitto_broker.port, "five", node)
    settings = settings.model_copy(update={"mqtt": settings.mqtt.model_copy(update={"protocol": "5"})})
    hub, gateway = Hub(settings.mqtt, "five"), Gateway(settings)
    try:
        node.say(*range(10))
        until(lambda: len(hub.rows) == 10, "the batch")
        until(lambda: not read_accounts(settings.spool_db)[2], "the receipt")
    finally:
        gateway.stop()
        hub.close()


def test_nothing_is_forgotten_while_the_hub_is_deaf(broker: Broker, node: Node, tmp_path: Path) -> None:
    """A PUBACK is not storage: batches are sent again until a receipt comes, also after a restart."""
    settings = settings_for(tmp_path, broker.port, f"deaf-{broker.program.kind}", node)
    hub, gateway = Hub(settings.mqtt, settings.gateway.id), Gateway(settings)
    try:
        hub.deaf = True
        node.say(*range(50))
        until(lambda: node.listen().covers(0, 49), "the acknowledgement")
        until(lambda: gateway.beat()["resent"] > 0, "the second try")
        assert len(read_accounts(settings.spool_db)[2]) == 50
        gateway.stop()
        gateway = Gateway(settings)
        hub.deaf = False
        until(lambda: not read_accounts(settings.spool_db)[2], "the receipt")
    finally:
        gateway.stop()
        hub.close()
    assert [hub.rows[n][2] for n in sorted(hub.rows)] == list(range(50))


def test_after_an_outage_of_the_broker_live_goes_first(
    own_broker: Broker, node: Node, tmp_path: Path
) -> None:
    settings = settings_for(
        tmp_path, own_broker.port, "outage", node, batch_readings=20, in_flight=1, mqtt_nodes=False
    )
    gateway = Gateway(settings)
    try:
        until(lambda: gateway.beat()["link_up"] is True, "the link")
        own_broker.kill()
        node.say(*range(400))
        until(lambda: node.listen().covers(0, 399), "the acknowledgement during the outage")
        until(lambda: gateway.beat()["link_up"] is False, "the loss of the link")
        own_broker.start()
        hub = Hub(settings.mqtt, "outage")
        try:
            node.say(*range(400, 420))
            until(lambda: len(hub.rows) == 420, "the backlog")
            until(lambda: not read_accounts(settings.spool_db)[2], "the receipt")
        finally:
            hub.close()
    finally:
        gateway.stop()
    assert sorted(name[2] for name in hub.rows.values()) == list(range(420))
    assert hub.backfills >= 20
    assert hub.order[-1][0] is True  # the backlog was still being sent when the live readings were done


def test_what_is_lost_is_told_until_the_hub_has_it(broker: Broker, node: Node, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, broker.port, f"gaps-{broker.program.kind}", node)
    hub, gateway = Hub(settings.mqtt, settings.gateway.id), Gateway(settings)
    try:
        node.say(0, 1, 7)
        until(lambda: (node.listen(), (2, 6) in node.resends)[1], "the question for what was missed")
        node.raw(binary.frame(binary.LOST, b"\x02n1" + binary.LOST_HEAD.pack(1, 2, 6)))
        until(lambda: bool(hub.statuses) and bool(hub.statuses[-1]["gaps"]), "the gap")
        (gap,) = hub.statuses[-1]["gaps"]
        assert (gap["node"], gap["boot"], gap["low"], gap["high"], gap["readings"]) == ("n1", 1, 2, 6, 5)
        assert gap["reason"] == "told-lost"
        assert hub.statuses[-1]["spool"]["lost"] == 5
        hub.receipt_gaps("another-epoch", [gap["id"]])
        time.sleep(0.5)
        assert hub.statuses[-1]["gaps"] == [gap]
        hub.receipt_gaps(hub.statuses[-1]["epoch"], [gap["id"]])
        until(lambda: not hub.statuses[-1]["gaps"], "its end")
    finally:
        gateway.stop()
        hub.close()


def test_nodes_that_publish_are_answered_after_the_commit(broker: Broker, tmp_path: Path) -> None:
    name = f"mq-{broker.program.kind}"
    settings = settings_for(tmp_path, broker.port, name, None)
    hub, gateway = Hub(settings.mqtt, name), Gateway(settings)
    answers: list[dict] = []
    publisher = make_client(settings.mqtt, f"node-{name}", clean=True)
    publisher.on_connect = lambda client, *_: client.subscribe(f"coldchain/v1/node/{name}/ack", 1)
    publisher.on_message = lambda _c, _u, message: answers.append(json.loads(message.payload))
    start_client(publisher, settings.mqtt, clean=True)

    def publish(payload: bytes, node: str = name) -> None:
        publisher.publish(f"coldchain/v1/node/{node}/report", payload, qos=1)

    def reports(*seqs: int) -> bytes:
        reading = {"ch": 0, "q": "temperature", "m": 4100}
        return json.dumps(
            [{"v": 1, "node": name, "boot": 3, "seq": seq, "readings": [reading]} for seq in seqs]
        ).encode()

    try:
        until(lambda: gateway.beat()["lines"]["mqtt"]["state"] == "up", "the subscription")
        publish(b"not json")
        publish(reports(0), node="impostor")
        publish(reports(0, 1, 2, 6))
        until(lambda: any("ack" in answer for answer in answers), "the answer")
        told = next(answer for answer in answers if "ack" in answer)
        assert told["node"] == name
        assert told["boot"] == 3
        assert told["ack"] == [[0, 2], [6, 6]]
        assert told["resend"] == [[3, 5]]
        publish(reports(3, 4, 5))
        until(lambda: len(hub.rows) == 7, "the batches")
        until(lambda: gateway.beat()["lines"]["mqtt"]["malformed"] == 2, "the count of refused messages")
    finally:
        stop_client(publisher)
        gateway.stop()
        hub.close()
    assert sorted(row[2] for row in hub.rows.values()) == list(range(7))


def test_new_matches_of_a_pattern_are_found_while_running(broker: Broker, node: Node, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, broker.port, f"glob-{broker.program.kind}", None)
    line = LineSettings(device=str(tmp_path / "by-id-*"))
    gateway_settings = settings.gateway.model_copy(update={"lines": (line,), "mqtt_nodes": False})
    settings = settings.model_copy(update={"gateway": gateway_settings})
    gateway = Gateway(settings)
    try:
        time.sleep(0.3)
        (tmp_path / "by-id-1").symlink_to(node.device)
        (tmp_path / "by-id-2").symlink_to(node.device)  # another name of the same port
        node.say(*range(5))
        until(lambda: node.listen().covers(0, 4), "the acknowledgement")
        until(lambda: list(gateway.beat()["lines"]) == [str(tmp_path / "by-id-1")], "one line")
    finally:
        gateway.stop()


def test_reports_without_numbers_are_numbered_here(broker: Broker, node: Node, tmp_path: Path) -> None:
    name = f"plain-{broker.program.kind}"
    settings = settings_for(tmp_path, broker.port, name, None)
    line = LineSettings(device=node.device, codec="ascii")
    settings = settings.model_copy(update={"gateway": settings.gateway.model_copy(update={"lines": (line,)})})
    hub, gateway = Hub(settings.mqtt, name), Gateway(settings)
    try:
        until(lambda: gateway.beat()["lines"].get(node.device, {}).get("state") == "up", "the line")
        node.raw(b"$CC1,toy,,,,,,0:temperature:4.1\r\n$CC1,toy,,,,,,0:temperature:4.2\r\n")
        until(lambda: len(hub.rows) == 2, "the batch")
        gateway.stop()
        gateway = Gateway(settings)
        until(lambda: gateway.beat()["lines"].get(node.device, {}).get("state") == "up", "the line")
        node.raw(b"$CC1,toy,,,,,,0:temperature:4.3\r\n")
        until(lambda: len(hub.rows) == 3, "the batch after the restart")
    finally:
        gateway.stop()
        hub.close()
    names = [row[:3] for _, row in sorted(hub.rows.items())]
    assert [(node, seq) for node, _, seq in names] == [("toy", 0), ("toy", 1), ("toy", 0)]
    assert names[0][1] == names[1][1] != names[2][1]  # a new boot for each start of the gateway
