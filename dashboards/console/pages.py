# SPDX-License-Identifier: Apache-2.0
"""The pages, the event stream, sparklines, assets, and the one form."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from coldchain.kernel.words import Quantity
from coldchain.records.registry import Appliance
from dashboards.console.accounts.forms import read_form
from dashboards.console.accounts.gate import check_site, visitor
from dashboards.console.accounts.sight import audience, scoped, seen
from dashboards.console.alarms.together import MOST, WAITS, together
from dashboards.console.beats import figures_said
from dashboards.console.console import Console
from dashboards.console.detail import sensor_lines, table
from dashboards.console.mending import mend_said
from dashboards.console.offline import check_late
from dashboards.console.problems import Problem
from dashboards.console.ready import shown
from dashboards.console.series import RANGES_MS, limits_between, unknown_ms
from dashboards.console.site import site_page
from dashboards.console.strip import GATEWAY_STALE_MS, alive, facts, heard
from dashboards.console.svg import chart
from dashboards.console.views import Row, main_sensor
from dashboards.console.wall import wall_of
from dashboards.console.words import t

CHART_POINTS = 360
FOR_EVER = "public, max-age=31536000, immutable"


def router(console: Console) -> APIRouter:
    """All routes that people's browsers ask for."""
    routes = APIRouter(include_in_schema=False)
    _fleet(routes, console)
    _appliance(routes, console)
    _site(routes, console)
    _desk(routes, console)
    _small(routes, console)
    return routes


