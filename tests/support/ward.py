# SPDX-License-Identifier: Apache-2.0
"""A ward on a clock of its own: real journal, real alerts, phones that remember.

ward.fridge("vte-br-03", "red-cells@eu")
ward.at("09:00").temperature("vte-br-03", 4.0)
ward.run_until("09:15")
ward.phone("technician").expect_sms("vte-br-03", "7.2C")
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Self

import numpy as np

from alerts.notices.outbox import Outbox
from alerts.service import AlertService
from coldchain.kernel.readings import JOURNALLED
from coldchain.kernel.words import NO_VALUE, Flag, Status
from coldchain.ports.notifier import Delivery, Heard, Kind, Sent
from coldchain.records.alarms import AlarmsReader
from coldchain.records.duty import Policy, Step
from coldchain.records.readiness import Finding
from coldchain.records.registry import (
    Appliance,
    Assignment,
    Desk,
    GatewayEntry,
    Person,
    Registry,
    Sensor,
    Site,
)  # fmt: skip
from coldchain.records.sql import transaction
from coldchain.settings import AlertSettings, Settings
from ingest.journal import SqliteJournal

MINUTE = 60_000
MIDNIGHT = round(datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000)


def instant(clock: str) -> int:
    """``HH:MM`` or ``HH:MM:SS`` of the day of the story, UTC; ``+1 02:00`` is the day after."""
    day, _, rest = clock.rpartition(" ")
    parts = [int(p) for p in rest.split(":")]
    seconds = parts[0] * 3600 + parts[1] * 60 + (parts[2] if len(parts) > 2 else 0)
    return MIDNIGHT + int(day or 0) * 86_400_000 + seconds * 1000


@dataclass
class Phone:
    """What one person's phone has received and not yet been asked for."""

    number: str = ""
    phones: Phones | None = None
    inbox: deque[str] = field(default_factory=deque)
    rings: int = 0

    def expect_sms(self, *parts: str) -> str:
        assert self.inbox, f"no message; expected one with {parts}"
        text = self.inbox.popleft()
        missing = [part for part in parts if part not in text]
        assert not missing, f"{missing} not in {text!r}"
        return text

    def expect_nothing(self) -> None:
        assert not self.inbox, list(self.inbox)

    def forget(self) -> None:
        """What it has received so far is not asked about."""
        self.inbox.clear()
        self.rings = 0

    def expect_ring(self) -> None:
        assert self.rings, "it did not ring"
        self.rings -= 1

    def replies(self, text: str) -> None:
        """Sends that to the modem."""
        assert self.phones is not None
        self.phones.incoming(Kind.SMS, self.number, text)

    def calls(self) -> None:
        """Rings the modem and hangs up."""
        assert self.phones is not None
        self.phones.incoming(Kind.RING, self.number, "")


class Phones:
    """A notifier into phones, which can answer. `answers`: what the next tries come to, in turn.

    dead       telephones that the carrier refuses
    swallowed  telephones that get nothing although the carrier says OK
    reports    the carrier sends delivery reports; without, it names no reference either
    """

    def __init__(self) -> None:
        self.by_number: dict[str, Phone] = {}
        self.answers: deque[Delivery] = deque()
        self.dead: set[str] = set()
        self.swallowed: set[str] = set()
        self.reports = False
        self.tries = 0
        self.order: list[str] = []
        self.forgotten = 0
        self._heard: list[Heard] = []

    def phone(self, number: str) -> Phone:
        return self.by_number.setdefault(number, Phone(number, self))

    def send(self, to: str, text: str) -> Sent:
        self.tries += 1
        self.order.append(text)
        if to in self.dead:
            return Sent(Delivery.FAILED_RETRY, "no such subscriber; check the number")
        delivery = self.answers.popleft() if self.answers else Delivery.ACCEPTED
        if delivery in (Delivery.ACCEPTED, Delivery.UNKNOWN) and to not in self.swallowed:
            self.phone(to).inbox.append(text)
            if self.reports and delivery is Delivery.ACCEPTED:
                reference = self.tries % 256
                report = Heard(f"r{self.tries}", Kind.REPORT, to, reference=reference, delivered=True)
                self._heard.append(report)
        references = (self.tries % 256,) if self.reports and delivery is Delivery.ACCEPTED else ()
        return Sent(delivery, "as told", references)

    def hear(self, within_s: float) -> list[Heard]:
        return list(self._heard)

    def forget(self, heard: list[Heard]) -> None:
        self.forgotten += len(heard)
        self._heard = [one for one in self._heard if one not in heard]

    def incoming(self, kind: Kind, number: str, text: str) -> None:
        self._heard.append(
            Heard(f"{kind}-{self.tries}-{self.forgotten}-{len(self._heard)}", kind, number, text)
        )


