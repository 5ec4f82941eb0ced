# SPDX-License-Identifier: Apache-2.0
"""What the console knows, read from the record in short looks. It writes nothing but commands to the desk.

Files that are not there yet, or are busy, are told as troubles; the last good state stands, with its age.
"""

from __future__ import annotations

import sqlite3
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from coldchain.kernel.clocks import WallClock
from coldchain.kernel.errors import ColdChainError
from coldchain.kernel.readings import Rows
from coldchain.kernel.words import NO_VALUE
from coldchain.records.alarms import Alarm, Excursion, Listed, Notice, OutOfService
from coldchain.records.asked import Asked, AskedReader
from coldchain.records.health import Beat, beats
from coldchain.records.journal import Latest
from coldchain.records.registry import Command, Desk, Registry, RegistryReader, Sensor
from coldchain.records.site import Blind, SiteReader
from coldchain.settings import Settings
from dashboards.console.alarms.marks import Marks, marked, marks
from dashboards.console.alarms.told import Told, read
from dashboards.console.followed import FollowedJournal, Gateway, give_back_memory
from dashboards.console.series import Series, series_of, steps
from dashboards.console.times import clock, zone_named
from dashboards.console.views import LOST_PROBE, Fleet, fleet_view
from dashboards.console.words import Text, said

ALARMS_SHOWN = 50
MIXED_MAX = 20
"""So many steps of a chart that mix temperatures and error codes are looked into."""
STORE_FAULTS = (ColdChainError, sqlite3.Error, OSError, ValueError, struct.error, zlib.error)
"""Not there, busy, damaged, of another version: told, and tried again at the next look."""


