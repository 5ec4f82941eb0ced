# SPDX-License-Identifier: Apache-2.0
"""A demo's month: simulated readings, alarms that the engine itself raised, and books that tell it apart."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
from grafana_expand import expand
from rig.influx import Influx

from alerts.oncall.rota import on_duty
from coldchain.kernel.audit import Head
from coldchain.records.alarms import AlarmsReader
from coldchain.records.audit import check
from coldchain.records.consignments import ConsignmentReader
from coldchain.records.devices import DeviceReader
from coldchain.records.found import FoundReader, quality_of
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Registry, RegistryReader
from coldchain.records.work import WorkReader
from coldchain.settings import InfluxSettings, Settings
from coldchain.wiring.demo.account import keep_books
from coldchain.wiring.demo.month import begin
from coldchain.wiring.demo.month.begin import seed_month
from coldchain.wiring.demo.month.seed import NODE
from coldchain.wiring.demo.plan import DemoPlan, write_settings
from coldchain.wiring.logs import logs_to
from dashboards.console.series import series_of, steps
from dashboards.grafana.build import built
from ingest.influx.resync import resync

NOW = int(time.time() * 1000)
DAY = 86_400_000
BUCKET = "demo_month"
APPLIANCES = 24
DAYS = 15


def seeded(folder: Path, appliances: int) -> tuple[DemoPlan, Settings, bool]:
    plan = DemoPlan(folder, appliances=appliances, history=True, console_port=0)
    settings = write_settings(plan)
    return plan, settings, seed_month(plan, settings, plan.fleet_of(), NOW, lambda _: None)


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Settings]:
    """The last half of it: physics of a whole one takes as long for ten appliances as for two hundred."""
    folder = tmp_path_factory.mktemp("month")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(begin, "DAYS", DAYS)
        _, settings, wrote = seeded(folder, APPLIANCES)
    assert wrote
    return folder, settings


def registry_of(settings: Settings) -> Registry:
    reader = RegistryReader(settings.desk_db)
    reader.refresh()
    return reader.registry


def test_the_books_have_a_line_of_their_own_for_it(month: tuple[Path, Settings], tmp_path: Path) -> None:
    books = keep_books(month[1], APPLIANCES)
    assert books.balanced
    assert books.readings_accepted == books.readings_recorded == 0, "no gateway accepted any of it"
    assert books.readings_seeded > APPLIANCES * DAYS * 144
    copy = tmp_path / "copy"
    shutil.copytree(month[0], copy)
    db = sqlite3.connect(copy / "readings.db")
    db.execute("DELETE FROM chunk WHERE id = (SELECT max(id) FROM chunk)")
    db.commit()
    db.close()
    lost = keep_books(month[1].model_copy(update={"data_dir": copy}), APPLIANCES)
    assert not lost.balanced, "a chunk less is noticed"


def test_every_reading_says_that_it_is_of_the_demo(month: tuple[Path, Settings]) -> None:
    reader = JournalReader(month[1].readings_db)
    assert {node for node, _ in reader.sources().values()} == {NODE}
    assert (month[0] / "month.json").exists()
    registry = sqlite3.connect(month[1].desk_db)
    assert {author for (author,) in registry.execute("SELECT author FROM registry WHERE version = 1")} == {
        "demo"
    }


def test_its_alarms_are_the_engines_and_have_run_their_course(month: tuple[Path, Settings]) -> None:
    """An excursion's peak is a reading of the record, and what was beyond limits has a disposition."""
    settings = month[1]
    alarms, journal = AlarmsReader(settings.alarms_db), JournalReader(settings.readings_db)
    found = alarms.alarms(1_000)
    assert {"high", "drill"} <= {one.kind for one in found}
    assert {one.state for one in found if one.since_ms < NOW - 3 * DAY} == {"closed"}
    excursions = alarms.excursions()
    assert excursions
    for one in excursions:
        rows = journal.readings(one.sensor, one.started_ms, (one.ended_ms or NOW) + 1)
        extreme = rows["value"].max() if one.kind == "high" else rows["value"].min()
        assert one.peak == extreme, one
    assert alarms.dispositions()
    assert alarms.drills()[0].trip_ms is not None
    assert alarms.notices(1_000)
    assert alarms.open_alarms() == [] or all(one.raised_ms > NOW - 3 * DAY for one in alarms.open_alarms())
    assert any(row.back_ms is not None for row in alarms.out_of_service(all_=True))


