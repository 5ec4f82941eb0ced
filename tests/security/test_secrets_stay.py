# SPDX-License-Identifier: Apache-2.0
"""Canaries: every secret that we are given is a word that nobody else says; it is in no log, file or page."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from fake_provider import FakeMail, FakeProvider

from alerts.store import AlarmStore
from coldchain.ports.clock import wall_ms
from coldchain.records.accounts import Accounts
from coldchain.records.registry import Desk, Person, Registry, Site
from coldchain.settings import load
from dashboards.console.accounts.roles import ENDPOINTS
from firmware_sim.modem import ModemSim

SECRETS = {
    "broker": "canary-broker-7b1e9d",
    "influx": "canary-influx-20c4aa",
    "provider": "canary-provider-e5d911",
    "callback": "http://127.0.0.1/delivery/canary-callback-93bd02",
    "mail": "canary-mail-4f6a77",
    "pin": "73915824",
    "ping": "canary-ping-0d11c8",
    "account": "canary-account-b2a6f0",
    "address": "canary-address-c0ffee11",
    "mistyped": "canary-mistyped-5531fe",
}
"""What is put where a secret belongs."""

TOML = """
data_dir = "data"
[mqtt]
embedded = true
port = {mqtt}
username = "canary"
password_file = "broker"
[gateway]
id = "gw-1"
page_port = {page}
status_every = 1
[influx]
url = "http://127.0.0.1:{influx}"
token_file = "influx"
[console]
port = {console}
[notify]
kind = "{kind}"
ping_url = "http://127.0.0.1:{nobody}/{ping}"
[notify.modem]
device = "{device}"
pin_file = "pin"
[notify.http]
url = "http://127.0.0.1:{provider}/send"
body = '{{"to": "{{to}}", "text": "{{text}}", "key": "{{secret}}"}}'
form = false
accepted = "ok"
secret_file = "provider"
callback_file = "callback"
[notify.mail]
host = "127.0.0.1"
port = {mail}
starttls = false
sender = "hub@example.org"
username = "hub"
password_file = "mail"
"""


def notices(store: AlarmStore, now_ms: int) -> None:
    """One to send by each channel."""
    with store.transaction() as db:
        for channel, address in (
            ("sms", "+8562055500001"),
            ("call", "+8562055500001"),
            ("email", "p@example.org"),
        ):
            db.execute(
                "INSERT INTO notice (alarm, about, step, person, channel, attempt, address, text, site,"
                " created_ms, due_ms, state) VALUES ('a','raised',0,'p',?,1,?,'HIGH','x',?,?,'due')",
                (channel, address, now_ms, now_ms),
            )


def everything_in(folder: Path, skip: set[str]) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each file, and each value of each table (a file may keep them in pieces)."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name in skip:
            continue
        contents = path.read_bytes()
        yield str(path.relative_to(folder)), contents
        if contents.startswith(b"SQLite format 3"):
            db = sqlite3.connect(path)
            for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                for row in db.execute(f"SELECT * FROM '{table}'"):
                    yield f"{path.name} {table}", repr(row).encode()
            db.close()


def leaks(name: str, text: bytes, secrets: dict[str, str]) -> list[str]:
    return [f"{what} is in {name}" for what, word in secrets.items() if word.encode() in text]


def test_the_search_finds_a_secret_that_is_there(tmp_path):
    """A check that never fails proves nothing."""
    db = sqlite3.connect(tmp_path / "x.db")
    db.execute("CREATE TABLE t (a TEXT)")
    db.execute("INSERT INTO t VALUES (?)", (f"he said {SECRETS['mail']}",))
    db.commit()
    db.close()
    found = [leak for name, text in everything_in(tmp_path, set()) for leak in leaks(name, text, SECRETS)]
    assert "mail is in x.db t" in found


def unused_ports(n: int) -> list[int]:
    """No two the same."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(n)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@pytest.fixture(params=["modem", "http"])
