# SPDX-License-Identifier: Apache-2.0
"""All routes about blood, in the order in which they are asked: before those with a name in their place."""

from __future__ import annotations

from fastapi import APIRouter

from dashboards.console.accounts.signing import Signing
from dashboards.console.blood import bags, by_hand, findings, pages, programs, trips
from dashboards.console.blood.on_site import Parts
from dashboards.console.blood.room import Room
from dashboards.console.blood.tools import Tools
from dashboards.console.console import Console


def make_room(console: Console, signing: Signing) -> Room:
    """Without tools: whoever serves the console gives them (`app.state.room.tools`)."""
    room = Room(console, signing, Tools())
    console.env.globals["blood"] = Parts(room)
    return room


def blood_pages(room: Room) -> list[APIRouter]:
    return [
        findings.router(room), bags.router(room), trips.router(room), by_hand.router(room),
        pages.router(room), pages.programs(room), programs.router(room),
    ]  # fmt: skip
