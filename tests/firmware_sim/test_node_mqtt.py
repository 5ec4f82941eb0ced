# SPDX-License-Identifier: Apache-2.0
"""Nodes over MQTT: the codec, and conversations through real brokers."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from rig.brokers import Broker

from firmware_sim.firmware.fleet_runner import FleetConfig, FleetRunner, steady_now
from firmware_sim.firmware.frames import Ack, Hello, Lost, Reading, Report, Resend, SentReport
from firmware_sim.firmware.mqtt import PAYLOAD_MAX, MqttAccount, messages, payloads
from firmware_sim.firmware.sources import SyntheticSource

START_MS = 1_700_000_000_000


def report(seq: int, *readings: Reading) -> SentReport:
    return SentReport("mb-01", Report(12, seq, 123_456, 2, START_MS, readings), 20)


def test_a_report_is_the_example_of_the_document() -> None:
    said = report(345, Reading(0, 1, 0, 4_125), Reading(1, 2, 0, 0), Reading(2, 1, 1, 0))
    (payload,) = payloads([Hello("mb-01", 12, 2, 1, "x"), said])
    assert json.loads(payload) == {
        "v": 1, "node": "mb-01", "boot": 12, "seq": 345, "uptime_ms": 123456, "age_ms": 20, "clock": 2,
        "unix_ms": 1700000000000,
        "readings": [
            {"ch": 0, "q": "temperature", "m": 4125}, {"ch": 1, "q": "door", "m": 0},
            {"ch": 2, "q": "temperature", "fault": "open"},
        ],
    }  # fmt: skip


def test_reports_share_a_message_of_bounded_size_and_none_is_left_out() -> None:
    many = [report(seq, *(Reading(channel, 9, 0, -(2**31)) for channel in range(80))) for seq in range(64)]
    found = list(payloads([Lost("mb-01", 12, 3, 9), *many]))
    assert json.loads(found[0]) == {"v": 1, "node": "mb-01", "boot": 12, "lost": [[3, 9]]}
    assert all(len(payload) <= PAYLOAD_MAX + 2 for payload in found)
    assert len(found) < 20
    said = [json.loads(payload) for payload in found[1:]]
    assert [one["seq"] for batch in said for one in batch] == list(range(64))


def test_answers_are_understood_and_nonsense_is_passed_over() -> None:
    text = b'{"v": 1, "node": "mb-01", "boot": 12, "ack": [[340, 345]], "resend": [[338, 339]]}'
    assert messages("mb-01", text) == [Ack("mb-01", 12, ((340, 345),)), Resend("mb-01", 12, ((338, 339),))]
    assert messages("mb-02", text) == []
    for nonsense in (b"", b"[]", b"\xff", b'{"v":1}', text.replace(b"[[340, 345]]", b"[[345, 340]]"), b"7"):
        assert messages("mb-01", nonsense) == []


class Hub:
    """Acknowledges what the nodes publish, as a gateway does after its commit."""

    def __init__(self, port: int, name: str) -> None:
        self.seen: list[tuple[str, int]] = []
        self.answers = True
        self._ready = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name)
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe("coldchain/v1/node/+/report", qos=1)
        assert self._ready.wait(5)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client, _data, message: paho.MQTTMessage) -> None:
        said = json.loads(message.payload)
        for one in said if isinstance(said, list) else [said]:
            if "seq" not in one or not one["node"].startswith("syn-"):
                continue
            assert message.topic == f"coldchain/v1/node/{one['node']}/report"
            self.seen.append((one["node"], one["seq"]))
            if self.answers:
                text = json.dumps(
                    {"v": 1, "node": one["node"], "boot": one["boot"], "ack": [[one["seq"]] * 2]}
                )
                self._client.publish(f"coldchain/v1/node/{one['node']}/ack", text, qos=1)


def until(true: Callable[[], bool], *, patience_s: float = 15.0) -> None:
    deadline_s = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline_s, "did not come to pass"
        time.sleep(0.02)


@pytest.fixture
def runner(own_broker: Broker, tmp_path: Path) -> Iterator[FleetRunner]:
    source = SyntheticSource(6, seed=1, start_ms=START_MS, every_ms=100, per_node=3, limit=30, link="mqtt")
    config = FleetConfig(
        tmp_path / "fleet", boot=3, start_ms=START_MS, mqtt=MqttAccount("127.0.0.1", own_broker.port)
    )
    runner = FleetRunner(config, source, now_ms=steady_now(START_MS))
    yield runner
    runner.stop()


def test_every_report_is_acknowledged_also_after_the_broker_died(
    runner: FleetRunner, own_broker: Broker
) -> None:
    """Deaf at first, then the broker is killed and returns: what was on its way is published again."""
    hub = Hub(own_broker.port, "test-hub")
    hub.answers = False
    runner.start()
    until(lambda: runner.snapshot().mqtt_connected == 2 and len(set(hub.seen)) == 60)
    assert runner.snapshot().acked == 0
    hub.close()
    own_broker.kill()
    until(lambda: runner.snapshot().mqtt_connected == 0)
    own_broker.start()
    hub = Hub(own_broker.port, "test-hub-2")
    until(lambda: runner.snapshot().acked == 60)
    assert runner.snapshot().settled
    hub.close()
