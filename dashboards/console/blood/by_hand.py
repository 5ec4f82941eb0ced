# SPDX-License-Identifier: Apache-2.0
"""Temperatures that people read from a thermometer, while a probe is dead: taken in, and shown apart."""

from __future__ import annotations

import asyncio
import re

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from coldchain.records.found import ByHand
from dashboards.console.accounts.forms import read_form
from dashboards.console.accounts.gate import check_site
from dashboards.console.alarms.routes import NUMBER_MAX, command_id
from dashboards.console.blood.room import DAY_MS, Room
from dashboards.console.problems import Problem

SHOWN_MS = 2 * DAY_MS
LEAST, MOST = -100_000, 60_000
_CELSIUS = re.compile(r"\s*([+\-−–]?)\s*([0-9]{1,3})(?:[.,]([0-9]{1,3}))?\s*(?:°\s*)?[Cc]?\s*")


def router(room: Room) -> APIRouter:
    """For people's browsers: the form stands on the pages of a site and of an appliance."""
    routes = APIRouter(include_in_schema=False)

    @routes.post("/by-hand")
    async def note(request: Request) -> Response:
        form = await read_form(request)
        appliance = form.get("appliance", "")
        site = await asyncio.to_thread(take, room, appliance, form, "console", command_id(form))
        return RedirectResponse(f"{_back(form, site)}#by-hand", 303)

    @routes.post("/by-hand/{number}")
    async def withdraw(request: Request, number: int) -> Response:
        form = await read_form(request)
        appliance = form.get("appliance", "")
        site = await asyncio.to_thread(take_back, room, appliance, number, form, "console", command_id(form))
        return RedirectResponse(f"{_back(form, site)}#by-hand", 303)

    return routes


def take_back(room: Room, appliance_id: str, number: int, said: dict[str, str], how: str, id_: str) -> str:
    """Ask alerts to leave that reading out; the appliance's site."""
    site = site_of(room, appliance_id)
    _of_appliance(room, number, appliance_id)
    body = {"number": str(number), "by": how}
    room.console.records.ask(id_, "withdraw", room.who(said), None, body)
    return site


def _of_appliance(room: Room, number: int, appliance_id: str) -> None:
    """Problem when it is no reading of that appliance, whose site has been asked for."""
    known = None
    if 0 < number < NUMBER_MAX:
        with room.alarms() as reader:
            known = reader.one_by_hand(number)
    if known is None or known.appliance != appliance_id:
        raise Problem(404, "unknown-reading", str(number)[:20])


def _back(form: dict[str, str], site: str) -> str:
    """The page that the form stood on: of an appliance, or of the site."""
    appliance = form.get("appliance", "")
    return f"/appliance/{appliance}" if form.get("back") == "appliance" else f"/site/{site}"


def take(room: Room, appliance_id: str, said: dict[str, str], how: str, id_: str) -> str:
    """Ask alerts to note it; the appliance's site. Problem when it is no temperature."""
    site = site_of(room, appliance_id)
    person = room.who(said)
    value = celsius_of(said.get("celsius", ""))
    at_ms = room.instant(said.get("at", ""), site)
    body = {"appliance": appliance_id, "value": str(value), "by": how}
    if at_ms is not None:
        if at_ms > room.console.wall_ms() + 120_000:
            raise Problem(422, "bad-instant")
        body["at_ms"] = str(at_ms)
    else:
        body["at_ms"] = str(room.console.wall_ms())
    room.console.records.ask(id_, "by_hand", person, None, body)
    return site


def celsius_of(text: str) -> int:
    """What a thumb typed, in thousandths. Problem when it is no temperature of a blood bank.

    >>> celsius_of("4,2"), celsius_of("−30.55 °C")
    (4200, -30550)
    """
    found = _CELSIUS.fullmatch(text)
    if found is None:
        raise Problem(422, "not-a-temperature", text[:20])
    sign, whole, part = found.groups()
    size = int(whole) * 1000 + int((part or "").ljust(3, "0"))
    value = -size if sign and sign != "+" else size
    if not LEAST <= value <= MOST:
        raise Problem(422, "not-a-temperature", text[:20])
    return value


def latest(room: Room, appliances: list[str]) -> list[ByHand]:
    """Those of the last two days, newest first."""
    now_ms = room.console.wall_ms()
    with room.alarms() as reader:
        return reader.by_hand(appliances, now_ms - SHOWN_MS, now_ms + DAY_MS)[::-1]


def site_of(room: Room, appliance_id: str) -> str:
    """The site of an appliance that whoever asks may see."""
    registry = room.console.records.registry()
    known = registry.appliance_by_id.get(appliance_id)
    if known is None:
        raise Problem(404, "unknown-appliance", appliance_id)
    check_site(known.site, registry)
    return known.site
