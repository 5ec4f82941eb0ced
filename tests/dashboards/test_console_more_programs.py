# SPDX-License-Identifier: Apache-2.0
"""Accounts, channels, calendars, backups, audit files, sites, papers for programs: as the pages do."""

import io
import tarfile
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from console_client import Client, browsing
from console_seed import NOW_MS, Seed, Story, registry
from signed import PASSWORD, QUICK

from coldchain.records.accounts import Accounts
from coldchain.records.duty import Rota
from coldchain.records.registry import Person
from coldchain.settings.model import MailSettings
from coldchain.wiring.device_tools import device_tools
from coldchain.wiring.links import add_links
from dashboards.console.app import create_app

WARM = "vte-br-000"
FAR = {"x-forwarded-for": "10.0.0.9"}


class Programs:
    """A token of each of some accounts."""

    def __init__(self, client: Client, tokens: dict[str, str]) -> None:
        self.client, self.tokens = client, tokens

    def by(self, who: str) -> dict[str, str]:
        return FAR | {"authorization": f"Bearer {self.tokens[who]}"}

    def get(self, path: str, who: str = "admin") -> Any:
        answer = self.client.get(path, headers=self.by(who))
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    def post(self, path: str, who: str = "admin", by_key: str = "", **body: object) -> Any:
        key = {"idempotency-key": by_key or uuid.uuid4().hex}
        return self.client.post(path, json=body, headers=self.by(who) | key)


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Seed:
    people = (Person(id="noy", name="Noy", phone="+8562055501002"),)
    rotas = (Rota(id="first", people=("noy",), starts="2023-11-13", turn_days=7),)  # type: ignore[arg-type]
    fleet = registry(6).model_copy(update={"people": people, "rotas": rotas})
    made = Seed(tmp_path_factory.mktemp("more"), fleet, Story(warm={WARM: 90}))
    made.history(hours=0.2)
    made.alarm(WARM)
    made.gateway(pending=7)
    made.close()
    return made


@pytest.fixture(scope="module")
def programs(seed: Seed) -> Iterator[Programs]:
    mail = MailSettings(host="mail.example", sender="a@example.org")
    notify = seed.settings.notify.model_copy(update={"mail": mail})
    settings = seed.settings.model_copy(update={"notify": notify})
    app = create_app(settings, lambda: NOW_MS, tools=device_tools(settings, lambda: NOW_MS))
    add_links(app, settings, lambda: NOW_MS)
    store, tokens = Accounts(settings.desk_db, lambda: NOW_MS, hasher=QUICK), {}
    for role in ("admin", "supervisor", "auditor", "technician"):
        store.add(role, PASSWORD, role=role, by="test", fresh=False)
        tokens[role] = store.add_token(role, "test", None)
    store.add("skt", PASSWORD, role="technician", sites=("skt",), by="test", fresh=False)
    tokens["skt"] = store.add_token("skt", "test", None)
    store.close()
    with browsing(app) as client:
        yield Programs(client, tokens)


