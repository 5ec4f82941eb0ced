# SPDX-License-Identifier: Apache-2.0
"""Everything as CSV and XLSX, each for the sites that whoever asks may see; and an excursion's report."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from coldchain.files.sheets import csv_pieces, write_xlsx
from coldchain.kernel.errors import BadData, ColdChainError
from dashboards.console.accounts.gate import visitor
from dashboards.console.alarms.routes import alarm_told
from dashboards.console.office.tools import Office
from dashboards.console.office.trail import DAY_MS, EVER_MS, day_ms
from dashboards.console.problems import Problem
from dashboards.console.words import LANGUAGES, language

TABLES = (
    "alarms", "excursions", "defrosts", "messages", "readings", "findings", "by-hand", "bags", "trips",
    "devices", "device-history", "work-orders", "maintenance", "calibrations", "sites", "appliances",
    "sensors",
)  # fmt: skip
"""Of the sites that whoever asks may see."""
KEPT: dict[str, str] = {"people": "admin", "gateways": "admin", "accounts": "accounts"}
"""Table -> the right that it needs; each has addresses of its own in the table of rights."""
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PIECE = 1 << 18
From = Annotated[str, Query(alias="from")]


def router(office: Office) -> APIRouter:
    """What people's browsers and programs ask for: the same addresses, with a session or a token."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/export")
    def page(request: Request) -> Response:
        return office.console.render(
            request, "export.html", tables=TABLES, registry=office.console.records.registry(), kept=KEPT
        )

    @routes.get("/export/go")
    async def go(  # a form's answer: which file
        table: str = "", as_: Annotated[str, Query(alias="as")] = "csv", appliance: str = "",
        from_: From = "", until: str = "",
    ) -> Response:  # fmt: skip
        if table not in TABLES:
            raise Problem(404, "unknown-page")
        return await asyncio.to_thread(_file, office, table, as_, appliance, from_, until)

    @routes.get("/export/audit.{form}")
    async def audit(form: str, chain: str = "alarms", from_: From = "", until: str = "") -> Response:
        return await asyncio.to_thread(_file, office, "audit", form, "", from_, until, chain)

    for kept in KEPT:
        routes.get(f"/export/{kept}.{{form}}")(_of_all(office, kept))

    @routes.get("/export/{table}.{form}")
    async def export(
        table: str, form: str, appliance: str = "", from_: From = "", until: str = ""
    ) -> Response:
        if table not in TABLES:
            raise Problem(404, "unknown-page")
        return await asyncio.to_thread(_file, office, table, form, appliance, from_, until)

    @routes.get("/alarm/{number}/report.pdf")
    async def report(number: int, lang: str = "") -> Response:
        """An excursion's report as known now; that it was made stands in the desk."""
        return await asyncio.to_thread(excursion_report, office, number, lang)

    return routes


def excursion_report(office: Office, number: int, lang: str) -> Response:
    """An alarm's report in that language, or in that of whoever asks."""
    alarm_told(office.console, number)
    speaks = lang if lang in LANGUAGES else language()
    try:
        made = office.tools.report("excursion", str(number), speaks)
    except ColdChainError as bad:
        raise Problem(422, "no-report", str(bad)) from bad
    headers = {"content-disposition": f'inline; filename="excursion-{number}-{speaks}.pdf"'}
    return Response(made, media_type="application/pdf", headers=headers)


def _of_all(office: Office, table: str) -> Callable[[str], Awaitable[Response]]:
    """A table of nobody's site, by what it needs."""

    async def export(form: str) -> Response:
        return await asyncio.to_thread(_file, office, table, form, "", "", "")

    return export


def _file(
    office: Office, table: str, form: str, appliance: str, from_: str, until: str, chain: str = "alarms"
) -> Response:
    zone = office.console.records.zone
    span = (day_ms(from_, zone, 0), day_ms(until, zone, EVER_MS - DAY_MS) + DAY_MS)
    return table_file(office, table, form, span, appliance, chain)


def table_file(
    office: Office, table: str, form: str, span: tuple[int, int], appliance: str = "", chain: str = "alarms"
) -> Response:
    """The table within that span [ms], for the sites that whoever asks may see."""
    if form not in ("csv", "xlsx"):
        raise Problem(404, "unknown-page")
    if table == "readings" and not appliance:
        raise Problem(422, "appliance-missing")
    registry, who = office.console.records.registry(), visitor()
    try:
        made = office.tools.table(table, span, appliance, chain, lambda site: who.sees(site, registry))
    except BadData as bad:
        raise Problem(404, "unknown-page", str(bad)) from bad
    if appliance and appliance not in registry.appliance_by_id:  # it goes into the file's name
        raise Problem(404, "unknown-appliance", appliance[:60])
    name = "-".join(part for part in (table, appliance or (chain if table == "audit" else "")) if part)
    headers = {"content-disposition": f'attachment; filename="{name}.{form}"'}
    if form == "csv":
        return StreamingResponse(csv_pieces(made), media_type="text/csv; charset=utf-8", headers=headers)
    with tempfile.NamedTemporaryFile(suffix=".xlsx", delete=False) as file:
        path = Path(file.name)
    try:
        write_xlsx(made, path, office.console.settings.zone)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return StreamingResponse(_sent(path), media_type=XLSX, headers=headers)


def _sent(path: Path) -> Iterator[bytes]:
    """Piece by piece, and gone afterwards."""
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
    finally:
        path.unlink(missing_ok=True)
