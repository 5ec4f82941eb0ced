# SPDX-License-Identifier: Apache-2.0
"""People, profiles, what waits for a name, gateways and backups for programs: as the pages do, and once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from console_seed import NOW_MS, Seed, registry
from office import office, registry_of
from signed import QUICK

from coldchain.records.accounts import Accounts
from coldchain.records.pins import fits
from coldchain.records.registry import Person, RegistryReader

WARM = "vte-br-000"
KEO = {
    "id": "keo", "name": "Keo", "phone": "+8562055501003", "language": "lo", "role": "supervisor",
    "numbers": ["+8562055501004"], "email": "k@x.la", "channels": ["sms", "email"], "sites": ["vte"],
}  # fmt: skip


class Program:
    """An admin's token; each change has the key that the test names."""

    def __init__(self, client: Any, token: str) -> None:
        self.client, self.by = client, {"authorization": f"Bearer {token}"}

    def get(self, path: str) -> Any:
        answer = self.client.get(path, headers=self.by)
        assert answer.status_code == 200, answer.text
        assert answer.headers["etag"].startswith('W/"')
        return answer.json()

    def post(self, key: str, path: str, **body: object) -> Any:
        return self.client.post(path, json=body, headers=self.by | {"Idempotency-Key": f"program:{key}"})


def refused(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


@pytest.fixture
def seed(tmp_path: Path) -> Seed:
    people = (Person(id="noy", name="Noy", phone="+8562055501002"),)
    made = Seed(tmp_path, registry(3).model_copy(update={"people": people}))
    made.history(hours=0.1)
    made.gateway(pending=7)
    made.stranger("board-7", 2, 40, NOW_MS)
    made.close()
    return made


@pytest.fixture
def program(seed: Seed) -> Iterator[Program]:
    with office(seed) as (client, _):
        store = Accounts(seed.settings.desk_db, lambda: NOW_MS, hasher=QUICK)
        token = store.add_token("admin", "program", None)
        store.close()
        yield Program(client, token)


def version(seed: Seed) -> int:
    reader = RegistryReader(seed.settings.desk_db)
    reader.refresh()
    reader.close()
    return reader.version


def test_somebody_is_added_and_their_pin_is_told_to_nobody(program: Program, seed: Seed) -> None:
    assert refused(program.post("keo", "/api/v1/people", **KEO | {"phone": "0205"})) == (422, "unsound")
    done = program.post("keo", "/api/v1/people", **KEO)
    assert (done.status_code, done.json()) == (200, {"proposal": None}), "what was refused is no answer"
    before = version(seed)
    assert program.post("keo", "/api/v1/people", **KEO).json() == {"proposal": None}
    assert version(seed) == before, "the same key is the same change"
    assert refused(program.post("keo", "/api/v1/people", **KEO | {"name": "K"})) == (422, "key-used")
    assert registry_of(seed).person_by_id["keo"].name == "Keo"
    assert refused(program.post("pin-", "/api/v1/people/keo/pin", pin="12")) == (422, "unsound")
    assert refused(program.post("pin-", "/api/v1/people/ann/pin", pin="7391")) == (422, "unsound")
    assert program.post("pin-", "/api/v1/people/keo/pin", pin="7391").json() == {"done": True}
    kept = registry_of(seed).person_by_id["keo"].pin
    assert fits("7391", kept)
    people = {one["id"]: one for one in program.get("/api/v1/people")["people"]}
    assert people["keo"] == KEO | {"initials": None, "shared": False, "pin": True}
    assert people["noy"]["pin"] is False
    assert str(kept) not in program.client.get("/api/v1/people", headers=program.by).text


def test_a_profile_is_given_and_a_wider_one_asks_a_second_person(program: Program, seed: Seed) -> None:
    told = program.get("/api/v1/profiles")
    carried = {one["appliance"]: one["carries"] for one in told["appliances"]}
    assert carried.keys() == {one.id for one in registry_of(seed).appliances}
    assert any("2004/33/EC" in line for one in told["profiles"] for line in one["sources"])
    address = f"/api/v1/appliances/{WARM}/profile"
    assert refused(program.post("prof", address, profile="nonsense")) == (422, "carries-missing")
    unknown = program.post("prof", "/api/v1/appliances/x/profile", profile="red-cells@eu")
    assert refused(unknown) == (404, "unknown-appliance")
    asked = program.post("empty", address, profile="empty").json()
    assert isinstance(asked["proposal"], int), "without limits nothing alarms: another person decides"
    assert registry_of(seed).appliance_by_id[WARM].carries(NOW_MS) == carried[WARM]
    assert program.post("empty", address, profile="empty").json() == asked


def test_what_waits_gets_a_name_once(program: Program, seed: Seed) -> None:
    (one,) = program.get("/api/v1/discovery")["waiting"]
    assert (one["node"], one["channel"], one["quantity"]) == ("board-7", 2, "temperature")
    body = {"node": "board-7", "channel": 2, "appliance": "skt-br-09", "site": "skt",
            "profile": "red-cells@eu"}  # fmt: skip
    assert refused(program.post("adopt", "/api/v1/discovery", **body | {"channel": 3})) == (
        422,
        "not-waiting",
    )
    for _ in range(2):
        assert program.post("adopt", "/api/v1/discovery", **body).json() == {"done": True}
    assert registry_of(seed).by_channel["board-7", 2].id == "skt-br-09/load"


def test_gateways_where_they_stand_and_what_they_said(program: Program, seed: Seed) -> None:
    (heard,) = program.get("/api/v1/gateways")["gateways"]
    assert heard["report"]["pending"] == 7
    body = {"id": "gw-new", "site": "skt", "phone": "+8562055501009"}
    assert refused(program.post("gate", "/api/v1/gateways", **body | {"site": "x"})) == (422, "unsound")
    assert program.post("gate", "/api/v1/gateways", **body).status_code == 200
    found = {one["id"]: one for one in program.get("/api/v1/gateways")["gateways"]}
    assert found["gw-new"] == body | {"report": None}


def test_a_backup_is_made_once_and_rehearsed(program: Program, seed: Seed) -> None:
    assert program.get("/api/v1/backups") == {"backups": [], "next": None}
    made = [program.post("backup", "/api/v1/backups") for _ in range(2)]
    assert [one.status_code for one in made] == [201, 201]
    assert program.post("another", "/api/v1/backups").json() == made[0].json(), "within one second"
    (kept,) = program.get("/api/v1/backups")["backups"]
    assert kept == made[0].json()
    address = f"/api/v1/backups/{kept['name']}/rehearsal"
    assert program.post("try-1", address).json() == {"name": kept["name"], "sound": True, "why": ""}
    file = seed.settings.data_dir / "backups" / kept["name"] / "desk.db"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    told = program.post("try-2", address).json()
    assert (told["sound"], bool(told["why"])) == (False, True)
    assert str(seed.settings.data_dir) not in told["why"]
    assert refused(program.post("try-3", "/api/v1/backups/x/rehearsal")) == (404, "unknown-page")
