# SPDX-License-Identifier: Apache-2.0
"""The phone rings until a person has answered: told from the ward, on a clock of its own.

UTC+7 in Vientiane: 02:00 of the story is 09:00 there.
"""

from pathlib import Path

import pytest
from night import BOSS, SECOND, code_in, events, night_ward, state, warm
from ward import Ward, instant

from alerts.answers.codes import WRONG_MAX
from alerts.notices.heard import keep_heard
from coldchain.ports.notifier import Kind
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.sql import open_reader


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return night_ward(tmp_path)


# --- P5: unanswered means the next step, on time


def test_unanswered_it_climbs_on_time_and_repeats_wider_not_faster(ward: Ward) -> None:
    warm(ward)
    technician, boss, manager = (ward.phone(n) for n in ("technician", "boss", "manager"))
    ward.run_until("09:07:50")
    technician.expect_nothing()
    ward.run_until("09:08:10")
    technician.expect_sms("9.0C over 6.0C for 8 min")
    technician.expect_ring()
    boss.expect_nothing()
    ward.run_until("09:24:50")
    boss.expect_nothing()
    ward.run_until("09:25:20")
    boss.expect_sms("vte-br-03", "for 25 min")
    boss.expect_ring()
    technician.expect_sms("for 15 min")
    technician.expect_sms("for 25 min")
    manager.expect_nothing()
    ward.run_until("09:50:20")
    manager.expect_sms("vte-br-03", "for 50 min")
    for phone in (technician, boss, manager):
        phone.forget()
    ward.run_until("10:19:50")
    for phone in (technician, boss, manager):
        phone.expect_nothing()
    ward.run_until("10:20:30")
    ward.run_until("10:50:30")
    for phone in (technician, boss, manager):
        phone.expect_sms("for 80 min")
        phone.expect_sms("for 1 h 50")
        phone.expect_nothing()


def test_the_chain_outlives_restarts_and_an_outage_brings_no_burst(ward: Ward) -> None:
    warm(ward)
    ward.run_until("09:07")
    ward.restart_alerts()
    ward.run_until("09:08:20")
    ward.phone("technician").expect_sms("for 8 min")
    ward.now_ms = instant("10:30")  # the hub was off
    ward.restart_alerts()
    ward.run_until("10:31")
    told = len(ward.phone("boss").inbox) + len(ward.phone("manager").inbox)
    assert told == 0, "one step at once, the second person's, then its own delays"
    ward.phone("technician").expect_sms("vte-br-03")
    ward.phone("technician").expect_nothing()
    ward.run_until("10:41")
    ward.phone("boss").expect_sms("vte-br-03")


def test_one_missed_call_is_not_an_hour_of_silence(ward: Ward) -> None:
    """The same person is tried again, before and beside the next."""
    warm(ward)
    ward.run_until("09:26")
    assert len(ward.phone("technician").inbox) == 3
    assert ward.phone("technician").rings == 3


# --- P6: only an authorised, fresh answer stops it, for one alarm


def test_an_answer_stops_one_alarm_and_is_answered(ward: Ward) -> None:
    ward.fridge("vte-br-04")
    first = warm(ward)
    ward.temperature("vte-br-04", 9.5).run_until("09:11:30")
    ward.phone("technician").expect_sms("vte-br-03")
    second = ward.phone("technician").expect_sms("vte-br-04")
    assert code_in(first) != code_in(second)
    ward.phone("technician").forget()
    ward.phone("technician").replies(f"ok {code_in(first)}")
    ward.run_until("09:12")
    ward.phone("technician").expect_sms("Thank you, vte-br-03 is yours", "16:41")
    assert [state(ward, 1), state(ward, 2)] == ["acknowledged", "unacknowledged"]
    ward.run_until("09:15")
    ward.phone("technician").expect_sms("vte-br-04")
    ward.phone("technician").expect_nothing()
    assert ward.alarms.alarm(1).acknowledged_by == "technician"


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("ok", "Reply OK, a space and the code"),
        ("ok 1", "Reply OK, a space and the code"),
        ("ok 123456", "Wrong code"),
        ("what is this", "Not understood"),
        ("ok {code} 771234", "one code in each message"),
    ],
)
def test_what_is_no_answer_changes_nothing_and_is_answered(ward: Ward, text: str, reply: str) -> None:
    code = code_in(warm(ward))
    ward.phone("technician").replies(text.format(code=code))
    ward.run_until("09:06")
    ward.phone("technician").expect_sms(reply)
    assert state(ward) == "unacknowledged"
    ward.run_until("09:08:20")
    ward.phone("technician").expect_sms("for 8 min", code)


def test_a_code_is_used_once(ward: Ward) -> None:
    code = code_in(warm(ward))
    technician = ward.phone("technician")
    technician.replies(f"OK {code}")
    ward.run_until("09:06")
    technician.expect_sms("is yours")
    technician.replies(f"OK {code}")
    ward.run_until("09:07")
    technician.expect_sms("vte-br-03 was taken by technician at 16:0")
    assert events(ward).count("acknowledged") == 1


