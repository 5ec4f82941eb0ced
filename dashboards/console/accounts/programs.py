# SPDX-License-Identifier: Apache-2.0
"""Accounts for programs: one's own, and everybody's for the admin. As the pages do it.

A token makes no token: it would outlive the one that asked for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from coldchain.kernel.errors import BadData
from coldchain.kernel.instants import rfc3339
from coldchain.records.accounts import Account, Refused
from dashboards.console.accounts.gate import visitor
from dashboards.console.accounts.pages import Everybody, Open
from dashboards.console.console import Console
from dashboards.console.once import Key
from dashboards.console.paging import After, Before, Limit, page_after, page_of
from dashboards.console.problems import Problem

Role = Literal["technician", "on-call", "contractor", "supervisor", "manager", "admin", "auditor"]
Language = Literal["lo", "en", "fr", "vi"]
Name = Annotated[str, Field(min_length=1, max_length=60)]
Secret = Annotated[str, Field(max_length=1000)]


class In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AccountOut(BaseModel):
    """sites: ids or `province:NAME`; empty: all. fresh: its password is to be changed at the first use."""

    name: str
    person: str
    role: str
    sites: list[str]
    language: str
    fresh: bool
    closed: bool


class MineOut(BaseModel):
    """may: what its role opens."""

    account: AccountOut
    may: list[str]


class AccountsOut(BaseModel):
    """By name, closed ones too. `next`: ask with it as `after` for more."""

    accounts: list[AccountOut]
    next: str | None = None


class AccountIn(In):
    """person: how the record names them; empty: by the account's name."""

    name: Name
    role: Role
    person: Annotated[str, Field(max_length=60)] = ""
    sites: Annotated[list[Annotated[str, Field(max_length=80)]], Field(max_length=200)] = []
    language: Language = "en"


class FirstPasswordOut(BaseModel):
    """password: told once, and again only to the same key by the same token."""

    name: str
    password: str


class LanguageIn(In):
    language: Language


class PasswordIn(In):
    old: Secret
    new: Secret


class TokenOut(BaseModel):
    """until, revoked, used: null: it does not end by itself; it works; it was never used."""

    id: int
    account: str
    label: str
    made: str
    until: str | None
    revoked: str | None
    used: str | None


class TokensOut(BaseModel):
    """Newest first; `next`: `before` of the next page."""

    tokens: list[TokenOut]
    next: str | None = None


class DoneOut(BaseModel):
    done: bool


def programs(console: Console, accounts: Open) -> APIRouter:
    """What programs ask for."""
    everybody = Everybody(console, accounts)
    routes = APIRouter(prefix="/api/v1", tags=["accounts"])
    _own(routes, accounts)
    _all(routes, everybody, accounts)
    _tokens(routes, accounts)
    return routes


def _own(routes: APIRouter, accounts: Open) -> None:
    @routes.get("/account", summary="One's own account")
    def mine() -> MineOut:
        who = visitor()
        return MineOut(account=account_out(_account()), may=sorted(right.value for right in who.rights))

    @routes.post("/account/language", summary="One's own language")
    def language(said: LanguageIn, _key: Key) -> DoneOut:
        accounts().set_language(_account().name, said.language)
        return DoneOut(done=True)

    @routes.post("/account/password", summary="Another password for oneself")
    def password(request: Request, said: PasswordIn, _key: Key) -> DoneOut:
        """Every browser is signed out; tokens stay."""
        name, address = _account().name, request.client.host if request.client else ""
        try:
            accounts().check(name, said.old, address)
            accounts().set_password(name, said.new, fresh=False)
        except Refused as bad:
            raise Problem(403, "wrong-password", str(bad)) from bad
        except BadData as bad:
            raise Problem(422, "unsound", str(bad)) from bad
        return DoneOut(done=True)


def _all(routes: APIRouter, everybody: Everybody, accounts: Open) -> None:
    def sound(deed: Callable[[], str], name: str) -> FirstPasswordOut:
        try:
            return FirstPasswordOut(name=name, password=deed())
        except BadData as bad:
            raise Problem(422, "unsound", str(bad)) from bad

    @routes.get("/accounts", summary="All accounts")
    def all_(after: After = "", limit: Limit = 100) -> AccountsOut:
        found, following = page_after(accounts().all(), lambda one: one.name, after, limit)
        return AccountsOut(accounts=[account_out(one) for one in found], next=following)

    @routes.post("/accounts", status_code=201, summary="A new account, and its first password")
    def add(said: AccountIn, _key: Key) -> FirstPasswordOut:
        form = said.model_dump(exclude={"sites"}) | {"sites": ",".join(said.sites)}
        return sound(lambda: everybody.add(form), said.name.strip())

    @routes.post("/accounts/{name}/reset", summary="Another password for somebody")
    def reset(name: str, _key: Key) -> FirstPasswordOut:
        """To be changed at the first use; browsers and tokens of the account end."""
        return sound(lambda: everybody.reset({"name": name}), name)

    @routes.post("/accounts/{name}/close", summary="Nobody signs in with it any more")
    def close(name: str, _key: Key) -> DoneOut:
        sound(lambda: everybody.close({"name": name}), name)
        return DoneOut(done=True)


def _tokens(routes: APIRouter, accounts: Open) -> None:
    @routes.get("/tokens", summary="Tokens of programs")
    def tokens(before: Before = "", limit: Limit = 100) -> TokensOut:
        found, following = page_of(accounts().tokens(), lambda one: (one[3], f"{one[0]:012d}"), before, limit)
        return TokensOut(
            tokens=[
                TokenOut(
                    id=one[0], account=one[1], label=one[2], made=rfc3339(one[3]), until=_maybe(one[4]),
                    revoked=_maybe(one[5]), used=_maybe(one[6]),
                )
                for one in found
            ],
            next=following,
        )  # fmt: skip

    @routes.post("/tokens/{number}/revoke", summary="A token that works no more")
    def revoke(number: int, _key: Key) -> DoneOut:
        """Withdrawn twice is withdrawn."""
        accounts().revoke_token(number if 0 < number < 2**53 else 0)
        return DoneOut(done=True)


def account_out(one: Account) -> AccountOut:
    return AccountOut(
        name=one.name, person=one.person, role=one.role, sites=list(one.sites), language=one.language,
        fresh=one.fresh, closed=one.closed,
    )  # fmt: skip


def _account() -> Account:
    """Of whoever asks; the gate lets nobody else through."""
    who = visitor().account
    assert who is not None
    return who


def _maybe(at_ms: int | None) -> str | None:
    return None if at_ms is None else rfc3339(at_ms)
