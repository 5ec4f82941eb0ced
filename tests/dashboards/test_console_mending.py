# SPDX-License-Identifier: Apache-2.0
"""What is to be mended is read in the reader's language, and leads to the page on which it is done."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from console_seed import NOW_MS, registry

from coldchain.records import readiness
from coldchain.records.readiness import DAY_MS, Finding, Known, findings
from coldchain.records.registry import Person, Registry
from dashboards.console.english import ENGLISH
from dashboards.console.mending import mend_said
from dashboards.console.words import speaking

REGISTRY = registry(3)
EMPTY = REGISTRY.model_copy(update={"appliances": (), "sensors": (), "people": ()})


def known(made: Registry = REGISTRY) -> Known:
    return Known(now_ms=NOW_MS, registry=made, profiles={})


def found() -> list[Finding]:
    """By the list's own code, so that a sentence which changes there is missed here."""
    ago = NOW_MS - 90 * DAY_MS
    noy = Person(id="noy", name="Noy", phone="+8562055501002")
    whole = replace(
        known(REGISTRY.model_copy(update={"people": (noy,)})),
        gaps=[("vte", NOW_MS, NOW_MS + DAY_MS)],
        heard={s.id: NOW_MS - DAY_MS for s in REGISTRY.sensors[:4]},
        backlogs={"gw-1": ago},
        credit=3.0,
        reserve=5.0,
        signal_dbm=-111,
        certificate_until_ms=NOW_MS + DAY_MS // 2,
        unsent=[("month 2026-10", "no server")],
        tells=False,
    )
    asked = replace(whole, asked={"noy": ago}, delivered={"noy": ago}, credit=12.0, certificate_refused="x")
    never = replace(whole, asked={"noy": ago}, drills={a.id: ago * 1 for a in REGISTRY.appliances})
    every = [*findings(known(EMPTY)), *findings(whole), *findings(asked), *findings(never)]
    return list({(one.what, one.says): one for one in every}.values())


def test_each_sentence_is_known() -> None:
    every = found()
    kinds = {one.what for one in every}
    assert {
        "nothing",
        "nobody",
        "unproven",
        "shift",
        "silent",
        "drill",
        "credit",
        "certificate",
        "report",
    } <= kinds
    untold = [one.says for one in every if mend_said(one, REGISTRY).says == one.says and one.what != "limits"]
    assert untold == []


def test_each_kind_has_its_words() -> None:
    source = Path(readiness.__file__).read_text("utf-8")
    kinds = set(re.findall(r'Finding\(\s*(?:level|"(?:now|soon|note)"[^,]*), "(\w+)"', source))
    kinds |= set(re.findall(r'^    "(\w+)": \($', source, re.MULTILINE))
    assert len(kinds) > 15
    lacking = [
        one for one in kinds if one != "nothing" and not {f"mend.{one}", f"do.{one}"} <= ENGLISH.keys()
    ]
    assert lacking == []


def test_no_appliance_is_not_told_as_nothing_to_mend() -> None:
    (one,) = (mend_said(f, EMPTY) for f in findings(known(EMPTY)) if f.what == "nothing")
    assert (one.what, one.page) == ("nothing is watched", "/admin/discovery")


@pytest.mark.parametrize("language", ["lo", "fr", "vi"])
def test_no_english_is_left(language: str) -> None:
    with speaking("en"):
        english = [mend_said(one, REGISTRY) for one in found()]
    with speaking(language):
        said = [mend_said(one, REGISTRY) for one in found()]
    assert [a.says for a, b in zip(english, said, strict=True) if a.says == b.says] == []
    assert [a.do for a, b in zip(english, said, strict=True) if a.do == b.do] == []
