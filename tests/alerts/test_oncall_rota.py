# SPDX-License-Identifier: Apache-2.0
"""Rotas: turns, hand-overs in the site's zone, both clock changes, overrides, holidays, gaps."""

from datetime import UTC, date, datetime, time
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.oncall.calendar import feed
from alerts.oncall.policy import Chain, after, first_routes, people_of, policy_for, quiet_until, routes
from alerts.oncall.rota import gaps, on_call, on_duty, shifts
from coldchain.records.duty import CRITICAL, Holiday, Hours, Override, Policy, Quiet, Rota, Step
from coldchain.records.registry import Person, Registry, Site

HOUR = 3_600_000
DAY = 24 * HOUR


def at(text: str, zone: str = "Asia/Vientiane", fold: int = 0) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp() * 1000)


WEEKLY = Rota(id="night", people=("ana", "bao", "cam"), starts=date(2026, 1, 5), hand_over=time(8))


def test_people_take_turns_at_the_hand_over_of_the_site() -> None:
    assert on_call(WEEKLY, at("2026-01-05T07:59:59")) is None
    assert on_call(WEEKLY, at("2026-01-05T08:00:00")) == "ana"
    assert on_call(WEEKLY, at("2026-01-12T07:59:59")) == "ana"
    assert on_call(WEEKLY, at("2026-01-12T08:00:00")) == "bao"
    assert on_call(WEEKLY, at("2026-01-26T08:00:00")) == "ana"


@pytest.mark.parametrize("hand_over", [time(2, 30), time(3, 0), time(8, 0), time(1, 59)])
@pytest.mark.parametrize(
    ("day", "length_h"), [("2026-03-29", 23), ("2026-10-25", 25)], ids=["clock forward", "clock back"]
)
def test_each_clock_change_moves_no_hand_over(day: str, length_h: int, hand_over: time) -> None:
    """Paris: the day has 23 or 25 hours; every day has one hand-over, nobody is on call twice or never."""
    rota = Rota(
        id="daily",
        people=("ana", "bao"),
        zone="Europe/Paris",
        starts=date(2026, 1, 1),
        hand_over=hand_over,
        turn_days=1,
    )
    midnight = at(f"{day}T00:00:00", "Europe/Paris")
    found = shifts(rota, midnight - DAY, midnight + 3 * DAY)
    assert [s.person for s in found] in (["ana", "bao"] * 3, ["bao", "ana"] * 3, ["ana", "bao"] * 2 + ["ana"],
                                         ["bao", "ana"] * 2 + ["bao"])  # fmt: skip
    lengths = sorted((s.end_ms - s.start_ms) / HOUR for s in found[1:-1])
    assert sum(abs(h - 24) == 0 for h in lengths) >= len(lengths) - 2, lengths
    assert any(abs(h - length_h) <= 0.5 for h in lengths), "the odd day is somebody's whole turn"
    local = [datetime.fromtimestamp(s.start_ms / 1000, ZoneInfo("Europe/Paris")) for s in found[1:]]
    on_time = [t for t in local if t.time() == hand_over]
    assert len(local) - len(on_time) <= 1, "only an hour that does not exist may be shown otherwise"
    assert len({t.date() for t in local}) == len(local), "one hand-over a local day"


def test_the_hour_that_happens_twice_has_its_hand_over_once() -> None:
    rota = Rota(
        id="d",
        people=("ana", "bao"),
        zone="Europe/Paris",
        starts=date(2026, 10, 24),
        hand_over=time(2, 30),
        turn_days=1,
    )
    assert on_call(rota, at("2026-10-25T02:29:00", "Europe/Paris")) == "ana"
    assert on_call(rota, at("2026-10-25T02:30:00", "Europe/Paris")) == "bao"
    assert on_call(rota, at("2026-10-25T02:10:00", "Europe/Paris", fold=1)) == "bao", "shown a second time"
    assert on_call(rota, at("2026-10-26T02:30:00", "Europe/Paris")) == "ana"