@dataclass(frozen=True, slots=True)
class Look:
    """Everything the fleet page shows, as of one moment. `troubles`: what could not be read, as sentences."""

    fleet: Fleet
    registry: Registry
    alarms: tuple[Alarm, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    beats: tuple[Beat, ...] = ()
    counters: dict[str, int] = field(default_factory=dict)
    troubles: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """What `alarms.db` holds about one appliance, newest first."""

    alarms: tuple[Alarm, ...] = ()
    excursions: tuple[Excursion, ...] = ()
    notices: tuple[Notice, ...] = ()


def urgency(alarm: Alarm) -> tuple[int, bool, int]:
    """Unanswered before returned before acknowledged; critical first; then the newest."""
    states = ("unacknowledged", "returned", "acknowledged")
    place = states.index(alarm.state) if alarm.state in states else len(states)
    return place, alarm.severity != "critical", -alarm.raised_ms


class Records:
    """All readers behind one lock: any thread may call, one at a time reads."""

    def __init__(self, settings: Settings, wall_ms: WallClock) -> None:
        self.settings, self.wall_ms = settings, wall_ms
        self.zone = zone_named(settings.zone)
        self._lock = threading.Lock()
        self._desk = RegistryReader(settings.desk_db)
        self._alarms = SiteReader(settings.alarms_db)
        self._journal = FollowedJournal(settings.readings_db)
        self._open: tuple[Alarm, ...] = ()
        self._marks = Marks()
        self._troubles: dict[str, str] = {}

    def look(self) -> Look:
        """Read what is new and see the fleet as of now."""
        now_ms = self.wall_ms()
        with self._lock:
            self._refresh_registry()
            with self._told("readings"):
                self._journal.follow()
            with self._told("alarms"):
                self._open = self._open_alarms()
                told_at = partial(clock, now_ms=now_ms, zone=self.zone)
                self._marks = marks(self._alarms, self._open, told_at, self._desk.registry, now_ms)
            fleet = fleet_view(
                self._desk.registry,
                self._journal.latest,
                self._open,
                now_ms=now_ms,
                zone=self.zone,
                silent_after=round(self.settings.alerts.silent_after.total_seconds() * 1000),
            )
            gateways, counters = self._journal.gateways, self._journal.counters
            told = self._troubles.items()
            troubles: tuple[Text, ...] = tuple(said(f"trouble.{what}", why=why) for what, why in told)
        heard = tuple(beats(self.settings.data_dir))
        troubles += tuple(self._stale(heard, now_ms))
        return Look(
            marked(fleet, self._marks), self._desk.registry, self._open, gateways, heard, counters, troubles
        )

    def _stale(self, heard: tuple[Beat, ...], now_ms: int) -> Iterator[Text]:
        """Without ingest nothing is new; without alerts nobody is told."""
        for beat in heard:
            if beat.name in ("ingest", "alerts") and beat.stale(now_ms):
                yield said("trouble.stale", name=beat.name, at=clock(beat.at_ms, now_ms, self.zone))

    def registry(self) -> Registry:
        with self._lock:
            self._refresh_registry()
            return self._desk.registry

    def latest(self) -> dict[str, Latest]:
        """The newest reading of every sensor, as of the last look."""
        return self._journal.latest

    def series(self, sensor: Sensor, start_ms: int, end_ms: int, points: int) -> Series:
        """Lowest and highest in at most `points` steps. StoreUnavailable while there is no journal."""
        first, step, n = steps(start_ms, end_ms, points, sensor.due_s(start_ms))
        with self._lock, _plain_errors():
            reader = self._journal.reader()
            _, vmin, vmax, count = reader.min_max(sensor.id, first, first + n * step, n)
            # Where error codes hide the lowest temperature of a step, its readings tell it.
            for i in np.flatnonzero((vmin == LOST_PROBE) & (vmax > LOST_PROBE))[:MIXED_MAX].tolist():
                value = reader.readings(sensor.id, first + i * step, first + (i + 1) * step)["value"]
                vmin[i] = value[(value != LOST_PROBE) & (value != NO_VALUE)].min()
        give_back_memory()
        return series_of(sensor.id, first, step, min(end_ms, self.wall_ms()), vmin, vmax, count)

    def day(self, sensors: list[Sensor], start_ms: int, end_ms: int, points: int) -> dict[str, Series]:
        """The same stretch of many sensors, reading the record once. Those that never reported are absent."""
        found: dict[str, Series] = {}
        until_ms = min(end_ms, self.wall_ms())
        for every_s in {sensor.due_s(start_ms) for sensor in sensors}:
            first, step, n = steps(start_ms, end_ms, points, every_s)
            ids = [sensor.id for sensor in sensors if sensor.due_s(start_ms) == every_s]
            with self._lock, _plain_errors():
                answers = self._journal.reader().min_max_many(ids, first, first + n * step, n)
            for id_, (_, vmin, vmax, count) in answers.items():
                found[id_] = series_of(id_, first, step, until_ms, vmin, vmax, count)
        give_back_memory()
        return found

    def readings(self, sensor: str, start_ms: int, end_ms: int) -> Rows:
        with self._lock, _plain_errors():
            return self._journal.reader().readings(sensor, start_ms, end_ms)

    def begun_ms(self) -> int | None:
        """The earliest reading that the record holds; None: there is none."""
        with self._lock, _plain_errors():
            return self._journal.reader().first_ms() if self.settings.readings_db.exists() else None

    def waiting(self) -> list[tuple[str, int, int, int]]:
        """(node, channel, quantity, readings) of what reports and is not known."""
        with self._lock, _plain_errors():
            return self._journal.reader().waiting() if self.settings.readings_db.exists() else []

    def history(self, appliance: str, start_ms: int, end_ms: int) -> History:
        """Its alarms and their notices, and its excursions that touch start..end."""
        with self._lock, _plain_errors():
            alarms = self._alarms.alarms(ALARMS_SHOWN, appliance=appliance)
            found = self._alarms.excursions(appliance=appliance, start_ms=start_ms, end_ms=end_ms)
            notices = [n for alarm in alarms[:10] for n in self._alarms.notices(20, alarm=alarm.id)]
        newest_first = sorted(found, key=lambda excursion: -excursion.started_ms)
        return History(tuple(alarms), tuple(newest_first), tuple(notices[:ALARMS_SHOWN]))

    def aside(self, appliance: str) -> list[OutOfService]:
        """Each time it was out of service, newest first."""
        with self._lock, _plain_errors():
            return [one for one in self._alarms.out_of_service(all_=True) if one.appliance == appliance]

    def alarms(self) -> tuple[list[Alarm], list[Alarm], list[Command]]:
        """Open ones, most urgent first, the latest closed ones, and answers that alerts has not taken up yet:
        one that was refused, or has lapsed, is no answer, and the alarm asks for another.
        """
        with self._lock, _plain_errors():
            self._refresh_registry()
            closed = [alarm for alarm in self._alarms.alarms(200) if alarm.state == "closed"]
            open_ = sorted(self._alarms.open_alarms(), key=urgency)
            standing = {alarm.id for alarm in open_}
            told = [
                one
                for one in self._desk.commands()
                if one.verb == "acknowledge" and one.alarm in standing
                and self._alarms.outcome(one.id) is None
            ]  # fmt: skip
            return open_, closed[:ALARMS_SHOWN], told

    def closed(self, before: int, limit: int) -> list[Alarm]:
        """Closed alarms of a lower number, newest first."""
        with self._lock, _plain_errors():
            return self._alarms.closed(before, limit)

    def without_power(self, site: str) -> tuple[list[Listed], list[Blind]]:
        """Who loses its blood first while a supply of the site is out; what its silence may hide."""
        with self._lock, _plain_errors():
            cut = [
                a for a in self._alarms.open_alarms() if a.kind == "power" and a.site == site and a.standing
            ]
            listed = [one for alarm in cut for one in self._alarms.alarm_list(alarm.id)]
            return listed, self._alarms.blind(site)

    def acknowledge(self, command: str, alarm: str, person: str) -> bool:
        """Ask alerts to acknowledge; False when this very command was written before."""
        with _plain_errors():
            desk = Desk(self.settings.desk_db, self.wall_ms)
            try:
                return desk.command(
                    command, "acknowledge", person=person, alarm=alarm, body={"by": "console"}
                )
            finally:
                desk.close()

    def told(self, number: int | str) -> Told | None:
        """All that is known of one alarm, by number or id; None when there is none."""
        with self._lock, _plain_errors():
            alarm = self._alarms.alarm(number)
            if alarm is None:
                return None
            about = AskedReader(self.settings.desk_db).about(alarm.id, alarm.number, alarm.appliance)
            return read(self._alarms, alarm, about)

    def asked(self, command: str) -> tuple[Asked | None, str]:
        """What was asked under that id, and what came of it; empty while alerts has not taken it up."""
        with self._lock, _plain_errors():
            found = AskedReader(self.settings.desk_db).of(command)
            return found, self._alarms.outcome(command) or ""

    def ask(self, command: str, verb: str, person: str, alarm: str | None, body: dict[str, str]) -> bool:
        """Ask alerts for a change; False when a command of that id was written before."""
        with _plain_errors():
            desk = Desk(self.settings.desk_db, self.wall_ms)
            try:
                return desk.command(command, verb, person=person, alarm=alarm, body=dict(body))
            finally:
                desk.close()

    def close(self) -> None:
        with self._lock:
            self._desk.close()
            self._alarms.close()
            self._journal.close()

    def _refresh_registry(self) -> None:
        with self._told("desk"):
            if not self._desk.refresh() and not self.settings.desk_db.exists():
                self._troubles["desk"] = self.settings.desk_db.name

    def _open_alarms(self) -> tuple[Alarm, ...]:
        if not self.settings.alarms_db.exists():
            raise FileNotFoundError(self.settings.alarms_db.name)
        return tuple(self._alarms.open_alarms())

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """A store that cannot be read becomes a trouble; the next look tries again."""
        try:
            yield
        except STORE_FAULTS as bad:
            self._troubles[what] = str(bad)
        else:
            self._troubles.pop(what, None)


class Unavailable(Exception):
    """The record cannot be read just now."""


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Every way in which a store may fail, as one."""
    try:
        yield
    except STORE_FAULTS as bad:
        raise Unavailable(str(bad)) from bad
