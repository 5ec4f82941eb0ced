# SPDX-License-Identifier: Apache-2.0
"""Addresses that are secrets themselves, so that calendars, providers and who reads a mail need no account.

    GET       /calendar/{secret}.ics                      a rota's shifts, to read and nothing more
    GET POST  /answer/{secret}                            one alarm, to read and to answer once
    GET POST  /api/v1/delivery/{provider}/{secret}        a provider reports how a message fared

An unknown or withdrawn secret is answered like a page that does not exist.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Literal, Protocol, TypeVar
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool

from dashboards.console.assets import load_assets
from dashboards.console.problems import Problem
from dashboards.console.words import language, speaking, t

BODY_MAX = 8_192
FIELDS_MAX = 64

Calendar = Callable[[str], str | None]
"""secret -> the feed, or None."""
Delivered = Callable[[str, str, Mapping[str, str]], bool]
"""(provider, secret, what it says) -> False for a wrong secret. What is not final yet is True, too."""


class Asked(Protocol):
    """What a link in a mail is about."""

    @property
    def text(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def used(self) -> bool: ...


AskedT = TypeVar("AskedT", bound=Asked)


class Answering(Protocol[AskedT]):
    """Reads and answers links in mails."""

    def find(self, secret: str) -> AskedT | None: ...
    def answer(self, asked: AskedT, action: str) -> None: ...


def router(calendar: Calendar, delivered: Delivered, answering: Answering[AskedT]) -> APIRouter:
    """Routes that answer to whoever knows the secret; the callables may block."""
    routes = APIRouter()
    _answers(routes, answering)

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


def _answers(routes: APIRouter, answering: Answering[AskedT]) -> None:
    def find(secret: str) -> AskedT:
        asked = answering.find(secret)
        if asked is None:
            raise Problem(404, "unknown-page")
        return asked

    @routes.get("/answer/{secret}", include_in_schema=False)
    def question(secret: str) -> HTMLResponse:
        """To open it changes nothing: mail servers open what they deliver."""
        asked = find(secret)
        return HTMLResponse(_page(asked, "used" if asked.used else "open"))

    @routes.post("/answer/{secret}", include_in_schema=False)
    async def answered(secret: str, request: Request) -> HTMLResponse:
        said = await _said(request)
        action = said.get("action", "")
        if action not in ACTIONS:
            raise Problem(
                400, "bad-request", f"action is one of {', '.join(a for a in ACTIONS if a)}, or empty"
            )
        asked = await run_in_threadpool(find, secret)
        if not asked.used:
            await run_in_threadpool(answering.answer, asked, action)
        return HTMLResponse(_page(asked, "used" if asked.used else "answered"))


ACTIONS = ("", "door", "power", "coming", "work")
"""What may be answered, as a reply by SMS says it; empty: seen."""


@cache
def _pages() -> Environment:
    """For a page that needs no console behind it: whoever asks for it is not signed in."""
    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    env.globals |= {"t": t, "asset": {name: one.address for name, one in load_assets().items()}}
    return env


def _page(asked: Asked, state: Literal["open", "answered", "used"]) -> str:
    """The message as it was sent, and what may be answered, in the language of its reader."""
    with speaking(asked.language):
        page = _pages().get_template("answer.html")
        return page.render(asked=asked, state=state, actions=ACTIONS, lang=language())


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
