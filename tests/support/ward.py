# SPDX-License-Identifier: Apache-2.0
"""A ward on a clock of its own: real journal, real alerts, phones that remember.

ward.fridge("vte-br-03", "red-cells@eu")
ward.at("09:00").temperature("vte-br-03", 4.0)
ward.run_until("09:15")
ward.phone("technician").expect_sms("vte-br-03", "7.2C")
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import numpy as np

from alerts.outbox import Outbox
from alerts.service import AlertService
from coldchain.kernel.readings import JOURNALLED
from coldchain.kernel.words import NO_VALUE, Flag, Status
from coldchain.ports.notifier import Delivery, Sent
from coldchain.records.alarms import AlarmsReader
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

    inbox: deque[str] = field(default_factory=deque)

    def expect_sms(self, *parts: str) -> str:
        assert self.inbox, f"no message; expected one with {parts}"
        text = self.inbox.popleft()
        missing = [part for part in parts if part not in text]
        assert not missing, f"{missing} not in {text!r}"
        return text

    def expect_nothing(self) -> None:
        assert not self.inbox, list(self.inbox)


class Phones:
    """A notifier into phones. `answers`: what the next tries come to, in turn."""

    def __init__(self) -> None:
        self.by_number: dict[str, Phone] = {}
        self.answers: deque[Delivery] = deque()
        self.dead: set[str] = set()
        self.tries = 0
        self.order: list[str] = []

    def send(self, to: str, text: str) -> Sent:
        self.tries += 1
        self.order.append(text)
        if to in self.dead:
            return Sent(Delivery.FAILED_RETRY, "no such subscriber; check the number")
        delivery = self.answers.popleft() if self.answers else Delivery.ACCEPTED
        if delivery in (Delivery.ACCEPTED, Delivery.UNKNOWN):
            self.by_number.setdefault(to, Phone()).inbox.append(text)
        return Sent(delivery, "as told")


class Ward:
    """One site, its appliances and people. Readings come every minute once a temperature is set."""

    def __init__(self, folder: Path, start: str = "08:00", *, lateness_min: int = 10) -> None:
        self.settings = Settings(
            data_dir=folder, alerts=AlertSettings(lateness=timedelta(minutes=lateness_min))
        )
        self.now_ms = instant(start)
        self.phones = Phones()
        self.registry = Registry(sites=(Site(id="vte", name="Vientiane"),))
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

    def person(self, name: str, phone: str, role: str = "technician") -> None:
        person = Person(id=name, name=name, phone=phone, role=role)  # type: ignore[arg-type]
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

    def acknowledge(self, alarm: int, person: str = "technician") -> None:
        self._commands += 1
        name = f"c-{self._commands}"
        self._desk.command(name, "acknowledge", person=person, alarm=str(alarm), body={})
        self.settle()

    def restart_alerts(self, *, killed: bool = True) -> None:
        """Killed: what was not committed is gone."""
        if killed:
            self.service._store.close()
        else:
            self.service.close()
        self.service = self._new_service()

    # --- what is to be seen

    def phone(self, name: str) -> Phone:
        number = next(p.phone for p in self.registry.people if p.id == name)
        return self.phones.by_number.setdefault(number, Phone())

    @property
    def outbox(self) -> Outbox:
        assert self.service.outbox is not None
        return self.service.outbox

    @property
    def alarms(self) -> AlarmsReader:
        return AlarmsReader(self.settings.alarms_db)

    def _new_service(self) -> AlertService:
        service = AlertService(
            self.settings, self.phones, wall_ms=lambda: self.now_ms, steady_s=lambda: self.now_ms / 1000
        )
        assert service.outbox is not None
        for db in (service._store.db, service.outbox._db, self.journal.db):
            db.execute("PRAGMA synchronous=OFF")  # nobody pulls the plug here
        service._beat_at_s = float("inf")
        return service

    def _sensor(self, name: str) -> str:
        return name if "/" in name else f"{name}/load"

    def _record(self, readings: list[tuple[int, str, float | None]]) -> None:
        if not readings:
            return
        rows = np.zeros(len(readings), JOURNALLED)
        for row, (at, sensor, celsius) in zip(rows, readings, strict=True):
            self._seq += 1
            flags = Flag.LATE if self.now_ms - at > 600_000 else Flag.NONE
            if at - self.now_ms > 120_000:
                flags |= Flag.FUTURE
            row["series"], row["seq"], row["at_ms"] = self._series[sensor], self._seq, at
            row["value"] = NO_VALUE if celsius is None else round(celsius * 1000)
            row["status"] = Status.OK if celsius is not None else Status.OPEN
            row["flags"], row["arrived_ms"] = int(flags), self.now_ms
            row["gateway_ms"], row["source"] = self.now_ms, 1
        with transaction(self.journal.db):
            self.journal.append(rows, self.now_ms, 1)
            self.journal._keep()
