# SPDX-License-Identifier: Apache-2.0
"""Training: the phones on the screen, a box to reply in, and what the trainee has done so far."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from coldchain.kernel.errors import BadData
from coldchain.kernel.instants import rfc3339
from coldchain.records.alarms import Alarm, AlarmEvent
from coldchain.records.signatures import SignedReader
from dashboards.console.accounts.forms import read_form
from dashboards.console.office.tools import Office
from dashboards.console.once import Key
from dashboards.console.problems import Problem

SCENARIOS = ("power-cut", "door-open", "probe-fault", "slow-compressor")
QUICK_MS = 3 * 60_000
"""The first answer is wanted before the second message goes out."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. at_ms: when it was done, None: not yet; late: done, later than it should be."""

    key: str
    at_ms: int | None
    late: bool = False


def router(office: Office) -> APIRouter:
    """What people's browsers ask for."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/training")
    def page(request: Request) -> Response:
        console, phones = office.console, office.given.phones if office.given is not None else None
        registry = console.records.registry()
        names = {number: p.name for p in registry.people for number in (p.phone, *p.numbers)}
        received = phones.received() if phones is not None else []
        return console.render(
            request, "training.html",
            scenario=console.settings.training if phones is not None else None, scenarios=SCENARIOS,
            received=received, numbers=list(dict.fromkeys(number for _, number, _ in received)), names=names,
            steps=steps(office) if phones is not None else [],
            known=phones.accounts if phones is not None else (),
        )  # fmt: skip

    @routes.post("/training/reply")
    async def reply(request: Request) -> Response:
        form = await read_form(request)
        await asyncio.to_thread(reply_from, office, form.get("number", ""), form.get("text", ""))
        return RedirectResponse("/training", 303)

    return routes


def reply_from(office: Office, number: str, text: str) -> None:
    """A phone of the training answers. Problem where there is no training."""
    phones = office.given.phones if office.given is not None else None
    if phones is None:
        raise Problem(404, "unknown-page")
    try:
        phones.reply(number, text)
    except BadData as bad:
        raise Problem(422, "unsound", str(bad)) from bad


class TrainingStepOut(BaseModel):
    """at: when it was done; null: not yet. late: done, later than it should be."""

    step: str
    at: str | None
    late: bool


class MessageOut(BaseModel):
    at: str
    number: str
    text: str


class TrainingOut(BaseModel):
    """scenario: null: this is no training."""

    scenario: str | None
    steps: list[TrainingStepOut]
    received: list[MessageOut]


class ReplyIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: Annotated[str, Field(max_length=20)]
    text: Annotated[str, Field(max_length=500)]


class RepliedOut(BaseModel):
    done: bool


def programs(office: Office) -> APIRouter:
    """What programs ask for."""
    routes = APIRouter(prefix="/api/v1/training", tags=["training"])

    @routes.get("", summary="What the trainee has done, and what came to the phones")
    def training() -> TrainingOut:
        phones = office.given.phones if office.given is not None else None
        if phones is None:
            return TrainingOut(scenario=None, steps=[], received=[])
        return TrainingOut(
            scenario=office.console.settings.training,
            steps=[
                TrainingStepOut(step=s.key, at=None if s.at_ms is None else rfc3339(s.at_ms), late=s.late)
                for s in steps(office)
            ],
            received=[
                MessageOut(at=rfc3339(at_ms), number=number, text=text)
                for at_ms, number, text in phones.received()
            ],
        )

    @routes.post("/replies", summary="A reply from a phone of the training")
    def reply(said: ReplyIn, _key: Key) -> RepliedOut:
        reply_from(office, said.number, said.text)
        return RepliedOut(done=True)

    return routes


def steps(office: Office) -> list[Step]:
    """Of all alarms of the training together: what was done first."""
    if not office.console.settings.alarms_db.exists():
        return judged([], [], [], [], [])
    with office.alarms() as reader:
        alarms = reader.alarms(50)
        events = [event for alarm in alarms for event in reader.events(alarm.id)]
        sent = [n.sent_ms for n in reader.notices(500) if n.sent_ms is not None and n.about == "raised"]
        fates = [(one.alarm, one.at_ms) for one in reader.dispositions()]
    signed = SignedReader(office.console.settings.desk_db)
    whole = [paper for alarm, _ in fates for paper in signed.about("disposition", alarm) if paper.whole]
    return judged(alarms, events, sent, [at for _, at in fates], [p.signatures[-1].at_ms for p in whole])


def judged(
    alarms: list[Alarm], events: list[AlarmEvent], sent: list[int], fates: list[int], signed: list[int]
) -> list[Step]:
    """The checklist. Pure."""
    raised = min((alarm.decided_ms for alarm in alarms), default=None)
    answers = [event for event in events if event.event == "acknowledged"]
    actions = [event.at_ms for event in answers if len(event.detail.split(":")[0].split()) > 1]
    answered = min((event.at_ms for event in answers), default=None)
    late = answered is not None and raised is not None and answered - raised > QUICK_MS
    wanted = any(alarm.product for alarm in alarms) or bool(fates)
    found = [
        Step("told", min(sent, default=None)),
        Step("answered", answered, late),
        Step("action", min(actions, default=None)),
        Step("returned", min((a.returned_ms for a in alarms if a.returned_ms is not None), default=None)),
    ]
    if wanted:
        found += [Step("disposed", min(fates, default=None)), Step("signed", min(signed, default=None))]
    return found
