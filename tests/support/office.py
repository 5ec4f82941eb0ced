# SPDX-License-Identifier: Apache-2.0
"""A console with its office, and people of each role who are signed in."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from console_client import Client, browsing
from console_seed import NOW_MS, Seed
from signed import PASSWORD, QUICK

from coldchain.records.accounts import Accounts
from coldchain.records.registry import Registry, RegistryReader
from coldchain.wiring.links import add_links
from dashboards.console.accounts.gate import COOKIE
from dashboards.console.app import create_app

HERE = {"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}


class Desk:
    """One person's browser."""

    def __init__(self, client: Client, word: str) -> None:
        self.client, self.headers = (
            client,
            HERE | {"cookie": f"{COOKIE}={word}", "x-forwarded-for": "10.1.1.1"},
        )

    def get(self, path: str) -> str:
        answer = self.client.get(path, headers=self.headers)
        assert answer.status_code == 200, (path, answer.text)
        return answer.text

    def text(self, path: str) -> str:
        """Without its tags."""
        return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", self.get(path)).replace("\u00a0", " "))

    def post(self, path: str, page: str = "/account", **fields: str) -> httpx.Response:
        form = re.findall(r'name="form" value="([^"]+)"', self.get(page))[0]
        return self.client.post(
            path, data={"form": form} | fields, headers=self.headers, follow_redirects=False
        )

    def send(
        self, path: str, files: dict[str, tuple[str, bytes]], page: str = "/account", **fields: str
    ) -> httpx.Response:
        form = re.findall(r'name="form" value="([^"]+)"', self.get(page))[0]
        return self.client.post(
            path, data={"form": form} | fields, files=files, headers=self.headers, follow_redirects=False
        )


@contextmanager
def office(seed: Seed, now_ms: int = NOW_MS) -> Iterator[tuple[Client, dict[str, Desk]]]:
    """role -> a signed-in browser."""
    store = Accounts(seed.settings.desk_db, lambda: now_ms, hasher=QUICK)
    words = {}
    for role in ("technician", "on-call", "supervisor", "manager", "admin", "auditor"):
        store.add(role, PASSWORD, role=role, person=role.title(), by="test", fresh=False)
        words[role] = store.sign_in(role, PASSWORD, "10.1.1.1")
    store.close()
    app = create_app(seed.settings, lambda: now_ms)
    add_links(app, seed.settings, lambda: now_ms)
    with browsing(app) as client:
        yield client, {role: Desk(client, word) for role, word in words.items()}


def registry_of(seed: Seed) -> Registry:
    reader = RegistryReader(seed.settings.desk_db)
    reader.refresh()
    reader.close()
    return reader.registry
