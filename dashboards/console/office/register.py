# SPDX-License-Identifier: Apache-2.0
"""The registry: tables brought as CSV and shown row by row first, what has no name yet, profiles."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from coldchain.kernel.errors import BadData
from coldchain.kernel.words import Quantity
from coldchain.records.registry import Assignment, RegistryReader
from coldchain.records.registry_csv import MODELS, Plan, plan, remade, template
from coldchain.settings.profile_files import PROFILES
from dashboards.console.accounts.forms import read_form
from dashboards.console.office.tools import Office, Published, acting, sentence
from dashboards.console.office.uploads import read_upload
from dashboards.console.problems import Problem

FILE_MAX = 2_000_000
TEXT_MAX = 8_000_000
"""A form writes a byte of Lao as three."""
PLACES = ("load", "air", "other")
KINDS = (
    "blood-refrigerator",
    "plasma-freezer",
    "ultra-freezer",
    "platelet-incubator",
    "passive-box",
    "active-box",
)
NAME_MAX = 60


def router(office: Office) -> APIRouter:
    """What people's browsers ask for."""
    routes = APIRouter(include_in_schema=False)
    _tables(routes, office)
    _discovery(routes, office)
    _profiles(routes, office)
    return routes


# --- tables


def _tables(routes: APIRouter, office: Office) -> None:
    @routes.get("/admin/registry")
    def page(request: Request, done: int = 0, asked: int = 0) -> Response:
        return _page(office, request, done=done, asked=asked)

    @routes.get("/admin/registry/{table}.csv")
    def table_csv(table: str) -> Response:
        return table_text(office, table)

    @routes.post("/admin/registry/preview")
    async def preview(request: Request) -> Response:
        form, body, _ = await read_upload(request, FILE_MAX)
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError as bad:
            raise Problem(422, "file-unreadable", "UTF-8") from bad
        return await asyncio.to_thread(_previewed, office, request, form.get("table", ""), text)

    @routes.post("/admin/registry/apply")
    async def apply(request: Request) -> Response:
        form = await read_form(request, TEXT_MAX)
        done = await asyncio.to_thread(apply_table, office, form)
        told = f"done={done.version}" if done.version else f"asked={done.proposal}"
        return RedirectResponse(f"/admin/registry?{told}", 303)


def table_text(office: Office, table: str) -> Response:
    """A part of the registry as it is, to be changed and brought back."""
    if table not in MODELS:
        raise Problem(404, "unknown-page")
    headers = {"content-disposition": f'attachment; filename="{table}.csv"'}
    text = template(table, office.console.records.registry())
    return Response("\ufeff" + text, media_type="text/csv; charset=utf-8", headers=headers)


def _page(office: Office, request: Request, **values: Any) -> Response:
    told: dict[str, Any] = {"plan": None, "text": "", "base": 0, "wrong": "", "done": 0, "asked": 0}
    return office.console.render(request, "registry.html", tables=list(MODELS), **told | values)


def planned(office: Office, table: str, text: str) -> tuple[Plan, int]:
    """The plan, and the version that it is against."""
    reader = RegistryReader(office.console.settings.desk_db)
    reader.refresh()
    try:
        return plan(table, text, reader.registry, office.console.wall_ms()), reader.version
    finally:
        reader.close()


def _previewed(office: Office, request: Request, table: str, text: str) -> Response:
    try:
        made, base = planned(office, table, text)
    except BadData as bad:
        return _page(office, request, wrong=str(bad))
    return _page(office, request, plan=made, text=text, base=base)


def apply_table(office: Office, form: dict[str, str]) -> Published:
    """Exactly what was shown, or nothing."""
    table = form.get("table", "")
    try:
        made, base = planned(office, table, form.get("text", ""))
    except BadData as bad:
        raise Problem(422, "unsound", str(bad)) from bad
    if str(base) != form.get("base"):
        raise Problem(409, "registry-changed")
    if made.made is None:
        raise Problem(422, "unsound", made.fault)
    reason = " ".join(form.get("reason", "").split())[:200]
    counts = f"{table}: {made.count('added')} added, {made.count('changed')} changed"
    return office.publish(made.made, f"{counts}; {reason}" if reason else counts, base)


# --- what reports and is not known


