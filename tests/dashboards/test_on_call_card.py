# SPDX-License-Identifier: Apache-2.0
"""The on-call card says what the parser understands, in four languages, and the printed files are today's."""

from pathlib import Path

import pypdfium2
import pytest

from alerts.answers.parse import Action, Verb, parse
from coldchain.wiring.report.card import ANSWERS, CODE, on_call_card
from dashboards.reports.document import Heading, Note, Table
from dashboards.reports.typeset import pdf_of
from dashboards.reports.words import LANGUAGES

PRINTED = Path(__file__).parents[2] / "docs" / "guides"

MEANT = {
    f"OK {CODE}": (Verb.ACKNOWLEDGE, Action.NONE),
    f"OK {CODE} DOOR": (Verb.ACKNOWLEDGE, Action.DOOR),
    f"OK {CODE} POWER": (Verb.ACKNOWLEDGE, Action.POWER),
    f"OK {CODE} COMING": (Verb.ACKNOWLEDGE, Action.COMING),
    f"OK {CODE} WORK": (Verb.ACKNOWLEDGE, Action.WORK),
    f"MOVED {CODE} 2": (Verb.ACKNOWLEDGE, Action.MOVED),
    f"PASS {CODE}": (Verb.PASS, Action.NONE),
    f"INFO {CODE}": (Verb.DETAIL, Action.NONE),
    f"LIST {CODE}": (Verb.LIST, Action.NONE),
    f"ALL {CODE}": (Verb.ALL, Action.NONE),
    f"OK {CODE} KS": (Verb.ACKNOWLEDGE, Action.NONE),
    "vte-br-03?": (Verb.ASK, Action.NONE),
    "vte-br-03 4.2": (Verb.BY_HAND, Action.NONE),
}


def test_each_answer_on_it_is_understood_as_it_says() -> None:
    assert [text for text, _ in ANSWERS] == list(MEANT)
    for text, (verb, action) in MEANT.items():
        wish = parse(text)
        assert (wish.verb, wish.action) == (verb, action), text
    assert parse(f"OK {CODE} KS").initials == "KS"
    assert parse(f"MOVED {CODE} 2").target == "2"


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_nothing_on_it_is_left_in_english(language: str) -> None:
    def said(of: str) -> list[str]:
        found = []
        for block in on_call_card(of).blocks:
            if isinstance(block, Heading | Note):
                found.append(block.text)
            elif isinstance(block, Table):
                found += [*block.head, *(meaning for _, meaning in block.rows)]
        return found

    assert not set(said(language)) & set(said("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_printed_card_is_todays_and_one_page(language: str) -> None:
    """If not: coldchain report card -l LANGUAGE -o docs/guides/on-call-card-LANGUAGE.pdf"""
    printed = (PRINTED / f"on-call-card-{language}.pdf").read_bytes()
    assert printed == pdf_of(on_call_card(language))
    assert len(pypdfium2.PdfDocument(printed)) == 1
