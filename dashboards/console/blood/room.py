# SPDX-License-Identifier: Apache-2.0
"""What the pages about blood share: their readers, and what a list of bags is about."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from coldchain.kernel.errors import StoreUnavailable
from coldchain.kernel.stays import Leg, Stay
from coldchain.records.consignments import (
    ConsignmentReader,
    Consignments,
    Trip,
    named_of_moves,
    places,
    trips_of_moves,
)
from coldchain.records.found import FoundReader
from coldchain.settings.exposure_files import WrittenRule, fitting, rules_of
from coldchain.settings.profile_files import PROFILES
from dashboards.console.accounts.gate import check_site, visitor
from dashboards.console.accounts.signing import Signing
from dashboards.console.alarms.routes import alarm_told
from dashboards.console.alarms.told import Told
from dashboards.console.blood.tools import Tools
from dashboards.console.console import Console
from dashboards.console.problems import Problem
from dashboards.console.source import Unavailable
from dashboards.console.times import zone_named
from dashboards.console.words import Text, said

DAY_MS = 86_400_000
NAME_MAX = 60


def plain(text: str, most: int) -> str:
    r"""What somebody wrote, in one line, of at most so many letters; what cannot be printed is left out.

    >>> plain("  lid \n open\x00 ", 300)
    'lid open'
    """
    words = " ".join(text.split())
    return "".join(letter for letter in words if letter.isprintable())[:most]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a list of bags is about: an alarm or a trip. stays: where they were, in order.

    key  as the desk keeps it: `alarm:ID` or `trip:ID`; address: its page
    """

    key: str
    address: str
    title: Text
    site: str
    carries: str
    stays: tuple[Stay, ...]
    told: Told | None = None
    trip: Trip | None = None


