# SPDX-License-Identifier: Apache-2.0
"""What leaves about a device: links for contractors, documents, packets. For programs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from pydantic import BaseModel, Field

from coldchain.kernel.instants import rfc3339
from coldchain.records.papers import MEDIA
from coldchain.records.passes import Pass
from dashboards.console.blood.pages import PDFS
from dashboards.console.console import Console
from dashboards.console.devices.forms import make_link, revoke_link
from dashboards.console.devices.known import Bench
from dashboards.console.devices.pages import packet_answer, paper_of
from dashboards.console.devices.programs import In
from dashboards.console.once import Key
from dashboards.console.paging import Before, Limit, page_of

Serial = Annotated[str, Query(min_length=1, max_length=96)]
PAPERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA}}
}


class LinkIn(In):
    """With a work order's number it may be started and finished by the link."""

    serial: Annotated[str, Field(max_length=96)] = ""
    number: Annotated[int, Field(ge=1, lt=2**53)] | None = None
    days: Annotated[int, Field(ge=1, le=30)] = 7


class LinkOut(BaseModel):
    """`path`: told once; whoever has it may read."""

    path: str
    until: str


class OneLinkOut(BaseModel):
    """good: whoever has it may read now. number: of the order that it may start and finish."""

    id: int
    number: int | None
    person: str
    made_by: str
    made: str
    until: str
    good: bool


class LinksOut(BaseModel):
    """`next`: `before` of the next page."""

    links: list[OneLinkOut]
    next: str | None


def router(console: Console, bench: Bench) -> APIRouter:
    """What programs ask for."""
    routes = APIRouter(prefix="/api/v1")
    _files(routes, console, bench)
    _links(routes, console, bench)
    return routes


def _files(routes: APIRouter, console: Console, bench: Bench) -> None:
    @routes.get("/papers/{sha256}", responses=PAPERS, response_class=Response)
    def document(sha256: str) -> Response:
        """A document or photo, as it was put in."""
        return paper_of(console, bench, sha256)

    @routes.get("/packets/{serial:path}", responses=PDFS, response_class=Response)
    def packet(serial: str) -> Response:
        """All that is known of a device, to be read without a network."""
        return packet_answer(bench, bench.device(serial).serial)


def _links(routes: APIRouter, console: Console, bench: Bench) -> None:
    @routes.get("/device-links")
    def links(serial: Serial, before: Before = "", limit: Limit = 100) -> LinksOut:
        """Of a device, newest first; what they were opened for, its page tells."""
        known = bench.device(serial)
        found, following = page_of(known.links, lambda one: (one.made_ms, f"{one.id:012d}"), before, limit)
        return LinksOut(links=[_link_out(one, console.wall_ms()) for one in found], next=following)

    @routes.post("/device-links", status_code=201)
    def make(said: Annotated[LinkIn, Body()], _key: Key) -> LinkOut:
        """The secret is told once, and again only to the same key by the same token."""
        fields = {"serial": said.serial, "number": str(said.number or ""), "days": str(said.days)}
        _, secret, until_ms = make_link(bench, console, fields | {"name": said.person})
        return LinkOut(path=f"/pass/{secret}", until=rfc3339(until_ms))

    @routes.post("/device-links/{id_}/revoke", status_code=204)
    def revoke(id_: int, _key: Key) -> None:
        """Withdrawn twice is withdrawn."""
        revoke_link(bench, console, id_)


def _link_out(one: Pass, now_ms: int) -> OneLinkOut:
    return OneLinkOut(
        id=one.id, number=one.number, person=one.person, made_by=one.made_by, made=rfc3339(one.made_ms),
        until=rfc3339(one.until_ms), good=one.good(now_ms),
    )  # fmt: skip
