# SPDX-License-Identifier: Apache-2.0
"""For auditors: the trail, who had access on a day, and files that match the record or are altered."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from console_seed import HOUR, NOW_MS, Seed, Story, registry
from office import Desk, office
from signed import PASSWORD, QUICK

from coldchain.kernel.audit import Altered, Entry, Head
from coldchain.records.access import access_at
from coldchain.records.accounts import Accounts
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.audit_file import compare_file, lines
from coldchain.records.sql import open_writer, transaction
from coldchain.records.work import Work
from coldchain.wiring.held import held
from coldchain.wiring.report.again import Wanted, filed_pdf, identity_of, made_pdf
from dashboards.console.office.trail import opened, told

DAY = 24 * HOUR
WARM = "vte-br-000"
WANTED = Wanted("excursion", "1", "en", NOW_MS)


@pytest.fixture
def seed(tmp_path: Path) -> Seed:
    made = Seed(tmp_path, registry(3), Story(warm={WARM: 90}))
    made.history(hours=1)
    made.opened = made.alarm(WARM)
    made.close()
    return made


@pytest.fixture
def who(seed: Seed) -> Iterator[dict[str, Desk]]:
    with office(seed) as (_, desks):
        yield desks


def test_the_trail_is_paged_filtered_and_exported(who: dict[str, Desk], seed: Seed) -> None:
    store = Accounts(seed.settings.desk_db, lambda: NOW_MS, hasher=QUICK)
    for n in range(60):
        store.add_token("admin", f"program {n}", None)
    store.close()
    page = who["auditor"].get("/audit?chain=desk&kind=api_token")
    assert page.count("<b>") == 50
    assert "program 59" in page
    older = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    second = who["auditor"].get(older)
    assert "program 0<" in second
    assert "program 59" not in second
    assert "program 7<" in who["auditor"].get("/audit?chain=desk&q=program+7%22")
    assert "No entry fits" in who["auditor"].text("/audit?chain=desk&from=2024-01-01")
    assert "+8562055501002" not in who["auditor"].get("/audit?chain=alarms&kind=notice")
    assert "+8562055501002" not in who["auditor"].get("/api/v1/audit/alarms")
    told = who["auditor"].get("/audit/desk.csv").splitlines()
    assert told[0] == "number,time,kind,body,hash"
    api = json.loads(who["auditor"].get("/api/v1/audit/desk?limit=5&kind=api_token"))
    assert api["entries"][0]["body"]["label"] == "program 59"
    assert api["next"] == api["entries"][-1]["number"]
    answer = who["technician"].client.get("/audit", headers=who["technician"].headers, follow_redirects=False)
    assert answer.status_code == 403


def test_who_had_access_on_a_day(tmp_path: Path) -> None:
    now = [NOW_MS]
    desk = tmp_path / "desk.db"
    store = Accounts(desk, lambda: now[0], hasher=QUICK)
    store.add("ana", PASSWORD, role="supervisor", sites=("vte",), person="Ana", by="admin", fresh=False)
    token = store.add_token("ana", "program", None)
    assert token
    now[0] += 2 * DAY
    store.add("bob", PASSWORD, role="technician", by="ana", fresh=False)
    store.sign_in("bob", PASSWORD, "x")
    now[0] += 2 * DAY
    store.close_account("ana")
    store.set_password("bob", "another long sentence", fresh=False)
    store.close()
    assert access_at(desk, NOW_MS - 1) == []
    first = access_at(desk, NOW_MS + DAY)
    assert [(a.name, a.role, a.sites, a.person) for a in first] == [("ana", "supervisor", ("vte",), "Ana")]
    assert first[0].tokens == (("program", None),)
    middle = access_at(desk, NOW_MS + 3 * DAY)
    assert [(a.name, a.last_ms) for a in middle] == [("ana", None), ("bob", NOW_MS + 2 * DAY)]
    assert [a.name for a in access_at(desk, NOW_MS + 5 * DAY)] == ["bob"]


def test_the_page_of_access_tells_roles_and_rights(who: dict[str, Desk]) -> None:
    text = who["auditor"].text("/audit/access?at=2023-11-15")
    for part in ("supervisor", "answer alarms", "6 accounts"):
        assert part in text, part
    assert "0 accounts" in who["auditor"].text("/audit/access?at=2023-11-10")
    told = json.loads(who["auditor"].get("/api/v1/audit/access"))["accounts"]
    assert {"GET /audit"} <= set(next(a for a in told if a["role"] == "auditor")["may"])


def test_an_account_of_some_sites_opens_nothing_of_the_whole() -> None:
    assert "GET /audit" in opened("auditor", whole=True)
    assert "GET /audit" not in opened("auditor", whole=False)
    assert "GET /wall" in opened("auditor", whole=False)


def upload(desk: Desk, name: str, body: bytes) -> str:
    answer = desk.send("/audit/check", {"file": (name, body)}, page="/audit/check")
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_report_matches_or_is_altered_and_where(who: dict[str, Desk], seed: Seed) -> None:
    pdf, filed = filed_pdf(seed.settings, WANTED, lambda: NOW_MS)
    assert identity_of(pdf) == WANTED
    page = upload(who["auditor"], "excursion.pdf", pdf)
    assert ">Matches<" in page or "Matches" in page
    assert "Made here" in page
    forged, _ = made_pdf(seed.settings, Wanted("excursion", "1", "en", NOW_MS - HOUR), NOW_MS)
    forged = forged.replace(str(NOW_MS - HOUR).encode(), str(NOW_MS).encode())
    page = upload(who["auditor"], "forged.pdf", forged)
    assert "Altered" in page
    assert "page 1" in page
    assert "No file of ours" in upload(who["auditor"], "x.pdf", b"%PDF-1.7 nothing")
    assert filed.record in pdf.decode("latin-1") or filed.record


def test_a_filed_report_shows_that_the_record_was_changed(seed: Seed) -> None:
    pdf, _ = filed_pdf(seed.settings, WANTED, lambda: NOW_MS)
    assert held(seed.settings, pdf).state == "matches"
    db = open_writer(seed.settings.alarms_db, ALARMS_MIGRATIONS)
    with transaction(db):
        db.execute(
            "INSERT INTO alarm_event (alarm, at_ms, event, detail) VALUES (?, 5, 'raised', 'later')",
            (seed.opened,),
        )
    db.close()
    found = held(seed.settings, pdf)
    assert found.state == "record_changed"
    assert "page" in found.where


def test_a_line_is_a_line_whatever_people_wrote_and_an_instant_without_a_date_is_a_number(
    who: dict[str, Desk], seed: Seed
) -> None:
    """U+2028 ends a line for some readers of text; nobody's note makes an export look altered."""
    odd = Work(seed.settings.desk_db, lambda: NOW_MS)
    odd.raise_("key-0001", "SN-1", appliance="a", site="vte", what="x", person="a\u2028b\x85c\x1dd")
    odd.close()
    later = Entry(1, NOW_MS, "device_entry", json.dumps({"until_ms": 2**53 - 1, "at_ms": NOW_MS}), b"")
    assert dict(told(later)) == {"until_ms": str(2**53 - 1), "at": "2023-11-14T22:13:20Z"}
    body = who["auditor"].get("/audit/desk.jsonl").encode()
    assert "\u2028".encode() in body
    assert "Matches" in upload(who["auditor"], "audit.jsonl", body)


