# SPDX-License-Identifier: Apache-2.0
"""The hub in the simulation: ingest's own commit and duties, alerts with its outbox, phones that answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ward import Phones

from alerts.service import AlertService
from coldchain.kernel.link import topic
from coldchain.ports.notifier import Delivery, Kind, Sent
from coldchain.records.registry import RegistryReader
from ingest.anchors import AnchorDesk
from ingest.guards import GuardDesk
from ingest.inbox import Message
from ingest.journal import SqliteJournal
from ingest.service import IngestService, _Duties
from sim.disk import Handle

if TYPE_CHECKING:
    from sim.simulation import Simulation

CODE = re.compile(r"OK (\d{6})")


class Mute:
    """A heart that writes nothing."""

    def beat(self, *_: Any, **__: Any) -> None: ...


class Broker:
    """What ingest publishes to, and acknowledges."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self.unacknowledged: dict[int, tuple[str, str, bytes]] = {}

    def publish(self, name: str, payload: bytes, qos: int) -> None:
        parts = name.split("/")
        self._sim.effect("before receipt")
        if parts[4] == "receipt":
            self._sim.send(parts[3], "", payload)
        self._sim.effect("after receipt")

    def ack(self, mid: int, qos: int) -> None:
        self._sim.effect("before ack")
        self.unacknowledged.pop(mid, None)
        self._sim.effect("after ack")


class Ingest:
    """One life of ingest."""

    def __init__(self, sim: Simulation) -> None:
        self.sim, self.handle = sim, Handle("ingest", "hub")
        settings = sim.settings
        with sim.disk.process(self.handle):
            service = IngestService(settings, wall_ms=lambda: sim.now_ms, steady_s=lambda: sim.now_s)
            journal = SqliteJournal(settings.readings_db)
            registry = RegistryReader(settings.desk_db)
            service._journal = journal
            service._guards = GuardDesk(registry, settings.data_dir)
            service._anchors = AnchorDesk(settings.data_dir, service._wall_ms)
            service._duties = _Duties(service, journal, registry)
            service._duties._heart = Mute()  # type: ignore[assignment]
            service._duties.refresh_registry()
            service._client = sim.broker  # type: ignore[assignment]
        self.service, self.journal = service, journal

    def take(self, messages: list[tuple[int, str, str, bytes]]) -> None:
        """(mid, gateway, what, payload): one group."""
        group = [Message(topic(g, what), payload, False, mid, 1, 0) for mid, g, what, payload in messages]
        with self.sim.disk.process(self.handle):
            self.service.commit(group)

    def duties(self) -> None:
        with self.sim.disk.process(self.handle):
            for _ in range(500):
                if not self.service._duties.turn(self.sim.now_s):
                    break


class Modem(Phones):
    """Phones in front of which the modem may refuse, fall silent, or the process die."""

    def __init__(self, sim: Simulation) -> None:
        super().__init__()
        self._sim = sim
        self.sent: list[tuple[int, str]] = []
        self.mutes = 0
        """Messages that went out and were not answered: each may cost one message more, as each death may."""

    def send(self, to: str, text: str) -> Sent:
        sim = self._sim
        sim.effect("before message")
        if sim.strikes("modem refuses"):
            return Sent(Delivery.FAILED_RETRY, "busy")
        said = super().send(to, text)
        self.sent.append((sim.now_ms, text))
        sim.replies(to, text)
        sim.effect("after message")
        if sim.strikes("modem mute"):
            self.mutes += 1
            return Sent(Delivery.UNKNOWN, "no answer")
        return said

    def answer(self, number: str, text: str) -> None:
        """Somebody replies to a message."""
        code = CODE.search(text)
        if code is not None:
            self.incoming(Kind.SMS, number, f"ok {code[1]}")


class Alerts:
    """One life of alerts."""

    def __init__(self, sim: Simulation) -> None:
        self.sim, self.handle = sim, Handle("alerts", "hub")
        with sim.disk.process(self.handle):
            self.service = AlertService(
                sim.settings,
                {"sms": sim.modem},
                wall_ms=lambda: sim.now_ms,
                steady_s=lambda: sim.now_s,
                draw=sim.dice.randrange,
            )
        self.service._beat_at_s = float("inf")

    def tick(self) -> None:
        with self.sim.disk.process(self.handle):
            while self.service.tick():
                pass

    def send_one(self) -> bool:
        """Hear, then one try."""
        outbox = self.service.outbox
        assert outbox is not None
        with self.sim.disk.process(self.handle):
            outbox.hear(0.0)
            return outbox.send_one()

    @property
    def late_waits(self) -> bool:
        return self.service._pace.waiting

    def forget(self) -> None:
        if self.service.outbox is not None:
            self.service.outbox.lease.forget()