def refused(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


def test_an_account_is_made_reset_and_closed(programs: Programs, seed: Seed) -> None:
    said: dict[str, Any] = {
        "name": "keo",
        "role": "technician",
        "person": "Keo",
        "sites": ["vte"],
        "language": "lo",
    }
    assert refused(programs.post("/api/v1/accounts", "supervisor", **said)) == (403, "not-allowed")
    made = programs.post("/api/v1/accounts", by_key="account-keo", **said)
    assert (made.status_code, made.json()["name"]) == (201, "keo")
    again = programs.post("/api/v1/accounts", by_key="account-keo", **said)
    assert again.json() == made.json(), "the password is told again, to the same key by the same token"
    assert refused(programs.post("/api/v1/accounts", **said)) == (422, "unsound"), "there is one already"
    word = made.json()["password"]
    held = b"".join(path.read_bytes() for path in seed.settings.data_dir.glob("desk.db*"))
    assert word.encode() not in held
    store = Accounts(seed.settings.desk_db, lambda: NOW_MS)
    assert store.check("keo", word, "10.0.0.1").sites == ("vte",)
    reset = programs.post("/api/v1/accounts/keo/reset").json()["password"]
    assert reset != word
    assert store.check("keo", reset, "10.0.0.1").fresh
    assert programs.post("/api/v1/accounts/keo/close").json() == {"done": True}
    keo = store.find("keo")
    assert keo is not None
    assert keo.closed
    store.close()
    assert refused(programs.post("/api/v1/accounts/nobody/close")) == (422, "unsound")


def test_accounts_and_tokens_are_paged(programs: Programs) -> None:
    first = programs.get("/api/v1/accounts?limit=2")
    rest = programs.get(f"/api/v1/accounts?after={first['next']}")
    names = [one["name"] for one in (*first["accounts"], *rest["accounts"])]
    assert names == sorted(set(names))
    assert {"admin", "skt"} <= set(names)
    found, before = [], ""
    while before is not None:
        page = programs.get(f"/api/v1/tokens?limit=2&before={before}")
        found += [one["id"] for one in page["tokens"]]
        before = page["next"]
    assert found == sorted(set(found), reverse=True)
    assert len(found) >= 5


def test_a_token_that_is_revoked_works_no_more(programs: Programs, seed: Seed) -> None:
    store = Accounts(seed.settings.desk_db, lambda: NOW_MS)
    programs.tokens["gone"] = store.add_token("technician", "gone", None)
    store.close()
    number = programs.get("/api/v1/tokens")["tokens"][0]["id"]
    assert programs.get("/api/v1/account", "gone")["account"]["name"] == "technician"
    assert programs.post(f"/api/v1/tokens/{number}/revoke").json() == {"done": True}
    assert programs.client.get("/api/v1/account", headers=programs.by("gone")).status_code == 401


def test_ones_own_account(programs: Programs, seed: Seed) -> None:
    mine = programs.get("/api/v1/account", "auditor")
    assert (mine["account"]["role"], "audit" in mine["may"], "admin" in mine["may"]) == (
        "auditor",
        True,
        False,
    )
    assert programs.post("/api/v1/account/language", "auditor", language="fr").status_code == 200
    assert programs.get("/api/v1/account", "auditor")["account"]["language"] == "fr"
    new = "another long sentence of words"
    wrong = programs.post("/api/v1/account/password", "auditor", old="not that", new=new)
    assert refused(wrong) == (403, "wrong-password")
    short = programs.post("/api/v1/account/password", "auditor", old=PASSWORD, new="short")
    assert refused(short) == (422, "unsound")
    assert programs.post("/api/v1/account/password", "auditor", old=PASSWORD, new=new).status_code == 200
    store = Accounts(seed.settings.desk_db, lambda: NOW_MS)
    assert store.check("auditor", new, "10.0.0.1").name == "auditor"
    store.close()
    assert refused(programs.client.get("/api/v1/account"))[0] == 401


def test_channels_tell_no_secret(programs: Programs) -> None:
    (mail,) = programs.get("/api/v1/channels")["channels"]
    assert (mail["channel"], mail["by"].startswith("mail.example:")) == ("email", True)
    assert refused(programs.client.get("/api/v1/channels", headers=programs.by("supervisor")))[0] == 403


def test_a_calendar_has_a_secret_address(programs: Programs) -> None:
    made = programs.post("/api/v1/oncall/calendars", "supervisor", "calendar-1", rota="first")
    assert made.status_code == 201
    path = made.json()["path"]
    assert programs.client.get(path, headers=FAR).text.startswith("BEGIN:VCALENDAR")
    again = programs.post("/api/v1/oncall/calendars", "supervisor", "calendar-1", rota="first")
    assert again.json() == made.json(), "asked again, the first address still stands"
    assert programs.client.get(path, headers=FAR).status_code == 200
    unknown = programs.post("/api/v1/oncall/calendars", "supervisor", rota="nobodys")
    assert refused(unknown) == (404, "unknown-rota")


def test_a_backup_is_taken_away_whole(programs: Programs) -> None:
    name = programs.post("/api/v1/backups").json()["name"]
    answer = programs.client.get(f"/api/v1/backups/{name}.tar", headers=programs.by("admin"))
    assert answer.headers["content-type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
        assert {f"{name}/desk.db", f"{name}/readings.db"} <= set(tar.getnames())
    assert [one["name"] for one in programs.get("/api/v1/backups")["backups"]] == [name]
    assert (
        programs.client.get(f"/api/v1/backups/{name}.tar", headers=programs.by("auditor")).status_code == 403
    )
    assert programs.client.get("/api/v1/backups/x.tar", headers=programs.by("admin")).status_code == 404


def test_an_export_is_held_against_the_record(programs: Programs) -> None:
    lines = programs.client.get("/api/v1/audit/desk.jsonl", headers=programs.by("auditor"))
    assert lines.headers["content-type"].startswith("application/jsonl")

    def check(body: bytes) -> Any:
        headers = programs.by("auditor") | {"idempotency-key": uuid.uuid4().hex}
        return programs.client.post("/api/v1/audit/check", content=body, headers=headers)

    assert check(lines.content).json()["state"] == "matches"
    altered = check(lines.content.replace(b"technician", b"technicias", 1)).json()
    assert (altered["what"], altered["state"]) == ("audit", "altered")
    assert check(b"hello").json()["state"] == "unknown"
    assert refused(check(b"")) == (422, "file-missing")


def test_a_site_and_an_appliance_tell_what_their_pages_show(programs: Programs) -> None:
    sites = {one["id"]: one for one in programs.get("/api/v1/sites")["sites"]}
    assert sites["vte"]["state"] == next(iter(sites["vte"]["counts"])), "its worst comes first"
    assert [one["id"] for one in programs.get("/api/v1/sites", "skt")["sites"]] == ["skt"]
    vte = programs.get("/api/v1/sites/vte")
    assert sum(vte["counts"].values()) == len(vte["appliances"])
    assert vte["people"] == ["noy"]
    assert "+856" not in str(vte), "telephone numbers stay inside"
    one = programs.get(f"/api/v1/appliances/{WARM}")
    assert {s["quantity"] for s in one["sensors"]} == {"temperature", "door", "mains"}
    assert one["assignments"][0]["carries"] == one["appliance"]["carries"]
    for path in ("/api/v1/sites/vte", f"/api/v1/appliances/{WARM}"):
        assert refused(programs.client.get(path, headers=programs.by("skt"))) == (403, "not-your-site")
    assert refused(programs.client.get("/api/v1/sites/x", headers=programs.by("skt"))) == (
        404,
        "unknown-site",
    )


def test_papers_and_links_of_a_device(programs: Programs) -> None:
    pdf = b"%PDF-1.7 certificate"
    headers = programs.by("supervisor") | {"idempotency-key": "paper-0001"}
    put = programs.client.post(f"/api/v1/papers?serial={WARM}&title=Cert", content=pdf, headers=headers)
    got = programs.client.get(f"/api/v1/papers/{put.json()['sha256']}", headers=programs.by("technician"))
    assert (got.content, got.headers["content-type"]) == (pdf, "application/pdf")
    other = programs.client.get(f"/api/v1/papers/{put.json()['sha256']}", headers=programs.by("skt"))
    assert other.status_code == 403, "of a device of another site"
    made = programs.post("/api/v1/device-links", "supervisor", serial=WARM, days=2).json()
    (link,) = programs.get(f"/api/v1/device-links?serial={WARM}", "supervisor")["links"]
    assert (link["good"], link["until"]) == (True, made["until"])
    assert made["path"] not in str(link), "the secret is told once"


def test_without_a_training_there_is_none(programs: Programs) -> None:
    assert programs.get("/api/v1/training") == {"scenario": None, "steps": [], "received": []}
    answer = programs.post("/api/v1/training/replies", number="+8562055501002", text="OK")
    assert refused(answer) == (404, "unknown-page")


def test_the_report_of_an_excursion_is_the_pages(programs: Programs) -> None:
    api = programs.client.get("/api/v1/alarms/1/report.pdf?lang=en", headers=programs.by("technician"))
    assert api.content.startswith(b"%PDF"), api.text
    assert programs.client.get("/api/v1/alarms/1/report.pdf", headers=programs.by("skt")).status_code == 403


def test_everything_of_a_list_comes_page_by_page(programs: Programs) -> None:
    for path, name, id_ in (
        ("/api/v1/profiles", "appliances", "appliance"), ("/api/v1/sites", "sites", "id"),
        ("/api/v1/gateways", "gateways", "id"), ("/api/v1/people", "people", "id"),
        ("/api/v1/audit/access", "accounts", "account"), ("/api/v1/oncall", "rotas", "id"),
    ):  # fmt: skip
        whole = [one[id_] for one in programs.get(path)[name]]
        found, after = [], ""
        while after is not None:
            page = programs.get(f"{path}?limit=1&after={after}")
            assert len(page[name]) <= 1
            found += [one[id_] for one in page[name]]
            after = page["next"]
        assert found == whole == sorted(whole), path
        assert whole, path
