# SPDX-License-Identifier: Apache-2.0
"""Who may do what at the console: every role at every address, sessions, forms, tokens, wrong passwords."""

import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from console_addresses import address
from console_client import Client, browsing
from console_seed import NOW_MS, Seed, Story, registry
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from coldchain.cli.app import app as cli
from coldchain.kernel.errors import BadData
from coldchain.records.accounts import (
    FIRST_WAIT_MS,
    FREE_TRIES,
    LONGEST_WAIT_MS,
    Accounts,
    Refused,
)
from coldchain.records.browsers import IDLE_MS, WHOLE_MS
from coldchain.records.registry import RegistryReader
from coldchain.settings import Settings
from coldchain.wiring.accounts import first_admin
from coldchain.wiring.links import add_links
from dashboards.console.accounts.gate import COOKIE, Visitor
from dashboards.console.accounts.pages import _inside
from dashboards.console.accounts.roles import ENDPOINTS, LOCAL, ROLES, May
from dashboards.console.app import create_app

PASSWORD = "a long sentence of words"
FAR = {"x-forwarded-for": "10.0.0.9"}
"""Somebody who is not at the machine itself."""
HERE = {"origin": "http://127.0.0.1:8080"}
WARM = "vte-br-000"
OTHER = "skt-br-001"
quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Clock:
    now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(tmp_path: Path, clock: Clock) -> Iterator[Accounts]:
    made = Accounts(tmp_path / "desk.db", clock, hasher=quick)
    yield made
    made.close()


@pytest.fixture
def seed(tmp_path: Path) -> Seed:
    made = Seed(tmp_path, registry(6), Story(warm={WARM: 90}))
    made.history(hours=0.2)
    made.opened = made.alarm(WARM)
    made.close()
    return made


@pytest.fixture
def client(seed: Seed, accounts: Accounts) -> Iterator[Client]:
    for role in ROLES:
        accounts.add(role, PASSWORD, role=role, person=f"{role} Noy", by="test", fresh=False)
    app = create_app(seed.settings, lambda: NOW_MS)
    add_links(app, seed.settings)
    with browsing(app) as client:
        yield client


