# SPDX-License-Identifier: Apache-2.0
"""The page that leads to all others: what the bar has no room for, as far as whoever asks may see it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from dashboards.console.accounts.gate import visitor
from dashboards.console.accounts.roles import needed
from dashboards.console.console import Console

GROUPS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "more.daily",
        (
            ("/wall", "more.wall"),
            ("/oncall", "page.oncall"),
            ("/signatures", "page.signatures"),
            ("/devices", "page.devices"),
            ("/maintenance", "page.maintenance"),
            ("/trips", "page.trips"),
            ("/nation", "page.nation"),
        ),
    ),
    (
        "more.system",
        (
            ("/waiting", "nav.waiting"),
            ("/health", "nav.health"),
            ("/changes", "page.changes"),
            ("/carry", "page.carry"),
            ("/export", "page.export"),
            ("/training", "page.training"),
            ("/audit", "page.audit"),
            ("/accounts", "page.accounts"),
        ),
    ),
    (
        "more.admin",
        (
            ("/admin/discovery", "page.discovery"),
            ("/admin/registry", "page.registry"),
            ("/admin/profiles", "page.profiles"),
            ("/admin/people", "page.people"),
            ("/admin/gateways", "page.gateways"),
            ("/admin/channels", "page.channels"),
            ("/admin/schedules", "page.schedules"),
            ("/admin/backup", "page.backup"),
        ),
    ),
)
"""(word of the group, (address, word)). A new page is written here, beside the table of rights."""


def router(console: Console) -> APIRouter:
    """What people's browsers ask for."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/more")
    def more(request: Request) -> Response:
        rights = visitor().rights
        groups = [
            (title, [(address, word) for address, word in links if needed("GET", address) in rights])
            for title, links in GROUPS
        ]
        return console.render(
            request, "more.html", groups=[(title, links) for title, links in groups if links]
        )

    return routes
