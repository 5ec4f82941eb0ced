# SPDX-License-Identifier: Apache-2.0
"""Promise: what is on record about alarms and accounts cannot be changed, moved or taken out unseen."""

from __future__ import annotations

import shutil
import sqlite3
import time
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.store import AlarmStore
from coldchain.kernel.audit import Altered, Entry, Head, link, read_head, verify
from coldchain.kernel.errors import BadData
from coldchain.records.accounts import Accounts, Refused
from coldchain.records.alarms import Excursion
from coldchain.records.audit import check, entries, head_of
from coldchain.records.registry import Desk, Registry, Site

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def chain_of(n: int) -> list[Entry]:
    made, last = [], Head()
    for number in range(1, n + 1):
        body = f'{{"row":{number},"detail":"é{number % 7}"}}'
        last = Head(number, link(last.hash, number, 1000 * number, "alarm_event", body))
        made.append(Entry(number, 1000 * number, "alarm_event", body, last.hash))
    return made


def hash_of(entry: Entry) -> bytes:
    assert entry.hash is not None
    return entry.hash


def same_but(entry: Entry, **changes) -> Entry:
    values = {name: getattr(entry, name) for name in ("number", "at_ms", "kind", "body", "hash")}
    return Entry(**{**values, **changes})


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_edit_deletion_swap_and_truncation_is_found(data):
    """An edit of any one byte of any field, or of a hash; rows taken out, put in, swapped, cut off."""
    whole = chain_of(data.draw(st.integers(2, 12)))
    head = verify(whole)
    assert head == Head(len(whole), hash_of(whole[-1]))
    at = data.draw(st.integers(0, len(whole) - 1))
    one = whole[at]
    what = data.draw(st.sampled_from(["at", "kind", "body", "hash", "out", "swap", "cut", "twice", "loose"]))
    if what in ("kind", "body", "hash"):
        raw = bytearray(one.hash if what == "hash" else getattr(one, what).encode())
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        changed = bytes(raw) if what == "hash" else raw.decode("utf-8", "replace")
        forged = [*whole[:at], same_but(one, **{what: changed}), *whole[at + 1 :]]
    elif what == "at":
        forged = [
            *whole[:at],
            same_but(one, at_ms=one.at_ms + data.draw(st.integers(1, 9))),
            *whole[at + 1 :],
        ]
    elif what == "out":
        forged = [*whole[:at], *whole[at + 1 :]]
    elif what == "cut":
        forged = whole[:at]
    elif what == "twice":
        forged = [*whole[: at + 1], one, *whole[at + 1 :]]
    elif what == "loose":
        forged = [*whole[:at], same_but(one, hash=None), *whole[at + 1 :]]
    else:
        other = data.draw(st.integers(0, len(whole) - 1).filter(lambda n: n != at))
        forged = list(whole)
        forged[at], forged[other] = forged[other], forged[at]
        if data.draw(st.booleans()):  # with the numbers put right
            forged = [same_but(entry, number=n) for n, entry in enumerate(forged, 1)]
    found = verify(forged, {head.number: head.hash})
    assert isinstance(found, Altered), (what, at)
    assert found.number <= at + 2


def test_a_chain_written_anew_is_found_by_an_anchor_alone():
    whole = chain_of(20)
    anew: list[Entry] = []
    last = Head()
    for entry in whole:
        body = entry.body.replace('"detail":"é3"', '"detail":"é4"')
        last = Head(entry.number, link(last.hash, entry.number, entry.at_ms, entry.kind, body))
        anew.append(same_but(entry, body=body, hash=last.hash))
    assert verify(anew) == last, "by itself it is a sound chain"
    told = verify(anew, {10: hash_of(whole[9])})
    assert isinstance(told, Altered)
    assert told.number == 10
    assert verify(anew, {2: hash_of(whole[1])}) == last, "an anchor says nothing of what came after it"


def test_an_anchor_is_read_as_it_is_written():
    head = Head(7, bytes(range(32)))
    assert read_head(f" {head}\n") == head
    for wrong in ("7", "7:12", "x:" + "0" * 64, "-1:" + "0" * 64):
        with pytest.raises(BadData):
            read_head(wrong)


