# SPDX-License-Identifier: Apache-2.0
"""The parser forgives what thumbs do, invents nothing, and never guesses between two alarms."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.answers.codes import can_be_answered, fresh, people_at
from alerts.answers.parse import Action, Verb, parse, plain
from coldchain.records.registry import Person

LAO = str.maketrans(string.digits, "".join(chr(0x0ED0 + n) for n in range(10)))
FULL = str.maketrans(string.digits, "".join(chr(0xFF10 + n) for n in range(10)))
THAI = str.maketrans(string.digits, "".join(chr(0x0E50 + n) for n in range(10)))


@pytest.mark.parametrize(
    "text",
    ["OK 483126", "ok 483126", "Ok483126", "oK  483 126", "ok.483126", "OK, 483126!", "0k 483126",
     "okay 483126", " \n ok\n483126 ", "OK 4 8 3 1 2 6", "483126", "ok-483126", "OK ໔໘໓໑໒໖",
     "ＯＫ ４８３１２６", "ຕົກລົງ ໔໘໓໑໒໖", "ຕົກລົງ483126", "ok 483126 ok", "Oui 483126", "OK: “483126”"],
)  # fmt: skip
def test_what_thumbs_do(text: str) -> None:
    wish = parse(text)
    assert (wish.verb, wish.code, wish.action) == (Verb.ACKNOWLEDGE, "483126", Action.NONE)


@pytest.mark.parametrize(
    ("text", "verb", "action", "target", "initials"),
    [
        ("OK 483126 door", Verb.ACKNOWLEDGE, Action.DOOR, "", ""),
        ("door closed 483126", Verb.ACKNOWLEDGE, Action.DOOR, "", ""),
        ("moved 483126 2", Verb.ACKNOWLEDGE, Action.MOVED, "2", ""),
        ("Moved to 2 483126", Verb.ACKNOWLEDGE, Action.MOVED, "2", ""),
        ("OK 483126 MOVED vte-br-02", Verb.ACKNOWLEDGE, Action.MOVED, "vte-br-02", ""),
        ("483126 ຍ້າຍ ໒", Verb.ACKNOWLEDGE, Action.MOVED, "2", ""),
        ("ok 483126 ks", Verb.ACKNOWLEDGE, Action.NONE, "", "KS"),
        ("pass 483126", Verb.PASS, Action.NONE, "", ""),
        ("NO 483126", Verb.PASS, Action.NONE, "", ""),
        ("ALL 483126", Verb.ALL, Action.NONE, "", ""),
        ("ok all 483126", Verb.UNCLEAR, Action.NONE, "", ""),
        ("? 483126", Verb.DETAIL, Action.NONE, "", ""),
        ("info 483126", Verb.DETAIL, Action.NONE, "", ""),
        ("vte-br-01?", Verb.ASK, Action.NONE, "vte-br-01", ""),
        ("VTE BR 01 ?", Verb.ASK, Action.NONE, "vte-br-01", ""),
        ("ok no 483126", Verb.UNCLEAR, Action.NONE, "", ""),
        ("where are you", Verb.UNCLEAR, Action.NONE, "", ""),
        ("", Verb.UNCLEAR, Action.NONE, "", ""),
    ],
)
def test_wishes(text: str, verb: Verb, action: Action, target: str, initials: str) -> None:
    wish = parse(text)
    assert (wish.verb, wish.action, wish.target) == (verb, action, target)
    assert verb is Verb.UNCLEAR or wish.initials == initials


def test_two_alarms_are_never_guessed_between() -> None:
    assert parse("ok 483126 771234").code == ""
    assert parse("ok 483126 771234").codes == ("483126", "771234")
    assert parse("ok 483126 483126").code == "483126"


@pytest.mark.parametrize("text", ["ok 7", "ok", "ok 48312", "ok 4831267", "ok 4831 2671", "ok 48 31"])
def test_what_is_no_code_is_not_made_into_one(text: str) -> None:
    wish = parse(text)
    assert (wish.verb, wish.code) == (Verb.ACKNOWLEDGE, "")


SPACES = st.text(" .,-\n", max_size=2)


@given(
    code=st.integers(100_000, 999_999).map(str),
    word=st.sampled_from(["ok", "OK", "Ok", "oK", "0K", "okay", "ຕົກລົງ", "ＯＫ"]),
    digits=st.sampled_from([{}, LAO, FULL, THAI]),
    before=SPACES,
    between=SPACES,
    within=st.sampled_from(["", " ", "-", ". "]),
    after=SPACES,
)
def test_any_dress_of_a_code_is_that_code(code, word, digits, before, between, within, after) -> None:
    if word == "0K" and not between.strip(""):
        between = " "
    text = before + word + between + within.join(code.translate(digits)) + after
    wish = parse(text)
    assert (wish.verb, wish.codes) == (Verb.ACKNOWLEDGE, (code,)), text


@given(st.text(max_size=200))
def test_nothing_is_invented(text: str) -> None:
    """Whatever arrives: no crash, and each code's digits stand in the text in that order, side by side
    but for what is no digit.
    """
    wish = parse(text)
    digits = "".join(re.findall(r"[0-9]", plain(text).replace("0k", "ok")))
    for code in wish.codes:
        assert len(code) == 6
        assert code in digits or code in "".join(re.findall(r"[0-9]", plain(text)))
    assert wish.code in ("", *wish.codes)


@given(
    a=st.integers(100_000, 999_999),
    b=st.integers(100_000, 999_999),
    glue=st.sampled_from([" ", ", ", " or "]),
)
def test_with_two_codes_there_is_none(a: int, b: int, glue: str) -> None:
    wish = parse(f"ok {a}{glue}{b}")
    assert wish.code == (str(a) if a == b else "")


def test_codes_are_fresh_and_never_begin_with_zero() -> None:
    drawn = iter([0, 0, 5])
    assert fresh(lambda n: next(drawn), {"100000"}) == "100005"
    assert fresh(lambda n: n - 1, set()) == "999999"


def test_numbers_are_known_by_their_whole_or_one_fitting_end() -> None:
    ana = Person(id="ana", name="A", phone="+8562055512345", numbers=("+8562099912345",))
    bao = Person(id="bao", name="B", phone="+84955512345")
    shared = Person(id="cam", name="C", phone="+8562055512345")
    assert [p.id for p in people_at("+8562099912345", (ana, bao))] == ["ana"]
    assert [p.id for p in people_at("2055512345", (ana, bao))] == ["ana"]
    assert people_at("55512345", (ana, bao)) == [], "fits two telephones"
    assert [p.id for p in people_at("+8562055512345", (ana, shared))] == ["ana", "cam"]
    assert people_at("+12055512345", (ana, bao)) == [], "another country"
    assert not can_be_answered("AlertBank")
