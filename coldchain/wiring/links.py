# SPDX-License-Identifier: Apache-2.0
"""Secret addresses of the console, and PINs: the command line makes them, other rooms know the answers."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from coldchain.kernel.clocks import WallClock
from coldchain.kernel.errors import BadData
from coldchain.ports.clock import wall_ms as system_wall_ms
from coldchain.records.links import Kind, make_link, subject_of
from coldchain.records.pins import PIN, fits, hashed
from coldchain.records.registry import Desk, RegistryReader
from coldchain.settings import Settings
from coldchain.wiring.answer_links import AnswerLinks
from coldchain.wiring.changing import add_changes
from coldchain.wiring.notify import build_delivery_reader, provider_name
from coldchain.wiring.office import add_office

if TYPE_CHECKING:
    from fastapi import FastAPI

AHEAD_MS = 92 * 86_400_000
"""A calendar shows a quarter of a year."""


def add_links(app: FastAPI, settings: Settings, wall_ms: WallClock = system_wall_ms) -> None:
    """Let the console answer to secret addresses, and give its office its tools."""
    from dashboards.console.links import router

    read = build_delivery_reader(settings)

    def calendar(secret: str) -> str | None:
        rota = subject_of(settings.desk_db, "calendar", secret)
        return None if rota is None else calendar_of(settings, rota, wall_ms())

    def delivered(provider: str, secret: str, said: Mapping[str, str]) -> bool:
        if subject_of(settings.desk_db, "delivery", secret) != provider:
            return False
        told = read(said) if read is not None and provider == provider_name(settings) else None
        if told is not None:
            carrier_id, arrived = told
            body: dict[str, object] = {"carrier_id": carrier_id, "delivered": "yes" if arrived else "no"}
            # The same report twice is one command.
            id_ = hashlib.sha256(f"{provider}/{carrier_id}/{arrived}".encode()).hexdigest()[:32]
            desk = Desk(settings.desk_db, wall_ms)
            try:
                desk.command(f"delivery-{id_}", "delivery", person=provider, alarm=None, body=body)
            finally:
                desk.close()
        return True

    if hasattr(app.state, "office"):
        add_office(app, settings, wall_ms)
    if hasattr(app.state, "changes"):
        add_changes(app, settings, wall_ms)
    added = router(calendar, delivered, AnswerLinks(settings, wall_ms))
    app.include_router(added)
    if (served := getattr(app.state, "served", None)) is not None:
        served.extend(added.routes)  # the gate in front of the console knows what is served


def calendar_of(settings: Settings, rota: str, at_ms: int, ahead_ms: int = AHEAD_MS) -> str | None:
    """The rota's shifts as an iCalendar feed; None when there is no such rota."""
    from alerts.oncall.calendar import feed
    from alerts.oncall.rota import shifts

    reader = RegistryReader(settings.desk_db)
    try:
        reader.refresh()
    finally:
        reader.close()
    found = next((r for r in reader.registry.rotas if r.id == rota), None)
    if found is None:
        return None
    names = {p.id: p.name for p in reader.registry.people}
    return feed(shifts(found, at_ms, at_ms + ahead_ms), names, at_ms)


def new_address(settings: Settings, kind: Kind, subject: str, base: str) -> str:
    """A fresh secret address; the one before it no longer works. BadData for a subject that is not there."""
    reader = RegistryReader(settings.desk_db)
    reader.refresh()
    rotas = [rota.id for rota in reader.registry.rotas]
    reader.close()
    if kind == "calendar" and subject not in rotas:
        raise BadData(f"there is no rota {subject!r}; known: {', '.join(sorted(rotas)) or 'none yet'}")
    if kind == "delivery" and subject != provider_name(settings):
        known = provider_name(settings) or "none: set [notify.http]"
        raise BadData(f"there is no provider {subject!r}; known: {known}")
    secret = secrets.token_urlsafe(32)
    make_link(settings.desk_db, system_wall_ms, kind, subject, secret)
    path = f"/calendar/{secret}.ics" if kind == "calendar" else f"/api/v1/delivery/{subject}/{secret}"
    return base.rstrip("/") + path


def set_pin(settings: Settings, person: str, pin: str, author: str = "") -> int:
    """The registry's new version. BadData for nobody, for no PIN, for a PIN that somebody else has.

    author  who did it; empty: that person
    """
    if not PIN.fullmatch(pin):
        raise BadData("a PIN has four or five digits: six would look like a code")
    reader = RegistryReader(settings.desk_db)
    reader.refresh()
    registry, version = reader.registry, reader.version
    reader.close()
    if person not in registry.person_by_id:
        raise BadData(f"nobody is called {person!r}; known: {', '.join(sorted(registry.person_by_id))}")
    if any(fits(pin, p.pin) for p in registry.people if p.id != person):
        raise BadData("choose another PIN: with this one two people could sign for each other")
    kept = hashed(pin, secrets.token_bytes(16))
    people = tuple(p.model_copy(update={"pin": kept}) if p.id == person else p for p in registry.people)
    desk = Desk(settings.desk_db, system_wall_ms)
    try:
        changed = registry.model_copy(update={"people": people})
        return desk.publish(changed, author=author or person, reason=f"a new PIN of {person}", after=version)
    finally:
        desk.close()
