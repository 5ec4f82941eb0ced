# SPDX-License-Identifier: Apache-2.0
"""What is known of devices: entries that only grow, places, certificates, work orders, papers, links."""

import json
import sqlite3
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldchain.kernel.audit import Altered
from coldchain.kernel.errors import BadData
from coldchain.records.audit import check
from coldchain.records.backup import BackupUnsound, backup, restore, verify
from coldchain.records.deeds import Deeds
from coldchain.records.devices import DAY_MS, DeviceReader, Installed
from coldchain.records.papers import SIZE_MAX, Papers
from coldchain.records.passes import Passes, PassReader
from coldchain.records.registry import (
    Appliance,
    Assignment,
    Desk,
    Person,
    Registry,
    RegistryReader,
    Sensor,
    Site,
)
from coldchain.records.work import NEXT, WorkReader
from coldchain.settings import Settings
from coldchain.wiring import checkup

NOW = 1_780_000_000_000
BLOOD = (Assignment(carries="red-cells@eu"),)
REGISTRY = Registry(
    sites=(Site(id="vte", name="Vientiane"),),
    appliances=(
        Appliance(id="f-1", name="One", site="vte", assignments=BLOOD, serial="SN-1"),
        Appliance(id="f-2", name="Two", site="vte", serial="SN-2"),
        Appliance(id="f-3", name="Three", site="vte"),
    ),
    sensors=(Sensor(id="f-1/load", appliance="f-1", node="n", channel=0, probe="load"),),
    people=(
        Person(id="noy", name="Noy", phone="+8562055501002"),
        Person(id="fixer", name="Fixer", phone="+8562055501009", role="contractor"),
    ),
)
PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 20


@pytest.fixture
def deeds(tmp_path: Path) -> Deeds:
    desk = Desk(tmp_path / "desk.db", lambda: NOW)
    desk.publish(REGISTRY, author="test", reason="seed")
    desk.close()
    return Deeds(tmp_path / "desk.db", lambda: NOW)


def reader(deeds: Deeds) -> DeviceReader:
    return DeviceReader(deeds._desk)


def commands(path: Path) -> list[tuple[str, str, dict[str, str]]]:
    db = sqlite3.connect(path / "desk.db")
    rows = db.execute("SELECT id, verb, body FROM command ORDER BY rowid").fetchall()
    db.close()
    return [(id_, verb, json.loads(body)) for id_, verb, body in rows]


def test_entries_stand_until_they_are_corrected_and_nothing_is_lost(deeds: Deeds) -> None:
    first = deeds.enter("k1", "SN-1", "facts", {"maker": "Dometic", "model": "MB 1"}, person="noy")
    deeds.enter(
        "k2", "SN-1", "facts", {"model": "MB 2", "status": "in_repair", "reason": "fan"}, person="noy"
    )
    assert deeds.enter("k1", "SN-1", "facts", {"maker": "another"}, person="x") == first, "once"
    found = reader(deeds).dossier("SN-1")
    assert (found.facts.model, found.facts.status) == ("MB 2", "in_repair")
    assert [e.said.model for e in found.entries] == ["MB 1", "MB 2"]
    plan = deeds.enter(
        "k3", "SN-1", "plan", {"task": "Clean", "every_days": 90, "first_ms": NOW - DAY_MS}, person="noy"
    )
    with pytest.raises(BadData, match="no plan of SN-2"):
        deeds.enter("k4", "SN-2", "plan", None, person="noy", corrects=plan)
    said = {"task": "Clean it", "every_days": 30, "first_ms": NOW - DAY_MS}
    deeds.enter("k5", "SN-1", "plan", said, person="noy", corrects=plan)
    with pytest.raises(BadData, match="corrected meanwhile"):
        deeds.enter("k6", "SN-1", "plan", None, person="noy", corrects=plan)
    deeds.enter("k7", "SN-1", "done", {"plan": plan, "done_ms": NOW}, person="noy")
    (due,) = reader(deeds).dossier("SN-1").due()
    assert (due.plan.said.task, due.days(NOW), due.done_ms) == ("Clean it", 30, NOW), "done under either"


@pytest.mark.parametrize("sql", ["DELETE FROM device_entry", "UPDATE device_entry SET body = 'null'"])
def test_the_file_itself_refuses_to_forget(deeds: Deeds, tmp_path: Path, sql: str) -> None:
    deeds.enter("k1", "SN-1", "facts", {"maker": "Dometic"}, person="noy")
    db = sqlite3.connect(tmp_path / "desk.db")
    with pytest.raises(sqlite3.IntegrityError, match="only grows"):
        db.execute(sql)
    assert not isinstance(check(tmp_path / "desk.db", "desk"), Altered)
    db.executescript("DROP TRIGGER device_entry_holds; DROP TRIGGER audit_device_entry_changed;"
                     "UPDATE device_entry SET person = 'nobody';")  # fmt: skip
    db.close()
    found = check(tmp_path / "desk.db", "desk")
    assert isinstance(found, Altered)
    assert "nobody" in found.why