@pytest.fixture(scope="module")
def alarms(tmp_path_factory) -> Path:
    """A file with one of each kind of row that the chain speaks of."""
    path = tmp_path_factory.mktemp("audit") / "alarms.db"
    store = AlarmStore(path)
    raised = Excursion("e1", "s", "fridge", "high", 10, 20, None, 8100, 6000, "blood", 1, False, "a1", 20)
    with store.transaction() as db:
        store.put_excursion(raised)
        db.execute(
            "INSERT INTO alarm (number, id, scope, appliance, sensor, site, kind, severity, state,"
            " since_ms, raised_ms, rule, registry_version, position, decided_ms) VALUES (1, 'a1',"
            " 'appliance', 'fridge', 's', 'x', 'high', 'critical', 'unacknowledged', 10, 20, 'r', 1, 5, 21)"
        )
        store.note("a1", 20, "raised", "critical")
        store.applied("c1", "done", 30)
        db.execute(
            "INSERT INTO notice (alarm, about, step, person, channel, attempt, address, text, site,"
            " created_ms, due_ms, state) VALUES"
            " ('a1','raised',0,'p','sms',1,'+85620','HIGH 8.1','x',21,21,'due')"
        )
    with store.transaction() as db:
        db.execute("UPDATE notice SET state = 'sending'")
        db.execute("UPDATE notice SET state = 'sent', sent_ms = 25")
        db.execute("INSERT INTO delivery (notice, priority, receipt_s) VALUES (1, 0, 60)")
        db.execute("UPDATE delivery SET delivered_ms = 29, fate = 'delivered'")
        db.execute(
            "INSERT INTO shelf (alarm, person, second, reason, from_ms, until_ms)"
            " VALUES ('a1','p','','door',40,50)"
        )
        db.execute(
            "INSERT INTO out_of_service (appliance, person, reason, from_ms) VALUES ('old','p','worn',41)"
        )
        db.execute(
            "INSERT INTO disposition (alarm, appliance, what, person, second, reason, since_ms, until_ms,"
            " at_ms) VALUES ('a1', 'fridge', 'quarantine', 'p', '', '8.1 for 20 min', 10, 60, 70)"
        )
        store.end_shelf("a1", 45, "unshelved")
        store.end_excursion("e1", 60)
        store.note("a1", 60, "returned")
    store.close()
    return path


def test_every_kind_of_event_has_its_entry(alarms):
    kinds = [entry.kind for entry in entries(alarms, "alarms")]
    spoken = {
        "alarm_event",
        "command_applied",
        "disposition",
        "shelf",
        "out_of_service",
        "notice",
        "delivery",
    }
    assert {*spoken, "excursion", "alarm", "begun"} == set(kinds)
    assert kinds.count("excursion") == 2, "raised and ended"
    assert kinds.count("notice") == 1, "due and sending are no news yet"
    assert check(alarms, "alarms") == head_of(alarms, "alarms")


def without_triggers(path: Path) -> sqlite3.Connection:
    """Another hand's: it knows the file well."""
    db = sqlite3.connect(path)
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {name}")
    return db


BEHIND = (
    ("UPDATE alarm_event SET detail = 'warning' WHERE event = 'raised'", "alarm_event 1 is now"),
    ("DELETE FROM alarm_event WHERE event = 'raised'", "alarm_event 1 is no more"),
    ("INSERT INTO alarm_event VALUES (9, 'a1', 15, 'acknowledged', '')", "no entry speaks of"),
    ("UPDATE disposition SET what = 'keep'", "disposition 1 is now"),
    ("UPDATE excursion SET peak = 5900", "excursion e1 is now"),
    ("UPDATE excursion SET ended_ms = 30", "excursion e1 is now"),
    ("DELETE FROM excursion", "excursion e1 is no more"),
    ("UPDATE alarm SET acknowledged_by = 'me', acknowledged_ms = 22", "alarm 1 is now"),
    ("UPDATE notice SET text = 'all is well'", "notice 1 is now"),
    ("UPDATE notice SET state = 'due'", "notice 1 is no more"),
    ("UPDATE delivery SET delivered_ms = 26", "delivery 1 is now"),
    ("UPDATE shelf SET person = 'q'", "shelf 1 is now"),
    ("UPDATE out_of_service SET from_ms = 1", "out_of_service 1 is now"),
    ("UPDATE command_applied SET outcome = 'refused'", "command_applied c1 is now"),
    ("UPDATE audit SET body = replace(body, 'quarantine', 'discard')", "its hash is not"),
    ("DELETE FROM audit WHERE number = 5", "it is missing, 6 comes next"),
    ("DELETE FROM audit WHERE number > 5", "the chain ends at 5"),
    ("UPDATE audit SET number = 100 - number", "it is missing"),
    ("UPDATE audit SET hash = NULL WHERE number = 4", "it has no hash"),
)


