# SPDX-License-Identifier: Apache-2.0
"""The gate in front of every address: who asks, what the address needs, whether they may.

A browser is known by its session's cookie, a program by its token; the machine's own visitor needs neither.
What has no row in `roles.ENDPOINTS` is refused to all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol
from urllib.parse import quote, urlsplit

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from coldchain.records.accounts import Account, Session
from coldchain.records.registry import Registry
from dashboards.console.accounts.pace import Pace, is_answer
from dashboards.console.accounts.roles import LOCAL, ROLES, WHOLE, May, needed
from dashboards.console.problems import Answer, Problem
from dashboards.console.security import LOOPBACK, host_name, trusted_peer
from dashboards.console.words import choose, preferred

COOKIE, KNOWN_BROWSER = "coldchain", "coldchain-known"
"""A session; and what a browser keeps by which it is known after the session's end."""
NO_ACCOUNT = "no account"
"""Stands for nobody where an account's name is told: it has a space, and no account's name has."""
SAFE = frozenset({"GET", "HEAD"})
PROXIES = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
"""Headers by which a proxy says that it is one."""


class Known(Protocol):
    """What `records.accounts.Accounts` tells the gate."""

    def session(self, word: str) -> Session | None: ...
    def bearer(self, word: str) -> Account | None: ...


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks. account None: nobody we know; `local`: at the machine itself.

    form     what each form of a browser's session must carry; empty without a session
    browser  what the browser is known by, if it is
    """

    account: Account | None = None
    form: str = ""
    local: bool = False
    browser: str = ""

    @property
    def called(self) -> str:
        """The account's name, or words that no account is called."""
        return NO_ACCOUNT if self.account is None else self.account.name

    @property
    def rights(self) -> frozenset[May]:
        if self.account is not None:
            mine = ROLES[self.account.role] | {May.PUBLIC}
            mine -= WHOLE if self.account.sites else frozenset()
            return frozenset({May.PUBLIC, May.SELF}) if self.account.fresh else mine
        return (LOCAL if self.local else frozenset()) | {May.PUBLIC}

    def may(self, right: str) -> bool:
        """For templates."""
        return right in {r.value for r in self.rights}

    def sees(self, site: str, registry: Registry) -> bool:
        """Is that site within what the account is for?"""
        return self.account is None or within(site, self.account.sites, registry)


def within(site: str, sites: Sequence[str], registry: Registry) -> bool:
    """Is it one of these, or in one of their provinces? None named: all."""
    known = registry.site_by_id.get(site)
    return not sites or site in sites or (known is not None and f"province:{known.province}" in sites)


NOBODY = Visitor()
_visitor: ContextVar[Visitor] = ContextVar("visitor", default=NOBODY)


def visitor() -> Visitor:
    """Who asks just now."""
    return _visitor.get()


def check_site(site: str, registry: Registry) -> None:
    """Problem when the account that asks is not for that site."""
    if not visitor().sees(site, registry):
        raise Problem(403, "not-your-site")


class Gate:
    """Middleware. `answer` makes a refusal of a Problem; `routes` are all that is served: what is not among
    them does not exist.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Sequence[BaseRoute],
        known: Known,
        answer: Answer,
        networks: Sequence[IPv4Network | IPv6Network],
        pace: Pace,
    ) -> None:
        self._inner, self._routes, self._known, self._answer = app, routes, known, answer
        self._networks, self._pace = networks, pace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        request = Request(scope)
        who = await asyncio.to_thread(self._identify, request)
        _visitor.set(who)
        accepted = request.headers.get("accept-language", "")
        choose(who.account.language if who.account else preferred(accepted))
        refusal = self._refusal(request, who)
        await (self._inner if refusal is None else refusal)(scope, receive, send)

    def _identify(self, request: Request) -> Visitor:
        if (word := bearer(request)) is not None:
            return Visitor(self._known.bearer(word))
        browser = request.cookies.get(KNOWN_BROWSER, "")[:100]
        if (held := request.cookies.get(COOKIE)) and (session := self._known.session(held)):
            return Visitor(session.account, session.form, browser=browser)
        return Visitor(local=self._is_local(request), browser=browser)

    def _is_local(self, request: Request) -> bool:
        """A browser on the machine itself, under our own name, through no proxy."""
        headers = request.headers
        if request.client is None or not trusted_peer(request.client.host, self._networks):
            return False
        if request.scope.get("http_version") == "1.0" or any(name in headers for name in PROXIES):
            return False  # a proxy on this machine speaks for somebody else; many speak HTTP/1.0 by default
        return host_name(headers.get("host", "")) in LOOPBACK

    def _refusal(self, request: Request, who: Visitor) -> Response | None:
        template = self._template(request.scope)
        if template is None:
            return self._answer(request, Problem(404, "unknown-page"))
        if not template:
            return None  # nothing runs: the application says that the method is wrong
        if (problem := _problem(request, template, who)) is None:
            return self._held_up(request, who)
        if (
            problem.status in (401, 403)
            and request.method in SAFE
            and not request.url.path.startswith("/api/")
        ):
            if who.account is None:
                return RedirectResponse(f"/signin?next={quote(request.url.path)}", 303)
            if who.account.fresh:
                return RedirectResponse("/account", 303)
        return self._answer(request, problem)

    def _held_up(self, request: Request, who: Visitor) -> Response | None:
        """Too many changes at once, by one account."""
        if who.account is None or request.method in SAFE or is_answer(request.url.path):
            return None
        if not (wait_s := self._pace.wait_s(who.account.name)):
            return None
        answer = self._answer(request, Problem(429, "too-fast", f"{wait_s} s"))
        answer.headers["retry-after"] = str(wait_s)
        return answer

    def _template(self, scope: Scope) -> str | None:
        """The address as it was written for that method; empty for another method of it; None: unknown."""
        other: str | None = None
        for route in self._routes:
            match, _ = route.matches(scope)
            if match == Match.FULL:
                return str(getattr(route, "path", ""))
            if match == Match.PARTIAL:
                other = ""
        return other


def _problem(request: Request, template: str, who: Visitor) -> Problem | None:
    """Why not; None: they may."""
    right = needed(request.method, template)
    if right is None:
        return Problem(403, "not-allowed")
    if request.method not in SAFE and not _may_come(request, template):
        return Problem(403, "not-from-here")
    if right in who.rights:
        return None
    return Problem(401, "sign-in") if who.account is None else Problem(403, "not-allowed")


def bearer(request: Request) -> str | None:
    """A program's token. Any other scheme is a proxy's affair, and a browser sends it by itself."""
    scheme, _, word = request.headers.get("authorization", "").partition(" ")
    return word.strip() if scheme.lower() == "bearer" else None


def _may_come(request: Request, template: str) -> bool:
    """A change comes from a page of ours, as the browser says; from a program with its token; or by an
    address that is a secret.
    """
    if bearer(request) is not None or template.startswith("/api/v1/delivery/"):
        return True
    origin = request.headers.get("origin")
    if origin is not None:
        try:
            return urlsplit(origin).netloc == request.headers.get("host")
        except ValueError:  # no address at all
            return False
    return request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