def test_people_wrote_down_what_they_did(month: tuple[Path, Settings]) -> None:
    orders = WorkReader(month[1].desk_db).orders()
    assert orders
    assert all(order.state == "finished" and order.told("findings") for order in orders)
    (trip,) = ConsignmentReader(month[1].desk_db).trips()
    assert trip.over
    assert len(trip.stays(NOW)) == 3
    assert trip.at_ms < NOW - 2 * DAY, "written down when it was packed, not when the demo began"


def test_readings_were_due_less_often_and_no_chart_has_holes_for_it(
    month: tuple[Path, Settings],
) -> None:
    registry = registry_of(month[1])
    sensor = registry.sensor_by_id[f"{registry.appliances[0].id}/load"]
    (pace,) = sensor.paces
    assert (sensor.due_s(pace.until_ms - 1), sensor.due_s(pace.until_ms)) == (600, 60)
    reader = JournalReader(month[1].readings_db)
    end = pace.until_ms - 2 * DAY
    first, step, n = steps(end - DAY, end, 480, sensor.due_s(end - DAY))
    _, low, high, count = reader.min_max(sensor.id, first, first + n * step, n)
    assert series_of(sensor.id, first, step, end, low, high, count).gaps() == []
    assert (np.diff(reader.readings(sensor.id, end - DAY, end)["at_ms"]) == 600_000).all()


def test_both_chains_of_the_month_verify(month: tuple[Path, Settings]) -> None:
    for path, chain in ((month[1].alarms_db, "alarms"), (month[1].desk_db, "desk")):
        assert isinstance(check(path, chain), Head), path


def test_a_month_that_broke_off_is_begun_anew_and_one_that_stands_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(begin, "DAYS", 1)
    tmp_path.joinpath("month.begun").touch()
    tmp_path.joinpath("readings.db").write_bytes(b"half a file")
    assert seeded(tmp_path, 2)[2]
    before = keep_books(seeded(tmp_path, 2)[1], 2).readings_seeded
    assert before > 2 * 144
    assert not seeded(tmp_path, 2)[2], "it stands"
    other = tmp_path / "other"
    other.mkdir()
    other.joinpath("readings.db").write_bytes(b"somebody's record")
    assert not seeded(other, 2)[2], "a folder with readings of its own is left alone"
    assert other.joinpath("readings.db").read_bytes() == b"somebody's record"
    desk = tmp_path / "desk" / "desk.db"
    desk.parent.mkdir()
    desk.write_bytes(b"somebody's registry")
    assert not seeded(desk.parent, 2)[2], "nor is one that is being set up"
    assert desk.read_bytes() == b"somebody's registry"


