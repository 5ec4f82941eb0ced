# SPDX-License-Identifier: Apache-2.0
"""Reports by mail: which, in which language, when, to whom; what left, and what did not."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from coldchain.kernel.errors import BadData
from coldchain.records.filed import FiledDesk, FiledReader, Schedule
from dashboards.console.accounts.forms import read_form
from dashboards.console.office.tools import Office, acting
from dashboards.console.problems import Problem
from dashboards.console.words import LANGUAGES

SHOWN = 30


def router(office: Office) -> APIRouter:
    """What people's browsers ask for."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/admin/schedules")
    def page(request: Request) -> Response:
        reader = FiledReader(office.console.settings.desk_db)
        return office.console.render(
            request, "schedules.html",
            schedules=reader.schedules(), filed=reader.filed(SHOWN), languages=LANGUAGES,
            registry=office.console.records.registry(), mail=office.console.settings.notify.mail,
        )  # fmt: skip

    @routes.post("/admin/schedules")
    async def add(request: Request) -> Response:
        form = await read_form(request)
        await asyncio.to_thread(add_schedule, office, form)
        return RedirectResponse("/admin/schedules", 303)

    @routes.post("/admin/schedules/end")
    async def end(request: Request) -> Response:
        form = await read_form(request)
        number = form.get("schedule", "")
        if not number.isdecimal() or len(number) > 12:
            raise Problem(422, "bad-request")
        await asyncio.to_thread(end_schedule, office, int(number))
        return RedirectResponse("/admin/schedules", 303)

    return routes


def add_schedule(office: Office, form: dict[str, str]) -> None:
    kind, site = form.get("kind", ""), form.get("site", "")
    registry = office.console.records.registry()
    if kind not in ("day", "month") or form.get("language") not in LANGUAGES:
        raise Problem(422, "bad-request")
    if (site and site not in registry.site_by_id) or (kind == "day" and not site):
        raise Problem(422, "site-missing")
    who = tuple(one.strip() for one in form.get("who", "").replace(";", ",").split(",") if one.strip())
    made = Schedule(0, kind, site, form["language"], kind, form.get("at", ""), who, 0, acting())
    desk = FiledDesk(office.console.settings.desk_db, office.console.wall_ms)
    try:
        desk.add(made)
    except BadData as bad:
        raise Problem(422, "unsound", str(bad)) from bad
    finally:
        desk.close()


def end_schedule(office: Office, number: int) -> None:
    desk = FiledDesk(office.console.settings.desk_db, office.console.wall_ms)
    try:
        if not desk.end(number, acting()):
            raise Problem(404, "unknown-page")
    finally:
        desk.close()
