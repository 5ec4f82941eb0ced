# SPDX-License-Identifier: Apache-2.0
"""Asking, receipts, storms, rotas and languages: told from the ward, on a clock of its own.

UTC+7 in Vientiane: 02:00 of the story is 09:00 there.
"""

from datetime import date, time
from pathlib import Path

import pytest
from night import BOSS, SECOND, code_in, events, night_ward, state, warm
from ward import Ward

from alerts.alarms.entries import Case
from alerts.notices.budget import Budget
from coldchain.ports.notifier import Delivery
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.duty import DEFAULTS, Holiday, Hours, Policy, Quiet, Rota, Step
from coldchain.records.sql import open_reader


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return night_ward(tmp_path)


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
    ward.run_until("08:20")
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


# --- the rescue card


def test_the_rest_of_a_rescue_card_comes_on_reply(ward: Ward) -> None:
    """One card for the site: the worst, how long, where to; LIST brings the others, code or not."""
    case = Case(
        id="site/vte:power:1", scope="site", subject="vte", site="vte", kind="power", severity="critical",
        since_ms=ward.now_ms, at_ms=ward.now_ms, rule="power@1", appliances=9,
    )  # fmt: skip
    listed = [("vte-br-03", 40, "vte-br-07"), ("vte-pf-01", 95, ""), ("vte-br-05", None, "")]
    with ward.service._store.transaction() as db:
        db.executemany(
            "INSERT INTO alarm_list VALUES ('site/vte:power:1', ?, ?, ?, NULL, NULL, ?, '')",
            [(place, *line) for place, line in enumerate(listed)],
        )
        ward.service._book.open(case, ward.service._scene)
    ward.run_until("08:30:10")
    technician = ward.phone("technician")
    text = technician.expect_sms(
        "POWER CUT Vientiane, 9 appliances", "First vte-br-03: 40 min left, to vte-br-07"
    )
    technician.replies(f"LIST {code_in(text)}")
    technician.replies("list")
    technician.replies("LIST 123456")
    ward.run_until("08:30:40")
    for _ in range(2):
        technician.expect_sms("vte-br-03 40 min > vte-br-07, vte-pf-01 1 h 35, vte-br-05 ?")
    technician.expect_sms("Wrong code")
    ward.phone("boss").replies("list")
    ward.run_until("08:31:20")
    ward.phone("boss").expect_sms("Reply OK, a space and the code")
    assert ward.alarms.alarm(1).state == "unacknowledged", "to ask is not to answer"


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
    ward.phone("ana").expect_sms("NOBODY ON CALL at Vientiane from 20:00")
    ward.phone("ana").expect_sms("vte-br-03")
    ward.run_until("08:29")
    ward.phone("bao").expect_nothing()
    ward.temperature("vte-br-03", 4.0).run_until("08:34")
    ward.phone("bao").forget()
    ward.temperature("vte-br-03", 9.0).run_until("08:41")
    ward.phone("bao").expect_sms("vte-br-03")
    ward.temperature("vte-br-03", 4.0).run_until("12:58")
    for name in ("ana", "bao", "boss"):
        ward.phone(name).forget()
    ward.at("13:30").temperature("vte-br-03", 9.0).run_until("13:36")
    assert "nobody" in events(ward, 2)
    ward.phone("boss").expect_sms("vte-br-03")


def test_a_hole_in_the_rota_is_told_a_day_before_and_over_when_it_is_filled(tmp_path: Path) -> None:
    ward = Ward(tmp_path)
    ward.person("ana", "+8562000000011", role="on-call")
    always = Rota(id="always", people=("ana",))
    ward._publish(rotas=(always,))
    ward.run_until("08:10")
    ward.phone("ana").expect_nothing()
    ward._publish(rotas=(always.model_copy(update={"holidays": (Holiday(day=date(2026, 3, 2)),)}),))
    ward.run_until("08:12")
    ward.phone("ana").expect_sms("NOBODY ON CALL at Vientiane from 00:00", "Reply OK ")
    ward._publish(rotas=(always,))
    ward.run_until("08:14")
    ward.phone("ana").expect_sms("Somebody is on call at Vientiane again")
    assert [a.state for a in ward.alarms.alarms()] == ["closed"]


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