def _discovery(routes: APIRouter, office: Office) -> None:
    @routes.get("/admin/discovery")
    def page(request: Request, done: str = "") -> Response:
        registry = office.console.records.registry()
        found = [
            (node, channel, Quantity(code).word, n)
            for node, channel, code, n in office.console.records.waiting()
            if (node, channel) not in registry.by_channel  # ingest takes it up in a moment
        ]
        return office.console.render(
            request, "discovery.html",
            channels=found, registry=registry, profiles=sorted(PROFILES), places=PLACES, kinds=KINDS,
            done=registry.appliance_by_id.get(done),
        )  # fmt: skip

    @routes.post("/admin/discovery")
    async def adopt(request: Request) -> Response:
        form = await read_form(request)
        done = await asyncio.to_thread(adopt_channel, office, form)
        return RedirectResponse(f"/admin/discovery?done={quote(done)}", 303)


def adopt_channel(office: Office, form: dict[str, str]) -> str:
    """A channel that waits becomes a sensor of the appliance that is returned. Problem: it does not wait, or
    that would not be sound.
    """
    node, channel = form.get("node", ""), form.get("channel", "")
    appliance = (form.get("appliance") or form.get("new", "")).strip().lower()
    waiting = {(n, c): Quantity(code).word for n, c, code, _ in office.console.records.waiting()}
    quantity = waiting.get((node, int(channel))) if channel.isdecimal() and len(channel) < 6 else None
    if quantity is None:
        raise Problem(422, "not-waiting")
    place = form.get("place", "load")
    if place not in PLACES:
        raise Problem(422, "bad-request")
    if not appliance:
        raise Problem(422, "target-missing")
    name = place if quantity == "temperature" and place != "other" else quantity
    kind, site = form.get("kind", ""), form.get("site") or form.get("new_site", "").strip().lower()
    if kind not in ("", *KINDS):
        raise Problem(422, "bad-request")
    titles = {key: " ".join(form.get(key, "").split())[:NAME_MAX] for key in ("name", "site_name")}
    wish = {"node": node, "channel": channel, "sensor": f"{appliance}/{name}", "quantity": quantity,
            "site": site, "profile": form.get("profile", ""), "kind": kind, **titles}  # fmt: skip
    try:
        office.tools.adopt(wish, acting())
    except (BadData, ValueError) as bad:
        raise Problem(422, "unsound", str(bad)) from bad
    return appliance


# --- profiles


def _profiles(routes: APIRouter, office: Office) -> None:
    @routes.get("/admin/profiles")
    def page(request: Request, asked: int = 0) -> Response:
        registry, now_ms = office.console.records.registry(), office.console.wall_ms()
        carried: dict[str, list[str]] = {}
        for one in registry.appliances:
            carried.setdefault(one.carries(now_ms) or "", []).append(one.name)
        return office.console.render(
            request, "profiles.html",
            profiles=office.tools.profiles(), carried=carried, registry=registry, now=now_ms,
            asked=asked, known=[*sorted(PROFILES), "loading", "empty"],
        )  # fmt: skip

    @routes.post("/admin/profiles")
    async def assign(request: Request) -> Response:
        form = await read_form(request)
        asked = await asyncio.to_thread(assign_profile, office, form)
        return RedirectResponse(f"/admin/profiles?asked={asked}" if asked else "/admin/profiles", 303)


def assign_profile(office: Office, form: dict[str, str]) -> int:
    """From now on; what alarms later or more seldom then is asked of a second person."""
    reader = RegistryReader(office.console.settings.desk_db)
    reader.refresh()
    reader.close()
    registry, name, carries = reader.registry, form.get("appliance", ""), form.get("profile", "")
    if name not in registry.appliance_by_id:
        raise Problem(422, "target-missing")
    now = Assignment(carries=carries, from_ms=office.console.wall_ms())
    changed = tuple(
        one.model_copy(update={"assignments": (*one.assignments, now)}) if one.id == name else one
        for one in registry.appliances
    )
    try:
        made = remade(registry, appliances=changed)
    except ValueError as bad:
        raise Problem(422, "unsound", sentence(bad)) from bad
    return office.publish(made, f"{name} carries {carries}", reader.version).proposal or 0
