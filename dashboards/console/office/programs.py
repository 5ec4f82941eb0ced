# SPDX-License-Identifier: Apache-2.0
"""The office for programs: duty and test messages, tables of the registry, schedules of reports."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from coldchain.kernel.errors import BadData
from coldchain.kernel.instants import parse_instant, rfc3339
from coldchain.records.filed import FiledReader
from dashboards.console.office.duty import (
    RotaView,
    find_rota,
    put_override,
    send_test,
    tried,
    undo_override,
    views,
)
from dashboards.console.office.register import apply_table, planned
from dashboards.console.office.schedules import add_schedule, end_schedule
from dashboards.console.office.tools import Office, Shift
from dashboards.console.once import Key
from dashboards.console.paging import After, Before, Limit, page_after, page_of
from dashboards.console.problems import Problem

Word = Annotated[str, Field(max_length=80)]
TEXT_MAX = 2_000_000


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ShiftOut(BaseModel):
    """person null: nobody."""

    from_: Annotated[str, Field(serialization_alias="from")]
    until: str
    person: str | None


class RotaOut(BaseModel):
    id: str
    level: int
    sites: list[str]
    now: str | None
    shifts: list[ShiftOut]
    gaps: list[tuple[str, str]]


class OnCallOut(BaseModel):
    """By id. `next`: `after` of the next page."""

    rotas: list[RotaOut]
    next: str | None = None


class OverrideIn(Asked):
    """Instants (RFC 3339). back: when a shift of that person begins which they give in return: a swap."""

    rota: Word
    person: Word
    from_: Annotated[str, Field(alias="from", max_length=40)]
    until: Annotated[str, Field(max_length=40)]
    back: Annotated[str, Field(max_length=40)] = ""
    reason: Annotated[str, Field(max_length=200)] = ""


class UndoIn(Asked):
    rota: Word
    person: Word
    from_: Annotated[str, Field(alias="from", max_length=40)]


class CalendarIn(Asked):
    rota: Word


class CalendarOut(BaseModel):
    """path: of this console; whoever has it may read the rota's shifts. Told once; the one before ends."""

    path: str


class DoneOut(BaseModel):
    done: bool


class TestIn(Asked):
    person: Word
    channel: Literal["sms", "call", "email"] = "sms"


class TestOut(BaseModel):
    """state: empty until alerts has taken it up; delivered: when it surely arrived."""

    at: str
    person: str
    channel: str
    state: str
    delivered: str | None


class TestsOut(BaseModel):
    """The newest only: a try is for now."""

    tests: list[TestOut]


class TableIn(Asked):
    """csv: as the console takes it. base: of a plan that was looked at; only with it anything changes."""

    csv: Annotated[str, Field(max_length=TEXT_MAX)]
    base: Annotated[int, Field(ge=0)] | None = None
    reason: Annotated[str, Field(max_length=200)] = ""


class RowOut(BaseModel):
    line: int
    id: str
    state: str
    changes: list[tuple[str, str, str]]
    why: str


class PlanOut(BaseModel):
    """base: the version that it is against; sound: it may be applied; version, proposal: what came of it."""

    base: int
    sound: bool
    fault: str
    rows: list[RowOut]
    version: int | None = None
    proposal: int | None = None


class ScheduleIn(Asked):
    kind: Literal["day", "month"]
    site: Word = ""
    language: Literal["lo", "en", "fr", "vi"] = "en"
    at: Annotated[str, Field(max_length=5)]
    who: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=20)]


class ScheduleOut(ScheduleIn):
    id: int


class SchedulesOut(BaseModel):
    """Newest first. `next`: `before` of the next page."""

    schedules: list[ScheduleOut]
    next: str | None = None


def programs(office: Office) -> APIRouter:
    """What programs ask for."""
    routes = APIRouter(prefix="/api/v1")
    _duty(routes, office)
    _tests(routes, office)
    _registry(routes, office)
    _schedules(routes, office)
    return routes


