# SPDX-License-Identifier: Apache-2.0
"""Devices, work orders, maintenance and documents for programs: what the pages show and take."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from coldchain.kernel.instants import rfc3339
from coldchain.records.devices import Due, Entry
from coldchain.records.work import WorkOrder
from dashboards.console.accounts.forms import bounded
from dashboards.console.accounts.gate import visitor
from dashboards.console.console import Console
from dashboards.console.devices.asking import NOTES, actor, ask_another, enter, raise_order, step_order
from dashboards.console.devices.forms import AROUND, add_paper
from dashboards.console.devices.known import Bench, Known, Line
from dashboards.console.once import Key
from dashboards.console.paging import After, Limit, page_after
from dashboards.console.problems import Problem

Text = Annotated[str, Field(max_length=1000)]
Serial = Annotated[str, Field(min_length=1, max_length=96)]
Kind = Literal[
    "facts", "installed", "plan", "plan_other", "done", "part", "certificate", "mapping", "paper"
]  # fmt: skip
Verb = Literal["sent", "started", "finished", "cancelled", "noted"]
SIZE_MAX = 8_000_000


class DueOut(BaseModel):
    """`plan`: the entry to name in `done`; `days`: until it is due, negative: overdue."""

    serial: str
    plan: int
    task: str
    due: str
    days: int
    done: str | None


class DeviceOut(BaseModel):
    """`appliance`: what it is now; null: it stands nowhere."""

    serial: str
    maker: str
    model: str
    status: str
    reason: str
    appliance: str | None
    site: str
    work_orders: list[int]
    next_due: str | None


class DevicesOut(BaseModel):
    devices: list[DeviceOut]
    next: str | None


class EntryOut(BaseModel):
    """`said` null: it withdraws what it `corrects`. `standing`: nothing has corrected it."""

    id: int
    kind: str
    person: str
    at: str
    corrects: int | None
    standing: bool
    said: dict[str, Any] | None


class StayOut(BaseModel):
    appliance: str
    site: str
    since: str | None
    until: str | None


class FaultOut(BaseModel):
    number: int
    appliance: str
    kind: str
    since: str
    returned: str | None


class OneDeviceOut(BaseModel):
    """`proving`: what it lacks to go back into service, asked since; null: nobody asked, or it is back."""

    device: DeviceOut
    stays: list[StayOut]
    faults: list[FaultOut]
    entries: list[EntryOut]
    due: list[DueOut]
    proving: str | None
    proving_since: str | None


class StepOut(BaseModel):
    state: str
    person: str
    at: str
    said: dict[str, str]


class OrderOut(BaseModel):
    """`offers`: the states that may follow."""

    number: int
    serial: str
    appliance: str
    site: str
    alarm: int | None
    what: str
    contractor: str
    person: str
    at: str
    state: str
    offers: list[str]
    steps: list[StepOut]


class OrdersOut(BaseModel):
    """Newest first; `next`: ask with it as `before` for older ones."""

    work_orders: list[OrderOut]
    next: int | None


class MaintenanceOut(BaseModel):
    """The most overdue first. `next`: `after` of the next page."""

    due: list[DueOut]
    next: str | None = None


class In(BaseModel):
    """`person`: only without an account."""

    model_config = ConfigDict(extra="forbid")
    person: Annotated[str, Field(max_length=60)] = ""


class EntryIn(In):
    """`said`: the fields of that kind (instants in ms); null withdraws what it `corrects`."""

    serial: Serial
    kind: Kind
    said: dict[str, str | int | float | None] | None
    corrects: Annotated[int, Field(ge=1, lt=2**53)] | None = None


class RaiseIn(In):
    """For an alarm, or for an appliance with what is to be done."""

    appliance: Annotated[str, Field(max_length=48)] = ""
    alarm: Annotated[int, Field(ge=1, lt=10**9)] | None = None
    what: Annotated[str, Field(max_length=300)] = ""
    contractor: Annotated[str, Field(max_length=48)] = ""


class StepIn(In):
    """sent: contractor. started: to (an appliance, or `empty`). finished: findings, cause, parts, cost."""

    contractor: Annotated[str, Field(max_length=48)] = ""
    to: Annotated[str, Field(max_length=48)] = ""
    findings: Text = ""
    cause: Text = ""
    parts: Text = ""
    cost: Annotated[str, Field(max_length=20)] = ""
    currency: Annotated[str, Field(max_length=3)] = ""
    note: Text = ""


class MadeOut(BaseModel):
    """`id` null: another person is asked first, by the `proposal` of that number (see /changes)."""

    id: int | None
    proposal: int | None = None


class PaperOut(BaseModel):
    id: int
    sha256: str


def router(console: Console, bench: Bench) -> APIRouter:
    """What programs ask for."""
    routes = APIRouter(prefix="/api/v1")
    _devices(routes, console, bench)
    _papers(routes, console, bench)
    _orders(routes, bench)
    return routes


def _devices(routes: APIRouter, console: Console, bench: Bench) -> None:
    @routes.get("/devices")
    def devices(
        after: Annotated[str, Query(max_length=96)] = "", limit: Annotated[int, Query(ge=1, le=500)] = 200
    ) -> DevicesOut:
        """By serial number; `next`: ask with it as `after` for more."""
        found = sorted(bench.lines(), key=lambda line: line.serial)
        found = [line for line in found if line.serial > after]
        more = found[limit - 1].serial if len(found) > limit else None
        return DevicesOut(devices=[line_out(line) for line in found[:limit]], next=more)

    @routes.get("/devices/{serial:path}")
    def device(serial: str) -> OneDeviceOut:
        return device_out(bench.device(serial), console.wall_ms())

    @routes.post("/devices", status_code=201)
    def entry(said: EntryIn, key: Key, response: Response) -> MadeOut:
        """The key is the entry's for good: when its answer is forgotten, it changes nothing (200)."""
        if said.kind == "paper" and said.said is not None:
            raise Problem(422, "field-wrong", "kind")
        if not visitor().may("devices") and (
            said.kind not in NOTES or said.said is None or said.corrects is not None
        ):
            raise Problem(403, "not-allowed")
        if (known := bench.devices.entry(key)) is not None:
            if (known.serial, known.kind) != (said.serial, said.kind):
                raise Problem(422, "key-used")
            response.status_code = 200
            return MadeOut(id=known.id)
        who, fields = actor(bench, said.person), dict(said.said) if said.said is not None else None
        if said.kind == "installed" and fields is not None:
            place = bench.registry.appliance_by_id.get(str(fields.get("appliance")))
            bench.check(place.site if place else "")
            fields["site"] = place.site if place else ""
        if said.kind == "certificate" and (
            asked := ask_another(bench, key, said.serial, fields, who=who, corrects=said.corrects)
        ):
            response.status_code = 202
            return MadeOut(id=None, proposal=asked)
        made = enter(bench, key, said.serial, said.kind, fields, who=who, corrects=said.corrects)
        return MadeOut(id=made)


