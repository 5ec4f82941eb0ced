# SPDX-License-Identifier: Apache-2.0
"""A finished work order starts the gate, and a sent one reaches its contractor in one message."""

from pathlib import Path

import pytest
from book_kit import FRIDGE, Shop
from hypothesis import given
from hypothesis import strategies as st

from alerts.alarms.proving import WAITS_MS
from alerts.words import LANGUAGES, fits
from alerts.words.orders import work_order
from coldchain.records.registry import Person
from coldchain.records.site import TOO_LONG, SiteReader


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def proving(shop: Shop) -> list[tuple[str, str, bool]]:
    sql = "SELECT missing, came, ended_ms IS NULL FROM proving ORDER BY id"
    return [(missing, came, bool(runs)) for missing, came, runs in shop.store.db.execute(sql)]


def test_the_gate_is_looked_at_until_it_lets_the_appliance_back(shop: Shop) -> None:
    shop.reads(4.0, hours=30)
    shop.ask("take_out", FRIDGE, reason="work", to="vte-br-07")
    shop.reads(9.0, hours=30)
    said = shop.ask("put_back_later", FRIDGE, reason="work order 1")
    assert said.startswith("applied: vte-br-03 goes back into service by itself")
    ((missing, _, runs),) = proving(shop)
    assert runs
    assert "has held its range for 0 h 00 min of 24 h" in missing
    shop.reads(4.0, hours=2)
    shop.passes(1)
    assert "2 h 01 min of 24 h" in proving(shop)[0][0]
    assert shop.aside._rows.out(FRIDGE) is not None
    shop.reads(4.0, hours=25)
    shop.passes(2)
    assert proving(shop) == [("", "applied", False)]
    assert shop.aside._rows.out(FRIDGE) is None, "it is in service again by itself"
    (row,) = shop.store.db.execute("SELECT back_person, back_reason FROM out_of_service").fetchall()
    assert tuple(row) == ("technician", "work order 1")


def test_out_again_ends_the_gate_and_nothing_goes_back(shop: Shop) -> None:
    shop.reads(9.0, hours=30)
    shop.ask("take_out", FRIDGE, reason="work", to="empty")
    shop.ask("put_back_later", FRIDGE, reason="done")
    shop.ask("put_back_later", FRIDGE, reason="done, I think")
    assert [runs for _, _, runs in proving(shop)] == [False, True], "one gate for one appliance"
    shop.reads(4.0, hours=30)
    assert shop.ask("put_back", FRIDGE).startswith("applied")
    shop.ask("take_out", FRIDGE, reason="broken again", to="empty")
    assert proving(shop)[-1][1:] == ("out again", False)
    shop.passes(5)
    assert shop.aside._rows.out(FRIDGE) is not None


def test_a_gate_that_nobody_brings_to_its_end_is_told_and_looked_at_no_longer(shop: Shop) -> None:
    shop.reads(9.0, hours=30)
    shop.ask("take_out", FRIDGE, reason="work", to="empty")
    shop.ask("put_back_later", FRIDGE, reason="done")
    reader = SiteReader(shop.store_path)
    (one,) = reader.waiting()
    assert (one.appliance, one.asked_ms, one.ended_ms) == (FRIDGE, shop.now_ms, None)
    shop.now_ms += WAITS_MS + 60_000
    shop.reads(4.0, hours=30)
    shop.passes(1)
    assert shop.aside._rows.out(FRIDGE) is not None, "good readings of today prove nothing of that repair"
    (one,) = reader.waiting()
    assert (one.came, one.ended_ms is None) == (TOO_LONG, False)
    assert shop.ask("put_back_later", FRIDGE, reason="asked again").startswith("applied")
    assert reader.waiting() == []
    shop.ask("take_out", FRIDGE, reason="another day", to="empty")
    assert reader.waiting() == [], "nobody has asked the gate since"
    reader.close()


def test_an_order_is_one_message_to_its_contractor(shop: Shop) -> None:
    fixer = Person(id="fixer", name="Fixer", phone="+8562000000009", role="contractor", language="fr")
    shop.registry = shop.registry.model_copy(update={"people": (*shop.registry.people, fixer)})
    said = {"order": "12", "appliance": FRIDGE, "contractor": "fixer", "serial": "SN-1", "what": "Joint"}
    with shop.store.transaction():
        assert shop.teller.work_order(said, shop.scene) == "applied: an SMS to fixer is due"
        assert shop.teller.work_order(said, shop.scene).startswith("applied"), "sent again is sent again"
        assert shop.teller.work_order(said | {"contractor": "?"}, shop.scene).startswith("refused")
    rows = shop.store.db.execute("SELECT alarm, about, step, address, text FROM notice").fetchall()
    assert [(r[0], r[1], r[2], r[3]) for r in rows] == [
        ("work:12", "work_order", 0, "+8562000000009"), ("work:12", "work_order", 1, "+8562000000009"),
    ]  # fmt: skip
    assert rows[0][4] == "INTERVENTION 12 : vte-br-03, Vientiane. Joint Série SN-1"


@pytest.mark.parametrize("language", LANGUAGES)
@given(
    what=st.text(max_size=300)
    | st.sampled_from(["Door seal torn, compressor runs on " * 6, "ຢາງປະຕູຂາດ " * 20]),
    serial=st.sampled_from(["SN-1", "DOM-MB1-2024-000123", "x" * 40]),
    place=st.sampled_from(["Vientiane", "ໂຮງໝໍແຂວງ ສະຫວັນນະເຂດ " * 4]),
)
def test_any_order_is_one_segment_and_names_its_number(
    language: str, what: str, serial: str, place: str
) -> None:
    text = work_order(
        language, number=99_999, appliance="kaysone-district-br-003", site="kys", place=place, serial=serial,
        what=" ".join(what.split()),
    )  # fmt: skip
    assert fits(text), text
    assert "99999" in text
    if len(serial) < 20 and language in ("en", "fr"):
        assert serial in text
