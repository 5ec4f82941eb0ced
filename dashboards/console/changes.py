# SPDX-License-Identifier: Apache-2.0
"""Changes of rules: what is proposed, what the last week would have been under it, a second person's word.

For people and for programs. What a change does is worked out by who wires the console (`Tools`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from coldchain.kernel.errors import BadData, ColdChainError
from coldchain.kernel.instants import rfc3339
from coldchain.records.proposals import Proposal, Proposals
from coldchain.records.trust import TooClose
from dashboards.console.accounts.forms import read_form
from dashboards.console.accounts.gate import visitor
from dashboards.console.accounts.signing import known_as
from dashboards.console.console import Console
from dashboards.console.once import Key
from dashboards.console.problems import Problem

Verb = Literal["agree", "refuse"]
TEXT_MAX = 3_000_000
FORM_MAX = 4_000_000
REASON_MAX, NOTE_MAX, NAME_MAX = 200, 200, 60
SHOWN = 40
ALARMS_SHOWN = 60


class Outcome(Protocol):
    """version: in force; proposal: a second person is asked; both None: files were written."""

    @property
    def version(self) -> int | None: ...
    @property
    def proposal(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """look: name and text of a file -> kind, effect, faults, changes, preview. bring: the same with who and
    why: into force, or to be decided. Both raise ColdChainError in words for people.
    """

    look: Callable[[str, str], Mapping[str, Any]]
    bring: Callable[[str, str, str, str], Outcome]


class Changes:
    """One per application; its tools come when it is wired."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.kept = Proposals(console.settings.data_dir, console.wall_ms)
        self.given: Tools | None = None

    @property
    def tools(self) -> Tools:
        if self.given is None:
            raise Problem(503, "unavailable")
        return self.given

    def acting(self) -> str:
        """One name for one person: the same as on the command line (coldchain.wiring.changing.decider)."""
        name, account = signed_in(), visitor().account
        assert account is not None
        return known_as(account.person or name, self.console.records.registry())

    def one(self, number: int) -> Proposal:
        try:
            return self.kept.get(number)
        except BadData as bad:
            raise Problem(404, "unknown-change") from bad

    def decide(self, number: int, verb: str, note: str) -> Proposal:
        """By who is signed in. The same word again changes nothing; another one is a problem."""
        one, who, agree = self.one(number), self.acting(), verb == "agree"
        done = {"applied"} if agree else {"refused", "withdrawn"}
        if one.state in done and one.second == who:
            return one
        try:
            return self.kept.decide(number, who, agree=agree, note=note[:NOTE_MAX])
        except TooClose as bad:
            raise Problem(403, "too-close", str(bad)) from bad
        except ColdChainError as bad:
            raise Problem(409, "not-changed", str(bad)) from bad


def signed_in() -> str:
    """The account's name. Problem where nobody is signed in."""
    account = visitor().account
    if account is None:
        raise Problem(403, "not-allowed")
    return account.name


# --- for people


