# SPDX-License-Identifier: Apache-2.0
"""An appliance is out of service for reasons: each ends by itself, and no work order undoes another's."""

from pathlib import Path

import pytest
from book_kit import FRIDGE, Shop

from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.sql import open_writer

SPARE = "vte-br-07"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path)
    made.reads(4.0, hours=30)
    return made


def out(shop: Shop, order: str = "", reason: str = "work") -> str:
    return shop.ask("take_out", FRIDGE, reason=reason, to="empty", order=order)


def is_out(shop: Shop) -> bool:
    return shop.aside._rows.out(FRIDGE) is not None


@pytest.mark.parametrize("later", ["put_back", "put_back_later"])
def test_an_order_puts_back_only_what_it_took_out(shop: Shop, later: str) -> None:
    assert out(shop, reason="recalled by its maker").startswith("applied")
    assert out(shop, order="7").startswith("applied"), "it is one reason more"
    said = shop.ask(later, FRIDGE, order="7")
    assert said == "nothing to do: vte-br-03 stays out of service: recalled by its maker (technician)"
    shop.passes(3)
    assert is_out(shop), "somebody else took it out"
    assert shop.ask(later, FRIDGE, order="8").startswith("nothing to do"), "an order that took nothing out"
    assert shop.ask("put_back", FRIDGE).startswith("applied"), "a person's word ends every reason"
    assert not is_out(shop)
    assert shop.aside._rows.holds(FRIDGE) == []


def test_the_last_of_two_orders_brings_it_back(shop: Shop) -> None:
    out(shop, order="7")
    out(shop, order="9", reason="door")
    assert "stays out of service: door" in shop.ask("put_back_later", FRIDGE, order="7")
    assert is_out(shop)
    assert shop.ask("put_back_later", FRIDGE, order="9").startswith("applied")
    assert not is_out(shop), "its readings were good all the time"


def test_another_order_ends_the_gate_that_the_first_had_asked_for(shop: Shop) -> None:
    shop.reads(9.0, hours=2)
    out(shop, order="7")
    assert "goes back into service by itself" in shop.ask("put_back_later", FRIDGE, order="7")
    assert out(shop, order="9").startswith("applied")
    shop.now_ms += 30 * 3_600_000
    shop.reads(4.0, hours=30)
    shop.passes(3)
    assert is_out(shop), "order 9 is still under way"
    assert shop.ask("put_back_later", FRIDGE, order="9").startswith("applied")
    assert not is_out(shop)


def test_asked_twice_is_one_reason(shop: Shop) -> None:
    out(shop, order="7")
    assert out(shop, order="7") == "nothing to do: vte-br-03 is out of service"
    assert [one.holder for one in shop.aside._rows.holds(FRIDGE)] == ["7"]


def test_what_was_out_before_the_upgrade_keeps_whose_it_is(tmp_path: Path) -> None:
    old = next(n for n, text in enumerate(ALARMS_MIGRATIONS) if "CREATE TABLE out_hold" in text)
    db = open_writer(tmp_path / "alarms.db", ALARMS_MIGRATIONS[:old])
    for name, reason in (("a", "work order 12: Fan (blood: b)"), ("b", "recalled: by its maker")):
        db.execute(
            "INSERT INTO out_of_service (appliance, person, reason, from_ms) VALUES (?, 'noy', ?, 5)",
            (name, reason),
        )
    db.close()
    db = open_writer(tmp_path / "alarms.db", ALARMS_MIGRATIONS)
    assert db.execute("SELECT holder, from_ms FROM out_hold ORDER BY id").fetchall() == [("12", 5), ("", 5)]
    db.close()
