# SPDX-License-Identifier: Apache-2.0
"""What counts as widening, held against the engine: without it no alarm comes later, none fails to come."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from alerts.judgement.recording import recording_of
from alerts.judgement.verdicts import judge_profile
from coldchain.files import FileColumns
from coldchain.kernel.instants import parse_instant
from coldchain.kernel.limits import Limits, Profile, faults_of
from coldchain.kernel.widening import Change, Effect, larger_is, of_profile, unsound_beside, worst
from coldchain.settings.profile_files import PROFILES

RED = PROFILES["red-cells@eu"]
DIRECTION: dict[str, tuple[Any, Any]] = {
    # a field -> a value that widens red-cells@eu, a value that narrows it
    "limits": (Limits(1.0, 6.5, "t"), Limits(2.2, 5.9, "t")),
    "critical": (Limits(1.9, 6.1, "t"), Limits(2.2, 5.8, "t")),
    "warning": (None, Limits(3.5, 4.5, "t")),
    "deadband_k": (1.0, 0.01),
    "on_delay": (timedelta(hours=9), timedelta(0)),
    "warning_delay": (timedelta(hours=9), timedelta(0)),
    "budget": (timedelta(hours=9), timedelta(seconds=1)),
    "longest": (timedelta(days=999), timedelta(days=1)),
    "rate_k_min": (99.0, 0.001),
    "air_delay": (timedelta(hours=9), timedelta(seconds=1)),
    "people_need": (timedelta(0), timedelta(days=1)),
    "stopped": (timedelta(days=9), timedelta(seconds=1)),
    "prove": (timedelta(minutes=1), timedelta(days=9)),
    "expected_every": (timedelta(hours=9), timedelta(seconds=1)),
}
NOT_RULES = {"name", "version", "component", "source", "use", "signed"}


@pytest.mark.parametrize("field", DIRECTION)
def test_each_number_has_its_way(field: str) -> None:
    wide, narrow = (replace(RED, **{field: value}) for value in DIRECTION[field])
    if getattr(RED, field) is None and field != "prove":  # nothing there; of `prove` it means a day
        assert worst(of_profile(RED, wide)) is Effect.NARROWS
        assert worst(of_profile(wide, RED)) is Effect.WIDENS
    else:
        assert worst(of_profile(RED, wide)) is Effect.WIDENS
    assert worst(of_profile(RED, narrow)) is Effect.NARROWS
    assert worst(of_profile(narrow, RED)) is Effect.WIDENS, "back again"


def test_no_number_of_a_profile_is_forgotten() -> None:
    """A field that is added to profiles is either judged here or named as no rule."""
    assert set(Profile.__dataclass_fields__) == set(DIRECTION) | NOT_RULES


def test_nothing_changed_is_nothing() -> None:
    for profile in PROFILES.values():
        assert of_profile(profile, replace(profile, version=profile.version + 1, signed="x")) == []


NUMBER = st.one_of(st.none(), st.floats(-100, 100, allow_nan=False))


@given(NUMBER, NUMBER, st.sampled_from([Effect.WIDENS, Effect.NARROWS]), st.sampled_from([0.0, 1e9]))
def test_there_and_back_are_opposites(
    old: float | None, new: float | None, effect: Effect, none: float
) -> None:
    opposite = {Effect.WIDENS: Effect.NARROWS, Effect.NARROWS: Effect.WIDENS, Effect.NEUTRAL: Effect.NEUTRAL}
    assert larger_is(effect, old, new, none=none) is opposite[larger_is(effect, new, old, none=none)]


STEP_C = st.integers(-8, 8).map(lambda n: n / 10)
SPAN = st.sampled_from([timedelta(minutes=m) for m in (0, 2, 5, 10, 30)])


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    high, low = 6.0 + draw(STEP_C), 2.0 + draw(STEP_C)
    inset = draw(st.sampled_from([0.0, 0.3, 0.8]))
    made = replace(
        RED,
        limits=Limits(low, high, "t"),
        critical=Limits(low + inset, high - inset, "t"),
        warning=None if draw(st.booleans()) else Limits(low + inset + 0.2, high - inset - 0.2, "t"),
        deadband_k=draw(st.sampled_from([0.1, 0.3, 0.6])),
        on_delay=draw(SPAN),
        warning_delay=draw(SPAN),
        budget=draw(st.one_of(st.none(), SPAN.filter(bool))),
        rate_k_min=None,
    )
    assume(not faults_of(made))
    return made


@st.composite
def walks(draw: st.DrawFn) -> list[float]:
    """A refrigerator's hours: cycling, door openings, a failure."""
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    minutes = 300
    celsius = 4.0 + 0.8 * np.sin(np.arange(minutes) / 9) + rng.normal(0, 0.15, minutes)
    for _ in range(draw(st.integers(0, 4))):
        at, lasts, height = int(rng.integers(20, 280)), int(rng.integers(1, 60)), rng.uniform(-4, 5)
        celsius[at : at + lasts] += height
    return [float(c) for c in celsius.round(3)]


