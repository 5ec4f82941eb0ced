# SPDX-License-Identifier: Apache-2.0
"""Defrosts where people look: the axis of a chart, a device's figures, a table for spreadsheets."""

from collections.abc import Iterator

import pytest
from console_client import browsing
from console_seed import HOUR, MINUTE, NOW_MS, Seed, registry

from coldchain.files.sheets import csv_pieces
from coldchain.records.alarms import AlarmsReader
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.sql import open_writer, transaction
from coldchain.wiring.insight import RecordInsight, _defrosted
from coldchain.wiring.tables import Asked, table_of
from dashboards.console.app import create_app
from dashboards.console.devices.figures import Figures
from dashboards.console.words import speaking, t

DAY = 24 * HOUR
REG = registry(6)
ONE, OTHER = REG.appliances[0].id, REG.appliances[1].id
ROWS = [
    (f"{ONE}/load", NOW_MS - 5 * HOUR, NOW_MS - 5 * HOUR + 20 * MINUTE, "usual", ONE),
    (f"{ONE}/air", NOW_MS - 5 * HOUR - MINUTE, NOW_MS - 5 * HOUR + 10 * MINUTE, "usual", ONE),
    (f"{ONE}/load", NOW_MS - 2 * HOUR, NOW_MS - HOUR, "long", ONE),
    (f"{ONE}/load", NOW_MS - 40 * MINUTE, NOW_MS - 30 * MINUTE, "none", ONE),
    (f"{OTHER}/load", NOW_MS - 3 * HOUR, NOW_MS - 2 * HOUR, "usual", OTHER),
]


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seed]:
    made = Seed(tmp_path_factory.mktemp("defrosts"), REG)
    made.history(6)
    db = open_writer(made.settings.alarms_db, ALARMS_MIGRATIONS)
    with transaction(db):
        for row in ROWS:
            db.execute("INSERT INTO defrost VALUES (?,?,?,?,?,8000,1200000,?)", (*row, row[2]))
    db.close()
    yield made
    made.close()


def test_they_are_on_the_axis_of_their_own_appliance_in_the_readers_language(seed: Seed) -> None:
    with browsing(create_app(seed.settings, lambda: NOW_MS)) as client:
        for language in ("en", "lo"):
            here = {"accept-language": language}
            told = client.get(f"/api/v1/appliances/{ONE}/series?range=6h", headers=here).json()["events"]
            (lane,) = [one for one in told if one["kind"] == "defrost"]
            with speaking(language):
                assert lane["name"] == t("lane.defrost")
                labels = [t("lane.defrost_usual"), t("lane.defrost_long")]
            assert [(s["from_ms"], s["until_ms"], s["label"]) for s in lane["spans"]] == [
                (NOW_MS - 5 * HOUR - MINUTE, NOW_MS - 5 * HOUR + 20 * MINUTE, labels[0]),
                (NOW_MS - 2 * HOUR, NOW_MS - HOUR, labels[1]),
            ]
            kinds = [one["kind"] for one in told]
            assert kinds == sorted(
                kinds, key=("alarm", "door", "defrost", "mains", "work", "calibration", "assignment").index
            )
            page = client.get(f"/appliance/{ONE}?range=6h", headers=here).text
            assert lane["name"] in page
            assert f"<title>{labels[1]}</title>" in page, "without script, too"


def test_how_often_and_how_long_is_among_a_devices_figures(seed: Seed) -> None:
    insight = RecordInsight(seed.settings, lambda: NOW_MS)
    found, before = insight.figures(ONE, [(NOW_MS - 6 * HOUR, NOW_MS), (NOW_MS - DAY, NOW_MS - 6 * HOUR)])
    assert found.defrosts == pytest.approx(2 / 0.25, rel=0.05), "two of the load; the air's is one of them"
    assert found.defrost_min == 40
    assert before.defrosts is before.defrost_min is None
    rows = AlarmsReader(seed.settings.alarms_db).defrosts(0, NOW_MS, ONE)
    then = _defrosted(Figures(NOW_MS - 6 * HOUR, NOW_MS, known_ms=6 * HOUR), rows, NOW_MS - 3 * HOUR)
    assert then.defrost_min == 20, "a packet as known then knows one of them"


def test_they_are_a_table_of_what_one_may_see(seed: Seed) -> None:
    lines = "".join(csv_pieces(table_of(seed.settings, Asked("defrosts")))).splitlines()
    assert lines[0].startswith("site,appliance,sensor,started,ended,minutes,usual minutes,too long")
    assert len(lines) == 1 + 4, lines
    site = REG.appliances[1].site
    assert site != REG.appliances[0].site
    mine = "".join(csv_pieces(table_of(seed.settings, Asked("defrosts", sees=lambda one: one == site))))
    assert OTHER in mine
    assert ONE not in mine
