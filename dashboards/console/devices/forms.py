# SPDX-License-Identifier: Apache-2.0
"""Forms about devices: entries, work orders, documents and photos, links for contractors."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Mapping

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from coldchain.kernel.errors import BadData
from coldchain.records.papers import SIZE_MAX, Papers
from coldchain.records.passes import Passes
from dashboards.console.accounts.forms import bounded, of_this_session, read_form
from dashboards.console.accounts.gate import check_site
from dashboards.console.console import Console
from dashboards.console.devices.asking import NOTES, actor, ask_another, enter, raise_order, step_order
from dashboards.console.devices.fields import entry_fields
from dashboards.console.devices.known import Bench
from dashboards.console.devices.pages import path_of
from dashboards.console.problems import Problem

FORM_MAX = 32_768
"""Findings in Lao are nine bytes a letter in a form."""
AROUND = 16_384
"""What a form may hold beside its file."""


def router(console: Console, bench: Bench) -> APIRouter:
    """What people's browsers send."""
    routes = APIRouter(include_in_schema=False)
    _entries(routes, console, bench)
    _orders(routes, bench)
    _papers(routes, console, bench)
    _links(routes, console, bench)
    return routes


def _entries(routes: APIRouter, console: Console, bench: Bench) -> None:
    def write(kind: str, form: Mapping[str, str]) -> Response:
        who, serial = actor(bench, form.get("name", "")), form.get("serial", "").strip()
        corrects = corrected(form)
        fields: dict[str, object] | None = None
        if not form.get("withdraw"):
            fields = entry_fields(kind, form, console.records.zone, console.wall_ms())
            if kind == "installed" and (place := str(fields.get("appliance", ""))):
                known = bench.registry.appliance_by_id.get(place)
                check_site(known.site if known else "", bench.registry)
                fields["site"] = known.site if known else ""
        key = key_of(form)
        asked = kind == "certificate" and ask_another(bench, key, serial, fields, who=who, corrects=corrects)
        if asked:
            return RedirectResponse(f"{path_of(serial)}#calibration", 303)
        enter(bench, key, serial, kind, fields, who=who, corrects=corrects)
        back = form.get("back", "")
        return RedirectResponse("/maintenance" if back == "maintenance" else path_of(serial), 303)

    @routes.post("/device-entry/{kind}")
    async def entry(request: Request, kind: str) -> Response:
        form = await read_form(request, FORM_MAX)
        if kind not in (
            "facts",
            "installed",
            "plan",
            "plan_other",
            "certificate",
            "mapping",
            "paper",
            *NOTES,
        ):
            raise Problem(404, "unknown-page")
        if kind == "paper" and not form.get("withdraw"):
            raise Problem(422, "field-wrong", "file")
        return await asyncio.to_thread(write, kind, form)

    @routes.post("/device-note/{kind}")
    async def note(request: Request, kind: str) -> Response:
        form = await read_form(request, FORM_MAX)
        if kind not in NOTES or form.get("withdraw") or form.get("corrects"):
            raise Problem(404, "unknown-page")
        return await asyncio.to_thread(write, kind, form)


def _orders(routes: APIRouter, bench: Bench) -> None:
    @routes.post("/work-order")
    async def raised(request: Request) -> Response:
        form = await read_form(request, FORM_MAX)
        who = await asyncio.to_thread(actor, bench, form.get("name", ""))
        number = await asyncio.to_thread(raise_order, bench, key_of(form), form, who)
        return RedirectResponse(f"/work-order/{number}", 303)

    @routes.post("/work-order/{number}/{verb}")
    async def stepped(request: Request, number: int, verb: str) -> Response:
        form = await read_form(request, FORM_MAX)

        def step() -> None:
            order = bench.order(number)
            step_order(bench, key_of(form), order, verb, form, actor(bench, form.get("name", "")))

        await asyncio.to_thread(step)
        return RedirectResponse(f"/work-order/{number}", 303)


def _papers(routes: APIRouter, console: Console, bench: Bench) -> None:
    @routes.post("/device-paper")
    async def paper(request: Request) -> Response:
        form, body = await read_upload(request)

        def keep() -> Response:
            who, serial = actor(bench, form.get("name", "")), form.get("serial", "").strip()
            order = form.get("order", "")
            bench.device(serial)
            add_paper(bench, console, key_of(form), serial, body, form, who)
            return RedirectResponse(f"/work-order/{order}" if order.isdecimal() else path_of(serial), 303)

        return await asyncio.to_thread(keep)


