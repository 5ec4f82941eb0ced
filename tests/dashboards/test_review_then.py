# SPDX-License-Identifier: Apache-2.0
"""The monthly review: as it was known when the month ended, and as it is known now."""

from pathlib import Path

import pytest
from book_kit import MINUTE, Shop

from coldchain.records.found import FoundReader
from coldchain.records.registry import Desk
from coldchain.settings import Settings
from coldchain.wiring.report.review import month_review
from dashboards.reports.document import Document, Table
from ingest.journal import SqliteJournal

MONTH = "2026-03"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path)
    desk = Desk(tmp_path / "desk.db", lambda: made.now_ms)
    desk.publish(made.registry, author="test", reason="seed")
    desk.close()
    journal = SqliteJournal(tmp_path / "readings.db")
    journal.rewire(made.registry)
    journal.close()
    return made


def review(shop: Shop, as_of_ms: int, language: str = "en") -> Document:
    settings = Settings(data_dir=shop.store_path.parent)
    return month_review(settings, MONTH, None, language, as_of_ms, lambda _done, _of: None)


def table(document: Document, head: str) -> tuple[tuple[str, ...], ...]:
    (found,) = [block for block in document.blocks if isinstance(block, Table) and head in block.head]
    return found.rows


def test_what_was_answered_and_marked_later_is_not_known_then(shop: Shop) -> None:
    alarm = shop.begins("high") or ""
    shop.now_ms += 12 * MINUTE
    then_ms = shop.now_ms
    shop.now_ms += 8 * MINUTE
    shop.ask("acknowledge", alarm)
    shop.ends("high")
    shop.now_ms += 40 * 24 * 60 * MINUTE
    with shop.store.transaction():
        shop.store.db.execute(
            "INSERT INTO finding (alarm, verdict, cause, person, reason, at_ms) VALUES (?,?,?,?,?,?)",
            (alarm, "true", "door", "boss", "", shop.now_ms),
        )
    now = table(review(shop, shop.now_ms), "Half answered within")
    assert now[0] == ("all of them", "1", "20 min", "20 min", "0", "100 %", "0")
    assert now[1][:2] == ("Vientiane", "1")
    then = table(review(shop, then_ms), "Half answered within")
    assert then[0] == ("all of them", "1", "–", "–", "1", "–", "0")
    assert table(review(shop, shop.now_ms), "Marked")[0][-2:] == ("20 min", "true")
    assert table(review(shop, then_ms), "Marked")[0][-2:] == ("–", "–")


def test_a_filed_review_is_made_again_from_the_same_record(shop: Shop) -> None:
    shop.begins("high")
    shop.now_ms += 5 * MINUTE
    filed_ms = shop.now_ms
    before = review(shop, filed_ms)
    shop.now_ms += MINUTE
    shop.ask("acknowledge", shop.alarm().id)
    shop.ends("high")
    assert review(shop, filed_ms) == before, "what came later is left out"
    assert review(shop, shop.now_ms) != before


def test_an_alarm_that_was_raised_again_counts_from_its_first_time(shop: Shop) -> None:
    first_ms = shop.now_ms
    shop.begins("high")
    shop.now_ms += 10 * MINUTE
    shop.ends("high")
    shop.now_ms += 10 * MINUTE
    shop.begins("high")
    (outcome,) = FoundReader(shop.store_path).outcomes(0, 2**60)
    assert outcome.raised_ms == first_ms
    assert shop.alarm().raised_ms > first_ms, "the row says when it was raised last"


@pytest.mark.parametrize("language", ["lo", "fr", "vi"])
def test_it_speaks_the_readers_language(shop: Shop, language: str) -> None:
    shop.begins("high")
    told = review(shop, shop.now_ms + MINUTE, language)
    assert "Called for a reason" not in str(told.blocks)