def hub(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[dict[str, int]]:
    """The files of an installation whose every far end refuses us and says our secret back.

    The modem alone works: it wants its PIN.
    """
    with ExitStack() as ends:
        sim = ends.enter_context(ModemSim(pin=SECRETS["pin"]))
        way = {"kind": request.param, "device": sim.path, "ping": SECRETS["ping"]}
        influx, provider = ends.enter_context(FakeProvider()), ends.enter_context(FakeProvider())
        influx.replies = [(401, f"unauthorized: Token {SECRETS['influx']}", 0.0)] * 500
        provider.replies = [(400, f"bad key {SECRETS['provider']} for {SECRETS['callback']}", 0.0)] * 500
        mail = ends.enter_context(
            FakeMail({"EHLO": "250-here\r\n250 AUTH PLAIN LOGIN", "AUTH": f"535 no: {SECRETS['mail']}"})
        )
        names = ("mqtt", "page", "console", "nobody")
        ports = dict(zip(names, unused_ports(len(names)), strict=True)) | {
            "influx": influx.port,
            "provider": provider.port,
        }
        ports["mail"] = mail.port
        (tmp_path / "coldchain.toml").write_text(TOML.format(**ports, **way), encoding="utf-8")
        for name in ("broker", "influx", "provider", "callback", "mail", "pin"):
            (tmp_path / name).write_text(SECRETS[name] + "\n", encoding="utf-8")
            (tmp_path / name).chmod(0o600)
        yield ports
        if request.param == "http":
            assert provider.requests, "the provider was asked: its answer could have been logged"


def made(settings_file: Path) -> dict[str, str]:
    """An account, a token, a session, a secret address; returns what nobody else may know."""
    settings = load(settings_file)
    person = Person(id="p", name="P", phone="+8562055500001", email="p@example.org")
    desk = Desk(settings.desk_db, wall_ms)
    desk.publish(Registry(sites=(Site(id="x", name="X"),), people=(person,)), author="t", reason="begun")
    desk.close()
    accounts = Accounts(settings.desk_db, wall_ms)
    accounts.add("boss", SECRETS["account"], role="admin", by="test", fresh=False)
    words = {"token": accounts.add_token("boss", "program", None)}
    words["session"] = accounts.sign_in("boss", SECRETS["account"], "10.0.0.1")
    accounts.close()
    store = AlarmStore(settings.alarms_db)
    notices(store, wall_ms())
    store.close()
    return words


def test_no_secret_is_in_any_log_file_or_page(tmp_path, hub):
    own = made(tmp_path / "coldchain.toml")
    secrets = SECRETS | own
    log = tmp_path / "log.txt"
    with log.open("wb") as out:
        run = subprocess.Popen(
            [sys.executable, "-m", "coldchain", "run", "--dir", str(tmp_path)],
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "COLDCHAIN_LOG": "debug"},
        )
    try:
        pages = _pages(hub, own)
        settings = load(tmp_path / "coldchain.toml")
        _until(lambda: _tried(settings.alarms_db) >= {"sms", "email"}, "a try by each channel")
        pages += _pages(hub, own)
    finally:
        run.send_signal(signal.SIGINT)
        run.wait(20)
    found = [leak for name, text in pages for leak in leaks(name, text, secrets)]
    inputs = {"broker", "influx", "provider", "callback", "mail", "pin", "coldchain.toml"}
    for name, text in everything_in(tmp_path, inputs):
        found += leaks(name, text, secrets)
    assert b"alerts" in log.read_bytes()
    assert len(pages) >= 10
    assert found == []


def _tried(alarms_db: Path) -> set[str]:
    db = sqlite3.connect(f"file:{alarms_db}?mode=ro", uri=True)
    try:
        return {channel for (channel,) in db.execute("SELECT channel FROM notice WHERE detail <> ''")}
    finally:
        db.close()


def _pages(ports: dict[str, int], own: dict[str, str]) -> list[tuple[str, bytes]]:
    """What people and programs are shown, signed in and not, with a wrong password in between."""
    gateway, console = (f"http://127.0.0.1:{ports[name]}" for name in ("page", "console"))
    bearer = f"Bearer {own['token']}"
    far = {"x-forwarded-for": "10.0.0.9"}
    _until(lambda: _answers(gateway) and _answers(f"{console}/signin"), "the pages")
    asked: list[tuple[str, dict[str, str]]] = [
        (f"{gateway}{path}", {}) for path in ("/", "/metrics", "/figures.json")
    ]
    paths = [path for method, path in ENDPOINTS if method == "GET" and "{" not in path and path != "/events"]
    paths += [f"/answer/{SECRETS['address']}", f"/calendar/{SECRETS['address']}.ics", "/nowhere"]
    for path in paths:
        asked += [(f"{console}{path}", headers) for headers in ({}, far, {**far, "authorization": bearer})]
    told = [(url, httpx.get(url, headers=headers, timeout=10)) for url, headers in asked]
    form = {"name": "boss", "password": SECRETS["mistyped"]}
    wrong = httpx.post(f"{console}/signin", data=form, headers={"origin": console}, timeout=10)
    assert wrong.status_code == 401
    return [(url, answer.content) for url, answer in told] + [("a wrong password", wrong.content)]


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code < 500
    except httpx.HTTPError:
        return False


def _until(true, what: str, within_s: float = 60.0) -> None:
    end_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end_s, f"{what} did not come within {within_s} s"
        time.sleep(0.1)
