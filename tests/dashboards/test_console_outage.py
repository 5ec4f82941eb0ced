# SPDX-License-Identifier: Apache-2.0
"""The page of a site without power, or not heard: who loses blood first, where to, the worst case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from console_client import Client, browsing
from console_seed import MINUTE, NOW_MS, Seed, Story, registry

from alerts.site import keeping
from coldchain.records.alarms import Listed
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.site import Blind
from coldchain.records.sql import open_writer, transaction
from dashboards.console.alarms.marks import Marks, marked, without_power
from dashboards.console.app import create_app
from dashboards.console.live import changes
from dashboards.console.source import Records

LISTED = (
    Listed(0, "vte-br-001", 0, 0, 0, "skt-br-001", "beyond its limit"),
    Listed(1, "vte-br-002", 95, 70, 130, "", "learnt from its own outages"),
)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    seed = Seed(tmp_path, registry(6), Story())
    seed.history(hours=1)
    seed.alarm("vte-br-001")
    db = open_writer(seed.settings.alarms_db, ALARMS_MIGRATIONS)
    with transaction(db):
        db.execute("UPDATE alarm SET scope = 'site', appliance = 'vte', kind = 'power', sensor = ''")
        (alarm,) = db.execute("SELECT id FROM alarm").fetchone()
        keeping.put_list(db, alarm, LISTED)
        soon = Blind("vte-br-002", "vte", NOW_MS - 900_000, NOW_MS + 1_800_000, 6000, "")
        never = Blind("vte-br-003", "vte", NOW_MS - 900_000, None, 24000, "")
        keeping.put_blind(db, [soon, never])
    db.close()
    seed.beats()
    seed.close()
    with browsing(create_app(seed.settings, lambda: NOW_MS)) as client:
        yield client


def test_who_loses_blood_first_and_where_to(client: Client) -> None:
    text = re.sub(r"<[^>]*>|\s+", " ", client.get("/site/vte").text)
    text = re.sub(r"\s+", " ", text)
    assert "Without power: who loses blood first" in text
    first, second = text.index("vte-br-001 beyond its limit"), text.index("vte-br-002 1 h 35 min left")
    assert first < second
    assert "could go to skt-br-001" in text
    assert "if power is out, beyond its limit in 30 min" in text
    assert "the room is too cool" in text


def test_another_site_shows_nothing_of_it(client: Client) -> None:
    text = client.get("/site/skt").text
    assert "Without power" not in text
    assert "Not heard" not in text


def test_the_fleet_and_the_wall_say_how_long_each_bears_it(tmp_path: Path) -> None:
    """And what silence may hide, and what is put aside or out of service, on the row itself."""
    seed = Seed(tmp_path, registry(6), Story())
    seed.history(hours=0.2)
    cut, quiet = seed.alarm("vte-br-000"), seed.alarm("skt-br-001", state="shelved")
    db = open_writer(seed.settings.alarms_db, ALARMS_MIGRATIONS)
    with transaction(db):
        db.execute(
            "UPDATE alarm SET scope = 'site', appliance = 'vte', kind = 'power', sensor = '' WHERE id = ?",
            (cut,),
        )
        keeping.put_list(
            db, cut, (Listed(0, "vte-br-000", 0, 0, 0, "", ""), Listed(1, "vte-pf-003", 95, 7, 13, "", ""))
        )
        keeping.put_blind(db, [Blind("kys-br-002", "kys", NOW_MS, NOW_MS + 1_800_000, 6000, "")])
        shelf = "INSERT INTO shelf (alarm, person, second, reason, from_ms, until_ms) VALUES (?,?,?,?,?,?)"
        db.execute(shelf, (quiet, "ana", "", "restocking", NOW_MS, NOW_MS + 1_200_000))
        out = "INSERT INTO out_of_service (appliance, person, reason, from_ms) VALUES (?,?,?,?)"
        db.execute(out, ("kys-pf-005", "ana", "seal", NOW_MS))
    db.close()
    seed.close()
    with browsing(create_app(seed.settings, lambda: NOW_MS)) as client:
        for path in ("/", "/wall"):
            rows = dict(re.findall(r'<li id="a-([^"]*)"(.*?)</li>', client.get(path).text, re.DOTALL))
            assert "no mains: beyond its limit" in rows["vte-br-000"]
            assert "no mains: 95 min left" in rows["vte-pf-003"]
            assert "if power is out: beyond its limit from 05:43" in rows["kys-br-002"]
            assert "put aside until 05:33" in rows["skt-br-001"]
            assert "out of service" in rows["kys-pf-005"]
            assert "marks" not in rows["skt-pf-004"]
        assert "no mains: 95 min left" in client.get("/site/vte").text


def test_a_new_mark_is_a_change_that_viewers_are_sent(tmp_path: Path) -> None:
    seed = Seed(tmp_path, registry(2), Story())
    seed.no_alarms()
    seed.close()
    records = Records(seed.settings, lambda: NOW_MS)
    plain = records.look().fleet
    records.close()
    told = Marks({"vte-br-000": (without_power(Listed(0, "vte-br-000", 9, 7, 13, "", "")),)})
    fleet = marked(plain, told)
    assert [row[0] for row in changes(plain, fleet, lambda row: row.id)["rows"]] == ["vte-br-000"]
    assert changes(fleet, fleet, lambda row: row.id) == {}


@pytest.mark.parametrize(("after_min", "told"), [(0, True), (5, True), (59, False)])
def test_who_has_been_heard_since_is_not_blind(tmp_path: Path, after_min: int, told: bool) -> None:
    """Alerts reckons the blind clock once a minute; another probe's last reading is no sign of life."""
    seed = Seed(tmp_path, registry(2), Story())
    seed.no_alarms()
    seed.close()
    records = Records(seed.settings, lambda: NOW_MS)
    fleet = records.look().fleet
    records.close()
    last_ms = NOW_MS - 60 * MINUTE
    heard = replace(fleet, rows=tuple(replace(r, at_ms=last_ms + after_min * MINUTE) for r in fleet.rows))
    found = Marks(blind={"vte-br-000": (last_ms, NOW_MS, "at worst")})
    row = next(row for row in marked(heard, found).rows if row.id == "vte-br-000")
    assert (row.blind_ms == NOW_MS, "at worst" in row.marks) == (told, told)