def test_somebody_else_s_code_does_nothing(ward: Ward) -> None:
    code = code_in(warm(ward))
    ward.phone("boss").replies(f"ok {code}")
    ward.run_until("09:06")
    ward.phone("boss").expect_sms("sent to another telephone")
    assert state(ward) == "unacknowledged"


def test_an_unknown_caller_is_told_nothing_worth_knowing(ward: Ward) -> None:
    code = code_in(warm(ward))
    stranger = ward.phones.phone("+8562099999999")
    stranger.replies("vte-br-03?")
    stranger.calls()
    stranger.replies("ok 123456")
    ward.run_until("09:06")
    stranger.expect_nothing()
    stranger.replies(f"ok {code}")
    ward.run_until("09:07")
    stranger.expect_sms("another telephone")
    stranger.replies(f"ok {code}")
    ward.run_until("09:07:30")
    stranger.expect_nothing()
    assert state(ward) == "unacknowledged"
    ward.run_until("09:08:20")
    ward.phone("technician").expect_sms("for 8 min")


def test_guessing_is_stopped_and_said(ward: Ward) -> None:
    code = code_in(warm(ward))
    technician = ward.phone("technician")
    for n in range(5):
        technician.replies(f"ok {100_000 + n}")
    ward.run_until("09:06")
    for _ in range(4):
        technician.expect_sms("Wrong code")
    technician.expect_sms("Too many wrong codes")
    technician.replies(f"ok {code}")
    ward.run_until("09:07")
    technician.expect_nothing()
    assert state(ward) == "unacknowledged", (
        "the right one counts no more than a guess, for a quarter of an hour"
    )
    ward.run_until("09:21")
    technician.forget()
    technician.replies(f"ok {code}")
    ward.run_until("09:22")
    technician.expect_sms("is yours")


def test_the_same_sms_read_twice_counts_once(ward: Ward) -> None:
    """A crash between writing it down and deleting it from the SIM."""
    code = code_in(warm(ward))
    ward.phone("technician").replies(f"ok {code}")
    heard = ward.phones.hear(0.0)
    keep_heard(ward.outbox._db, heard, ward.now_ms)
    ward.restart_alerts()
    ward.run_until("09:07")
    ward.phone("technician").expect_sms("is yours")
    ward.phone("technician").expect_nothing()
    assert events(ward).count("acknowledged") == 1


def test_who_answers_while_a_step_is_waiting_is_not_called_again(ward: Ward) -> None:
    """What has not left when somebody answers need not leave."""
    ward.phones.dead = {BOSS}
    warm(ward)
    ward.run_until("09:26")
    ward.acknowledge(1, "technician")
    ward.phones.dead = set()
    ward.run_until("09:30")
    ward.phone("boss").expect_nothing()
    assert {n.state for n in ward.alarms.notices() if n.person == "boss" and n.channel == "sms"} == {
        "cancelled"
    }


# --- an answer must come true


def test_an_answer_lapses_where_nothing_bends(ward: Ward) -> None:
    code = code_in(warm(ward))
    ward.phone("technician").replies(f"ok {code}")
    ward.run_until("09:35:10")
    ward.phone("technician").expect_sms("is yours")
    ward.phone("boss").expect_nothing()
    assert state(ward) == "acknowledged"
    ward.run_until("09:36")
    assert state(ward) == "unacknowledged"
    text = ward.phone("technician").expect_sms("OPEN AGAIN", "9.0C", "limit 6.0C", "16:05")
    assert code_in(text) != code, "a code is used once"
    assert events(ward) == ["raised", "acknowledged", "lapsed", "escalated"]
    ward.run_until("09:44")
    ward.run_until("10:06")
    ward.phone("boss").expect_sms("vte-br-03")


def test_door_closed_is_believed_until_it_should_have_helped(ward: Ward) -> None:
    code = code_in(warm(ward))
    ward.phone("technician").replies(f"ok {code} door")
    ward.run_until("09:20")
    assert state(ward) == "acknowledged"
    ward.run_until("09:21")
    assert state(ward) == "unacknowledged", "a quarter of an hour, and no colder"


def test_a_door_that_was_closed_needs_no_more(ward: Ward) -> None:
    code = code_in(warm(ward))
    ward.phone("technician").replies(f"ok {code} door")
    ward.at("09:10").temperature("vte-br-03", 7.5).run_until("09:45")
    assert state(ward) == "acknowledged"
    assert "bending" in events(ward)
    ward.phone("technician").expect_sms("is yours")
    ward.temperature("vte-br-03", 4.0).run_until("09:50")
    assert state(ward) == "disposition_due"
    ward.phone("technician").expect_sms("back in range")
    ward.phone("boss").expect_nothing()


