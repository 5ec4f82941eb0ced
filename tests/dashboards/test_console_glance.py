# SPDX-License-Identifier: Apache-2.0
"""What a person sees first: the alarm above the chart, a clock that slid, whom an order goes to, months."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from console_client import Client, browsing
from console_seed import HOUR, MINUTE, NOW_MS, Seed, Story, registry

from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.registry import Person
from coldchain.records.sql import open_writer, transaction
from dashboards.console.app import create_app
from dashboards.console.devices.pages import contractors
from dashboards.console.words import LANGUAGES

WARM, OTHER = "vte-br-000", "skt-br-001"
HERE = {"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}


@pytest.fixture
def seed(tmp_path: Path) -> Seed:
    made = Seed(tmp_path, registry(6), Story(warm={WARM: 90}))
    made.history(hours=0.3)
    made.opened = made.alarm(WARM)
    made.close()
    return made


@pytest.fixture
def client(seed: Seed) -> Iterator[Client]:
    with browsing(create_app(seed.settings, lambda: NOW_MS)) as client:
        yield client


def change(seed: Seed, sql: str, values: tuple[object, ...] = ()) -> None:
    db = open_writer(seed.settings.alarms_db, ALARMS_MIGRATIONS)
    with transaction(db):
        db.execute(sql, values)
    db.close()


def page(client: Client, path: str, language: str = "en") -> str:
    answer = client.get(path, headers=HERE | {"accept-language": language})
    assert answer.status_code == 200, (path, answer.status_code)
    return str(answer.text)


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text).replace("\u00a0", " "))


# --- an appliance in alarm


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_an_alarm_its_cause_and_its_answer_stand_above_the_value_and_the_chart(
    client: Client, seed: Seed, language: str
) -> None:
    change(
        seed,
        "INSERT INTO alarm_event (alarm, at_ms, event, detail)"
        " SELECT id, ?, 'cause', 'door; 97 %: door open' FROM alarm WHERE number = 1",
        (NOW_MS - 9 * MINUTE,),
    )
    text = page(client, f"/appliance/{WARM}", language)
    answer = text.index('class="button main" href="/alarm/1"')
    assert text.index("<h1>") < text.index("97\u00a0%" if "97\u00a0%" in text else "97 %") < answer
    assert answer < text.index('class="big"') < text.index('id="chart-title"')
    if language == "en":
        assert "Likeliest cause: door" in plain(text)
        assert "Answer alarm 1" in plain(text)


def test_a_cause_that_is_not_clear_is_told_without_a_figure(client: Client, seed: Seed) -> None:
    change(
        seed,
        "INSERT INTO alarm_event (alarm, at_ms, event, detail)"
        " SELECT id, ?, 'cause', 'unknown; 76 %' FROM alarm WHERE number = 1",
        (NOW_MS,),
    )
    for path in (f"/appliance/{WARM}", "/alarm/1"):
        text = plain(page(client, path))
        assert "not clear" in text
        assert "76 %" not in text.split("What happened")[0], "sure of not knowing says nothing"


def test_what_is_over_does_not_stand_above_the_chart(client: Client, seed: Seed) -> None:
    change(seed, "UPDATE alarm SET state = 'closed' WHERE number = 1")
    assert "standing" not in page(client, f"/appliance/{WARM}")


# --- a clock that slides


def moved(seed: Seed, out_ms: int, *more: object) -> None:
    change(
        seed,
        "INSERT INTO moved (alarm, source, target, person, at_ms, before_ms, out_ms, allowed_ms, looked_ms,"
        " exposure, most_ms, within_ms, ended_ms) VALUES (?,?,?,'noy',?,0,?,1800000,?,?,?,?,?)",
        (seed.opened, WARM, OTHER, NOW_MS - 20 * HOUR, out_ms, NOW_MS, *more),
    )


def card(client: Client, language: str = "en") -> str:
    text = page(client, "/alarm/1", language)
    title = text.index("→")
    return text[title : text.index("</section>", title)]


def test_a_clock_that_has_slid_says_since_when_and_what_the_blood_has_had(client: Client, seed: Seed) -> None:
    moved(seed, 0, seed.opened, 2_400_000, NOW_MS - 30 * MINUTE, None)
    made = card(client)
    text = plain(made)
    assert "Within since" in text
    assert "40 min out of limits, 30 min allowed: used up" in text
    assert "What the blood has had stays with it." in text
    assert "0 s of 30 min" not in text
    assert "state alarm" not in made, "it is within: no red"


def test_a_clock_that_stands_above_its_budget_is_red(client: Client, seed: Seed) -> None:
    moved(seed, 2_400_000, seed.opened, 2_400_000, None, None)
    made = card(client)
    assert "state alarm" in made
    assert "40 min out of limits, 30 min allowed: used up" in plain(made)


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_a_clock_of_an_older_record_says_that_it_was_used_up(
    client: Client, seed: Seed, language: str
) -> None:
    moved(seed, 0, seed.opened, 0, None, NOW_MS - HOUR)
    made = card(client, language)
    assert "state warning" in made
    assert ("more than the 30 min allowed was used up" in plain(made)) == (language == "en")
    assert "moved_" not in made


def test_one_move_that_answered_two_alarms_is_told_once(client: Client, seed: Seed) -> None:
    moved(seed, 60_000, seed.opened, 60_000, None, None)
    moved(seed, 60_000, seed.opened, 60_000, None, None)
    assert page(client, "/alarm/1").count("→ ") == 1
    assert len(client.get("/api/v1/alarms/1").json()["moved"]) == 1


# --- whom an order goes to


def test_an_order_goes_to_contractors_first_and_to_nobody_of_another_site() -> None:
    def one(id_: str, role: str, *sites: str) -> Person:
        return Person(id=id_, name=id_.title(), phone="+8562055501001", role=role, sites=sites)  # type: ignore[arg-type]

    people = (
        one("zo", "technician", "vte"),
        one("far", "technician", "skt"),
        one("fixer", "contractor", "skt"),
    )
    found = contractors(registry(3).model_copy(update={"people": people}), "vte")
    assert [(key, [p.id for p in some]) for key, some in found] == [
        ("work.contractors", ["fixer"]),
        ("work.of_site", ["zo"]),
    ]


def test_the_form_says_when_no_contractor_is_known(client: Client) -> None:
    made = page(client, f"/device/{WARM}")
    assert "No contractor is among the people of the registry." in plain(made)
    assert '<optgroup label="People of the site">' in made


# --- the months of the review


def test_no_month_is_offered_before_there_was_a_record(tmp_path: Path) -> None:
    seed = Seed(tmp_path, registry(3))
    seed.history(hours=24 * 40, every_s=7200)  # 14 November 2023 and forty days back: October, part of it
    seed.close()
    with browsing(create_app(seed.settings, lambda: NOW_MS)) as client:
        months = re.findall(r"month=(\d{4}-\d\d)&amp;as_of", page(client, "/nation"))
    assert months == ["2023-10"]


def test_nothing_read_is_nothing_to_review(tmp_path: Path) -> None:
    seed = Seed(tmp_path, registry(3))
    seed.close()
    with browsing(create_app(seed.settings, lambda: NOW_MS)) as client:
        assert "review.pdf?month" not in page(client, "/nation")
