# SPDX-License-Identifier: Apache-2.0
"""The page of a site without power, or not heard: who loses blood first, where to, the worst case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from console_client import Client, browsing
from console_seed import NOW_MS, Seed, Story, registry

from alerts.site import keeping
from coldchain.records.alarms import Listed
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.site import Blind
from coldchain.records.sql import open_writer, transaction
from dashboards.console.app import create_app

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
