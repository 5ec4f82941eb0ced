# SPDX-License-Identifier: Apache-2.0
"""What users of other systems complain of on the way from an alarm to a person, told from the ward.

One system fault is one message (storms: test_ward_channels); what is lost or doubled when a channel blinks or
a process dies; a mute that ends in silence; an answer that is forgotten; an answer that is refused while it
happens; a person who cannot be reached; a telephone or provider that holds up others; blood lost under watch.
UTC+7 in Vientiane: 02:00 of the story is 09:00 there.
"""

from datetime import date, time
from itertools import pairwise
from pathlib import Path

import pytest
from night import BOSS, MANAGER, code_in, events, night_ward, state, warm
from ward import Calls, Ward, instant

from alerts.notices.outbox import Outbox
from coldchain.kernel.limits import Limits, Profile, faults_of
from coldchain.ports.notifier import Delivery
from coldchain.records.duty import DEFAULTS, Rota
from coldchain.records.registry import Site
from coldchain.settings.profile_files import PROFILES


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return night_ward(tmp_path)


# --- a back end that is down; a channel that blinks; a restart


def test_a_hub_that_was_off_rings_for_what_is_true_now_and_for_nothing_else(tmp_path: Path) -> None:
    """Every rule would fire after an outage: each appliance is judged by what it read, and joined by site."""
    ward = Ward(tmp_path)
    names = [f"vte-br-{n:02d}" for n in range(30)]
    for name in names:
        ward.fridge(name)
        ward.temperature(name, 4.0)
    ward.run_until("09:00")
    for name in names:
        ward.late(name, {f"11:{m:02d}": 4.0 for m in range(59)})
    ward.now_ms = instant("11:59")
    ward.restart_alerts()
    ward.run_until("12:20")
    ward.phone("technician").expect_nothing()
    assert ward.alarms.alarms() == []


def test_a_channel_that_blinks_loses_nothing_and_doubles_nothing(ward: Ward) -> None:
    ward.phones.answers.extend([Delivery.FAILED_RETRY] * 3)
    ward.at("09:00").temperature("vte-br-03", 9.0).run_until("09:06:30")
    ward.phone("technician").expect_sms("vte-br-03 9.0C")
    ward.phone("technician").expect_nothing()


def test_of_two_hubs_on_one_file_one_speaks(ward: Ward) -> None:
    other = Outbox(
        ward.settings.alarms_db,
        {"sms": ward.phones, "call": Calls(ward.phones)},
        lambda: ward.now_ms,
        lambda person, site: ("en", site),
    )
    ward.at("09:00").temperature("vte-br-03", 9.0)
    for second in range(40):
        ward.run_until(f"09:0{5 + second // 60}:{second % 60:02d}")
        assert not other.send_one()
    ward.phone("technician").expect_sms("vte-br-03 9.0C")
    ward.phone("technician").expect_nothing()
    other.lease.forget()
    other._db.close()


@pytest.mark.parametrize("killed", [True, False])
def test_a_restart_floods_nobody_and_forgets_nothing_that_stands(tmp_path: Path, killed: bool) -> None:
    ward = Ward(tmp_path)
    for n in range(12):
        ward.fridge(f"vte-br-{n:02d}")
        ward.temperature(f"vte-br-{n:02d}", 9.0)
    ward.run_until("08:10")
    ward.phone("technician").forget()
    for _ in range(5):
        ward.restart_alerts(killed=killed)
        ward.settle()
    ward.run_until("08:20")
    ward.phone("technician").expect_nothing()
    assert {a.state for a in ward.alarms.alarms()} == {"unacknowledged"}
    ward.temperature("vte-br-00", 5.85).run_until("08:24")  # inside the limit, not inside the deadband
    assert state(ward, 1) == "unacknowledged"
    ward.temperature("vte-br-00", 4.0).run_until("08:28")
    assert state(ward, 1) == "returned"


# --- a mute that ends; an answer that is forgotten; an answer while it happens


def test_working_on_it_ends_and_it_is_still_bad_and_it_is_said(ward: Ward) -> None:
    code = code_in(warm(ward))
    ward.phone("technician").replies(f"ok {code} work")
    ward.run_until("09:06")
    ward.phone("technician").expect_sms("is yours", "17:05")
    ward.run_until("10:04")
    ward.phone("technician").expect_nothing()
    ward.run_until("10:07")
    ward.phone("technician").expect_sms("OPEN AGAIN: vte-br-03 9.0C")
    assert state(ward) == "unacknowledged"


