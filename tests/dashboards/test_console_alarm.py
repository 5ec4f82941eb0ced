# SPDX-License-Identifier: Apache-2.0
"""One alarm at the console: what its page tells, what may be asked of it by form and by program."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from console_client import Client, browsing
from console_seed import MINUTE, NOW_MS, Seed, Story, registry

from alerts.alarms.lifecycle import Event, State, why_not
from alerts.commands import ACTIONS as TAKEN
from alerts.commands import ASIDE
from alerts.site import keeping
from coldchain.records.accounts import Accounts
from coldchain.records.alarms import Alarm, Listed
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.asked import AskedReader
from coldchain.records.registry import Person, Registry
from coldchain.records.sql import open_writer, transaction
from coldchain.wiring.links import add_links
from dashboards.console.accounts.gate import COOKIE
from dashboards.console.alarms.happened import ACTIONS
from dashboards.console.alarms.told import Told
from dashboards.console.alarms.wish import VERBS
from dashboards.console.app import create_app

WARM, OTHER = "vte-br-000", "skt-br-001"
HERE = {"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}
NOY, KEO = "vte-on-call", "vte-lab"
PASSWORD = "a long sentence of words"
KEY = {"Idempotency-Key": "program-1:0001"}


def people() -> Registry:
    plain = registry(6)
    keo = Person(id=KEO, name="Laboratory <b>", phone="+8562055501003")
    return plain.model_copy(update={"people": (*plain.people, keo)})


@pytest.fixture
def seed(tmp_path: Path) -> Seed:
    made = Seed(tmp_path, people(), Story(warm={WARM: 90}))
    made.history(hours=0.2)
    made.opened = made.alarm(WARM)
    made.alarm(OTHER, "rate", severity="warning", peak=None)
    made.close()
    change(made, "UPDATE alarm SET product = 1 WHERE number = 1")
    note(made, "raised", "vte-br-000/load")
    return made


def change(seed: Seed, sql: str, values: tuple[object, ...] = ()) -> None:
    db = open_writer(seed.settings.alarms_db, ALARMS_MIGRATIONS)
    with transaction(db):
        db.execute(sql, values)
    db.close()


def note(seed: Seed, event: str, detail: str, alarm: int = 1) -> None:
    change(
        seed,
        "INSERT INTO alarm_event (alarm, at_ms, event, detail)"
        " SELECT id, ?, ?, ? FROM alarm WHERE number = ?",
        (NOW_MS - 9 * MINUTE, event, detail, alarm),
    )


@pytest.fixture
def client(seed: Seed) -> Iterator[Client]:
    with browsing(create_app(seed.settings, lambda: NOW_MS)) as client:
        yield client


def words(client: Client, path: str = "/alarm/1") -> str:
    answer = client.get(path, headers=HERE)
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text).replace("\u00a0", " "))


def send(client: Client, verb: str, **fields: str) -> int:
    body = {"name": NOY, "command": "c" * 32, "number": "1"} | fields
    number = body.pop("number")
    answer = client.post(f"/alarm/{number}/{verb}", data=body, headers=HERE, follow_redirects=False)
    if answer.status_code == 303:
        assert answer.headers["location"] == f"/alarm/{number}"
    return answer.status_code


def asked(seed: Seed) -> list[tuple[str, str, str, dict[str, str]]]:
    found = AskedReader(seed.settings.desk_db).about(seed.opened, 1, WARM)
    return [(one.verb, one.person, one.alarm, one.body) for one in found]


def test_the_page_tells_what_who_and_why(client: Client, seed: Seed) -> None:
    note(seed, "cause", "door; 97 %: door open, mains present")
    note(seed, "escalated", f"{NOY},{KEO}")
    note(seed, "acknowledged", f"{NOY} moved {OTHER}: lid was open")
    change(seed, "INSERT INTO delivery (notice, priority, receipt_s, delivered_ms) VALUES (1, 1, 60, ?)",
           (NOW_MS - 8 * MINUTE,))  # fmt: skip
    text = words(client)
    for part in (
        "too warm: Blood refrigerator 0", "No. 1", "9.1 °C", "6.0 °C", "door 97 %: door open, mains present",
        "On-call, Vientiane", "arrived", "told further people", "On-call, Vientiane, Laboratory",
        "On-call, Vientiane, Moved the blood → Blood refrigerator 1, lid was open", "What is done about it?",
    ):  # fmt: skip
        assert part in text, part
    assert "<b>" not in client.get("/alarm/1").text.replace("<b>1</b>", ""), "names are text"
    assert "no proof of arrival" in words(client, "/alarm/2")
    assert "+8562055501002" not in client.get("/api/v1/alarms/1").text


def test_a_warning_takes_one_tap_and_the_list_leads_to_each(client: Client, seed: Seed) -> None:
    page = client.get("/alarm/2", headers=HERE).text
    form = page[page.index('id="do-acknowledge"') : page.index("</form>", page.index('id="do-acknowledge"'))]
    assert "radio" not in form
    assert send(client, "acknowledge", number="2") == 303
    assert "Acknowledge: asked by On-call, Vientiane" in words(client, "/alarm/2")
    listed = client.get("/alarms", headers=HERE).text
    assert 'href="/alarm/1#answers"' in listed
    assert 'href="/alarm/2"' in listed
    body = {"alarm": seed.opened, "command": "a" * 32, "name": NOY}
    assert client.post("/acknowledge", data=body, headers=HERE, follow_redirects=False).status_code == 422


def test_beyond_a_limit_of_the_product_an_answer_says_what_is_done(client: Client, seed: Seed) -> None:
    assert send(client, "acknowledge") == 422
    assert send(client, "acknowledge", action="dance") == 422
    assert send(client, "acknowledge", action="door") == 422, "an action, and a reason"
    assert send(client, "acknowledge", action="moved") == 422
    assert send(client, "acknowledge", action="moved", target=WARM) == 422
    assert asked(seed) == []
    for _ in range(2):  # a second tap is the same command
        assert send(client, "acknowledge", action="moved", target=OTHER, reason="  lid  open ") == 303
    body = {"action": "moved", "target": OTHER, "reason": "lid open", "by": "console"}
    assert asked(seed) == [("acknowledge", NOY, seed.opened, body)]


@pytest.mark.parametrize(
    ("verb", "fields", "missing"),
    [
        ("shelve", {"minutes": "30", "reason": "restocking"}, ["minutes", "reason"]),
        ("unshelve", {}, []),
        ("pass", {}, []),
        ("out_of_service", {"reason": "seal", "to": OTHER}, []),
        ("return_to_service", {}, []),
    ],
)
def test_every_verb_is_asked_whole_or_not_at_all(
    client: Client, seed: Seed, verb: str, fields: dict[str, str], missing: list[str]
) -> None:
    for field in missing:
        assert send(client, verb, **{k: v for k, v in fields.items() if k != field}) == 422, field
    if verb != "pass":
        assert send(client, verb, **fields | {"name": "Mallory"}) == 422, "not in the registry"
    if verb == "shelve":
        assert send(client, verb, **fields | {"second": NOY}) == 422, "the second is somebody else"
    assert asked(seed) == []
    assert send(client, verb, **fields) == 303
    of_appliance = verb in ("out_of_service", "return_to_service")
    body = fields | {"by": "console"} | ({"appliance": WARM} if of_appliance else {})
    assert asked(seed) == [(verb, NOY, "" if of_appliance else seed.opened, body)]


def test_an_account_acts_by_its_own_name(client: Client, seed: Seed) -> None:
    """As the registry knows them; what the form says of names is nothing."""
    accounts = Accounts(seed.settings.desk_db, lambda: NOW_MS)
    for name, person in (("ana", "On-call, Vientiane"), ("bob", "Bob")):
        accounts.add(name, PASSWORD, role="on-call", person=person, by="test", fresh=False)
    cookies = {name: accounts.sign_in(name, PASSWORD, "x") for name in ("ana", "bob")}
    accounts.close()
    statuses = []
    for cookie in cookies.values():
        headers = HERE | {"cookie": f"{COOKIE}={cookie}"}
        page = client.get("/alarm/1", headers=headers).text
        assert 'name="name"' not in page
        form = re.findall(r'name="form" value="([^"]+)"', page)[0]
        said = {"name": KEO, "form": form, "minutes": "15", "reason": "restocking"}
        answer = client.post("/alarm/1/shelve", data=said, headers=headers, follow_redirects=False)
        statuses.append(answer.status_code)
    assert statuses == [303, 422], "Bob is not in the registry"
    assert [(verb, person) for verb, person, _, _ in asked(seed)] == [("shelve", NOY)]


def test_our_verbs_and_actions_are_those_that_alerts_takes() -> None:
    assert set(VERBS) == {"acknowledge", "pass", *ASIDE}
    assert set(ACTIONS) == set(TAKEN) - {""}


@pytest.mark.parametrize("state", [s.value for s in State])
def test_nothing_is_offered_that_alerts_would_refuse(state: str) -> None:
    """And the answers that people need are offered wherever they do something."""
    over = state in ("returned", "disposition_due", "closed")
    alarm = Alarm(1, "i", "appliance", WARM, "", "vte", "high", "critical", state, 0, 0, 5 if over else None,
                  None, None, 9, 6, 9, "r", None, 1, 1, 0, product=True)  # fmt: skip
    told = Told(alarm, None, (), (), (), (), {}, (), (), None, None, (), None)
    events = {"acknowledge": Event.ACKNOWLEDGE, "shelve": Event.SHELVE, "unshelve": Event.UNSHELVE,
              "out_of_service": Event.TAKE_OUT, "dispose": Event.DISPOSE}  # fmt: skip
    done = {verb for verb, event in events.items() if not why_not(State(state), event)}
    assert told.offers - {"pass"} <= done
    assert done - told.offers <= {"out_of_service"}, "from the appliance, where the alarm is put aside"


def test_what_alerts_refused_is_told(client: Client, seed: Seed) -> None:
    assert send(client, "shelve", minutes="60", reason="restocking") == 303
    change(
        seed, "INSERT INTO command_applied VALUES (?, ?, ?)", ("c" * 32, NOW_MS, "refused: nothing is left")
    )
    text = words(client)
    assert "Put aside, On-call, Vientiane" in text
    assert "not done. refused: nothing is left" in text


def test_a_power_cut_lists_who_loses_blood_first(client: Client, seed: Seed) -> None:
    change(seed, "UPDATE alarm SET scope='site', appliance='vte', kind='power', sensor='' WHERE number = 1")
    change(seed, "UPDATE alarm SET parent = (SELECT id FROM alarm WHERE number = 1) WHERE number = 2")
    db = open_writer(seed.settings.alarms_db, ALARMS_MIGRATIONS)
    with transaction(db):
        rows = (Listed(0, WARM, 0, 0, 0, "", ""), Listed(1, OTHER, 95, 70, 130, "kys-br-002", ""))
        keeping.put_list(db, seed.opened, rows)
    db.close()
    text = words(client)
    first = text.index("vte-br-000 beyond its limit")
    second = text.index("skt-br-001 1 h 35 min left (1 h 10 min to 2 h 10 min) → could go to kys-br-002")
    assert first < second
    assert "Alarms under this one" in text
    assert "Left to the limit 1 h 35 min" in words(client, "/alarm/2")
    assert send(client, "out_of_service", reason="x") == 422, "a site is no appliance"


def test_moved_blood_has_one_clock(client: Client, seed: Seed) -> None:
    change(
        seed,
        "INSERT INTO moved (alarm, source, target, person, at_ms, before_ms, out_ms, allowed_ms, looked_ms)"
        " VALUES (?,?,?,?,?,?,?,?,?)",
        (seed.opened, WARM, OTHER, NOY, NOW_MS, 720_000, 960_000, 1_800_000, NOW_MS),
    )
    assert "16 min of 30 min out of limits" in words(client)
    assert client.get("/api/v1/alarms/1").json()["moved"][0]["out_min"] == 16


def test_programs_ask_by_a_key_that_is_the_commands_id(client: Client, seed: Seed) -> None:
    url, body = "/api/v1/alarms/1/acknowledge", {"action": "door", "person": NOY, "reason": "it stood open"}
    assert client.post(url, json=body, headers=HERE).status_code in (400, 422), "no key"
    for missing in ("action", "reason"):
        bare = client.post(url, json=body | {missing: ""}, headers=HERE | KEY)
        assert (bare.status_code, bare.json()["type"]) == (422, f"/problems/{missing}-missing")
    assert asked(seed) == [], "beyond a product's limit: what is done about it, and why"
    first = client.post(url, json=body, headers=HERE | KEY)
    assert (first.status_code, first.json()["state"]) == (202, "asked")
    change(
        seed, "INSERT INTO command_applied VALUES (?, ?, ?)", (KEY["Idempotency-Key"], NOW_MS, "applied: x")
    )
    again = client.post(url, json=body, headers=HERE | KEY)
    assert (again.status_code, again.json()["state"], again.json()["outcome"]) == (
        200,
        "applied",
        "applied: x",
    )
    assert len(asked(seed)) == 1
    other = client.post(url, json=body | {"action": "power"}, headers=HERE | KEY)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/key-used")
    assert other.headers["content-type"] == "application/problem+json"
    late = client.post("/api/v1/alarms/1/shelve", json={"person": NOY, "minutes": 9}, headers=HERE | KEY)
    assert late.json()["type"] == "/problems/reason-missing"
    assert client.get("/api/v1/alarms/1").json()["offers"] == [
        "acknowledge",
        "out_of_service",
        "pass",
        "shelve",
    ]


@pytest.mark.parametrize(
    "path", ["/alarm/99", "/alarm/0", f"/alarm/{2**70}", "/alarm/x", "/api/v1/alarms/99"]
)
def test_no_such_alarm(client: Client, path: str) -> None:
    assert client.get(path, headers=HERE).status_code in (400, 404, 422)


def test_the_description_in_the_repository_is_what_is_served(seed: Seed) -> None:
    kept = Path(__file__).parents[2] / "docs" / "openapi.json"
    app = create_app(seed.settings, lambda: NOW_MS)
    add_links(app, seed.settings)
    with browsing(app) as client:
        served = client.get("/api/v1/openapi.json").json()
    assert "/api/v1/alarms/{number}/{verb}" in served["paths"]
    assert json.loads(kept.read_text("utf-8")) == served, "coldchain config openapi > docs/openapi.json"


def test_every_answer_of_programs_is_described(seed: Seed) -> None:
    """What comes back is what the description says: no field more, none less."""
    described = create_app(seed.settings, lambda: NOW_MS).openapi()["components"]["schemas"]
    with browsing(create_app(seed.settings, lambda: NOW_MS)) as client:
        one = client.get("/api/v1/alarms/1").json()
    assert set(one) == set(described["OneAlarmOut"]["properties"])
    assert set(one["notices"][0]) == set(described["NoticeOut"]["properties"])