class Calls:
    """A notifier that rings the same phones."""

    def __init__(self, phones: Phones) -> None:
        self._phones = phones

    def send(self, to: str, text: str) -> Sent:
        self._phones.phone(to).rings += 1
        return Sent(Delivery.ACCEPTED, "it rang")


ONCE = tuple(
    Policy(id=severity, severity=severity, steps=(Step(after_s=0, tell=("duty:1",)),), repeat_s=0)
    for severity in ("critical", "warning")
)
"""For stories that are about judgement: everybody is told once, nobody is asked again."""


class Ward:
    """One site, its appliances and people. Readings come every minute once a temperature is set."""

    def __init__(
        self,
        folder: Path,
        start: str = "08:00",
        *,
        lateness_min: int = 10,
        policies: tuple[Policy, ...] = ONCE,
        channels: tuple[str, ...] = ("sms",),
        **settings: Any,
    ) -> None:
        self.settings = Settings(
            data_dir=folder, alerts=AlertSettings(lateness=timedelta(minutes=lateness_min)), **settings
        )
        self.now_ms = instant(start)
        self.set_back_ms = 0
        self.phones = Phones()
        self._random = Random(7)
        self.channels = channels
        self.registry = Registry(sites=(Site(id="vte", name="Vientiane"),), policies=policies)
        self._desk = Desk(self.settings.desk_db, lambda: self.now_ms)
        self._desk._db.execute("PRAGMA synchronous=OFF")
        self.journal = SqliteJournal(self.settings.readings_db)
        self._series: dict[str, int] = {}
        self._value: dict[str, float | None] = {}
        self._seq = 0
        self._said: list[tuple[int, str, float | None]] = []
        self._commands = 0
        self.person("technician", "+8562000000001")
        self.service = self._new_service()

    # --- who and what there is

    def person(self, name: str, phone: str, role: str = "technician", **more: Any) -> None:
        person = Person(id=name, name=name, phone=phone, role=role, **more)  # type: ignore[arg-type]
        self._publish(people=(*self.registry.people, person))

    def fridge(self, name: str, profile: str = "red-cells@eu", *, site: str = "vte", probes: int = 1) -> None:
        carried = (Assignment(carries=profile),)
        appliance = Appliance(id=name, name="Blood fridge", site=site, assignments=carried)
        probe_names = ["load", *(f"load-{n}" for n in range(2, probes + 1))]
        sensors = tuple(
            Sensor(id=f"{name}/{p}", appliance=name, probe="load", node=f"{name}-n", channel=c)
            for c, p in enumerate(probe_names)
        )
        for sensor in sensors:
            number = len(self._series) + 1
            self._series[sensor.id] = number
            with transaction(self.journal.db) as db:
                db.execute("INSERT INTO series (id, sensor, quantity) VALUES (?,?,1)", (number, sensor.id))
        self._publish(
            appliances=(*self.registry.appliances, appliance), sensors=(*self.registry.sensors, *sensors)
        )

    def always_carried(self, name: str, profile: str) -> None:
        """The registry is corrected: it never carried anything else."""
        only = (Assignment(carries=profile),)
        self._publish(
            appliances=tuple(
                a.model_copy(update={"assignments": only}) if a.id == name else a
                for a in self.registry.appliances
            )
        )

    def remove(self, name: str) -> None:
        """It leaves the registry."""
        self._publish(
            appliances=tuple(a for a in self.registry.appliances if a.id != name),
            sensors=tuple(s for s in self.registry.sensors if s.appliance != name),
        )

    def gateway(self, name: str) -> None:
        self._publish(gateways=(*self.registry.gateways, GatewayEntry(id=name, site="vte")))

    def carries(self, name: str, profile: str, since: str) -> None:
        """From then on."""
        appliances = tuple(
            a.model_copy(
                update={"assignments": (*a.assignments, Assignment(carries=profile, from_ms=instant(since)))}
            )
            if a.id == name
            else a
            for a in self.registry.appliances
        )
        self._publish(appliances=appliances)

    def _publish(self, **parts: object) -> None:
        self.registry = Registry.model_validate({**dict(self.registry), **parts})
        self._desk.publish(self.registry, author="test", reason="story")

    # --- what happens

    def at(self, clock: str) -> Self:
        """Go on to that moment."""
        self.run_until(clock)
        return self

    def temperature(self, sensor: str, celsius: float | None) -> Self:
        """From now on it reads that, every minute; None: the probe fails."""
        self._value[self._sensor(sensor)] = celsius
        return self

    def silence(self, *sensors: str) -> Self:
        """Nothing more comes from them."""
        for sensor in sensors or list(self._value):
            self._value.pop(self._sensor(sensor), None)
        return self

    def late(self, sensor: str, readings: dict[str, float | None]) -> Self:
        """These arrive now: clock -> celsius."""
        self._record([(instant(c), self._sensor(sensor), v) for c, v in readings.items()])
        return self

    def set_back(self, clock: str) -> None:
        """Somebody sets the machine's clock to that moment."""
        self.set_back_ms += self.now_ms - instant(clock)
        self.now_ms = instant(clock)

    def run_until(self, clock: str) -> None:
        end = instant(clock)
        while self.now_ms < end:
            if self.now_ms % MINUTE == 0:
                self._record([(self.now_ms, s, v) for s, v in self._value.items()])
            self.settle()
            self.now_ms += min(10_000, end - self.now_ms)
        self.settle()

    def settle(self) -> None:
        """Let alerts do all that there is to do at this moment."""
        while self.service.tick():
            pass
        while self.outbox.send_one():
            pass
        if self.outbox.hear(0.0):
            self.settle()

    def acknowledge(self, alarm: int, person: str = "technician") -> None:
        self._commands += 1
        name = f"c-{self._commands}"
        self._desk.command(name, "acknowledge", person=person, alarm=str(alarm), body={})
        self.settle()

    def restart_alerts(self, *, killed: bool = True) -> None:
        """Killed: what was not committed is gone."""
        if killed:
            self.outbox.lease.forget()
            self.service._store.close()
        else:
            self.service.close()
        self.service = self._new_service()

    # --- what is to be seen

    def phone(self, name: str) -> Phone:
        number = next(p.phone for p in self.registry.people if p.id == name)
        return self.phones.phone(number)

    @property
    def outbox(self) -> Outbox:
        assert self.service.outbox is not None
        return self.service.outbox

    @property
    def alarms(self) -> AlarmsReader:
        return AlarmsReader(self.settings.alarms_db)

    def _new_service(self) -> AlertService:
        service = AlertService(
            self.settings,
            {name: self.phones if name == "sms" else Calls(self.phones) for name in self.channels},
            wall_ms=lambda: self.now_ms,
            steady_s=lambda: (self.now_ms + self.set_back_ms) / 1000,
            draw=self._random.randrange,
            ready=self.ready,
        )
        assert service.outbox is not None
        for db in (service._store.db, service.outbox._db, self.journal.db):
            db.execute("PRAGMA synchronous=OFF")  # nobody pulls the plug here
        service._beat_at_s = float("inf")
        return service

    def ready(self, now_ms: int) -> Sequence[Finding]:
        """What is to be mended. For stories that need it."""
        return ()

    def _sensor(self, name: str) -> str:
        return name if "/" in name else f"{name}/load"

    def mark(self, at_ms: int) -> Flag:
        """What ingest would mark a reading of that instant with, besides. For stories that need it."""
        return Flag.NONE

    def _record(self, readings: Sequence[tuple[int, str, float | None]]) -> None:
        if not readings:
            return
        rows = np.zeros(len(readings), JOURNALLED)
        for row, (at, sensor, celsius) in zip(rows, readings, strict=True):
            self._seq += 1
            flags = Flag.LATE if self.now_ms - at > 600_000 else Flag.NONE
            if at - self.now_ms > 120_000:
                flags |= Flag.FUTURE
            flags |= self.mark(at)
            row["series"], row["seq"], row["at_ms"] = self._series[sensor], self._seq, at
            row["value"] = NO_VALUE if celsius is None else round(celsius * 1000)
            row["status"] = Status.OK if celsius is not None else Status.OPEN
            row["flags"], row["arrived_ms"] = int(flags), self.now_ms
            row["gateway_ms"], row["source"] = self.now_ms, 1
        with transaction(self.journal.db):
            self.journal.append(rows, self.now_ms, 1)
            self.journal._keep()
