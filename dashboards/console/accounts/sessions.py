# SPDX-License-Identifier: Apache-2.0
"""Where one is signed in, and one's own tokens: seen and ended by their owner. Also who this browser is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, Field

from coldchain.kernel.instants import rfc3339
from coldchain.records.accounts import Accounts
from dashboards.console.accounts.forms import read_form
from dashboards.console.accounts.gate import COOKIE, visitor
from dashboards.console.once import Key
from dashboards.console.problems import Problem

Open = Callable[[], Accounts]


def held(accounts: Accounts, request: Request) -> dict[str, Any]:
    """What whoever asks holds: sessions, and tokens that still work."""
    mine = _name()
    return {
        "sessions": accounts.browsers.sessions(mine, request.cookies.get(COOKIE, "")),
        "tokens": [one for one in accounts.tokens() if one[1] == mine and one[5] is None],
    }


def end_session(accounts: Accounts, name: str, id_: str) -> None:
    """That one, or `all`. Problem when there is none of that name."""
    if not id_ or not accounts.browsers.end(name, "" if id_ == "all" else id_):
        raise Problem(404, "no-such-session")


def end_token(accounts: Accounts, name: str, number: int) -> None:
    """One's own. Problem when it is not."""
    if not any(one[0] == number and one[1] == name for one in accounts.tokens()):
        raise Problem(404, "no-such-session")
    accounts.revoke_token(number, name)


def router(accounts: Open) -> APIRouter:
    """What people's browsers ask for."""
    routes = APIRouter(include_in_schema=False)

    @routes.post("/account/session/end")
    async def end(request: Request) -> Response:
        form = await read_form(request)
        await asyncio.to_thread(lambda: end_session(accounts(), _name(), form.get("session", "")))
        return RedirectResponse("/account", 303)  # to the sign-in, where it was this one

    @routes.post("/account/token/revoke")
    async def revoke(request: Request) -> Response:
        form = await read_form(request)
        number = form.get("token", "")
        if not number.isdecimal() or len(number) > 15:
            raise Problem(422, "bad-request")
        await asyncio.to_thread(lambda: end_token(accounts(), _name(), int(number)))
        return RedirectResponse("/account", 303)

    @routes.get("/whoami")
    def whoami() -> Response:
        """For the service worker: under whose name an answer would go now, and by which form."""
        who = visitor()
        return JSONResponse({"who": who.called, "form": who.form, "may": who.may("acknowledge")})

    return routes


class SessionOut(BaseModel):
    """ends: if it is used no more. agent: what the browser says it is."""

    id: str
    made: str
    seen: str
    ends: str
    address: str
    agent: str


class SessionsOut(BaseModel):
    """Of the account that asks, the last used first."""

    sessions: list[SessionOut]


class OwnTokenOut(BaseModel):
    """until null: it does not end by itself; used null: never."""

    id: int
    label: str
    made: str
    until: str | None
    used: str | None


class OwnTokensOut(BaseModel):
    """Those of the account that asks which still work, newest first."""

    tokens: list[OwnTokenOut]


class EndedOut(BaseModel):
    done: bool


def programs(accounts: Open) -> APIRouter:
    """The same for programs."""
    routes = APIRouter(prefix="/api/v1", tags=["accounts"])

    @routes.get("/account/sessions", summary="Where one is signed in")
    def sessions() -> SessionsOut:
        return SessionsOut(
            sessions=[
                SessionOut(
                    id=one.id, made=rfc3339(one.made_ms), seen=rfc3339(one.seen_ms),
                    ends=rfc3339(one.until_ms), address=one.address, agent=one.agent,
                )
                for one in accounts().browsers.sessions(_name())
            ]
        )  # fmt: skip

    @routes.post("/account/sessions/{session}/end", summary="Sign a browser out, or `all`")
    def end(session: Annotated[str, Field(pattern=r"^([0-9a-f]{8}|all)$")], _key: Key) -> EndedOut:
        end_session(accounts(), _name(), session)
        return EndedOut(done=True)

    @routes.get("/account/tokens", summary="One's own tokens")
    def tokens() -> OwnTokensOut:
        mine = [one for one in accounts().tokens() if one[1] == _name() and one[5] is None]
        return OwnTokensOut(
            tokens=[
                OwnTokenOut(
                    id=one[0], label=one[2], made=rfc3339(one[3]), until=_maybe(one[4]), used=_maybe(one[6])
                )
                for one in mine
            ]
        )

    @routes.post("/account/tokens/{number}/revoke", summary="One of one's own tokens works no more")
    def revoke(number: Annotated[int, Field(ge=1, lt=2**53)], _key: Key) -> EndedOut:
        end_token(accounts(), _name(), number)
        return EndedOut(done=True)

    return routes


def _name() -> str:
    """Of the account that asks; the gate lets nobody else through."""
    who = visitor().account
    assert who is not None
    return who.name


def _maybe(at_ms: int | None) -> str | None:
    return None if at_ms is None else rfc3339(at_ms)
