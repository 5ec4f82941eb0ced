# SPDX-License-Identifier: Apache-2.0
"""Devices for those without an account, for programs and for printers: links, interface, labels, packets."""

import re
import sqlite3

from console_client import Client, browsing
from console_seed import NOW_MS, Seed
from devices_kit import (
    DAY,
    HERE,
    KEY,
    OTHER,
    PAGE,
    PDF,
    SERIAL,
    WARM,
    client,
    commands,
    record,
    seed,
    signed_in,
    words,
)
from signed import QUICK

from coldchain.records.accounts import Accounts
from coldchain.records.deeds import Deeds
from coldchain.records.work import WorkReader
from dashboards.console.app import create_app

__all__ = ["client", "record", "seed"]


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
    another = {"Idempotency-Key": "program-1:0000"}
    assert (
        client.post("/api/v1/work-orders", json={"alarm": 1, "person": "x"}, headers=another).status_code
        == 200
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
    assert (made.status_code, client.post("/api/v1/devices", json=part, headers=key).json()) == (
        201,
        made.json(),
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
    assert client.get("/api/v1/maintenance").json() == {"due": [], "next": None}
    assert client.post("/api/v1/device-links", json={"serial": SERIAL}).status_code == 401


def test_a_link_that_a_program_asks_for_twice_is_one(seed: Seed, client: Client) -> None:
    accounts = Accounts(seed.settings.desk_db, lambda: NOW_MS, hasher=QUICK)
    accounts.add("boss", "a long sentence of words", role="admin", by="test", fresh=False)
    boss = KEY | {"authorization": f"Bearer {accounts.add_token('boss', 'test', None)}"}
    accounts.close()
    made = [client.post("/api/v1/device-links", json={"serial": SERIAL}, headers=boss) for _ in range(2)]
    assert [one.status_code for one in made] == [201, 201]
    assert made[0].json() == made[1].json()
    other = client.post("/api/v1/device-links", json={"serial": SERIAL, "days": 2}, headers=boss)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/key-used")
    again = client.post(
        "/api/v1/device-links", json={"serial": SERIAL}, headers=boss | {"Idempotency-Key": "another-1"}
    )
    assert again.json()["path"] != made[0].json()["path"]
    revoked = {"Idempotency-Key": "revoke-01"}
    for _ in range(2):
        assert client.post("/api/v1/device-links/1/revoke", headers=boss | revoked).status_code == 204
    assert client.get(made[0].json()["path"]).status_code == 404
    assert client.get(again.json()["path"]).status_code == 200


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
