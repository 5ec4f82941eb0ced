# SPDX-License-Identifier: Apache-2.0
"""People who are told: numbers, languages, channels, PINs. And gateways: where they stand, what they have."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from coldchain.kernel.errors import BadData
from coldchain.records.registry import Person, RegistryReader
from coldchain.records.registry_csv import remade
from dashboards.console.accounts.forms import read_form
from dashboards.console.office.tools import Office, acting, sentence
from dashboards.console.problems import Problem
from dashboards.console.strip import heard

FORM_MAX = 16_384
ROLES = ("technician", "on-call", "contractor", "supervisor", "manager")
CHANNELS = ("sms", "call", "email", "http")


def router(office: Office) -> APIRouter:
    """What people's browsers ask for."""
    routes = APIRouter(include_in_schema=False)
    _people(routes, office)
    _gateways(routes, office)
    return routes


def _people(routes: APIRouter, office: Office) -> None:
    @routes.get("/admin/people")
    def page(request: Request, who: str = "", asked: int = 0) -> Response:
        registry = office.console.records.registry()
        return office.console.render(
            request, "people.html",
            registry=registry, one=registry.person_by_id.get(who), roles=ROLES, channels=CHANNELS,
            asked=asked,
        )  # fmt: skip

    @routes.post("/admin/people")
    async def put(request: Request) -> Response:
        form = await read_form(request, FORM_MAX)
        asked = await asyncio.to_thread(put_person, office, form)
        return RedirectResponse(f"/admin/people?asked={asked}" if asked else "/admin/people", 303)

    @routes.post("/admin/people/pin")
    async def pin(request: Request) -> Response:
        form = await read_form(request)
        await asyncio.to_thread(set_pin, office, form.get("person", ""), form.get("pin", ""))
        return RedirectResponse("/admin/people", 303)


def set_pin(office: Office, person: str, pin: str) -> None:
    """Problem when it is no PIN, or somebody else has it."""
    try:
        office.tools.pin(person, pin, acting())
    except BadData as bad:
        raise Problem(422, "unsound", str(bad)) from bad


def put_person(office: Office, form: dict[str, str]) -> int:
    """The number of the proposal, where another person has to agree; else 0."""
    reader = RegistryReader(office.console.settings.desk_db)
    reader.refresh()
    reader.close()
    registry, id_ = reader.registry, form.get("id", "").strip()
    old = registry.person_by_id.get(id_)
    fields: dict[str, Any] = dict(old) if old is not None else {}
    fields |= {"id": id_} | {key: form.get(key, "").strip() for key in ("name", "phone", "language", "role")}
    fields |= {key: form.get(key, "").strip() or None for key in ("email", "initials")}
    for key in ("numbers", "sites"):
        fields[key] = tuple(
            one.strip() for one in form.get(key, "").replace(",", ";").split(";") if one.strip()
        )
    fields["channels"] = tuple(c for c in CHANNELS if form.get(f"by-{c}"))
    fields["shared"] = bool(form.get("shared"))
    try:
        person = Person.model_validate(fields)
        others = [p for p in registry.people if p.id != person.id]
        place = next((n for n, p in enumerate(registry.people) if p.id == person.id), len(others))
        others.insert(place, person)
        made = remade(registry, people=tuple(others))
    except ValueError as bad:
        raise Problem(422, "unsound", sentence(bad)) from bad
    return office.publish(made, f"person {person.id}", reader.version).proposal or 0


def _gateways(routes: APIRouter, office: Office) -> None:
    @routes.get("/admin/gateways")
    async def page(request: Request) -> Response:
        look = await office.console.hub.look()
        now_ms = look.fleet.now_ms
        known = {one.id: one for one in look.gateways}
        names = sorted({*known, *(g.id for g in look.registry.gateways)})
        entries = {g.id: g for g in look.registry.gateways}
        return await asyncio.to_thread(
            office.console.render, request, "gateways.html",
            rows=[(name, entries.get(name), known.get(name)) for name in names], registry=look.registry,
            heard=lambda one: heard(one, now_ms),
        )  # fmt: skip

    @routes.post("/admin/gateways")
    async def put(request: Request) -> Response:
        form = await read_form(request)
        await asyncio.to_thread(put_gateway, office, form)
        return RedirectResponse("/admin/gateways", 303)


def put_gateway(office: Office, form: dict[str, str]) -> None:
    """Where it stands, and its guard's number. Problem: unsound."""
    entry = {"id": form.get("id", "").strip(), "site": form.get("site") or None,
             "phone": form.get("phone", "").strip() or None}  # fmt: skip
    try:
        office.tools.gateway(entry, acting())
    except (BadData, ValueError) as bad:
        raise Problem(422, "unsound", sentence(bad)) from bad
