# SPDX-License-Identifier: Apache-2.0
"""Whose password somebody else knows, where one is signed in, and who is not kept waiting by strangers."""

import sqlite3
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher
from console_client import Client, browsing
from console_seed import NOW_MS, Seed, Story, registry
from hypothesis import given
from hypothesis import strategies as st

from coldchain.kernel.errors import BadData
from coldchain.records.access import access_at
from coldchain.records.accounts import FREE_TRIES, KNOWN_WAIT_MS, Accounts, Refused
from coldchain.records.browsers import BROWSERS_MAX, IDLE_MS
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.proposals import Proposals
from coldchain.records.registry import Desk, Person
from coldchain.records.signatures import FIRST, SECOND, Paper, Signature, Signatures
from coldchain.records.sql import open_writer
from coldchain.records.trust import GIVEN_MS, Given, TooClose, bound
from dashboards.console.accounts.gate import COOKIE, KNOWN_BROWSER
from dashboards.console.accounts.pace import Pace
from dashboards.console.app import create_app

PASSWORD = "a long sentence of words"
HERE = {"origin": "http://127.0.0.1:8080", "x-forwarded-for": "10.0.0.9"}
quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Clock:
    ms = NOW_MS

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(tmp_path: Path, clock: Clock) -> Iterator[Accounts]:
    made = Accounts(tmp_path / "desk.db", clock, hasher=quick)
    yield made
    made.close()


def person(accounts: Accounts, name: str, by: str = "first start") -> None:
    """Whose password was made by somebody, and changed by themselves."""
    accounts.add(name, PASSWORD, role="supervisor", by=by)
    accounts.set_password(name, PASSWORD + " of mine", fresh=False)


# --- two people


def sign(folder: Path, clock: Clock, first: str, second: str, id_: str = "paper-0001") -> Paper:
    desk = Signatures(folder / "desk.db", clock)
    try:
        names = ((FIRST, first), (SECOND, second))
        by = [Signature(place, 0, name, name, "supervisor", "approved") for place, name in names]
        return desk.sign(Paper(id_, "disposition", "a", "vte", {"what": "keep"}), by)
    finally:
        desk.close()


@pytest.mark.parametrize("how", ["made", "reset"])
def test_who_chose_a_password_of_late_is_not_the_other_of_two(
    accounts: Accounts, tmp_path: Path, clock: Clock, how: str
) -> None:
    person(accounts, "kham")
    person(accounts, "noy", by="kham" if how == "made" else "first start")
    if how == "reset":
        clock.ms += 2 * GIVEN_MS
        accounts.set_password("noy", PASSWORD, fresh=True, by="kham")
        accounts.set_password("noy", PASSWORD + " again", fresh=False)
    for first, second in (("kham", "noy"), ("noy", "kham")):
        with pytest.raises(TooClose, match="was given by kham at"):
            sign(tmp_path, clock, first, second)
    clock.ms += GIVEN_MS
    assert sign(tmp_path, clock, "kham", "noy").whole, "a month later its owner would have noticed"


def test_two_people_whose_passwords_one_third_gave_may_sign(
    accounts: Accounts, tmp_path: Path, clock: Clock
) -> None:
    person(accounts, "admin")
    person(accounts, "kham", by="admin")
    person(accounts, "noy", by="admin")
    assert sign(tmp_path, clock, "kham", "noy").whole


def test_no_way_around_it_by_a_third_account_or_a_second_name(
    accounts: Accounts, tmp_path: Path, clock: Clock
) -> None:
    person(accounts, "kham")
    person(accounts, "puppet", by="kham")
    person(accounts, "noy", by="puppet")
    with pytest.raises(TooClose):
        sign(tmp_path, clock, "kham", "noy")
    accounts.add("kham-2", PASSWORD, role="supervisor", by="first start", person="kham", fresh=False)
    person(accounts, "lao", by="kham-2")
    with pytest.raises(TooClose):
        sign(tmp_path, clock, "kham", "lao", "paper-0002")


