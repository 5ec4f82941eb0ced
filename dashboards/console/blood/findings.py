# SPDX-License-Identifier: Apache-2.0
"""What an alarm turned out to be: true, nuisance or missed, and the cause. Marked on its page."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from coldchain.records.found import CAUSES, VERDICTS, Finding
from dashboards.console.accounts.forms import read_form
from dashboards.console.alarms.routes import alarm_told, command_id
from dashboards.console.alarms.told import Told
from dashboards.console.blood.room import Room, plain
from dashboards.console.problems import Problem

REASON_MAX = 300


def router(room: Room) -> APIRouter:
    """For people's browsers."""
    routes = APIRouter(include_in_schema=False)

    @routes.post("/alarm/{number}/finding")
    async def mark(request: Request, number: int) -> Response:
        form = await read_form(request)
        await asyncio.to_thread(ask, room, number, form, "console", command_id(form))
        return RedirectResponse(f"/alarm/{number}#finding", 303)

    return routes


def ask(room: Room, number: int, said: dict[str, str], how: str, id_: str) -> None:
    """Ask alerts to write it down. Problem when it is no finding, or the alarm still stands."""
    told = alarm_told(room.console, number)
    person = room.who(said)
    verdict, cause = said.get("verdict", ""), said.get("cause", "")
    if verdict not in VERDICTS or cause not in ("", *CAUSES):
        raise Problem(422, "finding-missing")
    if not offered(told):
        raise Problem(409, "alarm-stands")
    reason = plain(said.get("reason", ""), REASON_MAX)
    body = {"verdict": verdict, "cause": cause, "reason": reason, "by": how}
    room.console.records.ask(id_, "finding", person, told.alarm.id, {k: v for k, v in body.items() if v})


def offered(told: Told) -> bool:
    """It can be marked once it is over."""
    return not told.alarm.standing


def of(room: Room, alarm: str) -> list[Finding]:
    """Newest first: the first one counts."""
    with room.alarms() as reader:
        return reader.findings(alarm)