def test_a_device_stands_in_one_place_and_the_registry_follows(deeds: Deeds, tmp_path: Path) -> None:
    there = {"appliance": "f-3", "site": "vte", "from_ms": NOW - 5 * DAY_MS}
    deeds.enter("k1", "SN-1", "installed", there, person="noy")
    assert {a.id: a.serial for a in deeds.registry().appliances} == {"f-1": "", "f-2": "SN-2", "f-3": "SN-1"}
    old, new = reader(deeds).dossier("SN-1").installed
    assert (old.said.appliance, old.said.from_ms, old.said.until_ms) == ("f-1", 0, NOW - 5 * DAY_MS)
    assert (new.said.appliance, new.said.until_ms) == ("f-3", None)
    deeds.enter("k2", "SN-9", "installed", {"appliance": "f-3", "from_ms": NOW - DAY_MS}, person="noy")
    assert deeds.registry().appliance_by_id["f-3"].serial == "SN-9"
    assert [e.said.until_ms for e in reader(deeds).dossier("SN-1").installed] == [
        NOW - 5 * DAY_MS,
        NOW - DAY_MS,
    ]
    version = RegistryReader(tmp_path / "desk.db")
    version.refresh()
    long_ago = Installed(appliance="f-1", from_ms=1, until_ms=2)
    deeds.enter("k3", "SN-9", "installed", long_ago, person="noy")
    again = RegistryReader(tmp_path / "desk.db")
    again.refresh()
    assert again.version == version.version, "a stay of long ago moves nothing"
    with pytest.raises(BadData, match="end comes before"):
        deeds.enter(
            "k4", "SN-9", "installed", {"appliance": "f-1", "from_ms": 9, "until_ms": 9}, person="noy"
        )


def test_a_certificate_gives_its_sensor_the_offset_from_its_day(deeds: Deeds) -> None:
    said = {"sensor": "f-1/load", "offset_k": 0.3, "from_ms": NOW - DAY_MS, "expires_ms": NOW + 80 * DAY_MS}
    first = deeds.enter("k1", "SN-1", "certificate", said, person="noy")
    sensor = deeds.registry().sensor_by_id["f-1/load"]
    assert [(o.from_ms, o.offset_k) for o in sensor.offsets] == [(NOW - DAY_MS, 0.3)]
    assert sensor.calibrated_until_ms == NOW + 80 * DAY_MS
    right = said | {"offset_k": -0.2, "from_ms": NOW - 2 * DAY_MS}
    deeds.enter("k2", "SN-1", "certificate", right, person="noy", corrects=first)
    sensor = deeds.registry().sensor_by_id["f-1/load"]
    assert [(o.from_ms, o.offset_k) for o in sensor.offsets] == [(NOW - 2 * DAY_MS, -0.2)]
    newest = reader(deeds).dossier("SN-1").of("certificate")[0]
    deeds.enter("k3", "SN-1", "certificate", None, person="noy", corrects=newest.id)
    sensor = deeds.registry().sensor_by_id["f-1/load"]
    assert (sensor.offsets, sensor.calibrated_until_ms) == ((), None)
    with pytest.raises(BadData, match="no sensor 'f-9'"):
        deeds.enter("k4", "SN-1", "certificate", said | {"sensor": "f-9"}, person="noy")
    with pytest.raises(BadData, match="offset_k"):
        deeds.enter("k5", "SN-1", "certificate", said | {"offset_k": 40}, person="noy")


