# SPDX-License-Identifier: Apache-2.0
"""The office for programs does what its pages do: duty, test messages, tables, schedules."""

import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from console_seed import HOUR, NOW_MS, Seed, registry
from office import office, registry_of
from signed import QUICK

from alerts.oncall.rota import on_call
from coldchain.kernel.instants import rfc3339
from coldchain.records.accounts import Accounts
from coldchain.records.asked import AskedReader
from coldchain.records.duty import Rota
from coldchain.records.filed import FiledReader
from coldchain.records.registry import Person


class Program:
    def __init__(self, client: Any, token: str) -> None:
        self.client, self.headers = client, {"authorization": f"Bearer {token}"}

    def get(self, path: str) -> Any:
        answer = self.client.get(path, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, by_key: str = "", **body: object) -> Any:
        key = {"Idempotency-Key": by_key or uuid.uuid4().hex}
        return self.client.post(path, json=body, headers=self.headers | key)


@pytest.fixture
def seed(tmp_path: Path) -> Seed:
    people = tuple(
        Person(id=p, name=p.title(), phone=f"+856205550100{n}") for n, p in enumerate(("noy", "keo"))
    )
    rotas = (Rota(id="first", people=("noy", "keo"), starts=date(2023, 11, 13), turn_days=7),)
    made = Seed(tmp_path, registry(3).model_copy(update={"people": people, "rotas": rotas}))
    made.close()
    return made


@pytest.fixture
def program(seed: Seed) -> Iterator[Program]:
    with office(seed) as (client, _):
        store = Accounts(seed.settings.desk_db, lambda: NOW_MS, hasher=QUICK)
        token = store.add_token("admin", "program", None)
        store.close()
        yield Program(client, token)


def test_duty_is_read_changed_and_taken_back(program: Program, seed: Seed) -> None:
    (rota,) = program.get("/api/v1/oncall")["rotas"]
    assert (rota["id"], rota["now"], rota["shifts"][1]["person"]) == ("first", "noy", "keo")
    span = {"from": rfc3339(NOW_MS + HOUR), "until": rfc3339(NOW_MS + 5 * HOUR)}
    assert program.post("/api/v1/oncall/overrides", rota="first", person="keo", **span).status_code == 200
    assert on_call(registry_of(seed).rotas[0], NOW_MS + 2 * HOUR) == "keo"
    undo = {"rota": "first", "person": "keo", "from": span["from"]}
    assert program.post("/api/v1/oncall/overrides/undo", **undo).status_code == 200
    assert on_call(registry_of(seed).rotas[0], NOW_MS + 2 * HOUR) == "noy"
    bad = program.post("/api/v1/oncall/overrides", rota="first", person="keo", **span | {"until": "soon"})
    assert (bad.status_code, bad.json()["type"]) == (422, "/problems/span-missing")


def test_a_test_message_once_for_each_key(program: Program, seed: Seed) -> None:
    for _ in range(2):
        asked = program.post("/api/v1/test-messages", "program-1:0001", person="noy", channel="sms")
        assert asked.status_code == 202
    assert len(AskedReader(seed.settings.desk_db).of_verb("test_sms", 9)) == 1
    assert program.get("/api/v1/test-messages")["tests"][0]["person"] == "noy"
    assert program.post("/api/v1/test-messages", person="mallory").status_code == 422


def test_a_table_is_looked_at_and_then_applied(program: Program, seed: Seed) -> None:
    table = "id,name\nnew,New site\n"
    plan = program.post("/api/v1/registry/sites", csv=table).json()
    assert (plan["sound"], plan["version"], plan["rows"][0]["state"]) == (True, None, "added")
    assert "new" not in registry_of(seed).site_by_id
    done = program.post("/api/v1/registry/sites", csv=table, base=plan["base"]).json()
    assert done["version"] == plan["base"] + 1
    assert "new" in registry_of(seed).site_by_id
    assert program.post("/api/v1/registry/sites", csv=table, base=plan["base"]).status_code == 409
    assert program.post("/api/v1/registry/colours", csv=table).status_code == 422


def test_schedules(program: Program, seed: Seed) -> None:
    said: dict[str, Any] = {"kind": "month", "language": "lo", "at": "07:30", "who": ["a@x.la"]}
    assert program.post("/api/v1/schedules", **said).status_code == 200
    (one,) = program.get("/api/v1/schedules")["schedules"]
    assert one == said | {"site": "", "id": 1}
    assert program.post("/api/v1/schedules", **said | {"at": "7"}).status_code == 422
    assert program.post("/api/v1/schedules/1/end").status_code == 200
    assert FiledReader(seed.settings.desk_db).schedules() == []