def test_who_said_coming_and_never_came_is_asked_again_in_half_an_hour(ward: Ward) -> None:
    code = code_in(warm(ward))
    ward.phone("technician").replies(f"ok {code} coming")
    ward.run_until("09:35")
    ward.phone("technician").forget()
    ward.run_until("09:36")
    ward.phone("technician").expect_sms("OPEN AGAIN", "Reply OK ")


def test_an_alarm_may_be_answered_while_it_grows(ward: Ward) -> None:
    code = code_in(warm(ward, 7.0))
    ward.temperature("vte-br-03", 11.0).run_until("09:06")
    ward.phone("technician").replies(f"ok {code}")
    ward.run_until("09:06:30")
    ward.phone("technician").expect_sms("is yours")
    assert [a.number for a in ward.alarms.open_alarms()] == [1], "and it stays listed"


# --- a person who cannot be reached


def test_a_contact_without_a_channel_is_passed_over_at_once(tmp_path: Path) -> None:
    """Mail alone, and no mail here: the next step runs now, not after its delay."""
    ward = Ward(tmp_path, policies=DEFAULTS, channels=("sms", "call"))
    ward.person("ana", "+8562000000011", role="on-call", channels=("email",))
    ward.person("boss", BOSS, role="supervisor")
    ward._publish(
        people=tuple(p for p in ward.registry.people if p.id != "technician"),
        rotas=(Rota(id="always", people=("ana",)),),
    )
    ward.fridge("vte-br-03")
    ward.temperature("vte-br-03", 9.0).run_until("08:05:20")
    ward.phone("boss").expect_sms("vte-br-03 9.0C", "for 5 min")
    assert "nobody" in events(ward)


def test_a_telephone_that_is_off_costs_minutes_not_the_night(ward: Ward) -> None:
    ward.phones.reports = True
    ward.phones.swallowed = {"+8562000000001"}
    ward.at("09:00").temperature("vte-br-03", 9.0).run_until("09:20")
    assert ward.phone("boss").inbox, "the next person, before the chain's own time"
    ward.phones.swallowed = set()
    ward.run_until("09:40")
    assert ward.phone("technician").inbox, "and the same person again"


# --- a modem or a provider; one dead telephone


def test_a_hanging_channel_is_tried_again_and_the_other_one_rings_meanwhile(ward: Ward) -> None:
    ward.phones.answers.extend([Delivery.FAILED_RETRY] * 60)
    ward.at("09:00").temperature("vte-br-03", 9.0).run_until("09:09")
    ward.phone("technician").expect_nothing()
    assert ward.phone("technician").rings, "the step at three minutes rings, too"
    ward.phones.answers.clear()
    ward.run_until("09:20")
    ward.phone("technician").expect_sms("vte-br-03")


# --- blood lost under watch


def test_five_hours_without_an_answer_and_everybody_has_been_called_again_and_again(ward: Ward) -> None:
    warm(ward)
    ward.run_until("14:05")
    for name, least in (("technician", 10), ("boss", 8), ("manager", 7)):
        assert len(ward.phone(name).inbox) >= least, name
        assert ward.phone(name).rings >= least - 1
    told = sorted(
        n.created_ms for n in ward.alarms.notices(1000) if n.person == "manager" and n.channel == "sms"
    )
    assert {b - a for a, b in pairwise(told)} <= {1_800_000, 1_810_000}, "never faster"
    assert state(ward) == "unacknowledged"


def test_limits_outside_the_component_s_are_refused() -> None:
    """Alarms that were set outside storage limits rang for nobody."""
    red = PROFILES["red-cells@eu"]
    loose = Profile(
        **{name: getattr(red, name) for name in red.__slots__} | {"critical": Limits(2.0, 12.0, "somebody")}
    )
    assert any("12 °C is above the limit 6 °C" in fault for fault in faults_of(loose))


def test_what_is_watched_no_more_says_so(ward: Ward) -> None:
    warm(ward)
    ward.silence("vte-br-03")
    ward.remove("vte-br-03")
    ward.run_until("09:07")
    ward.phone("technician").expect_sms("vte-br-03 is no longer monitored")


def test_old_and_answered_it_wakes_nobody_months_later(ward: Ward) -> None:
    code = code_in(warm(ward))
    ward.phone("technician").replies(f"ok {code} door")
    ward.at("09:08").temperature("vte-br-03", 4.0).run_until("09:20")
    ward.silence("vte-br-03")
    ward._publish(appliances=(), sensors=())
    ward.run_until("09:22")
    for name in ("technician", "boss", "manager"):
        ward.phone(name).forget()
    ward.now_ms = instant("+60 05:30")
    ward.restart_alerts()
    ward.run_until("+60 05:40")
    for name in ("technician", "boss", "manager"):
        ward.phone(name).expect_nothing()