def test_every_panel_returns_rows_over_it(month: tuple[Path, Settings], influx: Influx) -> None:
    """Resynced into a real engine; a finding of any panel for any appliance of the story is enough."""
    settings = month[1]
    influx.create_database(BUCKET)
    at = settings.model_copy(
        update={"influx": InfluxSettings(url=influx.url, bucket=BUCKET, org="-", batch_points=5_000)}
    )
    done = resync(at, NOW - (DAYS + 1) * DAY, NOW)
    assert done.points > 100_000
    assert done.refused == 0
    worst = AlarmsReader(settings.alarms_db).excursions()[0].appliance
    registry = registry_of(settings)
    values: dict[str, str | list[str]] = {
        "site": registry.appliance_by_id[worst].site, "appliance": worst, "sensor": f"{worst}/load",
    }  # fmt: skip
    empty = []
    for name, board in built().items():
        if not name.startswith("en/"):
            continue
        marks: list[Any] = [(one["name"], one["target"]["query"], {}) for one in board["annotations"]["list"]]
        panels = [(one["title"], each["query"], one) for one in board["panels"] for each in one["targets"]]
        for title, query, panel in marks + panels:
            asked = {key: value for key, value in panel.items() if key not in ("timeFrom", "timeShift")}
            if not influx.query(expand(query, asked, NOW - DAYS * DAY, NOW, values), bucket=BUCKET):
                empty.append(f"{name}: {title}")
    # Nothing is without mains at the end of the month, nothing failed there, nothing was calibrated.
    influx.drop_database(BUCKET)
    assert set(empty) <= {"en/wall.json: Outside limits", "en/wall.json: Silent", "en/wall.json: In alarm",
                          "en/wall.json: Unanswered", "en/wall.json: Open alarms, newest first",
                          "en/wall.json: Without mains", "en/system.json: Failed readings, by sensor",
                          "en/site.json: power, silence", "en/appliance.json: power, silence",
                          "en/device.json: power, silence"}, empty  # fmt: skip


def test_its_people_take_turns_and_most_of_them_answer_soon(month: tuple[Path, Settings]) -> None:
    registry = registry_of(month[1])
    assert {rota.level for rota in registry.rotas} == {1, 2}
    assert any(rota.overrides for rota in registry.rotas), "somebody has swapped a day"
    for site in registry.sites:
        assert on_duty(registry, site.id, 1, NOW), site.id
    found = quality_of(FoundReader(month[1].alarms_db).outcomes(NOW - DAYS * DAY, NOW))
    assert found.median_ms is not None
    assert found.median_ms <= 12 * 60_000
    assert found.answered * 10 >= found.alarms * 6


def test_its_devices_have_papers_and_dates(month: tuple[Path, Settings]) -> None:
    registry, devices = registry_of(month[1]), DeviceReader(month[1].desk_db).all()
    assert {one.serial for one in registry.appliances} <= set(devices)
    assert all("(invented)" in devices[one.serial].facts.maker for one in registry.appliances)
    due = [task.due_ms for one in devices.values() for task in one.due()]
    assert any(at_ms < NOW for at_ms in due), "something is overdue"
    assert sum(at_ms > NOW for at_ms in due) > len(due) / 2
    certified = {entry.said.sensor for one in devices.values() for entry in one.of("certificate")}
    assert certified == {one.id for one in registry.sensors if one.offsets} != set()


def test_its_log_lines_are_in_a_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with logs_to(tmp_path / "month.log"):
        structlog.get_logger().info("within")
    structlog.get_logger().info("after")
    said = "".join(capfd.readouterr())
    assert "within" not in said
    assert "after" in said
    assert '"within"' in (tmp_path / "month.log").read_text()


def test_and_so_are_those_of_the_seeding(month: tuple[Path, Settings]) -> None:
    assert '"command"' in (month[0] / "log" / "month.log").read_text()


def test_its_defrosts_are_on_the_chart(month: tuple[Path, Settings]) -> None:
    """Freezers defrost about every 40 hours of the physics, refrigerators every six; the rest never do."""
    registry = registry_of(month[1])
    kinds = {one.id: one.kind for one in registry.appliances}
    rows = AlarmsReader(month[1].alarms_db).defrosts(0, 2**62)
    by_kind = Counter(kinds[row.appliance] for row in rows)
    freezers = {row.appliance for row in rows if kinds[row.appliance] == "plasma-freezer"}
    assert freezers == {name for name, kind in kinds.items() if kind == "plasma-freezer"}
    assert len(freezers) * 3 <= by_kind["plasma-freezer"] <= len(freezers) * DAYS
    assert by_kind["blood-refrigerator"] > by_kind["plasma-freezer"]
    assert all(row.sensor.endswith(("/air", "/load")) and row.until_ms <= NOW for row in rows)
