# SPDX-License-Identifier: Apache-2.0
"""The wall: sites as tiles, worst first; the map; the time to the limit of all that is on its way there."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from console_client import browsing
from console_seed import HOUR, MINUTE, NOW_MS, Seed, Story, registry

from alerts.judgement.foretold import WRITE_EVERY_MS, Foretold, foreseen
from alerts.judgement.state import blank
from alerts.present import STALE_MS
from alerts.store import AlarmStore
from coldchain.kernel.words import Health
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.registry import Registry
from coldchain.records.site import SiteReader
from coldchain.records.sql import open_writer, transaction
from dashboards.console.app import create_app
from dashboards.console.console import Console
from dashboards.console.outlines import LAOS
from dashboards.console.wall import MAP_PX, wall_of

REG = registry(9)
WARM, SOON = REG.appliances[1].id, REG.appliances[0].id


def foretell(seed: Seed, appliance: str, in_ms: int) -> None:
    db = open_writer(seed.settings.alarms_db, ALARMS_MIGRATIONS)
    with transaction(db):
        db.execute("INSERT OR REPLACE INTO foretold VALUES (?,?)", (f"{appliance}/load", NOW_MS + in_ms))
    db.close()


@pytest.fixture
def seed(tmp_path: Path) -> Seed:
    made = Seed(tmp_path, REG, Story(warm={WARM: 70}))
    made.history(0.2)
    made.alarm(WARM)
    foretell(made, SOON, 25 * MINUTE + 10_000)
    made.close()
    return made


def test_tiles_sum_to_the_fleet_and_the_worst_site_comes_first(seed: Seed) -> None:
    console = Console(seed.settings, lambda: NOW_MS)
    wall = wall_of(console.records.look())
    assert [tile.site.id for tile in wall.tiles] == ["skt", "vte", "kys"], "alarm, who is next, names"
    assert sum(n for tile in wall.tiles for _, n in tile.counts) == len(REG.appliances)
    assert wall.tiles[0].state is Health.ALARM
    assert wall.tiles[1].limit_ms == NOW_MS + 25 * MINUTE - NOW_MS % MINUTE
    assert wall.tiles[2].limit_ms is None
    console.close()


def test_the_engines_forecast_is_on_the_wall_and_puts_its_appliance_first(seed: Seed) -> None:
    with browsing(create_app(seed.settings, lambda: NOW_MS)) as client:
        page = client.get("/wall").text
        assert "limit in about 24 min" in page
        order = re.findall(r'<li id="a-([^"]+)" class="row ok"', page)
        assert order[0] == SOON
        lao = client.get("/wall", headers={"accept-language": "lo"}).text
        assert "ຈະຮອດຂອບເຂດໃນປະມານ" in lao
        assert client.get("/").text.count("data-left=") == 1


def test_what_was_foreseen_is_not_said_once_it_has_passed(seed: Seed) -> None:
    foretell(seed, SOON, -1)
    console = Console(seed.settings, lambda: NOW_MS)
    assert all(row.limit_ms is None for row in console.records.look().fleet.rows)
    console.close()


def test_the_map_has_every_site_inside_it_with_a_shape_and_a_word(seed: Seed) -> None:
    with browsing(create_app(seed.settings, lambda: NOW_MS)) as client:
        page = client.get("/wall").text
    (found,) = re.findall(r'<svg class="map".*?</svg>', page, re.DOTALL)
    svg = ET.fromstring(found)
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    uses: dict[str, dict[str, str]] = {a.attrib["id"]: a[1].attrib for a in svg.iter("a")}
    assert set(uses) == {"place-vte", "place-skt", "place-kys"}
    for use in uses.values():
        assert 0 < float(use["x"]) < width == MAP_PX
        assert 0 < float(use["y"]) < height
    assert uses["place-skt"]["href"] == "#i-alarm"
    assert "skt Alarm" in [text.text for text in svg.iter("text")]
    assert len(svg[0].attrib["d"].split("L")) == len(LAOS)
    x, y = (float(uses["place-vte"][k]) for k in "xy")
    assert (x, y) < tuple(float(uses["place-skt"][k]) for k in "xy"), "Vientiane is north-west"


def test_without_coordinates_there_are_tiles_and_no_map(tmp_path: Path) -> None:
    bare = tuple(s.model_copy(update={"latitude": None, "longitude": None}) for s in REG.sites)
    seed = Seed(tmp_path, Registry.model_validate({**REG.model_dump(), "sites": bare}))
    seed.no_alarms()
    seed.close()
    with browsing(create_app(seed.settings, lambda: NOW_MS)) as client:
        page = client.get("/wall").text
    assert 'class="map"' not in page
    assert page.count('class="tile ') == 3


def test_alerts_writes_down_who_is_on_the_way_and_takes_it_back(tmp_path: Path) -> None:
    store = AlarmStore(tmp_path / "alarms.db")
    table = blank(3)
    series = {"a": 0, "b": 1, "c": 2}
    table["slot_at"] = NOW_MS / 1000
    table["limit_at"][0], table["limit_at"][2] = NOW_MS + HOUR, NOW_MS + 2 * HOUR
    table["slot_at"][2] = (NOW_MS - STALE_MS) / 1000 - 1
    assert foreseen(table, series, NOW_MS) == {"a": NOW_MS + HOUR}, "what is stale says nothing of now"
    told, reader = Foretold(store), SiteReader(tmp_path / "alarms.db")
    told.look(table, series, NOW_MS)
    assert reader.foretold() == {"a": NOW_MS + HOUR}
    table["limit_at"][:] = -1
    told.look(table, series, NOW_MS + WRITE_EVERY_MS - 1)
    assert reader.foretold() != {}, "once a minute"
    table["slot_at"] = 0
    told.look(table, series, NOW_MS + WRITE_EVERY_MS)
    assert reader.foretold() == {}
    reader.close()
    store.close()
