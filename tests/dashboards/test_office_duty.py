# SPDX-License-Identifier: Apache-2.0
"""On call at the console: who, until when, gaps, swaps that the rota then knows, test messages."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from console_seed import HOUR, NOW_MS, Seed, registry
from office import Desk, office, registry_of

from alerts.notices.trying import try_person
from alerts.oncall.rota import on_call, shifts
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.asked import AskedReader
from coldchain.records.duty import Holiday, Rota
from coldchain.records.registry import Person
from coldchain.records.sql import open_writer, transaction

DAY = 24 * HOUR
STARTS = date(2023, 11, 13)  # a Monday; the record's now is the Wednesday after
PEOPLE = ("noy", "keo", "bua")


@pytest.fixture
def seed(tmp_path: Path) -> Seed:
    people = tuple(Person(id=p, name=p.title(), phone=f"+856205550100{n}") for n, p in enumerate(PEOPLE))
    rotas = (
        Rota(id="first", people=PEOPLE, starts=STARTS, turn_days=7),
        Rota(
            id="holed", people=("noy",), level=2, starts=STARTS, holidays=(Holiday(day=date(2023, 11, 20)),)
        ),
    )
    made = Seed(tmp_path, registry(3).model_copy(update={"people": people, "rotas": rotas}))
    made.history(hours=0.1)
    made.close()
    open_writer(made.settings.alarms_db, ALARMS_MIGRATIONS).close()
    return made


@pytest.fixture
def who(seed: Seed) -> Iterator[dict[str, Desk]]:
    with office(seed) as (_, desks):
        yield desks


def test_who_is_on_call_until_when_and_where_nobody_is(who: dict[str, Desk]) -> None:
    text = who["technician"].text("/oncall")
    assert "Noy" in text
    assert "2023-11-20 08:00" in text, "the next hand-over"
    assert "→ Keo" in text
    assert "Nobody on call within 30 days" in text, "the holiday of the second rota"
    assert text.index("holed") < text.index("first told"), "what has a gap comes first"
    assert "Put it in the rota" not in text, "a technician changes nothing"


def test_somebody_else_takes_over_and_it_is_taken_back(who: dict[str, Desk], seed: Seed) -> None:
    body = {"rota": "first", "person": "bua", "from": "2023-11-15T08:00", "until": "2023-11-16T08:00"}
    assert who["technician"].post("/oncall/override", **body).status_code == 403
    assert who["on-call"].post("/oncall/override", **body, reason="wedding").status_code == 303
    rota = registry_of(seed).rotas[0]
    assert on_call(rota, NOW_MS + 4 * HOUR) == "bua"
    assert on_call(rota, NOW_MS + 40 * HOUR) == "noy"
    assert "Bua" in who["on-call"].text("/oncall").split("Somebody else for a while")[1]
    taken = f"bua@{rota.overrides[0].from_ms}"
    assert who["supervisor"].post("/oncall/undo", rota="first", override=taken).status_code == 303
    assert registry_of(seed).rotas[0].overrides == ()
    assert who["supervisor"].post("/oncall/undo", rota="first", override=taken).status_code == 422


def test_a_swap_is_two_halves(who: dict[str, Desk], seed: Seed) -> None:
    rota = registry_of(seed).rotas[0]
    mine, theirs = shifts(rota, NOW_MS, NOW_MS + 20 * DAY)[:2]
    assert (mine.person, theirs.person) == ("noy", "keo")
    body = {"rota": "first", "person": "keo", "from": "2023-11-18T08:00", "until": "2023-11-20T08:00"}
    assert who["supervisor"].post("/oncall/override", **body, back=str(theirs.start_ms)).status_code == 303
    swapped = registry_of(seed).rotas[0]
    at = {name: NOW_MS + n * DAY for name, n in (("kept", 1), ("given", 4), ("taken", 6))}
    assert {name: on_call(swapped, t) for name, t in at.items()} == {
        "kept": "noy", "given": "keo", "taken": "noy",
    }  # fmt: skip
    assert who["supervisor"].post("/oncall/override", **body, back="17").status_code == 422


WRONG = [({"person": "mallory"}, 422), ({"until": "2023-11-01T08:00"}, 422), ({"from": "x"}, 422),
         ({"rota": "x"}, 404)]  # fmt: skip


def test_what_cannot_be_is_refused(who: dict[str, Desk], seed: Seed) -> None:
    body = {"rota": "first", "person": "bua", "from": "2023-11-15T08:00", "until": "2023-11-16T08:00"}
    for change, status in WRONG:
        assert who["admin"].post("/oncall/override", **body | change).status_code == status, change
    assert registry_of(seed).rotas[0].overrides == ()


def test_a_test_message_is_asked_of_alerts_and_its_fate_is_told(who: dict[str, Desk], seed: Seed) -> None:
    command = "e" * 32
    assert (
        who["supervisor"].post("/oncall/test", person="noy", channel="sms", command=command).status_code
        == 303
    )
    asked = AskedReader(seed.settings.desk_db).of(command)
    assert asked is not None
    assert (asked.verb, asked.body) == ("test_sms", {"to": "noy", "channel": "sms"})
    assert try_person.__doc__, "that is what alerts does with it"
    assert "asked, not taken up yet" in who["supervisor"].text("/oncall")
    db = open_writer(seed.settings.alarms_db, ALARMS_MIGRATIONS)
    with transaction(db):
        db.execute(
            "INSERT INTO notice (alarm, about, step, person, channel, attempt, address, text, site,"
            " created_ms, due_ms, state, sent_ms) VALUES (?,'test',0,'noy','sms',0,'+8','x','',0,0,'sent',?)",
            (f"test:{command}", NOW_MS),
        )
    db.close()
    assert "no proof of arrival" in who["supervisor"].text("/oncall")
    db = open_writer(seed.settings.alarms_db, ALARMS_MIGRATIONS)
    with transaction(db):
        db.execute(
            "INSERT INTO delivery (notice, priority, receipt_s, delivered_ms) VALUES (1, 1, 0, ?)", (NOW_MS,)
        )
    db.close()
    assert "arrived" in who["supervisor"].text("/oncall").split("Send a test message")[1]


def test_a_calendar_address_is_made_and_reads(who: dict[str, Desk]) -> None:
    answer = who["on-call"].post("/oncall/calendar", rota="first")
    assert answer.status_code == 200
    path = answer.text.split("/calendar/")[1].split("<")[0]
    feed = who["on-call"].client.get(f"/calendar/{path}")
    assert feed.status_code == 200
    assert "SUMMARY:first: Noy" in feed.text
