# SPDX-License-Identifier: Apache-2.0
"""Shelving, suppression, out of service, dispositions, chatter: what the book does, and what it refuses."""

from dataclasses import replace
from pathlib import Path

import pytest
from book_kit import FRIDGE, HOUR, MINUTE, START, Shop, registry
from hypothesis import given
from hypothesis import strategies as st

from alerts.alarms.margin import SHIFT_MS, left, used_of
from coldchain.records.alarms import Alarm, AlarmsReader, Excursion
from coldchain.settings.profile_files import PROFILES

RED = PROFILES["red-cells@eu"]
BUDGET_MS = 30 * MINUTE


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def notes(shop: Shop, kind: str = "high") -> list[str]:
    found = shop.store.db.execute(
        "SELECT event FROM alarm_event WHERE alarm = ? ORDER BY id", (shop.alarm(kind).id,)
    )
    return [event for (event,) in found]


# --- one alarm, and worse


def test_a_warning_that_becomes_critical_is_the_same_alarm_told_again(shop: Shop) -> None:
    alarm = shop.begins("high_warning", 5800)
    assert alarm is not None
    assert (shop.alarm().severity, shop.alarm().product) == ("warning", False)
    shop.ask("acknowledge", alarm)
    shop.passes(5)
    assert shop.begins("high") == alarm
    worse = shop.alarm()
    assert (worse.severity, worse.state, worse.product) == ("critical", "unacknowledged", True)
    assert shop.called(alarm)
    events = shop.store.db.execute("SELECT event, detail FROM alarm_event WHERE alarm = ?", (alarm,))
    assert ("raised", "critical") in events.fetchall()
    shop.ends("high")
    assert (shop.alarm().standing, shop.alarm().severity) == (True, "critical"), "until all returned"
    shop.ends("high_warning")
    assert shop.alarm().state == "returned"


def test_a_critical_alarm_is_no_less_for_the_warning_that_follows(shop: Shop) -> None:
    alarm = shop.begins("high")
    assert shop.begins("high_warning", 5800) == alarm
    assert shop.alarm().severity == "critical"


def test_what_comes_and_goes_three_times_in_an_hour_is_held_as_one(shop: Shop) -> None:
    for _ in range(3):
        alarm = shop.begins()
        shop.passes(5)
        shop.ends()
        shop.passes(5)
    assert alarm is not None
    assert shop.alarm().standing, "the third time it is held"
    told = shop.notices(alarm)
    shop.begins()
    shop.passes(5)
    shop.ends()
    assert shop.notices(alarm) == told or shop.called(alarm), "nobody is told anew for the fourth"
    shop.passes(58)
    assert shop.alarm().standing
    shop.passes(5)
    assert shop.alarm().state == "returned"
    assert notes(shop).count("raised") + notes(shop).count("raised_again") == 3


def test_an_answer_does_not_lapse_while_what_chatters_is_in_order(shop: Shop) -> None:
    for _ in range(3):
        alarm = shop.begins()
        shop.passes(5)
        shop.ends()
        shop.passes(5)
    assert alarm is not None
    shop.ask("acknowledge", alarm)
    for _ in range(5):
        shop.passes(10)
        shop.teller.run(shop.scene)
    assert shop.alarm().state == "acknowledged"
    shop.begins()
    shop.passes(40)
    shop.teller.run(shop.scene)
    assert shop.alarm().state == "unacknowledged", "it stands again, and nothing bends"


# --- under a site's outage


def test_under_a_sites_outage_it_is_recorded_and_tells_nobody_until_that_is_over(shop: Shop) -> None:
    outage = shop.outage()
    alarm = shop.begins()
    assert alarm is not None
    child = shop.alarm()
    assert (child.state, child.parent, child.product) == ("suppressed", outage, True)
    assert not shop.called(alarm)
    assert shop.notices(alarm) == 0
    shop.passes(60)
    assert shop.notices(alarm) == 0
    shop.mains_back(outage)
    assert (shop.alarm().state, shop.alarm().parent) == ("unacknowledged", None)
    assert shop.called(alarm)
    assert shop.notices(alarm) > 0


