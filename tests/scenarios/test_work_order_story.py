# SPDX-License-Identifier: Apache-2.0
"""A work order from the desk to alerts and back: an SMS, out of service, the blood's clock, the gate."""

from pathlib import Path

from book_kit import FRIDGE, MINUTE, Shop

from alerts.commands import Commands
from coldchain.records.deeds import Deeds
from coldchain.records.registry import Desk, Person
from coldchain.records.site import SiteReader

SPARE = "vte-br-07"


def test_an_order_is_sent_started_finished_and_the_appliance_comes_back(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    fixer = Person(id="fixer", name="Fixer", phone="+8562000000009", role="contractor")
    shop.registry = shop.registry.model_copy(update={"people": (*shop.registry.people, fixer)})
    desk_db = tmp_path / "desk.db"
    desk = Desk(desk_db, lambda: shop.now_ms)
    desk.publish(shop.registry, author="test", reason="seed")
    desk.close()
    deeds = Deeds(desk_db, lambda: shop.now_ms)
    commands = Commands(desk_db, shop.store, shop.book, shop.aside)
    reader = SiteReader(tmp_path / "alarms.db")
    shop.reads(9.0, hours=30)
    alarm = shop.begins()
    assert alarm is not None

    number = deeds.raise_("r", FRIDGE, "Too warm", person="technician", alarm=shop.alarm().number)
    deeds.step("send", number, "sent", person="technician", body={"contractor": "fixer"})
    deeds.step("start", number, "started", person="fixer", body={"to": SPARE})
    commands.apply(shop.scene)
    commands.apply(shop.scene)
    texts = [n.text for n in reader.notices() if n.alarm == f"work:{number}"]
    assert texts == [f"WORK ORDER {number}: {FRIDGE}, Vientiane. Too warm Serial {FRIDGE}"]
    (out,) = reader.out_of_service()
    assert (out.appliance, out.person) == (FRIDGE, "fixer")
    assert "work order 1: Too warm" in out.reason
    assert SPARE in out.reason
    (moved,) = reader.moved(running=True)
    assert (moved.source, moved.target, moved.alarm) == (FRIDGE, SPARE, alarm), (
        "the blood's clock runs on there"
    )
    assert shop.alarm().state == "out_of_service"

    shop.passes(30)
    shop.reads(4.0, hours=1)
    deeds.step("done", number, "finished", person="fixer", body={"findings": "fan replaced"})
    commands.apply(shop.scene)
    (proving,) = reader.proving(FRIDGE)
    assert proving.ended_ms is None
    assert "of 24 h 00 min" in proving.missing
    assert reader.outcome("done:return_to_service") is not None
    shop.now_ms += 24 * 60 * MINUTE
    shop.reads(4.0, hours=25)
    shop.passes(2)
    assert reader.out_of_service() == [], "it has shown that it works"
    assert reader.proving(FRIDGE)[0].came == "applied"
    reader.close()


def test_an_order_that_ends_leaves_out_what_somebody_else_took_out(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    desk_db = tmp_path / "desk.db"
    desk = Desk(desk_db, lambda: shop.now_ms)
    desk.publish(shop.registry, author="test", reason="seed")
    deeds = Deeds(desk_db, lambda: shop.now_ms)
    commands = Commands(desk_db, shop.store, shop.book, shop.aside)
    reader = SiteReader(tmp_path / "alarms.db")
    shop.reads(4.0, hours=30)
    said: dict[str, object] = {"appliance": FRIDGE, "reason": "recalled by its maker", "to": "empty"}
    desk.command("by-hand-1", "out_of_service", person="technician", alarm=None, body=said)
    desk.close()
    for end, body in (("finished", {"findings": "fan replaced"}), ("cancelled", {"note": "not needed"})):
        number = deeds.raise_(f"r-{end}", FRIDGE, "Noisy", person="technician")
        deeds.step(f"start-{end}", number, "started", person="technician", body={"to": "empty"})
        deeds.step(f"end-{end}", number, end, person="technician", body=body)
        commands.apply(shop.scene)
        shop.passes(3)
        assert [one.appliance for one in reader.out_of_service()] == [FRIDGE], end
        came = reader.outcome(f"end-{end}:return_to_service") or ""
        assert came.endswith("stays out of service: recalled by its maker (technician)")
    reader.close()
