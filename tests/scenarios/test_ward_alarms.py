# SPDX-License-Identifier: Apache-2.0
"""What people on a ward live through, told from their side: the phone, and what the book says."""

from pathlib import Path

import pytest
from ward import Ward, instant

from coldchain.ports.notifier import Delivery


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path)


def test_a_door_left_open_reaches_the_technician(ward: Ward) -> None:
    """One SMS when the on-delay has passed, one when it is over; none in between."""
    ward.fridge("vte-br-03")
    ward.at("09:00").temperature("vte-br-03", 4.0)
    ward.at("09:10").temperature("vte-br-03", 7.2)

    ward.run_until("09:14")
    ward.phone("technician").expect_nothing()

    ward.run_until("09:15:10")
    text = ward.phone("technician").expect_sms("vte-br-03 7.2C over 6.0C", "since 16:10", "Reply OK ")
    assert len(text) <= 160

    ward.at("09:40").temperature("vte-br-03", 4.5)
    ward.phone("technician").expect_nothing()
    ward.run_until("10:30")
    ward.phone("technician").expect_sms("vte-br-03 back in range", "after 30 min", "peak 7.2C", "Alarm 1")
    ward.phone("technician").expect_nothing()
    assert ward.alarms.alarms()[0].state == "returned"


def test_an_acknowledged_alarm_that_returns_waits_for_a_disposition(ward: Ward) -> None:
    ward.fridge("vte-br-03")
    ward.at("09:00").temperature("vte-br-03", 8.0)
    ward.run_until("09:10")
    ward.acknowledge(1)
    assert ward.alarms.alarms()[0].state == "acknowledged"
    ward.temperature("vte-br-03", 4.0).run_until("09:20")
    assert ward.alarms.alarms()[0].state == "disposition_due", "a limit of the product was passed"
    events = [e.event for e in ward.alarms.events(ward.alarms.alarms()[0].id) if e.event != "cause"]
    assert events == ["raised", "acknowledged", "returned"]


def test_a_command_counts_once(ward: Ward) -> None:
    ward.fridge("vte-br-03")
    ward.at("09:00").temperature("vte-br-03", 8.0).run_until("09:10")
    ward.acknowledge(1)
    ward.restart_alerts()
    ward.settle()
    events = [e.event for e in ward.alarms.events(ward.alarms.alarms()[0].id)]
    assert events.count("acknowledged") == 1


def test_too_cold_is_an_alarm_of_its_own(ward: Ward) -> None:
    ward.fridge("vte-br-03")
    ward.at("09:00").temperature("vte-br-03", 1.2).run_until("09:06")
    ward.phone("technician").expect_sms("1.2C under 2.0C")


def test_a_broken_probe_is_no_warm_fridge(ward: Ward) -> None:
    """-127 and 85 are codes: a sensor fault, after as long as silence is borne; no temperature alarm."""
    ward.fridge("vte-br-03")
    ward.at("09:00").temperature("vte-br-03", 4.0)
    ward.at("09:10").temperature("vte-br-03", -127.0)
    ward.at("09:12").temperature("vte-br-03", 85.0)
    ward.run_until("09:14")
    ward.phone("technician").expect_nothing()
    ward.run_until("09:16")
    ward.phone("technician").expect_sms("PROBE FAULT", "since 16:10")
    ward.temperature("vte-br-03", 4.1).run_until("09:20")
    ward.phone("technician").expect_sms("measures again")
    assert ward.alarms.excursions() == []
    assert [a.state for a in ward.alarms.alarms()] == ["closed"]


def test_a_broken_probe_hides_no_warm_fridge(ward: Ward) -> None:
    ward.fridge("vte-br-03")
    ward.at("09:00").temperature("vte-br-03", 9.0)
    ward.at("09:03").temperature("vte-br-03", None)
    ward.at("09:05").temperature("vte-br-03", 9.0).run_until("09:06")
    ward.phone("technician").expect_sms("9.0C over 6.0C", "for 5 min")