def test_what_is_over_before_the_outage_is_waits_for_people_quietly(shop: Shop) -> None:
    outage = shop.outage()
    alarm = shop.begins()
    assert alarm is not None
    shop.ends()
    shop.mains_back(outage)
    assert shop.alarm().state == "returned"
    assert shop.notices(alarm) == 0
    assert shop.alarm().product, "its limit was passed all the same"


def test_an_empty_fridge_calls_nobody_and_a_filled_one_does(shop: Shop) -> None:
    alarm = shop.begins()
    assert alarm is not None
    shop.carries("empty")
    shop.look()
    assert (shop.alarm().state, shop.called(alarm)) == ("suppressed", False)
    shop.carries("red-cells@eu")
    shop.look()
    assert (shop.alarm().state, shop.called(alarm)) == ("unacknowledged", True)


# --- shelving


def test_a_shelf_is_silent_ends_by_itself_and_rings_again(shop: Shop) -> None:
    alarm = shop.begins()
    assert alarm is not None
    said = shop.ask("shelve", alarm, minutes="20", reason="restocking")
    assert said.startswith("applied: alarm 1 is shelved until ")
    assert not shop.called(alarm)
    told = shop.notices(alarm)
    shop.passes(19)
    assert (shop.alarm().state, shop.notices(alarm)) == ("shelved", told)
    shop.passes(1)
    assert (shop.alarm().state, shop.called(alarm)) == ("unacknowledged", True)
    assert shop.notices(alarm) > told
    (shelf,) = AlarmsReader(shop.store_path).shelved(all_=True)
    assert (shelf.person, shelf.reason, shelf.how) == ("technician", "restocking", "expired")


def test_a_shelf_never_outlives_what_the_blood_bears(shop: Shop) -> None:
    alarm = shop.begins()
    assert alarm is not None
    shop.passes(12)
    said = shop.ask("shelve", alarm, minutes="45", reason="defrosting by hand")
    assert "the day's budget" in said
    (shelf,) = AlarmsReader(shop.store_path).shelved()
    assert shelf.until_ms - START == BUDGET_MS, "30 min beyond the limits in a day, 12 of them gone"
    shop.passes(18)
    assert shop.called(alarm)
    said = shop.ask("shelve", alarm, minutes="5", reason="again")
    assert said.startswith("refused: nothing is left")


def test_exposure_that_comes_from_elsewhere_ends_a_shelf_early(shop: Shop) -> None:
    alarm = shop.begins()
    assert alarm is not None
    shop.ask("shelve", alarm, minutes="25", reason="restocking")
    before = Excursion(
        "late", f"{FRIDGE}/load", FRIDGE, "high", START - HOUR, START - HOUR, START - HOUR // 2, 9000, 6000,
        "red-cells@eu v1", 1, True, None, START,
    )  # fmt: skip
    with shop.store.transaction():
        shop.store.put_excursion(before)  # late readings: half an hour that nobody knew of
    shop.look()
    assert shop.called(alarm)
    assert AlarmsReader(shop.store_path).shelved(all_=True)[0].how == "exposed"


def test_more_than_an_hour_a_day_takes_two_people(shop: Shop) -> None:
    alarm = shop.begins("high_warning", 5800)
    assert alarm is not None
    assert "two people" in shop.ask("shelve", alarm, minutes="61", reason="works")
    for second in ("technician", "nobody"):
        said = shop.ask("shelve", alarm, minutes="61", reason="works", second=second)
        assert said.startswith("refused: the second person")
    assert shop.ask("shelve", alarm, minutes="40", reason="works").startswith("applied")
    shop.passes(40)
    said = shop.ask("shelve", alarm, minutes="40", reason="works")
    assert "at most 20 min" in said, "the hour is one for the day, not for each time"
    assert shop.ask("shelve", alarm, minutes="40", reason="works", second="boss").startswith("applied")


def test_a_shelved_warning_rings_when_it_becomes_critical(shop: Shop) -> None:
    alarm = shop.begins("high_warning", 5800)
    assert alarm is not None
    shop.ask("shelve", alarm, minutes="60", reason="works")
    shop.begins("high")
    assert (shop.alarm().state, shop.called(alarm)) == ("unacknowledged", True)
    assert AlarmsReader(shop.store_path).shelved(all_=True)[0].how == "worsen"


