# SPDX-License-Identifier: Apache-2.0
"""Everything as CSV and XLSX for programs: the same tables as the page has, between instants."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from coldchain.kernel.instants import parse_instant
from dashboards.console.blood.pages import PDFS
from dashboards.console.office.exports import KEPT, TABLES, XLSX, excursion_report, table_file
from dashboards.console.office.register import table_text
from dashboards.console.office.tools import Office
from dashboards.console.office.trail import EVER_MS
from dashboards.console.problems import Problem

Form = Literal["csv", "xlsx"]
Table = Annotated[str, Path(json_schema_extra={"enum": list(TABLES)}, max_length=40)]
From = Annotated[str, Query(alias="from", max_length=40)]
Until = Annotated[str, Query(max_length=40)]
FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The table as a file. Instants are RFC 3339 in UTC in CSV, dates in XLSX.",
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            XLSX: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


def programs(office: Office) -> APIRouter:
    """What programs ask for."""
    routes = APIRouter(prefix="/api/v1", tags=["tables"], default_response_class=Response)

    @routes.get("/tables/audit.{form}", responses=FILES, summary="An audit chain as a table")
    async def audit(
        form: Form, chain: Literal["alarms", "desk"] = "alarms", from_: From = "", until: Until = ""
    ) -> Response:
        return await asyncio.to_thread(table_file, office, "audit", form, _span(from_, until), "", chain)

    for kept in KEPT:
        routes.get(f"/tables/{kept}.{{form}}", responses=FILES, summary=f"The table {kept}")(
            _of_all(office, kept)
        )

    @routes.get("/tables/{table}.{form}", responses=FILES, summary="A table of the record")
    async def table(
        table: Table, form: Form, appliance: str = "", from_: From = "", until: Until = ""
    ) -> Response:
        """`appliance`: of readings, which need one. `from`, `until`: instants; by default all."""
        if table not in TABLES:
            raise Problem(404, "unknown-page")
        return await asyncio.to_thread(table_file, office, table, form, _span(from_, until), appliance)

    @routes.get("/alarms/{number}/report.pdf", responses=PDFS, summary="An excursion's report, and filed")
    def report(number: int, lang: Literal["", "lo", "en", "fr", "vi"] = "") -> Response:
        """As known now; that it was made stands in the desk."""
        return excursion_report(office, number, lang)

    @routes.get(
        "/registry/{table}.csv",
        responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
        summary="A part of the registry, to be changed and sent back",
    )
    def registry(table: Annotated[str, Path(max_length=40)]) -> Response:
        return table_text(office, table)

    return routes


def _of_all(office: Office, table: str) -> Callable[[Form], Awaitable[Response]]:
    async def export(form: Form) -> Response:
        return await asyncio.to_thread(table_file, office, table, form, (0, EVER_MS))

    return export


def _span(from_: str, until: str) -> tuple[int, int]:
    try:
        return parse_instant(from_) if from_ else 0, parse_instant(until) if until else EVER_MS
    except (ValueError, OverflowError) as bad:
        raise Problem(400, "bad-request", str(bad)) from bad