def add_paper(
    bench: Bench, console: Console, key: str, serial: str, body: bytes, said: Mapping[str, str], who: str
) -> tuple[int, str]:
    """(the entry's id, the hash). The file is on the disk before the entry names it."""
    try:
        digest, media = Papers(console.settings.data_dir).put(body)
    except BadData as bad:
        raise Problem(422, "not-taken", str(bad)) from bad
    fields = entry_fields("paper", said, console.records.zone, console.wall_ms())
    fields.setdefault("title", media.partition("/")[2].upper())
    fields |= {"sha256": digest, "media": media, "size": len(body)}
    return enter(bench, key, serial, "paper", fields, who=who), digest


def _links(routes: APIRouter, console: Console, bench: Bench) -> None:
    @routes.post("/device-link")
    async def make(request: Request) -> Response:
        form = await read_form(request)
        made = await asyncio.to_thread(make_link, bench, console, form)
        base = (console.settings.console.address or str(request.base_url)).rstrip("/")
        return await asyncio.to_thread(
            console.render, request, "link.html",
            address=f"{base}/pass/{made[1]}", serial=made[0], path_of=path_of, until_ms=made[2],
        )  # fmt: skip

    @routes.post("/device-link/{id_}/revoke")
    async def revoke(request: Request, id_: int) -> Response:
        await read_form(request)
        serial = await asyncio.to_thread(revoke_link, bench, console, id_)
        return RedirectResponse(path_of(serial), 303)


def make_link(bench: Bench, console: Console, said: Mapping[str, str]) -> tuple[str, str, int]:
    """(serial, secret, until [ms]). With an order it may be started and finished in its contractor's name."""
    who, number, days = actor(bench, said.get("name", "")), said.get("number", ""), said.get("days", "7")
    serial, person, order = said.get("serial", "").strip(), said.get("person", ""), None
    if number.isdecimal() and int(number):
        order = bench.order(int(number))
        serial = order.serial
        theirs = order.told("contractor") or order.contractor
        known = bench.registry.person_by_id.get(person := person or theirs)
        if known is None or (person != theirs and known.role != "contractor"):  # in nobody else's name
            raise Problem(422, "contractor-missing")
    bench.device(serial)
    if not days.isdecimal() or len(days) > 3:
        raise Problem(422, "field-wrong", "days")
    passes = Passes(console.settings.desk_db, console.wall_ms)
    try:
        id_, secret = passes.make(
            serial, number=order.number if order else None, person=person, days=int(days), by=who
        )
    except BadData as bad:
        raise Problem(422, "field-wrong", "days") from bad
    finally:
        passes.close()
    made = bench.links.by_id(id_)
    assert made is not None
    return serial, secret, made.until_ms


def revoke_link(bench: Bench, console: Console, id_: int) -> str:
    """Its device's serial number."""
    found = bench.links.by_id(id_) if 0 < id_ < 2**53 else None
    if found is None:
        raise Problem(404, "unknown-page")
    bench.device(found.serial)
    passes = Passes(console.settings.desk_db, console.wall_ms)
    try:
        passes.revoke(id_, actor(bench, "console"))
    finally:
        passes.close()
    return found.serial


def corrected(form: Mapping[str, str]) -> int | None:
    """The entry that this one takes the place of. Problem for a number that none can have."""
    said = form.get("corrects", "")
    if not said:
        return None
    if not said.isdecimal() or len(said) > 15:
        raise Problem(422, "field-wrong", "corrects")
    return int(said)


def key_of(form: Mapping[str, str]) -> str:
    """The id that the page gave its form: sent twice is done once."""
    sent = form.get("command", "")
    return sent if len(sent) == 32 and sent.isalnum() else uuid.uuid4().hex


async def read_upload(request: Request) -> tuple[dict[str, str], bytes]:
    """(fields, the file's contents) of a form with one file. Problem as `read_form`."""
    raw = await bounded(request, SIZE_MAX + AROUND)

    async def again() -> AsyncGenerator[bytes, None]:
        yield raw

    try:
        parser = MultiPartParser(request.headers, again(), max_files=1, max_fields=20)
        parsed = await parser.parse()
    except (MultiPartException, KeyError, ValueError, AssertionError) as bad:
        raise Problem(422, "field-wrong", "file") from bad
    try:
        form = {key: value for key, value in parsed.items() if isinstance(value, str)}
        of_this_session(form)
        file = parsed.get("file")
        body = await file.read() if isinstance(file, UploadFile) else b""
    finally:
        await parsed.close()
    return form, body
