# SPDX-License-Identifier: Apache-2.0
"""The page of one alarm, and the forms on it."""

from __future__ import annotations

import asyncio
import uuid

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from coldchain.records.alarms import Alarm
from coldchain.records.registry import Registry
from coldchain.records.signatures import signed_disposition
from dashboards.console.accounts.forms import read_form
from dashboards.console.accounts.gate import check_site, visitor
from dashboards.console.accounts.signing import Signing, known_as
from dashboards.console.alarms.disposing import KIND, dispose
from dashboards.console.alarms.happened import ACTIONS, happened
from dashboards.console.alarms.told import Told
from dashboards.console.alarms.wish import FATES, SHELF_MIN, wish
from dashboards.console.console import Console
from dashboards.console.offline import check_late
from dashboards.console.problems import Problem
from dashboards.console.signatures import peer

NUMBER_MAX = 2**31


def router(console: Console, signing: Signing) -> APIRouter:
    """What people's browsers ask for."""
    routes = APIRouter(include_in_schema=False)
    console.env.globals["likeliest"] = lambda alarm: likeliest(console, alarm)

    @routes.get("/alarm/{number}")
    def alarm(request: Request, number: int) -> Response:
        told = alarm_told(console, number)
        registry = console.records.registry()
        account = visitor().account
        papers = signing.reader.about(KIND, told.alarm.id)
        return console.render(
            request, "alarm.html",
            papers=papers, signed=lambda d: signed_disposition(papers, d.what, d.person, d.second, d.reason),
            told=told, a=told.alarm, offers=told.offers if visitor().may("acknowledge") else frozenset(),
            appliance=registry.appliance_by_id.get(told.alarm.appliance),
            site=registry.site_by_id.get(told.alarm.site), registry=registry,
            happened=lambda e: happened(e.event, e.detail, registry),
            called=lambda name: called(name, registry),
            elsewhere=elsewhere(told, registry), actions=ACTIONS, fates=FATES, shelf_min=SHELF_MIN,
            me=known_as(account.person, registry) if account else "",
            people=sorted(registry.people_for(told.alarm.site), key=lambda person: person.name),
            new_id=lambda: uuid.uuid4().hex,
        )  # fmt: skip

    @routes.post("/alarm/{number}/{verb}")
    async def ask(request: Request, number: int, verb: str) -> Response:
        form = await read_form(request)
        account = visitor().account
        name = account.person if account is not None else form.get("name", "").strip()
        if verb == "dispose":
            told = await asyncio.to_thread(alarm_told, console, number)
            paper = await asyncio.to_thread(
                dispose, console, signing, told, form, peer(request), command_id(form)
            )
            return RedirectResponse(f"/alarm/{number}" if paper.whole else f"/signature/{paper.id}", 303)
        await asyncio.to_thread(_ask, console, number, verb, name, form)
        return RedirectResponse(f"/alarm/{number}", 303)

    return routes


def likeliest(console: Console, alarm: Alarm) -> tuple[str, str]:
    """(its likeliest cause, what spoke for it); empty: none was looked for."""
    told = console.records.told(alarm.number)
    return told.cause if told is not None else ("", "")


def alarm_told(console: Console, number: int) -> Told:
    """Problem when there is none of that number, or it is of a site that whoever asks does not see."""
    told = console.records.told(number) if 0 < number < NUMBER_MAX else None
    if told is None:
        raise Problem(404, "unknown-alarm", str(number))
    check_site(told.alarm.site, console.records.registry())
    return told


def called(name: str, registry: Registry) -> str:
    """A person's or an appliance's name, where the registry knows the id."""
    known = registry.person_by_id.get(name) or registry.appliance_by_id.get(name)
    return known.name if known is not None else name


def elsewhere(told: Told, registry: Registry) -> list[tuple[str, str]]:
    """(id, name) of where blood may be taken: the same site first, never the appliance itself."""
    mine = told.alarm.site
    found = [one for one in registry.appliances if one.id != told.alarm.appliance]
    found = [one for one in found if visitor().sees(one.site, registry)]
    found.sort(key=lambda one: (one.site != mine, one.site, one.name))
    return [(one.id, f"{one.name} ({one.id})") for one in found]


def _ask(console: Console, number: int, verb: str, name: str, form: dict[str, str]) -> None:
    told = alarm_told(console, number)
    check_late(form, wanted=verb in told.offers)
    made = wish(verb, name, form, told, console.records.registry(), "console")
    console.records.ask(command_id(form), made.verb, made.person, made.alarm, made.body)


def command_id(form: dict[str, str]) -> str:
    """As the page made it, so that a second tap asks for the same; a new one where it made none."""
    sent = form.get("command", "")
    return sent if len(sent) == 32 and sent.isalnum() else uuid.uuid4().hex
