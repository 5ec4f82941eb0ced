# SPDX-License-Identifier: Apache-2.0
"""Ways against the accounts: others' wrong passwords, a full disk, a first password that two have seen."""

import contextlib
import sqlite3
from itertools import count
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from console_client import browsing
from console_seed import NOW_MS, Seed, Story, registry

from coldchain.records.accounts import FREE_TRIES, SEEN_EVERY_MS, Accounts, Refused
from coldchain.settings import Settings
from coldchain.wiring.answer_links import KEY_BYTES, AnswerLinks
from dashboards.console.app import create_app

PASSWORD = "a long sentence of words"
FAR, HERE = {"x-forwarded-for": "10.0.0.9"}, {"origin": "http://127.0.0.1:8080"}
quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def test_strangers_lock_nobody_out_of_where_they_work(tmp_path: Path) -> None:
    ticks = count(NOW_MS)
    accounts = Accounts(tmp_path / "desk.db", lambda: next(ticks), hasher=quick)
    accounts.add("admin", PASSWORD, role="admin", by="test", fresh=False)
    accounts.sign_in("admin", PASSWORD, "office")
    for _ in range(FREE_TRIES):
        with pytest.raises(Refused, match="wrong"):
            accounts.check("admin", "nonsense words", "elsewhere")
    assert accounts.check("admin", PASSWORD, "office").name == "admin"
    accounts.add("noy", PASSWORD, role="technician", by="test", fresh=False)
    for _ in range(FREE_TRIES):  # a colleague may not guess for ever by signing in between
        with pytest.raises(Refused, match="wrong"):
            accounts.check("admin", "nonsense words", "office")
        with contextlib.suppress(Refused):
            accounts.check("noy", PASSWORD, "office")
    with pytest.raises(Refused, match="too many"):
        accounts.check("admin", PASSWORD, "office")
    accounts.close()


def test_a_full_disk_shuts_nobody_out(tmp_path: Path) -> None:
    now = [NOW_MS]
    accounts = Accounts(tmp_path / "desk.db", lambda: now[0], hasher=quick)
    accounts.add("keo", PASSWORD, role="technician", by="test", fresh=False)
    word = accounts.sign_in("keo", PASSWORD, "x")
    accounts._db.execute("PRAGMA query_only=ON")
    now[0] += SEEN_EVERY_MS
    with pytest.raises(sqlite3.OperationalError):
        accounts.set_language("keo", "lo")
    assert accounts.session(word) is not None
    accounts.close()


def test_no_token_before_the_password_is_ones_own(tmp_path: Path) -> None:
    """Whoever saw the first password would keep a token that comes to life when it is changed."""
    seed = Seed(tmp_path, registry(2), Story())
    seed.close()
    accounts = Accounts(tmp_path / "desk.db", lambda: NOW_MS, hasher=quick)
    accounts.add("keo", PASSWORD, role="technician", by="test", fresh=True)
    token = {"authorization": f"Bearer {accounts.add_token('keo', 't', None)}"}
    before = len(accounts.tokens())
    with browsing(create_app(seed.settings, lambda: NOW_MS)) as client:
        body = {"name": "keo", "password": PASSWORD}
        client.post("/signin", data=body, headers=FAR | HERE, follow_redirects=False)
        page = client.get("/account", headers=FAR).text
        form = {"form": page.split('name="form" value="', 1)[1].split('"', 1)[0], "label": "mine"}
        assert client.post("/account/token", data=form, headers=FAR | HERE).status_code == 403
        accounts._db.execute("UPDATE account SET fresh = 0")
        assert client.post("/account/token", data=form, headers=FAR | HERE).status_code == 200
        client._client.cookies.clear()
        assert client.post("/account/token", data=form, headers=FAR | token).status_code == 403
    assert len(accounts.tokens()) == before + 1
    accounts.close()


def test_what_a_power_cut_left_of_the_key_seals_nothing(tmp_path: Path) -> None:
    (tmp_path / "link-key").touch()
    links = AnswerLinks(Settings(data_dir=tmp_path), lambda: 0)
    seal = links._seal("123456")
    assert len((tmp_path / "link-key").read_bytes()) == KEY_BYTES
    assert links._seal("123456") == seal
