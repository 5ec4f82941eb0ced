# SPDX-License-Identifier: Apache-2.0
"""Stories of silence, backlogs, losses, and of alarms that people put aside."""

import json
from pathlib import Path

import pytest
from ward import MINUTE, Ward, instant

from coldchain.records.alarms import Alarm
from ingest.status import Gap, StatusWord


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path)


def fridges(ward: Ward, count: int) -> None:
    ward.gateway("gw-vte")
    for n in range(1, count + 1):
        ward.fridge(f"vte-br-0{n}")
        ward.temperature(f"vte-br-0{n}", 4.0)


def says(ward: Ward, *, pending: int = 0, oldest_ms: int | None = None, gaps: tuple[Gap, ...] = ()) -> None:
    """The gateway's word about itself, now."""
    status = {"v": 1, "gateway": "gw-vte", "spool": {"pending": pending, "oldest_ms": oldest_ms}}
    ward.journal.record([StatusWord("gw-vte", "e1", json.dumps(status), gaps)], ward.now_ms)


def ask(ward: Ward, verb: str, alarm: int | None = None, **body: object) -> str:
    ward._commands += 1
    name = f"c-{ward._commands}"
    number = None if alarm is None else str(alarm)
    ward._desk.command(name, verb, person="technician", alarm=number, body=dict(body))
    ward.settle()
    return ward.alarms.outcome(name) or ""


def of_kind(ward: Ward, kind: str) -> list[Alarm]:
    return [a for a in ward.alarms.alarms() if a.kind == kind]


# --- silence


def test_silence_that_begins_beyond_a_limit_is_critical_at_once(ward: Ward) -> None:
    """Two intervals, not five minutes; the gateway need not be known to be well first."""
    fridges(ward, 3)
    ward.at("08:30").temperature("vte-br-02", 7.5).run_until("08:32")
    ward.silence("vte-br-02").run_until("08:33")
    assert of_kind(ward, "silence") == []
    ward.run_until("08:33:10")
    (alarm,) = of_kind(ward, "silence")
    assert (alarm.appliance, alarm.severity) == ("vte-br-02", "critical")
    ward.phone("technician").expect_sms("vte-br-02 SILENT", "was 7.5C")


def test_what_was_beyond_a_limit_does_not_wait_for_its_gateway_to_be_cleared(ward: Ward) -> None:
    fridges(ward, 3)
    ward.at("08:30").temperature("vte-br-02", 7.5).run_until("08:32")
    ward.silence().run_until("08:33:10")
    assert [(a.scope, a.appliance) for a in of_kind(ward, "silence")] == [("appliance", "vte-br-02")]
    ward.run_until("08:40")
    assert {a.scope for a in of_kind(ward, "silence")} == {"appliance", "gateway"}


def test_a_load_probe_that_falls_silent_in_range_is_a_warning_until_all_are_silent(ward: Ward) -> None:
    ward.gateway("gw-vte")
    ward.fridge("vte-br-02", probes=2)
    ward.fridge("vte-br-01")
    ward.fridge("vte-br-03")
    for name in ("vte-br-01", "vte-br-03", "vte-br-02/load", "vte-br-02/load-2"):
        ward.temperature(name, 4.0)
    ward.at("08:30").silence("vte-br-02/load").run_until("08:40")
    (alarm,) = of_kind(ward, "silence")
    assert (alarm.appliance, alarm.severity) == ("vte-br-02", "warning")
    ward.silence("vte-br-02/load-2").run_until("08:50")
    (alarm,) = of_kind(ward, "silence")
    assert alarm.severity == "critical", "the same alarm, worse"


def test_a_record_that_proves_silence_needs_no_five_minutes(ward: Ward) -> None:
    """Alerts was away for half an hour; a fridge fell silent meanwhile, and others are heard all along."""
    fridges(ward, 3)
    ward.run_until("08:30")
    ward.service.close()
    for minute in range(30):
        ward.now_ms = instant("08:30") + minute * MINUTE
        names = ["vte-br-01/load", "vte-br-03/load"] + (["vte-br-02/load"] if minute < 10 else [])
        ward._record([(ward.now_ms, name, 4.0) for name in names])
    ward.silence("vte-br-02")
    ward.now_ms = instant("09:00")
    ward.service = ward._new_service()
    ward.run_until("09:00:30")
    (alarm,) = of_kind(ward, "silence")
    assert (alarm.appliance, alarm.since_ms) == ("vte-br-02", instant("08:39"))


def test_a_hub_that_was_away_proves_nothing(ward: Ward) -> None:
    """Nothing was recorded for half an hour: who comes back first does not make the others silent."""
    fridges(ward, 3)
    ward.run_until("08:30")
    ward.now_ms = instant("09:00")
    ward.restart_alerts()
    ward.silence("vte-br-02").run_until("09:04")
    assert of_kind(ward, "silence") == []
    ward.run_until("09:12")
    assert [a.appliance for a in of_kind(ward, "silence")] == ["vte-br-02"]


# --- what gateways say


