# SPDX-License-Identifier: Apache-2.0
"""Two addresses that are secrets themselves, so that calendars and providers need no account.

    GET       /calendar/{secret}.ics                      a rota's shifts, to read and nothing more
    GET POST  /api/v1/delivery/{provider}/{secret}        a provider reports how a message fared

An unknown or withdrawn secret is answered like a page that does not exist.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from dashboards.console.problems import Problem

BODY_MAX = 8_192
FIELDS_MAX = 64

Calendar = Callable[[str], str | None]
"""secret -> the feed, or None."""
Delivered = Callable[[str, str, Mapping[str, str]], bool]
"""(provider, secret, what it says) -> False for a wrong secret. What is not final yet is True, too."""


def router(calendar: Calendar, delivered: Delivered) -> APIRouter:
    """Routes that answer to whoever knows the secret; both callables may block."""
    routes = APIRouter()

    @routes.get("/calendar/{secret}.ics", include_in_schema=False)
    def feed(secret: str) -> Response:
        found = calendar(secret)
        if found is None:
            raise Problem(404, "unknown-page")
        return Response(found, media_type="text/calendar; charset=utf-8")

    @routes.get("/api/v1/delivery/{provider}/{secret}", status_code=204)
    @routes.post("/api/v1/delivery/{provider}/{secret}", status_code=204)
    async def delivery(provider: str, secret: str, request: Request) -> Response:
        """A provider's delivery callback: parameters in the query, a form or a flat JSON object."""
        said = await _said(request)
        if not await run_in_threadpool(delivered, provider, secret, said):
            raise Problem(404, "unknown-page")
        return Response(status_code=204)

    return routes


async def _said(request: Request) -> dict[str, str]:
    """Query, then body; Problem when that is longer than any callback or cannot be read."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_MAX:
            raise Problem(413, "bad-request", f"at most {BODY_MAX} octets")
    found = dict(request.query_params)
    try:
        text = body.decode()
        if "json" in request.headers.get("content-type", ""):
            parts = json.loads(text)
            pairs = list(parts.items()) if isinstance(parts, dict) else []
            found |= {str(name): str(value) for name, value in pairs if isinstance(value, str | int)}
        else:
            found |= dict(parse_qsl(text, max_num_fields=FIELDS_MAX))
    except ValueError as bad:
        raise Problem(400, "bad-request", "neither a form nor JSON") from bad
    return found