class Room:
    """One per application; from any thread."""

    def __init__(self, console: Console, signing: Signing, tools: Tools) -> None:
        self.console, self.signing, self.tools = console, signing, tools
        self.desk = Consignments(console.settings.desk_db, console.wall_ms)
        self.reader = ConsignmentReader(console.settings.desk_db)
        self._alarms = FoundReader(console.settings.alarms_db)
        self._lock = threading.Lock()

    @contextmanager
    def alarms(self) -> Iterator[FoundReader]:
        """`alarms.db`, for one question at a time."""
        with self._lock:
            try:
                yield self._alarms
            except (sqlite3.Error, StoreUnavailable) as bad:
                raise Unavailable(str(bad)) from bad

    def rules(self, carries: str) -> list[WrittenRule]:
        """Exposure rules for that blood, the one that is taken first."""
        return fitting(rules_of(self.console.settings.data_dir), PROFILES.get(carries))

    def rule(self, carries: str, name: str = "") -> WrittenRule:
        """The one of that name, if it is for that blood; else the first."""
        fit = self.rules(carries)
        return next((one for one in fit if one.rule.name == name), fit[0])

    def legs(self, stays: tuple[Stay, ...], carries: str, as_of_ms: int) -> list[Leg]:
        return self.tools.legs(self.console.records.registry(), stays, carries, as_of_ms)

    # --- what a list is about

    def of_alarm(self, number: int) -> Subject:
        """Its blood from a day before it began until it was over, and where it was moved to."""
        told = alarm_told(self.console, number)
        alarm = told.alarm
        appliance = self.console.records.registry().appliance_by_id.get(alarm.appliance)
        if alarm.scope != "appliance" or appliance is None:
            raise Problem(422, "not-an-appliance", alarm.appliance)
        with self.alarms() as reader:
            began_ms = reader.began(alarm.id) or alarm.since_ms
        now_ms = self.console.wall_ms()
        end_ms = alarm.returned_ms or now_ms
        moves = sorted((m for m in told.moved if m.alarm == alarm.id), key=lambda move: move.at_ms)
        stays = places(alarm.appliance, began_ms - DAY_MS, end_ms, moves, now_ms)
        carries = appliance.carries(began_ms) or ""
        title = said("bags.of_alarm", n=number, name=appliance.name)
        return Subject(
            f"alarm:{alarm.id}", f"/alarm/{number}", title, alarm.site, carries, tuple(stays), told
        )

    def of_trip(self, id_: str) -> Subject:
        trip = self.trip(id_)
        title = said("trip.title", place=self.placed(trip.place))
        stays = tuple(trip.stays(self.console.wall_ms()))
        return Subject(
            f"trip:{trip.id}", f"/trip/{trip.id}", title, self.site_of(trip), trip.carries, stays, None, trip
        )

    # --- trips

    def trips(self) -> list[Trip]:
        """Started at the console, and made of answers; newest first, of sites that whoever asks may see."""
        with self.alarms() as reader:
            moved = reader.moved()
        found = [*self.reader.trips(), *trips_of_moves(moved, self._carried, self.reader.moves())]
        registry, sees = self.console.records.registry(), visitor().sees
        mine = [one for one in found if any(sees(site, registry) for site in self._sites(one))]
        return sorted(mine, key=lambda trip: -trip.at_ms)

    def trip(self, id_: str) -> Trip:
        """Problem when there is none, or it touches no site of whoever asks."""
        trip = self.reader.trip(id_)
        if trip is None:
            with self.alarms() as reader:
                moved = reader.moved()
            trip = named_of_moves(id_, moved, self._carried, self.reader.moves())
        if trip is None:
            raise Problem(404, "unknown-trip", id_)
        registry = self.console.records.registry()
        if not any(visitor().sees(site, registry) for site in self._sites(trip)):
            check_site(self.site_of(trip), registry)
        return trip

    def site_of(self, trip: Trip) -> str:
        """Where it began."""
        sites = self._sites(trip)
        return sites[0] if sites else ""

    def _sites(self, trip: Trip) -> list[str]:
        known = self.console.records.registry().appliance_by_id
        return [known[step.appliance].site for step in trip.steps if step.appliance in known]

    def _carried(self, appliance: str, at_ms: int) -> str:
        known = self.console.records.registry().appliance_by_id.get(appliance)
        return (known.carries(at_ms) if known else None) or ""

    def name(self, appliance: str) -> str:
        known = self.console.records.registry().appliance_by_id.get(appliance)
        return known.name if known is not None else appliance

    def placed(self, appliance: str) -> str:
        """Its name and that of its site: each site has a first refrigerator."""
        registry = self.console.records.registry()
        known = registry.appliance_by_id.get(appliance)
        site = registry.site_by_id.get(known.site) if known is not None else None
        return f"{self.name(appliance)}, {site.name}" if site is not None else self.name(appliance)

    def course(self, trip: Trip) -> list[str]:
        """Its places in order, with the site where it is another than before."""
        known = self.console.records.registry().appliance_by_id
        found, before = [], ""
        for step in trip.steps:
            if not step.appliance:
                continue
            site = known[step.appliance].site if step.appliance in known else ""
            found.append(self.placed(step.appliance) if site != before else self.name(step.appliance))
            before = site
        return found

    # --- what forms say

    def who(self, form: dict[str, str]) -> str:
        """Who acts: the account's person, or the name typed at a screen that nobody is signed in at."""
        account = visitor().account
        name = account.person if account is not None else form.get("name", "").strip()
        if not 1 <= len(name) <= NAME_MAX or not name.isprintable():
            raise Problem(422, "name-missing")
        return name

    def instant(self, text: str, site: str) -> int | None:
        """What a form's `datetime-local` says, by the clock of the site; None: it says nothing."""
        if not text.strip():
            return None
        known = self.console.records.registry().site_by_id.get(site)
        zone = zone_named(known.zone if known else self.console.settings.zone)
        try:
            local = datetime.fromisoformat(text.strip())
            at_ms = round((local if local.tzinfo else local.replace(tzinfo=zone)).timestamp() * 1000)
        except (ValueError, OverflowError) as bad:
            raise Problem(422, "bad-instant", text[:40]) from bad
        if not 0 <= at_ms <= self.console.wall_ms() + DAY_MS:
            raise Problem(422, "bad-instant", text[:40])
        return at_ms

    def for_input(self, at_ms: int, site: str) -> str:
        """An instant as a `datetime-local` field wants it, by the clock of the site."""
        known = self.console.records.registry().site_by_id.get(site)
        zone = ZoneInfo(known.zone) if known else zone_named(self.console.settings.zone)
        return datetime.fromtimestamp(at_ms / 1000, zone).strftime("%Y-%m-%dT%H:%M")
