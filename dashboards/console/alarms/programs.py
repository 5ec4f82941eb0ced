# SPDX-License-Identifier: Apache-2.0
"""One alarm for programs: all that its page tells, and what may be asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from coldchain.kernel.instants import rfc3339
from coldchain.records.asked import Asked
from coldchain.records.signatures import Paper, signed_disposition
from dashboards.console.accounts.gate import visitor
from dashboards.console.accounts.signing import Signing
from dashboards.console.alarms.disposing import KIND, dispose
from dashboards.console.alarms.routes import alarm_told
from dashboards.console.alarms.told import Told
from dashboards.console.alarms.wish import SHELF_MAX_MIN, wish
from dashboards.console.api import AlarmOut, alarm_out
from dashboards.console.console import Console
from dashboards.console.once import Key
from dashboards.console.problems import Problem
from dashboards.console.signatures import SignatureOut, peer, signatures_out

Verb = Literal[
    "acknowledge", "pass", "shelve", "unshelve", "out_of_service", "return_to_service", "dispose"
]  # fmt: skip


class EventOut(BaseModel):
    at: str
    event: str
    detail: str


class NoticeOut(BaseModel):
    """One message to one person. `delivered`: when it surely arrived; null: no report (yet)."""

    person: str
    channel: str
    state: str
    sent: str | None
    delivered: str | None
    text: str


class ListedOut(BaseModel):
    """minutes: until its limit, within low_min..high_min; null: unknown. refuge: where its blood could go."""

    appliance: str
    minutes: int | None
    low_min: int | None
    high_min: int | None
    refuge: str
    note: str


class MovedOut(BaseModel):
    """Blood that was moved: minutes beyond its limits within a day, and those that its profile allows."""

    source: str
    target: str
    person: str
    at: str
    out_min: int
    allowed_min: int | None
    ended: str | None


class DispositionOut(BaseModel):
    what: str
    person: str
    second: str
    reason: str
    at: str
    signatures: list[SignatureOut]


class AsideOut(BaseModel):
    """Put aside (`until`), or out of service (no `until`)."""

    person: str
    reason: str
    since: str
    until: str | None


class OneAlarmOut(BaseModel):
    """`offers`: the verbs that do something now; `left_min`: minutes to the limit, where they are known."""

    alarm: AlarmOut
    product: bool
    cause: str
    evidence: str
    left_min: int | None
    parent: int | None
    children: list[int]
    listed: list[ListedOut]
    events: list[EventOut]
    notices: list[NoticeOut]
    moved: list[MovedOut]
    dispositions: list[DispositionOut]
    shelved: AsideOut | None
    out_of_service: AsideOut | None
    offers: list[str]


Secret = Annotated[str, Field(max_length=1000)]
Name = Annotated[str, Field(max_length=48)]


class AskIn(BaseModel):
    """Which of these a verb takes, docs/alarm-lifecycle.md tells. `person`: only without an account.

    `dispose` is signed: `password` is that of the token's account, typed anew (without an account: `signer`
    and `password`); `signer2` and `password2` are the second person's, or nothing, and they sign later.
    """

    model_config = ConfigDict(extra="forbid")
    action: str = ""
    target: str = ""
    reason: str = ""
    minutes: Annotated[int, Field(ge=1, le=SHELF_MAX_MIN)] | None = None
    second: str = ""
    what: str = ""
    to: str = ""
    person: str = ""
    password: Secret = ""
    signer: Name = ""
    password2: Secret = ""
    signer2: Name = ""


Came = Literal["signed", "asked", "applied", "nothing", "refused"]
OUTCOMES: tuple[Came, ...] = ("applied", "nothing", "refused")


class AskedOut(BaseModel):
    """What was asked, and what alerts made of it: `asked` until it has taken it up.

    `signed`: by one person; nothing is asked until the second has signed /api/v1/signatures/{id}, too
    """

    id: str
    verb: str
    person: str
    at: str
    state: Came
    outcome: str


def router(console: Console, signing: Signing) -> APIRouter:
    """What programs ask for."""
    routes = APIRouter(prefix="/api/v1/alarms")

    @routes.get("/{number}")
    def one(number: int) -> OneAlarmOut:
        told = alarm_told(console, number)
        return one_out(told, signing.reader.about(KIND, told.alarm.id))

    @routes.post("/{number}/{verb}", status_code=202)
    def ask(request: Request, number: int, verb: Verb, said: AskIn, key: Key, response: Response) -> AskedOut:
        """The key is the command's id: sent again with the same words it tells what came of it (200)."""
        told = alarm_told(console, number)
        account = visitor().account
        fields = {name: str(value) for name, value in said.model_dump(exclude_none=True).items()}
        person = account.person if account is not None else said.person
        if verb == "dispose":
            paper = dispose(console, signing, told, fields, peer(request), key)
            if not paper.whole:
                first = paper.signatures[0]
                return AskedOut(
                    id=key, verb=verb, person=first.person, at=rfc3339(first.at_ms), state="signed",
                    outcome="waits for the second signature",
                )  # fmt: skip
            found, outcome = console.records.asked(key)
            return _answered(found, outcome, response)
        made = wish(verb, person, fields, told, console.records.registry(), "api")
        console.records.ask(key, made.verb, made.person, made.alarm, made.body)
        found, outcome = console.records.asked(key)
        if found is not None and (found.verb, found.person, found.alarm, found.body) != (
            made.verb, made.person, made.alarm or "", made.body,
        ):  # fmt: skip
            raise Problem(422, "key-used")
        return _answered(found, outcome, response)

    return routes


