# SPDX-License-Identifier: Apache-2.0
"""A blood bank: a console, alerts' book behind it and a journal of its own, in one folder, on one clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from argon2 import PasswordHasher
from book_kit import FRIDGE, HOUR, MINUTE, Shop
from console_client import Client, browsing

from alerts.commands import Commands
from coldchain.kernel.isbt import check_character
from coldchain.kernel.link import Batch
from coldchain.kernel.readings import SPOOLED
from coldchain.records.accounts import Accounts
from coldchain.records.registry import Appliance, Desk, Sensor
from coldchain.settings import Settings
from coldchain.settings.model import NotifySettings
from coldchain.wiring.blood import console_tools
from dashboards.console.app import create_app
from ingest.journal import SqliteJournal

HERE = {"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}
PASSWORD = "a long sentence of words"
SPARE, BOX = "vte-br-07", "vte-bx-01"
DONATION = "A999926123456"
TYPED = f"A9999 26 123456 {check_character(DONATION)}"


@dataclass
class Bank:
    """A console with alerts' book behind it and a journal of its own, in one folder, on one clock."""

    shop: Shop
    client: Client
    commands: Commands
    settings: Settings
    journal: SqliteJournal
    sent: int = 0

    def apply(self) -> None:
        self.commands.apply(self.shop.scene)

    def post(self, path: str, **fields: str) -> int:
        said = {"name": "technician"} | fields
        answer = self.client.post(path, data=said, headers=HERE, follow_redirects=False)
        self.text = answer.text
        self.where = answer.headers.get("location", "")
        self.apply()
        return answer.status_code

    def page(self, path: str) -> str:
        answer = self.client.get(path, headers=HERE)
        assert answer.status_code == 200, answer.text
        return answer.text

    def api(self, path: str, **body: object) -> Any:
        """GET without a body, else POST."""
        if body:
            headers = HERE | {"Idempotency-Key": f"key-{self.shop.now_ms}-{len(path)}-{len(str(body))}"}
            answer = self.client.post(path, json=body, headers=headers)
        else:
            answer = self.client.get(path, headers=HERE)
        assert answer.status_code < 300, answer.text
        self.apply()
        return answer.json()

    def reads(
        self, appliance: str, celsius: float, begin_ms: int, end_ms: int, arrived_ms: int | None = None
    ) -> None:
        """A reading a minute."""
        at = np.arange(begin_ms, end_ms, MINUTE)
        sensors = sorted({s.node for s in self.shop.registry.sensors})
        node = next(s.node for s in self.shop.registry.sensors if s.appliance == appliance)
        rows = np.zeros(len(at), SPOOLED)
        rows["node"], rows["quantity"], rows["clock"] = sensors.index(node), 1, 2
        rows["value"], rows["at_ms"], rows["device_ms"], rows["gateway_ms"] = (
            round(celsius * 1000),
            at,
            at,
            at,
        )
        rows["seq"] = at // 1000 % 2**31
        low, self.sent = self.sent + 1, self.sent + len(rows)
        batch = Batch("gw-1", "e1", [(low, self.sent)], [(n, 1) for n in sensors], rows)
        self.journal.record([batch], arrived_ms or end_ms)


@contextmanager
def open_bank(tmp_path: Path) -> Iterator[Bank]:
    shop = Shop(tmp_path)
    settings = Settings(data_dir=tmp_path, notify=NotifySettings(sms_price=250))
    fridge, spare = shop.registry.appliances
    box = Appliance(id=BOX, name="Transport box", site="vte", kind="transport-box")
    probes = [
        Sensor(id=f"{id_}/load", appliance=id_, probe="load", node=f"n-{id_}", channel=0)
        for id_ in (FRIDGE, SPARE, BOX)
    ]
    shop.registry = shop.registry.model_copy(
        update={"appliances": (fridge, spare, box), "sensors": tuple(probes)}
    )
    desk = Desk(settings.desk_db, lambda: shop.now_ms)
    desk.publish(shop.registry, author="test", reason="seed")
    desk.close()
    accounts = Accounts(
        settings.desk_db,
        lambda: shop.now_ms,
        hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1),
    )
    accounts.add("noy", PASSWORD, role="technician", person="technician", by="test", fresh=False)
    accounts.add("kham", PASSWORD, role="supervisor", person="boss", by="test", fresh=False)
    accounts.add("guest", PASSWORD, role="contractor", person="guest", by="test", fresh=False)
    accounts.close()
    journal = SqliteJournal(settings.readings_db)
    journal.rewire(shop.registry)
    app = create_app(settings, lambda: shop.now_ms)
    app.state.room.tools = console_tools(settings)
    with browsing(app) as client:
        commands = Commands(settings.desk_db, shop.store, shop.book, shop.aside)
        yield Bank(shop, client, commands, settings, journal)
    journal.close()


def warmed(bank: Bank) -> Bank:
    """A day in order, then 40 minutes at 8 °C, and the alarm is over."""
    start = bank.shop.now_ms
    bank.reads(FRIDGE, 4.0, start - 26 * HOUR, start)
    bank.shop.begins("high")
    bank.shop.now_ms += 40 * MINUTE
    bank.reads(FRIDGE, 8.0, start, bank.shop.now_ms)
    bank.shop.ends("high")
    bank.shop.now_ms += 10 * MINUTE
    bank.reads(FRIDGE, 4.0, bank.shop.now_ms - 10 * MINUTE, bank.shop.now_ms)
    return bank