def _fleet(routes: APIRouter, console: Console) -> None:
    @routes.get("/wall")
    async def wall(request: Request) -> Response:
        look = seen(await console.hub.look())
        return await asyncio.to_thread(
            console.render, request, "fleet.html",
            look=look, facts=facts(look, look.fleet.now_ms), q="", state="", shown=lambda _row: True,
            since=console.hub.begin(audience(wall=True)), wall=True, sites=wall_of(look),
        )  # fmt: skip

    @routes.get("/")
    async def fleet(request: Request, q: str = "", state: str = "") -> Response:
        look = seen(await console.hub.look())
        wanted = q.lower().split()

        def shown(row: Row) -> bool:
            return state in ("", row.state) and all(part in row.find for part in wanted)

        return await asyncio.to_thread(
            console.render, request, "fleet.html",
            look=look, facts=facts(look, look.fleet.now_ms), q=q, state=state, shown=shown,
            since=console.hub.begin(audience()), wall=False,
        )  # fmt: skip

    @routes.get("/events")
    async def events(request: Request, since: int = 0, wall: int = 0) -> Response:
        if console.hub.full:
            raise Problem(503, "unavailable")
        last = request.headers.get("last-event-id", "")
        known = int(last) if last.isdigit() and len(last) < 19 else since
        stream = console.hub.events(known, audience(wall=bool(wall)))
        return StreamingResponse(stream, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


def _appliance(routes: APIRouter, console: Console) -> None:
    @routes.get("/appliance/{appliance_id}")
    async def appliance(
        request: Request,
        appliance_id: str,
        range: str = "24h",  # noqa: A002 -- the address says so
        asked: int = 0,
        done: str = "",
    ) -> Response:
        look = await console.hub.look()
        found = look.registry.appliance_by_id.get(appliance_id)
        if found is None:
            raise Problem(404, "unknown-appliance", appliance_id)
        check_site(found.site, look.registry)
        row = next(row for row in look.fleet.rows if row.id == appliance_id)
        name = range if range in RANGES_MS else "24h"
        told = {"asked": asked, "done": done if done in ("probe", "carries") else ""}
        return await asyncio.to_thread(_appliance_page, console, request, found, row, name, told)


def _appliance_page(
    console: Console, request: Request, appliance: Appliance, row: Row, name: str, told: Mapping[str, Any]
) -> Response:
    now_ms = console.wall_ms()
    start_ms = now_ms - RANGES_MS[name]
    sensors = [s for s in console.records.registry().sensors if s.appliance == appliance.id]
    silent_after = round(console.settings.alerts.silent_after.total_seconds() * 1000)
    lines = sensor_lines(sensors, console.records.latest(), now_ms=now_ms, silent_after=silent_after)
    values: dict[str, Any] = {"series": None, "svg": "", "table": [], "gaps": 0, "unknown_ms": 0}
    values["events"] = []
    history = console.records.history(appliance.id, start_ms, now_ms)
    main = main_sensor(sensors)
    if main is not None and console.settings.readings_db.exists():
        series = console.records.series(main, start_ms, now_ms, CHART_POINTS)
        spans = limits_between(appliance, series.start_ms, series.end_ms)
        events = console.events(sensors, history.alarms, series)
        label = f"{appliance.name}: {t('appliance.chart')}"
        values = {
            "series": series,
            "svg": chart(series, spans, console.records.zone, label, events),
            "events": events,
            "table": table(series),
            "gaps": len(series.gaps()),
            "unknown_ms": unknown_ms(series),
        }
    return console.render(
        request, "appliance.html",
        appliance=appliance, row=row, main=main, lines=lines, history=history, range=name, start_ms=start_ms,
        **values, **told,
    )  # fmt: skip


def _site(routes: APIRouter, console: Console) -> None:
    @routes.get("/site/{site_id}")
    async def site(request: Request, site_id: str) -> Response:
        look = await console.hub.look()
        found = look.registry.site_by_id.get(site_id)
        if found is None:
            raise Problem(404, "unknown-site", site_id)
        check_site(site_id, look.registry)
        page = site_page(look, found, console.records.latest(), console.on_duty)
        listed, blind = console.records.without_power(site_id)
        return await asyncio.to_thread(
            console.render, request, "site.html",
            page=page, heard=lambda gateway: heard(gateway, look.fleet.now_ms), listed=listed, blind=blind,
        )  # fmt: skip


def _desk(routes: APIRouter, console: Console) -> None:
    @routes.get("/alarms")
    def alarms(request: Request) -> Response:
        look, (open_, closed, commands) = console.hub.seen, console.records.alarms()
        asked = {c.alarm: c for c in reversed(commands)}
        registry = console.records.registry()
        sees = visitor().sees
        theirs = [a for a in open_ if sees(a.site, registry)]
        return console.render(
            request, "alarms.html",
            open=theirs, together=together(theirs, asked), troubles=look.troubles if look else None,
            closed=[a for a in closed if sees(a.site, registry)],
            asked=asked, appliances=registry.appliance_by_id, sites=registry.site_by_id,
            new_id=lambda: uuid.uuid4().hex,
        )  # fmt: skip

    @routes.post("/acknowledge")
    async def acknowledge(request: Request) -> Response:
        form = await read_form(request)
        alarm, command = form.get("alarm", ""), form.get("command", "")
        who = visitor().account
        name = who.person if who is not None else form.get("name", "").strip()
        if form.get("ago_ms"):
            open_, _, _ = await asyncio.to_thread(console.records.alarms)
            waits = any(a.id == alarm and a.state in ("unacknowledged", "returned") for a in open_)
            check_late(form, wanted=waits)
        if not 1 <= len(name) <= 60 or not name.isprintable():
            raise Problem(422, "name-missing")
        await asyncio.to_thread(_acknowledge, console, alarm, command, name)
        return RedirectResponse("/alarms", 303)

    @routes.post("/acknowledge-together")
    async def acknowledge_together(request: Request) -> Response:
        form = await read_form(request)
        who = visitor().account
        name = who.person if who is not None else form.get("name", "").strip()
        if not 1 <= len(name) <= 60 or not name.isprintable():
            raise Problem(422, "name-missing")
        await asyncio.to_thread(_acknowledge_together, console, form, name)
        return RedirectResponse("/alarms", 303)

    @routes.get("/waiting")
    def waiting(request: Request) -> Response:
        found = [
            (node, channel, Quantity(code).word, n) for node, channel, code, n in console.records.waiting()
        ]
        return console.render(request, "waiting.html", channels=found)

    @routes.get("/health")
    async def health(request: Request) -> Response:
        look = await console.hub.look()
        now_ms = look.fleet.now_ms
        found = await asyncio.to_thread(console.mending.look, now_ms)
        mine = shown(found, look.registry, visitor().sees if scoped() else None)
        return await asyncio.to_thread(
            console.render, request, "health.html",
            mend=None if mine is None else [mend_said(one, look.registry) for one in mine],
            look=look, facts=facts(look, now_ms), alive=lambda beat: alive(beat, now_ms),
            heard=lambda gateway: now_ms - gateway.arrived_ms <= GATEWAY_STALE_MS, said=figures_said,
        )  # fmt: skip


def _acknowledge(console: Console, alarm: str, command: str, name: str) -> None:
    open_, _, _ = console.records.alarms()
    found = next((one for one in open_ if one.id == alarm), None)
    if found is None:
        raise Problem(404, "unknown-alarm")
    check_site(found.site, console.records.registry())
    if found.product:
        raise Problem(422, "action-missing")
    known = command if len(command) == 32 and command.isalnum() else uuid.uuid4().hex
    console.records.acknowledge(known, alarm, name)


def _acknowledge_together(console: Console, form: dict[str, str], name: str) -> None:
    """All or none: what has ended since the page was made needs no answer, what is not theirs is refused."""
    numbers = [int(n) for n in form.get("alarms", "").split()[: MOST + 1] if n.isascii() and n.isdecimal()]
    if not 1 <= len(numbers) <= MOST:
        raise Problem(422, "unknown-alarm")
    open_, _, _ = console.records.alarms()
    found = [one for one in open_ if one.number in numbers and one.state in WAITS]
    registry = console.records.registry()
    check_late(form, wanted=bool(found))
    for one in found:
        check_site(one.site, registry)
        if one.product:
            raise Problem(422, "action-missing")
    tap = form.get("command") or uuid.uuid4().hex
    for one in found:
        known = sha256(f"{tap}/{one.id}".encode()).hexdigest()[:32]
        console.records.acknowledge(known, one.id, name)


def _small(routes: APIRouter, console: Console) -> None:
    @routes.get("/spark/{appliance_id}.svg")
    def spark(appliance_id: str) -> Response:
        headers = {"cache-control": "private, max-age=300"}
        return Response(console.spark(appliance_id), media_type="image/svg+xml", headers=headers)

    @routes.get("/static/{digest}/{name:path}")
    def static(request: Request, digest: str, name: str) -> Response:
        asset = console.assets.get(name)
        if asset is None or asset.address != f"/static/{digest}/{name}":
            raise Problem(404, "unknown-page")
        headers = {"cache-control": FOR_EVER, "vary": "accept-encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            return Response(asset.packed, media_type=asset.media_type, headers=headers)
        return Response(asset.plain, media_type=asset.media_type, headers=headers)
