# SPDX-License-Identifier: Apache-2.0
"""Pages of devices: the list, one serial number, one work order, what is due, labels to print, documents."""

from __future__ import annotations

import asyncio
import uuid
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import segno
from fastapi import APIRouter, Request
from fastapi.responses import Response

from coldchain.kernel.instants import rfc3339
from coldchain.records.alarms import Alarm
from coldchain.records.calibration import ALONE_K
from coldchain.records.devices import of_model
from coldchain.records.papers import MEDIA, Papers
from coldchain.records.registry import Appliance, Person, Registry
from coldchain.records.work import WorkOrder
from dashboards.console.accounts.gate import visitor
from dashboards.console.accounts.signing import known_as
from dashboards.console.console import Console
from dashboards.console.devices.asking import OF_THE_BANK
from dashboards.console.devices.figures import HOUR_MS
from dashboards.console.devices.known import Bench, Known, mine_to_do, models_of
from dashboards.console.devices.saying import entry_words
from dashboards.console.problems import Problem
from dashboards.console.series import limits_between, unknown_ms
from dashboards.console.svg import chart
from dashboards.console.times import local
from dashboards.console.views import main_sensor
from dashboards.console.words import language, t

BEFORE_MS, AFTER_MS = 24 * HOUR_MS, 6 * HOUR_MS
"""Of a fault's trace: so long before its alarm, and after it was over."""
TRACE_POINTS = 240
LABELS_MAX = 240


def router(console: Console, bench: Bench) -> APIRouter:
    """What people's browsers read."""
    routes = APIRouter(include_in_schema=False)
    _lists(routes, console, bench)
    _one(routes, console, bench)
    return routes


def _lists(routes: APIRouter, console: Console, bench: Bench) -> None:
    @routes.get("/devices")
    async def devices(request: Request, q: str = "") -> Response:
        lines = await asyncio.to_thread(bench.lines)
        registry, words = bench.registry, q.lower().split()
        shown = [one for one in lines if all(part in find(one, registry) for part in words)]
        return await asyncio.to_thread(
            console.render, request, "devices.html",
            lines=shown, q=q, registry=registry, path_of=path_of, mine=await asyncio.to_thread(mine, bench),
        )  # fmt: skip

    @routes.get("/maintenance")
    async def maintenance(request: Request) -> Response:
        due, now = await asyncio.to_thread(bench.due), console.wall_ms()
        models = models_of(await asyncio.to_thread(bench.lines))
        plans = await asyncio.to_thread(bench.devices.models)
        return await asyncio.to_thread(
            console.render, request, "maintenance.html",
            due=due, overdue=sum(one.days(now) < 0 for _, one in due), registry=bench.registry,
            path_of=path_of, models=models, plans=plans,
            counts={of_model(name): n for name, n in models.items()}, **forms(bench, ""),
        )  # fmt: skip

    @routes.get("/labels")
    async def labels(request: Request, site: str = "", appliance: str = "") -> Response:
        registry, sees = bench.registry, visitor().sees
        found = [a for a in registry.appliances if sees(a.site, registry) and site in ("", a.site)]
        found = [a for a in found if appliance in ("", a.id)][:LABELS_MAX]
        base = (console.settings.console.address or str(request.base_url)).rstrip("/")
        made = [(a, label_address(base, a), code_of(label_address(base, a))) for a in found]
        return await asyncio.to_thread(
            console.render, request, "labels.html", labels=made, registry=registry, site=site,
            sites=[s for s in registry.sites if sees(s.id, registry)],
        )  # fmt: skip

    @routes.get("/paper/{sha256}")
    def paper(sha256: str) -> Response:
        return paper_of(console, bench, sha256)


