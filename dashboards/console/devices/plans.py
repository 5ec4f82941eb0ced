# SPDX-License-Identifier: Apache-2.0
"""Preventive maintenance of whole models: one plan for every device of a model, for people and programs.

What is otherwise for one device is an entry of that device (`plan_other`); so is that a task was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from coldchain.kernel.errors import BadData
from coldchain.kernel.instants import parse_instant, rfc3339
from coldchain.records.devices import Entry, of_model
from dashboards.console.accounts.forms import read_form
from dashboards.console.accounts.gate import visitor
from dashboards.console.console import Console
from dashboards.console.devices.asking import actor
from dashboards.console.devices.fields import entry_fields
from dashboards.console.devices.forms import FORM_MAX, corrected, key_of
from dashboards.console.devices.known import Bench, models_of
from dashboards.console.once import Key
from dashboards.console.problems import Problem


def put_plan(
    bench: Bench, key: str, fields: Mapping[str, object] | None, *, who: str, corrects: int | None = None
) -> int:
    """Write, correct or (fields None) withdraw a plan; its entry. For accounts of the whole: it concerns
    devices everywhere. Problem says what is not sound.
    """
    account = visitor().account
    if account is not None and account.sites:
        raise Problem(403, "not-your-site")
    before = next((one for one in bench.devices.models() if one.id == corrects), None)
    if corrects is not None and before is None and bench.devices.entry(key) is None:
        raise Problem(404, "unknown-plan", str(corrects))
    model = before.said.model if before is not None else str((fields or {}).get("model", ""))
    if (
        before is not None
        and fields is not None
        and of_model(str(fields.get("model", model))) != before.serial
    ):
        raise Problem(422, "field-wrong", "model")
    try:
        return bench.deeds.enter(key, of_model(model), "model_plan", fields, person=who, corrects=corrects)
    except BadData as bad:
        raise Problem(422, "not-taken", str(bad)) from bad


def router(console: Console, bench: Bench) -> APIRouter:
    """What people's browsers send; the page is that of what is due."""
    routes = APIRouter(include_in_schema=False)

    @routes.post("/maintenance/plan")
    async def plan(request: Request) -> Response:
        form = await read_form(request, FORM_MAX)

        def write() -> None:
            fields = None
            if not form.get("withdraw"):
                fields = entry_fields("model_plan", form, console.records.zone, console.wall_ms())
            who = actor(bench, form.get("name", ""))
            put_plan(bench, key_of(form), fields, who=who, corrects=corrected(form))

        await asyncio.to_thread(write)
        return RedirectResponse("/maintenance#models", 303)

    return routes


class ModelPlanOut(BaseModel):
    """plan: the number to name in `done` and `plan_other`; id: to name as what is corrected."""

    plan: int
    id: int
    model: str
    task: str
    every_days: int
    first: str
    note: str
    devices: int


class ModelPlansOut(BaseModel):
    plans: list[ModelPlanOut]


class ModelPlanIn(BaseModel):
    """first: when it is due for the first time (RFC 3339). corrects: the entry that it takes the place of;
    with `withdraw` it is planned no more.
    """

    model_config = ConfigDict(extra="forbid")
    model: Annotated[str, Field(max_length=60)] = ""
    task: Annotated[str, Field(max_length=120)] = ""
    every_days: Annotated[int, Field(ge=1, le=3660)] = 365
    first: Annotated[str, Field(max_length=40)] = ""
    note: Annotated[str, Field(max_length=1000)] = ""
    corrects: Annotated[int, Field(ge=1, lt=2**53)] | None = None
    withdraw: bool = False
    person: Annotated[str, Field(max_length=60)] = ""


class PlanMadeOut(BaseModel):
    id: int


def programs(bench: Bench) -> APIRouter:
    """What programs ask for."""
    routes = APIRouter(prefix="/api/v1", tags=["devices"])

    @routes.get("/model-plans", summary="Preventive maintenance of whole models")
    def plans() -> ModelPlansOut:
        count = {of_model(model): n for model, n in models_of(bench.lines()).items()}
        return ModelPlansOut(plans=[_out(one, count.get(one.serial, 0)) for one in bench.devices.models()])

    @routes.post("/model-plans", status_code=201, summary="Plan, correct or withdraw a task of a whole model")
    def put(said: ModelPlanIn, key: Key) -> PlanMadeOut:
        """A device's own interval, or that it needs none, is its entry `plan_other`."""
        fields: dict[str, object] | None = None
        if not said.withdraw:
            try:
                first_ms = parse_instant(said.first)
            except (ValueError, OverflowError) as bad:
                raise Problem(422, "field-wrong", "first") from bad
            fields = said.model_dump(include={"model", "task", "every_days", "note"}) | {"first_ms": first_ms}
        who = actor(bench, said.person)
        return PlanMadeOut(id=put_plan(bench, key, fields, who=who, corrects=said.corrects))

    return routes


def _out(one: Entry, devices: int) -> ModelPlanOut:
    said = one.said
    return ModelPlanOut(
        plan=one.first, id=one.id, model=said.model, task=said.task, every_days=said.every_days,
        first=rfc3339(said.first_ms), note=said.note, devices=devices,
    )  # fmt: skip