def test_one_silent_fridge_is_told_with_its_last_value(ward: Ward) -> None:
    for n in (1, 2, 3):
        ward.fridge(f"vte-br-0{n}")
    for n in (1, 2, 3):
        ward.temperature(f"vte-br-0{n}", 4.0)
    ward.at("09:00").silence("vte-br-02")
    ward.run_until("09:03:50")
    ward.phone("technician").expect_nothing()
    ward.run_until("09:10")
    ward.phone("technician").expect_sms("vte-br-02 SILENT since 15:59", "was 4.0C")
    ward.phone("technician").expect_nothing()
    ward.temperature("vte-br-02", 4.2).run_until("09:12")
    ward.phone("technician").expect_sms("vte-br-02 reports again")


def test_a_silent_gateway_is_one_message(ward: Ward) -> None:
    ward.gateway("gw-vte")
    for n in range(6):
        ward.fridge(f"vte-br-0{n}")
        ward.temperature(f"vte-br-0{n}", 4.0)
    ward.at("09:00").silence()
    ward.run_until("09:30")
    ward.phone("technician").expect_sms("gw-vte SILENT since 15:59", "6 appliances")
    ward.phone("technician").expect_nothing()
    ward.temperature("vte-br-00", 4.0).run_until("09:32")
    ward.phone("technician").expect_sms("gw-vte reports again")
    for n in range(1, 6):
        ward.temperature(f"vte-br-0{n}", 4.0)
    ward.run_until("09:50")
    ward.phone("technician").expect_nothing()


def test_after_a_gateway_returns_a_fridge_that_does_not_is_told(ward: Ward) -> None:
    ward.gateway("gw-vte")
    for n in range(3):
        ward.fridge(f"vte-br-0{n}")
        ward.temperature(f"vte-br-0{n}", 4.0)
    ward.at("09:00").silence()
    ward.at("09:30").temperature("vte-br-00", 4.0).temperature("vte-br-01", 4.0)
    ward.run_until("09:31")
    ward.phone("technician").expect_sms("gw-vte SILENT")
    ward.phone("technician").expect_sms("gw-vte reports again")
    ward.run_until("09:40")
    ward.phone("technician").expect_sms("vte-br-02 SILENT")


def test_a_sensor_that_never_reported_is_not_silent(ward: Ward) -> None:
    ward.fridge("vte-br-01")
    ward.run_until("12:00")
    ward.phone("technician").expect_nothing()


def test_backfill_is_recorded_quietly(ward: Ward) -> None:
    """Hours late, and over since: an excursion for the report, nothing for the phone."""
    ward.fridge("vte-br-01")
    ward.at("12:00").late("vte-br-01", {f"09:{m:02d}": 8.0 if 10 <= m < 30 else 4.0 for m in range(60)})
    ward.run_until("12:01")
    ward.phone("technician").expect_nothing()
    (found,) = ward.alarms.excursions()
    assert (found.kind, found.peak, found.retrospective, found.alarm) == ("high", 8000, True, None)
    assert ward.alarms.alarms() == []


def test_backfill_that_is_still_true_wakes_somebody(ward: Ward) -> None:
    ward.fridge("vte-br-01")
    ward.at("12:00").late("vte-br-01", {f"11:{m:02d}": 8.0 for m in range(30)})
    ward.phone("technician").expect_nothing()
    ward.temperature("vte-br-01", 8.1).run_until("12:01")
    ward.phone("technician").expect_sms("8.1C over 6.0C", "since 18:00")


