# SPDX-License-Identifier: Apache-2.0
"""Papers and signatures in the desk: two people, once each, whole or nothing, and any change is found."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from coldchain.kernel.audit import Altered, Head
from coldchain.kernel.errors import BadData
from coldchain.records.asked import AskedReader
from coldchain.records.audit import check
from coldchain.records.registry import Desk
from coldchain.records.signatures import (
    OPEN_MS,
    Outcome,
    Paper,
    Signature,
    Signatures,
    SignedReader,
    signed_disposition,
)

NOW = 1_700_000_000_000
PAPER = Paper("p" * 32, "disposition", "a-1", "vte", {"what": "keep", "person": "noy", "reason": "7 °C"})
NOY = Signature(1, 0, "noy.k", "noy", "technician", "decided")
KEO = Signature(2, 0, "keo.b", "keo", "supervisor", "agreed")
OUTCOME = Outcome("noy", "dispose", "a-1", {"what": "keep", "second": "keo"})


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    return tmp_path / "desk.db"


def sign(desk: Path, paper: Paper, *by: Signature, at_ms: int = NOW) -> Paper:
    store = Signatures(desk, lambda: at_ms)
    try:
        return store.sign(paper, by, OUTCOME)
    finally:
        store.close()


def test_nothing_comes_of_it_until_the_second_person_has_signed(desk: Path) -> None:
    assert not sign(desk, PAPER, NOY).whole
    reader = SignedReader(desk)
    assert [one.id for one in reader.waiting(NOW)] == [PAPER.id]
    assert reader.waiting(NOW + OPEN_MS + 1) == [], "it is too old"
    assert AskedReader(desk).of(PAPER.id) is None
    done = sign(desk, PAPER, KEO, at_ms=NOW + 5)
    assert done.whole
    assert [(one.person, one.at_ms, one.meaning) for one in done.signatures] == [
        ("noy", NOW, "decided"),
        ("keo", NOW + 5, "agreed"),
    ]
    asked = AskedReader(desk).of(PAPER.id)
    assert asked is not None
    assert (asked.verb, asked.person, asked.alarm, asked.body["second"]) == ("dispose", "noy", "a-1", "keo")
    assert reader.waiting(NOW) == []
    assert sign(desk, PAPER, KEO, at_ms=NOW + 9).signatures == done.signatures, "sent twice"


@pytest.mark.parametrize(
    ("paper", "by", "why"),
    [
        (PAPER, replace(KEO, person="noy"), "somebody else"),
        (PAPER, replace(NOY, person="keo"), "signed there already"),
        (replace(PAPER, body={**PAPER.body, "what": "discard"}), KEO, "something else"),
    ],
)
def test_what_cannot_be_signed_leaves_nothing(desk: Path, paper: Paper, by: Signature, why: str) -> None:
    sign(desk, PAPER, NOY)
    with pytest.raises(BadData, match=why):
        sign(desk, paper, by)
    (kept,) = SignedReader(desk).about("disposition", "a-1")
    assert [one.place for one in kept.signatures] == [1]
    assert AskedReader(desk).of(PAPER.id) is None


def test_nobody_takes_the_id_of_a_paper_away_unnoticed(desk: Path) -> None:
    """Else two people sign, and nothing comes of it."""
    sign(desk, PAPER, NOY)
    other = Desk(desk, lambda: NOW)
    assert other.command(PAPER.id, "acknowledge", person="thief", alarm="a-1", body={})
    other.close()
    with pytest.raises(BadData, match="something else was asked"):
        sign(desk, PAPER, KEO)
    found = SignedReader(desk).paper(PAPER.id)
    assert found is not None
    assert not found.whole, "it was not signed, either"


def test_of_several_about_one_thing_the_newest_waits(desk: Path) -> None:
    sign(desk, PAPER, NOY)
    later = replace(PAPER, id="q" * 32, body={**PAPER.body, "what": "discard"})
    sign(desk, later, NOY, at_ms=NOW + 1)
    assert [one.id for one in SignedReader(desk).waiting(NOW + 2)] == [later.id]
    sign(desk, later, KEO, at_ms=NOW + 3)
    assert SignedReader(desk).waiting(NOW + 4) == [], "what it stands in for waits no more"


def test_signatures_belong_to_what_was_recorded(desk: Path) -> None:
    sign(desk, PAPER, NOY, KEO)
    papers = SignedReader(desk).about("disposition", "a-1")
    assert signed_disposition(papers, "keep", "noy", "keo", "7 °C") == papers[0]
    for other in (
        ("discard", "noy", "keo", "7 °C"),
        ("keep", "keo", "noy", "7 °C"),
        ("keep", "noy", "keo", ""),
    ):
        assert signed_disposition(papers, *other) is None, other
    altered = replace(papers[0], body={**papers[0].body, "what": "discard"})
    assert not altered.whole, "the digests are those of what was signed"


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE signature SET person = 'boss' WHERE place = 2",
        "UPDATE paper SET body = replace(body, 'keep', 'discard')",
        "DELETE FROM signature WHERE place = 2",
        "UPDATE signature SET at_ms = at_ms + 1",
    ],
)
def test_any_change_behind_our_back_is_found(desk: Path, sql: str) -> None:
    sign(desk, PAPER, NOY, KEO)
    assert isinstance(check(desk, "desk"), Head)
    db = sqlite3.connect(desk)
    if sql.startswith("UPDATE"):
        with pytest.raises(sqlite3.IntegrityError, match="stays"):
            db.execute(sql)
    db.executescript("DROP TRIGGER paper_holds; DROP TRIGGER signature_holds;"
                     "DROP TRIGGER audit_paper_changed;"
                     "DROP TRIGGER audit_signature_changed; DROP TRIGGER audit_signature_gone;"
                     "DROP TRIGGER audit_signature_new;")  # fmt: skip
    db.execute(sql)
    db.commit()
    db.close()
    assert isinstance(check(desk, "desk"), Altered)