def test_an_order_that_is_called_off_asks_to_put_back_also_after_a_crash(
    deeds: Deeds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its appliance would stay out of service, calling nobody, and no order would say why."""
    number = deeds.raise_("r1", "f-1", "fan", person="noy")
    deeds.step("s1", number, "started", person="noy", body={"to": "empty"})
    with monkeypatch.context() as crash:
        crash.setattr(Deeds, "_ask", lambda *_: (_ for _ in ()).throw(OSError("cut off")))
        with pytest.raises(OSError, match="cut off"):
            deeds.step("s2", number, "cancelled", person="noy", body={})
    assert not deeds.step("s2", number, "cancelled", person="noy", body={})
    assert [verb for _, verb, _ in commands(tmp_path)] == ["out_of_service", "return_to_service"]


def test_an_order_goes_its_way_and_asks_alerts_for_what_hangs_on_it(deeds: Deeds, tmp_path: Path) -> None:
    number = deeds.raise_("r1", "f-1", " Door seal \n torn ", person="noy", alarm=7)
    assert deeds.raise_("r2", "f-1", "again", person="noy", alarm=7) == number, "one tap, one order"
    with pytest.raises(BadData, match="who the contractor is"):
        deeds.step("s0", number, "sent", person="noy", body={})
    assert deeds.step("s1", number, "sent", person="noy", body={"contractor": "fixer"})
    assert not deeds.step("s1", number, "sent", person="noy", body={"contractor": "fixer"})
    with pytest.raises(BadData, match="where its blood is now"):
        deeds.step("s2", number, "started", person="fixer", body={})
    with pytest.raises(BadData, match="no other appliance"):
        deeds.step("s2", number, "started", person="fixer", body={"to": "f-1"})
    deeds.step("s2", number, "started", person="fixer", body={"to": "f-2"})
    with pytest.raises(BadData, match="what was found"):
        deeds.step("s3", number, "finished", person="fixer", body={"findings": "  "})
    deeds.step("s3", number, "finished", person="fixer", body={"findings": "new seal", "cost": "120000"})
    with pytest.raises(BadData, match="is finished: it cannot become started"):
        deeds.step("s4", number, "started", person="fixer", body={"to": "empty"})
    order = WorkReader(tmp_path / "desk.db").order(number)
    assert order is not None
    assert (order.state, order.what, order.told("findings"), order.offers) == (
        "finished", "Door seal torn", "new seal", frozenset())  # fmt: skip
    asked = commands(tmp_path)
    assert [(id_, verb) for id_, verb, _ in asked] == [
        ("s1:work_order", "work_order"), ("s2:out_of_service", "out_of_service"),
        ("s3:return_to_service", "return_to_service"),
    ]  # fmt: skip
    assert asked[1][2]["to"] == "f-2"
    assert asked[2][2]["wait"] == "yes"
    assert deeds.raise_("r3", "f-1", "once more", person="noy", alarm=7) == number + 1


@settings(max_examples=25)
@given(st.lists(st.sampled_from(sorted(NEXT)), max_size=8))
def test_no_order_of_steps_leads_anywhere_else(
    tmp_path_factory: pytest.TempPathFactory, states: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("desk")
    desk = Desk(folder / "desk.db", lambda: NOW)
    desk.publish(REGISTRY, author="test", reason="seed")
    desk.close()
    days = count()
    deeds = Deeds(folder / "desk.db", lambda: NOW + next(days) * DAY_MS)  # nothing is sent too often
    number = deeds.raise_("r", "f-2", "look at it", person="noy", contractor="fixer")
    now = "open"
    for place, state in enumerate(states):
        body = {"findings": "none", "to": "empty"}
        if state in NEXT[now]:
            assert deeds.step(f"s{place}", number, state, person="noy", body=body)
            now = state
        else:
            with pytest.raises(BadData, match="cannot become"):
                deeds.step(f"s{place}", number, state, person="noy", body=body)
    order = WorkReader(folder / "desk.db").order(number)
    assert order is not None
    assert order.state == now


def test_papers_are_what_their_bytes_say_and_travel_in_the_backup(deeds: Deeds, tmp_path: Path) -> None:
    papers = Papers(tmp_path)
    digest, media = papers.put(PNG)
    assert (media, papers.get(digest), papers.put(PNG)[0]) == ("image/png", PNG, digest)
    for bad in (b"", b"<html><script>", b"MZ\x90", PNG + b"x" * SIZE_MAX):
        with pytest.raises(BadData, match=r"a file has at most|nothing else"):
            papers.put(bad)
    assert papers.get("../desk.db") is None
    said = {"title": "Hinge", "sha256": digest, "media": media, "size": len(PNG)}
    deeds.enter("k1", "SN-1", "paper", said, person="noy")
    settings = Settings(data_dir=tmp_path)
    (line,) = checkup._papers(settings)
    assert (line.state, line.cause) == ("ok", "1 documents and photos are what they were")
    kept = tmp_path / "kept"
    assert backup(tmp_path, kept, NOW)["papers"] == [digest]
    restore(kept, tmp_path / "new")
    assert Papers(tmp_path / "new").get(digest) == PNG
    papers.path(digest).write_bytes(b"another")
    (line,) = checkup._papers(settings)
    assert (line.state, "first 'Hinge' of SN-1" in line.cause) == ("bad", True), "the doctor tells"
    Papers(kept).path(digest).write_bytes(b"another")
    with pytest.raises(BackupUnsound, match=digest):
        verify(kept)


def test_a_link_is_for_one_device_for_some_days_until_it_is_revoked(deeds: Deeds, tmp_path: Path) -> None:
    passes, known = Passes(tmp_path / "desk.db", lambda: NOW), PassReader(tmp_path / "desk.db")
    id_, secret = passes.make("SN-1", number=4, person="fixer", days=2, by="noy")
    found = known.known(secret)
    assert found is not None
    assert found.good(NOW)
    assert not found.good(NOW + 2 * DAY_MS)
    assert (
        secret.encode() not in (tmp_path / "desk.db").read_bytes() + (tmp_path / "desk.db-wal").read_bytes()
    )
    passes.used(id_, "read", "10.0.0.7")
    assert known.uses(id_) == [(NOW, "read", "10.0.0.7")]
    assert passes.revoke(id_, "noy")
    assert not passes.revoke(id_, "noy")
    again = known.known(secret)
    assert again is not None
    assert not again.good(NOW)
    assert known.known("x" * 43) is None
    with pytest.raises(BadData, match="from 1 to 30 days"):
        passes.make("SN-1", number=None, person="", days=31, by="noy")
    passes.close()
