# SPDX-License-Identifier: Apache-2.0
"""How long a request's body may be, at every address: counted as it comes, whatever its headers say.

FastAPI's own bound answers in plain text; ours is a problem, as every refusal.
"""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards.console.problems import Answer, Problem

BODY_MAX = 256 * 1024
"""Of a form or JSON in bytes: a bag list of 1,000 donations has 20 kB."""
LONGER: tuple[tuple[str, int], ...] = (
    ("/carry", 33 * 1024 * 1024),  # bundles that were carried here
    ("/api/v1/carry", 33 * 1024 * 1024),
    ("/audit/check", 17 * 1024 * 1024),  # reports and bundles, to be held against the record
    ("/api/v1/audit/check", 17 * 1024 * 1024),
    ("/device-paper", 9 * 1024 * 1024),  # documents and photos
    ("/api/v1/papers", 9 * 1024 * 1024),
    ("/changes", 13 * 1024 * 1024),  # a registry; three bytes for a letter, as forms write them
    ("/api/v1/changes", 13 * 1024 * 1024),
    ("/admin/registry/", 9 * 1024 * 1024),
    ("/api/v1/registry/", 9 * 1024 * 1024),
)
"""Beginning of an address -> its bound. Each reads less than that by a bound of its own."""


class TooLong(HTTPException):
    """Raised to whoever reads on."""

    def __init__(self) -> None:
        super().__init__(413)


def bound_of(path: str) -> int:
    """The bound of an address [bytes].

    >>> bound_of("/api/v1/people") == BODY_MAX < bound_of("/api/v1/papers")
    True
    """
    return next((most for start, most in LONGER if path.startswith(start)), BODY_MAX)


class Bounded:
    """Middleware in front of whatever reads a body."""

    def __init__(self, app: ASGIApp, *, answer: Answer) -> None:
        self._inner, self._answer = app, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        request, most, seen, begun = Request(scope), bound_of(scope["path"]), 0, False
        length = request.headers.get("content-length", "")
        if length.isdecimal() and (len(length) > 15 or int(length) > most):
            await self._answer(request, too_long(most))(scope, receive, send)
            return

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise TooLong
            return message

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._inner(scope, counted, watched)
        except TooLong:
            if begun:
                raise
            await self._answer(request, too_long(most))(scope, receive, send)


def too_long(most: int) -> Problem:
    return Problem(413, "too-long", f"at most {most} bytes")