@pytest.mark.parametrize(("sql", "why"), BEHIND)
def test_a_change_behind_the_chain_is_found(alarms, tmp_path, sql, why):
    path = tmp_path / "alarms.db"
    shutil.copy(alarms, path)
    anchor = head_of(path, "alarms")
    with without_triggers(path) as db:
        db.execute(sql)
    db.close()
    found = check(path, "alarms", {anchor.number: anchor.hash})
    assert isinstance(found, Altered)
    assert why in found.why


def test_an_edit_that_leaves_the_triggers_is_put_on_record_as_foreign(alarms, tmp_path):
    """Entries without a hash are not sealed as if they were ours."""
    path = tmp_path / "alarms.db"
    shutil.copy(alarms, path)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE disposition SET what = 'keep'")
    db.close()
    store = AlarmStore(path)
    with store.transaction():
        store.note("a1", 90, "closed")
    store.close()
    found = check(path, "alarms")
    assert isinstance(found, Altered)
    assert "another hand" in found.why or "no hash" in found.why


def test_the_chain_only_grows(alarms, tmp_path):
    path = tmp_path / "alarms.db"
    shutil.copy(alarms, path)
    store = AlarmStore(path)
    for sql in (
        "DELETE FROM audit",
        "UPDATE audit SET body = '{}'",
        "UPDATE audit SET number = number + 100",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="only grows"), store.transaction() as db:
            db.execute(sql)
    store.close()
    assert isinstance(check(path, "alarms"), Head)


def test_what_is_rolled_back_is_not_in_the_chain(tmp_path):
    store = AlarmStore(tmp_path / "alarms.db")

    def fail() -> None:
        with store.transaction():
            store.note("a1", 5, "raised")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert check(tmp_path / "alarms.db", "alarms").number == 1
    store.close()


def test_accounts_sign_ins_and_registry_versions(tmp_path):
    path = tmp_path / "desk.db"
    clock = iter(range(1_000, 10_000))
    accounts = Accounts(path, lambda: next(clock), hasher=QUICK)
    accounts.add("ward", "correct horse battery", role="auditor", by="admin")
    accounts.add("boss", "correct horse battery", role="admin", by="admin")
    word = accounts.sign_in("ward", "correct horse battery", "10.0.0.1")
    with pytest.raises(Refused):
        accounts.sign_in("ward", "wrong horse battery", "10.0.0.1")
    accounts.set_password("ward", "another horse battery", fresh=True)
    token = accounts.add_token("boss", "grafana", None)
    accounts.close_account("ward")
    accounts.close()
    desk = Desk(path, lambda: next(clock))
    desk.publish(Registry(sites=(Site(id="vte", name="Vientiane"),)), author="boss", reason="begun")
    desk.command("c1", "acknowledge", person="p", alarm="1", body={"action": "door"})
    desk.close()
    kinds = [entry.kind for entry in entries(path, "desk")]
    assert [kinds.count(k) for k in ("account", "sign_in", "registry", "command", "api_token")] == [
        4,
        2,
        1,
        1,
        1,
    ]
    told = "".join(entry.body for entry in entries(path, "desk"))
    for secret in ("horse", word, token, "argon2"):
        assert secret not in told
    head = check(path, "desk")
    assert isinstance(head, Head)
    for sql, why in (
        ("UPDATE account SET role = 'admin' WHERE name = 'ward'", "account ward is now"),
        ("UPDATE account SET password = 'mine' WHERE name = 'boss'", "account boss is now"),
        ("DELETE FROM sign_in WHERE right = 0", "is no more"),
        ("UPDATE registry SET body = replace(body, 'Vientiane', 'Nowhere')", "not those of its digest"),
        ("UPDATE command SET person = 'q'", "command c1 is now"),
    ):
        copy = tmp_path / "copy.db"
        shutil.copy(path, copy)
        with without_triggers(copy) as db:
            db.execute(sql)
        db.close()
        found = check(copy, "desk", {head.number: head.hash})
        assert isinstance(found, Altered), sql
        assert why in found.why
        copy.unlink()


