# SPDX-License-Identifier: Apache-2.0
"""For auditors: the audit trail, access as of a date, and files held against the record."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel

from coldchain.kernel.audit import Entry
from coldchain.kernel.errors import ColdChainError
from coldchain.kernel.instants import parse_instant, rfc3339
from coldchain.records.access import Access, access_at
from coldchain.records.audit import CHAINS
from coldchain.records.audit_file import lines
from coldchain.records.sql import open_reader
from dashboards.console.accounts.roles import ENDPOINTS, ROLES, WHOLE
from dashboards.console.office.tools import Held, Office
from dashboards.console.office.uploads import read_upload
from dashboards.console.paging import After, Limit, page_after
from dashboards.console.problems import Problem
from dashboards.console.site import masked

PAGE = 50
TRAIL_MAX = 200
UPLOAD_MAX = 16_000_000
DAY_MS = 86_400_000
EVER_MS = 2**62
YEAR_9999_MS = 253_370_764_800_000
"""Numbers beyond are shown as they are: there is no date for them."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Which entries: before a number, of a kind, that hold a word, from .. until [ms]."""

    chain: str
    before: int
    kind: str
    word: str
    from_ms: int
    until_ms: int


def router(office: Office) -> APIRouter:
    """What people's browsers ask for."""
    routes = APIRouter(include_in_schema=False)
    _trail(routes, office)
    _access(routes, office)
    _check(routes, office)
    return routes


def _wish(office: Office, chain: str, before: int, kind: str, q: str, from_: str, until: str) -> Wish:
    if chain not in CHAINS:
        raise Problem(404, "unknown-page")
    zone = office.console.records.zone
    start, end = day_ms(from_, zone, 0), day_ms(until, zone, EVER_MS - DAY_MS) + DAY_MS
    return Wish(chain, before or 2**62, kind[:40], q.strip()[:80], start, end)


def day_ms(text: str, zone: tzinfo, otherwise: int) -> int:
    """A local day's midnight [ms]; `otherwise` when there is none."""
    if not text:
        return otherwise
    try:
        return round(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=zone).timestamp() * 1000)
    except (ValueError, OverflowError) as bad:
        raise Problem(400, "bad-request", text[:20]) from bad


def _trail(routes: APIRouter, office: Office) -> None:
    @routes.get("/audit")
    def trail(
        request: Request, chain: str = "alarms", before: int = 0, kind: str = "", q: str = "",
        from_: Annotated[str, Query(alias="from")] = "", until: str = "",
    ) -> Response:  # fmt: skip
        wish = _wish(office, chain, before, kind, q, from_, until)
        found = entries(office, wish, PAGE + 1)
        return office.console.render(
            request, "audit.html",
            entries=[(one, told(one)) for one in found[:PAGE]], more=len(found) > PAGE, wish=wish,
            chains=list(CHAINS), kinds=sorted(watched.table for watched in CHAINS[chain][0]),
            said={"chain": chain, "kind": kind, "q": q, "from": from_, "until": until},
        )  # fmt: skip

    @routes.get("/audit/{chain}.csv")
    def as_csv(chain: str) -> StreamingResponse:
        path = _path(office, chain)
        return StreamingResponse(
            csv_of(lines(path, chain)),
            media_type="text/csv; charset=utf-8",
            headers={"content-disposition": f'attachment; filename="audit-{chain}.csv"'},
        )

    @routes.get("/audit/{chain}.jsonl")
    def as_lines(chain: str) -> StreamingResponse:
        """The bundle that can be held against the record later, here or elsewhere."""
        return chain_lines(office, chain)


def chain_lines(office: Office, chain: str) -> StreamingResponse:
    """A chain as a file, an entry a line."""
    return StreamingResponse(
        lines(_path(office, chain), chain),
        media_type="application/jsonl; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="audit-{chain}.jsonl"'},
    )


def _path(office: Office, chain: str) -> Path:
    if chain not in CHAINS:
        raise Problem(404, "unknown-page")
    path = office.console.settings.data_dir / f"{chain}.db"
    if not path.exists():
        raise Problem(503, "unavailable")
    return path


def entries(office: Office, wish: Wish, limit: int) -> list[Entry]:
    """The newest that fit, newest first."""
    path = office.console.settings.data_dir / f"{wish.chain}.db"
    if not path.exists():
        return []
    sql = (
        "SELECT number, at_ms, kind, body, hash FROM audit WHERE number < ? AND (? = '' OR kind = ?)"
        " AND (? = '' OR instr(lower(body), lower(?)) > 0) AND at_ms >= ? AND at_ms < ?"
        " ORDER BY number DESC LIMIT ?"
    )
    values = (wish.before, wish.kind, wish.kind, wish.word, wish.word, wish.from_ms, wish.until_ms, limit)
    with closing(open_reader(path, len(CHAINS[wish.chain][1]))) as db:
        return [Entry(*row) for row in db.execute(sql, values).fetchall()]


NUMBERS = frozenset({"address", "phone"})
"""Of telephones a page shows the end; the exported chain has them whole, for its hashes."""


def told(entry: Entry) -> list[tuple[str, str]]:
    """(name, value) of what an entry says, without what is empty; instants as people read them."""
    said = json.loads(entry.body)
    found = []
    for name, value in said.items():
        if value is None or value == "" or name == "word":
            continue
        instant = name.endswith("_ms") and isinstance(value, int) and 10**11 < value < YEAR_9999_MS
        text = masked(str(value)) if name in NUMBERS else rfc3339(value) if instant else str(value)
        found.append((name.removesuffix("_ms") if instant else name, text))
    return found