def test_live_data_first_then_backfill_gives_the_same_excursions(ward: Ward) -> None:
    """After an outage: the gateway sends what is now, then what was."""
    ward.fridge("vte-br-01")
    ward.temperature("vte-br-01", 4.0)
    ward.at("09:00").silence("vte-br-01")
    ward.at("11:00").temperature("vte-br-01", 4.0).run_until("11:05")
    ward.late("vte-br-01", {f"09:{m:02d}": 4.0 for m in range(60)})
    ward.run_until("11:06")
    ward.late("vte-br-01", {f"10:{m:02d}": 9.0 if m < 20 else 4.0 for m in range(60)})
    ward.run_until("11:20")
    (found,) = ward.alarms.excursions()
    assert found.retrospective
    assert found.ended_ms is not None
    # The first reading of a fall of five degrees is doubted; the second bears it out.
    assert (found.ended_ms - found.started_ms) == 21 * 60_000
    told = [a.kind for a in ward.alarms.alarms()]
    assert told == ["silence"]


def test_late_readings_that_end_a_live_alarm_do_not_withdraw_it(ward: Ward) -> None:
    """Raised over a gap; what fills the gap says that it was two short openings: it returns, openly."""
    ward.fridge("vte-br-01")
    ward.at("09:00").temperature("vte-br-01", 7.0).run_until("09:02")
    ward.silence("vte-br-01").run_until("09:05:30")
    ward.phone("technician").expect_sms("SILENT", "was 7.0C")
    ward.temperature("vte-br-01", 7.0).run_until("09:08")
    ward.phone("technician").expect_sms("7.0C over 6.0C")
    ward.phone("technician").expect_sms("reports again")
    ward.late("vte-br-01", {"09:02": 4.0, "09:03": 4.0, "09:04": 4.0, "09:05": 4.0, "09:06": 4.0})
    ward.run_until("09:09")
    told = ward.phone("technician").expect_sms("back in range")
    assert "after 0 s" not in told, told
    (alarm,) = [a for a in ward.alarms.alarms() if a.kind == "high"]
    assert alarm.returned_ms == instant("09:08"), "the newest reading is the first to say so"
    assert ward.alarms.excursions() == []
    assert [a.state for a in ward.alarms.alarms() if a.kind == "high"] == ["returned"]


def test_a_clock_in_the_future_counts_as_now(ward: Ward) -> None:
    ward.fridge("vte-br-01")
    ward.temperature("vte-br-01", 4.0).run_until("09:00")
    ward.late("vte-br-01", {"+1 03:00": 5.0})
    ward.temperature("vte-br-01", 8.0).run_until("09:10")
    ward.phone("technician").expect_sms("8.0C over 6.0C", "since 16:00")


def test_two_probes_of_one_fridge_are_one_alarm(ward: Ward) -> None:
    ward.fridge("vte-br-01", probes=2)
    ward.temperature("vte-br-01/load", 8.0).temperature("vte-br-01/load-2", 8.0).run_until("08:10")
    ward.phone("technician").expect_sms("vte-br-01 8.0C")
    ward.temperature("vte-br-01/load", 4.0).run_until("08:20")
    ward.phone("technician").expect_nothing()
    ward.temperature("vte-br-01/load-2", 4.0).run_until("08:30")
    ward.phone("technician").expect_sms("back in range")
    assert len(ward.alarms.alarms()) == 1
    assert len(ward.alarms.excursions()) == 2


def test_another_profile_from_its_date(ward: Ward) -> None:
    """The box carries platelets from 10:00: 22 degrees is right from then on."""
    ward.fridge("vte-mb-01", "platelets@eu")
    ward.temperature("vte-mb-01", 22.0).run_until("09:00")
    ward.carries("vte-mb-01", "red-cells@eu", "10:00")
    ward.run_until("10:04")
    ward.phone("technician").expect_nothing()
    ward.run_until("10:06")
    ward.phone("technician").expect_sms("22.0C over 6.0C", "since 17:00")


def test_an_empty_fridge_wakes_nobody(ward: Ward) -> None:
    ward.fridge("vte-br-01")
    ward.carries("vte-br-01", "empty", "08:00")
    ward.temperature("vte-br-01", 15.0).run_until("09:00")
    ward.temperature("vte-br-01", None).run_until("09:30")
    ward.silence("vte-br-01").run_until("10:00")
    ward.phone("technician").expect_nothing()


