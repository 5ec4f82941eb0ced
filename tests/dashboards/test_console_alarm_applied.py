# SPDX-License-Identifier: Apache-2.0
"""What the console asks is what alerts does: forms and programs on one side, the real book on the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from book_kit import MINUTE, Shop
from console_client import Client, browsing
from signed import PASSWORD, accounts_of

from alerts.commands import Commands
from coldchain.records.registry import Desk
from coldchain.settings import Settings
from dashboards.console.app import create_app

HERE = {"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}


@dataclass
class Ward:
    """A console and the book behind it, in one folder, on one clock."""

    shop: Shop
    client: Client
    commands: Commands
    number: int
    client_settings: Settings

    def tap(self, verb: str, **fields: str) -> str:
        """A form is sent, alerts takes it up; the state that the alarm is in then."""
        self.shop.now_ms += MINUTE
        said = {"name": "technician"} | fields
        answer = self.client.post(
            f"/alarm/{self.number}/{verb}", data=said, headers=HERE, follow_redirects=False
        )
        assert answer.status_code == 303, answer.text
        self.commands.apply(self.shop.scene)
        told = self.client.get(f"/api/v1/alarms/{self.number}").json()
        state: str = told["alarm"]["state"]
        return state


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    shop = Shop(tmp_path)
    settings = Settings(data_dir=tmp_path)
    desk = Desk(settings.desk_db, lambda: shop.now_ms)
    desk.publish(shop.registry, author="test", reason="seed")
    desk.close()
    shop.begins("high")
    commands = Commands(settings.desk_db, shop.store, shop.book, shop.aside)
    with browsing(create_app(settings, lambda: shop.now_ms)) as client:
        (alarm,) = client.get("/api/v1/alarms").json()["open"]
        yield Ward(shop, client, commands, alarm["number"], settings)


def test_from_the_first_tap_to_the_disposition(ward: Ward) -> None:
    action = {"action": "moved", "target": "vte-br-07", "reason": "door was open"}
    assert ward.tap("acknowledge", **action) == "acknowledged"
    page = ward.client.get(f"/alarm/{ward.number}").text
    assert "Noy, Moved the blood → Spare, door was open" in page
    assert "Blood fridge → Spare" in page, "the clock of the moved blood runs"
    ward.shop.ends("high")
    desk = ward.client_settings.desk_db
    accounts_of(desk, lambda: ward.shop.now_ms, noy=("technician", "Noy"), kham=("supervisor", "Kham"))
    fate = {"what": "quarantine", "reason": "7 °C for 20 min"}
    both = {"signer": "noy", "password": PASSWORD, "signer2": "kham", "password2": PASSWORD}
    assert ward.tap("dispose", **fate, **both) == "closed"
    told = ward.client.get(f"/api/v1/alarms/{ward.number}").json()
    assert [(d["what"], d["person"], d["second"]) for d in told["dispositions"]] == [
        ("quarantine", "technician", "boss")
    ]
    signed = told["dispositions"][0]["signatures"]
    assert [(one["account"], one["meaning"]) for one in signed] == [("noy", "decided"), ("kham", "agreed")]
    assert told["offers"] == []


def test_quiet_for_a_while_and_taken_up_again(ward: Ward) -> None:
    assert ward.tap("shelve", minutes="15", reason="restocking") == "shelved"
    assert "Put aside until" in ward.client.get(f"/alarm/{ward.number}").text
    assert ward.tap("unshelve") == "unacknowledged"


def test_out_of_service_and_what_the_gate_still_wants(ward: Ward) -> None:
    assert ward.tap("out_of_service", reason="seal torn", to="vte-br-07") == "out_of_service"
    assert ward.tap("return_to_service") == "out_of_service", "nothing has been shown yet"
    assert "Not for blood yet" in ward.client.get(f"/alarm/{ward.number}").text