def test_our_own_backlog_is_called_a_backlog(ward: Ward) -> None:
    fridges(ward, 3)
    ward.at("08:30").silence()
    for minute in range(31, 41):
        ward.run_until(f"08:{minute}")
        says(ward, pending=400, oldest_ms=instant("08:30"))
    assert of_kind(ward, "silence") == []
    (alarm,) = of_kind(ward, "backlog")
    assert (alarm.scope, alarm.appliance, alarm.severity) == ("gateway", "gw-vte", "warning")
    for minute in range(41, 60, 3):
        says(ward, pending=900, oldest_ms=instant("08:30"))
        ward.run_until(f"08:{minute}")
    says(ward, pending=900, oldest_ms=instant("08:30"))
    ward.run_until("09:01")
    assert of_kind(ward, "backlog")[0].severity == "critical", "half an hour late is as bad as silence"
    for n in (1, 2, 3):
        ward.temperature(f"vte-br-0{n}", 4.0)
    says(ward)
    ward.run_until("09:05")
    assert [a.state for a in of_kind(ward, "backlog")] == ["closed"], "nobody had to clear it"


def test_a_gateway_that_says_nothing_is_silent(ward: Ward) -> None:
    """Its last word about a backlog is too old to count."""
    fridges(ward, 3)
    ward.at("08:30").silence()
    says(ward, pending=400, oldest_ms=instant("08:20"))
    ward.run_until("08:40")
    assert not any(a.standing for a in of_kind(ward, "backlog"))
    assert [a.scope for a in of_kind(ward, "silence")] == ["gateway"]


def gap(number: int, readings: int, at: str) -> Gap:
    return Gap(number, "n-1", 1, 10, 20, readings, "disk-full", instant(at), instant(at) + MINUTE)


def test_loss_is_loud_once_and_clears_when_it_is_acknowledged(ward: Ward) -> None:
    fridges(ward, 2)
    ward.run_until("08:10")
    says(ward, gaps=(gap(1, 120, "08:05"),))
    ward.run_until("08:11")
    ward.phone("technician").expect_sms("READINGS LOST")
    says(ward, gaps=(gap(1, 120, "08:05"), gap(2, 30, "08:11")))
    ward.run_until("08:12")
    ward.phone("technician").expect_nothing()
    (alarm,) = of_kind(ward, "loss")
    lost = [e.detail for e in ward.alarms.events(alarm.id) if e.event == "lost"]
    assert lost == ["120 readings of n-1: disk-full", "30 readings of n-1: disk-full"]
    ward.restart_alerts()
    ward.run_until("08:13")
    assert len(of_kind(ward, "loss")) == 1, "counted once, also over a restart"
    ward.acknowledge(alarm.number)
    ward.run_until("08:14")
    assert [a.state for a in of_kind(ward, "loss")] == ["closed"]


def test_an_old_loss_that_is_first_seen_now_wakes_nobody(ward: Ward) -> None:
    fridges(ward, 2)
    says(ward, gaps=(gap(1, 120, "-2 08:05"),))
    with_old = "UPDATE gap SET arrived_ms = arrived_ms - 172800000"
    ward.journal.db.execute(with_old)
    ward.run_until("08:10")
    assert of_kind(ward, "loss") == []


# --- people put things aside


def test_a_door_held_open_on_purpose_and_forgotten(ward: Ward) -> None:
    fridges(ward, 2)
    ward.at("08:30").temperature("vte-br-01", 8.0).run_until("08:37")
    (alarm,) = of_kind(ward, "high")
    said = ask(ward, "shelve", alarm.number, minutes="20", reason="restocking", person="x")
    assert said.startswith(f"applied: alarm {alarm.number} is shelved until 2026-03-01T08:57")
    ward.phone("technician").forget()
    ward.run_until("08:50")
    ward.phone("technician").expect_nothing()
    ward.run_until("08:58")
    ward.phone("technician").expect_sms("vte-br-01 8.0C over 6.0C")


def test_a_fridge_under_repair_rings_nobody_and_comes_back_through_the_gate(ward: Ward) -> None:
    ward.gateway("gw-vte")
    ward.fridge("vte-br-02")
    ward.fridge("vte-tb-01", "red-cells-transport@eu")
    ward.temperature("vte-br-02", 4.0).temperature("vte-tb-01", 4.0)
    ward.run_until("08:20")
    refused = ask(ward, "out_of_service", appliance="vte-tb-01", reason="lid broken")
    assert "say where its blood is" in refused
    said = ask(ward, "out_of_service", appliance="vte-tb-01", reason="lid broken", to="vte-br-02")
    assert said.startswith("applied")
    ward.temperature("vte-tb-01", 14.0).run_until("08:40")
    ward.phone("technician").expect_nothing()
    assert ward.alarms.excursions(appliance="vte-tb-01"), "it is recorded"
    ward.temperature("vte-tb-01", 4.0).run_until("09:10")
    assert "has held its range for 0 h 30 min of 1 h 00 min" in ask(
        ward, "return_to_service", appliance="vte-tb-01"
    )
    ward.run_until("09:41")
    assert ask(ward, "return_to_service", appliance="vte-tb-01").startswith("applied")
    ward.temperature("vte-tb-01", 14.0).run_until("09:50")
    ward.phone("technician").expect_sms("vte-tb-01 14.0C over")


def test_commands_that_cannot_be_done_say_why(ward: Ward) -> None:
    ward.fridge("vte-br-01")
    ward.temperature("vte-br-01", 8.0).run_until("08:07")
    assert ask(ward, "shelve", 9, minutes="10", reason="x") == "refused: there is no alarm 9"
    assert "say why" in ask(ward, "shelve", 1, minutes="10")
    assert "no number of minutes" in ask(ward, "shelve", 1, minutes="ten", reason="x")
    assert "not shelved" in ask(ward, "unshelve", 1)
    assert "stands" in ask(ward, "dispose", 1, what="keep")
    assert "no appliance" in ask(ward, "out_of_service", appliance="x", reason="y")
    assert "not out of service" in ask(ward, "return_to_service", appliance="vte-br-01")
