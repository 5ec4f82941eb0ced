# SPDX-License-Identifier: Apache-2.0
"""A ward whose readings pass through a gateway with a guard: real spool, real link messages, real admission.

site.cut()      the link breaks: nothing passes in either direction
site.restore()  it comes back: the guard's reports first, then the backlog
The site's modem has telephones of its own: `site.local("technician")` is the same person's telephone, written
to by the modem of the site.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from ward import MINUTE, Phone, Phones, Ward, instant

from coldchain.kernel.guard import decode_command
from coldchain.kernel.link import Batch, decode_batch, encode_batch
from coldchain.kernel.words import Status
from coldchain.ports.guard import Accepted, HubWord
from coldchain.ports.notifier import Kind, Sent
from coldchain.records.duty import DEFAULTS
from coldchain.records.registry import Appliance, Assignment, GatewayEntry, RegistryReader, Sensor
from coldchain.settings import GatewaySettings, Settings
from coldchain.settings.model import GuardSettings
from coldchain.wiring.guard import SiteGuard
from gateway.codecs.frames import Report
from gateway.guard_link import GuardLink, HubSilence
from gateway.spool import Arrival, Stored, open_spool
from ingest.guards import GuardDesk
from ingest.status import decode_status

GATEWAY, HUB_NUMBER, GATEWAY_NUMBER = "vte-gw-1", "+8562000000100", "+8562000000101"
CELSIUS, MAINS, BATTERY = 1, 3, 4


class SitePhones(Phones):
    """The site's modem: what it sends to the hub's number, the hub's modem hears."""

    def __init__(self, hub: Phones) -> None:
        super().__init__()
        self._hub = hub

    def send(self, to: str, text: str) -> Sent:
        sent = super().send(to, text)
        if to == HUB_NUMBER:
            self._hub.incoming(Kind.SMS, GATEWAY_NUMBER, text)
        return sent


