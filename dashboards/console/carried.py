# SPDX-License-Identifier: Apache-2.0
"""Bundles that were carried here: taken from a browser or a program, and the receipt that goes back.

The console reads a bundle through and lays it down; ingest, which alone writes the record, takes it.
"""

from __future__ import annotations

import asyncio
import os
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel

from coldchain.kernel.errors import ColdChainError
from coldchain.records.carry import BundleRefused, CarryReceipt, decode_carry_receipt
from coldchain.records.carry_box import Answer, CarryBox
from dashboards.console.accounts.forms import bounded
from dashboards.console.console import Console
from dashboards.console.office.uploads import read_upload
from dashboards.console.once import Key
from dashboards.console.problems import Problem

BUNDLE_MAX = 32 * 1024 * 1024
"""A larger one is merged at the hub itself: `coldchain carry merge`."""
SHOWN = 20
Name = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


class Carried:
    """The hub's box, as the console sees it."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.box = CarryBox(console.settings.data_dir)

    def put(self, body: bytes) -> str:
        """Its name. Problem when it is no bundle, or was changed."""
        folder = self.console.settings.data_dir / "carry"
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f".{os.getpid()}-{id(body)}.upload"
        try:
            draft.write_bytes(body)
            return self.box.put(draft)
        except ColdChainError as bad:
            raise Problem(422, "not-a-bundle", str(bad).replace(str(draft), "the file")) from bad
        finally:
            draft.unlink(missing_ok=True)

    def answer(self, name: str) -> tuple[Answer, CarryReceipt | None]:
        """What came of it; Problem when nobody knows."""
        answer = self.box.answer(name)
        if answer.state == "unknown":
            raise Problem(404, "unknown-bundle")
        return answer, _read(answer)


def _read(answer: Answer) -> CarryReceipt | None:
    try:
        return decode_carry_receipt(answer.text.encode()) if answer.state == "merged" else None
    except BundleRefused:  # by hand, in the folder
        return None


def router(carried: Carried) -> APIRouter:
    """What people's browsers ask for."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/carry")
    def page(request: Request) -> Response:
        answers = [(name, answer, _read(answer)) for name, answer in carried.box.answers(SHOWN)]
        busy = any(answer.state in {"waits", "goes on"} for _, answer, _ in answers)
        return carried.console.render(request, "carry.html", answers=answers, busy=busy)

    @routes.post("/carry")
    async def bring(request: Request) -> Response:
        _, body, _ = await read_upload(request, BUNDLE_MAX)
        name = await asyncio.to_thread(carried.put, body)
        return RedirectResponse(f"/carry#b-{name}", 303)

    @routes.get("/carry/{name}.receipt.json")
    def receipt(name: Name) -> Response:
        answer, read = carried.answer(name)
        if read is None:
            raise Problem(404, "unknown-bundle")
        headers = {
            "content-disposition": f'attachment; filename="{read.receipt.gateway}-{name[:8]}.receipt.json"'
        }
        return Response(answer.text, media_type="application/json", headers=headers)

    return routes


class CarriedOut(BaseModel):
    """done, of: readings, while it goes on; why: it was refused; receipt: to carry back, as text."""

    name: str
    state: Literal["waits", "goes on", "merged", "refused"]
    done: int = 0
    of: int = 0
    why: str = ""
    gateway: str | None = None
    taken: int | None = None
    held_before: int | None = None
    dead_lettered: int | None = None
    receipt: str | None = None


class CarriedListOut(BaseModel):
    """The newest only: an answer is looked up by its bundle's name."""

    bundles: list[CarriedOut]


def programs(carried: Carried) -> APIRouter:
    """The same for programs."""
    routes = APIRouter(prefix="/api/v1", tags=["carry"])
    body = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}

    @routes.post(
        "/carry",
        status_code=202,
        summary="Bring a bundle; the same one again is the same",
        openapi_extra={"requestBody": {**body, "required": True}},
    )
    async def bring(request: Request, _key: Key) -> CarriedOut:
        raw = await bounded(request, BUNDLE_MAX)
        name = await asyncio.to_thread(carried.put, raw)
        return _out(name, *carried.answer(name))

    @routes.get("/carry", summary="Bundles that wait, and the newest answers")
    def answers(limit: Annotated[int, Query(ge=1, le=200)] = SHOWN) -> CarriedListOut:
        found = carried.box.answers(limit)
        return CarriedListOut(bundles=[_out(name, answer, _read(answer)) for name, answer in found])

    @routes.get("/carry/{name}", summary="What came of a bundle, and the receipt to carry back")
    def answer(name: Name) -> CarriedOut:
        return _out(name, *carried.answer(name))

    return routes


def _out(name: str, answer: Answer, read: CarryReceipt | None) -> CarriedOut:
    assert answer.state != "unknown"
    why = answer.text if answer.state == "refused" else ""
    told = CarriedOut(name=name, state=answer.state, done=answer.done, of=answer.of, why=why)
    if read is None:
        return told
    return told.model_copy(
        update={
            "gateway": read.receipt.gateway,
            "taken": read.taken,
            "held_before": read.held_before,
            "dead_lettered": read.dead,
            "receipt": answer.text,
        }
    )
