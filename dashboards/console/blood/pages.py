# SPDX-License-Identifier: Apache-2.0
"""The manager's page of the nation, and reports on paper: day's sheet, month, bag sheet, trip."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from coldchain.kernel.errors import BadData, ColdChainError
from coldchain.kernel.instants import EPOCH, parse_instant
from dashboards.console.accounts.gate import check_site
from dashboards.console.accounts.sight import scoped, seen
from dashboards.console.blood.nation import DAY_MS, SPANS_DAYS, Nation, nation, read
from dashboards.console.blood.room import Room
from dashboards.console.problems import Problem
from dashboards.console.source import Look
from dashboards.console.words import language

MONTHS = 12
PDF = "application/pdf"
PDFS: dict[int | str, dict[str, Any]] = {
    200: {"description": "PDF/A.", "content": {PDF: {"schema": {"type": "string", "format": "binary"}}}}
}
_MONTH, _DAY = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])"), re.compile(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]")


def router(room: Room) -> APIRouter:
    """For people's browsers."""
    routes, papers = APIRouter(include_in_schema=False), Papers(room)

    @routes.get("/nation")
    async def page(request: Request, days: int = 30) -> Response:
        look = seen(await room.console.hub.look())
        span_days = days if days in SPANS_DAYS else 30
        return await asyncio.to_thread(_page, room, request, look, span_days)

    routes.get("/site/{site_id}/day.pdf")(papers.day)
    routes.get("/nation/review.pdf")(papers.review)
    routes.get("/alarm/{number}/bags.pdf")(papers.bags)
    routes.get("/trip/{trip}/sheet.pdf")(papers.trip)

    return routes


class Papers:
    """Reports on paper, at addresses for people and for programs; each in the language of whoever asks."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def day(self, site_id: str, day: str) -> Response:
        """A day as 2026-10-03."""
        registry = self._room.console.records.registry()
        if registry.site_by_id.get(site_id) is None:
            raise Problem(404, "unknown-site", site_id)
        check_site(site_id, registry)
        if not _DAY.fullmatch(day):
            raise Problem(400, "bad-request", "day is written as 2026-10-03")
        return paper(self._room, "day", {"site": site_id, "day": day}, f"day-{site_id}-{day}")

    def review(self, month: str, as_of: str = "", site: str = "") -> Response:
        """A month as 2026-10, as known at an instant; of a site, or of all."""
        if not _MONTH.fullmatch(month):
            raise Problem(400, "bad-request", "month is written as 2026-10")
        if site:
            check_site(site, self._room.console.records.registry())
        elif scoped():
            raise Problem(403, "not-your-site")
        of = {"month": month} | ({"site": site} if site else {})
        return paper(self._room, "month", of, f"review-{site or 'all'}-{month}", as_of)

    def bags(self, number: int, rule: str = "", as_of: str = "") -> Response:
        """The bags of an alarm, by a rule, as known at an instant."""
        self._room.of_alarm(number)
        return paper(self._room, "bags", {"alarm": str(number), "rule": rule}, f"bags-{number}", as_of)

    def trip(self, trip: str, as_of: str = "") -> Response:
        """A trip, as known at an instant."""
        self._room.trip(trip)
        return paper(self._room, "trip", {"trip": trip}, f"trip-{trip}", as_of)


def programs(room: Room) -> APIRouter:
    """The same for programs."""
    routes = APIRouter(prefix="/api/v1", tags=["reports"], default_response_class=Response)
    papers = Papers(room)
    routes.get("/sites/{site_id}/day.pdf", responses=PDFS, summary="A site's day sheet")(papers.day)
    routes.get("/nation/review.pdf", responses=PDFS, summary="A month's review")(papers.review)
    routes.get("/alarms/{number}/bags.pdf", responses=PDFS, summary="An alarm's bag sheet")(papers.bags)
    routes.get("/trips/{trip}/sheet.pdf", responses=PDFS, summary="A trip's sheet")(papers.trip)
    return routes


def _page(room: Room, request: Request, look: Look, days: int) -> Response:
    console = room.console
    now_ms = console.wall_ms()
    told = of_nation(room, look, (now_ms - days * DAY_MS, now_ms))
    return console.render(
        request, "nation.html",
        nation=told, days=days, spans=SPANS_DAYS, months=_months(room, now_ms),
        price=console.settings.notify.sms_price, currency=console.settings.notify.currency,
        whole=not scoped(),
    )  # fmt: skip


def of_nation(room: Room, look: Look, span: tuple[int, int]) -> Nation:
    """What whoever asks may see of it."""
    with room.alarms() as reader:
        told = read(reader, *span)
    return nation(look.fleet.rows, look.registry, told, span, room.console.settings.notify.sms_price)


def _months(room: Room, now_ms: int) -> list[tuple[str, str]]:
    """The last months that are over and have a record, newest first: (month, when it was over, RFC 3339)."""
    zone = room.console.records.zone
    first = (EPOCH + timedelta(milliseconds=now_ms)).astimezone(zone).date().replace(day=1)
    begun_ms = room.console.records.begun_ms()
    found: list[tuple[str, str]] = []
    for _ in range(MONTHS):
        over = datetime(first.year, first.month, 1, tzinfo=zone)
        if begun_ms is None or over.timestamp() * 1000 <= begun_ms:
            break
        first = (first - timedelta(days=1)).replace(day=1)
        found.append((f"{first.year}-{first.month:02d}", over.isoformat()))
    return found


def paper(room: Room, kind: str, of: dict[str, str], name: str, as_of: str = "") -> Response:
    """A report in the language of whoever asks. as_of: an instant, or nothing for now."""
    try:
        as_of_ms = parse_instant(as_of) if as_of else room.console.wall_ms()
    except (ValueError, OverflowError) as bad:
        raise Problem(400, "bad-request", str(bad)) from bad
    try:
        made = room.tools.paper(kind, of, language(), as_of_ms)
    except BadData as bad:
        raise Problem(404, "no-such-report", str(bad)) from bad
    except ColdChainError as bad:
        raise Problem(503, "no-typesetter", str(bad)) from bad
    headers = {"content-disposition": f'inline; filename="{name}.pdf"'}
    return Response(made, media_type=PDF, headers=headers)
