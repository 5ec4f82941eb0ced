# SPDX-License-Identifier: Apache-2.0
"""Signing in and out, one's own account, and everybody's for the admin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from coldchain.kernel.errors import BadData
from coldchain.records.accounts import ROLES, Accounts, Refused, password_of_ours
from coldchain.records.browsers import KNOWN_MS, WHOLE_MS
from dashboards.console.accounts.forms import read_form
from dashboards.console.accounts.gate import COOKIE, KNOWN_BROWSER, visitor
from dashboards.console.accounts.sessions import held
from dashboards.console.console import Console
from dashboards.console.problems import Problem
from dashboards.console.words import LANGUAGES, t

DAY_MS = 86_400_000
TOKEN_DAYS = 365
Open = Callable[[], Accounts]
"""The accounts, opened when somebody needs them."""


def router(console: Console, accounts: Open) -> APIRouter:
    """All pages about accounts."""
    routes = APIRouter(include_in_schema=False)
    _sign_in(routes, console, accounts)
    _own(routes, console, accounts)
    _all(routes, console, accounts)
    return routes


def _sign_in(routes: APIRouter, console: Console, accounts: Open) -> None:
    @routes.get("/signin")
    def page(request: Request, next: str = "/", changed: int = 0) -> Response:  # noqa: A002 -- the address says so
        return console.render(
            request, "signin.html", wrong="", next=_inside(next), name="", changed=bool(changed)
        )

    @routes.post("/signin")
    async def sign_in(request: Request) -> Response:
        form = await read_form(request)
        name, goal = form.get("name", "").strip(), _inside(form.get("next", "/"))
        address = request.client.host if request.client else ""
        browser, agent = visitor().browser, request.headers.get("user-agent", "")

        def enter() -> tuple[str, str]:
            word = accounts().sign_in(name, form.get("password", ""), address, browser=browser, agent=agent)
            return word, accounts().browsers.remember(browser, name)

        try:
            word, held = await asyncio.to_thread(enter)
        except Refused as bad:
            wrong = t("signin.wait", n=-(-bad.wait_ms // 1000)) if bad.wait_ms else t("signin.wrong")
            status = 429 if bad.wait_ms else 401
            return console.render(
                request, "signin.html", status, wrong=wrong, next=goal, name=name, changed=False
            )
        answer, https = RedirectResponse(goal, 303), request.url.scheme == "https"
        for cookie, value, lasts_ms in ((COOKIE, word, WHOLE_MS), (KNOWN_BROWSER, held, KNOWN_MS)):
            answer.set_cookie(
                cookie, value, httponly=True, samesite="lax", secure=https, max_age=lasts_ms // 1000
            )
        return answer

    @routes.post("/signout")
    async def sign_out(request: Request) -> Response:
        await read_form(request)
        await asyncio.to_thread(lambda: accounts().sign_out(request.cookies.get(COOKIE, "")))
        answer = RedirectResponse("/signin", 303)
        answer.delete_cookie(COOKIE)
        return answer


def _own(routes: APIRouter, console: Console, accounts: Open) -> None:
    def shown(request: Request, status: int = 200, **values: Any) -> Response:
        told = {"wrong": "", "token": "", "languages": LANGUAGES} | held(accounts(), request) | values
        return console.render(request, "account.html", status, **told)

    @routes.get("/account")
    def page(request: Request) -> Response:
        return shown(request)

    @routes.post("/account/password")
    async def password(request: Request) -> Response:
        form = await read_form(request)
        mine, address = _mine(), request.client.host if request.client else ""

        def change() -> None:
            accounts().check(mine, form.get("old", ""), address, visitor().browser)
            accounts().set_password(mine, form.get("new", ""), fresh=False)

        try:
            await asyncio.to_thread(change)
        except BadData as bad:
            return shown(request, 422, wrong=t("signin.wrong") if isinstance(bad, Refused) else str(bad))
        return RedirectResponse("/signin?changed=1", 303)

    @routes.post("/account/language")
    async def language(request: Request) -> Response:
        form = await read_form(request)
        if form.get("language") not in LANGUAGES:
            raise Problem(422, "bad-request", f"language is one of {', '.join(LANGUAGES)}")
        await asyncio.to_thread(lambda: accounts().set_language(_mine(), form["language"]))
        return RedirectResponse("/account", 303)

    @routes.post("/account/token")
    async def token(request: Request) -> Response:
        form = await read_form(request)
        if not visitor().form or _mine_is_fresh():
            # A token would outlive the password that somebody else chose, or the token that asks for it.
            raise Problem(403, "not-allowed")
        label, until_ms = form.get("label", "").strip()[:60], console.wall_ms() + TOKEN_DAYS * DAY_MS
        word = await asyncio.to_thread(lambda: accounts().add_token(_mine(), label, until_ms))
        return await asyncio.to_thread(shown, request, token=word)


class Everybody:
    """The page of all accounts, and what changes there."""

    def __init__(self, console: Console, accounts: Open) -> None:
        self._console, self._accounts = console, accounts

    def shown(self, request: Request, status: int = 200, **values: Any) -> Response:
        store = self._accounts()
        told = {"wrong": "", "made": "", "password": ""} | values
        return self._console.render(
            request, "accounts.html", status,
            accounts=store.all(), tokens=store.tokens(), roles=ROLES, languages=LANGUAGES,
            given=store.given(), people=self._console.records.registry().people, **told,
        )  # fmt: skip

    async def done(self, request: Request, change: Callable[[], str], name: str) -> Response:
        """Run it; the password that it made, if any, is shown once."""
        try:
            word = await asyncio.to_thread(change)
        except BadData as bad:
            return await asyncio.to_thread(self.shown, request, 422, wrong=str(bad))
        return await asyncio.to_thread(self.shown, request, made=name, password=word)

    def add(self, form: dict[str, str]) -> str:
        word = password_of_ours()
        sites = tuple(part.strip() for part in form.get("sites", "").split(",") if part.strip())
        self._accounts().add(
            form.get("name", "").strip(), word, role=form.get("role", ""), sites=sites, by=_mine(),
            person=form.get("person", "").strip(), language=form.get("language", "en"),
        )  # fmt: skip
        return word

    def reset(self, form: dict[str, str]) -> str:
        word = password_of_ours()
        self._accounts().set_password(form.get("name", ""), word, fresh=True, by=_mine())
        return word

    def close(self, form: dict[str, str]) -> str:
        self._accounts().close_account(form.get("name", ""))
        return ""


def _all(routes: APIRouter, console: Console, accounts: Open) -> None:
    page = Everybody(console, accounts)

    @routes.get("/accounts")
    def everybody(request: Request) -> Response:
        return page.shown(request)

    @routes.post("/accounts/add")
    async def add(request: Request) -> Response:
        form = await read_form(request)
        return await page.done(request, lambda: page.add(form), form.get("name", ""))

    @routes.post("/accounts/reset")
    async def reset(request: Request) -> Response:
        form = await read_form(request)
        return await page.done(request, lambda: page.reset(form), form.get("name", ""))

    @routes.post("/accounts/close")
    async def close(request: Request) -> Response:
        form = await read_form(request)
        return await page.done(request, lambda: page.close(form), "")

    @routes.post("/accounts/revoke")
    async def revoke(request: Request) -> Response:
        form = await read_form(request)
        number = form.get("token", "")
        if not number.isdigit() or len(number) > 15:
            raise Problem(422, "bad-request")
        await asyncio.to_thread(lambda: accounts().revoke_token(int(number)))
        return RedirectResponse("/accounts", 303)


def _mine() -> str:
    who = visitor().account
    assert who is not None, "the gate lets nobody else through"
    return who.name


def _mine_is_fresh() -> bool:
    who = visitor().account
    return who is not None and who.fresh


def _inside(goal: str) -> str:
    """A page of ours, or the first one: never another host."""
    return goal if goal.startswith("/") and not goal.startswith(("//", "/\\")) and goal.isprintable() else "/"