def test_recovery_and_reopening_are_told_to_those_who_were_told(ward: Ward) -> None:
    warm(ward)
    ward.run_until("09:26")
    for name in ("technician", "boss"):
        ward.phone(name).forget()
    ward.temperature("vte-br-03", 4.0).run_until("09:28")
    for name in ("technician", "boss"):
        ward.phone(name).expect_sms("back in range", "peak 9.0C")
    ward.phone("manager").expect_nothing()
    ward.temperature("vte-br-03", 8.0).run_until("09:33")
    ward.phone("technician").expect_sms("TOO LONG outside its limits within 24 h")
    ward.run_until("09:35")
    for name in ("technician", "boss"):
        ward.phone(name).expect_sms("8.0C over 6.0C")
    ward.phone("manager").expect_nothing()


def test_it_may_be_answered_in_any_state_and_stays_listed(ward: Ward) -> None:
    """After it has returned, too: then only the disposition is wanted."""
    code = code_in(warm(ward))
    ward.temperature("vte-br-03", 4.0).run_until("09:10")
    assert state(ward) == "returned"
    assert [a.number for a in ward.alarms.open_alarms()] == [1]
    ward.phone("technician").forget()
    ward.phone("technician").replies(f"ok {code}")
    ward.run_until("09:11")
    ward.phone("technician").expect_sms("alarm 1 is over")
    assert state(ward) == "disposition_due"


def test_passing_on_calls_the_next_step_at_once(ward: Ward) -> None:
    ward.person("second", SECOND, role="on-call")
    code = code_in(warm(ward))
    ward.phone("technician").replies(f"pass {code}")
    ward.run_until("09:05:40")
    ward.phone("technician").expect_sms("vte-br-03")
    assert "passed_on" in events(ward)


def test_all_of_mine_takes_what_i_was_told_and_no_more(ward: Ward) -> None:
    ward.fridge("vte-br-04")
    ward.fridge("vte-br-05")
    code = code_in(warm(ward))
    ward.temperature("vte-br-04", 9.0).run_until("09:11:30")
    ward.phone("technician").forget()
    ward.phone("technician").replies(f"ALL {code}")
    ward.run_until("09:12")
    ward.phone("technician").expect_sms("2 alarms are yours: vte-br-03, vte-br-04")
    ward.temperature("vte-br-05", 9.0).run_until("09:20")
    assert [state(ward, n) for n in (1, 2, 3)] == ["acknowledged", "acknowledged", "unacknowledged"]


def test_moved_blood_is_counted_where_it_is(ward: Ward) -> None:
    ward.fridge("vte-br-04")
    code = code_in(warm(ward))
    ward.phone("technician").replies(f"moved {code} 9")
    ward.run_until("09:06")
    ward.phone("technician").expect_sms("Moved where?")
    ward.phone("technician").replies(f"moved to 4 {code}")
    ward.run_until("09:07")
    ward.phone("technician").expect_sms("blood of vte-br-03 is in vte-br-04 since 16:0")
    db = open_reader(ward.settings.alarms_db, len(ALARMS_MIGRATIONS))
    rows = db.execute("SELECT source, target, person FROM moved").fetchall()
    assert rows == [("vte-br-03", "vte-br-04", "technician")]


def test_a_shared_duty_telephone_wants_a_signature(ward: Ward) -> None:
    ward.person("duty", "+8562000000005", shared=True)
    ward.person("ana", "+8562000000006", role="contractor", initials="AP")
    warm(ward)
    code = code_in(ward.phone("duty").expect_sms("vte-br-03"))
    ward.phone("duty").replies(f"ok {code}")
    ward.run_until("09:06")
    ward.phone("duty").expect_sms("add your initials")
    assert state(ward) == "unacknowledged"
    ward.phone("duty").replies(f"ok {code} ap")
    ward.run_until("09:07")
    ward.phone("duty").expect_sms("is yours")
    assert ward.alarms.alarm(1).acknowledged_by == "ana"


def test_guessing_at_pins_is_counted_where_it_comes_from(ward: Ward) -> None:
    """The network may hand up the sender in its national form: the lock is for that very sender."""
    ward.person("duty", "+8562000000005", shared=True)
    warm(ward)
    code = code_in(ward.phone("duty").expect_sms("vte-br-03"))
    for pin in range(1111, 1111 + WRONG_MAX + 1):
        ward.phones.incoming(Kind.SMS, "02000000005", f"ok {code} {pin}")
        ward.run_until(f"09:{6 + pin - 1111:02d}")
    db = open_reader(ward.settings.alarms_db, len(ALARMS_MIGRATIONS))
    last = db.execute("SELECT outcome FROM incoming ORDER BY rowid DESC LIMIT 1").fetchone()
    assert last == ("refused: too many wrong codes",)
