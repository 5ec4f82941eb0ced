# SPDX-License-Identifier: Apache-2.0
"""A site's silence and its power, as those live it who are called: blind clock, restarts, the end."""

from __future__ import annotations

from pathlib import Path

import pytest
from ward import MIDNIGHT, Ward, instant

from coldchain.kernel.words import Quantity
from coldchain.records.registry import Sensor
from coldchain.records.site import Blind, SiteReader
from coldchain.records.sql import transaction


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path)


def blind(ward: Ward) -> list[Blind]:
    return SiteReader(ward.settings.alarms_db).blind()


def contact(ward: Ward, appliance: str, quantity: str) -> None:
    """Wires one more channel of the appliance; it says what `temperature` is told, each minute."""
    name, number = f"{appliance}/{quantity}", len(ward._series) + 1
    ward._series[name] = number
    with transaction(ward.journal.db) as db:
        code = int(Quantity[quantity.upper()])
        db.execute("INSERT INTO series (id, sensor, quantity) VALUES (?,?,?)", (number, name, code))
    sensor = Sensor(id=name, appliance=appliance, quantity=quantity, node=f"{appliance}-n", channel=number)
    ward._publish(sensors=(*ward.registry.sensors, sensor))


def three_with_mains(ward: Ward) -> None:
    for n in (1, 2, 3):
        ward.fridge(f"vte-br-0{n}")
        contact(ward, f"vte-br-0{n}", "mains")
        ward.temperature(f"vte-br-0{n}", 4.0)
        ward.temperature(f"vte-br-0{n}/mains", 1.0)


def power(ward: Ward, present: bool) -> None:
    for n in (1, 2, 3):
        ward.temperature(f"vte-br-0{n}/mains", float(present))


def test_a_silent_site_is_shown_by_its_worst_case(ward: Ward) -> None:
    """Nobody knows whether power is out: if it is, red cells pass 6 °C at that hour."""
    for name in ("vte-br-01", "vte-br-02"):
        ward.fridge(name)
    ward.at("09:00").temperature("vte-br-01", 4.0).temperature("vte-br-02", 5.0)
    ward.run_until("10:00")
    assert not blind(ward)
    ward.silence().run_until("10:20")
    shown = blind(ward)
    assert [row.appliance for row in shown] == ["vte-br-02", "vte-br-01"], "the warmer one first"
    last = instant("09:59")
    assert {row.last_ms for row in shown} == {last}
    assert shown[0].passes_ms is not None
    assert shown[1].passes_ms is not None
    assert last < shown[0].passes_ms < shown[1].passes_ms < last + 2 * 3_600_000
    assert shown[0].told.startswith("no data since 16:59; if power is out, red cells pass 6 °C at about 17:")
    alarm = next(a for a in ward.alarms.open_alarms() if a.kind == "silence")
    notes = [e.detail for e in ward.alarms.events(alarm.id) if e.event == "blind"]
    assert notes[0] == f"vte-br-02: {shown[0].told}"
    assert alarm.severity == "critical"
    ward.temperature("vte-br-01", 4.0).temperature("vte-br-02", 4.0).run_until("10:40")
    assert not blind(ward)


def test_an_empty_appliance_has_no_blind_clock(ward: Ward) -> None:
    ward.fridge("vte-br-01")
    ward.carries("vte-br-01", "empty", "08:00")
    ward.temperature("vte-br-01", 4.0).run_until("09:00")
    ward.silence().run_until("09:40")
    assert not blind(ward)


def test_an_outage_survives_a_restart_and_ends(ward: Ward) -> None:
    """One alarm from beginning to end; what comes of it stands under it, before and after a kill."""
    three_with_mains(ward)
    ward.run_until("10:00")
    power(ward, present=False)
    ward.run_until("10:05")
    ward.phone("technician").expect_sms("POWER CUT Vientiane, 3 appliances")
    alarm = next(a for a in ward.alarms.open_alarms() if a.kind == "power")
    assert (alarm.since_ms - MIDNIGHT) // 60_000 == 600
    assert [one.appliance[-2:] for one in ward.alarms.alarm_list(alarm.id)] == ["01", "02", "03"]
    ward.restart_alerts()
    ward.temperature("vte-br-02", 7.0).run_until("10:20")
    high = next(a for a in ward.alarms.open_alarms() if a.kind == "high" and a.severity == "critical")
    assert high.parent == alarm.id
    ward.phone("technician").expect_nothing()
    listed = ward.alarms.alarm_list(alarm.id)
    assert (listed[0].appliance, listed[0].minutes) == ("vte-br-02", 0)
    power(ward, present=True)
    ward.run_until("10:25")
    assert not [a for a in ward.alarms.alarms() if a.kind == "power" and a.standing]
    assert ward.phone("technician").inbox, "power is back, and one is still too warm"


def test_an_unplugged_fridge_is_no_outage(ward: Ward) -> None:
    three_with_mains(ward)
    ward.run_until("10:00")
    ward.temperature("vte-br-01/mains", 0.0).run_until("11:00")
    assert not [a for a in ward.alarms.alarms() if a.kind == "power"]


def test_two_supplies_of_a_site_fail_apart(ward: Ward) -> None:
    three_with_mains(ward)
    ward.fridge("vte-br-04")
    appliances = tuple(
        a.model_copy(update={"supply": "generator"}) if a.id in ("vte-br-03", "vte-br-04") else a
        for a in ward.registry.appliances
    )
    ward._publish(appliances=appliances)
    ward.temperature("vte-br-04", 4.0).run_until("10:00")
    ward.temperature("vte-br-01/mains", 0.0).temperature("vte-br-02/mains", 0.0).run_until("10:05")
    alarm = next(a for a in ward.alarms.open_alarms() if a.kind == "power")
    assert [one.appliance for one in ward.alarms.alarm_list(alarm.id)] == ["vte-br-01", "vte-br-02"]


def test_a_cause_is_kept_with_its_alarm(ward: Ward) -> None:
    """A door that stands open is told as the cause when the alarm opens; without contacts it is unknown."""
    ward.fridge("vte-br-01")
    contact(ward, "vte-br-01", "door")
    contact(ward, "vte-br-01", "mains")
    ward.fridge("vte-br-09")
    ward.temperature("vte-br-01/door", 0.0).temperature("vte-br-01/mains", 1.0)
    ward.temperature("vte-br-01", 4.0).temperature("vte-br-09", 4.0).run_until("10:00")
    ward.temperature("vte-br-01/door", 1.0).temperature("vte-br-01", 8.0).temperature("vte-br-09", 8.0)
    ward.run_until("10:25")
    causes = {
        a.appliance: [e.detail for e in ward.alarms.events(a.id) if e.event == "cause"]
        for a in ward.alarms.open_alarms()
        if a.kind == "high"
    }
    assert len(causes["vte-br-01"]) == 2, "asked again ten minutes later"
    assert all(told.startswith("door; ") and "door open" in told for told in causes["vte-br-01"])
    assert causes["vte-br-09"][0].startswith("unknown")
