# SPDX-License-Identifier: Apache-2.0
"""Trips of blood: where it was, leg by leg, and one exposure clock over all of it."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from coldchain.kernel.errors import BadData
from coldchain.kernel.exposure import Exposure, Proposal, propose
from coldchain.kernel.stays import Leg, exposure_of
from coldchain.records.consignments import BOXES, DAY_MS, Step, Trip
from coldchain.settings.profile_files import PROFILES
from dashboards.console.accounts.forms import read_form
from dashboards.console.accounts.gate import check_site, visitor
from dashboards.console.alarms.routes import command_id
from dashboards.console.blood.drawing import course
from dashboards.console.blood.judged import grounds
from dashboards.console.blood.room import Room, plain
from dashboards.console.problems import Problem
from dashboards.console.times import clock, span
from dashboards.console.words import t

AHEAD_MS = 120_000
NOTE_MAX = 200


@dataclass(frozen=True, slots=True)
class Judged:
    """A trip with what the record says of it: leg by leg, over all, and what a rule proposes."""

    trip: Trip
    legs: tuple[Leg, ...]
    whole: Exposure
    rule: str
    proposal: Proposal
    allowed_ms: int | None

    @property
    def late(self) -> int:
        """Readings that came long after they were read: from a logger, or a backlog."""
        return sum(leg.late for leg in self.legs)


def router(room: Room) -> APIRouter:
    """For people's browsers."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/trips")
    def trips(request: Request, from_: str = "") -> Response:
        registry, sees = room.console.records.registry(), visitor().sees
        places = [one for one in registry.appliances if sees(one.site, registry)]
        places.sort(key=lambda one: (one.site, one.kind not in BOXES, one.name))
        found = [(trip, room.placed(trip.place), room.course(trip)) for trip in room.trips()]
        return room.console.render(
            request, "trips.html",
            trips=found, places=places, registry=registry, sites=registry.site_by_id, name=room.name,
            may=visitor().may("acknowledge"), new_id=lambda: uuid.uuid4().hex, source=from_,
            now=room.for_input(room.console.wall_ms(), ""),
        )  # fmt: skip

    @routes.get("/trip/{trip}")
    def trip(request: Request, trip: str) -> Response:
        return _page(room, request, room.trip(trip))

    @routes.post("/trips")
    async def start(request: Request) -> Response:
        form = await read_form(request)
        made = await asyncio.to_thread(begin, room, form, "console", command_id(form))
        return RedirectResponse(f"/trip/{made}", 303)

    @routes.post("/trip/{trip}/steps")
    async def step(request: Request, trip: str) -> Response:
        form = await read_form(request)
        await asyncio.to_thread(go_on, room, room.trip(trip), form, "console")
        return RedirectResponse(f"/trip/{trip}", 303)

    return routes


def _page(room: Room, request: Request, trip: Trip) -> Response:
    console, registry = room.console, room.console.records.registry()
    judged = judge_trip(room, trip)
    now_ms, zone = console.wall_ms(), console.records.zone
    places = [one for one in registry.appliances if one.id != trip.place]
    places = [one for one in places if visitor().sees(one.site, registry)]
    picture = course(judged.legs, t("trip.chart"), lambda at_ms: clock(at_ms, now_ms, zone))
    return console.render(
        request, "trip.html",
        trip=trip, judged=judged, profile=PROFILES.get(trip.carries), name=room.name, placed=room.placed,
        places=places,
        picture=picture, grounds=grounds(judged.proposal, span), may=visitor().may("acknowledge"),
        bags=room.reader.bags(f"trip:{trip.id}"), new_id=lambda: uuid.uuid4().hex, registry=registry,
        now=room.for_input(now_ms, room.site_of(trip)), site=registry.site_by_id.get(room.site_of(trip)),
    )  # fmt: skip


def judge_trip(room: Room, trip: Trip) -> Judged:
    """As known now: what came later is in it."""
    now_ms = room.console.wall_ms()
    legs = room.legs(tuple(trip.stays(now_ms)), trip.carries, now_ms)
    whole = exposure_of(legs)
    rule = room.rule(trip.carries).rule
    profile = PROFILES.get(trip.carries)
    budget = profile.budget if profile is not None else None
    allowed_ms = round(budget.total_seconds() * 1000) if budget is not None else None
    return Judged(trip, tuple(legs), whole, rule.label, propose(rule, whole), allowed_ms)


def begin(room: Room, said: dict[str, str], how: str, id_: str) -> str:
    """Pack blood out of a place into another: a new trip, and its exposure clock. The trip's id."""
    registry = room.console.records.registry()
    source, target = said.get("source", ""), said.get("target", "")
    _two(room, source, target)
    person = room.who(said)
    now_ms = room.console.wall_ms()
    site = registry.appliance_by_id[source].site
    at_ms = _when(room, said.get("at", ""), site, now_ms)
    from_ms = room.instant(said.get("since", ""), site) or at_ms - DAY_MS
    if from_ms >= at_ms:
        raise Problem(422, "bad-instant")
    carries = said.get("carries", "") or registry.appliance_by_id[source].carries(at_ms) or ""
    if carries not in PROFILES:
        raise Problem(422, "carries-missing")
    steps = (Step(from_ms, source, person, how), Step(at_ms, target, person, how))
    note = plain(said.get("note", ""), NOTE_MAX)
    trip = f"t{hashlib.sha256(id_.encode()).hexdigest()[:12]}"
    if room.desk.start(Trip(trip, carries, from_ms, note, person, now_ms, steps)):
        _clock(room, f"{trip}-{at_ms}", person, source, target, at_ms)
    return trip


def go_on(room: Room, trip: Trip, said: dict[str, str], how: str) -> None:
    """It is somewhere else now; without a target it has ended where it is."""
    if trip.moved:
        raise Problem(422, "trip-of-answers")
    target = said.get("target", "")
    person = room.who(said)
    at_ms = _when(room, said.get("at", ""), room.site_of(trip), room.console.wall_ms())
    if target:
        _two(room, trip.place, target)
    try:
        room.desk.step(trip.id, Step(at_ms, target, person, how))
    except BadData as bad:
        raise Problem(422, "trip-not-so", str(bad)) from bad
    if target:
        _clock(room, f"{trip.id}-{at_ms}", person, trip.place, target, at_ms)


def _clock(room: Room, id_: str, person: str, source: str, target: str, at_ms: int) -> None:
    """Alerts counts its time beyond the limits from here, and calls somebody when the budget is used up."""
    body = {"source": source, "target": target, "at_ms": str(at_ms), "by": "trip"}
    room.console.records.ask(id_, "move", person, None, body)


def _two(room: Room, source: str, target: str) -> None:
    """Two different places that whoever asks may see."""
    registry = room.console.records.registry()
    for name in (source, target):
        known = registry.appliance_by_id.get(name)
        if known is None or source == target:
            raise Problem(422, "target-missing", name)
        check_site(known.site, registry)


def _when(room: Room, text: str, site: str, now_ms: int) -> int:
    at_ms = room.instant(text, site)
    if at_ms is None:
        return now_ms
    if at_ms > now_ms + AHEAD_MS:
        raise Problem(422, "bad-instant")
    return min(at_ms, now_ms)
