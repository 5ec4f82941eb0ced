# SPDX-License-Identifier: Apache-2.0
"""Links for contractors without an account: one device to read, or one work order to start and finish.

    GET   /pass/{secret}                     the device's history
    POST  /pass/{secret}/{verb}              started or finished, of that order and no other
    GET   /pass/{secret}/packet.pdf          the same on paper
    GET   /pass/{secret}/paper/{sha256}      a document of that device

A secret that is unknown, expired or revoked is answered like a page that does not exist. Each use is written.
"""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from coldchain.records.passes import Pass, Passes
from coldchain.records.work import FINISHED, SENT, STARTED, Step, WorkOrder
from dashboards.console.accounts.forms import read_form
from dashboards.console.console import Console
from dashboards.console.devices.asking import step_order
from dashboards.console.devices.forms import FORM_MAX, key_of
from dashboards.console.devices.known import Bench
from dashboards.console.devices.pages import packet_answer, paper_answer, told
from dashboards.console.problems import Problem

VERBS = (STARTED, FINISHED)


def sent(order: WorkOrder) -> list[Step]:
    """Each time that it went to a contractor."""
    return [step for step in order.steps if step.state == SENT and step.body.get("contractor")]


def router(console: Console, bench: Bench) -> APIRouter:
    """What whoever knows the secret may ask."""
    routes = APIRouter(include_in_schema=False)

    def good(secret: str, what: str, request: Request) -> Pass:
        found = bench.links.known(secret)
        if found is None or not found.good(console.wall_ms()):
            raise Problem(404, "unknown-page")
        passes = Passes(console.settings.desk_db, console.wall_ms)
        try:
            passes.used(found.id, what, request.client.host if request.client else "")
        finally:
            passes.close()
        return found

    @routes.get("/pass/{secret}")
    async def read(request: Request, secret: str, fault: int = 0, repair: int = 0) -> Response:
        found = await asyncio.to_thread(good, secret, "read", request)
        known = await asyncio.to_thread(bench.device, found.serial)
        order = await asyncio.to_thread(bench.order, found.number) if found.number else None
        values = await asyncio.to_thread(told, console, bench, known, fault, f"/pass/{secret}", repair)
        offers = order.offers & frozenset(VERBS) if order else frozenset()
        return await asyncio.to_thread(
            console.render, request, "pass.html", order=order, offers=offers, link=found, **values
        )

    @routes.post("/pass/{secret}/{verb}")
    async def step(request: Request, secret: str, verb: str) -> Response:
        form = await read_form(request, FORM_MAX)
        if verb not in VERBS:
            raise Problem(404, "unknown-page")
        found = await asyncio.to_thread(good, secret, verb, request)
        if found.number is None:
            raise Problem(404, "unknown-page")
        number, person = found.number, found.person

        def do() -> None:
            order = bench.order(number)
            if any(one.at_ms >= found.made_ms and person != one.body["contractor"] for one in sent(order)):
                raise Problem(403, "not-your-order")  # it went to somebody else meanwhile
            step_order(bench, key_of(form), order, verb, form, person)

        await asyncio.to_thread(do)
        return RedirectResponse(f"/pass/{secret}", 303)

    @routes.get("/pass/{secret}/packet.pdf")
    async def packet(request: Request, secret: str) -> Response:
        found = await asyncio.to_thread(good, secret, "packet", request)
        return await asyncio.to_thread(packet_answer, bench, found.serial)

    @routes.get("/pass/{secret}/paper/{sha256}")
    async def paper(request: Request, secret: str, sha256: str) -> Response:
        found = await asyncio.to_thread(good, secret, f"paper {sha256[:12]}", request)
        mine = [one for one in bench.devices.paper(sha256) if one.serial == found.serial]
        if not mine:
            raise Problem(404, "unknown-page")
        return await asyncio.to_thread(paper_answer, console, sha256, mine[0].said.media, mine[0].said.title)

    return routes
