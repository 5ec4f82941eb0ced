# SPDX-License-Identifier: Apache-2.0
"""Sites and one appliance for programs: what the wall, a site's page and an appliance's page show now."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from pydantic import BaseModel

from coldchain.kernel.instants import rfc3339
from coldchain.records.registry import Appliance, Person, Sensor
from dashboards.console.accounts.gate import check_site
from dashboards.console.accounts.sight import seen
from dashboards.console.api import UNITS, ApplianceOut, GatewayOut, appliance_out, celsius_of
from dashboards.console.console import Console
from dashboards.console.followed import Gateway
from dashboards.console.paging import After, Limit, page_after
from dashboards.console.problems import Problem
from dashboards.console.site import SitePage, site_page
from dashboards.console.strip import heard
from dashboards.console.views import LastReading
from dashboards.console.wall import Tile, wall_of


class SiteNowOut(BaseModel):
    """state: its worst. limit_at: when the next of its appliances passes a limit; blind_at: the worst case of
    those that are not heard; newest: its newest reading.
    """

    id: str
    name: str
    province: str
    level: str
    state: str
    counts: dict[str, int]
    limit_at: str | None
    blind_at: str | None
    newest: str | None


class SitesNowOut(BaseModel):
    """By id; `next`: ask with it as `after` for more."""

    as_of: str
    sites: list[SiteNowOut]
    next: str | None = None


class DutyOut(BaseModel):
    """people: on call now; none is a gap."""

    level: int
    people: list[str]


class ListenedOut(BaseModel):
    """report: null until it was heard of."""

    id: str
    report: GatewayOut | None


class OneSiteOut(BaseModel):
    """dark: appliances that said last that the mains are absent; duties empty: there is no rota."""

    as_of: str
    id: str
    name: str
    counts: dict[str, int]
    appliances: list[ApplianceOut]
    gateways: list[ListenedOut]
    duties: list[DutyOut]
    people: list[str]
    dark: int


class SensorOut(BaseModel):
    """value: in `unit`, or as the quantity counts; null: none, or a failed one."""

    id: str
    quantity: str
    unit: str
    value: float | None
    at: str | None


class AssignmentOut(BaseModel):
    """since null: from the beginning; until null: to this day, or until the next one."""

    carries: str
    since: str | None
    until: str | None


class OneApplianceOut(BaseModel):
    """assignments: oldest first."""

    appliance: ApplianceOut
    serial: str
    model: str
    sensors: list[SensorOut]
    assignments: list[AssignmentOut]


def programs(console: Console) -> APIRouter:
    """What programs ask for."""
    routes = APIRouter(prefix="/api/v1", tags=["now"])

    @routes.get("/sites", summary="Every site that has an appliance, as the wall shows it")
    async def sites(after: After = "", limit: Limit = 100) -> SitesNowOut:
        look = seen(await console.hub.look())
        found, following = page_after(wall_of(look).tiles, lambda tile: tile.site.id, after, limit)
        shown = [_site_out(tile) for tile in found]
        return SitesNowOut(as_of=rfc3339(look.fleet.now_ms), sites=shown, next=following)

    @routes.get("/sites/{site_id}", summary="A site: its appliances, gateways, and who is on call")
    async def site(site_id: str) -> OneSiteOut:
        look = await console.hub.look()
        found = look.registry.site_by_id.get(site_id)
        if found is None:
            raise Problem(404, "unknown-site", site_id)
        check_site(site_id, look.registry)
        page = await asyncio.to_thread(
            lambda: site_page(look, found, console.records.latest(), console.on_duty)
        )
        return _one_site(page, look.fleet.now_ms)

    @routes.get("/appliances/{appliance_id}", summary="An appliance: its sensors now, what it carries")
    async def appliance(appliance_id: str) -> OneApplianceOut:
        look = await console.hub.look()
        found = look.registry.appliance_by_id.get(appliance_id)
        if found is None:
            raise Problem(404, "unknown-appliance", appliance_id)
        check_site(found.site, look.registry)
        row = next(row for row in look.fleet.rows if row.id == appliance_id)
        mine = [s for s in look.registry.sensors if s.appliance == appliance_id]
        latest = await asyncio.to_thread(console.records.latest)
        return OneApplianceOut(
            appliance=appliance_out(row), serial=found.serial, model=found.model,
            sensors=[_sensor_out(one, latest.get(one.id)) for one in mine], assignments=_assigned(found),
        )  # fmt: skip

    return routes


def _site_out(tile: Tile) -> SiteNowOut:
    return SiteNowOut(
        id=tile.site.id, name=tile.site.name, province=tile.site.province, level=tile.site.level,
        state=tile.state.value, counts={state.value: n for state, n in tile.counts},
        limit_at=_maybe(tile.limit_ms), blind_at=_maybe(tile.blind_ms), newest=_maybe(tile.newest_ms),
    )  # fmt: skip


def _one_site(page: SitePage, now_ms: int) -> OneSiteOut:
    """People by their ids; telephone numbers stay inside."""

    def ids(people: tuple[Person, ...]) -> list[str]:
        return [person.id for person in people]

    return OneSiteOut(
        as_of=rfc3339(now_ms), id=page.site.id, name=page.site.name,
        counts={state.value: n for state, n in page.counts},
        appliances=[appliance_out(row) for row in page.rows],
        gateways=[ListenedOut(id=id_, report=_gateway(g, now_ms)) for id_, g in page.gateways],
        duties=[DutyOut(level=duty.level, people=ids(duty.people)) for duty in page.duties],
        people=ids(page.people), dark=page.dark,
    )  # fmt: skip


def _gateway(report: Gateway | None, now_ms: int) -> GatewayOut | None:
    if report is None:
        return None
    return GatewayOut(
        id=report.id, heard_at=rfc3339(report.arrived_ms), heard=heard(report, now_ms),
        pending=report.pending, oldest=_maybe(report.oldest_ms or None), lost=report.lost,
    )  # fmt: skip


def _sensor_out(sensor: Sensor, last: LastReading | None) -> SensorOut:
    return SensorOut(
        id=sensor.id, quantity=sensor.quantity, unit=UNITS.get(sensor.code, ""),
        value=celsius_of(last.value) if last else None, at=rfc3339(last.at_ms) if last else None,
    )  # fmt: skip


def _assigned(appliance: Appliance) -> list[AssignmentOut]:
    return [
        AssignmentOut(carries=one.carries, since=_maybe(one.from_ms or None), until=_maybe(one.until_ms))
        for one in appliance.assignments
    ]


def _maybe(at_ms: int | None) -> str | None:
    return None if at_ms is None else rfc3339(at_ms)
