# SPDX-License-Identifier: Apache-2.0
"""A hospital of 200 appliances on one supply, and its neighbours, by simulated physics.

The stage writes what probes and contacts say into a journal; alerts reads it on a clock of its own and tells
phones that remember. The true load temperatures stay hidden: `truth` has them for scoring.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from ward import Phones

from alerts.notices.outbox import Outbox
from alerts.service import AlertService
from coldchain.kernel.readings import JOURNALLED
from coldchain.kernel.words import NO_VALUE, Status
from coldchain.records.registry import Appliance, Assignment, Desk, Person, Registry, Sensor, Site
from coldchain.records.site import SiteReader
from coldchain.records.sql import transaction
from coldchain.settings import AlertSettings, Settings
from firmware_sim.faults import Fault, FaultKind, Schedule
from firmware_sim.fleet import Fleet
from firmware_sim.physics.quantities import OFFERS, Quantity
from firmware_sim.physics.world import World
from ingest.journal import SqliteJournal

START_UTC_S = 1_772_359_200.0
"""10:00 UTC, 17:00 in Vientiane: the evening before the night of the story."""
LEARN_S, LEARNT_S = 3600.0, 3600.0 + 75 * 60
"""An outage some hours before: what appliances are like without power can be known from it."""
CUT_S = 7 * 3600.0
AFTER_S = 8 * 3600.0
PROFILE = {
    "blood-refrigerator": ("red-cells@eu", 6.0),
    "plasma-freezer": ("plasma@eu", -25.0),
    "ultra-freezer": ("frozen-red-cells@eu", -60.0),
    "platelet-incubator": ("platelets@eu", 24.0),
}
KINDS = (*["blood-refrigerator"] * 6, *["plasma-freezer"] * 2, "ultra-freezer", "platelet-incubator")
SITES = (
    ("vte", "Vientiane", "central", 17.97, 102.6),
    ("tha", "Thalat", "district", 18.52, 102.5),
    ("pak", "Paksan", "provincial", 18.37, 103.67),
)
MINUTELY = (Quantity.LOAD, Quantity.AIR)
CONTACTS = (Quantity.DOOR, Quantity.MAINS, Quantity.AMBIENT, Quantity.COMPRESSOR)
HEARTBEAT_S = 900


def place(number: int, site: str, kind: str, free: int) -> dict[str, Any]:
    return {
        "id": f"{site}-{number:03d}", "name": f"{kind} {number}", "site": site, "type": kind, "profile": "",
        "node": f"{site}-n{number // 8:02d}", "slot": number % 8, "free_units": free,
    }  # fmt: skip


@dataclass(frozen=True)
class Story:
    """Who stands where, and what breaks. `neighbours`: (site, kind, declared room), by their ids."""

    hospital: int
    neighbours: tuple[tuple[str, str, int], ...]
    faults: tuple[Fault, ...] = ()
    learns: bool = True
    seed: int = 5

    def fleet(self) -> Fleet:
        appliances = [place(n, "vte", KINDS[n % len(KINDS)], 0) for n in range(self.hospital)]
        count: dict[str, int] = {}
        for site, kind, free in self.neighbours:
            appliances.append(place(count.setdefault(site, 0), site, kind, free))
            count[site] += 1
        nodes = sorted({(a["node"], a["site"]) for a in appliances})
        return Fleet.of({
            "name": "cut", "utc_offset_h": 7, "people": [],
            "sites": [
                {"id": id_, "name": name, "province": "", "level": level, "latitude": lat, "longitude": lon}
                for id_, name, level, lat, lon in SITES
            ],
            "nodes": [
                {"id": n, "site": s, "room": "r", "link": "mqtt", "address": 1 + k % 240}
                for k, (n, s) in enumerate(nodes)
            ],
            "appliances": appliances,
        })  # fmt: skip

    def schedule(self, fleet: Fleet) -> Schedule:
        mine = tuple(a.id for a in fleet.appliances if a.site == "vte")
        spans = [(CUT_S, math.inf), *([(LEARN_S, LEARNT_S)] if self.learns else [])]
        cuts = tuple(Fault(FaultKind.MAINS_CUT, start, end, mine, site="vte") for start, end in spans)
        return Schedule((*cuts, *self.faults))

    def world(self, fleet: Fleet) -> World:
        return World(fleet, self.schedule(fleet), seed=self.seed, start_utc_s=START_UTC_S)


def truth(story: Story) -> dict[str, float]:
    """Seconds from the cut until each load of the hospital truly passes its limit; inf: not in AFTER_S."""
    fleet = story.fleet()
    world = story.world(fleet)
    world.step_to(CUT_S)
    limit = np.array([PROFILE[a.type.value][1] for a in fleet.appliances])
    passes = np.full(len(limit), np.inf)
    for t_s in np.arange(CUT_S, CUT_S + AFTER_S, 30.0).tolist():
        world.step_to(t_s)
        beyond = (world.load_c > limit) & np.isinf(passes)
        passes[beyond] = t_s - CUT_S
    return {a.id: float(passes[n]) for n, a in enumerate(fleet.appliances) if a.site == "vte"}


class Stage:
    """`play_to` moves world, journal and alerts on to an instant [s of the run]."""

    def __init__(self, folder: Path, story: Story, *, contacts: bool = True) -> None:
        self.story, self.fleet = story, story.fleet()
        self.world = story.world(self.fleet)
        self.settings = Settings(data_dir=folder, alerts=AlertSettings())
        self.phones = Phones()
        self.now_s = 0.0
        self._sends = (*MINUTELY, *CONTACTS) if contacts else MINUTELY
        self._number: dict[tuple[int, Quantity], int] = {}
        self._silent: set[int] = set()
        self._last: dict[int, tuple[int, float]] = {}
        self._seq = 0
        self.desk = Desk(self.settings.desk_db, lambda: self.now_ms)
        self.registry = self._registry()
        self.desk.publish(self.registry, author="test", reason="story")
        self.journal = SqliteJournal(self.settings.readings_db)
        self._make_series()
        self._random = Random(7)
        self.service = self._new_service()

    def _new_service(self) -> AlertService:
        service = AlertService(
            self.settings, {"sms": self.phones}, wall_ms=lambda: self.now_ms,
            steady_s=lambda: self.now_s, draw=self._random.randrange,
        )  # fmt: skip
        assert service.outbox is not None
        for db in (service._store.db, service.outbox._db, self.journal.db, self.desk._db):
            db.execute("PRAGMA synchronous=OFF")
        service._beat_at_s = math.inf
        return service

    def kill_alerts(self) -> None:
        """What was not committed is gone; it starts anew."""
        self.outbox.lease.forget()
        self.service._store.close()
        self.service = self._new_service()

    @property
    def now_ms(self) -> int:
        return round((START_UTC_S + self.now_s) * 1000)

    @property
    def outbox(self) -> Outbox:
        assert self.service.outbox is not None
        return self.service.outbox

    @property
    def book(self) -> SiteReader:
        return SiteReader(self.settings.alarms_db)

    def close(self) -> None:
        self.service.close()
        self.journal.close()
        self.desk.close()

    # --- who there is

    def _registry(self) -> Registry:
        appliances, sensors = [], []
        for a in self.fleet.appliances:
            carried = (Assignment(carries=PROFILE[a.type.value][0]),)
            appliances.append(
                Appliance(id=a.id, name=a.name, site=a.site, kind=a.type.value, assignments=carried,
                          free_bags=a.free_units)
            )  # fmt: skip
            for offer in OFFERS[a.type]:
                q = offer.quantity
                if q not in self._sends:
                    continue
                probe = {Quantity.LOAD: "load", Quantity.AIR: "air"}.get(q)
                sensors.append(
                    Sensor(id=a.sensor(q), appliance=a.id, quantity="temperature" if probe else q.word,
                           probe=probe, node=a.node, channel=a.channel(q),  # type: ignore[arg-type]
                           every_s=60 if probe else HEARTBEAT_S)
                )  # fmt: skip
        people = tuple(
            Person(id=name, name=name, phone=f"+85620555500{n}", role=role)  # type: ignore[arg-type]
            for n, (name, role) in enumerate(
                (("noy", "technician"), ("kham", "on-call"), ("dara", "supervisor"))
            )
        )
        sites = tuple(
            Site(id=s.id, name=s.name, latitude=s.latitude, longitude=s.longitude) for s in self.fleet.sites
        )
        return Registry(sites=sites, appliances=tuple(appliances), sensors=tuple(sensors), people=people)

    def republish(self, change: Mapping[str, Any], appliance: str) -> None:
        changed = tuple(
            a.model_copy(update=dict(change)) if a.id == appliance else a for a in self.registry.appliances
        )
        self.registry = Registry.model_validate({**dict(self.registry), "appliances": changed})
        self.desk.publish(self.registry, author="test", reason="story")

    def _make_series(self) -> None:
        with transaction(self.journal.db) as db:
            for row, a in enumerate(self.fleet.appliances):
                for offer in OFFERS[a.type]:
                    if offer.quantity in self._sends:
                        number = len(self._number) + 1
                        self._number[row, offer.quantity] = number
                        code = offer.quantity.wire_code
                        values = (number, a.sensor(offer.quantity), code)
                        db.execute("INSERT INTO series (id, sensor, quantity) VALUES (?,?,?)", values)

    # --- what happens

    def silence(self, *appliances: str) -> None:
        """Nothing more comes from them."""
        self._silent |= {self.fleet.index(name) for name in appliances}

    def play_to(self, end_s: float, *, every_s: int = 60) -> None:
        """Alerts looks every `every_s`; readings come each minute, contacts as they change."""
        step = min(every_s, 60)
        while self.now_s < end_s:
            rows: list[tuple[int, int, float]] = []
            ahead = min((self.now_s // every_s + 1) * every_s, end_s)
            while self.now_s < ahead:
                self.now_s = min((self.now_s // step + 1) * step, ahead)
                self.world.step_to(self.now_s)
                self._sense(rows)
            self._write(rows)
            self.settle()

    def _sense(self, rows: list[tuple[int, int, float]]) -> None:
        sensed = self.world.sense_all()
        minute = self.now_s % 60 == 0
        for (row, quantity), number in self._number.items():
            value = float(sensed[row, quantity])
            if row in self._silent:
                continue
            if quantity in MINUTELY:
                if minute:
                    rows.append((number, self.now_ms, value))
                continue
            known = self._last.get(number)
            moved = known is None or known[1] != value
            if quantity is Quantity.AMBIENT and known is not None:
                moved = abs(known[1] - value) >= 1.0
            if moved or (known and self.now_ms - known[0] >= HEARTBEAT_S * 1000):
                self._last[number] = (self.now_ms, value)
                rows.append((number, self.now_ms, value))

    def _write(self, found: list[tuple[int, int, float]]) -> None:
        if not found:
            return
        rows = np.zeros(len(found), JOURNALLED)
        value = np.array([v for _, _, v in found])
        failed = np.isnan(value)
        rows["series"], rows["at_ms"] = [s for s, _, _ in found], [at for _, at, _ in found]
        rows["value"] = np.where(failed, NO_VALUE, np.rint(np.nan_to_num(value) * 1000))
        rows["status"] = np.where(failed, int(Status.OPEN), int(Status.OK))
        rows["seq"] = self._seq + np.arange(len(rows))
        rows["gateway_ms"] = rows["arrived_ms"] = rows["at_ms"]
        rows["source"] = 1
        self._seq += len(rows)
        with transaction(self.journal.db):
            self.journal.append(rows, self.now_ms, 1)
            self.journal._keep()

    def settle(self) -> None:
        while self.service.tick():
            pass
        while self.outbox.send_one():
            pass