def test_an_override_wins_and_a_swap_is_two() -> None:
    swap = (
        Override(person="cam", from_ms=at("2026-01-06T20:00"), until_ms=at("2026-01-07T08:00")),
        Override(person="ana", from_ms=at("2026-01-20T20:00"), until_ms=at("2026-01-21T08:00")),
    )
    rota = WEEKLY.model_copy(update={"overrides": swap})
    assert on_call(rota, at("2026-01-06T19:59")) == "ana"
    assert on_call(rota, at("2026-01-06T20:00")) == "cam"
    assert on_call(rota, at("2026-01-07T08:00")) == "ana"
    assert on_call(rota, at("2026-01-20T23:00")) == "ana"


def test_holidays_and_unmanned_hours_are_gaps_unless_somebody_has_them() -> None:
    office = Hours(weekdays=(0, 1, 2, 3, 4), start=time(8), end=time(17))
    nights = Hours(start=time(17), end=time(8))
    day = Rota(id="day", people=("ana",), hours=(office,), holidays=(Holiday(day=date(2026, 1, 7)),))
    night = Rota(id="night", people=("bao",), hours=(nights,))
    week = (at("2026-01-05T00:00"), at("2026-01-12T00:00"))
    found = gaps((day, night), *week)
    assert found == [
        (at("2026-01-07T08:00"), at("2026-01-07T17:00")),
        (at("2026-01-10T08:00"), at("2026-01-10T17:00")),
        (at("2026-01-11T08:00"), at("2026-01-11T17:00")),
    ]
    kept = day.model_copy(update={"holidays": (Holiday(day=date(2026, 1, 7), person="cam"),)})
    assert on_call(kept, at("2026-01-07T12:00")) == "cam"


