# SPDX-License-Identifier: Apache-2.0
"""Heads of the audit chains travel to the gateways, stay there, and show what was cut off at the hub."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from rig.brokers import NatsBroker
from typer.testing import CliRunner

from alerts.store import AlarmStore
from coldchain.cli.app import app
from coldchain.kernel.audit import Anchors, Head
from coldchain.kernel.errors import BatchError
from coldchain.kernel.guard import decode_command, encode_command
from coldchain.records.audit import head_of
from coldchain.records.registry import Desk
from coldchain.settings import GatewaySettings, MqttSettings, Settings
from coldchain.settings.template import Answers, render
from gateway.anchors import KEPT
from gateway.guard_link import GuardLink
from gateway.page import render as page_of
from gateway.service import GatewayService
from gateway.spool import Spool, open_spool
from ingest.anchors import LOOK_EVERY_MS, TELL_EVERY_MS, AnchorDesk
from ingest.service import IngestService

HOUR_MS = 3_600_000


@pytest.fixture
def spool(tmp_path):
    opened = open_spool(
        tmp_path / "data" / "spool.db", max_bytes=10**7, new_epoch=lambda: "e1", wall_ms=lambda: 1_000
    )
    yield opened
    opened.close()


def head(number: int, fill: int = 0) -> Head:
    return Head(number, bytes([number % 256, fill]) * 16)


def test_a_command_comes_as_it_was_sent_and_damage_is_refused():
    told = Anchors({"alarms": head(3), "desk": head(7)}, 1_000)
    payload = encode_command("gw-1", told)
    assert decode_command(payload) == ("gw-1", told)
    for at in range(len(payload)):
        broken = bytearray(payload)
        broken[at] ^= 1
        with pytest.raises(BatchError):
            decode_command(bytes(broken))


def test_told_with_a_status_when_it_has_changed_and_not_too_often(tmp_path):
    now = [HOUR_MS]
    desk = AnchorDesk(tmp_path, lambda: now[0])
    assert list(desk.commands("gw-1")) == [], "no chain yet"
    store = AlarmStore(tmp_path / "alarms.db")
    now[0] += LOOK_EVERY_MS
    (first,) = desk.commands("gw-1")
    assert decode_command(first) == (
        "gw-1",
        Anchors({"alarms": head_of(tmp_path / "alarms.db", "alarms")}, now[0]),
    )
    now[0] += TELL_EVERY_MS
    assert list(desk.commands("gw-1")) == [], "nothing new"
    with store.transaction():
        store.note("a", 5, "raised")
    now[0] += LOOK_EVERY_MS
    (second,) = desk.commands("gw-1")
    with store.transaction():
        store.note("a", 6, "returned")
    now[0] += LOOK_EVERY_MS
    assert list(desk.commands("gw-1")) == [], "too soon"
    assert len(list(desk.commands("gw-2"))) == 1, "each gateway by itself"
    now[0] += TELL_EVERY_MS
    (third,) = desk.commands("gw-1")
    numbers = [decode_command(p)[1].heads["alarms"].number for p in (first, second, third)]
    assert numbers == [1, 2, 3]
    Desk(tmp_path / "desk.db", lambda: 1).close()
    now[0] += LOOK_EVERY_MS
    (fourth,) = desk.commands("gw-1")
    assert set(decode_command(fourth)[1].heads) == {"alarms", "desk"}, "a chain that is new does not wait"
    store.close()


def test_the_newest_thousand_stay_and_a_contradiction_is_told(spool, tmp_path):
    for number in range(1, KEPT + 51):
        with spool.change():
            assert (
                spool.keep_anchors(Anchors({"alarms": head(number), "desk": head(4)}, number), number) == []
            )
    path = tmp_path / "data" / "spool.db"
    with sqlite3.connect(path) as db:
        kept = db.execute(
            "SELECT chain, count(*), min(number), max(number) FROM anchor GROUP BY chain"
        ).fetchall()
    db.close()
    assert kept == [("alarms", KEPT, 51, KEPT + 50), ("desk", 1, 4, 4)]
    assert spool.anchors() == {"alarms": str(head(KEPT + 50)), "desk": str(head(4))}
    with spool.change():
        assert spool.keep_anchors(Anchors({"alarms": head(9)}, 1), 1) == ["alarms"], "entries are gone"
        assert spool.keep_anchors(Anchors({"desk": head(4, 1)}, 1), 1) == ["desk"], "written anew"


def test_only_what_is_for_this_gateway_is_taken():
    logged: list[str] = []
    taken: list[Anchors] = []
    link = GuardLink(None, "gw-1", lambda event, details: logged.append(event))
    link.on_anchors = taken.append
    told = Anchors({"alarms": head(3)}, 1)
    link.heard(encode_command("gw-2", told))
    link.heard(encode_command("gw-1", told))
    link.heard(json.dumps({"v": 1, "gateway": "gw-1", "cmd": "anchor"}).encode())
    assert taken == [told]
    assert logged == ["command_refused"]


def test_the_page_shows_the_newest():
    from coldchain.records.registry import Registry
    from gateway.day import Day

    figures = {"anchors": {"alarms": str(head(12))}}
    html = page_of("gw-1", Day(), Registry(), figures, now_ms=HOUR_MS, zone="UTC")
    assert str(head(12)) in html


def test_what_a_gateway_kept_shows_that_the_end_was_cut_off(spool: Spool, tmp_path: Path):
    """From the hub's file through the wire into the spool, out by the command, against the hub's file."""
    data = tmp_path / "data"
    (tmp_path / "coldchain.toml").write_text(render(Answers()), encoding="utf-8")
    store = AlarmStore(data / "alarms.db")
    with store.transaction():
        store.note("a", 5, "raised")
    store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(data / "alarms.db", tmp_path / "before.db")
    with store.transaction():
        store.note("a", 6, "acknowledged")
    store.close()
    (payload,) = AnchorDesk(data, lambda: HOUR_MS).commands("gw-1")
    _, told = decode_command(payload)
    assert isinstance(told, Anchors)
    with spool.change():
        spool.keep_anchors(told, HOUR_MS)
    run = CliRunner().invoke
    listed = run(app, ["audit", "anchors", "--dir", str(tmp_path)])
    assert listed.stdout.startswith("alarms 3:")
    (tmp_path / "anchors.txt").write_text(listed.stdout, encoding="utf-8")
    verify = ["audit", "verify", "--dir", str(tmp_path), "--anchor", str(tmp_path / "anchors.txt")]
    assert run(app, verify).exit_code == 0
    for part in data.glob("alarms.db*"):
        part.unlink()
    shutil.copy(tmp_path / "before.db", data / "alarms.db")  # a sound, older copy: the last event is gone
    said = run(app, verify)
    assert said.exit_code == 1
    assert "altered at entry 3: it is missing" in said.stdout


def test_ingest_tells_the_gateway_through_a_broker(nats_broker: NatsBroker, tmp_path: Path):
    mqtt = MqttSettings(port=nats_broker.port)
    gateway = GatewaySettings(id="gw-anchored", mqtt_nodes=False, status_every=timedelta(seconds=0.2))
    settings = Settings(data_dir=tmp_path, mqtt=mqtt, gateway=gateway)
    store = AlarmStore(settings.alarms_db)
    with store.transaction():
        store.note("a", 5, "raised")
    store.close()
    services = IngestService(settings), GatewayService(settings)
    threads = [threading.Thread(target=service.run) for service in services]
    for thread in threads:
        thread.start()
    try:
        end_s = time.monotonic() + 15
        told = services[1]._figures.get("anchors")
        while not told and time.monotonic() < end_s:
            time.sleep(0.05)
            told = services[1]._figures.get("anchors")
        assert told == {"alarms": str(head_of(settings.alarms_db, "alarms"))}
    finally:
        for service in services:
            service.stop()
        for thread in threads:
            thread.join(10)
