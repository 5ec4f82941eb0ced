# SPDX-License-Identifier: Apache-2.0
"""Devices at the console: one page a serial number, orders, documents, links, labels; forms and programs."""

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from console_client import Client, browsing
from console_seed import HOUR, NOW_MS, Seed, Story, registry

from coldchain.records.accounts import Accounts
from coldchain.records.deeds import Deeds
from coldchain.records.papers import Papers
from coldchain.records.registry import Person, Registry, RegistryReader
from coldchain.records.work import WorkReader
from coldchain.wiring.device_tools import device_tools
from dashboards.console.accounts.gate import COOKIE
from dashboards.console.app import create_app

DAY = 24 * HOUR
WARM, OTHER = "vte-br-000", "skt-br-001"
SERIAL = "DOM/MB 1-77"
PAGE = "/device/DOM/MB%201-77"
HERE = {"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}
PASSWORD = "a long sentence of words"
PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 60
PDF = b"%PDF-1.7 certificate"
KEY = {"Idempotency-Key": "program-1:0001"}


def fleet() -> Registry:
    plain = registry(6)
    fixer = Person(id="fixer", name="Fixer", phone="+8562055501009", role="contractor", language="fr")
    other = Person(id="other", name="Another", phone="+8562055501008", role="contractor")
    appliances = tuple(
        a.model_copy(update={"serial": SERIAL, "model": "MB 1", "hold_over_min": 240.0})
        if a.id == WARM
        else a
        for a in plain.appliances
    )
    return plain.model_copy(update={"appliances": appliances, "people": (*plain.people, fixer, other)})


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Seed:
    """What the other processes wrote: two days, three alarms. Copied for each test."""
    seed = Seed(tmp_path_factory.mktemp("record"), fleet(), Story(warm={WARM: 90}))
    seed.history(hours=54)
    seed.alarm(WARM, minutes=80)
    seed.alarm(WARM, state="closed", minutes=30 * 60)
    seed.alarm(OTHER, state="closed", minutes=20 * 60)
    seed.close()
    return seed


@pytest.fixture
def seed(record: Seed, tmp_path: Path) -> Seed:
    from coldchain.records.backup import backup

    backup(record.settings.data_dir, tmp_path / "data", NOW_MS)
    (tmp_path / "data" / "manifest.json").unlink()
    made = object.__new__(Seed)
    made.__dict__ |= record.__dict__
    made.settings = record.settings.model_copy(update={"data_dir": tmp_path / "data"})
    return made


@pytest.fixture
def client(seed: Seed) -> Iterator[Client]:
    tools = device_tools(seed.settings, lambda: NOW_MS)
    with browsing(create_app(seed.settings, lambda: NOW_MS, tools=tools)) as client:
        yield client


def words(client: Client, path: str, headers: dict[str, str] = HERE) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, (path, answer.status_code, answer.text[-400:])
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text).replace("\u00a0", " "))


def signed_in(seed: Seed, client: Client, role: str, person: str) -> tuple[dict[str, str], str]:
    """Headers of a session, and what its forms must carry."""
    accounts = Accounts(seed.settings.desk_db, lambda: NOW_MS)
    accounts.add(f"{role}-{person}", PASSWORD, role=role, person=person, by="test", fresh=False)
    cookie = accounts.sign_in(f"{role}-{person}", PASSWORD, "x")
    accounts.close()
    headers = HERE | {"cookie": f"{COOKIE}={cookie}"}
    page = client.get("/account", headers=headers).text
    return headers, re.findall(r'name="form" value="([^"]+)"', page)[0]


def commands(seed: Seed) -> list[tuple[str, str, dict[str, str]]]:
    db = sqlite3.connect(seed.settings.desk_db)
    found = db.execute("SELECT verb, person, body FROM command ORDER BY rowid").fetchall()
    db.close()
    return [(verb, person, json.loads(body)) for verb, person, body in found]


def test_a_page_of_a_serial_number_with_what_it_did_before_each_fault(client: Client) -> None:
    text = words(client, PAGE)
    parts = (
        "MB 1",
        SERIAL,
        "The hours before alarm 1",
        "Starts per day",
        "38",
        "4 h 0 min",
        "Where it stood",
    )
    assert [
        part for part in (*parts, "no outage has taught it", "No work order yet.") if part not in text
    ] == []
    page = client.get(PAGE, headers=HERE).text
    assert '<svg class="chart"' in page, "without script it is drawn"
    (src,) = re.findall(r'data-src="([^"]+)"', page)
    curve = client.get(src.replace("&amp;", "&"), headers=HERE).json()
    assert curve["sensor"] == f"{WARM}/load"
    assert max(value for value in curve["high"] if value is not None) > 8
    assert (curve["limits"][0]["low_c"], curve["limits"][0]["high_c"]) == (2.0, 6.0)
    second = words(client, f"{PAGE}?fault=2")
    assert "The hours before alarm 2" in second
    assert client.get("/device/nobody-knows-it", headers=HERE).status_code == 404
    assert "DOM/MB 1-77" in words(client, "/devices?q=mb%201")
    assert SERIAL not in words(client, "/devices?q=zzz")


