# SPDX-License-Identifier: Apache-2.0
"""The registry: sites, appliances, sensors, people; what each appliance carries, from when.

It lives in `desk.db` as whole, numbered versions, never edited: every alarm names the one it was judged by.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from coldchain.kernel.errors import BadData
from coldchain.kernel.words import Quantity
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.duty import Before, Channel, Pace, Policy, Quiet, Rota
from coldchain.records.sql import open_reader, open_writer, transaction
from coldchain.settings.profile_files import PROFILES, with_new

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,47}$")]
SensorName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._ -]*(/[A-Za-z0-9._ -]+)*$", max_length=96)
]


class Part(BaseModel):
    """A frozen entry of the registry; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Site(Part):
    """A place with one supply, one gateway and its people. Latitude and longitude in degrees."""

    id: Name
    name: str
    province: str = ""
    level: Literal["central", "provincial", "district", "mobile"] = "district"
    latitude: float | None = None
    longitude: float | None = None
    zone: str = "Asia/Vientiane"


class Assignment(Part):
    """What an appliance carries, from when: a profile's name, `loading` or `empty`. Instants in ms UTC."""

    carries: str
    from_ms: int = 0
    until_ms: int | None = None


class Drill(Part):
    """A test of an appliance's alarm: its readings from from_ms until until_ms are marked as one [ms UTC]."""

    from_ms: int
    until_ms: int
    by: str


class Appliance(Part):
    """A refrigerator, freezer, incubator or transport box.

    supply         what feeds it, where a site has several supplies; nothing: its site's
    hold_over_min  minutes within limits without power, by its maker
    tau_s          the time constant of its load against its air [s], where it was measured
    service        `out`: it enters the registry out of service, until the return-to-service gate lets it
    drills         tests of its alarm, oldest first
    """

    id: Name
    name: str
    site: Name
    kind: str = "blood-refrigerator"
    assignments: tuple[Assignment, ...] = ()
    free_bags: int = 0
    serial: str = ""
    model: str = ""
    supply: Name | None = None
    hold_over_min: Annotated[float, Field(gt=0)] | None = None
    tau_s: Annotated[float, Field(gt=0)] | None = None
    service: Literal["in", "out"] = "in"
    drills: tuple[Drill, ...] = ()

    @property
    def fed_by(self) -> str:
        """Its supply; appliances with the same one lose their mains together."""
        return self.supply or self.site

    def carries(self, at_ms: int) -> str | None:
        """The profile in force at that moment, or None."""
        for assignment in reversed(self.assignments):
            if assignment.from_ms <= at_ms and (assignment.until_ms is None or at_ms < assignment.until_ms):
                return assignment.carries
        return None


class Offset(Part):
    """What a calibration found: from from_ms on, `offset_k` is added [K]; after expires_ms it is doubtful."""

    from_ms: int
    offset_k: Annotated[float, Field(ge=-20, le=20, allow_inf_nan=False)]
    expires_ms: int | None = None


class Sensor(Part):
    """A place that is measured, and the node's channel that is wired to it.

    probe    `load` or `air` for temperatures inside an appliance
    every_s  a reading is due this often [s]; for quantities sent on change, the heartbeat
    paces    what every_s was before, oldest first
    offsets  by date, oldest first; raw values stay as they are
    calibrated_until_ms  the day its certificate ends
    wired_ms, before  what the channel sent earlier does not belong to it; what others sent until then does
    """

    id: SensorName
    appliance: Name | None = None
    site: Name | None = None
    quantity: str = "temperature"
    probe: Literal["load", "air"] | None = None
    node: Name
    channel: int = Field(ge=0, le=65535)
    every_s: int = Field(default=60, gt=0)
    paces: tuple[Pace, ...] = ()
    offsets: tuple[Offset, ...] = ()
    calibrated_until_ms: int | None = None
    wired_ms: int = 0
    before: tuple[Before, ...] = ()

    @model_validator(mode="after")
    def _offsets_in_order(self) -> Self:
        if (dates := [offset.from_ms for offset in self.offsets]) != sorted(set(dates)):
            raise ValueError(f"sensor {self.id}: offsets go by date, oldest first, one for each date")
        return self

    def due_s(self, from_ms: int) -> int:
        """The longest that a reading was ever due after another, from that instant on [s]."""
        return max([self.every_s, *(pace.every_s for pace in self.paces if from_ms < pace.until_ms)])

    @property
    def code(self) -> Quantity:
        return Quantity[self.quantity.upper().replace("-", "_")]


