# SPDX-License-Identifier: Apache-2.0
"""A bundle by the console: laid down, taken by ingest, answered with a receipt; what is none is refused."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from console_client import Client, browsing
from district import GATEWAY, District

from coldchain.ports.clock import wall_ms
from coldchain.records.accounts import Accounts
from coldchain.records.carry import decode_carry_receipt
from coldchain.records.carry_keys import trusted
from coldchain.wiring.carry import hear_receipt
from dashboards.console.app import create_app
from ingest.carried import CarryDesk

PASSWORD = "a long sentence of words"
FAR, HERE = {"x-forwarded-for": "10.0.0.9"}, {"origin": "http://127.0.0.1:8080"}
quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def district(tmp_path: Path) -> District:
    return District(tmp_path)


@pytest.fixture
def client(district: District) -> Iterator[Client]:
    accounts = Accounts(district.hub.desk_db, wall_ms, hasher=quick)
    for name, role in (("noy", "technician"), ("look", "auditor")):
        accounts.add(name, PASSWORD, role=role, by="test", fresh=False)
    district.tokens = {name: accounts.add_token(name, "t", None) for name in ("noy", "look")}
    accounts.close()
    with browsing(create_app(district.hub)) as client:
        yield client


def by(district: District, name: str) -> dict[str, str]:
    word = f"Bearer {district.tokens[name]}"
    return {**FAR, "authorization": word, "idempotency-key": uuid.uuid4().hex}


def ingest(district: District) -> None:
    """What the running process does between live batches."""
    journal = district.journal()
    desk = CarryDesk(
        district.hub.data_dir, lambda gateway: trusted(district.hub.desk_db, gateway), journal, wall_ms
    )
    while desk.step():
        pass
    journal.close()


def test_brought_by_a_program_taken_by_ingest_and_receipted(district: District, client: Client) -> None:
    district.measure(20)
    raw = district.pack().read_bytes()
    assert client.post("/api/v1/carry", content=raw, headers=by(district, "look")).status_code == 403
    first = client.post("/api/v1/carry", content=raw, headers=by(district, "noy"))
    assert (first.status_code, first.json()["state"]) == (202, "waits")
    name = first.json()["name"]
    assert client.post("/api/v1/carry", content=raw, headers=by(district, "noy")).json()["name"] == name
    keyless = {key: text for key, text in by(district, "noy").items() if key != "idempotency-key"}
    assert client.post("/api/v1/carry", content=raw, headers=keyless).status_code == 400
    ingest(district)
    done = client.get(f"/api/v1/carry/{name}", headers=by(district, "look")).json()
    assert (done["state"], done["gateway"], done["taken"], done["held_before"]) == ("merged", GATEWAY, 60, 0)
    assert len(district.record()) == 60
    assert hear_receipt(district.gw, done["receipt"].encode()).pending == 0
    page = client.get("/carry", headers=by(district, "look")).text
    assert "60 taken, 0 were here" in page
    kept = client.get(f"/carry/{name}.receipt.json", headers=by(district, "look"))
    assert decode_carry_receipt(kept.content).receipt.recorded == [(1, 60)]


def test_what_is_no_bundle_is_refused_at_the_door(district: District, client: Client) -> None:
    district.measure(5)
    raw = bytearray(district.pack().read_bytes())
    raw[len(raw) // 2] ^= 1
    for body in (b"", b"hello", bytes(raw), bytes(raw[:-9])):
        answer = client.post("/api/v1/carry", content=body, headers=by(district, "noy"))
        assert answer.status_code == 422
        assert answer.json()["type"] == "/problems/not-a-bundle"
    assert not list((district.hub.data_dir / "carry").rglob("*.bundle"))
    assert not list((district.hub.data_dir / "carry").glob(".*"))
    missing = client.get(f"/api/v1/carry/{'0' * 32}", headers=by(district, "noy"))
    assert missing.status_code == 404


def test_a_gateway_that_nobody_trusts_is_refused_by_ingest_and_said(
    district: District, client: Client, tmp_path: Path
) -> None:
    stranger = District(tmp_path / "elsewhere")
    stranger.measure(5)
    answer = client.post("/api/v1/carry", content=stranger.pack().read_bytes(), headers=by(district, "noy"))
    ingest(district)
    done = client.get(f"/api/v1/carry/{answer.json()['name']}", headers=by(district, "noy")).json()
    assert done["state"] == "refused"
    assert "signed by another key" in done["why"]
    assert district.record() == []


def test_people_bring_it_by_a_form(district: District, client: Client) -> None:
    district.measure(5)
    signed = client.post(
        "/signin", data={"name": "noy", "password": PASSWORD}, headers={**FAR, **HERE}, follow_redirects=False
    )
    cookie = {**FAR, **HERE, "cookie": signed.headers["set-cookie"].partition(";")[0]}
    page = client.get("/carry", headers=cookie).text
    form = page.partition('name="form" value="')[2].partition('"')[0]
    file = {"file": ("a.bundle", district.pack().read_bytes())}
    stale = client.post("/carry", data={"form": "x"}, files=file, headers=cookie)
    assert stale.status_code == 403
    sent = client.post("/carry", data={"form": form}, files=file, headers=cookie, follow_redirects=False)
    assert sent.status_code == 303
    assert "Waits for ingest" in client.get("/carry", headers=cookie).text