def test_an_order_from_an_alarm_in_one_tap_and_back_into_service(client: Client, seed: Seed) -> None:
    form = {"alarm": "1", "name": "vte-on-call", "command": "a" * 32}
    for _ in range(2):
        answer = client.post("/work-order", data=form, headers=HERE, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/work-order/1")
    again = client.post(
        "/work-order", data=form | {"command": "b" * 32}, headers=HERE, follow_redirects=False
    )
    assert again.headers["location"] == "/work-order/1", "one live order for an alarm"
    assert "Alarm 1: too warm" in words(client, "/work-order/1")
    assert "Alarm 1: too warm" in words(client, "/alarm/1"), "visible at the alarm"
    assert "Work order 1" in words(client, f"/appliance/{WARM}"), "and at the appliance"

    def step(verb: str, **said: str) -> int:
        body = {"name": "vte-on-call", "command": verb.ljust(32, "x")} | said
        return client.post(
            f"/work-order/1/{verb}", data=body, headers=HERE, follow_redirects=False
        ).status_code

    assert step("sent") == 422, "nobody was named"
    assert step("sent", contractor="fixer") == 303
    assert step("started") == 422, "where is the blood?"
    assert step("started", to=WARM) == 422
    assert step("finished", findings="x") == 422, "it has not begun"
    assert step("started", to=OTHER, name="Passer-by") == 422, "nobody of the registry"
    assert step("started", to=OTHER) == 303
    assert step("finished", findings="New seal", parts="2 x 4501-77 Door seal", cost="a lot") == 422
    assert step("finished", findings="New seal", parts="2 x 4501-77 Door seal", cost="120 000") == 303
    assert step("finished", findings="New seal", command="d" * 32) == 422
    told = commands(seed)
    assert [(verb, person) for verb, person, _ in told] == [
        (verb, "vte-on-call") for verb in ("work_order", "out_of_service", "return_to_service")
    ]  # fmt: skip
    assert (told[0][2]["contractor"], told[0][2]["serial"]) == ("fixer", SERIAL)
    assert (told[1][2]["to"], told[2][2]["wait"]) == (OTHER, "yes")
    db = sqlite3.connect(seed.settings.alarms_db)
    db.execute(
        "INSERT INTO notice (alarm, about, step, person, channel, attempt, address, text, site, created_ms,"
        " due_ms, state, sent_ms) VALUES ('work:1', 'work_order', 0, 'fixer', 'sms', 0, '+1', 'WORK ORDER 1',"
        " 'vte', ?1, ?1, 'sent', ?1)",
        (NOW_MS,),
    )
    db.commit()
    db.close()
    assert "WORK ORDER 1 sent, no proof of arrival" in words(client, "/work-order/1")
    assert "Take out of service: asked by On-call, Vientiane" in words(client, "/work-order/1")
    text = words(client, PAGE)
    for part in ("finished", "New seal", "2 × 4501-77 Door seal", "120 000", "Before and after each repair"):
        assert part in text, part


def test_who_may_write_what(client: Client, seed: Seed) -> None:
    plan = {"serial": SERIAL, "task": "Clean", "every_days": "90", "first": "2023-01-05"}
    assert client.post("/device-entry/plan", data=plan, headers=HERE).status_code == 401
    boss, form = signed_in(seed, client, "supervisor", "vte-on-call")
    stale = client.post("/device-entry/plan", data=plan | {"form": "no"}, headers=boss)
    assert stale.status_code == 403
    done = client.post("/device-entry/plan", data=plan | {"form": form}, headers=boss, follow_redirects=False)
    assert (done.status_code, done.headers["location"]) == (303, PAGE)
    text = words(client, "/maintenance")
    assert "1 tasks are overdue" in text
    assert "Clean" in text
    fixer, own = signed_in(seed, client, "contractor", "fixer")
    assert client.post("/device-entry/plan", data=plan | {"form": own}, headers=fixer).status_code == 403
    did = {"serial": SERIAL, "plan": "1", "form": own}
    assert (
        client.post("/device-note/done", data=did, headers=fixer, follow_redirects=False).status_code == 303
    )
    assert "Nothing is overdue" in words(client, "/maintenance")
    assert client.post("/device-note/facts", data=did, headers=fixer).status_code == 404
    raised = {"appliance": WARM, "what": "Look at it", "contractor": "other", "form": form}
    assert client.post("/work-order", data=raised | {"form": own}, headers=fixer).status_code == 403
    assert client.post("/work-order", data=raised, headers=boss, follow_redirects=False).status_code == 303
    assert "Look at it" not in words(client, "/devices", fixer).partition("Serial, name")[0], "not theirs"
    start = {"to": OTHER, "form": own}
    theirs = client.post("/work-order/1/started", data=start, headers=fixer)
    assert (theirs.status_code, "somebody else" in theirs.text) == (403, True)
    cancel = client.post("/work-order/1/cancelled", data=start | {"note": "x"}, headers=fixer)
    assert cancel.status_code == 403
    bad = plan | {"form": form, "every_days": "often"}
    assert client.post("/device-entry/plan", data=bad, headers=boss).status_code == 422
    assert (
        client.post(
            "/device-entry/plan", data=plan | {"form": form, "first": "soon"}, headers=boss
        ).status_code
        == 422
    )


def test_a_certificate_counts_from_its_day_and_readiness_hears_of_its_end(client: Client, seed: Seed) -> None:
    boss, form = signed_in(seed, client, "admin", "vte-on-call")
    said = {"serial": SERIAL, "sensor": f"{WARM}/load", "offset_k": "-0,25", "from": "2023-11-01",
            "expires": "2023-11-30", "laboratory": "Lab", "form": form}  # fmt: skip
    answer = client.post("/device-entry/certificate", data=said, headers=boss, follow_redirects=False)
    assert answer.status_code == 303, answer.text[-300:]
    assert "−0.25 K" in words(client, PAGE)
    reader = RegistryReader(seed.settings.desk_db)
    reader.refresh()
    sensor = reader.registry.sensor_by_id[f"{WARM}/load"]
    assert sensor.offsets[0].offset_k == -0.25
    from coldchain.wiring.readiness import readiness

    found = [one for one in readiness(seed.settings, NOW_MS) if one.what == "calibration"]
    assert [(one.level, one.subject) for one in found] == [("soon", f"{WARM}/load")]
    assert "ends in 15 days" in found[0].says, "to the end of its last day in Vientiane"


def test_documents_are_what_they_are_and_nothing_that_runs(client: Client, seed: Seed) -> None:
    said = {"serial": SERIAL, "title": "Hinge <b>", "sort": "photo", "name": "fixer", "command": "e" * 32}

    def send(body: bytes, **more: str) -> int:
        files = {"file": ("x.png", body, "image/png")}
        answer = client.post(
            "/device-paper", data=said | more, files=files, headers=HERE, follow_redirects=False
        )
        return answer.status_code

    assert send(PNG) == 303
    assert send(PNG) == 303, "sent twice is one document"
    assert send(b"<html><script>alert(1)</script>") == 422
    assert send(b"") == 422
    assert send(PNG + b"x" * 8_100_000, command="f" * 32) == 413
    page = client.get(PAGE, headers=HERE).text
    (digest,) = re.findall(r'<a href="/paper/([0-9a-f]{64})"', page)
    assert "<img" not in page, "a photo of a telephone is loaded when somebody asks for it"
    assert "Hinge &lt;b&gt;" in page
    answer = client.get(f"/paper/{digest}", headers=HERE)
    assert answer.content == PNG
    assert answer.headers["content-type"] == "image/png"
    assert "sandbox" in answer.headers["content-security-policy"]
    Papers(seed.settings.data_dir).path(digest).write_bytes(b"changed")
    assert client.get(f"/paper/{digest}", headers=HERE).status_code == 404, "only what its hash says"
    assert client.get(f"/paper/{'0' * 64}", headers=HERE).status_code == 404
    assert client.post("/device-paper", content=b"not a form", headers=HERE).status_code == 422
    boss, _ = signed_in(seed, client, "supervisor", "vte-on-call")
    files = {"file": ("x.png", PNG, "image/png")}
    assert (
        client.post("/device-paper", data=said | {"form": "no"}, files=files, headers=boss).status_code == 403
    )


def test_a_link_is_for_one_order_and_no_more(client: Client, seed: Seed) -> None:
    deeds = Deeds(seed.settings.desk_db, lambda: NOW_MS)
    number = deeds.raise_("k1", WARM, "Door", person="vte-on-call", contractor="fixer")
    deeds.raise_("k2", OTHER, "Another", person="vte-on-call", contractor="fixer")
    boss, form = signed_in(seed, client, "supervisor", "vte-on-call")
    asked = {"serial": SERIAL, "number": str(number), "days": "3", "form": form}
    page = client.post("/device-link", data=asked, headers=boss).text
    (path,) = re.findall(r"http://127.0.0.1:8080(/pass/[\w-]{43})", page)
    stranger = {
        "host": "coldchain.example.org",
        "origin": "http://coldchain.example.org",
        "x-forwarded-for": "1",
    }
    text = words(client, path, stranger)
    assert "Door" in text
    assert "Start the work" in text
    guest = client.get(path, headers=stranger).text
    assert not re.findall(r'href="/(?!static|pass/)', guest), "it leads nowhere else"
    assert "device-entry" not in guest
    paper = client.get(f"{path}/packet.pdf", headers=stranger)
    assert (paper.status_code, paper.content[:4]) == (200, b"%PDF")
    assert client.get(PAGE, headers=stranger, follow_redirects=False).status_code == 303, "to sign in"

    def step(verb: str, goal: str = path, **said: str) -> int:
        return client.post(f"{goal}/{verb}", data=said, headers=stranger, follow_redirects=False).status_code

    assert step("cancelled", note="x") == 404
    assert step("started") == 422
    assert step("started", to=OTHER) == 303
    assert step("finished", findings="New hinge") == 303
    (one,) = WorkReader(seed.settings.desk_db).orders(serial=SERIAL)
    assert [(s.state, s.person) for s in one.steps] == [("started", "fixer"), ("finished", "fixer")]
    assert [verb for verb, person, _ in commands(seed) if person == "fixer"] == [
        "out_of_service", "return_to_service",
    ]  # fmt: skip
    db = sqlite3.connect(seed.settings.desk_db)
    uses = [what for (what,) in db.execute("SELECT what FROM pass_use ORDER BY id")]
    assert uses[:2] == ["read", "read"]
    assert {"started", "finished"} <= set(uses)
    (kept,) = db.execute("SELECT hex(hash) FROM pass").fetchone()
    db.close()
    assert path.removeprefix("/pass/") not in kept
    assert step("started", goal=path[:-1] + ("A" if path[-1] != "A" else "B"), to=OTHER) == 404
    assert client.post("/device-link/1/revoke", data={"form": form}, headers=boss).status_code == 303
    assert client.get(path, headers=stranger).status_code == 404, "revoked"
    reads = client.post("/device-link", data={"serial": SERIAL, "days": "1", "form": form}, headers=boss).text
    (path,) = re.findall(r"(/pass/[\w-]{43})", reads)
    assert "Start the work" not in words(client, path, stranger)
    assert step("started", goal=path, to=OTHER) == 404, "it only reads"
    late = create_app(seed.settings, lambda: NOW_MS + DAY)
    with browsing(late) as tomorrow:
        assert tomorrow.get(path, headers=stranger).status_code == 404, "expired"
    many = client.post("/device-link", data={"serial": SERIAL, "days": "31", "form": form}, headers=boss)
    assert many.status_code == 422


def test_programs_do_what_people_do(client: Client, seed: Seed) -> None:
    listed = client.get("/api/v1/devices?limit=2").json()
    assert len(listed["devices"]) == 2
    rest = client.get(f"/api/v1/devices?after={listed['next']}").json()
    assert len(listed["devices"]) + len(rest["devices"]) == 6
    raised = client.post("/api/v1/work-orders", json={"alarm": 1, "person": "vte-on-call"}, headers=KEY)
    assert (raised.status_code, raised.json()["serial"]) == (201, SERIAL)
    assert (
        client.post("/api/v1/work-orders", json={"alarm": 1, "person": "x"}, headers=KEY).status_code == 200
    )
    sent = {"contractor": "fixer", "person": "vte-on-call"}
    step = client.post("/api/v1/work-orders/1/sent", json=sent, headers={"Idempotency-Key": "program-1:0002"})
    assert (step.status_code, step.json()["state"], step.json()["offers"]) == (
        200, "sent", ["cancelled", "sent", "started"])  # fmt: skip
    twice = client.post(
        "/api/v1/work-orders/1/sent", json=sent, headers={"Idempotency-Key": "program-1:0002"}
    )
    assert len(twice.json()["steps"]) == 1
    part = {"serial": SERIAL, "kind": "part", "person": "fixer",
            "said": {"number": "F-1", "name": "Fan", "count": 1, "used_ms": NOW_MS}}  # fmt: skip
    key = {"Idempotency-Key": "program-1:0003"}
    made = client.post("/api/v1/devices", json=part, headers=key)
    assert (made.status_code, client.post("/api/v1/devices", json=part, headers=key).status_code) == (
        201,
        200,
    )
    other = part | {"serial": OTHER}
    assert client.post("/api/v1/devices", json=other, headers=key).json()["type"] == "/problems/key-used"
    facts = {"serial": SERIAL, "kind": "facts", "said": {"maker": "x"}, "person": "fixer"}
    refused = client.post("/api/v1/devices", json=facts, headers={"Idempotency-Key": "program-1:0004"})
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/not-allowed")
    wrong = part | {"said": {"number": "F-1", "used_ms": NOW_MS, "count": 0}}
    answer = client.post("/api/v1/devices", json=wrong, headers={"Idempotency-Key": "program-1:0005"})
    assert (answer.status_code, "count" in answer.json()["detail"]) == (422, True)
    paper = client.post(
        f"/api/v1/papers?serial={SERIAL}&title=Cert&sort=certificate&person=fixer", content=PDF,
        headers={"Idempotency-Key": "program-1:0006"},
    )  # fmt: skip
    assert paper.status_code == 201, paper.text
    assert client.get(f"/paper/{paper.json()['sha256']}", headers=HERE).content == PDF
    one = client.get("/api/v1/devices/DOM/MB%201-77").json()
    assert [entry["kind"] for entry in one["entries"]] == ["part", "paper"]
    assert [fault["number"] for fault in one["faults"]] == [1, 2]
    assert client.get("/api/v1/maintenance").json() == {"due": []}
    assert client.post("/api/v1/device-links", json={"serial": SERIAL}).status_code == 401


def test_what_is_corrected_stays_and_a_device_keeps_its_history_across_sites(
    client: Client, seed: Seed
) -> None:
    boss, form = signed_in(seed, client, "admin", "vte-on-call")
    moved = {"serial": SERIAL, "appliance": OTHER, "from": "2023-11-14", "form": form, "command": "1" * 32}
    answer = client.post("/device-entry/installed", data=moved, headers=boss, follow_redirects=False)
    assert answer.status_code == 303, answer.text[-300:]
    text = words(client, PAGE)
    assert f"Stands as Blood refrigerator 1 {OTHER}" in text
    assert "Savannakhet Hospital · 2023-11-14 – now" in text
    assert "not known – 2023-11-14" in text, "where the registry had it before"
    numbers = [f["number"] for f in client.get("/api/v1/devices/DOM/MB%201-77").json()["faults"]]
    assert numbers == [3, 2], "of each place while it stood there"
    entries = client.get("/api/v1/devices/DOM/MB%201-77").json()["entries"]
    last = next(e for e in entries if e["said"]["appliance"] == OTHER)
    undo = {"serial": SERIAL, "corrects": str(last["id"]), "withdraw": "1", "form": form}
    assert (
        client.post("/device-entry/installed", data=undo, headers=boss, follow_redirects=False).status_code
        == 303
    )
    entries = client.get("/api/v1/devices/DOM/MB%201-77").json()["entries"]
    assert len(entries) == 3
    assert [e["standing"] for e in entries if e["id"] == last["id"]] == [False]
    assert "stands nowhere" not in words(client, "/devices")


def test_labels_carry_the_address_and_are_read_by_a_scanner(client: Client, seed: Seed) -> None:
    page = client.get(f"/labels?appliance={WARM}", headers=HERE).text
    assert f"http://127.0.0.1:8080/appliance/{WARM}" in page
    assert page.count('class="qr"') == 1
    assert client.get("/labels", headers=HERE).text.count('class="qr"') == 6
    assert not re.search(r'\sstyle="', page)


def test_the_packet_comes_as_a_file_that_says_what_it_is(client: Client, seed: Seed) -> None:
    answer = client.get("/packet/DOM/MB%201-77", headers=HERE | {"accept-language": "lo"})
    assert answer.status_code == 200
    assert answer.content.startswith(b"%PDF")
    assert answer.headers["content-disposition"] == 'attachment; filename="packet-DOM-MB-1-77-lo.pdf"'
    assert client.get("/packet/nobody", headers=HERE).status_code == 404