def _one(routes: APIRouter, console: Console, bench: Bench) -> None:
    @routes.get("/device/{serial:path}")
    async def device(request: Request, serial: str, fault: int = 0, repair: int = 0) -> Response:
        known = await asyncio.to_thread(bench.device, serial)
        values = await asyncio.to_thread(told, console, bench, known, fault, repair=repair)
        return await asyncio.to_thread(console.render, request, "device.html", **values)

    @routes.get("/work-order/{number}")
    async def order(request: Request, number: int) -> Response:
        found = await asyncio.to_thread(bench.order, number)
        known = await asyncio.to_thread(bench.device, found.serial)
        me = forms(bench, found.site)["me"]
        return await asyncio.to_thread(
            console.render, request, "order.html",
            order=found, known=known, registry=bench.registry, path_of=path_of, offers=offers(found, me),
            papers=[one for one in known.dossier.of("paper") if one.said.order == number],
            parts_of_order=[one for one in known.dossier.of("part") if one.said.order == number],
            elsewhere=elsewhere(bench.registry, found.appliance, found.site),
            guest="", asked=bench.asked(found), messages=bench.messages(found),
            **forms(bench, found.site),
        )  # fmt: skip

    @routes.get("/packet/{serial:path}")
    async def packet(serial: str) -> Response:
        known = await asyncio.to_thread(bench.device, serial)
        return await asyncio.to_thread(packet_answer, bench, known.serial)


def paper_of(console: Console, bench: Bench, sha256: str) -> Response:
    """A document of a device that whoever asks may see. Problem when there is none."""
    found = bench.devices.paper(sha256)
    if not found:
        raise Problem(404, "unknown-page")
    mine = next((one for one in found if bench.may_see(one.serial)), found[0])
    bench.device(mine.serial)
    return paper_answer(console, sha256, mine.said.media, mine.said.title)


def mine(bench: Bench) -> list[WorkOrder]:
    """Live orders of the contractor who asks, newest first; nobody else has any."""
    account = visitor().account
    if account is None or account.role != "contractor":
        return []
    me = known_as(account.person, bench.registry)
    return [order for order in bench.work.live() if me in (order.contractor, order.told("contractor"))]


def packet_answer(bench: Bench, serial: str) -> Response:
    """The device's packet as a file, in the reader's language."""
    make, speaks = bench.tools.packet, language()
    if make is None:
        raise Problem(503, "unavailable")
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in serial)
    headers = {"content-disposition": f'attachment; filename="packet-{name}-{speaks}.pdf"'}
    return Response(make(serial, speaks), media_type="application/pdf", headers=headers)


def told(
    console: Console, bench: Bench, known: Known, fault: int, guest: str = "", repair: int = 0
) -> dict[str, Any]:
    """What the page of one device shows. guest: the link's path, for who has no account; repair:
    the order to compare before and after, 0: the newest ones.
    """
    picked = next((a for a in known.faults if a.number == fault), known.faults[0] if known.faults else None)
    registry = bench.registry
    return {
        "known": known,
        "registry": registry,
        "running": bench.running(known),
        "compared": bench.compared(known, repair),
        "leave": bench.leave(known),
        "picked": picked,
        "trace": trace(console, registry, picked) if picked is not None else None,
        "path_of": path_of,
        "entry_words": entry_words,
        "guest": guest,
        "packet": bench.tools.packet is not None,
        "alone_k": ALONE_K,
        "waiting": bench.waiting(known.serial),
        "elsewhere": elsewhere(registry, known.here.id if known.here else "", known.site, guest=bool(guest)),
        "day_of": lambda at_ms: local(at_ms, console.records.zone).strftime("%Y-%m-%d"),
        "last_day": lambda at_ms: local(at_ms - 1, console.records.zone).strftime("%Y-%m-%d"),
        **forms(bench, known.site),
    }