def _duty(routes: APIRouter, office: Office) -> None:
    @routes.get("/oncall")
    def oncall(after: After = "", limit: Limit = 100) -> OnCallOut:
        """The rotas: who now, the next shifts, where nobody is within 30 days."""
        told = views(office, office.console.records.registry(), office.console.wall_ms())
        found, following = page_after(told, lambda view: view.rota.id, after, limit)
        return OnCallOut(rotas=[_rota_out(view) for view in found], next=following)

    @routes.post("/oncall/overrides")
    def override(said: OverrideIn, _key: Key) -> DoneOut:
        """Somebody else for a while; with `back`, they take a shift of theirs in return."""
        zone = find_rota(office.console.records.registry(), said.rota).zone
        form = {"rota": said.rota, "person": said.person, "reason": said.reason}
        form |= {"from": _local(said.from_, zone), "until": _local(said.until, zone)}
        form |= {"back": str(_ms(said.back))} if said.back else {}
        put_override(office, form)
        return DoneOut(done=True)

    @routes.post("/oncall/overrides/undo")
    def undo(said: UndoIn, _key: Key) -> DoneOut:
        undo_override(office, {"rota": said.rota, "override": f"{said.person}@{_ms(said.from_)}"})
        return DoneOut(done=True)

    @routes.post("/oncall/calendars", status_code=201)
    def calendar(said: CalendarIn, _key: Key) -> CalendarOut:
        """A new secret address of a rota's calendar."""
        rota = find_rota(office.console.records.registry(), said.rota)
        return CalendarOut(path=office.tools.calendar(rota.id))


def _tests(routes: APIRouter, office: Office) -> None:
    @routes.get("/test-messages")
    def tests() -> TestsOut:
        """The newest test messages and what became of them."""
        found = [
            TestOut(
                at=rfc3339(one.at_ms), person=one.person, channel=one.channel, state=one.state,
                delivered=rfc3339(one.delivered_ms) if one.delivered_ms else None,
            )
            for one in tried(office)
        ]  # fmt: skip
        return TestsOut(tests=found)

    @routes.post("/test-messages", status_code=202)
    def test(said: TestIn, key: Key) -> DoneOut:
        send_test(office, {"person": said.person, "channel": said.channel}, key)
        return DoneOut(done=True)


def _registry(routes: APIRouter, office: Office) -> None:
    @routes.post("/registry/{table}")
    def table(table: str, said: TableIn, _key: Key) -> PlanOut:
        """Without `base` only looked at; with the base of a plan that was looked at, applied as a whole."""
        try:
            plan, base = planned(office, table, said.csv)
        except BadData as bad:
            raise Problem(422, "unsound", str(bad)) from bad
        done = None
        if said.base is not None:
            form = {"table": table, "text": said.csv, "base": str(said.base), "reason": said.reason}
            done = apply_table(office, form)
        return PlanOut(
            base=base, sound=plan.made is not None, fault=plan.fault,
            rows=[
                RowOut(line=row.line, id=row.id, state=row.state, changes=list(row.changes), why=row.why)
                for row in plan.rows
            ],
            version=done.version if done else None, proposal=done.proposal if done else None,
        )  # fmt: skip


def _schedules(routes: APIRouter, office: Office) -> None:
    @routes.get("/schedules")
    def schedules(before: Before = "", limit: Limit = 100) -> SchedulesOut:
        """Reports that are mailed."""
        all_ = FiledReader(office.console.settings.desk_db).schedules()
        some, following = page_of(all_, lambda one: (one.id, ""), before, limit)
        found = [
            ScheduleOut(
                id=one.id, kind=one.kind, site=one.subject, language=one.language, at=one.at_clock,  # type: ignore[arg-type]
                who=list(one.who),
            )
            for one in some
        ]  # fmt: skip
        return SchedulesOut(schedules=found, next=following)

    @routes.post("/schedules")
    def add(said: ScheduleIn, _key: Key) -> DoneOut:
        form = {"kind": said.kind, "site": said.site, "language": said.language, "at": said.at}
        add_schedule(office, form | {"who": ",".join(said.who)})
        return DoneOut(done=True)

    @routes.post("/schedules/{number}/end")
    def end(number: int, _key: Key) -> DoneOut:
        end_schedule(office, number if 0 < number < 2**53 else 0)
        return DoneOut(done=True)


def _rota_out(view: RotaView) -> RotaOut:
    def shift(one: Shift) -> ShiftOut:
        return ShiftOut(from_=rfc3339(one.start_ms), until=rfc3339(one.end_ms), person=one.person)

    return RotaOut(
        id=view.rota.id, level=view.rota.level, sites=list(view.sites),
        now=view.now.person if view.now else None, shifts=[shift(one) for one in view.shifts],
        gaps=[(rfc3339(start), rfc3339(end)) for start, end in view.gaps],
    )  # fmt: skip


def _ms(text: str) -> int:
    try:
        return parse_instant(text)
    except (ValueError, OverflowError) as bad:
        raise Problem(422, "span-missing", text) from bad


def _local(text: str, zone: str) -> str:
    """An instant as the form of the page says it."""
    try:
        local = datetime.fromtimestamp(_ms(text) / 1000, ZoneInfo(zone))
    except (ValueError, OverflowError, OSError) as bad:
        raise Problem(422, "span-missing", text) from bad
    return local.replace(tzinfo=None).isoformat()