def first_raised(profile: Profile, walk: list[float]) -> list[tuple[str, int]]:
    at = np.arange(len(walk), dtype=np.int64) * 60_000 + 1_700_000_000_000
    columns = FileColumns(("a",), np.zeros(len(walk), np.int32), at, np.array(walk))
    told = judge_profile(recording_of([columns], by_value=True), profile, insight=False)
    return [
        (one["rule"].partition("@")[0], parse_instant(one["at"]))
        for one in told
        if one["event"] == "alarm.raised"
    ]


COMPARED = ("high", "low", "high_warning", "low_warning")


SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]


@settings(max_examples=120, deadline=None, suppress_health_check=SLOW)
@given(old=profiles(), new=profiles(), walk=walks())
def test_where_nothing_widens_no_alarm_comes_later(old: Profile, new: Profile, walk: list[float]) -> None:
    """The first alarm of each rule: the one that calls somebody."""
    changes = of_profile(old, new)
    if worst(changes) is Effect.WIDENS:  # make it one that does not: of each number the narrower one
        new = _narrower(old, new)
        assume(not faults_of(new))
        changes = of_profile(old, new)
    assert worst(changes) is not Effect.WIDENS, changes
    before, after = first_raised(old, walk), first_raised(new, walk)
    for rule in COMPARED:
        firsts = [[at for name, at in told if name == rule] for told in (before, after)]
        if firsts[0]:
            assert firsts[1], (rule, changes)
            assert min(firsts[1]) <= min(firsts[0]), (rule, changes)


def test_more_deadband_is_a_rarer_alarm() -> None:
    """To and fro across the limit: with a deadband it is one alarm, without it several."""
    walk = [4.0] * 20 + ([6.4] * 15 + [5.9] * 5) * 4
    old = replace(RED, on_delay=timedelta(minutes=10), deadband_k=0.05)
    assert [rule for rule, _ in first_raised(old, walk)].count("high") == 4
    assert [rule for rule, _ in first_raised(replace(old, deadband_k=0.3), walk)].count("high") == 1


def _narrower(old: Profile, new: Profile) -> Profile:
    def inside(a: Limits | None, b: Limits | None) -> Limits | None:
        if a is None or b is None:
            return a or b
        assert a.low_c is not None
        assert a.high_c is not None
        assert b.low_c is not None
        assert b.high_c is not None
        low, high = max(a.low_c, b.low_c), min(a.high_c, b.high_c)
        assume(low < high)
        return Limits(low, high, "t")

    limits = inside(old.limits, new.limits)
    assert limits is not None
    budgets = [span for span in (old.budget, new.budget) if span is not None]
    return replace(
        old,
        limits=limits,
        critical=inside(old.critical, new.critical),
        warning=inside(old.warning, new.warning),
        deadband_k=min(old.deadband_k, new.deadband_k),
        on_delay=min(old.on_delay, new.on_delay),
        warning_delay=min(old.warning_delay, new.warning_delay),
        budget=min(budgets) if budgets else None,
    )


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (2.0, 60.0, r"high_c 60 °C is beyond 6 °C.*did you mean 6\?"),
        (2.0, 6.5, r"high_c 6\.5 °C is beyond 6 °C, the widest that any authority here permits"),
        (-2.0, 6.0, r"low_c -2 °C is beyond 1 °C"),
        (2.0, None, "high_c no limit is beyond 6 °C"),
    ],
)
def test_limits_outside_the_components_are_a_slip(low: float, high: float | None, word: str) -> None:
    wrong = replace(RED, name="red-cells@own", limits=Limits(low, high, "t"), critical=None, warning=None)
    (fault,) = unsound_beside(wrong, PROFILES.values())
    assert re.search(word, fault), fault


def test_limits_that_an_authority_permits_are_no_slip() -> None:
    for profile in PROFILES.values():
        assert unsound_beside(replace(profile, name="x@own"), PROFILES.values()) == []
    assert unsound_beside(replace(RED, limits=Limits(1.0, 6.0, "t")), PROFILES.values()) == []
    (fault,) = unsound_beside(replace(RED, component="lemonade"), PROFILES.values())
    assert "no authority here has limits for 'lemonade'" in fault


def test_a_change_says_what_it_is() -> None:
    change = Change("red-cells@own", "critical_high_c", "6", "6.5", Effect.WIDENS)
    assert str(change) == "red-cells@own: critical_high_c 6 -> 6.5 (widens)"
