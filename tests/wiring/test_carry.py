# SPDX-License-Identifier: Apache-2.0
"""Readings carried by hand: packed, merged, receipted; twice is once, and nothing is doubled."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from district import GATEWAY, District, no_step
from rig.brokers import NatsBroker
from typer.testing import CliRunner

from coldchain.cli.app import app
from coldchain.kernel.errors import BadData
from coldchain.kernel.link import Batch, Receipt
from coldchain.kernel.ranges import RangeSet
from coldchain.ports.clock import wall_ms
from coldchain.records import carry
from coldchain.records.carry import BundleRefused
from coldchain.records.carry_box import CarryBox
from coldchain.settings import GatewaySettings, MqttSettings, Settings
from coldchain.wiring.carry import hear_receipt, merge, own_public
from coldchain.wiring.process import alone
from gateway.carrying import FOLDER
from gateway.service import GatewayService
from ingest.carried import CarryDesk
from ingest.service import IngestService

THIEF = bytes(range(32))


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture
def district(tmp_path: Path) -> District:
    return District(tmp_path)


def toml_of(settings: Settings, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "coldchain.toml"
    path.write_text(f'data_dir = "{settings.data_dir}"\n[gateway]\nid = "{settings.gateway.id}"\n')
    return path


def test_a_district_without_data_end_to_end(tmp_path: Path) -> None:
    """As people do it: keys once, then pack, show, merge, merge again, receipt, and nothing waits."""
    district = District.__new__(District)
    district.folder = tmp_path
    district.gw = Settings(data_dir=tmp_path / "gw", gateway=GatewaySettings(id=GATEWAY))
    district.hub, district.seq = Settings(data_dir=tmp_path / "hub"), 0
    district.measure(40)
    gw, hub = toml_of(district.gw, tmp_path / "g"), toml_of(district.hub, tmp_path / "h")
    stick = tmp_path / "bundle"

    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["carry", *words])
        if isinstance(done.exception, BundleRefused | BadData):
            assert done.exception.exit_code == code, done.exception
            return str(done.exception)
        assert done.exit_code == code, (done.output, done.exception)
        return done.stdout if done.stdout.strip() else done.stderr

    gw_key, hub_key = run("key", "-c", str(gw)).strip(), run("key", "-c", str(hub)).strip()
    run("pack", "--out", str(stick), "--gateway", GATEWAY, "-c", str(gw))
    assert "120 readings" in run("show", str(stick))
    assert "would refuse it" in run("show", str(stick), "-c", str(hub))
    assert "coldchain carry trust far-gw-1 KEY" in run("merge", str(stick), "-c", str(hub), code=65)
    run("trust", GATEWAY, gw_key, "-c", str(hub))
    assert "120 readings taken, 0 were here" in run("merge", str(stick), "-c", str(hub))
    once = json.loads((tmp_path / "bundle.receipt.json").read_text())
    assert "0 readings taken, 120 were here" in run("merge", str(stick), "-c", str(hub))
    receipt = str(tmp_path / "bundle.receipt.json")
    assert "coldchain carry trust hub KEY" in run("receipt", receipt, "-c", str(gw), code=65)
    run("trust", "hub", hub_key, "-c", str(gw))
    assert "120 readings waited, 0 wait now" in run("receipt", receipt, "-c", str(gw))
    assert once["recorded"] == [[1, 120]]
    assert "nothing to carry" in run("pack", "--out", str(stick), "-c", str(gw), code=65)
    assert "not far-gw-9" in run("pack", "--out", str(stick), "--gateway", "far-gw-9", "-c", str(gw), code=65)


def test_what_was_merged_is_what_was_measured_and_twice_is_once(district: District) -> None:
    district.measure(100)
    spool = district.spool()
    with spool.change():
        _, nodes, rows = spool.read([(1, spool.accepted)])
    spool.close()
    sent = sorted((f"{nodes[r['node']][0]}/{r['channel']}", int(r["at_ms"]), int(r["value"])) for r in rows)
    stick = district.pack()
    _, first = merge(district.hub, stick, no_step)
    once = district.record()
    _, second = merge(district.hub, stick, no_step)
    assert (first.taken, first.held_before, first.dead) == (300, 0, 0)
    assert (second.taken, second.held_before, second.dead) == (0, 300, 0)
    assert once == sent
    assert district.record() == once
    assert first.receipt.recorded == second.receipt.recorded == [(1, 300)]


def test_the_same_bundle_again_is_told_from_the_accounts(
    district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of its bytes was compared when it was merged first: no reading is looked up again."""
    district.measure(100)
    stick = district.pack()
    _, first = merge(district.hub, stick, no_step)
    once = district.record()
    looked: list[int] = []
    record = CarryDesk._record

    def counted(self: CarryDesk, group: list) -> list[Receipt]:
        looked.append(len(group))
        return record(self, group)

    monkeypatch.setattr(CarryDesk, "_record", counted)
    text, second = merge(district.hub, stick, no_step)
    assert not looked
    assert (second.taken, second.held_before, second.dead) == (0, 300, 0)
    assert second.receipt.recorded == first.receipt.recorded
    assert district.record() == once
    hear_receipt(district.gw, text.encode())
    assert district.pending() == 0
    _, third = merge(district.hub, stick, no_step)
    assert not looked
    assert third.held_before == 300


