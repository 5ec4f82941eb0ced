# SPDX-License-Identifier: Apache-2.0
"""The phone rings until a person has answered: told from the ward, on a clock of its own.

UTC+7 in Vientiane: 02:00 of the story is 09:00 there.
"""

import re
from datetime import date, time
from pathlib import Path

import pytest
from ward import Ward, instant

from coldchain.ports.notifier import Delivery
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.duty import DEFAULTS, Hours, Rota
from coldchain.records.registry import Quiet
from coldchain.records.sql import open_reader

BOSS, MANAGER, SECOND = "+8562000000008", "+8562000000009", "+8562000000007"


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    """A technician on call, a supervisor, a manager; policies as built in; SMS and calls."""
    ward = Ward(tmp_path, policies=DEFAULTS, channels=("sms", "call"))
    ward.person("boss", BOSS, role="supervisor")
    ward.person("manager", MANAGER, role="manager")
    ward.fridge("vte-br-03")
    ward.temperature("vte-br-03", 4.0).run_until("08:30")
    return ward


def warm(ward: Ward, celsius: float = 9.0, *, until: str = "09:05:20", at: str = "09:00") -> str:
    """An alarm is raised five minutes after `at`; the technician's first message."""
    ward.at(at).temperature("vte-br-03", celsius).run_until(until)
    return ward.phone("technician").expect_sms("vte-br-03", f"{celsius}C over 6.0C")


def code_in(text: str) -> str:
    found = re.search(r"(?:OK|ALL) (\d{6})", text)
    assert found, text
    return found[1]


def state(ward: Ward, number: int = 1) -> str:
    alarm = ward.alarms.alarm(number)
    assert alarm is not None
    return alarm.state


def events(ward: Ward, number: int = 1) -> list[str]:
    alarm = ward.alarms.alarm(number)
    assert alarm is not None
    return [e.event for e in ward.alarms.events(alarm.id)]


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
    assert ward.alarms.alarm(1).acknowledged_by == "technician"  # type: ignore[union-attr]


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
    ward.outbox._keep(heard)
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
    assert state(ward) == "closed"
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
    ward.temperature("vte-br-03", 8.0).run_until("09:34")
    for name in ("technician", "boss"):
        ward.phone(name).expect_sms("8.0C over 6.0C")
    ward.phone("manager").expect_nothing()


def test_it_may_be_answered_in_any_state_and_stays_listed(ward: Ward) -> None:
    """After it has returned, too: the answer closes it."""
    code = code_in(warm(ward))
    ward.temperature("vte-br-03", 4.0).run_until("09:10")
    assert state(ward) == "returned"
    assert [a.number for a in ward.alarms.open_alarms()] == [1]
    ward.phone("technician").forget()
    ward.phone("technician").replies(f"ok {code}")
    ward.run_until("09:11")
    ward.phone("technician").expect_sms("alarm 1 is over")
    assert state(ward) == "closed"


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
    assert ward.alarms.alarm(1).acknowledged_by == "ana"  # type: ignore[union-attr]


# --- ringing back, asking


def test_a_missed_call_means_seen_once_and_never_answers(ward: Ward) -> None:
    warm(ward)
    ward.run_until("09:06")
    ward.phone("technician").calls()
    ward.phone("technician").calls()
    ward.run_until("09:17:50")
    ward.phone("technician").expect_nothing()
    assert state(ward) == "unacknowledged"
    ward.run_until("09:18:30")
    ward.phone("technician").expect_sms("for 18 min")


def test_asking_is_answered_with_value_age_and_state(ward: Ward) -> None:
    ward.phone("technician").replies("vte-br-03?")
    ward.run_until("08:31")
    ward.phone("technician").expect_sms("vte-br-03 4.0C", "in range")
    ward.phone("technician").replies("BR-03 ?")
    ward.phone("technician").replies("vte-br-99?")
    ward.run_until("08:32")
    ward.phone("technician").expect_sms("vte-br-03 4.0C")
    ward.phone("technician").expect_sms("There is no vte-br-99")
    warm(ward)
    ward.phone("technician").replies("vte-br-03?")
    ward.run_until("09:06")
    ward.phone("technician").expect_sms("9.0C", "ALARM 1")
    assert state(ward) == "unacknowledged"


# --- receipts, channels, numbers


def test_ok_without_a_report_moves_on_to_the_next_number_then_the_next_person(ward: Ward) -> None:
    """The carrier says OK and nothing arrives: a dead zone costs three minutes, not thirty."""
    ward.person("ana", "+8562000000001", numbers=("+8562000000002",))
    ward._publish(people=tuple(p for p in ward.registry.people if p.id != "technician"))
    ward.phones.reports = True
    ward.phones.swallowed = {"+8562000000001", "+8562000000002"}
    ward.at("09:00").temperature("vte-br-03", 9.0).run_until("09:05:20")

    def numbers() -> list[str]:
        return [n.address for n in reversed(ward.alarms.notices()) if n.channel == "sms" and n.step == 0]

    assert numbers() == ["+8562000000001"]
    ward.run_until("09:08:30")
    assert numbers() == ["+8562000000001", "+8562000000002"]
    ward.run_until("09:17:30")
    assert ward.phone("ana").rings, "then by voice"
    assert ward.phone("boss").inbox, "and the next person, before the twentieth minute"


def test_a_report_in_time_is_left_alone(ward: Ward) -> None:
    ward.phones.reports = True
    warm(ward)
    ward.run_until("09:07:50")
    ward.phone("technician").expect_nothing()
    db = open_reader(ward.settings.alarms_db, len(ALARMS_MIGRATIONS))
    assert [row[0] for row in db.execute("SELECT fate FROM delivery")] == ["delivered"]