def _answered(found: Asked | None, outcome: str, response: Response) -> AskedOut:
    if found is None:
        raise Problem(503, "unavailable")
    if outcome:
        response.status_code = 200
    return asked_out(found, outcome)


def asked_out(asked: Asked, outcome: str) -> AskedOut:
    """Alerts' answers begin with what came of it."""
    state: Came = next((one for one in OUTCOMES if outcome.startswith(one)), "asked")
    return AskedOut(
        id=asked.id, verb=asked.verb, person=asked.person, at=rfc3339(asked.at_ms), state=state,
        outcome=outcome,
    )  # fmt: skip


def one_out(told: Told, papers: Sequence[Paper]) -> OneAlarmOut:
    """Telephone numbers stay inside."""
    cause, evidence = told.cause
    shelf, out = told.shelf, told.out
    return OneAlarmOut(
        alarm=alarm_out(told.alarm), product=told.alarm.product, cause=cause, evidence=evidence,
        left_min=told.left_min, parent=told.parent.number if told.parent else None,
        children=[child.number for child in told.children],
        listed=[
            ListedOut(
                appliance=one.appliance, minutes=one.minutes, low_min=one.low_min, high_min=one.high_min,
                refuge=one.refuge, note=one.note,
            )
            for one in told.listed
        ],
        events=[EventOut(at=rfc3339(e.at_ms), event=e.event, detail=e.detail) for e in told.events],
        notices=[
            NoticeOut(
                person=n.person, channel=n.channel, state=n.state, sent=_maybe(n.sent_ms),
                delivered=_maybe(told.delivered.get(n.id)), text=n.text,
            )
            for n in told.notices
        ],
        moved=[
            MovedOut(
                source=m.source, target=m.target, person=m.person, at=rfc3339(m.at_ms),
                out_min=m.out_ms // 60_000, ended=_maybe(m.ended_ms),
                allowed_min=None if m.allowed_ms is None else m.allowed_ms // 60_000,
            )
            for m in told.moved
        ],
        dispositions=[
            DispositionOut(
                what=d.what, person=d.person, second=d.second, reason=d.reason, at=rfc3339(d.at_ms),
                signatures=signatures_out(
                    signed_disposition(papers, d.what, d.person, d.second, d.reason)
                ),
            )
            for d in told.dispositions
        ],
        shelved=AsideOut(
            person=shelf.person, reason=shelf.reason, since=rfc3339(shelf.from_ms),
            until=rfc3339(shelf.until_ms),
        ) if shelf else None,
        out_of_service=AsideOut(
            person=out.person, reason=out.reason, since=rfc3339(out.from_ms), until=None
        ) if out else None,
        offers=sorted(told.offers),
    )  # fmt: skip


def _maybe(at_ms: int | None) -> str | None:
    return None if at_ms is None else rfc3339(at_ms)