def sign_in(client: Client, name: str, password: str = PASSWORD) -> dict[str, str]:
    """Headers of a browser that is signed in, far from the machine."""
    body = {"name": name, "password": password, "next": "/"}
    answer = client.post("/signin", data=body, headers=HERE, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    client._client.cookies.clear()
    return {"cookie": f"{COOKIE}={answer.cookies[COOKIE]}", **FAR, **HERE}


def form_of(client: Client, who: dict[str, str], page: str = "/account") -> str:
    return re.findall(r'name="form" value="([^"]*)"', client.get(page, headers=who).text)[0]


def ask(client: Client, method: str, template: str, headers: dict[str, str]) -> int:
    if method == "GET":
        path = address(template)
        return client.get(path, headers=headers, follow_redirects=False).status_code
    return client.post(address(template), data={}, headers=headers, follow_redirects=False).status_code


def test_the_table_knows_every_address_that_is_served(seed: Seed) -> None:
    """Pages and the interface for programs, also those that came today: and nothing that is not served."""
    app = create_app(seed.settings, lambda: NOW_MS)
    add_links(app, seed.settings)
    served = {
        (method, route.path)
        for route in app.state.served
        for method in getattr(route, "methods", None) or ()
        if method != "HEAD"
    }
    assert len(served) > 40
    assert served == ENDPOINTS.keys()
    assert set(ROLES) == {"technician", "on-call", "contractor", "supervisor", "manager", "admin", "auditor"}


@pytest.mark.parametrize("role", [*ROLES, None])
def test_every_role_at_every_address(client: Client, role: str | None) -> None:
    """Refused exactly where the table says: a page leads to the sign-in, all else says 401 or 403."""
    who = sign_in(client, role) if role else FAR | HERE
    rights = (ROLES[role] if role else frozenset()) | {May.PUBLIC}
    for (method, template), right in ENDPOINTS.items():
        if template == "/signout" or (template == "/events" and right in rights):
            continue  # one ends the session, the other never ends
        status = ask(client, method, template, who)
        if right in rights:
            refused = status == 401 and template != "/signin"
            # (an empty form is refused by its own word, which is not the gate's)
            assert not refused, (role, method, template, status)
            assert status != 403 or method == "POST", (role, method, template, status)
        elif role is None and method == "GET" and not template.startswith("/api/"):
            assert status == 303, (template, status)
        else:
            assert status == (401 if role is None else 403), (role, method, template, status)


def test_what_the_table_does_not_know_is_nobodys(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    who = sign_in(client, "admin")
    assert client.get("/health", headers=who).status_code == 200
    monkeypatch.delitem(ENDPOINTS, ("GET", "/health"))
    assert client.get("/health", headers=who).status_code == 403


def test_somebody_at_the_machine_reads_and_acknowledges_and_no_more(client: Client) -> None:
    assert frozenset({May.READ, May.ACKNOWLEDGE, May.SIGN, May.WORK}) == LOCAL
    assert client.get("/", headers=HERE).status_code == 200
    assert client.get("/accounts", headers=HERE, follow_redirects=False).status_code == 303
    assert client.get("/", headers=FAR, follow_redirects=False).headers["location"] == "/signin?next=/"
    assert client.get("/api/v1/alarms", headers=FAR).json()["type"] == "/problems/sign-in"


def test_an_acknowledgement_carries_the_account_and_needs_the_sessions_word(
    client: Client, seed: Seed
) -> None:
    who = sign_in(client, "technician")
    body = {"alarm": seed.opened, "command": "c" * 32, "name": "Mallory"}
    assert client.post("/acknowledge", data=body, headers=who, follow_redirects=False).status_code == 403
    page = client.get("/alarms", headers=who).text
    assert 'name="name"' not in page, "the account says who it is"
    body["form"] = re.findall(r'name="form" value="([^"]+)"', page)[0]
    assert client.post("/acknowledge", data=body, headers=who, follow_redirects=False).status_code == 303
    reader = RegistryReader(seed.settings.desk_db)
    reader.refresh()
    assert [c.person for c in reader.commands()] == ["technician Noy"]
    foreign = who | {"origin": "http://evil.example"}
    assert client.post("/acknowledge", data=body, headers=foreign, follow_redirects=False).status_code == 403


def test_an_account_of_one_site_sees_and_changes_nothing_elsewhere(
    client: Client, accounts: Accounts, seed: Seed
) -> None:
    accounts.add("keo", PASSWORD, role="technician", sites=("skt",), by="test", fresh=False)
    accounts.add(
        "na", PASSWORD, role="technician", sites=("province:Vientiane Prefecture",), by="test", fresh=False
    )
    keo, na = sign_in(client, "keo"), sign_in(client, "na")
    for who, mine, theirs in ((keo, OTHER, WARM), (na, WARM, OTHER)):
        assert client.get(f"/appliance/{mine}", headers=who).status_code == 200
        assert client.get(f"/appliance/{theirs}", headers=who).status_code == 403
        assert client.get(f"/api/v1/appliances/{theirs}/series", headers=who).status_code == 403
    assert client.get("/site/vte", headers=keo).status_code == 403
    for path in ("/alarm/1", "/api/v1/alarms/1"):
        assert (client.get(path, headers=keo).status_code, client.get(path, headers=na).status_code) == (
            403,
            200,
        )
    form = {"form": form_of(client, keo), "action": "door"}
    assert client.post("/alarm/1/acknowledge", data=form, headers=keo).status_code == 403
    assert client.get("/api/v1/alarms", headers=keo).json()["open"] == []
    assert len(client.get("/api/v1/alarms", headers=na).json()["open"]) == 1
    body = {"alarm": seed.opened, "command": "d" * 32, "form": form_of(client, keo)}
    assert client.post("/acknowledge", data=body, headers=keo).status_code == 403
    assert WARM not in client.get("/", headers=keo).text
    assert OTHER in client.get("/", headers=keo).text
    assert {a["site"] for a in client.get("/api/v1/appliances", headers=keo).json()["appliances"]} == {"skt"}


def test_a_password_of_others_must_be_changed_first(client: Client, accounts: Accounts) -> None:
    accounts.add("new", PASSWORD, role="admin", by="test", fresh=True)
    who = sign_in(client, "new")
    assert client.get("/", headers=who, follow_redirects=False).headers["location"] == "/account"
    assert client.get("/api/v1/alarms", headers=who).status_code == 403
    body = {"old": PASSWORD, "new": "short", "form": form_of(client, who)}
    assert client.post("/account/password", data=body, headers=who).status_code == 422
    body["new"] = "another long sentence"
    done = client.post("/account/password", data=body, headers=who, follow_redirects=False)
    assert done.status_code == 303
    assert client.get("/", headers=who, follow_redirects=False).status_code == 303, "its sessions have ended"
    assert client.get("/", headers=sign_in(client, "new", "another long sentence")).status_code == 200


def test_the_admin_makes_resets_and_closes_accounts(client: Client, accounts: Accounts) -> None:
    who = sign_in(client, "admin")
    body = {"name": "keo", "role": "on-call", "person": "Keo", "sites": "vte", "form": form_of(client, who)}
    page = client.post("/accounts/add", data=body, headers=who).text
    (word,) = re.findall(r"<code>([a-z0-9-]{19})</code>", page)
    assert accounts.check("keo", word, "x").fresh
    assert "already" in client.post("/accounts/add", data=body, headers=who).text
    client.post("/accounts/close", data={"name": "keo", "form": body["form"]}, headers=who)
    with pytest.raises(Refused):
        accounts.check("keo", word, "x")
    page = client.post("/accounts/close", data={"name": "admin", "form": body["form"]}, headers=who).text
    assert "last admin" in page


def test_a_token_acts_as_its_account_until_it_is_withdrawn(client: Client, accounts: Accounts) -> None:
    word = accounts.add_token("contractor", "pump", NOW_MS + 1000)
    headers = FAR | {"authorization": f"Bearer {word}"}
    assert client.get("/api/v1/alarms", headers=headers).status_code == 200
    assert client.get("/accounts", headers=headers).status_code == 403
    accounts.revoke_token(accounts.tokens()[0][0])
    assert client.get("/api/v1/alarms", headers=headers).status_code == 401
    late = accounts.add_token("contractor", "old", NOW_MS - 1)
    assert accounts.bearer(late) is None


def test_the_cookie_is_not_for_scripts_nor_other_sites(client: Client) -> None:
    body = {"name": "admin", "password": PASSWORD, "next": "//evil.example"}
    answer = client.post("/signin", data=body, headers=HERE, follow_redirects=False)
    assert answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    client._client.cookies.clear()
    wrong = client.post("/signin", data=body | {"password": "wrong"}, headers=HERE)
    assert (wrong.status_code, PASSWORD in wrong.text) == (401, False)


@given(st.text(max_size=20))
def test_after_signing_in_one_stays_here(goal: str) -> None:
    assert re.match(r"/(?![/\\])|/$", _inside(goal))


# --- the store


def test_the_first_start_makes_one_admin_whose_password_is_told_once(accounts: Accounts) -> None:
    word = accounts.first()
    assert word
    assert accounts.first() is None
    assert accounts.check("admin", word, "x").fresh


def test_a_password_that_others_reset_ends_tokens_too(accounts: Accounts) -> None:
    accounts.add("keo", PASSWORD, role="on-call", by="test")
    token = accounts.add_token("keo", "t", None)
    accounts.set_password("keo", "another long one", fresh=False)
    assert accounts.bearer(token) is not None
    accounts.set_password("keo", "and another one", fresh=True)
    assert accounts.bearer(token) is None


def test_the_file_holds_nothing_to_sign_in_with(accounts: Accounts, tmp_path: Path) -> None:
    accounts.add("keo", PASSWORD, role="on-call", by="test")
    held = [accounts.sign_in("keo", PASSWORD, "x"), accounts.add_token("keo", "t", None)]
    accounts.close()
    raw = b"".join(path.read_bytes() for path in tmp_path.glob("desk.db*"))
    assert b"$argon2id$" in raw
    for secret in (PASSWORD, *held):
        assert secret.encode() not in raw


def test_wrong_passwords_cost_more_and_more_and_a_right_one_clears(accounts: Accounts, clock: Clock) -> None:
    accounts.add("keo", PASSWORD, role="on-call", by="test")
    for _ in range(FREE_TRIES):
        with pytest.raises(Refused, match="wrong name or password"):
            accounts.check("keo", "nonsense words", "here")
    with pytest.raises(Refused, match="too many") as refused:
        accounts.check("keo", PASSWORD, "here")
    assert 0 < refused.value.wait_ms <= FIRST_WAIT_MS
    with pytest.raises(Refused, match="too many"):
        accounts.check("somebody", PASSWORD, "here")
    clock.now_ms += refused.value.wait_ms
    with pytest.raises(Refused, match="wrong name"):
        accounts.check("keo", "nonsense words", "here")
    with pytest.raises(Refused) as refused:
        accounts.check("keo", PASSWORD, "here")
    assert FIRST_WAIT_MS < refused.value.wait_ms <= 2 * FIRST_WAIT_MS
    clock.now_ms += LONGEST_WAIT_MS
    accounts.check("keo", PASSWORD, "here")
    with pytest.raises(Refused, match="wrong name"):
        accounts.check("keo", "nonsense words", "here")


def test_a_session_ends_when_idle_and_in_any_case(accounts: Accounts, clock: Clock) -> None:
    accounts.add("keo", PASSWORD, role="on-call", by="test")
    word, idle = (accounts.sign_in("keo", PASSWORD, "x") for _ in range(2))
    for _ in range(WHOLE_MS // IDLE_MS * 2):
        clock.now_ms += IDLE_MS // 2 - 1
        assert accounts.session(word) is not None
        assert accounts.session("x" + word) is None
    clock.now_ms += IDLE_MS // 2
    assert accounts.session(word) is None
    assert accounts.session(idle) is None


def test_what_is_not_sound_is_refused(accounts: Accounts) -> None:
    for change in ({"password": "short"}, {"role": "king"}, {"name": "two words"}, {"language": "de"}):
        values = {"name": "keo", "password": PASSWORD, "role": "on-call", "language": "en"} | change
        with pytest.raises(BadData):
            accounts.add(
                values["name"], values["password"], role=values["role"], by="t", language=values["language"]
            )
    assert Visitor().rights == {May.PUBLIC}


def test_the_command_line_makes_accounts_and_the_first_start_tells_its_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "coldchain.toml").write_text(f'data_dir = "{tmp_path}"\n')
    settings = Settings(data_dir=tmp_path)
    password = first_admin(settings)
    assert password
    assert password in capsys.readouterr().err
    assert first_admin(settings) is None
    run, where = CliRunner().invoke, ["--dir", str(tmp_path)]
    made = run(cli, ["account", "add", "keo", "--role", "on-call", "--site", "skt", *where])
    assert made.exit_code == 0, made.output
    store = Accounts(settings.desk_db, lambda: NOW_MS)
    assert store.check("keo", made.stdout.strip(), "x").sites == ("skt",)
    store.close()
    assert "keo\ton-call" in run(cli, ["account", "list", *where]).stdout
    assert run(cli, ["account", "close", "keo", *where]).exit_code == 0
    refused = run(cli, ["account", "add", "x", "--role", "king", *where])
    assert "there is no role" in str(refused.exception)


def test_a_desk_that_is_held_keeps_nobody_waiting_at_the_door(
    accounts: Accounts, clock: Clock, tmp_path: Path
) -> None:
    accounts.add("noy", PASSWORD, role="technician", by="test", fresh=False)
    word, token = accounts.sign_in("noy", PASSWORD, "10.0.0.1"), accounts.add_token("noy", "wall", None)
    accounts._db.execute("PRAGMA busy_timeout = 90000")
    holder = sqlite3.connect(tmp_path / "desk.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    clock.now_ms += 10 * 60_000
    begun = time.monotonic()
    session, account = accounts.session(word), accounts.bearer(token)
    assert time.monotonic() - begun < 60, "the last use is written in passing, or not at all"
    assert session is not None
    assert account is not None
    assert accounts._db.execute("PRAGMA busy_timeout").fetchone() == (90_000,)
    holder.execute("ROLLBACK")
    holder.close()
