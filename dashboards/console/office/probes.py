# SPDX-License-Identifier: Apache-2.0
"""On an appliance's own page: another probe in a sensor's place, and what it carries from now on.

A sensor is a place, not a device: the new channel takes the sensor's name over, so its curve, its limits and
its alarms go on. The old probe's calibration ends with it; what the new one sent elsewhere is not of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from coldchain.kernel.words import Quantity
from coldchain.records.duty import Before
from coldchain.records.registry import Appliance, Assignment, Offset, Registry, RegistryReader, Sensor
from coldchain.records.registry_csv import remade
from coldchain.settings.profile_files import PROFILES
from dashboards.console.accounts.forms import read_form
from dashboards.console.accounts.gate import check_site
from dashboards.console.office.machine_programs import AssignIn, PublishedOut
from dashboards.console.office.tools import Office, sentence
from dashboards.console.once import Key
from dashboards.console.problems import Problem

REASON_MAX, BEFORE_MAX = 200, 5
SPECIAL = ("loading", "empty")


@dataclass(frozen=True, slots=True)
class Place:
    """What the page of one appliance offers. assignments: newest first, with how long each held [ms]."""

    sensors: tuple[Sensor, ...]
    waiting: tuple[tuple[str, int, str, int], ...]
    assignments: tuple[tuple[Assignment, int | None], ...]
    profiles: tuple[str, ...]


class ProbeIn(BaseModel):
    """Another channel for one of the appliance's sensors."""

    sensor: str = Field(max_length=96)
    node: str = Field(max_length=48)
    channel: int = Field(ge=0, le=65_535)
    reason: str = Field(min_length=1, max_length=REASON_MAX)


def router(office: Office) -> APIRouter:
    """What people's browsers send."""
    routes = APIRouter(include_in_schema=False)
    office.console.env.globals["place_of"] = lambda appliance: place_of(office, appliance)

    @routes.post("/appliance/{appliance_id}/probe")
    async def probe(request: Request, appliance_id: str) -> Response:
        form = await read_form(request)
        node, slash, channel = form.get("channel", "").rpartition("/")
        if not slash or not channel.isdecimal() or len(channel) > 5:
            raise Problem(422, "not-waiting")
        said = (form.get("sensor", ""), node, int(channel), form.get("reason", ""))
        asked = await asyncio.to_thread(replace_probe, office, appliance_id, *said)
        return _back(appliance_id, asked, "probe")

    @routes.post("/appliance/{appliance_id}/carries")
    async def carries(request: Request, appliance_id: str) -> Response:
        form = await read_form(request)
        asked = await asyncio.to_thread(assign, office, appliance_id, form)
        return _back(appliance_id, asked, "carries")

    return routes


def programs(office: Office) -> APIRouter:
    """The same for programs."""
    routes = APIRouter(prefix="/api/v1", tags=["administration"])

    @routes.post("/appliances/{appliance_id}/probe")
    def probe(appliance_id: str, said: ProbeIn, _key: Key) -> PublishedOut:
        """Another probe in a sensor's place; its curve goes on. proposal: another person has to agree."""
        asked = replace_probe(office, appliance_id, said.sensor, said.node, said.channel, said.reason)
        return PublishedOut(proposal=asked or None)

    @routes.post("/appliances/{appliance_id}/profile")
    def profile(appliance_id: str, said: AssignIn, _key: Key) -> PublishedOut:
        """What alarms later or more seldom then is asked of a second person."""
        return PublishedOut(proposal=assign(office, appliance_id, said.model_dump()) or None)

    return routes


def _back(appliance_id: str, asked: int, what: str) -> Response:
    told = f"asked={asked}" if asked else f"done={what}"
    return RedirectResponse(f"/appliance/{quote(appliance_id)}?{told}#place", 303)


