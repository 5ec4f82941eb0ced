# SPDX-License-Identifier: Apache-2.0
"""Forms as a real browser sends them: its own headers pass the gate, and the session that follows is kept."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from chromium import Chromium
from console_seed import NOW_MS, Seed, Story, registry

from coldchain.records.accounts import Accounts
from coldchain.wiring.web import WebService
from dashboards.console.app import create_app

PASSWORD = "a long sentence of words"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    seed = Seed(tmp_path, registry(2), Story())
    seed.close()
    accounts = Accounts(
        tmp_path / "desk.db",
        lambda: NOW_MS,
        hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1),
    )
    accounts.add("noy", PASSWORD, role="technician", by="test", fresh=False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    service = WebService(create_app(seed.settings, lambda: NOW_MS), "127.0.0.1", port)
    thread = threading.Thread(target=service.run)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    service.stop()
    thread.join(10)
    accounts.close()


def test_a_browser_signs_in_and_out(url: str, tmp_path: Path) -> None:
    browser = Chromium(tmp_path / "profile")
    try:
        browser.open(f"{url}/signin?next=/account")
        browser.wait("location.pathname === '/signin' && document.readyState === 'complete'")
        browser.eval(
            f"name_ = document.getElementById('name'), name_.value = 'noy',"
            f" document.getElementById('password').value = '{PASSWORD}', name_.form.requestSubmit(), 0"
        )
        browser.wait("location.pathname === '/account' && document.readyState === 'complete'")
        browser.eval("document.querySelector('form[action=\"/signout\"]').requestSubmit(), 0")
        browser.wait("location.pathname === '/signin' && document.readyState === 'complete'")
    finally:
        browser.close()
