# SPDX-License-Identifier: Apache-2.0
"""What the console's office pages need from other rooms: duty from alerts, reports, the record's files."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from coldchain.settings import Settings
from coldchain.wiring.held import held

if TYPE_CHECKING:
    from fastapi import FastAPI


def add_office(app: FastAPI, settings: Settings) -> None:
    """Give the office its tools."""
    from alerts.oncall.rota import gaps, shifts
    from coldchain.wiring.links import new_address
    from dashboards.console.office.tools import Tools

    def calendar(rota: str) -> str:
        return urlsplit(new_address(settings, "calendar", rota, "http://console")).path

    app.state.office.given = Tools(
        shifts=shifts, gaps=gaps, calendar=calendar, compare=partial(held, settings)
    )