def place_of(office: Office, appliance: Appliance) -> Place:
    """As the registry has it now."""
    registry, now_ms = office.console.records.registry(), office.console.wall_ms()
    sensors = tuple(sorted((s for s in registry.sensors if s.appliance == appliance.id), key=lambda s: s.id))
    waiting = tuple(
        (node, channel, Quantity(code).word, n)
        for node, channel, code, n in office.console.records.waiting()
        if (node, channel) not in registry.by_channel
    )
    newest = registry.appliance_by_id.get(appliance.id, appliance)
    known = sorted(newest.assignments, key=lambda one: one.from_ms)
    ends = [*(one.from_ms for one in known[1:]), None]
    began = [pair for pair in zip(known, ends, strict=True) if pair[0].from_ms <= now_ms]
    return Place(sensors, waiting, tuple(reversed(began)), (*sorted(PROFILES), *SPECIAL))


def _newest(office: Office, appliance_id: str) -> tuple[Registry, int]:
    """The registry as it is on the disk; Problem when whoever asks is not for that place."""
    reader = RegistryReader(office.console.settings.desk_db)
    reader.refresh()
    reader.close()
    known = reader.registry.appliance_by_id.get(appliance_id)
    if known is None:
        raise Problem(404, "unknown-appliance", appliance_id)
    check_site(known.site, reader.registry)
    return reader.registry, reader.version


def replace_probe(
    office: Office, appliance_id: str, sensor_id: str, node: str, channel: int, reason: str
) -> int:
    """The proposal that another person decides; 0: in force. Problem: no such sensor, channel, or reason."""
    registry, version = _newest(office, appliance_id)
    old = registry.sensor_by_id.get(sensor_id)
    if old is None or old.appliance != appliance_id:
        raise Problem(404, "unknown-sensor", sensor_id)
    why = " ".join(reason.split())[:REASON_MAX]
    if not why:
        raise Problem(422, "reason-missing")
    if (old.quantity, node, channel) not in {
        (Quantity(code).word, n, c) for n, c, code, _ in office.console.records.waiting()
    }:
        raise Problem(422, "not-waiting")
    now_ms = office.console.wall_ms()
    fresh = Offset(from_ms=now_ms, offset_k=0.0)
    new = old.model_copy(
        update={
            "node": node,
            "channel": channel,
            "wired_ms": now_ms,
            "before": _before(old, (node, channel), now_ms),
            "calibrated_until_ms": None,
            "offsets": (*(one for one in old.offsets if one.from_ms < now_ms), fresh),
        }
    )
    sensors = tuple(new if one.id == old.id else one for one in registry.sensors)
    try:
        made = remade(registry, sensors=sensors)
    except ValueError as bad:
        raise Problem(422, "unsound", sentence(bad)) from bad
    said = f"probe of {old.id} replaced: {old.node}/{old.channel} by {node}/{channel}; {why}"
    return office.publish(made, said, version).proposal or 0


def _before(old: Sensor, new: tuple[str, int], now_ms: int) -> tuple[Before, ...]:
    """What a gateway still keeps of the old probe goes on being read as of this place."""
    kept = [one for one in old.before if (one.node, one.channel) not in (new, (old.node, old.channel))]
    return (*kept[1 - BEFORE_MAX :], Before(node=old.node, channel=old.channel, until_ms=now_ms))


def assign(office: Office, appliance_id: str, form: Mapping[str, str]) -> int:
    """What it carries from now on; the proposal that another person decides, 0: in force."""
    registry, version = _newest(office, appliance_id)
    carries = form.get("profile", "")
    if carries not in (*PROFILES, *SPECIAL):
        raise Problem(422, "carries-missing")
    now = Assignment(carries=carries, from_ms=office.console.wall_ms())
    changed = tuple(
        one.model_copy(update={"assignments": (*one.assignments, now)}) if one.id == appliance_id else one
        for one in registry.appliances
    )
    try:
        made = remade(registry, appliances=changed)
    except ValueError as bad:
        raise Problem(422, "unsound", sentence(bad)) from bad
    why = " ".join(form.get("reason", "").split())[:REASON_MAX]
    said = f"{appliance_id} carries {carries}"
    return office.publish(made, f"{said}; {why}" if why else said, version).proposal or 0