def router(changes: Changes) -> APIRouter:
    """What people's browsers ask for."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/changes")
    def page(request: Request) -> Response:
        return _page(changes, request)

    @routes.post("/changes")
    async def propose(request: Request) -> Response:
        """With `step` look: what it would do; with bring: into force, or asked of another person."""
        form = await read_form(request, FORM_MAX)
        return await asyncio.to_thread(_propose, changes, request, form)

    @routes.post("/changes/{number}/{verb}")
    async def decide(request: Request, number: int, verb: str) -> Response:
        form = await read_form(request)
        if verb not in {"agree", "refuse"}:
            raise Problem(404, "unknown-page")
        await asyncio.to_thread(changes.decide, number, verb, form.get("note", ""))
        return RedirectResponse(f"/changes#c-{number}", 303)

    return routes


def _page(changes: Changes, request: Request, **values: Any) -> Response:
    told: dict[str, Any] = {"looked": None, "name": "", "text": "", "reason": "", "wrong": "", "done": None}
    proposals = sorted(changes.kept.newest(SHOWN), key=lambda one: one.state != "open")
    mine = changes.acting() if visitor().account else ""
    return changes.console.render(
        request, "changes.html", proposals=proposals, mine=mine, most=ALARMS_SHOWN,
        **told | values,
    )  # fmt: skip


def _propose(changes: Changes, request: Request, form: Mapping[str, str]) -> Response:
    name, text, reason = _asked(form.get("name", ""), form.get("text", ""), form.get("reason", ""))
    kept = {"name": name, "text": text, "reason": reason}
    try:
        if form.get("step") != "bring":
            return _page(changes, request, looked=changes.tools.look(name, text), **kept)
        if not reason:
            raise Problem(422, "reason-missing")
        done = changes.tools.bring(name, text, signed_in(), reason)
    except ColdChainError as bad:
        return _page(changes, request, wrong=str(bad), **kept)
    return _page(changes, request, done=done)


def _asked(name: str, text: str, reason: str) -> tuple[str, str, str]:
    name, reason = name.strip()[:NAME_MAX], reason.strip()[:REASON_MAX]
    if not name:
        raise Problem(422, "name-missing")
    return name, text.replace("\r\n", "\n"), reason


# --- for programs


class DifferenceOut(BaseModel):
    """effect: narrows (alarms earlier or more often), widens (later or rarer), neutral."""

    subject: str
    what: str
    before: str
    after: str
    effect: Literal["narrows", "widens", "neutral"]


class MovedOut(BaseModel):
    """An alarm of the last days under both rules. minutes: later; null: only one of them has it."""

    sensor: str
    kind: str
    at: str
    change: Literal["gained", "lost", "earlier", "later"]
    minutes: float | None


class PreviewOut(BaseModel):
    days: int
    sensors: int
    readings: int
    same: int
    gained: int
    lost: int
    earlier: int
    later: int
    alarms: list[MovedOut]


class ChangeOut(BaseModel):
    """state: open, applied, refused, withdrawn, expired. second: who decided. version: of the registry."""

    number: int
    at: str
    until: str
    kind: Literal["registry", "profiles", "calibration"]
    name: str
    reason: str
    person: str
    state: str
    second: str | None
    decided: str | None
    note: str
    version: int | None
    changes: list[DifferenceOut]
    preview: PreviewOut


class ChangesOut(BaseModel):
    """Newest first. `next`: `before` of the next page, where there is one."""

    changes: list[ChangeOut]
    next: int | None = None


class Wish(BaseModel):
    """A whole registry (JSON) or file of profiles (TOML). look: only say what it would do."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=NAME_MAX, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    text: str = Field(max_length=TEXT_MAX)
    reason: str = Field("", max_length=REASON_MAX)
    look: bool = False


class WishOut(BaseModel):
    """faults: why it is not sound. version: now in force; proposal: another person is asked to decide."""

    kind: Literal["registry", "profiles"]
    effect: Literal["narrows", "widens", "neutral"]
    faults: list[str]
    changes: list[DifferenceOut]
    preview: PreviewOut
    version: int | None = None
    proposal: int | None = None


class Word(BaseModel):
    model_config = ConfigDict(extra="forbid")
    note: str = Field("", max_length=NOTE_MAX)


def programs(changes: Changes) -> APIRouter:
    """The same for programs."""
    routes = APIRouter(prefix="/api/v1", tags=["changes"])

    @routes.get("/changes", summary="Changes of rules that wait for a second person, and those decided")
    def newest(
        before: Annotated[int, Query(ge=1, le=2**53)] = 2**53,
        limit: Annotated[int, Query(ge=1, le=200)] = SHOWN,
    ) -> ChangesOut:
        """`before`: the number of a change; only older ones are listed then."""
        found = changes.kept.newest(limit + 1, before)
        following = found[limit - 1].id if len(found) > limit else None
        return ChangesOut(changes=[_out(one) for one in found[:limit]], next=following)

    @routes.post("/changes", summary="Look at a change of rules, bring it into force, or ask another person")
    def propose(wish: Wish, key: Key) -> WishOut:  # noqa: ARG001  the same text again changes nothing
        try:
            said = changes.tools.look(wish.name, wish.text)
            told = WishOut(
                **{name: said[name] for name in ("kind", "effect", "faults", "changes", "preview")}
            )
            if wish.look:
                return told
            if not wish.reason.strip():
                raise Problem(422, "reason-missing")
            done = changes.tools.bring(wish.name, wish.text, signed_in(), wish.reason.strip())
        except ColdChainError as bad:
            raise Problem(422, "unsound", str(bad)) from bad
        return told.model_copy(update={"version": done.version, "proposal": done.proposal})

    @routes.post(
        "/changes/{number}/{verb}", summary="Agree to a change that another person asked for, or refuse"
    )
    def decide(number: Annotated[int, Field(ge=1, le=2**53)], verb: Verb, word: Word, key: Key) -> ChangeOut:  # noqa: ARG001
        return _out(changes.decide(number, verb, word.note))

    return routes


def _out(one: Proposal) -> ChangeOut:
    return ChangeOut(
        number=one.id,
        at=rfc3339(one.at_ms),
        until=rfc3339(one.until_ms),
        kind=one.kind,
        name=one.name,
        reason=one.reason,
        person=one.person,
        state=one.state,
        second=one.second,
        decided=None if one.decided_ms is None else rfc3339(one.decided_ms),
        note=one.note,
        version=one.version,
        changes=[DifferenceOut(**change) for change in one.changes],  # type: ignore[arg-type]
        preview=PreviewOut(**one.preview),
    )
