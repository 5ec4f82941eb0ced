# SPDX-License-Identifier: Apache-2.0
"""Signing at the console: two passwords, here or in the province; wrong ones, and too many."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from console_client import Client, browsing
from console_seed import NOW_MS, Seed, Story, registry
from signed import PASSWORD, QUICK, accounts_of

from coldchain.records.accounts import FREE_TRIES, Accounts
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.asked import AskedReader
from coldchain.records.registry import Person
from coldchain.records.signatures import SignedReader
from coldchain.records.sql import open_writer, transaction
from dashboards.console.accounts.gate import COOKIE
from dashboards.console.app import create_app

WARM = "vte-br-000"
HERE = {"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}
FATE = {"what": "discard", "reason": "9 °C for 90 min", "command": "d" * 32}
NOY = {"signer": "noy", "password": PASSWORD}
KEO = {"signer2": "keo", "password2": PASSWORD}


@pytest.fixture
def seed(tmp_path: Path) -> Seed:
    people = (
        Person(id="noy", name="Noy", phone="+8562055501002"),
        Person(id="keo", name="Dr Keo", phone="+8562055501003"),
    )
    made = Seed(tmp_path, registry(6).model_copy(update={"people": people}), Story(warm={WARM: 90}))
    made.history(hours=0.2)
    made.opened = made.alarm(WARM)
    made.close()
    db = open_writer(made.settings.alarms_db, ALARMS_MIGRATIONS)
    with transaction(db):
        db.execute("UPDATE alarm SET product = 1, state = 'disposition_due', returned_ms = ?", (NOW_MS - 9,))
    db.close()
    accounts_of(
        made.settings.desk_db, lambda: NOW_MS,
        noy=("technician", "Noy"), keo=("supervisor", "Dr Keo"), twin=("on-call", "Noy"),
        fixer=("contractor", "Fixer"), stranger=("technician", "Mallory"),
    )  # fmt: skip
    return made


@pytest.fixture
def client(seed: Seed) -> Iterator[Client]:
    with browsing(create_app(seed.settings, lambda: NOW_MS)) as client:
        yield client


def dispose(client: Client, fields: dict[str, str], headers: dict[str, str] | None = None) -> tuple[int, str]:
    headers = headers or HERE
    page = client.get("/alarm/1", headers=headers).text
    form = re.findall(r'name="form" value="([^"]*)"', page)
    body = FATE | fields | {"form": form[0] if form else ""}
    answer = client.post("/alarm/1/dispose", data=body, headers=headers, follow_redirects=False)
    return answer.status_code, answer.headers.get("location", "") or answer.text


def session(seed: Seed, name: str) -> dict[str, str]:
    store = Accounts(seed.settings.desk_db, lambda: NOW_MS, hasher=QUICK)
    word = store.sign_in(name, PASSWORD, "10.1.1.1")
    store.close()
    return HERE | {"cookie": f"{COOKIE}={word}", "x-forwarded-for": "10.1.1.1"}


def asked(seed: Seed) -> list[tuple[str, str]]:
    return [
        (one.person, one.body["second"])
        for one in AskedReader(seed.settings.desk_db).about(seed.opened, 1, WARM)
    ]


def test_two_people_at_one_screen_sign_with_their_passwords(client: Client, seed: Seed) -> None:
    assert dispose(client, NOY | KEO) == (303, "/alarm/1")
    assert asked(seed) == [("noy", "keo")]


def test_names_alone_record_nothing(client: Client, seed: Seed) -> None:
    """What an unsigned screen could do before."""
    for fields in ({"name": "noy", "second": "keo"}, {"signer": "noy"}, NOY | {"signer2": "keo"}):
        assert dispose(client, fields)[0] == 422, fields
    assert asked(seed) == []
    assert SignedReader(seed.settings.desk_db).waiting(NOW_MS) == []


MAY_NOT = [
    (NOY | {"password": "not the password"} | KEO, 422),
    (NOY | KEO | {"password2": "not the password"}, 422),
    (NOY | {"signer2": "noy", "password2": PASSWORD}, 422),
    (NOY | {"signer2": "twin", "password2": PASSWORD}, 422),
    (NOY | {"signer2": "fixer", "password2": PASSWORD}, 403),
    ({"signer": "stranger", "password": PASSWORD} | KEO, 422),
    (NOY | KEO | {"what": "eat"}, 422),
    (NOY | KEO | {"reason": " "}, 422),
]


def test_who_may_not_sign_so(client: Client, seed: Seed) -> None:
    for fields, status in MAY_NOT:
        assert dispose(client, fields)[0] == status, fields
    assert asked(seed) == []
    assert SignedReader(seed.settings.desk_db).waiting(NOW_MS) == []


def test_wrong_passwords_are_counted_and_cost_time(client: Client, seed: Seed) -> None:
    statuses = [dispose(client, NOY | {"password": "guess"})[0] for _ in range(FREE_TRIES + 1)]
    assert statuses == [422] * FREE_TRIES + [429]
    assert dispose(client, NOY | KEO)[0] == 429, "the right one too, for a while"


def test_the_second_person_signs_later_from_the_province(client: Client, seed: Seed) -> None:
    noy, keo = session(seed, "noy"), session(seed, "keo")
    status, where = dispose(client, {"password": PASSWORD}, noy)
    assert (status, where) == (303, f"/signature/{'d' * 32}")
    assert asked(seed) == []
    assert "Waits for the second signature" in client.get("/alarm/1", headers=keo).text
    listed = client.get("/signatures", headers=keo).text
    for part in ("What becomes of the blood, alarm 1", "9 °C for 90 min", "Noy: I have judged this"):
        assert part in listed, part
    page = client.get(where, headers=keo).text
    form = re.findall(r'name="form" value="([^"]+)"', page)[0]
    for who, body, expected in (
        (keo, {"password": "wrong one", "form": form}, 422),
        (keo, {"password": PASSWORD}, 403),  # a form of another session
        (keo, {"password": PASSWORD, "form": form}, 303),
    ):
        answer = client.post(where, data=body, headers=who, follow_redirects=False)
        assert answer.status_code == expected
    assert answer.headers["location"] == "/alarm/1"
    assert asked(seed) == [("noy", "keo")]
    assert "Two people have signed" in client.get(where, headers=keo).text


def test_one_person_is_not_two(client: Client, seed: Seed) -> None:
    _, where = dispose(client, NOY)
    for name in ("noy", "twin"):
        body = {"signer": name, "password": PASSWORD}
        assert client.post(where, data=body, headers=HERE, follow_redirects=False).status_code == 422
    assert asked(seed) == []


def test_another_sites_person_signs_nothing_here(client: Client, seed: Seed) -> None:
    store = Accounts(seed.settings.desk_db, lambda: NOW_MS, hasher=QUICK)
    store.add("skt", PASSWORD, role="supervisor", sites=("skt",), by="test", fresh=False)
    store.add("new", PASSWORD, role="supervisor", by="test", fresh=True)
    store.close()
    for name in ("skt", "new"):
        assert dispose(client, NOY | {"signer2": name, "password2": PASSWORD})[0] == 403, name
    _, where = dispose(client, NOY)
    assert client.get(where, headers=session(seed, "skt"), follow_redirects=False).status_code == 403
    assert where not in client.get("/signatures", headers=session(seed, "skt")).text


def test_what_was_decided_meanwhile_is_not_signed(client: Client, seed: Seed) -> None:
    _, where = dispose(client, NOY)
    db = open_writer(seed.settings.alarms_db, ALARMS_MIGRATIONS)
    with transaction(db):
        db.execute("UPDATE alarm SET state = 'closed', product = 0")
    db.close()
    body = {"signer": "keo", "password": PASSWORD}
    assert client.post(where, data=body, headers=HERE, follow_redirects=False).status_code == 409
    assert where not in client.get("/signatures", headers=HERE).text


def test_programs_sign_as_people_do(client: Client, seed: Seed) -> None:
    store = Accounts(seed.settings.desk_db, lambda: NOW_MS, hasher=QUICK)
    tokens = {
        name: {"authorization": f"Bearer {store.add_token(name, 'x', None)}"} for name in ("noy", "keo")
    }
    store.close()
    key, fate = {"Idempotency-Key": "program-1:0001"}, {"what": "discard", "reason": "9 °C"}
    address = "/api/v1/alarms/1/dispose"
    assert client.post(address, json=fate, headers=tokens["noy"] | key).status_code == 422, (
        "a token is no hand"
    )
    told = client.post(address, json=fate | {"password": PASSWORD}, headers=tokens["noy"] | key)
    assert (told.status_code, told.json()["state"]) == (202, "signed")
    (paper,) = client.get("/api/v1/signatures", headers=tokens["keo"]).json()["papers"]
    assert (paper["body"]["what"], paper["whole"]) == ("discard", False)
    done = client.post(
        f"/api/v1/signatures/{paper['id']}", json={"password": PASSWORD}, headers=tokens["keo"] | key
    ).json()
    assert done["whole"]
    assert [one["account"] for one in done["signatures"]] == ["noy", "keo"]
    assert asked(seed) == [("noy", "keo")]
    assert client.get("/api/v1/signatures", headers=tokens["keo"]).json()["papers"] == []