def csv_of(some: Iterator[str]) -> Iterator[str]:
    """number, time, kind, body, hash."""
    next(some)
    yield "number,time,kind,body,hash\n"
    for line in some:
        said, out = json.loads(line), io.StringIO()
        csv.writer(out, lineterminator="\n").writerow(
            [said["number"], rfc3339(said["at_ms"]), said["kind"], said["body"], said["hash"]]
        )
        yield out.getvalue()


def _access(routes: APIRouter, office: Office) -> None:
    @routes.get("/audit/access")
    def access(request: Request, at: str = "") -> Response:
        zone = office.console.records.zone
        now = office.console.wall_ms()
        moment = min(day_ms(at, zone, now - DAY_MS) + DAY_MS - 1, now) if at else now
        found = who_could(office, moment)
        return office.console.render(
            request, "access.html",
            found=found, moment=moment, at_day=at,
            rights={role: sorted(right.value for right in rights) for role, rights in ROLES.items()},
        )  # fmt: skip


def who_could(office: Office, at_ms: int) -> list[Access]:
    desk = office.console.settings.desk_db
    return access_at(desk, at_ms) if desk.exists() else []


def _check(routes: APIRouter, office: Office) -> None:
    @routes.get("/audit/check")
    def page(request: Request) -> Response:
        return office.console.render(request, "check.html", found=None, name="")

    @routes.post("/audit/check")
    async def check(request: Request) -> Response:
        _, body, name = await read_upload(request, UPLOAD_MAX)
        if not body:
            raise Problem(422, "file-missing")
        found = await asyncio.to_thread(held_against, office, body)
        return await asyncio.to_thread(
            office.console.render, request, "check.html", found=found, name=name[:80]
        )


def held_against(office: Office, body: bytes) -> Held:
    """What became of holding a file against the record. Problem when it is none of ours."""
    try:
        return office.tools.compare(body)
    except ColdChainError as bad:
        raise Problem(422, "file-unreadable", str(bad)) from bad


# --- for programs


def discreet(body: str) -> dict[str, object]:
    """What an entry says, without whole telephone numbers."""
    return {k: masked(str(v)) if k in NUMBERS and v else v for k, v in json.loads(body).items()}


class EntryOut(BaseModel):
    number: int
    at: str
    kind: str
    body: dict[str, object]
    hash: str


def opened(role: str, *, whole: bool) -> list[str]:
    """The addresses that a role opens; whole: to an account of all sites."""
    rights = ROLES.get(role, frozenset()) - (frozenset() if whole else WHOLE)
    return sorted(f"{method} {path}" for (method, path), right in ENDPOINTS.items() if right in rights)


class TrailOut(BaseModel):
    """Newest first. next: ask again with `before`; null: that was all."""

    entries: list[EntryOut]
    next: int | None


class GivenOut(BaseModel):
    by: str
    at: str
    how: str


class AccessOut(BaseModel):
    """may: the addresses that the account's role opens, as this version of the program has them. given: who
    chose a password for it, and when: `made` with the account, or `reset`.
    """

    account: str
    person: str
    role: str
    sites: list[str]
    tokens: list[str]
    may: list[str]
    given: list[GivenOut]


class AccessesOut(BaseModel):
    """By account. `next`: `after` of the next page."""

    accounts: list[AccessOut]
    next: str | None = None


def programs(office: Office) -> APIRouter:
    """What programs ask for."""
    routes = APIRouter(prefix="/api/v1/audit")

    @routes.get("/access")
    def access(at: str = "", after: After = "", limit: Limit = 100) -> AccessesOut:
        """Who had access at an instant (RFC 3339; default: now)."""
        try:
            moment = parse_instant(at) if at else office.console.wall_ms()
        except (ValueError, OverflowError) as bad:
            raise Problem(400, "bad-request", str(bad)) from bad
        some, following = page_after(who_could(office, moment), lambda one: one.name, after, limit)
        found = [
            AccessOut(
                account=one.name, person=one.person, role=one.role, sites=list(one.sites),
                tokens=[label for label, _ in one.tokens],
                may=opened(one.role, whole=not one.sites),
                given=[GivenOut(by=g.by, at=rfc3339(g.at_ms), how=g.how) for g in one.given],
            )
            for one in some
        ]  # fmt: skip
        return AccessesOut(accounts=found, next=following)

    @routes.get("/{chain}")
    def trail(
        chain: str,
        before: Annotated[int, Query(ge=0, le=2**62)] = 0,
        limit: Annotated[int, Query(ge=1, le=TRAIL_MAX)] = 100,
        kind: str = "",
        q: str = "",
    ) -> TrailOut:
        wish = _wish(office, chain, before, kind, q, "", "")
        found = entries(office, wish, limit + 1)
        return TrailOut(
            entries=[
                EntryOut(
                    number=one.number, at=rfc3339(one.at_ms), kind=one.kind, body=discreet(one.body),
                    hash=one.hash.hex() if one.hash else "",
                )
                for one in found[:limit]
            ],
            next=found[limit - 1].number if len(found) > limit else None,
        )  # fmt: skip

    return routes