class Person(Part):
    """Somebody who is told. `sites` empty: every site.

    numbers   further telephones, tried in this order after `phone`
    channels  how they are told, best first
    initials  to sign with on a shared telephone
    shared    a duty telephone: an answer must be signed with somebody's initials
    pin       the hash of their PIN, never the PIN
    """

    id: Name
    name: str
    phone: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")]
    language: Literal["lo", "en", "fr", "vi"] = "en"
    role: Literal["technician", "on-call", "contractor", "supervisor", "manager"] = "on-call"
    sites: tuple[Name, ...] = ()
    numbers: tuple[Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")], ...] = ()
    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    channels: tuple[Channel, ...] = ("sms", "call", "email", "http")
    quiet: Quiet | None = None
    initials: Annotated[str, Field(pattern=r"^[A-Z]{2,4}$")] | None = None
    shared: bool = False
    pin: str | None = None


class GatewayEntry(Part):
    """A gateway that may report, and the site it stands at; `phone`: the number of its guard's SIM."""

    id: Name
    site: Name | None = None
    phone: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")] | None = None


class Registry(Part):
    """One version of everything that is known. Ids are unique; references resolve."""

    sites: tuple[Site, ...] = ()
    appliances: tuple[Appliance, ...] = ()
    sensors: tuple[Sensor, ...] = ()
    people: tuple[Person, ...] = ()
    gateways: tuple[GatewayEntry, ...] = ()
    rotas: tuple[Rota, ...] = ()
    policies: tuple[Policy, ...] = ()

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for words, parts in (
            ("site", self.sites),
            ("appliance", self.appliances),
            ("sensor", self.sensors),
            ("person", self.people),
            ("rota", self.rotas),
            ("policy", self.policies),
        ):
            _unique(words, [part.id for part in parts])
        _unique("node and channel", [f"{s.node}/{s.channel}" for s in self.sensors])
        sites = {site.id for site in self.sites}
        appliances = {appliance.id for appliance in self.appliances}
        for appliance in self.appliances:
            _known(f"appliance {appliance.id}", "site", appliance.site, sites)
            for assignment in appliance.assignments:
                carried = {*PROFILES, "loading", "empty"}
                _known(f"appliance {appliance.id}", "profile", assignment.carries, carried)
        for sensor in self.sensors:
            if sensor.appliance is not None:
                _known(f"sensor {sensor.id}", "appliance", sensor.appliance, appliances)
            words_of_quantities = {q.word for q in Quantity}
            _known(f"sensor {sensor.id}", "quantity", sensor.quantity, words_of_quantities)
        self._sound_duty(sites)
        return self

    def _sound_duty(self, sites: set[str]) -> None:
        people = {person.id for person in self.people}
        for rota in self.rotas:
            named = {*rota.people, *(o.person for o in rota.overrides)}
            named |= {h.person for h in rota.holidays if h.person}
            for person in sorted(named):
                _known(f"rota {rota.id}", "person", person, people)
            for site in rota.sites:
                _known(f"rota {rota.id}", "site", site, sites)
        for policy in self.policies:
            for whom in (w for step in policy.steps for w in step.tell if w.startswith("person:")):
                _known(f"policy {policy.id}", "person", whom.removeprefix("person:"), people)

    @cached_property
    def by_channel(self) -> dict[tuple[str, int], Sensor]:
        """(node, channel) -> sensor."""
        return {(s.node, s.channel): s for s in self.sensors}

    @cached_property
    def sensor_by_id(self) -> dict[str, Sensor]:
        return {s.id: s for s in self.sensors}

    @cached_property
    def sensors_of(self) -> dict[str, tuple[Sensor, ...]]:
        """Appliance -> its sensors; those that have some."""
        found: dict[str, list[Sensor]] = {}
        for sensor in self.sensors:
            found.setdefault(sensor.appliance or "", []).append(sensor)
        return {name: tuple(sensors) for name, sensors in found.items()}

    @cached_property
    def appliance_by_id(self) -> dict[str, Appliance]:
        return {a.id: a for a in self.appliances}

    @cached_property
    def person_by_id(self) -> dict[str, Person]:
        return {p.id: p for p in self.people}

    @cached_property
    def site_by_id(self) -> dict[str, Site]:
        return {s.id: s for s in self.sites}

    def people_for(self, site: str) -> list[Person]:
        """Who is told about that site, in the registry's order."""
        return [p for p in self.people if not p.sites or site in p.sites]

    def digest(self) -> str:
        """A stable fingerprint of the contents."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


def _unique(what: str, ids: list[str]) -> None:
    seen: set[str] = set()
    for one in ids:
        if one in seen:
            raise ValueError(f"{what} {one!r} appears twice")
        seen.add(one)


def _known(who: str, what: str, name: str, names: set[str]) -> None:
    if name not in names:
        raise ValueError(f"{who}: {what} {name!r} is not known; known: {', '.join(sorted(names)[:12])}")


def bring_up(path: Path) -> None:
    """Bring a desk that an older version wrote to the present form. Nothing where there is none yet.

    Before anybody reads: a reader refuses an older form, and alerts without a registry judge nothing.
    """
    if path.exists():
        open_writer(path, DESK_MIGRATIONS).close()


class Desk:
    """`desk.db` for those who change it: the console and the command line, in short transactions."""

    def __init__(self, path: Path, wall_ms: Callable[[], int]) -> None:
        self._db = open_writer(path, DESK_MIGRATIONS)
        self._wall_ms = wall_ms

    def publish(self, registry: Registry, *, author: str, reason: str, after: int | None = None) -> int:
        """Add a version and return its number. With `after`, refuse if another version came meanwhile."""
        with transaction(self._db) as db:
            (newest,) = db.execute("SELECT coalesce(max(version), 0) FROM registry").fetchone()
            if after is not None and newest != after:
                raise BadData(
                    f"the registry changed meanwhile (version {newest}, yours is {after}); read it again"
                )
            version = int(newest) + 1
            db.execute(
                "INSERT INTO registry VALUES (?,?,?,?,?,?)",
                (version, self._wall_ms(), author, reason, registry.digest(), registry.model_dump_json()),
            )
        return version

    def command(
        self, id_: str, verb: str, *, person: str, alarm: str | None, body: dict[str, object]
    ) -> bool:
        """Ask alerts for a change. The id is the asker's: the same one twice is one command (False)."""
        with transaction(self._db) as db:
            done = db.execute(
                "INSERT OR IGNORE INTO command VALUES (?,?,?,?,?,?)",
                (id_, self._wall_ms(), person, verb, alarm, json.dumps(body)),
            )
        return done.rowcount == 1

    def close(self) -> None:
        self._db.close()


@dataclass(frozen=True, slots=True)
class Command:
    """A request to change an alarm; whether it was applied, `alarms.db` tells by its id."""

    id: str
    at_ms: int
    person: str
    verb: str
    alarm: str | None


class RegistryReader:
    """The newest registry, read again only when a new version is there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self.version = 0
        self.registry = Registry()

    def refresh(self) -> bool:
        """True when a newer version was taken up. Without a desk yet, nothing changes."""
        if self._db is None:
            if not self._path.exists():
                return False
            self._db = open_reader(self._path, len(DESK_MIGRATIONS))
        newest = self._db.execute("SELECT max(version) FROM registry").fetchone()[0] or 0
        if newest <= self.version:
            return False
        (body,) = self._db.execute("SELECT body FROM registry WHERE version = ?", (newest,)).fetchone()
        self.registry = with_new(self._path.parent, lambda: Registry.model_validate_json(body))
        self.version = newest
        return True

    def of(self, version: int) -> Registry | None:
        """That version, whichever is the newest."""
        if self._db is None and self._path.exists():
            self._db = open_reader(self._path, len(DESK_MIGRATIONS))
        if self._db is None:
            return None
        row = self._db.execute("SELECT body FROM registry WHERE version = ?", (version,)).fetchone()
        return Registry.model_validate_json(row[0]) if row else None

    def first_ms(self) -> int:
        """When the first version was published; 0 while there is none."""
        if self._db is None:
            return 0
        row = self._db.execute("SELECT coalesce(min(at_ms), 0) FROM registry").fetchone()
        return int(row[0])

    def commands(self, limit: int = 200) -> list[Command]:
        """The newest commands, newest first; none while there is no desk."""
        if self._db is None:
            return []
        sql = "SELECT id, at_ms, person, verb, alarm FROM command ORDER BY at_ms DESC, rowid DESC LIMIT ?"
        return [Command(*row) for row in self._db.execute(sql, (limit,)).fetchall()]

    def close(self) -> None:
        if self._db is not None:
            self._db.close()


def read_registry_file(text: str) -> Registry:
    """A registry from JSON text; BadData with the place of the fault."""
    try:
        return Registry.model_validate(json.loads(text))
    except ValueError as bad:
        raise BadData(f"not a registry: {bad}") from bad
