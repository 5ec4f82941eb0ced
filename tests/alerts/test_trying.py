# SPDX-License-Identifier: Apache-2.0
"""A test message to one person: by a channel that is there and reaches them, in their language, once."""

from pathlib import Path

import pytest
from book_kit import Shop, registry

from alerts.commands import Commands
from coldchain.records.alarms import AlarmsReader
from coldchain.records.registry import Desk


def ask(shop: Shop, folder: Path, id_: str, **said: object) -> str:
    desk = Desk(folder / "desk.db", lambda: shop.now_ms)
    desk.command(id_, "test_sms", person="boss", alarm=None, body=said)
    desk.close()
    Commands(folder / "desk.db", shop.store, shop.book, shop.aside).apply(shop.scene)
    return AlarmsReader(shop.store_path).outcome(id_) or ""


def test_one_message_to_that_person(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    person = shop.registry.person_by_id["technician"].model_copy(update={"language": "fr"})
    shop.registry = registry().model_copy(update={"people": (person, *shop.registry.people[1:])})
    for _ in range(2):
        assert ask(shop, tmp_path, "t-1", to="technician", channel="sms").startswith("applied")
    (notice,) = AlarmsReader(shop.store_path).notices()
    assert (notice.alarm, notice.person, notice.channel, notice.state) == (
        "test:t-1",
        "technician",
        "sms",
        "due",
    )
    assert notice.address == person.phone
    assert notice.text.startswith("Message d'essai"), "in their language"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"to": "mallory", "channel": "sms"}, "nobody of the registry"),
        ({"to": "boss", "channel": "email"}, "no channel email"),
    ],
)
def test_who_cannot_be_reached_is_told_so(tmp_path: Path, said: dict[str, object], why: str) -> None:
    shop = Shop(tmp_path)
    assert why in ask(shop, tmp_path, "t-2", **said)
    assert AlarmsReader(shop.store_path).notices() == []


def test_a_person_without_that_address(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.teller.channels = frozenset({"sms", "email"})
    assert "cannot be reached by email" in ask(shop, tmp_path, "t-3", to="boss", channel="email")
