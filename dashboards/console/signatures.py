# SPDX-License-Identifier: Apache-2.0
"""What waits for a second signature: the list, each paper, and signing it. For people and for programs."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from coldchain.kernel.instants import rfc3339
from coldchain.records.signatures import Paper
from dashboards.console.accounts.forms import read_form
from dashboards.console.accounts.signing import Signing
from dashboards.console.console import Console
from dashboards.console.once import Key
from dashboards.console.paging import Before, Limit, page_of


def router(console: Console, signing: Signing) -> APIRouter:
    """What people's browsers ask for."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/signatures")
    def waiting(request: Request) -> Response:
        registry = console.records.registry()
        found = [(one, *signing.kinds[one.kind].told(one, registry)) for one in signing.waiting()]
        return console.render(request, "signatures.html", papers=found, registry=registry)

    @routes.get("/signature/{paper}")
    def one(request: Request, paper: str) -> Response:
        found, registry = signing.found(paper), console.records.registry()
        kind = signing.kinds[found.kind]
        title, rows = kind.told(found, registry)
        return console.render(
            request, "signature.html",
            paper=found, title=title, rows=rows, back=kind.address(found), registry=registry,
        )  # fmt: skip

    @routes.post("/signature/{paper}")
    async def sign(request: Request, paper: str) -> Response:
        form = await read_form(request)
        signed = await asyncio.to_thread(signing.join, paper, form, peer(request))
        return RedirectResponse(signing.kinds[signed.kind].address(signed), 303)

    return routes


class SignatureOut(BaseModel):
    """place 1: who decided; 2: the second person."""

    place: int
    person: str
    account: str
    role: str
    meaning: str
    at: str


class PaperOut(BaseModel):
    """What is signed. `whole`: two people have; until then nothing comes of it."""

    id: str
    kind: str
    subject: str
    site: str
    body: dict[str, str]
    at: str
    second: str
    whole: bool
    signatures: list[SignatureOut]


class PapersOut(BaseModel):
    """Newest first. `next`: `before` of the next page, where there is one."""

    papers: list[PaperOut]
    next: str | None = None


class SignIn(BaseModel):
    """The password of the account that the token is of, typed anew by its person."""

    model_config = ConfigDict(extra="forbid")
    password: Annotated[str, Field(max_length=1000)] = ""
    signer: Annotated[str, Field(max_length=48)] = ""


def programs(signing: Signing) -> APIRouter:
    """What programs ask for."""
    routes = APIRouter(prefix="/api/v1/signatures")

    @routes.get("")
    def waiting(before: Before = "", limit: Limit = 50) -> PapersOut:
        """What waits for a second signature."""
        found, following = page_of(signing.waiting(), lambda one: (one.at_ms, one.id), before, limit)
        return PapersOut(papers=[paper_out(one) for one in found], next=following)

    @routes.get("/{paper}")
    def one(paper: str) -> PaperOut:
        return paper_out(signing.found(paper))

    @routes.post("/{paper}")
    def sign(request: Request, paper: str, said: SignIn, _key: Key) -> PaperOut:
        """Signed twice by the same person is signed once: the key is asked for as with every change."""
        return paper_out(signing.join(paper, said.model_dump(), peer(request)))

    return routes


def paper_out(paper: Paper) -> PaperOut:
    return PaperOut(
        id=paper.id, kind=paper.kind, subject=paper.subject, site=paper.site, body=dict(paper.body),
        at=rfc3339(paper.at_ms), second=paper.second, whole=paper.whole,
        signatures=signatures_out(paper),
    )  # fmt: skip


def signatures_out(paper: Paper | None) -> list[SignatureOut]:
    return [
        SignatureOut(
            place=one.place, person=one.person, account=one.account, role=one.role, meaning=one.meaning,
            at=rfc3339(one.at_ms),
        )
        for one in (paper.signatures if paper is not None else ())
    ]  # fmt: skip


def peer(request: Request) -> str:
    """The address that asks, for the count of wrong passwords."""
    return request.client.host if request.client else ""