def test_a_failed_channel_means_the_next_channel_not_a_wait(ward: Ward) -> None:
    """Refused for good by SMS: the call goes out at once."""
    ward.phones.answers.extend([Delivery.FAILED_FINAL])
    ward.at("09:00").temperature("vte-br-03", 9.0).run_until("09:05:40")
    ward.phone("technician").expect_nothing()
    ward.phone("technician").expect_ring()


def test_a_dead_telephone_holds_up_nobody(ward: Ward) -> None:
    ward.person("second", SECOND, role="on-call")
    ward.phones.dead = {"+8562000000001"}
    ward.at("09:00").temperature("vte-br-03", 9.0).run_until("09:05:20")
    ward.phone("second").expect_sms("vte-br-03")


# --- storms


def test_two_hundred_appliances_are_two_messages_in_ten_minutes(tmp_path: Path) -> None:
    ward = Ward(tmp_path, policies=DEFAULTS, channels=("sms", "call"))
    ward.person("boss", BOSS, role="supervisor")
    appliances = [f"vte-br-{n:03d}" for n in range(200)]
    for name in appliances:
        ward.fridge(name)
        ward.temperature(name, 9.0)
    ward.run_until("08:05:10")
    text = ward.phone("technician").expect_sms("200 alarms at Vientiane", "vte-br-000", "Reply ALL ")
    ward.run_until("08:14:50")
    received = 1 + len(ward.phone("technician").inbox)
    assert received <= 2
    assert ward.phone("technician").rings <= 2
    ward.phone("technician").forget()
    ward.phone("technician").replies(text[text.rindex("ALL") :])
    ward.run_until("08:16")
    ward.phone("technician").expect_sms("200 alarms are yours")
    assert {a.state for a in ward.alarms.alarms(300)} == {"acknowledged"}
    for name in appliances:
        ward.temperature(name, 4.0)
    ward.run_until("08:40")
    over = list(ward.phone("technician").inbox)
    assert len(over) <= 2, over
    assert "200 alarms over" in over[-1]


def test_a_storm_that_trickles_is_first_at_once_then_a_digest(tmp_path: Path) -> None:
    ward = Ward(tmp_path, policies=DEFAULTS)
    for n in range(12):
        ward.fridge(f"vte-br-{n:02d}")
    for minute in range(8):
        ward.at(f"08:{10 + minute}")
        for n in range(12):
            if n // 2 == minute:
                ward.temperature(f"vte-br-{n:02d}", 9.0)
    ward.run_until("08:30")
    texts = list(ward.phone("technician").inbox)
    assert "vte-br-00 9.0C" in texts[0], "the first at once, with everything in it"
    assert "alarms at Vientiane" in texts[-1]
    assert len(texts) <= 8, texts


# --- rotas


def test_the_rota_decides_who_rings_and_a_gap_is_passed_over(tmp_path: Path) -> None:
    ward = Ward(tmp_path, policies=DEFAULTS)
    ward.person("ana", "+8562000000011", role="on-call")
    ward.person("bao", "+8562000000012", role="on-call")
    ward.person("boss", BOSS, role="supervisor")
    day = Rota(
        id="day", people=("ana", "bao"), starts=date(2026, 2, 28), hand_over=time(15, 30), turn_days=1,
        hours=(Hours(start=time(8), end=time(20)),),
    )  # fmt: skip
    ward._publish(rotas=(day,))
    ward.fridge("vte-br-03")
    ward.temperature("vte-br-03", 9.0).run_until("08:06")
    ward.phone("ana").expect_sms("vte-br-03")
    ward.run_until("08:31")
    ward.phone("bao").expect_nothing()
    ward.temperature("vte-br-03", 4.0).run_until("08:34")
    ward.phone("ana").forget()
    ward.temperature("vte-br-03", 9.0).run_until("08:41")
    ward.phone("bao").expect_sms("vte-br-03")
    ward.temperature("vte-br-03", 4.0).run_until("12:58")
    for name in ("ana", "bao", "boss"):
        ward.phone(name).forget()
    ward.at("13:30").temperature("vte-br-03", 9.0).run_until("13:36")
    assert "nobody" in events(ward)
    ward.phone("boss").expect_sms("vte-br-03")


def test_quiet_hours_hold_back_a_warning_and_never_what_is_critical(tmp_path: Path) -> None:
    ward = Ward(tmp_path, policies=DEFAULTS)
    ward.person("ana", "+8562000000011", quiet=Quiet(start=time(14), end=time(18)))
    ward.fridge("vte-br-03")
    ward.temperature("vte-br-03", 4.0)
    ward.at("08:30").temperature("vte-br-03", -127.0).run_until("09:00")
    ward.phone("technician").expect_sms("PROBE FAULT")
    ward.phone("ana").expect_nothing()
    ward.at("09:10").temperature("vte-br-03", 9.0).run_until("09:16")
    ward.phone("ana").expect_sms("9.0C over 6.0C")
    ward.phone("ana").expect_nothing()


def test_each_is_told_in_their_language(tmp_path: Path) -> None:
    ward = Ward(tmp_path)
    for n, language in enumerate(("lo", "fr", "vi")):
        ward.person(language, f"+856200000002{n}", language=language)
    ward.fridge("vte-br-03")
    ward.temperature("vte-br-03", 9.0).run_until("08:06")
    ward.phone("lo").expect_sms("ເກີນ 6.0C", "ຕອບ OK ")
    ward.phone("fr").expect_sms("au-dessus de 6.0C", "Répondre OK ")
    ward.phone("vi").expect_sms("vượt 6.0C", "Trả lời OK ")
