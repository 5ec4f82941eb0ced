# SPDX-License-Identifier: Apache-2.0
"""What doctor says of damage and of places that cannot be used: never "ok", never nothing."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from coldchain.kernel.errors import StoreUnavailable
from coldchain.settings import MqttSettings, Settings
from coldchain.wiring.adopt import waiting_channels
from coldchain.wiring.checkup import Line, examine
from gateway.codecs.frames import Report
from gateway.spool import Arrival, open_spool

NOW_MS = 1_800_000_000_000
NOISE = bytes(range(256)) * 40


def said(settings: Settings, what: str) -> Line:
    return next(line for line in examine(settings, lambda: NOW_MS) if line.what == what)


def test_readings_that_wait_in_the_spool_are_told_without_a_gateway(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert said(settings, "spool.db").state == "ok"
    spool = open_spool(settings.spool_db, max_bytes=10**7, new_epoch=lambda: "e1", wall_ms=lambda: NOW_MS)
    readings = ((0, 1, 0, 4_000), (1, 1, 0, 5_000))
    report = Report("node-1", 1, 0, 0, 0, 0, 0, readings)
    with spool.change():
        spool.accept([Arrival(report, NOW_MS, None)], [], 0.0)
    spool.close()
    assert "2 readings wait" in said(settings, "spool.db").cause


@pytest.mark.parametrize("name", ["readings.db", "alarms.db", "spool.db"])
def test_a_damaged_store_is_bad(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(NOISE)
    line = said(Settings(data_dir=tmp_path), name)
    assert line.state == "bad"
    assert line.remedy


def test_a_data_dir_that_is_a_file_is_bad(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert said(Settings(data_dir=tmp_path / "file"), "disk").state == "bad"


def test_a_damaged_record_is_not_the_same_as_nothing_waits(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert waiting_channels(settings) == []
    settings.readings_db.write_bytes(NOISE)
    with pytest.raises(StoreUnavailable):
        waiting_channels(settings)


def test_a_listener_that_is_no_broker_is_bad(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = Settings(data_dir=tmp_path, mqtt=MqttSettings(port=other.getsockname()[1]))
        line = said(settings, "broker")
    assert (line.state, "no MQTT broker" in line.cause) == ("bad", True)


@pytest.mark.parametrize(("keeps", "state"), [(True, "ok"), (False, "bad")])
def test_a_broker_that_answers_and_acknowledges_nothing_is_bad(
    tmp_path: Path, keeps: bool, state: str
) -> None:
    """As nats-server does once its disk was full, and a broker that hangs halfway."""
    with socket.create_server(("127.0.0.1", 0)) as broker:
        links: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    links.append(broker.accept()[0])
                except OSError:
                    return
                links[-1].sendall(b"\x20\x02\x00\x00" + (b"\x40\x02\x00\x01" if keeps else b""))

        threading.Thread(target=serve, daemon=True).start()
        mqtt = MqttSettings(port=broker.getsockname()[1], embedded=True)
        assert said(Settings(data_dir=tmp_path, mqtt=mqtt), "broker").state == state
        for link in links:
            link.close()
        broker.shutdown(socket.SHUT_RDWR)
