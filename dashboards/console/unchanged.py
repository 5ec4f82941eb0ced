# SPDX-License-Identifier: Apache-2.0
"""Reads for programs carry an ETag; who has that version already is answered 304 without a body.

The tag is weak: `as_of`, the instant at which it was looked, is no part of it.
"""

from __future__ import annotations

import hashlib
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

AS_OF = re.compile(rb'"as_of":"[^"]*"')
KEPT = "private, no-cache"
"""It may be kept, and is asked for again each time."""


def tag(body: bytes) -> str:
    """The same for two answers that say the same.

    >>> tag(b'{"as_of":"2026-01-01T00:00:00Z","n":1}') == tag(b'{"as_of":"2026-01-02T00:00:00Z","n":1}')
    True
    """
    return f'W/"{hashlib.sha256(AS_OF.sub(b"", body)).hexdigest()[:24]}"'


class Unchanged:
    """Middleware for GET under /api/ where the answer is JSON; streams pass as they are."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != "http"
            or scope["method"] not in ("GET", "HEAD")
            or not scope["path"].startswith("/api/")
        ):
            await self._app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match", "")
        start: Message | None = None
        body = b""

        async def tagged(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _one(message):
                start = message
                return
            if start is None:
                await send(message)
                return
            body += message.get("body", b"")
            if not message.get("more_body", False):
                await _answer(start, body, known, send)

        await self._app(scope, receive, tagged)


def _one(start: Message) -> bool:
    """Is it an answer that says how things are?"""
    return start["status"] == 200 and Headers(scope=start).get("content-type") == "application/json"


async def _answer(start: Message, body: bytes, known: str, send: Send) -> None:
    headers, mine = MutableHeaders(scope=start), tag(body)
    headers["etag"] = mine
    headers.setdefault("cache-control", KEPT)
    headers.add_vary_header("authorization")
    headers.add_vary_header("cookie")
    if known.strip() == "*" or mine in (one.strip() for one in known.split(",")):
        start["status"], body = 304, b""
        for name in ("content-length", "content-type"):
            del headers[name]
    await send(start)
    await send({"type": "http.response.body", "body": body})