def test_a_warning_is_shelved_no_longer_than_until_its_limit(shop: Shop) -> None:
    alarm = shop.begins("high_warning", 5800)
    assert alarm is not None
    shop.left_ms = 25 * MINUTE
    said = shop.ask("shelve", alarm, minutes="50", reason="works")
    assert "no longer: until the limit" in said
    assert AlarmsReader(shop.store_path).shelved()[0].until_ms == START + 25 * MINUTE


def test_what_is_over_when_its_shelf_ends_calls_nobody(shop: Shop) -> None:
    alarm = shop.begins()
    assert alarm is not None
    shop.ask("shelve", alarm, minutes="20", reason="restocking")
    shop.ends()
    assert shop.alarm().state == "shelved"
    shop.passes(20)
    assert (shop.alarm().state, shop.called(alarm)) == ("returned", False)


@given(
    spans=st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 200)), max_size=6),
    wanted=st.integers(1, 10_000),
)
def test_no_margin_outlives_the_days_budget(spans: list[tuple[int, int]], wanted: int) -> None:
    """Whatever has passed: used and left are the budget at most; a shift is the most of all."""
    now = 10_000 * MINUTE
    found = [
        Excursion(
            str(n), "s", "a", "high", now - start * MINUTE, 0, now - (start - length) * MINUTE, None, None,
            "", 1, False, None, 0,
        )
        for n, (start, length) in enumerate(spans) if length <= start
    ]  # fmt: skip
    used = used_of(found, now)
    margin = left(critical(), RED, used_ms=used, now_ms=now)
    assert 0 <= margin.ms <= max(0, BUDGET_MS - used)
    warm = left(replace(critical(), severity="warning"), RED, used_ms=used, now_ms=now, to_limit_ms=wanted)
    assert warm.ms == min(wanted, SHIFT_MS)


def critical() -> Alarm:
    return Alarm(
        1, "a", "appliance", "f", "f/load", "vte", "high", "critical", "unacknowledged", 0, 0, None, None,
        None, 7000, 6000, 7000, "high@1", None, 1, 1, 0,
    )  # fmt: skip


def test_what_nobody_measures_is_borne_for_an_hour_or_the_makers_hold_over() -> None:
    silent = replace(critical(), kind="silence", since_ms=0)
    assert left(silent, RED, used_ms=0, now_ms=20 * MINUTE).ms == 40 * MINUTE
    assert left(silent, RED, used_ms=0, now_ms=20 * MINUTE, hold_over_min=30).ms == 10 * MINUTE
    assert left(silent, RED, used_ms=0, now_ms=2 * HOUR).ms == 0
    no_budget = replace(RED, budget=None)
    assert left(critical(), no_budget, used_ms=0, now_ms=0).ms == 0, "no budget: nothing to spend"
    assert left(critical(), RED, used_ms=0, now_ms=0, overdrawn=True).ms == 0


# --- out of service


def test_out_of_service_needs_a_word_on_where_the_blood_is(shop: Shop) -> None:
    alarm = shop.begins()
    assert alarm is not None
    assert "say where its blood is" in shop.ask("take_out", FRIDGE, reason="compressor", to="")
    assert "no other appliance" in shop.ask("take_out", FRIDGE, reason="compressor", to=FRIDGE)
    assert shop.ask("take_out", FRIDGE, reason="compressor", to="vte-br-07").startswith("applied")
    assert (shop.alarm().state, shop.called(alarm)) == ("out_of_service", False)
    (moved,) = shop.store.db.execute("SELECT source, target FROM moved").fetchall()
    assert moved == (FRIDGE, "vte-br-07")
    (row,) = AlarmsReader(shop.store_path).out_of_service()
    assert (row.appliance, row.person) == (FRIDGE, "technician")


def test_while_out_nothing_rings_and_everything_is_recorded(shop: Shop) -> None:
    shop.ask("take_out", FRIDGE, reason="repair", to="empty")
    assert shop.begins() is None
    shop.passes(30)
    assert AlarmsReader(shop.store_path).alarms() == []
    assert len(AlarmsReader(shop.store_path).excursions()) == 1


