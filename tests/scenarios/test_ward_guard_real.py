# SPDX-License-Identifier: Apache-2.0
"""The guard in a running gateway: real broker, real ingest, a simulated modem, the clock on the wall."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from modems import NURSE, inbox_of, patient
from night import code_in
from rig.brokers import NatsBroker
from ward import Phones

from alerts.notifiers.modem import ModemNotifier
from alerts.service import AlertService
from coldchain.kernel.link import node_topic
from coldchain.ports.clock import wall_ms
from coldchain.ports.mqtt_client import make_client, start_client, stop_client
from coldchain.records.alarms import AlarmsReader
from coldchain.records.journal import JournalReader
from coldchain.records.registry import (
    Appliance,
    Assignment,
    Desk,
    GatewayEntry,
    Person,
    Registry,
    Sensor,
    Site,
)
from coldchain.settings import GatewaySettings, MqttSettings, Settings
from coldchain.settings.model import GuardSettings
from coldchain.wiring.guard import SiteGuard
from firmware_sim.modem import ModemSim
from gateway.service import GatewayService
from ingest.service import IngestService

WAIT_S, STEP_MS = 20.0, 30_000


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.service.BEAT_EVERY_S", 0.1)
    monkeypatch.setattr("coldchain.records.health.BEAT_EVERY_S", 0.1)
    monkeypatch.setattr("coldchain.wiring.guard.POLL_S", 0.1)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[NatsBroker]:
    """Of this test alone: ingest's session there is kept."""
    one = NatsBroker(tmp_path / "broker")
    one.start()
    yield one
    one.stop()


def until(true: Any, what: str) -> None:
    end_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end_s, f"{what} did not happen within {WAIT_S} s"
        time.sleep(0.05)


@contextmanager
def running(service: Any) -> Iterator[Any]:
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        yield service
    finally:
        service.stop()
        thread.join(10)
        assert not thread.is_alive()


def registry() -> Registry:
    carried = (Assignment(carries="red-cells@eu"),)
    probe = Sensor(id="vte-br-03/load", appliance="vte-br-03", probe="load", node="n1", channel=0, every_s=30)
    return Registry(
        sites=(Site(id="vte", name="Vientiane"),),
        appliances=(Appliance(id="vte-br-03", name="Fridge", site="vte", assignments=carried),),
        sensors=(probe,),
        people=(Person(id="nurse", name="Nurse", phone=NURSE),),
        gateways=(GatewayEntry(id="gw-guard", site="vte"),),
    )


def publish(mqtt: MqttSettings, values: dict[int, int]) -> None:
    """Reports of a node with a trusted clock: instant -> thousandths."""
    client = make_client(mqtt, "node-n1", clean=True)
    start_client(client, mqtt, clean=True)
    until(client.is_connected, "the connection of the node")
    boot = min(values) % 2**31
    for seq, (at_ms, value) in enumerate(values.items()):
        reading = {"ch": 0, "q": "temperature", "m": value}
        told = {"v": 1, "node": "n1", "boot": boot, "seq": seq, "uptime_ms": seq, "age_ms": 0, "clock": 2}
        told |= {"unix_ms": at_ms, "readings": [reading]}
        client.publish(node_topic("n1", "report"), json.dumps(told), qos=1).wait_for_publish(WAIT_S)
    stop_client(client)


def reports(hub: Settings) -> list[tuple[int, str, str]]:
    reader = JournalReader(hub.readings_db)
    found = reader.guard_reports_after(0)
    reader.close()
    return found


def figures(settings: Settings) -> dict[str, Any]:
    path = settings.data_dir / "health/gateway.json"
    found: dict[str, Any] = json.loads(path.read_text())["figures"] if path.exists() else {}
    return found


def test_alone_answered_and_handed_over(broker: NatsBroker, tmp_path: Path) -> None:
    mqtt = MqttSettings(port=broker.port, reconnect_max=timedelta(seconds=1))
    hub = Settings(data_dir=tmp_path / "hub", mqtt=mqtt)
    own = Settings(
        data_dir=tmp_path / "gw",
        mqtt=mqtt,
        gateway=GatewaySettings(
            id="gw-guard",
            batch_linger=timedelta(seconds=0.1),
            receipt_timeout=timedelta(seconds=2),
            status_every=timedelta(seconds=0.3),
            guard=GuardSettings(file=tmp_path / "unused", after=timedelta(seconds=1), alive_at=None),
        ),
    )
    desk = Desk(hub.desk_db, wall_ms)
    desk.publish(registry(), author="test", reason="story")
    with ModemSim(tmp_path / "inbox.jsonl") as sim:
        modem = ModemNotifier(patient(sim.path))
        guard = SiteGuard(own, {"sms": modem})
        with running(GatewayService(own, guard=guard)):
            with running(IngestService(hub)):
                until(lambda: figures(own).get("guard", {}).get("version") == 1, "the copy of the rules")
                publish(mqtt, {wall_ms() - 20 * STEP_MS + n: 4000 for n in range(3)})
                until(lambda: figures(own)["accepted"] and not figures(own)["pending"], "the first receipts")
            assert inbox_of(tmp_path / "inbox.jsonl") == []
            start_ms = wall_ms() - 16 * STEP_MS
            publish(mqtt, {start_ms + n * STEP_MS: 9000 for n in range(17)})
            until(lambda: bool(inbox_of(tmp_path / "inbox.jsonl")), "the site's message")
            (told,) = inbox_of(tmp_path / "inbox.jsonl")
            assert "vte-br-03 9.0C over 6.0C" in told["text"]
            until(lambda: figures(own)["guard"]["state"] == "speaking", "the gateway's word that it speaks")
            sim.phone(NURSE).reply(f"ok {code_in(told['text'])}")
            until(lambda: len(inbox_of(tmp_path / "inbox.jsonl")) == 2, "the answer to the answer")
            with running(IngestService(hub)):
                until(lambda: '"acknowledged"' in str(reports(hub)), "the report of the answer")
                until(lambda: not figures(own)["pending"], "the backlog")
                until(lambda: guard.reports() == [], "the hub's word that it is kept")
        modem.close()
    phones = Phones()
    alerts = AlertService(hub, phones)
    for _ in range(5):
        alerts.tick()
        while alerts.outbox is not None and alerts.outbox.send_one():
            pass
    alerts.close()
    (alarm,) = [a for a in AlarmsReader(hub.alarms_db).alarms() if a.kind == "high"]
    assert (alarm.state, alarm.acknowledged_by, alarm.since_ms) == ("acknowledged", "nurse", start_ms)
    assert phones.order == []