def test_a_change_of_rules_asks_for_the_same(accounts: Accounts, tmp_path: Path, clock: Clock) -> None:
    person(accounts, "kham")
    person(accounts, "noy", by="kham")
    person(accounts, "lao")
    desk = Desk(tmp_path / "desk.db", clock)
    desk.publish(registry(2), author="test", reason="seed")
    desk.close()
    kept = Proposals(tmp_path, clock)
    body = registry(3).model_dump_json()
    said = {"reason": "r", "person": "kham", "changes": [], "preview": {}}
    number = kept.add("registry", "r.json", "1", body, **said)  # type: ignore[arg-type]
    with pytest.raises(TooClose, match="noy cannot be the second to kham"):
        kept.decide(number, "noy", agree=True)
    assert kept.get(number).state == "open"
    assert kept.decide(number, "lao", agree=True).state == "applied"
    again = kept.add("registry", "r.json", "2", body, **said)  # type: ignore[arg-type]
    assert kept.decide(again, "noy", agree=False).state == "refused", "anybody may refuse"


def test_the_trail_tells_who_gave_a_password(accounts: Accounts, tmp_path: Path, clock: Clock) -> None:
    person(accounts, "kham")
    accounts.set_password("kham", PASSWORD, fresh=True, by="admin")
    (one,) = access_at(tmp_path / "desk.db", clock.ms)
    assert [(word.by, word.how) for word in one.given] == [("first start", "made"), ("admin", "reset")]
    db = sqlite3.connect(tmp_path / "desk.db")
    for sql in ("UPDATE password_given SET given_by = 'x'", "DELETE FROM password_given"):
        with pytest.raises(sqlite3.IntegrityError, match="stays"):
            db.execute(sql)
    db.close()


@given(
    st.lists(
        st.builds(Given, st.sampled_from("abcd"), st.integers(0, 9), st.sampled_from("abcd"), st.just("made"))
    )
)
def test_it_binds_both_ways_and_only_by_passwords(given: list[Given]) -> None:
    forth, back = bound("a", "b", given, 9), bound("b", "a", given, 9)
    assert (forth is None) == (back is None)
    assert bound("a", "b", given, 10 + GIVEN_MS) is None
    if forth is not None:
        assert forth in given
    if any(one.account == "a" and one.by == "b" for one in given):
        assert forth is not None
    if not any({one.account, one.by} & {"a", "b"} and one.account != one.by for one in given):
        assert forth is None


# --- strangers


def wrong(accounts: Accounts, times: int, *, browser: str = "", address: str = "10.0.0.9") -> None:
    for _ in range(times):
        with pytest.raises(Refused):
            accounts.check("noy", "not the password", address, browser)


def test_strangers_at_the_same_address_lock_nobody_out_of_their_own_browser(
    accounts: Accounts, clock: Clock
) -> None:
    accounts.add("noy", PASSWORD, role="on-call", by="test", fresh=False)
    mine = accounts.browsers.remember("", "noy")
    accounts.sign_in("noy", PASSWORD, "10.0.0.9")
    clock.ms += 1
    wrong(accounts, 40)
    with pytest.raises(Refused, match="too many"):
        accounts.sign_in("noy", PASSWORD, "10.0.0.9")
    assert accounts.sign_in("noy", PASSWORD, "10.0.0.9", browser=mine), "an alarm does not wait for them"


def test_a_known_browser_is_no_way_to_guess(accounts: Accounts, clock: Clock) -> None:
    accounts.add("noy", PASSWORD, role="on-call", by="test", fresh=False)
    accounts.add("thief", PASSWORD, role="technician", by="test", fresh=False)
    theirs, mine = accounts.browsers.remember("", "thief"), accounts.browsers.remember("", "noy")
    wrong(accounts, FREE_TRIES, browser=theirs)
    with pytest.raises(Refused, match="too many") as bad:
        accounts.check("noy", PASSWORD, "10.0.0.9", theirs)
    assert bad.value.wait_ms > 0, "known for another account is not known"
    wrong(accounts, FREE_TRIES + 3, browser=mine)
    with pytest.raises(Refused, match="too many") as bad:
        accounts.check("noy", PASSWORD, "10.0.0.9", mine)
    assert 0 < bad.value.wait_ms <= KNOWN_WAIT_MS, "one's own mistakes cost a minute at most"
    clock.ms += KNOWN_WAIT_MS
    assert accounts.check("noy", PASSWORD, "10.0.0.9", mine).name == "noy"


