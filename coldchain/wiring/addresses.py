# SPDX-License-Identifier: Apache-2.0
"""Secrets that people are given: addresses of calendars and of delivery reports, and PINs."""

import secrets

from coldchain.kernel.errors import BadData
from coldchain.ports.clock import wall_ms as system_wall_ms
from coldchain.records.links import Kind, make_link
from coldchain.records.pins import PIN, fits, hashed
from coldchain.records.registry import Desk, RegistryReader
from coldchain.settings import Settings
from coldchain.wiring.notify import provider_name

AHEAD_MS = 92 * 86_400_000
"""A calendar shows a quarter of a year."""


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