@pytest.mark.parametrize("chain", ["desk", "alarms"])
def test_an_export_matches_and_its_first_altered_entry_is_named(
    who: dict[str, Desk], seed: Seed, chain: str
) -> None:
    body = who["auditor"].get(f"/audit/{chain}.jsonl").encode()
    assert "Matches" in upload(who["auditor"], "audit.jsonl", body)
    rows = body.decode().splitlines()
    third = json.loads(rows[3])
    third["at_ms"] += 1
    rows[3] = json.dumps(third)
    page = upload(who["auditor"], "audit.jsonl", "\n".join(rows).encode())
    assert "Altered" in page
    assert "entry 3" in page
    del rows[2:4]
    assert "entry 2" in upload(who["auditor"], "audit.jsonl", "\n".join(rows).encode())


def test_a_record_that_was_written_anew_differs_from_an_older_export(tmp_path: Path) -> None:
    desk = tmp_path / "desk.db"
    store = Accounts(desk, lambda: NOW_MS, hasher=QUICK)
    store.add("ana", PASSWORD, role="admin", by="x")
    store.close()
    text = "".join(lines(desk, "desk"))
    assert isinstance(compare_file(text, desk)[0], Head)
    assert compare_file(text[: text.rindex("{") + 9], desk)[0] == Altered(3, "its line cannot be read")
    db = sqlite3.connect(desk)
    db.executescript(
        "DROP TRIGGER audit_holds; DROP TRIGGER audit_stays; DELETE FROM audit WHERE number = 2;"
    )
    db.close()
    found, _ = compare_file(text, desk)
    assert isinstance(found, Altered)
    assert found.number == 2
