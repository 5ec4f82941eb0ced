# SPDX-License-Identifier: Apache-2.0
"""The guard's part of the link: reports before readings, commands in, silence measured."""

import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rig.brokers import NatsBroker

from coldchain.kernel.errors import BatchError
from coldchain.kernel.guard import (
    REPORTS_BYTES,
    Kept,
    Report,
    Rules,
    decode_command,
    encode_command,
    read_word,
    report_of,
    word_json,
)
from coldchain.kernel.link import topic
from coldchain.ports.mqtt_client import make_client, start_client, stop_client
from coldchain.settings import GatewaySettings, MqttSettings, Settings
from gateway.codecs.frames import Report as NodeReport
from gateway.guard_link import GATE_S, GuardLink, HubSilence
from gateway.service import GatewayService
from gateway.spool import Arrival, open_spool
from ingest.status import decode_status

WAIT_S = 10.0
BODIES = st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=20), max_size=5)


class Scripted:
    """A guard that has something to report until the hub has it."""

    def __init__(self, *reports: Report) -> None:
        self.left = list(reports)
        self.heard_readings = 0
        self.words: list[Any] = []

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def heard(self, accepted: Any) -> None:
        self.heard_readings += sum(len(part.rows) for part in accepted)

    def hub(self, word: Any) -> None:
        self.words.append(word)

    def command(self, command: Kept | Rules) -> None:
        if isinstance(command, Kept):
            self.left = [report for report in self.left if report.id not in command.ids]

    def reports(self) -> list[Report]:
        return self.left

    def rules(self) -> str:
        return "abc"

    def status(self) -> dict[str, Any]:
        return {"state": "following"}


def until(true: Any, what: str) -> None:
    end_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end_s, f"{what} did not happen within {WAIT_S} s"
        time.sleep(0.02)


def test_the_hub_hears_the_guard_before_it_gets_a_reading(nats_broker: NatsBroker, tmp_path: Path) -> None:
    mqtt = MqttSettings(port=nats_broker.port)
    gateway = GatewaySettings(id="gw-first", mqtt_nodes=False, status_every=timedelta(seconds=30))
    settings = Settings(data_dir=tmp_path, mqtt=mqtt, gateway=gateway)
    spool = open_spool(settings.spool_db, max_bytes=10**7, new_epoch=lambda: "e1", wall_ms=lambda: 0)
    report = NodeReport("n1", 1, 0, 0, 0, 0, 0, ((0, 1, 0, 4_000),))
    with spool.change():
        spool.accept([Arrival(report, 1_800_000_000_000, None)], [], 0.0)
    spool.close()
    order: list[str] = []
    hub = make_client(mqtt, "hub-first", clean=True)
    ready = threading.Event()
    hub.on_connect = lambda client, *_: client.subscribe(
        [(topic("gw-first", w), 1) for w in ("batch", "status")]
    )
    hub.on_subscribe = lambda *_: ready.set()

    def heard(client: Any, _data: Any, message: Any) -> None:
        client.ack(message.mid, message.qos)
        what = message.topic.rpartition("/")[2]
        reports = decode_status(message.payload).guard.reports if what == "status" else ()
        order.append(f"{what}:{len(reports)}" if what == "status" else what)

    hub.on_message = heard
    start_client(hub, mqtt, clean=True)
    assert ready.wait(WAIT_S)
    guard = Scripted(report_of("a", {"v": 1}), report_of("b", {"v": 1}))
    service = GatewayService(settings, guard=guard)
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        until(lambda: "status:2" in order, "the status with the reports")
        time.sleep(1.5)
        assert "batch" not in order
        kept = Kept(tuple(report.id for report in guard.left))
        hub.publish(topic("gw-first", "cmd"), encode_command("gw-first", kept), qos=1)
        until(lambda: "batch" in order, "the batch")
        assert guard.left == []
        assert guard.heard_readings == 1
    finally:
        service.stop()
        thread.join(10)
        stop_client(hub)


def test_the_gate_opens_by_itself_and_only_a_link_that_came_up_has_one() -> None:
    side = GuardLink(Scripted(report_of("a", {})), "gw", lambda *_: None)
    assert not side.gated(0.0)
    side.connected(100.0)
    assert side.gated(100.0 + GATE_S - 0.1)
    assert not side.gated(100.0 + GATE_S)
    assert not GuardLink(None, "gw", lambda *_: None).gated(0.0)
    assert GuardLink(None, "gw", lambda *_: None).word() == {}


def test_a_command_for_another_gateway_or_a_damaged_one_does_nothing() -> None:
    guard, told = Scripted(report_of("a", {})), []
    side = GuardLink(guard, "gw", lambda event, _: told.append(event))
    payload = encode_command("other", Kept((guard.left[0].id,)))
    side.heard(payload)
    side.heard(payload.replace(b"kept", b"kepT"))
    assert len(guard.left) == 1
    assert told == ["command_refused"]


def test_silence_counts_from_the_last_receipt_and_outlives_a_restart() -> None:
    silence = HubSilence(1_000.0)
    assert silence.look(0, 0, 0.0, 1_500.0) == 0.0
    assert silence.look(5, 0, 1.0, 1_510.0) == 10.0
    assert silence.look(5, 1, 30.0, 1_520.0) == 0.0
    assert silence.look(5, 1, 90.0, 1_580.0) == 60.0
    again = HubSilence(1_600.0)
    assert again.look(5, 0, 700.0, 1_650.0) == 50.0, "the link may yet come up"
    assert again.look(5, 0, 711.0, 1_661.0) == 711.0
    assert again.look(5, 0, -9e8, 1_661.0) == 61.0, "a clock that was never set"


@given(st.text(min_size=1, max_size=40), BODIES)
def test_a_report_comes_through_whole_or_not_at_all(alarm: str, body: dict[str, Any]) -> None:
    report = report_of(alarm, body)
    assert read_word(word_json("d", [report])).reports == (report,)
    told = word_json("d", [report])
    told["reports"][0]["body"] = {**body, "more": 1}
    assert read_word(told).reports == ()


def test_a_storm_of_reports_fits_into_statuses() -> None:
    reports = [report_of(f"a{n}", {"text": "x" * 1000}) for n in range(100)]
    first = word_json("d", reports)["reports"]
    assert 30 <= len(first) <= REPORTS_BYTES / 1000


@given(st.binary(max_size=200) | st.text(max_size=60).map(str.encode))
def test_no_bytes_break_the_reader_of_commands(payload: bytes) -> None:
    with pytest.raises(BatchError):
        decode_command(payload)


@given(
    st.integers(0, 2**40), st.text(max_size=200), st.dictionaries(st.text(max_size=9), st.text(max_size=30))
)
def test_rules_come_through_whole(version: int, registry: str, profiles: dict[str, str]) -> None:
    rules = Rules(version, registry, profiles)
    assert decode_command(encode_command("gw-1", rules)) == ("gw-1", rules)