def _papers(routes: APIRouter, console: Console, bench: Bench) -> None:
    @routes.post("/papers", status_code=201, openapi_extra=FILE_BODY)
    async def paper(
        request: Request,
        key: Key,
        serial: Annotated[str, Query(min_length=1, max_length=96)],
        title: Annotated[str, Query(max_length=120)] = "",
        sort: Literal["photo", "manual", "certificate", "report", "other"] = "other",
        person: Annotated[str, Query(max_length=60)] = "",
    ) -> PaperOut:
        """A document or photo as the body: JPEG, PNG, WebP or PDF, at most 8 MB."""
        body = await bounded(request, SIZE_MAX + AROUND)
        bench.device(serial)
        said = {"title": title, "sort": sort}
        id_, digest = add_paper(bench, console, key, serial, body, said, actor(bench, person))
        return PaperOut(id=id_, sha256=digest)

    @routes.get("/maintenance")
    def maintenance(after: After = "", limit: Limit = 200) -> MaintenanceOut:
        """Every task of every plan, the most overdue first."""
        now = console.wall_ms()
        found, following = page_after(
            bench.due(),
            lambda one: f"{one[1].due_ms:015d}.{one[1].plan.first:012d}.{one[0].serial}",
            after,
            limit,
        )
        return MaintenanceOut(due=[due_out(line.serial, due, now) for line, due in found], next=following)