# --- P4: a durable intent at once, a first try at once, whatever else waits


def test_the_intent_and_the_first_try_come_with_the_reading(ward: Ward) -> None:
    ward.phones.dead = {BOSS, MANAGER}
    warm(ward)
    (first,) = [n for n in ward.alarms.notices() if n.step == 0]
    raised = ward.alarms.alarm(1).decided_ms
    assert first.created_ms - raised <= 5_000
    assert first.first_try_ms is not None
    assert first.first_try_ms - raised <= 30_000


# --- both changes of the clock


@pytest.mark.parametrize(
    ("day", "before", "after", "early", "late"),
    [
        ("+28", "00:20", "01:31", "ana", "bao"),  # 29 March: 02:00 becomes 03:00 at 01:00 UTC
        ("+238", "00:20", "01:50", "ana", "bao"),  # 25 October: 03:00 becomes 02:00 at 01:00 UTC
    ],
)
def test_a_hand_over_in_the_hour_that_is_missing_or_comes_twice_rings_one_person(
    tmp_path: Path, day: str, before: str, after: str, early: str, late: str
) -> None:
    """Paris, hand-over at 02:30: in spring when the clock has jumped, in autumn the first time."""
    ward = Ward(tmp_path, f"{day} 00:00", policies=DEFAULTS)
    ward._publish(sites=(Site(id="vte", name="Paris", zone="Europe/Paris"),))
    for name, number in (("ana", "+33600000001"), ("bao", "+33600000002")):
        ward.person(name, number, role="on-call")
    starts = date(2026, 3, 28) if day == "+28" else date(2026, 10, 24)
    rota = Rota(
        id="night",
        people=(early, late),
        starts=starts,
        turn_days=1,
        hand_over=time(2, 30),
        zone="Europe/Paris",
    )
    ward._publish(people=tuple(p for p in ward.registry.people if p.id != "technician"), rotas=(rota,))
    ward.fridge("vte-br-03")
    ward.fridge("vte-br-04")
    ward.temperature("vte-br-03", 9.0).temperature("vte-br-04", 4.0).run_until(f"{day} {before}")
    ward.phone(early).expect_sms("vte-br-03 9.0C over 6.0C")
    ward.phone(late).expect_nothing()
    ward.temperature("vte-br-03", 4.0).run_until(f"{day} {after}")
    for name in (early, late):
        ward.phone(name).forget()
    ward.temperature("vte-br-04", 9.0)
    ward.run_until(f"{day} {after[:-2]}{int(after[-2:]) + 7:02d}")
    text = ward.phone(late).expect_sms("vte-br-04 9.0C over 6.0C", "for 5 min")
    assert "since 03:" in text or "since 02:" in text, "by the clock on the wall there"
    ward.phone(early).expect_nothing()


# --- one alarm calls for a load


def test_while_a_load_is_beyond_its_limit_nothing_that_foretold_it_rings_beside_it(ward: Ward) -> None:
    """Half an hour out uses up the day's budget: it is in the book, and the chain that rings is one."""
    warm(ward)
    ward.run_until("10:40")
    kinds = {alarm.kind: alarm.id for alarm in ward.alarms.alarms()}
    assert {"high", "cumulative"} <= kinds.keys()
    assert ward.alarms.notices(alarm=kinds["cumulative"]) == []
    assert not [text for text in ward.phone("technician").inbox if "TOO LONG" in text]


def test_what_is_put_aside_covers_nothing(ward: Ward) -> None:
    """The budget ends while the load's own alarm is shelved: somebody is told."""
    warm(ward)
    ward.run_until("09:10")
    shelf: dict[str, object] = {"reason": "defrosting by hand", "minutes": "60"}
    ward._desk.command("s-1", "shelve", person="technician", alarm="1", body=shelf)
    ward.run_until("09:12")
    assert state(ward) == "shelved"
    ward.phone("technician").forget()
    ward.run_until("09:36")
    assert ward.phone("technician").inbox


def test_a_mute_that_ends_over_a_standing_fault_is_told(ward: Ward) -> None:
    warm(ward, 7.0)
    shelf: dict[str, object] = {"reason": "door seal is being changed", "minutes": "15"}
    ward._desk.command("s-1", "shelve", person="technician", alarm="1", body=shelf)
    ward.run_until("09:06")
    ward.phone("technician").forget()
    ward.run_until("09:19")
    ward.phone("technician").expect_nothing()
    ward.run_until("09:22")
    text = ward.phone("technician").expect_sms("vte-br-03 7.0C", "Reply OK ")
    assert code_in(text)
    assert state(ward) == "unacknowledged"