@pytest.mark.parametrize("lost", ["record", "receipt", "forged receipt"])
def test_a_bundle_whose_word_or_readings_are_gone_is_read_again(district: District, lost: str) -> None:
    """A record from an older backup lacks what the receipt names; without our own word nothing is certain."""
    district.measure(20)
    stick = district.pack()
    _, first = merge(district.hub, stick, no_step)
    out = district.hub.data_dir / "carry" / "out"
    if lost == "record":
        for path in district.hub.data_dir.glob("readings.db*"):
            path.unlink()
    elif lost == "receipt":
        for path in out.glob("*.json"):
            path.unlink()
    else:
        text = carry.encode_carry_receipt(replace(first, key=carry.public_of(THIEF)), THIEF)
        (path,) = out.glob("*.json")
        path.write_bytes(text)
    seen: list[tuple[int, int]] = []
    _, again = merge(district.hub, stick, lambda done, of: seen.append((done, of)))
    assert seen, "its batches were taken"
    assert (again.taken, again.held_before) == ((60, 0) if lost == "record" else (0, 60))
    assert len(district.record()) == 60


def test_the_link_that_returns_in_between_doubles_nothing(district: District) -> None:
    """Part came by the link before the bundle, the rest of it comes after; new readings go on by the link."""
    district.measure(60)
    stick = district.pack()
    frames = list(carry.batches(stick))
    half = frames[0].ranges[0][0], frames[0].ranges[0][0] + 49
    spool = district.spool()

    def by_link(pairs: list[tuple[int, int]]) -> Receipt:
        with spool.change():
            found, nodes, rows = spool.read(pairs)
        journal = district.journal()
        (receipt,) = journal.record([Batch(GATEWAY, "e1", found, nodes, rows)], wall_ms())
        journal.close()
        assert receipt is not None
        return receipt

    by_link([half])
    text, done = merge(district.hub, stick, no_step)
    assert (done.taken, done.held_before) == (130, 50)
    whole = by_link([(1, 180)])  # the gateway knows of no receipt yet and sends all of it
    assert whole.recorded == [(1, 180)]
    spool.close()
    district.measure(10)
    found = hear_receipt(district.gw, text.encode())
    assert (found.before, found.pending) == (210, 30)
    spool = district.spool()
    by_link(spool.pending.pairs())
    spool.close()
    record = district.record()
    assert len(record) == len({(sensor, at) for sensor, at, _ in record}) == 210
    hear_receipt(district.gw, text.encode())  # the receipt twice is once
    assert district.pending() == 30


def test_a_merge_that_dies_on_the_way_begins_anew_and_doubles_nothing(
    district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.carrying.FRAME_READINGS", 10)
    for _ in range(20):
        district.measure(5)
    stick = district.pack()
    box = CarryBox(district.hub.data_dir)
    name = box.put(stick)
    for turns in (1, 2, 3):
        journal = district.journal()
        desk = CarryDesk(district.hub.data_dir, lambda _: own_public(district.gw), journal, wall_ms)
        for _ in range(turns):
            desk.step()
        journal.db.close()  # killed: nothing is tidied up
    assert box.answer(name).state == "goes on"
    assert 0 < len(district.record()) < 300
    _, done = merge(district.hub, stick, no_step)
    assert done.receipt.recorded == [(1, 300)]
    assert done.taken + done.held_before == 300
    assert done.held_before > 0
    assert len(district.record()) == len(set(district.record())) == 300


def test_gaps_travel_too_and_are_no_sign_of_life(district: District) -> None:
    spool = district.spool()
    with spool.change():
        spool.gaps.add("n1", 1, (5, 9), readings=15, reason="never-came", now_ms=wall_ms())
    spool.close()
    text, done = merge(district.hub, district.pack(), no_step)
    db = district.journal().db
    assert db.execute("SELECT gateway, readings, reason FROM gap").fetchall() == [(GATEWAY, 15, "never-came")]
    assert db.execute("SELECT count(*) FROM gateway_status").fetchone() == (0,)
    assert done.receipt.gaps == [1]
    hear_receipt(district.gw, text.encode())
    with pytest.raises(BadData, match="nothing to carry"):
        district.pack()


def _until(done: Callable[[], bool], within_s: float = 15.0) -> None:
    end = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_running_gateway_and_a_running_ingest_do_it_beside_their_work(
    tmp_path: Path, nats_broker: NatsBroker
) -> None:
    """Ingest merges between live batches; the gateway takes up the receipt that was laid down."""
    district = District(tmp_path, MqttSettings(host="127.0.0.1", port=nats_broker.port))
    district.measure(50)
    stick = district.pack()
    ingest = IngestService(district.hub)
    taking = threading.Thread(target=ingest.run)
    with alone("ingest", district.hub.data_dir):
        taking.start()
        text, done = merge(district.hub, stick, no_step)
        ingest.stop()
        taking.join()
    assert done.taken == 150
    lonely = district.gw.model_copy(update={"mqtt": MqttSettings(port=1)})
    gateway = GatewayService(lonely)
    sending = threading.Thread(target=gateway.run)
    with alone("gateway", district.gw.data_dir):
        sending.start()
        found = hear_receipt(lonely, text.encode())
        _until(lambda: district.pending() == 0)
        gateway.stop()
        sending.join()
    assert (found.before, found.waits) == (150, False)
    assert not list((district.gw.data_dir / FOLDER).glob("*"))


def test_frames_are_messages_of_the_link_and_cover_what_waited(district: District) -> None:
    """Whatever was receipted in between: it holds exactly what waits, in frames that the link would take."""
    district.measure(1_500)
    spool = district.spool()
    with spool.change():
        spool.receipt([(7, 900), (2_000, 2_001)], [])
    waits = RangeSet(spool.pending)
    spool.close()
    bundle = carry.read_bundle(district.pack())
    assert RangeSet(bundle.head.ranges) == waits
    assert bundle.head.readings == len(waits) == 4_500 - 896
    assert bundle.head.frames >= 2