FILE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def _orders(routes: APIRouter, bench: Bench) -> None:
    @routes.get("/work-orders")
    def orders(
        serial: Annotated[str | None, Query(max_length=96)] = None,
        appliance: Annotated[str | None, Query(max_length=48)] = None,
        before: Annotated[int | None, Query(ge=1, lt=2**53)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 100,
    ) -> OrdersOut:
        sees, registry = visitor().sees, bench.registry
        found = bench.work.orders(serial=serial, appliance=appliance, before=before, limit=limit)
        shown = [order_out(one) for one in found if not one.site or sees(one.site, registry)]
        return OrdersOut(work_orders=shown, next=found[-1].number if len(found) == limit else None)

    @routes.get("/work-orders/{number}")
    def order(number: int) -> OrderOut:
        return order_out(bench.order(number))

    @routes.post("/work-orders", status_code=201)
    def raised(said: RaiseIn, key: Key, response: Response) -> OrderOut:
        """For an alarm that has a live order: that order (200)."""
        fields = {name: str(value) for name, value in said.model_dump(exclude_none=True).items() if value}
        before = bench.work.asked(key)
        live = said.alarm is not None and any(o.live for o in bench.work.orders(alarm=said.alarm))
        number = raise_order(bench, key, fields, actor(bench, said.person))
        if before is not None or live:
            response.status_code = 200
        return order_out(bench.order(number))

    @routes.post("/work-orders/{number}/{verb}")
    def stepped(number: int, verb: Verb, said: StepIn, key: Key) -> OrderOut:
        """Bring it on; sent again with the same key it changes nothing."""
        order = bench.order(number)
        known = bench.work.asked(key)
        if known is not None and known.number != number:
            raise Problem(422, "key-used")
        if known is None:
            fields = {name: value for name, value in said.model_dump().items() if value}
            step_order(bench, key, order, verb, fields, actor(bench, said.person))
        return order_out(bench.order(number))


def line_out(line: Line) -> DeviceOut:
    here = line.here
    return DeviceOut(
        serial=line.serial, maker=line.facts.maker, model=line.facts.model or (here.model if here else ""),
        status=line.status, reason=line.facts.reason, appliance=here.id if here else None, site=line.site,
        work_orders=[order.number for order in line.live],
        next_due=rfc3339(line.due.due_ms) if line.due else None,
    )  # fmt: skip


def device_out(known: Known, now_ms: int) -> OneDeviceOut:
    due, standing = known.due, {entry.id for entry in known.dossier.standing}
    live = [order.number for order in known.orders if order.live]
    return OneDeviceOut(
        device=DeviceOut(
            serial=known.serial, maker=known.facts.maker, model=known.model, status=known.status,
            reason=known.facts.reason, appliance=known.here.id if known.here else None, site=known.site,
            work_orders=live, next_due=rfc3339(due[0].due_ms) if due else None,
        ),
        stays=[
            StayOut(
                appliance=s.appliance, site=s.site, since=_maybe(s.from_ms or None), until=_maybe(s.until_ms)
            )
            for s in known.stays
        ],
        faults=[
            FaultOut(
                number=a.number, appliance=a.appliance, kind=a.kind, since=rfc3339(a.since_ms),
                returned=_maybe(a.returned_ms),
            )
            for a in known.faults
        ],
        entries=[entry_out(entry, entry.id in standing) for entry in known.dossier.entries],
        due=[due_out(known.serial, one, now_ms) for one in due],
        proving=known.proving.missing if known.proving else None,
        proving_since=rfc3339(known.proving.asked_ms) if known.proving else None,
    )  # fmt: skip


def entry_out(entry: Entry, standing: bool) -> EntryOut:  # noqa: FBT001 -- said at each call by its name
    said = entry.said.model_dump() if entry.said is not None else None
    return EntryOut(
        id=entry.id, kind=entry.kind, person=entry.person, at=rfc3339(entry.at_ms), corrects=entry.corrects,
        standing=standing, said=said,
    )  # fmt: skip


def due_out(serial: str, due: Due, now_ms: int) -> DueOut:
    return DueOut(
        serial=serial, plan=due.plan.first, task=due.plan.said.task, due=rfc3339(due.due_ms),
        days=due.days(now_ms), done=_maybe(due.done_ms),
    )  # fmt: skip


def order_out(order: WorkOrder) -> OrderOut:
    return OrderOut(
        number=order.number, serial=order.serial, appliance=order.appliance, site=order.site,
        alarm=order.alarm, what=order.what, contractor=order.told("contractor") or order.contractor,
        person=order.person, at=rfc3339(order.at_ms), state=order.state, offers=sorted(order.offers),
        steps=[
            StepOut(state=s.state, person=s.person, at=rfc3339(s.at_ms), said=s.body) for s in order.steps
        ],
    )  # fmt: skip


def _maybe(at_ms: int | None) -> str | None:
    return None if at_ms is None else rfc3339(at_ms)
