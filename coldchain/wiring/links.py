# SPDX-License-Identifier: Apache-2.0
"""What the console serves at secret addresses: calendars, reports of delivery, answers to an alarm."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from coldchain.kernel.clocks import WallClock
from coldchain.ports.clock import wall_ms as system_wall_ms
from coldchain.records.links import subject_of
from coldchain.records.registry import Desk
from coldchain.settings import Settings
from coldchain.wiring.addresses import calendar_of
from coldchain.wiring.answer_links import AnswerLinks
from coldchain.wiring.changing import add_changes
from coldchain.wiring.notify import build_delivery_reader, provider_name
from coldchain.wiring.office import add_office

if TYPE_CHECKING:
    from fastapi import FastAPI


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