def test_one_browser_is_known_for_several_and_only_so_many(accounts: Accounts) -> None:
    for name in ("noy", "kham"):
        accounts.add(name, PASSWORD, role="on-call", by="test", fresh=False)
    shared = accounts.browsers.remember("", "noy")
    assert accounts.browsers.remember(shared, "kham") == shared
    assert accounts.browsers.known(shared, "noy") == accounts.browsers.known(shared, "kham") != ""
    assert accounts.browsers.remember("made up", "noy") != "made up", "nobody chooses the word"
    for _ in range(BROWSERS_MAX + 5):
        accounts.browsers.remember("", "noy")
    db = accounts._db
    (n,) = db.execute("SELECT count(*) FROM known_browser WHERE account = 'noy'").fetchone()
    assert n == BROWSERS_MAX
    accounts.set_password("kham", PASSWORD, fresh=True)
    assert accounts.browsers.known(shared, "kham") == "", "a lost password begins anew"


# --- where one is signed in


@pytest.fixture
def client(tmp_path: Path, accounts: Accounts) -> Iterator[Client]:
    seed = Seed(tmp_path, registry(2), Story())
    seed.close()
    accounts.add("noy", PASSWORD, role="on-call", by="test", fresh=False)
    accounts.add("kham", PASSWORD, role="on-call", by="test", fresh=False)
    with browsing(create_app(seed.settings, lambda: NOW_MS)) as made:
        yield made