class Site(Ward):
    """One site with a gateway. A node per appliance, channel 0; node `power`: mains, battery."""

    def __init__(self, folder: Path, start: str = "08:25", **guard: Any) -> None:
        self.up = self._slow = False
        self._said_power: dict[int, int] = {}
        super().__init__(folder / "hub", start, policies=DEFAULTS, channels=("sms", "call"))
        self._boot, self._seqs = 1, 0
        own = GuardSettings.model_validate(
            {"file": folder / "none", "hub_number": HUB_NUMBER, "alive_at": None} | guard
        )
        self.own = Settings(
            data_dir=folder / "gw", zone="Asia/Vientiane", gateway=GatewaySettings(id=GATEWAY, guard=own)
        )
        self.own.data_dir.mkdir()
        self.site_phones = SitePhones(self.phones)
        self.spool = open_spool(
            self.own.spool_db, max_bytes=10**8, new_epoch=lambda: "e1", wall_ms=lambda: self.now_ms
        )
        self._registry = RegistryReader(self.settings.desk_db)
        self._desk_of_guards = GuardDesk(self._registry, self.settings.data_dir)
        self._publish(gateways=(GatewayEntry(id=GATEWAY, site="vte", phone=GATEWAY_NUMBER),))
        self.start_guard()
        self.up = True

    # --- who and what there is

    def fridge(self, name: str, profile: str = "red-cells@eu", **_: Any) -> None:
        carried = (Assignment(carries=profile),)
        appliance = Appliance(id=name, name="Blood fridge", site="vte", assignments=carried)
        sensor = Sensor(id=f"{name}/load", appliance=name, probe="load", node=f"{name}-n", channel=0)
        self._publish(
            appliances=(*self.registry.appliances, appliance), sensors=(*self.registry.sensors, sensor)
        )

    def local(self, name: str) -> Phone:
        """That person's telephone, as the site's modem reaches it."""
        number = next(p.phone for p in self.registry.people if p.id == name)
        return self.site_phones.phone(number)

    @property
    def hub_number(self) -> Phone:
        return self.site_phones.phone(HUB_NUMBER)

    # --- what happens

    def cut(self) -> None:
        self.up = False

    def restore(self, *, reports_only: bool = False, reports_last: bool = False) -> None:
        """reports_only: it is so slow that no batch gets through; reports_last: it was the hub that was away,
        and the broker had the batches before the guard had anything to report
        """
        self.up, self._slow = True, reports_only
        if reports_last:
            while self.spool.pending:
                self._batch()
            super().settle()
            self.now_ms += 5_000
        self._side.connected(self.now_ms / 1000)
        self.settle()

    def power(self, *, mains: bool, battery_pct: float) -> None:
        self._said_power = {MAINS: 1000 if mains else 0, BATTERY: round(battery_pct * 1000)}

    def start_guard(self, channels: dict[str, Any] | None = None) -> None:
        self.guard = SiteGuard(
            self.own,
            channels or {"sms": self.site_phones},
            wall_ms=lambda: self.now_ms,
            steady_s=lambda: self.now_ms / 1000,
            draw=Random(11).randrange,
        )
        self.guard.open()
        for db in (self.guard._journal.db, self._guard_service._store.db, self._guard_service.outbox._db):
            db.execute("PRAGMA synchronous=OFF")
        self._guard_service._beat_at_s = float("inf")
        self._side = GuardLink(self.guard, GATEWAY, lambda *_: None)
        self._silence, self._receipts = HubSilence(self.now_ms / 1000), 0
        self.guard.heard([_accepted(part) for part in reversed(list(self.spool.newest(5_000)))])

    def restart_guard(self) -> None:
        """Killed, and started again."""
        self._guard_service.outbox.lease.forget()
        self._guard_service._store.close()
        self.start_guard()

    @property
    def _guard_service(self) -> Any:
        assert self.guard.service is not None
        return self.guard.service

    def run_until(self, clock: str) -> None:
        end = instant(clock)
        while self.now_ms < end:
            if self.now_ms % MINUTE == 0:
                self._record([(self.now_ms, s, v) for s, v in self._value.items()])
            self.settle()
            self.now_ms += min(20_000 - self.now_ms % 20_000, end - self.now_ms)
        self.settle()

    def settle(self) -> None:
        if self.now_ms and hasattr(self, "guard"):
            self._guard_turn()
            self._link()
        super().settle()

    def _record(self, readings: Sequence[tuple[int, str, float | None]]) -> None:
        """Reports to the spool: what it accepts, the guard hears."""
        arrivals = []
        for at, sensor, celsius in readings:
            status = Status.OK if celsius is not None else Status.OPEN
            value = 0 if celsius is None else round(celsius * 1000)
            channels = ((0, CELSIUS, int(status), value),)
            arrivals.append(self._arrival(sensor.partition("/")[0] + "-n", at, channels))
        if self._said_power:
            both = tuple((quantity, quantity, 0, value) for quantity, value in self._said_power.items())
            arrivals.append(self._arrival("power", self.now_ms, both))
        with self.spool.change():
            outcome = self.spool.accept(arrivals, [], self.now_ms / 1000)
        self.guard.heard([_accepted(part) for part in outcome.stored])

    def _arrival(self, node: str, at_ms: int, channels: tuple[tuple[int, int, int, int], ...]) -> Arrival:
        self._seqs += 1
        report = Report(node, self._boot, self._seqs, at_ms - instant("00:00"), 0, 2, at_ms, channels)
        return Arrival(report, self.now_ms, None)

    def _guard_turn(self) -> None:
        oldest = self.spool.oldest_ms()
        age_s = 0.0 if oldest is None else (self.now_ms - oldest) / 1000
        pending = len(self.spool.pending)
        silent_s = self._silence.look(pending, self._receipts, age_s, self.now_ms / 1000)
        self.guard.hub(HubWord(pending, oldest, silent_s, up=self.up))
        self.guard.turn()
        outbox = self._guard_service.outbox
        while outbox.send_one() or outbox.hear(0.0):
            self.guard.turn()

    def _link(self) -> None:
        """What passes at this moment: a status and its commands, then readings and their receipts."""
        if not self.up:
            return
        if self._registry.refresh():
            self.journal.rewire(self._registry.registry)
        self._status()
        while self.spool.pending and not self._slow and not self._side.gated(self.now_ms / 1000):
            self._batch()

    def _status(self) -> None:
        body = {
            "v": 1,
            "gateway": GATEWAY,
            "epoch": "e1",
            "at_ms": self.now_ms,
            "gaps": [],
            **self._side.word(),
        }
        word = decode_status(json.dumps(body).encode())
        self.journal.record([word], self.now_ms)
        assert word.guard is not None
        for payload in self._desk_of_guards.commands(GATEWAY, word.guard):
            decode_command(payload)
            self._side.heard(payload)
        self.guard.turn()

    def _batch(self) -> None:
        low, high = next(iter(self.spool.pending))
        with self.spool.change():
            found, nodes, rows = self.spool.read([(low, min(high, low + 199))])
        batch = Batch(GATEWAY, self.spool.epoch, found, nodes, rows, self.now_ms, backfill=True)
        (receipt,) = self.journal.record([decode_batch(encode_batch(batch))], self.now_ms)
        assert receipt is not None
        self._receipts += 1
        with self.spool.change():
            self.spool.receipt([*receipt.recorded, *receipt.dead], receipt.gaps)


def _accepted(part: Stored) -> Accepted:
    return Accepted(part.low, part.high, part.nodes, part.rows)


def quiet_site(folder: Path, **guard: Any) -> Site:
    """A site at 08:30: two refrigerators in their range, a technician, a supervisor; the link is up."""
    site = Site(folder, **({"after": timedelta(minutes=10)} | guard))
    site.person("boss", "+8562000000008", role="supervisor")
    for name in ("vte-br-03", "vte-br-04"):
        site.fridge(name)
        site.temperature(name, 4.0)
    site.run_until("08:30")
    return site