def test_an_alarm_of_what_left_the_registry_returns(ward: Ward) -> None:
    ward.fridge("vte-br-01")
    ward.temperature("vte-br-01", 9.0).run_until("08:10")
    ward.phone("technician").expect_sms("9.0C over 6.0C")
    ward.silence("vte-br-01")
    ward.remove("vte-br-01")
    ward.run_until("08:30")
    ward.phone("technician").expect_sms("vte-br-01 is no longer monitored")
    ward.phone("technician").expect_nothing()
    assert [e.detail for e in ward.alarms.events(ward.alarms.alarms()[0].id)][
        -1
    ] == "no longer in the registry"


def test_many_alarms_of_a_site_are_one_message(ward: Ward) -> None:
    for n in range(8):
        ward.fridge(f"vte-br-0{n}")
        ward.temperature(f"vte-br-0{n}", 9.0)
    ward.run_until("08:10")
    ward.phone("technician").expect_sms("8 alarms at Vientiane", "vte-br-00", "vte-br-07", "Reply ALL ")
    ward.phone("technician").expect_nothing()
    assert {n.state for n in ward.alarms.notices()} == {"sent"}


def test_a_dead_number_holds_up_nobody(ward: Ward) -> None:
    ward.person("boss", "+8562000000009", role="on-call")
    ward.phones.dead = {"+8562000000001"}
    ward.fridge("vte-br-01")
    ward.temperature("vte-br-01", 9.0).run_until("08:06")
    ward.phone("boss").expect_sms("vte-br-01 9.0C")
    ward.phone("technician").expect_nothing()
    ward.phones.dead = set()
    ward.run_until("08:08")
    ward.phone("technician").expect_sms("vte-br-01 9.0C")


def test_what_was_never_tried_goes_before_what_failed(ward: Ward) -> None:
    ward.phones.dead = {"+8562000000001"}
    ward.person("boss", "+8562000000009", role="on-call")
    ward.fridge("vte-br-01")
    ward.fridge("vte-br-02")
    ward.temperature("vte-br-01", 9.0).temperature("vte-br-02", 4.0)
    ward.at("08:02").temperature("vte-br-02", 9.0).run_until("08:06:50")
    before = len(ward.phones.order)
    ward.now_ms = instant("08:08")  # busy meanwhile: the failed one is due again, too
    ward.run_until("08:08:10")
    assert [text[:9] for text in ward.phones.order[before:]][:2] == ["vte-br-02"] * 2


def test_an_unanswered_try_is_repeated_but_not_for_ever(ward: Ward) -> None:
    ward.phones.answers.extend([Delivery.UNKNOWN] * 10)
    ward.fridge("vte-br-01")
    ward.temperature("vte-br-01", 9.0).run_until("08:20")
    assert ward.phones.tries == 3
    assert [n.state for n in ward.alarms.notices()] == ["given_up"]


@pytest.mark.parametrize("every_min", [1, 3, 7])
def test_kills_double_nothing_and_lose_nothing(ward: Ward, every_min: int) -> None:
    """Alerts is killed again and again; the phone rings exactly as it would have."""
    ward.fridge("vte-br-01")
    ward.fridge("vte-br-02")
    story = {"08:00": 4.0, "08:10": 8.0, "08:31": 4.0, "08:40": 4.0, "08:50": 1.0, "09:10": 4.0}
    for minute in range(90):
        clock = f"{8 + minute // 60:02d}:{minute % 60:02d}"
        ward.at(clock)
        if clock in story:
            ward.temperature("vte-br-01", story[clock])
        if minute % every_min == 0:
            ward.restart_alerts()
    ward.run_until("09:30")
    phone = ward.phone("technician")
    phone.expect_sms("8.0C over 6.0C")
    phone.expect_sms("back in range", "peak 8.0C")
    phone.expect_sms("1.0C under 2.0C")
    phone.expect_sms("back in range", "peak 1.0C")
    phone.expect_nothing()
    assert [(e.kind, e.peak) for e in ward.alarms.excursions()] == [("high", 8000), ("low", 1000)]