def enter(client: Client, agent: str = "Firefox", name: str = "noy") -> dict[str, str]:
    body = {"name": name, "password": PASSWORD, "next": "/"}
    answer = client.post("/signin", data=body, headers=HERE | {"user-agent": agent}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    assert "HttpOnly" in answer.headers["set-cookie"]
    client._client.cookies.clear()
    cookies = "; ".join(f"{one}={answer.cookies[one]}" for one in (COOKIE, KNOWN_BROWSER))
    return {"cookie": cookies, **HERE}


def form_of(client: Client, headers: dict[str, str]) -> str:
    return str(client.get("/whoami", headers=headers).json()["form"])


def test_one_sees_where_one_is_signed_in_and_ends_it(client: Client, accounts: Accounts) -> None:
    ward, phone, other = enter(client, "Ward PC"), enter(client, "Phone"), enter(client, "Theirs", "kham")
    page = client.get("/account", headers=phone).text
    assert ("Ward PC" in page, "Phone" in page, "Theirs" in page) == (True, True, False)
    assert page.count(">this browser<") == 1
    (gone,) = [one.id for one in accounts.browsers.sessions("noy") if one.agent == "Ward PC"]
    said = {"form": form_of(client, phone), "session": gone}
    for headers, status in ((other, 403), (phone, 303), (phone, 404)):
        answer = client.post("/account/session/end", data=said, headers=headers, follow_redirects=False)
        assert answer.status_code == status
    ended = client.get("/account", headers=ward, follow_redirects=False)
    assert ended.headers["location"].startswith("/signin")
    assert client.get("/account", headers=phone).status_code == 200
    everywhere = {"form": form_of(client, phone), "session": "all"}
    client.post("/account/session/end", data=everywhere, headers=phone)
    assert [len(accounts.browsers.sessions(one)) for one in ("noy", "kham")] == [0, 1], "of nobody else"


def test_a_session_that_is_over_is_not_listed(accounts: Accounts, clock: Clock) -> None:
    accounts.add("noy", PASSWORD, role="on-call", by="test", fresh=False)
    accounts.sign_in("noy", PASSWORD, "x", agent="Firefox")
    (one,) = accounts.browsers.sessions("noy")
    assert (one.address, one.agent, one.until_ms) == ("x", "Firefox", NOW_MS + IDLE_MS)
    clock.ms = one.until_ms + 1
    assert accounts.browsers.sessions("noy") == []


def test_ones_own_tokens_say_when_they_were_used_and_are_withdrawn(
    client: Client, accounts: Accounts
) -> None:
    word, theirs = accounts.add_token("noy", "robot", None), accounts.add_token("kham", "kham's", None)
    headers = enter(client)
    assert "never used" in client.get("/account", headers=headers).text
    bearer = {"authorization": f"Bearer {word}", "x-forwarded-for": "10.0.0.9"}
    assert client.get("/api/v1/alarms", headers=bearer).status_code == 200
    page = client.get("/account", headers=headers).text
    assert "last used 05:13" in page
    assert "kham" not in page
    told = client.get("/api/v1/account/tokens", headers=bearer).json()["tokens"]
    assert [(one["label"], one["used"] is not None) for one in told] == [("robot", True)]
    key = {"Idempotency-Key": "program-1:0001"}
    other = client.post("/api/v1/account/tokens/2/revoke", json={}, headers=bearer | key)
    assert (other.status_code, accounts.bearer(theirs) is None) == (404, False), "somebody else's"
    said = {"form": form_of(client, headers), "token": "1"}
    client.post("/account/token/revoke", data=said, headers=headers)
    assert client.get("/api/v1/alarms", headers=bearer).status_code == 401
    assert client.get("/api/v1/account/sessions", headers=headers).json()["sessions"][0]["ends"]


def test_who_is_kept_waiting_is_told_how_an_alarm_is_answered_meanwhile(client: Client) -> None:
    for _ in range(FREE_TRIES + 1):
        answer = client.post("/signin", data={"name": "noy", "password": "no"}, headers=HERE)
    assert answer.status_code == 429
    assert "answer it by replying to its message" in answer.text


def test_a_program_that_runs_away_is_held_up_and_answers_never(tmp_path: Path, accounts: Accounts) -> None:
    seed = Seed(tmp_path, registry(2), Story())
    seed.close()
    tokens = {}
    for name in ("robot", "noy"):
        accounts.add(name, PASSWORD, role="on-call", by="test", fresh=False)
        tokens[name] = {"authorization": f"Bearer {accounts.add_token(name, 't', None)}"}
    now = [0.0]
    app = create_app(seed.settings, lambda: NOW_MS)
    pace = app.state.pace
    pace._burst, pace._per_s, pace._now_s = 3, 0.5, lambda: now[0]

    def change(client: Client, name: str, path: str = "/api/v1/account/language") -> httpx.Response:
        key = {"Idempotency-Key": f"program-{next(keys)}"}
        return client.post(path, json={"language": "en"}, headers=tokens[name] | key)

    keys = count(1_000)
    with browsing(app) as client:
        assert [change(client, "robot").status_code for _ in range(4)] == [200, 200, 200, 429]
        held = change(client, "robot")
        assert (held.json()["type"], held.headers["retry-after"]) == ("/problems/too-fast", "3")
        assert change(client, "robot", "/api/v1/alarms/1/acknowledge").status_code != 429, (
            "nobody waits to answer"
        )
        assert client.get("/api/v1/alarms", headers=tokens["robot"]).status_code == 200
        assert change(client, "noy").status_code == 200, "of that account alone"
        now[0] += 2.0
        assert [change(client, "robot").status_code for _ in range(2)] == [200, 429]


@given(st.lists(st.floats(0, 5), max_size=40))
def test_no_pace_of_asking_gets_more_than_the_bound(waits: list[float]) -> None:
    now = [0.0]
    pace = Pace(lambda: now[0], burst=4, per_s=2.0)
    taken = 0
    for wait in waits:
        now[0] += wait
        taken += pace.wait_s("noy") == 0
        assert taken <= 4 + 2.0 * now[0] + 1e-6


def test_what_was_there_before_the_upgrade_is_known(tmp_path: Path, clock: Clock) -> None:
    old = next(n for n, text in enumerate(DESK_MIGRATIONS) if "CREATE TABLE password_given" in text)
    db = open_writer(tmp_path / "old.db", DESK_MIGRATIONS[:old])
    db.execute(
        "INSERT INTO account VALUES ('noy', 'noy', 'admin', '[]', 'en', 'x', 0, ?, 'kham', NULL)", (NOW_MS,)
    )
    db.close()
    accounts = Accounts(tmp_path / "old.db", clock, hasher=quick)
    assert accounts.given() == {"noy": Given("noy", NOW_MS, "kham", "made")}
    accounts.close()


def test_one_account_signs_once_whatever_its_person_is_called(
    accounts: Accounts, tmp_path: Path, clock: Clock
) -> None:
    accounts.add("k1", PASSWORD, role="supervisor", by="first start", person="Kham S", fresh=False)
    paper = Paper("paper-0009", "disposition", "a", "vte", {"what": "keep"})
    desk = Signatures(tmp_path / "desk.db", clock)
    desk.sign(paper, [Signature(FIRST, 0, "k1", "kham", "supervisor", "decided")])
    with pytest.raises(BadData, match="somebody else"):
        desk.sign(paper, [Signature(SECOND, 0, "k1", "Kham S", "supervisor", "agreed")])
    desk.close()


@pytest.mark.parametrize("then", ["renamed", "entered", "left out"])
def test_another_name_is_no_other_person(accounts: Accounts, tmp_path: Path, clock: Clock, then: str) -> None:
    """Who asks is written down by the id that the registry had; an admin may write the registry."""
    kham = Person(id="kham", name="Kham S", phone="+8562055501111", role="supervisor")
    nobody, known, other = (), (kham,), (kham.model_copy(update={"name": "Kham Sisavath"}),)
    before, after = {"renamed": (known, other), "entered": (nobody, known), "left out": (known, nobody)}[then]
    asks, agrees = {"renamed": ("kham", "Kham S"), "entered": ("Kham S", "kham"),
                    "left out": ("kham", "Kham S")}[then]  # fmt: skip
    accounts.add("k1", PASSWORD, role="admin", by="first start", person="Kham S", fresh=False)
    for name, by in (("noy", "k1"), ("lao", "first start")):
        person(accounts, name, by=by)
    desk = Desk(tmp_path / "desk.db", clock)
    desk.publish(registry(2).model_copy(update={"people": before}), author="test", reason="seed")
    kept, said = Proposals(tmp_path, clock), {"reason": "r", "person": asks, "changes": [], "preview": {}}
    number = kept.add("profiles", "own.toml", "", "# none", **said)  # type: ignore[arg-type]
    clock.ms += 1
    desk.publish(registry(2).model_copy(update={"people": after}), author="test", reason="people")
    desk.close()
    with pytest.raises(BadData, match="another supervisor or manager"):
        kept.decide(number, agrees, agree=True)
    with pytest.raises(TooClose):
        kept.decide(number, "noy", agree=True)
    assert kept.decide(number, "lao", agree=True).state == "applied"


def test_while_the_desk_is_held_nobody_is_told_of_a_fault_of_ours(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coldchain.records.sql.BUSY_TIMEOUT_MS", 50)
    holds = sqlite3.connect(tmp_path / "desk.db", isolation_level=None)
    holds.execute("BEGIN IMMEDIATE")
    said = {"name": "noy", "password": PASSWORD}
    answer = client.post("/signin", data=said, headers=HERE, follow_redirects=False)
    assert (answer.status_code, answer.headers["x-problem"]) == (503, "unavailable")
    assert str(tmp_path) not in answer.text
    holds.close()
    assert client.post("/signin", data=said, headers=HERE, follow_redirects=False).status_code == 303