def trace(console: Console, registry: Registry, alarm: Alarm) -> dict[str, Any] | None:
    """The hours before an alarm, and a few after it: as the appliance's chart shows them."""
    appliance = registry.appliance_by_id.get(alarm.appliance)
    sensors = [s for s in registry.sensors if s.appliance == alarm.appliance]
    mine = registry.sensor_by_id.get(alarm.sensor)
    which = mine if mine is not None and mine.quantity == "temperature" else main_sensor(sensors)
    if appliance is None or which is None or not console.settings.readings_db.exists():
        return None
    start_ms = alarm.since_ms - BEFORE_MS
    end_ms = min(console.wall_ms(), (alarm.returned_ms or alarm.since_ms) + AFTER_MS)
    series = console.records.series(which, start_ms, end_ms, TRACE_POINTS)
    if not series.extremes:
        return None
    history = console.records.history(appliance.id, start_ms, end_ms)
    events = console.events(sensors, history.alarms, series)
    spans = limits_between(appliance, series.start_ms, series.end_ms)
    query = f"sensor={quote(which.id, safe='')}&from={rfc3339(start_ms)}&to={rfc3339(end_ms)}"
    return {
        "svg": chart(series, spans, console.records.zone, t("device.trace", n=alarm.number), events),
        "src": f"/api/v1/appliances/{appliance.id}/series?{query}",
        "series": series,
        "unknown_ms": unknown_ms(series),
    }


def forms(bench: Bench, site: str) -> dict[str, Any]:
    """What forms need: who asks, whom they may name, a fresh id for each."""
    registry, account = bench.registry, visitor().account
    return {
        "me": known_as(account.person, registry) if account else "",
        "people": sorted(registry.people_for(site), key=lambda person: person.name),
        "contractors": contractors(registry, site),
        "new_id": lambda: uuid.uuid4().hex,
    }


def contractors(registry: Registry, site: str) -> list[tuple[str, list[Person]]]:
    """(key of a word, people by name) whom an order may go to: contractors first, then the site's own."""
    ours = [one for one in registry.people_for(site) if one.role != "contractor"]
    theirs = [one for one in registry.people if one.role == "contractor"]
    groups = (("work.contractors", theirs), ("work.of_site", ours))
    return [(key, sorted(some, key=lambda person: person.name)) for key, some in groups]


def offers(order: WorkOrder, me: str) -> frozenset[str]:
    """What whoever asks may do with it now."""
    who = visitor()
    if not who.may("work") or not mine_to_do(order, me):
        return frozenset()
    return frozenset(s for s in order.offers if who.may("acknowledge") or s not in OF_THE_BANK)


def elsewhere(registry: Registry, appliance: str, site: str, *, guest: bool = False) -> list[tuple[str, str]]:
    """(id, name) of where blood may be: the same site first, a guest is told of no other; never itself."""
    found = [one for one in registry.appliances if one.id != appliance and visitor().sees(one.site, registry)]
    found = [one for one in found if one.site == site or not guest]
    found.sort(key=lambda one: (one.site != site, one.site, one.name))
    return [(one.id, f"{one.name} ({one.id})") for one in found]


def find(line: Any, registry: Registry) -> str:
    """What the search looks in, lower case."""
    site = registry.site_by_id.get(line.site)
    words = [line.serial, line.facts.maker, line.facts.model, line.site, site.name if site else ""]
    words += [line.here.name, line.here.id, line.here.model] if line.here else []
    return " ".join(words).lower()


def path_of(serial: str) -> str:
    """A device's page."""
    return f"/device/{quote(serial)}"


def label_address(base: str, appliance: Appliance) -> str:
    """What the code on its label says."""
    return f"{base}/appliance/{appliance.id}"


@lru_cache(2_000)
def code_of(text: str) -> str:
    """A QR code as SVG without any style: 15 % of it may be scratched."""
    made = segno.make_qr(text, error="m")
    return made.svg_inline(scale=4, omitsize=True, svgclass="qr", lineclass="qr-line")


def paper_answer(console: Console, sha256: str, media: str, title: str) -> Response:
    """A document as it was put in; never a page of ours."""
    body = Papers(console.settings.data_dir).get(sha256)
    if body is None or media not in MEDIA:
        raise Problem(404, "unknown-page")
    name = quote(f"{title}{MEDIA[media]}", safe="")
    headers = {
        "content-disposition": f"inline; filename*=UTF-8''{name}",
        "cache-control": "private, max-age=31536000, immutable",
        "content-security-policy": "default-src 'none'; sandbox",
    }
    return Response(body, media_type=media, headers=headers)