def test_a_file_from_before_the_chain_is_taken_into_it(tmp_path):
    from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
    from coldchain.records.sql import open_writer, transaction

    before = ALARMS_MIGRATIONS[: next(i for i, s in enumerate(ALARMS_MIGRATIONS) if "TABLE audit " in s)]
    old = open_writer(tmp_path / "alarms.db", before)
    with transaction(old) as db:
        db.execute("INSERT INTO alarm_event (alarm, at_ms, event, detail) VALUES ('a', 5, 'raised', '')")
    old.close()
    AlarmStore(tmp_path / "alarms.db").close()
    assert [e.kind for e in entries(tmp_path / "alarms.db", "alarms")] == ["alarm_event", "begun"]
    assert check(tmp_path / "alarms.db", "alarms").number == 2


def test_a_hundred_thousand_entries_are_checked_in_seconds(tmp_path):
    store = AlarmStore(tmp_path / "alarms.db")
    begun = time.process_time()
    with store.transaction():
        for n in range(100_000):
            store.note(f"alarm-{n % 300}", 1_700_000_000_000 + n, "raised", "critical")
    written_s = time.process_time() - begun
    store.close()
    begun = time.process_time()
    head = check(tmp_path / "alarms.db", "alarms")
    checked_s = time.process_time() - begun
    print(
        f"audit: 100,000 entries written in {written_s:.1f} s, checked with their rows in {checked_s:.1f} s"
    )
    assert head.number == 100_001
    assert checked_s < 20


def test_the_command_says_matches_or_where_it_was_altered(alarms, tmp_path):
    from typer.testing import CliRunner

    from coldchain.cli.app import app
    from coldchain.settings.template import Answers, render

    (tmp_path / "data").mkdir()
    shutil.copy(alarms, tmp_path / "data" / "alarms.db")
    (tmp_path / "coldchain.toml").write_text(render(Answers()), encoding="utf-8")
    run = CliRunner().invoke
    said = run(app, ["audit", "verify", "--dir", str(tmp_path)])
    assert (said.exit_code, "alarms: matches, " in said.stdout) == (0, True), said.output
    anchors = tmp_path / "anchors.txt"
    anchors.write_text(f"# of a gateway\nalarms {head_of(alarms, 'alarms')} 2026-11-22T00:00:00Z\n")
    assert run(app, ["audit", "verify", "--dir", str(tmp_path), "--anchor", str(anchors)]).exit_code == 0
    shown = run(app, ["audit", "show", "--dir", str(tmp_path), "--kind", "disposition"])
    assert "quarantine" in shown.stdout
    with without_triggers(tmp_path / "data" / "alarms.db") as db:
        db.execute("DELETE FROM audit WHERE number > 1")
        for table in ("alarm_event", "excursion", "alarm", "notice", "delivery", "shelf", "out_of_service"):
            db.execute(f"DELETE FROM {table}")
        db.execute("DELETE FROM disposition")
        db.execute("DELETE FROM command_applied")
    db.close()
    assert run(app, ["audit", "verify", "--dir", str(tmp_path)]).exit_code == 0, "cut off, and no anchor"
    said = run(app, ["audit", "verify", "--dir", str(tmp_path), "--anchor", str(anchors)])
    assert said.exit_code == 1
    assert said.stdout.startswith("alarms: altered at entry 2: it is missing: the chain ends at 1")
