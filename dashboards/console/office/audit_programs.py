# SPDX-License-Identifier: Apache-2.0
"""The auditor's files for programs: a chain as it is exported, and a file held against the record."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from dashboards.console.accounts.forms import bounded
from dashboards.console.office.tools import Office
from dashboards.console.office.trail import UPLOAD_MAX, chain_lines, held_against
from dashboards.console.once import Key
from dashboards.console.problems import Problem

LINES: dict[int | str, dict[str, Any]] = {
    200: {"description": "A line of JSON for each entry.", "content": {"application/jsonl": {}}}
}
FILE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class HeldOut(BaseModel):
    """what: report, audit, carried, or nothing of ours. state: matches, altered, record_changed, unknown,
    unmade. where: at what it is altered. filed: when it was made here.
    """

    what: str
    state: str
    subject: str
    where: str
    filed: list[str]


def programs(office: Office) -> APIRouter:
    """Before the addresses with a chain's name in their place."""
    routes = APIRouter(prefix="/api/v1/audit")

    @routes.get("/{chain}.jsonl", response_class=StreamingResponse, responses=LINES)
    def lines(chain: Literal["alarms", "desk"]) -> StreamingResponse:
        """The bundle that can be held against the record later, here or elsewhere."""
        return chain_lines(office, chain)

    @routes.post("/check", openapi_extra=FILE_BODY)
    async def check(request: Request, _key: Key) -> HeldOut:
        """A report, an audit export or a bundle as the body: does it match the record?"""
        body = await bounded(request, UPLOAD_MAX)
        if not body:
            raise Problem(422, "file-missing")
        found = await asyncio.to_thread(held_against, office, body)
        return HeldOut(
            what=found.what, state=found.state, subject=found.subject, where=found.where,
            filed=list(found.filed),
        )  # fmt: skip

    return routes
