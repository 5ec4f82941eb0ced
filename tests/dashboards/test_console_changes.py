# SPDX-License-Identifier: Apache-2.0
"""Changes of rules at the console: who may ask, who may agree, what is shown; the same for programs."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher
from console_client import Client, browsing
from console_seed import NOW_MS, Seed, Story, registry

from coldchain.records.accounts import Accounts
from coldchain.records.registry import Registry, RegistryReader
from coldchain.wiring.links import add_links
from dashboards.console.app import create_app

PASSWORD = "a long sentence of words"
FAR, HERE = {"x-forwarded-for": "10.0.0.9"}, {"origin": "http://127.0.0.1:8080"}
quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Desk:
    """A console with people of three roles."""

    def __init__(self, folder: Path, client: Client, tokens: dict[str, str]) -> None:
        self.folder, self.client, self.tokens = folder, client, tokens

    def post(self, who: str, url: str, **body: object) -> httpx.Response:
        headers = {**FAR, "idempotency-key": uuid.uuid4().hex, "authorization": f"Bearer {self.tokens[who]}"}
        return self.client.post(f"/api/v1{url}", json=body, headers=headers)

    def get(self, who: str, url: str) -> httpx.Response:
        return self.client.get(url, headers={**FAR, "authorization": f"Bearer {self.tokens[who]}"})

    def newest(self) -> tuple[int, Registry]:
        reader = RegistryReader(self.folder / "desk.db")
        reader.refresh()
        reader.close()
        return reader.version, reader.registry

    def less_often(self) -> str:
        """Every sensor is to report half as often: silence is told later."""
        said = json.loads(self.newest()[1].model_dump_json())
        for sensor in said["sensors"]:
            sensor["every_s"] *= 20
        return json.dumps(said)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    seed = Seed(tmp_path, registry(2), Story())
    seed.close()
    accounts = Accounts(tmp_path / "desk.db", lambda: NOW_MS, hasher=quick)
    tokens = {}
    for name, role in (
        ("anna", "supervisor"),
        ("boun", "manager"),
        ("tech", "technician"),
        ("audit", "auditor"),
    ):
        accounts.add(name, PASSWORD, role=role, by="test", fresh=False)
        tokens[name] = accounts.add_token(name, "t", None)
    accounts.close()
    app = create_app(seed.settings, wall_ms=lambda: NOW_MS)
    add_links(app, seed.settings, wall_ms=lambda: NOW_MS)
    with browsing(app) as client:
        yield Desk(tmp_path, client, tokens)


def test_asked_by_one_agreed_by_another(desk: Desk) -> None:
    before, _ = desk.newest()
    text = desk.less_often()
    looked = desk.post("anna", "/changes", name="r.json", text=text, look=True)
    assert looked.status_code == 200, looked.text
    assert looked.json()["effect"] == "widens"
    assert {c["what"] for c in looked.json()["changes"]} == {"every_s"}
    assert looked.json()["preview"]["days"] == 7
    assert desk.get("anna", "/api/v1/changes").json() == {"changes": [], "next": None}, "only looked"
    asked = desk.post("anna", "/changes", name="r.json", text=text, reason="the SIM is dear").json()
    assert (asked["version"], asked["proposal"]) == (None, 1)
    again = desk.post("anna", "/changes", name="r.json", text=text, reason="the SIM is dear").json()
    assert again["proposal"] == 1, "asked twice is once"
    own = desk.post("anna", "/changes/1/agree", note="")
    assert own.status_code == 409
    assert "another supervisor or manager has to agree" in own.json()["detail"]
    assert desk.post("tech", "/changes/1/agree", note="").status_code == 403
    assert desk.post("audit", "/changes/1/agree", note="").status_code == 403
    assert desk.newest()[0] == before
    agreed = desk.post("boun", "/changes/1/agree", note="")
    assert agreed.json()["state"] == "applied"
    assert desk.post("boun", "/changes/1/agree", note="").json() == agreed.json(), "and twice is once"
    assert desk.newest()[0] == before + 1
    (seen,) = desk.get("audit", "/api/v1/changes").json()["changes"]
    assert desk.get("audit", "/api/v1/changes?limit=1").json() == {"changes": [seen], "next": None}
    assert desk.get("audit", "/api/v1/changes?before=1").json() == {"changes": [], "next": None}
    assert (seen["person"], seen["second"], seen["version"]) == ("anna", "boun", before + 1)


def test_what_is_unsound_is_refused_in_words(desk: Desk) -> None:
    said = json.loads(desk.less_often())
    said["people"] = []
    said["rotas"] = said["policies"] = []
    before = desk.newest()[0]
    answer = desk.post("anna", "/changes", name="r.json", text=json.dumps(said), reason="x")
    assert answer.status_code == 422
    assert "nobody is told of its alarms" in answer.json()["detail"]
    assert desk.post("anna", "/changes", name="x.txt", text="hello", look=True).status_code == 422
    assert desk.post("anna", "/changes/9/agree", note="").status_code == 404
    assert desk.newest()[0] == before


def signed_in(desk: Desk, name: str) -> dict[str, str]:
    desk.client._client.cookies.clear()
    page = desk.client.post(
        "/signin", data={"name": name, "password": PASSWORD}, headers={**FAR, **HERE}, follow_redirects=False
    )
    cookie = page.headers["set-cookie"].partition(";")[0]
    return {**FAR, **HERE, "cookie": cookie}


def form_of(page: str) -> str:
    found = re.search(r'name="form" value="([^"]+)"', page)
    assert found, page[:500]
    return found[1]


def test_the_page_in_each_language(desk: Desk) -> None:
    desk.post("anna", "/changes", name="r.json", text=desk.less_often(), reason="the SIM is dear")
    headers = {**FAR, "authorization": f"Bearer {desk.tokens['audit']}"}
    titles = set()
    for language in ("en", "lo", "fr", "vi"):
        page = desk.client.get("/changes", headers={**headers, "accept-language": language})
        assert page.status_code == 200
        assert "the SIM is dear" in page.text
        assert "changes." not in re.sub(r"<[^>]+>", "", page.text), "every word is a word"
        titles.add(re.findall(r"<h1>(.*?)</h1>", page.text)[0])
    assert "/changes/1/agree" not in page.text, "an auditor reads"


def test_people_look_ask_and_agree_by_forms(desk: Desk) -> None:
    mine = signed_in(desk, "anna")
    form = form_of(desk.client.get("/changes", headers=mine).text)
    said = {"form": form, "name": "r.json", "text": desk.less_often(), "reason": "the SIM is dear"}
    looked = desk.client.post("/changes", data={**said, "step": "look"}, headers=mine).text
    assert "later or rarer" in looked
    assert desk.get("anna", "/api/v1/changes").json() == {"changes": [], "next": None}
    assert "proposal 1" in desk.client.post("/changes", data={**said, "step": "bring"}, headers=mine).text
    assert "You asked for it" in desk.client.get("/changes", headers=mine).text
    other = signed_in(desk, "boun")
    page = desk.client.get("/changes", headers=other).text
    stale = desk.client.post("/changes/1/agree", data={"form": form}, headers=other)
    assert stale.status_code == 403, "a form of another session"
    before = desk.newest()[0]
    done = desk.client.post(
        "/changes/1/agree", data={"form": form_of(page)}, headers=other, follow_redirects=False
    )
    assert done.status_code == 303
    assert desk.newest()[0] == before + 1
    tech = desk.client.get("/changes", headers=signed_in(desk, "tech"))
    assert tech.status_code == 403
