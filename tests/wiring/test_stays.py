# SPDX-License-Identifier: Apache-2.0
"""One exposure clock over several places: the sum over the stays is the whole, however it is cut."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coldchain.kernel.errors import BadData, ConfigError
from coldchain.kernel.exposure import DISCARD, FATES, KEEP, QUARANTINE, Exposure, ExposureRule, propose
from coldchain.kernel.isbt import VALUES, check_character, read_donation, shown
from coldchain.kernel.stays import Leg, Stay, exposure_of
from coldchain.settings.exposure_files import BUILT_IN, fitting, read_rules, rules_of
from coldchain.settings.profile_files import PROFILES
from coldchain.wiring.stays import judged

MINUTE = 60_000
RED = PROFILES["red-cells@eu"]
NOTHING = np.zeros(0, np.int64)
STEPS = st.lists(st.integers(1, 12), min_size=2, max_size=40)
VALUE = st.integers(0, 12_000)


@st.composite
def courses(draw):
    """(instants, values, cuts): readings some minutes apart, with holes, and where the stay is cut."""
    at = np.cumsum([0, *draw(STEPS)]).astype(np.int64) * MINUTE
    milli = np.array(draw(st.lists(VALUE, min_size=len(at), max_size=len(at))), float)
    cuts = draw(st.lists(st.integers(1, int(at[-1]) - 1), max_size=5, unique=True)) if at[-1] > 1 else []
    return at, milli, sorted(cuts)


def leg(stay: Stay, at, milli) -> Leg:
    known_ms, outs, inside = judged(at, milli, stay, RED, 3 * MINUTE)
    lost = stay.end_ms - stay.start_ms - known_ms
    out_ms = sum(out.out_ms for out in outs)
    return Leg(
        "br", "br/load", stay.start_ms, stay.end_ms, RED.label, 2.0, 6.0, out_ms, lost, None, None,
        tuple(outs), 0, 0, "", NOTHING, NOTHING, inside,
    )  # fmt: skip


@given(courses())
@example((np.array([0, 1, 2, 6, 7]) * MINUTE, np.array([0.0, 0, 0, 2000, 0]), [2 * MINUTE + 1]))
@example(
    (
        np.array([0, 1, 5, 9, 13, 17, 18]) * MINUTE,
        np.array([0.0, 0, 0, 0, 2000, 0, 0]),
        [MINUTE, 13 * MINUTE + 1],
    )
)
def test_the_sum_over_the_legs_is_the_whole(course) -> None:
    at, milli, cuts = course
    whole = exposure_of([leg(Stay("br", 0, int(at[-1])), at, milli)])
    edges = [0, *cuts, int(at[-1])]
    parts = exposure_of([leg(Stay("br", a, b), at, milli) for a, b in pairwise(edges)])
    assert parts.span_ms == whole.span_ms
    rounding = 2 * len(edges)  # a crossing beside a cut is rounded twice
    assert abs(parts.out_ms - whole.out_ms) <= rounding
    assert abs(parts.unknown_ms - whole.unknown_ms) <= rounding
    assert abs(parts.longest_ms - whole.longest_ms) <= rounding
    assert parts.occasions == whole.occasions


def test_an_occasion_that_goes_on_in_the_box_is_one_occasion() -> None:
    at = np.arange(0, 61, dtype=np.int64) * MINUTE
    milli = np.full(61, 7_000.0)
    parts = [leg(Stay("br", 0, 30 * MINUTE), at, milli), leg(Stay("bx", 30 * MINUTE, 60 * MINUTE), at, milli)]
    found = exposure_of(parts)
    assert (found.occasions, found.out_ms, found.longest_ms) == (1, 60 * MINUTE, 60 * MINUTE)


def test_what_nobody_measured_is_unknown_and_not_fine() -> None:
    at = np.array([0, 60 * MINUTE], np.int64)
    found = exposure_of([leg(Stay("br", 0, 60 * MINUTE), at, np.array([4_000.0, 4_000.0]))])
    assert (found.out_ms, found.unknown_ms) == (0, 60 * MINUTE)
    rule = fitting(rules_of_nowhere(), RED)[0].rule
    assert propose(rule, found).fate == QUARANTINE
    assert [ground.what for ground in propose(rule, found).grounds] == ["unknown_s"]


def rules_of_nowhere():
    return {one.rule.name: one for one in BUILT_IN}


# --- rules


@pytest.mark.parametrize(
    ("minutes", "high", "fate"),
    [(29, 9_000, KEEP), (30, 10_000, KEEP), (31, 9_000, QUARANTINE), (20, 10_100, QUARANTINE),
     (301, 9_000, DISCARD), (10, 15_100, DISCARD)],
)  # fmt: skip
def test_the_thirty_minute_rule(minutes: int, high: int, fate: str) -> None:
    rule = rules_of_nowhere()["red-cells-30-minutes@au"].rule
    span = minutes * MINUTE
    assert propose(rule, Exposure(24 * 60 * MINUTE, span, span, 1, 0, 3_000, high)).fate == fate


@given(
    st.sampled_from([one.rule for one in BUILT_IN]),
    st.builds(
        Exposure, st.just(10**8), st.integers(0, 10**8), st.integers(0, 10**8), st.integers(0, 9),
        st.integers(0, 10**8), st.integers(-90_000, 50_000), st.integers(-90_000, 50_000),
    ),
    st.integers(1, 10**7),
)  # fmt: skip
def test_more_exposure_is_never_judged_milder(rule: ExposureRule, one: Exposure, more: int) -> None:
    worse = Exposure(
        one.span_ms, one.out_ms + more, one.longest_ms + more, one.occasions + 1, one.unknown_ms + more,
        (one.low or 0) - more, (one.high or 0) + more,
    )  # fmt: skip
    assert FATES.index(propose(rule, worse).fate) >= FATES.index(propose(rule, one).fate)


def test_every_component_has_a_rule_and_what_has_none_is_judged_by_people() -> None:
    rules = rules_of_nowhere()
    assert fitting(rules, RED)[0].rule.name == "red-cells-30-minutes@au"
    assert fitting(rules, PROFILES["red-cells@uk"])[0].rule.name == "red-cells-5-hours@uk"
    assert [one.rule.name for one in fitting(rules, None)] == ["judged-by-people@ours"]
    nobody = fitting(rules, PROFILES["granulocytes@eu"])[0].rule
    assert propose(nobody, Exposure(1000, 1000, 1000, 1, 0, None, None)).fate == QUARANTINE


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            'component = "x"\n[sources]\n[[rule]]\nname = "x@y"\nversion = 1\nonce_s = 5\n',
            "a number with its",
        ),
        ('component = "x"\n[sources]\na = "b"\n[[rule]]\nname = "x@y"\nversion = 1\n', "once_s is missing"),
        (
            (
                'component = "x"\n[sources]\na = "b"\n[[rule]]\nname = "x@y"\nversion = 1\n'
                'once_s = [9, "a"]\n'
                'discard_once_s = [5, "a"]\n'
            ),
            "lies within",
        ),
        ('component = "x"\nmore = 1\n[sources]\n', "unknown key 'more'"),
    ],
)
def test_an_unsound_rule_refuses_its_file(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        read_rules(text, "f.toml")


def test_a_sites_own_rule_is_signed_and_taken_first(tmp_path) -> None:
    folder = tmp_path / "exposure"
    folder.mkdir()
    body = (
        'component = "red cells"\n[sources]\nus = "our director"\n'
        '[[rule]]\nname = "red-cells@vte"\nversion = 1\nonce_s = [600, "us"]\n'
    )
    (folder / "own.toml").write_text(body, "utf-8")
    with pytest.raises(ConfigError, match="signed_by"):
        rules_of(tmp_path)
    signed = 'signed_by = "Dr Kham"\nsigned_on = 2026-01-05\nreason = "our study"\n'
    (folder / "own.toml").write_text(signed + body, "utf-8")
    assert fitting(rules_of(tmp_path), RED)[0].rule.label == "red-cells@vte v1"


# --- donation numbers

NUMBERS = st.from_regex(r"[1-9A-NP-Z][0-9A-NP-Z]{4}[0-9]{8}", fullmatch=True)


@given(NUMBERS)
def test_a_number_is_read_as_scanned_and_as_typed(number: str) -> None:
    check = VALUES.index(check_character(number))
    for text in (
        f"={number}00",
        f"={number}{60 + check}",
        shown(number),
        f"{number}00{VALUES[check]}".lower(),
    ):
        assert read_donation(text) == number


@given(NUMBERS, st.integers(0, 12), st.sampled_from(VALUES[:36]))
def test_one_wrong_character_is_found(number: str, place: int, other: str) -> None:
    wrong = number[:place] + other + number[place + 1 :]
    if wrong != number:
        with pytest.raises(BadData):
            read_donation(wrong + check_character(number))


@given(NUMBERS, st.integers(0, 11))
def test_two_neighbours_that_changed_places_are_found(number: str, place: int) -> None:
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    if swapped != number:
        with pytest.raises(BadData):
            read_donation(swapped + check_character(number))


@pytest.mark.parametrize(
    ("text", "why"),
    [("G123498654321", "check character too"), ("=<E0791V00", "no donation number"), ("", "no donation"),
     ("=G1234986543219", "two flag"), ("=G12349865432178", "do not fit"), ("G123498654321HH1", "check")],
)  # fmt: skip
def test_what_is_no_donation_number(text: str, why: str) -> None:
    with pytest.raises(BadData, match=why):
        read_donation(text)
