# SPDX-License-Identifier: Apache-2.0
"""Alarms of one site that came together are one entry of the list, and one answer."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from console_client import Client, browsing
from console_seed import MINUTE, Seed, Story, registry

from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.asked import AskedReader
from coldchain.records.sql import open_writer, transaction
from dashboards.console.alarms.together import MOST
from dashboards.console.app import create_app
from dashboards.console.offline import ANSWER_OLD_MS

HERE = {"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}


@pytest.fixture
def seed(tmp_path: Path) -> Seed:
    made = Seed(tmp_path, registry(9), Story())
    made.history(hours=0.1)
    mine = [one.id for one in made.registry.appliances if one.site == "vte"]
    for appliance in mine:
        made.alarm(appliance, "silence", peak=None, minutes=20)
    made.alarm("skt-br-001", "silence", peak=None)  # another site
    made.alarm(mine[0], "rate", severity="warning", peak=None)  # another kind
    made.alarm(mine[1], "high")  # beyond a product's limit
    made.close()
    change(made, "UPDATE alarm SET product = 1 WHERE number = 6")
    return made


def change(seed: Seed, sql: str) -> None:
    db = open_writer(seed.settings.alarms_db, ALARMS_MIGRATIONS)
    with transaction(db):
        db.execute(sql)
    db.close()


@pytest.fixture
def client(seed: Seed) -> Iterator[Client]:
    app = create_app(seed.settings, wall_ms=lambda: seed.now_ms)
    with browsing(app, base_url="http://127.0.0.1:8080") as made:
        yield made


def answer(client: Client, alarms: str, name: str = "Noy", tap: str = "a" * 32) -> int:
    body = {"alarms": alarms, "name": name, "command": tap}
    headers = HERE | {"content-type": "application/x-www-form-urlencoded"}
    return int(client.post("/acknowledge-together", data=body, headers=headers).status_code)


def asked(seed: Seed, number: int) -> list[str]:
    """Who answered it."""
    db = open_writer(seed.settings.alarms_db, ALARMS_MIGRATIONS)
    (id_,) = db.execute("SELECT id FROM alarm WHERE number = ?", (number,)).fetchone()
    db.close()
    found = AskedReader(seed.settings.desk_db).of_verb("acknowledge", 50)
    return [one.person for one in found if one.alarm == id_]


def test_the_list_has_one_entry_for_them_and_one_for_each_other(client: Client) -> None:
    page = client.get("/alarms", headers=HERE).text
    offered = re.findall(r'name="alarms" value="([\d ]+)"', page)
    assert [sorted(one.split()) for one in offered] == [["1", "2", "3"]]
    assert "Acknowledge all 3" in page
    assert page.count("Each by itself") == 1
    assert all(f'href="/alarm/{n}"' in page for n in range(1, 7)), "each can still be looked at by itself"


def test_one_tap_answers_each_of_them_once_and_no_other(client: Client, seed: Seed) -> None:
    for _ in range(2):
        assert answer(client, "1 2 3") == 303
    assert [asked(seed, n) for n in range(1, 7)] == [["Noy"], ["Noy"], ["Noy"], [], [], []]
    page = client.get("/alarms", headers=HERE).text
    assert 'name="alarms"' not in page, "who is answered is offered no more"


def test_what_is_beyond_a_limit_is_not_answered_along(client: Client, seed: Seed) -> None:
    assert answer(client, "1 6") == 422
    assert [asked(seed, n) for n in (1, 6)] == [[], []], "all or none"


def test_what_has_ended_meanwhile_is_left_alone(client: Client, seed: Seed) -> None:
    change(seed, "UPDATE alarm SET state = 'closed' WHERE number = 2")
    assert answer(client, "1 2") == 303
    assert [asked(seed, n) for n in (1, 2)] == [["Noy"], []]


@pytest.mark.parametrize("alarms", ["", "x", "1e3", " ".join(map(str, range(1, MOST + 2)))])
def test_a_list_that_is_none_or_too_long_is_refused(client: Client, alarms: str) -> None:
    assert answer(client, alarms) == 422
    assert answer(client, "1", name=" ") == 422


def test_a_tap_without_an_id_is_a_tap_of_its_own(client: Client, seed: Seed) -> None:
    for _ in range(2):
        assert answer(client, "1", tap="") == 303
    assert asked(seed, 1) == ["Noy", "Noy"]


def test_one_that_comes_later_is_taken_while_it_is_fresh_and_any_waits(client: Client, seed: Seed) -> None:
    body = {"name": "Noy", "command": "a" * 32, "alarms": "1 2"}
    for ago, status in ((ANSWER_OLD_MS + 1, 409), (MINUTE, 303)):
        late = client.post("/acknowledge-together", data=body | {"ago_ms": str(ago)}, headers=HERE)
        assert late.status_code == status
    change(seed, "UPDATE alarm SET state = 'closed' WHERE number IN (1, 2)")
    late = client.post("/acknowledge-together", data=body | {"ago_ms": "1"}, headers=HERE)
    assert (late.status_code, late.headers["x-problem"]) == (409, "already-closed")
    assert [asked(seed, n) for n in (1, 2)] == [["Noy"], ["Noy"]]


@pytest.mark.parametrize("outcome", ["applied", "refused: nobody is called Noy"])
def test_an_answer_that_has_lapsed_or_was_refused_is_no_answer(
    client: Client, seed: Seed, outcome: str
) -> None:
    """The alarm stands unanswered in the record: the list asks for an answer as before."""
    assert answer(client, "1 2 3") == 303
    asking = re.compile(r'name="alarms" value="([\d ]+)"')
    page = client.get("/alarms", headers=HERE).text
    assert (asking.findall(page), page.count("Asked: Noy")) == ([], 3), "alerts has not taken it up yet"
    for command in AskedReader(seed.settings.desk_db).of_verb("acknowledge", 50):
        change(seed, f"INSERT INTO command_applied VALUES ('{command.id}', {seed.now_ms}, '{outcome}')")
    page = client.get("/alarms", headers=HERE).text
    assert [sorted(one.split()) for one in asking.findall(page)] == [["1", "2", "3"]]
    assert "Asked: Noy" not in page