def test_the_gate_says_what_is_missing_and_lets_back_what_has_proved_itself(shop: Shop) -> None:
    alarm = shop.begins()
    shop.ask("take_out", FRIDGE, reason="repair", to="empty")
    said = shop.ask("put_back", FRIDGE)
    assert said == f"refused: {FRIDGE} is not for blood yet: {FRIDGE}/load does not report"
    shop.reads(4.0, hours=23.5)
    assert "has held its range for 23 h 30 min of 24 h 00 min" in shop.ask("put_back", FRIDGE)
    assert AlarmsReader(shop.store_path).out_of_service()
    shop.ends()
    shop.reads(4.0, hours=24)
    assert shop.ask("put_back", FRIDGE) == f"applied: {FRIDGE} is in service again"
    assert AlarmsReader(shop.store_path).out_of_service() == []
    assert shop.alarm().state == "returned"
    assert shop.begins() == alarm, "it waits still: the same alarm"
    assert shop.called(str(alarm))


def test_what_enters_the_registry_out_of_service_begins_so_once(shop: Shop) -> None:
    shop.registry, shop.version = registry(service="out"), 2
    shop.look()
    assert shop.begins() is None
    shop.ends()
    shop.reads(4.0, hours=25)
    assert shop.ask("put_back", FRIDGE).startswith("applied")
    shop.version = 3
    shop.look()
    assert AlarmsReader(shop.store_path).out_of_service() == []


def test_failed_readings_prove_nothing(shop: Shop) -> None:
    shop.ask("take_out", FRIDGE, reason="repair", to="empty")
    shop.reads(4.0, hours=25)
    shop.rows["flags"][-30] = 1  # it failed
    assert "0 h 28 min of 24 h" in shop.ask("put_back", FRIDGE)


# --- dispositions


def test_a_product_alarm_waits_for_its_disposition_and_rings_nobody(shop: Shop) -> None:
    alarm = shop.begins()
    assert alarm is not None
    shop.ask("acknowledge", alarm)
    said = shop.ask("dispose", alarm, what="keep")
    assert "nobody can clear a condition that stands" in said
    shop.passes(10)
    shop.ends()
    assert shop.alarm().state == "disposition_due"
    told = shop.notices(alarm)
    shop.passes(12 * 60)
    assert (shop.alarm().state, shop.notices(alarm)) == ("disposition_due", told)
    assert shop.ask("dispose", alarm, what="burn").startswith("refused: 'burn' is no disposition")
    assert shop.ask("dispose", alarm, what="discard", second="technician").startswith("refused: the second")
    said = shop.ask("dispose", alarm, what="quarantine", reason="10 min at 7.0", second="boss")
    assert said == "applied: quarantine is recorded; alarm 1 is closed"
    (made,) = AlarmsReader(shop.store_path).dispositions(appliance=FRIDGE)
    assert (made.what, made.person, made.second, made.since_ms) == ("quarantine", "technician", "boss", START)
    assert made.until_ms == START + 10 * MINUTE


def test_a_mere_warning_wants_no_disposition(shop: Shop) -> None:
    alarm = shop.begins("high_warning", 5800)
    assert alarm is not None
    shop.ends("high_warning")
    assert shop.ask("dispose", alarm, what="keep").startswith("nothing to do: alarm 1 passed no limit")
    shop.ask("acknowledge", alarm)
    assert shop.alarm().state == "closed"


def test_a_warning_after_the_limit_was_passed_does_not_forget_it(shop: Shop) -> None:
    alarm = shop.begins()
    assert alarm is not None
    shop.ends()
    shop.passes(120)
    shop.begins("high_warning", 5800)
    assert (shop.alarm().severity, shop.alarm().product) == ("warning", True)
    shop.ends("high_warning")
    shop.ask("acknowledge", alarm)
    assert shop.alarm().state == "disposition_due"


def test_blood_that_went_before_the_repair_is_disposed_of_while_the_fridge_is_out(shop: Shop) -> None:
    alarm = shop.begins()
    assert alarm is not None
    shop.ask("take_out", FRIDGE, reason="repair", to="empty")
    assert shop.ask("dispose", alarm, what="discard").startswith("applied")
    assert (shop.alarm().state, shop.alarm().product) == ("out_of_service", False)