# --- what may be spent


def test_with_little_credit_only_what_is_critical_leaves(tmp_path: Path) -> None:
    ward = Ward(tmp_path)
    ward.fridge("vte-br-01")
    ward.fridge("vte-br-02")
    ward.outbox.budget = Budget(reserve=10.0, credit=9.0)
    ward.temperature("vte-br-01", -127.0).temperature("vte-br-02", 4.0).run_until("08:10")
    ward.phone("technician").expect_nothing()
    ward.temperature("vte-br-02", 9.0).run_until("08:17")
    ward.phone("technician").expect_sms("vte-br-02 9.0C")
    ward.phone("technician").expect_nothing()
    ward.outbox.budget.credit = 500.0
    ward.run_until("08:18")
    ward.phone("technician").expect_sms("vte-br-01 PROBE FAULT")


def test_the_budget_never_holds_back_the_second_way_of_a_first_message_that_failed(tmp_path: Path) -> None:
    ward = Ward(tmp_path, policies=DEFAULTS, channels=("sms", "call"))
    ward.outbox.budget = Budget(hourly=1)
    ward.fridge("vte-br-01")
    number = next(p.phone for p in ward.registry.people if p.id == "technician")
    ward.phones.answers.extend([Delivery.FAILED_FINAL])
    ward.temperature("vte-br-01", 9.0).run_until("08:12")
    assert ward.phones.phone(number).rings, "its SMS was refused: it rings, whatever the budget"


def test_a_first_message_that_goes_to_the_second_step_is_one(tmp_path: Path) -> None:
    """Nobody is there for the first step: no budget holds back the first that anybody hears."""
    empty = Policy(
        id="critical", severity="critical", repeat_s=0,
        steps=(Step(after_s=0, tell=("duty:2",)), Step(after_s=600, tell=("duty:1",))),
    )  # fmt: skip
    ward = Ward(tmp_path, policies=(empty,))
    ward.outbox.budget = Budget(hourly=1)
    for n in (1, 2):
        ward.fridge(f"vte-br-0{n}")
        ward.temperature(f"vte-br-0{n}", 9.0)
    ward.run_until("08:12")
    ward.phone("technician").expect_sms("vte-br-01 9.0C")
    ward.phone("technician").expect_sms("vte-br-02 9.0C")


def test_the_second_way_of_a_warning_that_became_critical_is_a_first_message(tmp_path: Path) -> None:
    ward = Ward(tmp_path, policies=DEFAULTS, channels=("sms", "call"))
    ward.fridge("vte-br-01")
    ward.temperature("vte-br-01", 5.9).run_until("08:40")
    number = next(p.phone for p in ward.registry.people if p.id == "technician")
    warned = len(ward.phones.phone(number).inbox)
    assert warned, "it warned"
    rings = ward.phones.phone(number).rings
    ward.outbox.budget = Budget(hourly=1)
    ward.phones.answers.extend([Delivery.FAILED_FINAL])
    ward.temperature("vte-br-01", 9.0).run_until("08:55")
    assert ward.phones.phone(number).rings > rings, "its SMS was refused: it rings, whatever the budget"


def test_the_budget_of_the_sim_never_holds_back_the_first_critical_message(tmp_path: Path) -> None:
    ward = Ward(tmp_path, policies=DEFAULTS)
    ward.outbox.budget = Budget(hourly=1)
    for n in (1, 2):
        ward.fridge(f"vte-br-0{n}")
        ward.temperature(f"vte-br-0{n}", 9.0)
    ward.run_until("08:30")
    ward.phone("technician").expect_sms("vte-br-01 9.0C")
    ward.phone("technician").expect_sms("vte-br-02 9.0C")
    ward.phone("technician").expect_nothing()
