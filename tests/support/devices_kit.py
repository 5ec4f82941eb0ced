# SPDX-License-Identifier: Apache-2.0
"""A device with a serial number at a console: its record, a browser, who is signed in."""

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from console_client import Client, browsing
from console_seed import HOUR, NOW_MS, Seed, Story, registry

from coldchain.records.accounts import Accounts
from coldchain.records.registry import Person, Registry
from coldchain.wiring.device_tools import device_tools
from dashboards.console.accounts.gate import COOKIE
from dashboards.console.app import create_app

DAY = 24 * HOUR
WARM, OTHER = "vte-br-000", "skt-br-001"
SERIAL = "DOM/MB 1-77"
PAGE = "/device/DOM/MB%201-77"
HERE = {"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}
PASSWORD = "a long sentence of words"
PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 60
PDF = b"%PDF-1.7 certificate"
KEY = {"Idempotency-Key": "program-1:0001"}


def fleet() -> Registry:
    plain = registry(6)
    fixer = Person(id="fixer", name="Fixer", phone="+8562055501009", role="contractor", language="fr")
    other = Person(id="other", name="Another", phone="+8562055501008", role="contractor")
    appliances = tuple(
        a.model_copy(update={"serial": SERIAL, "model": "MB 1", "hold_over_min": 240.0})
        if a.id == WARM
        else a
        for a in plain.appliances
    )
    return plain.model_copy(update={"appliances": appliances, "people": (*plain.people, fixer, other)})


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Seed:
    """What the other processes wrote: two days, three alarms. Copied for each test."""
    seed = Seed(tmp_path_factory.mktemp("record"), fleet(), Story(warm={WARM: 90}))
    seed.history(hours=54)
    seed.alarm(WARM, minutes=80)
    seed.alarm(WARM, state="closed", minutes=30 * 60)
    seed.alarm(OTHER, state="closed", minutes=20 * 60)
    seed.close()
    return seed


@pytest.fixture
def seed(record: Seed, tmp_path: Path) -> Seed:
    from coldchain.records.backup import backup

    backup(record.settings.data_dir, tmp_path / "data", NOW_MS)
    (tmp_path / "data" / "manifest.json").unlink()
    made = object.__new__(Seed)
    made.__dict__ |= record.__dict__
    made.settings = record.settings.model_copy(update={"data_dir": tmp_path / "data"})
    return made


@pytest.fixture
def client(seed: Seed) -> Iterator[Client]:
    tools = device_tools(seed.settings, lambda: NOW_MS)
    with browsing(create_app(seed.settings, lambda: NOW_MS, tools=tools)) as client:
        yield client


def words(client: Client, path: str, headers: dict[str, str] = HERE) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, (path, answer.status_code, answer.text[-400:])
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text).replace("\u00a0", " "))


def signed_in(seed: Seed, client: Client, role: str, person: str) -> tuple[dict[str, str], str]:
    """Headers of a session, and what its forms must carry."""
    accounts = Accounts(seed.settings.desk_db, lambda: NOW_MS)
    accounts.add(f"{role}-{person}", PASSWORD, role=role, person=person, by="test", fresh=False)
    cookie = accounts.sign_in(f"{role}-{person}", PASSWORD, "x")
    accounts.close()
    headers = HERE | {"cookie": f"{COOKIE}={cookie}"}
    page = client.get("/account", headers=headers).text
    return headers, re.findall(r'name="form" value="([^"]+)"', page)[0]


def commands(seed: Seed) -> list[tuple[str, str, dict[str, str]]]:
    db = sqlite3.connect(seed.settings.desk_db)
    found = db.execute("SELECT verb, person, body FROM command ORDER BY rowid").fetchall()
    db.close()
    return [(verb, person, json.loads(body)) for verb, person, body in found]