@given(
    start_h=st.integers(0, 8000),
    span_h=st.integers(1, 900),
    turn=st.integers(1, 20),
    hand_over=st.times(),
    zone=st.sampled_from(["Europe/Paris", "Asia/Vientiane", "America/New_York", "Australia/Lord_Howe"]),
)
def test_shifts_cover_every_instant_once_and_agree_with_on_call(start_h, span_h, turn, hand_over, zone):
    rota = Rota(
        id="r",
        people=("ana", "bao", "cam"),
        zone=zone,
        starts=date(2025, 1, 1),
        hand_over=hand_over.replace(microsecond=0, fold=0),
        turn_days=turn,
    )
    begin = at("2026-01-01T00:00", "UTC") + start_h * HOUR
    found = shifts(rota, begin, begin + span_h * HOUR)
    assert found[0].start_ms == begin
    assert found[-1].end_ms == begin + span_h * HOUR
    assert all(a.end_ms == b.start_ms and a.person != b.person for a, b in pairwise(found))
    for shift in found:
        for instant in (shift.start_ms, (shift.start_ms + shift.end_ms) // 2, shift.end_ms - 1):
            assert on_call(rota, instant) == shift.person
    assert gaps((rota,), begin, begin + span_h * HOUR) == []


def test_a_site_s_own_rota_comes_before_the_general_one() -> None:
    people = tuple(Person(id=n, name=n, phone="+8562055512345") for n in ("ana", "bao", "cam"))
    registry = Registry(
        sites=(Site(id="vte", name="V", level="central"), Site(id="skt", name="S")),
        people=people,
        rotas=(
            Rota(id="all", people=("ana",)),
            Rota(id="vte", people=("bao",), sites=("vte",)),
            Rota(id="central", people=("cam",), site_levels=("central",), level=2),
        ),
    )
    now = at("2026-01-08T12:00")
    assert on_duty(registry, "vte", 1, now) == ["bao"]
    assert on_duty(registry, "skt", 1, now) == ["ana"]
    assert on_duty(registry, "vte", 2, now) == ["cam"]
    assert on_duty(registry, "skt", 2, now) == []
    assert [p.id for p in people_of(registry, "vte", ("duty:1", "duty:2", "duty:1"), now)] == ["bao", "cam"]


def test_a_rota_with_an_unknown_person_is_refused() -> None:
    with pytest.raises(ValueError, match="rota night: person 'ana' is not known"):
        Registry(rotas=(WEEKLY,))


def test_the_end_of_a_chain_may_not_repeat_faster() -> None:
    with pytest.raises(ValueError, match="wider, not faster"):
        Policy(id="p", severity="critical", steps=(Step(after_s=900, tell=("duty:1",)),), repeat_s=600)


def test_the_chain_walks_its_steps_and_then_repeats_the_widest() -> None:
    """0, 3, 10, 20, 45 minutes, then every 30."""
    chain = Chain(0, 0)
    told: list[object] = []
    while len(told) < 8:
        told.append((chain.due_ms // 60_000, chain.step))
        following = after(CRITICAL, chain, chain.due_ms)
        assert following is not None
        chain = following
    assert told == [(0, 0), (3, 1), (10, 2), (20, 3), (45, 4), (75, 4), (105, 4), (135, 4)]
    once = Policy(id="o", severity="critical", steps=(Step(after_s=0, tell=("duty:1",)),), repeat_s=0)
    assert after(once, Chain(0, 0), 0) is None


def test_after_an_outage_missed_steps_do_not_come_in_a_burst() -> None:
    late = after(CRITICAL, Chain(1, 180_000), 7_200_000)
    assert late == Chain(2, 7_200_000 + 420_000)


def test_a_policy_of_the_site_wins() -> None:
    own = Policy(id="own", severity="critical", sites=("vte",), steps=(Step(after_s=0, tell=("everybody",)),))
    registry = Registry(policies=(own,))
    assert policy_for(registry, "critical", "vte") is own
    assert policy_for(registry, "critical", "skt") is CRITICAL
    assert policy_for(registry, "warning", "vte").severity == "warning"


def test_numbers_and_channels_in_a_person_s_order() -> None:
    person = Person(
        id="a",
        name="A",
        phone="+85620111",
        numbers=("+85620222",),
        email="a@b.example",
        channels=("sms", "email", "call"),
    )
    assert routes(person, {"sms", "call", "email"}) == [
        ("sms", "+85620111"),
        ("sms", "+85620222"),
        ("email", "a@b.example"),
        ("call", "+85620111"),
        ("call", "+85620222"),
    ]
    assert first_routes(person, ("sms", "call"), {"sms"}) == [("sms", "+85620111")]
    assert first_routes(person, ("call",), {"email"}) == [("email", "a@b.example")]


def test_quiet_hours_pass_midnight_in_the_zone_of_the_site() -> None:
    person = Person(id="a", name="A", phone="+85620111", quiet=Quiet(start=time(22), end=time(6)))
    assert quiet_until(person, "Asia/Vientiane", at("2026-01-06T02:00")) == at("2026-01-06T06:00")
    assert quiet_until(person, "Asia/Vientiane", at("2026-01-06T23:00")) == at("2026-01-07T06:00")
    assert quiet_until(person, "Asia/Vientiane", at("2026-01-06T06:00")) is None


def test_the_calendar_feed_folds_escapes_and_shows_gaps() -> None:
    office = Hours(weekdays=(0, 1, 2, 3, 4), start=time(8), end=time(17))
    rota = Rota(id="day", people=("ana",), hours=(office,))
    begin = at("2026-01-05T00:00")
    text = feed(shifts(rota, begin, begin + DAY), {"ana": "Ana; ສົມສັກ, the technician " + "x" * 60}, begin)
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    assert "NOBODY ON CALL" in text
    unfolded = text.replace("\r\n ", "")
    assert "SUMMARY:day: Ana\\; ສົມສັກ\\, the technician " in unfolded
    start = datetime.fromtimestamp(at("2026-01-05T08:00") / 1000, UTC)
    assert f"DTSTART:{start:%Y%m%dT%H%M%SZ}" in unfolded
    assert unfolded.count("BEGIN:VEVENT") == unfolded.count("END:VEVENT") == 3
