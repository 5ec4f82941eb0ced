# SPDX-License-Identifier: Apache-2.0
"""Time left and how near the limit came, warnings that turn critical, blood that is moved: from the ward.

UTC+7 in Vientiane: 02:00 of the story is 09:00 there.
"""

import re
from pathlib import Path

import pytest
from night import code_in, events, night_ward, state, warm
from ward import Ward, instant

from coldchain.records.duty import DEFAULTS


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return night_ward(tmp_path)


def climb(ward: Ward, start_c: float, k_min: float, minutes: int, *, sensor: str = "vte-br-03") -> None:
    """It warms or cools at that pace for so many minutes."""
    for minute in range(minutes):
        ward.temperature(sensor, round(start_c + k_min * (minute + 1), 3))
        hour, past = divmod(int((ward.now_ms // 60_000) % 1440) + 1, 60)
        ward.run_until(f"{hour:02d}:{past:02d}")


# --- time left


def test_a_forecast_says_how_long_it_has_and_its_end_how_near_it_came(ward: Ward) -> None:
    ward.run_until("09:00")
    climb(ward, 4.0, 0.012, 90)
    ward.phone("boss").replies("vte-br-03?")
    ward.run_until("10:30:30")
    ward.phone("boss").expect_sms("s ago: ALARM 1. ", " left.")
    text = ward.phone("technician").expect_sms("vte-br-03", "will pass 6.0C in ")
    left = re.search(r"in (?:(\d) h )?(\d+)", text)
    assert left, text
    assert 20 <= 60 * int(left[1] or 0) + int(left[2]) <= 120, text
    ward.phone("technician").forget()
    climb(ward, 5.08, -0.03, 40)
    ward.temperature("vte-br-03", 4.0).run_until("13:00")
    found = [text for text in ward.phone("technician").inbox if "the limit was" in text]
    assert found, list(ward.phone("technician").inbox)
    assert re.search(r"the limit was \d+ (min|h \d\d) away", found[0]), found
    assert all("peak" not in text for text in found)


def test_a_warning_says_the_time_left_and_turns_critical_by_the_critical_policy(ward: Ward) -> None:
    ward.run_until("09:00")
    climb(ward, 4.0, 0.02, 120)
    told = "\n".join(ward.phone("technician").inbox)
    assert "WARNING vte-br-03 5." in told, told
    warning = next(text for text in ward.phone("technician").inbox if "WARNING" in text)
    assert " left." in warning, "the limit itself is still ahead"
    ward.phone("boss").expect_nothing()
    before = ward.phone("technician").rings
    ward.temperature("vte-br-03", 6.6).run_until("11:30")
    critical = [text for text in ward.phone("technician").inbox if "over 6.0C" in text and "WARN" not in text]
    assert critical
    assert ward.phone("technician").rings > before, "now it rings"
    assert ward.phone("boss").inbox, "and climbs as what is critical does"
    foretold = [a for a in ward.alarms.alarms() if a.kind in ("forecast", "rate")]
    assert foretold
    assert {ward.alarms.standing(a.id).state for a in foretold} == {"ended"}, "one chain calls for a load"
    high = [a for a in ward.alarms.alarms() if a.kind == "high"]
    assert [(a.severity, a.state) for a in high] == [("critical", "unacknowledged")], "one alarm, worse"


def test_a_warning_that_returns_says_how_near_it_was(ward: Ward) -> None:
    ward.at("09:00").temperature("vte-br-03", 5.7).run_until("09:12")
    ward.phone("technician").expect_sms("WARNING vte-br-03 5.7C over 5.5C")
    ward.temperature("vte-br-03", 4.0).run_until("09:15")
    ward.phone("technician").expect_sms("back in range", "peak 5.7C, limit 6.0C")


# --- blood that is moved


def test_the_exposure_of_moved_blood_is_the_sum_over_its_places(ward: Ward) -> None:
    """Twelve minutes too warm in 3, then eighteen in 4: half an hour is what it may be."""
    ward.fridge("vte-br-04")
    ward.temperature("vte-br-04", 4.0)
    code = code_in(warm(ward))
    ward.run_until("09:12")
    ward.phone("technician").forget()
    ward.phone("technician").replies(f"moved {code} 4")
    ward.run_until("09:13:30")
    ward.phone("technician").expect_sms("blood of vte-br-03 is in vte-br-04 since 16:12")
    (clock,) = ward.alarms.moved(running=True)
    assert clock.before_ms == 756_000, "in 3, from where the line crossed 6 degrees at 08:59:24 to 09:12"
    assert clock.out_ms == clock.before_ms
    assert clock.allowed_ms == 30 * 60_000
    ward.run_until("09:30")
    assert ward.alarms.moved()[0].out_ms == clock.before_ms, "3 warms on without it"
    ward.phone("technician").replies(f"info {code}")
    ward.run_until("09:31")
    ward.phone("technician").expect_sms(
        "Blood of vte-br-03 in vte-br-04: 1", "min out of limits, 30 min allowed"
    )
    ward.temperature("vte-br-03", 4.0).temperature("vte-br-04", 9.0).run_until("09:45")
    assert not [a for a in ward.alarms.alarms() if a.kind == "exposure"]
    ward.run_until("09:52")
    (alarm,) = [a for a in ward.alarms.alarms() if a.kind == "exposure"]
    assert (alarm.appliance, alarm.severity) == ("vte-br-04", "critical")
    told = [text for text in ward.phone("technician").inbox if "Set it apart" in text]
    assert told
    assert "Blood of vte-br-03 in vte-br-04: 30 min out of limits, 30 min allowed" in told[0]
    (clock,) = ward.alarms.moved()
    assert clock.looked_ms - clock.out_ms + clock.before_ms == instant("09:30:24"), "in 4 from there to now"
    ward.phone("technician").replies(f"ok {code_in(told[0])}")
    ward.run_until("09:54")
    assert ward.alarms.alarm(alarm.number).state in ("closed", "disposition_due"), "to be told is all it asks"
    assert (clock.slid, clock.within_ms, clock.worst_ms) == (False, None, clock.out_ms)


def test_what_was_in_the_source_before_counts_with_the_worse_of_both(ward: Ward) -> None:
    """3 to 4 to 5: the clock of 5 holds all three."""
    for name in ("vte-br-04", "vte-br-05"):
        ward.fridge(name)
        ward.temperature(name, 4.0)
    code = code_in(warm(ward))
    ward.run_until("09:10")
    ward.phone("technician").replies(f"moved {code} 4")
    ward.run_until("09:12")
    first = ward.alarms.moved()[0].out_ms
    ward.temperature("vte-br-04", 9.0).run_until("09:20")
    ward.phone("technician").forget()
    second = next(n.text for n in ward.alarms.notices() if "vte-br-04 9.0C" in n.text)
    ward.phone("technician").replies(f"moved {code_in(second)} 5")
    ward.run_until("09:22")
    newest = ward.alarms.moved()[0]
    assert (newest.source, newest.target) == ("vte-br-04", "vte-br-05")
    assert first + 7 * 60_000 <= newest.before_ms <= first + 10 * 60_000


def test_a_restart_forgets_no_clock_and_a_day_ends_it(tmp_path: Path) -> None:
    ward = Ward(tmp_path, policies=DEFAULTS)
    for name in ("vte-br-03", "vte-br-04"):
        ward.fridge(name)
        ward.temperature(name, 4.0)
    ward.run_until("08:30")
    code = code_in(warm(ward))
    ward.phone("technician").replies(f"moved {code} 4")
    ward.run_until("09:08")
    was = ward.alarms.moved(running=True)[0].out_ms
    ward.restart_alerts()
    ward.run_until("09:12")
    assert ward.alarms.moved(running=True)[0].out_ms == was
    ward.silence()
    ward.now_ms += 86_400_000
    ward.restart_alerts()
    ward.run_until("+1 09:13")
    assert ward.alarms.moved(running=True) == []
    assert "acknowledged" in events(ward)
    assert state(ward)
