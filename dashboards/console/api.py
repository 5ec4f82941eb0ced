# SPDX-License-Identifier: Apache-2.0
"""`/api/v1`: what the pages show, for programs. Times are RFC 3339 in UTC; refusals are problem details."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from coldchain.kernel.instants import parse_instant, rfc3339
from coldchain.kernel.words import NO_VALUE, Quantity
from coldchain.records.alarms import Alarm
from coldchain.records.registry import Appliance, Sensor
from dashboards.console.accounts.gate import check_site, visitor
from dashboards.console.accounts.sight import seen
from dashboards.console.console import Console
from dashboards.console.problems import Problem
from dashboards.console.series import RANGES_MS, limits_between
from dashboards.console.strip import alive, facts, heard
from dashboards.console.times import DAY_MS
from dashboards.console.views import Row, main_sensor

UNITS = {
    Quantity.TEMPERATURE: "°C", Quantity.AMBIENT: "°C", Quantity.SET_POINT: "°C",
    Quantity.BATTERY: "%", Quantity.HUMIDITY: "%",
}  # fmt: skip
POINTS_MAX = 2_000
PAGE = 200
CSV_PIECE_MS = 7 * DAY_MS


class Csv(StreamingResponse):
    """A table, line by line."""

    media_type = "text/csv"


class ApplianceOut(BaseModel):
    """One appliance now. `celsius` is null while it is not known."""

    id: str
    name: str
    kind: str
    site: str
    province: str
    state: str
    reason: str
    celsius: float | None
    at: str | None
    low_c: float | None
    high_c: float | None
    carries: str | None
    alarms: list[str]


class FleetOut(BaseModel):
    """The fleet, worst first, or a page of it by id; `counts` sum to all; `next`: `after` of the next."""

    as_of: str
    counts: dict[str, int]
    appliances: list[ApplianceOut]
    troubles: list[str]
    next: str | None = None


class LimitsOut(BaseModel):
    from_ms: int
    until_ms: int
    low_c: float | None
    high_c: float | None
    carries: str | None


class SpanOut(BaseModel):
    from_ms: int
    until_ms: int
    label: str


class LaneOut(BaseModel):
    """Stretches of one kind along the axis: `alarm`, `door` (open), `defrost` (over; overlong or missing ones
    say so), `mains` (absent), `work` (out of service, repaired, maintained); instants: `calibration`,
    `assignment`.
    """

    kind: str
    name: str
    spans: list[SpanOut]


class SeriesOut(BaseModel):
    """Steps of `step_ms` from `start_ms`: lowest, highest (null: no valid reading), readings of each."""

    appliance: str
    sensor: str
    quantity: str
    unit: str
    start_ms: int
    step_ms: int
    low: list[float | None]
    high: list[float | None]
    n: list[int]
    gaps: list[tuple[int, int]]
    limits: list[LimitsOut]
    events: list[LaneOut] = []


class AlarmOut(BaseModel):
    number: int
    id: str
    scope: str
    appliance: str
    sensor: str
    site: str
    kind: str
    severity: str
    state: str
    since: str
    raised: str
    value_c: float | None
    limit_c: float | None
    peak_c: float | None


class AlarmsOut(BaseModel):
    """All that are open, most urgent first, and a page of those closed, newest first. `next`: `before` of the
    next page, where there is one.
    """

    open: list[AlarmOut]
    closed: list[AlarmOut]
    next: int | None = None


class ProcessOut(BaseModel):
    name: str
    at: str
    alive: bool
    figures: dict[str, Any]


class GatewayOut(BaseModel):
    id: str
    heard_at: str
    heard: bool
    pending: int
    oldest: str | None
    lost: int


class HealthOut(BaseModel):
    processes: list[ProcessOut]
    gateways: list[GatewayOut]
    counters: dict[str, int]
    facts: dict[str, str]
    troubles: list[str]


def celsius_of(value: int | None) -> float | None:
    return None if value is None or value == NO_VALUE else value / 1000


def router(console: Console) -> APIRouter:
    """All routes for programs."""
    routes = APIRouter(prefix="/api/v1")
    _now(routes, console)
    _then(routes, console)
    return routes


def _now(routes: APIRouter, console: Console) -> None:
    @routes.get("/appliances")
    async def appliances(
        after: Annotated[str, Query(max_length=64)] = "",
        limit: Annotated[int | None, Query(ge=1, le=1000)] = None,
    ) -> FleetOut:
        """Without `after` and `limit` all, worst first; with one of them by id: none is missed or told twice
        while states change.
        """
        look = seen(await console.hub.look())
        rows: list[Row] = list(look.fleet.rows)
        following = None
        if after or limit is not None:
            rest = sorted((row for row in rows if row.id > after), key=lambda row: row.id)
            rows = rest[: limit or PAGE]
            following = rows[-1].id if len(rest) > len(rows) else None
        return FleetOut(
            next=following,
            as_of=rfc3339(look.fleet.now_ms),
            counts={state.value: n for state, n in look.fleet.counts.items()},
            appliances=[appliance_out(row) for row in rows],
            troubles=[str(text) for text in look.troubles],
        )

    @routes.get("/alarms")
    def alarms(
        before: Annotated[int | None, Query(ge=1, lt=2**53)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> AlarmsOut:
        """`before`: the number of an alarm; only closed ones older than it are listed then."""
        registry, sees = console.records.registry(), visitor().sees
        closed = console.records.closed(before or 2**53, limit + 1)
        following = closed[limit - 1].number if len(closed) > limit else None
        open_ = console.records.alarms()[0] if before is None else []
        told = [[alarm_out(a) for a in some if sees(a.site, registry)] for some in (open_, closed[:limit])]
        return AlarmsOut(open=told[0], closed=told[1], next=following)

    @routes.get("/health")
    async def health() -> HealthOut:
        look = await console.hub.look()
        now_ms = look.fleet.now_ms
        return HealthOut(
            processes=[
                ProcessOut(name=b.name, at=rfc3339(b.at_ms), alive=alive(b, now_ms), figures=b.figures)
                for b in look.beats
            ],
            gateways=[
                GatewayOut(
                    id=g.id, heard_at=rfc3339(g.arrived_ms), heard=heard(g, now_ms), pending=g.pending,
                    oldest=rfc3339(g.oldest_ms) if g.oldest_ms else None, lost=g.lost,
                )
                for g in look.gateways
            ],
            counters=look.counters,
            facts={fact.label: f"{fact.text} {fact.note}".strip() for fact in facts(look, now_ms)},
            troubles=[str(text) for text in look.troubles],
        )  # fmt: skip


def _then(routes: APIRouter, console: Console) -> None:
    @routes.get("/appliances/{appliance_id}/series")
    def series(
        appliance_id: str,
        sensor: str | None = None,
        from_: Annotated[str | None, Query(alias="from")] = None,
        to: str | None = None,
        points: Annotated[int, Query(ge=1, le=POINTS_MAX)] = 360,
        range_: Annotated[str | None, Query(alias="range")] = None,
    ) -> SeriesOut:
        appliance, which = _find(console, appliance_id, sensor)
        start_ms, end_ms = span_of(console.wall_ms(), from_, to, range_)
        found = console.records.series(which, start_ms, end_ms, points)
        limits, events = [], []
        sensors = [s for s in console.records.registry().sensors if s.appliance == appliance.id]
        if which == main_sensor(sensors):
            limits = limits_between(appliance, found.start_ms, found.end_ms)
            history = console.records.history(appliance.id, start_ms, end_ms)
            events = console.events(sensors, history.alarms, found)
        return SeriesOut(
            appliance=appliance.id, sensor=which.id, quantity=which.quantity, unit=UNITS.get(which.code, ""),
            start_ms=found.start_ms, step_ms=found.step_ms,
            low=[celsius_of(v) for v in found.low], high=[celsius_of(v) for v in found.high], n=list(found.n),
            gaps=found.gaps(),
            limits=[
                LimitsOut(
                    from_ms=s.from_ms, until_ms=s.until_ms, carries=s.limit.carries,
                    low_c=celsius_of(s.limit.low), high_c=celsius_of(s.limit.high),
                )
                for s in limits
            ],
            events=[
                LaneOut(
                    kind=lane.kind, name=lane.name,
                    spans=[
                        SpanOut(from_ms=s.from_ms, until_ms=s.until_ms, label=s.label) for s in lane.spans
                    ],
                )
                for lane in events
            ],
        )  # fmt: skip

    @routes.get("/appliances/{appliance_id}/readings.csv", response_class=Csv)
    def readings(
        appliance_id: str,
        sensor: str | None = None,
        from_: Annotated[str | None, Query(alias="from")] = None,
        to: str | None = None,
        range_: Annotated[str | None, Query(alias="range")] = None,
    ) -> Csv:
        _, which = _find(console, appliance_id, sensor)
        start_ms, end_ms = span_of(console.wall_ms(), from_, to, range_)
        name = which.id.replace("/", "_").replace(" ", "_")
        return Csv(
            csv_lines(console, which, start_ms, end_ms),
            headers={"content-disposition": f'attachment; filename="{name}.csv"'},
        )


def csv_lines(console: Console, sensor: Sensor, start_ms: int, end_ms: int) -> Iterator[str]:
    """`sensor,time,celsius` in short reads of a week; failed readings have an empty value."""
    column = (
        "celsius" if sensor.code in (Quantity.TEMPERATURE, Quantity.AMBIENT, Quantity.SET_POINT) else "value"
    )
    yield f"sensor,time,{column}\n"
    for piece in range(start_ms, end_ms, CSV_PIECE_MS):
        rows = console.records.readings(sensor.id, piece, min(end_ms, piece + CSV_PIECE_MS))
        pairs = zip(rows["at_ms"].tolist(), rows["value"].tolist(), strict=True)
        yield "".join(
            f"{sensor.id},{rfc3339(at)},{'' if value == NO_VALUE else value / 1000}\n" for at, value in pairs
        )


def span_of(now_ms: int, from_: str | None, to: str | None, range_: str | None) -> tuple[int, int]:
    """The stretch that was asked for: `from` and `to`, or a named range up to `to` (default: now)."""
    try:
        end_ms = now_ms if to is None else parse_instant(to)
        start_ms = end_ms - RANGES_MS[range_ or "24h"] if from_ is None else parse_instant(from_)
    except KeyError as bad:
        raise Problem(400, "bad-request", f"range is one of {', '.join(RANGES_MS)}") from bad
    except (ValueError, OverflowError) as bad:
        raise Problem(400, "bad-request", str(bad)) from bad
    if not 0 <= start_ms < end_ms <= now_ms + DAY_MS:
        raise Problem(400, "bad-request", "`from` must come before `to`, and `to` not after tomorrow")
    return start_ms, end_ms


def _find(console: Console, appliance_id: str, sensor_id: str | None) -> tuple[Appliance, Sensor]:
    registry = console.records.registry()
    appliance = registry.appliance_by_id.get(appliance_id)
    if appliance is None:
        raise Problem(404, "unknown-appliance", appliance_id)
    check_site(appliance.site, registry)
    sensors = [s for s in registry.sensors if s.appliance == appliance_id]
    sensor = next((s for s in sensors if s.id == sensor_id), None) if sensor_id else main_sensor(sensors)
    if sensor is None:
        raise Problem(404, "unknown-sensor", sensor_id or "")
    return appliance, sensor


def appliance_out(row: Row) -> ApplianceOut:
    return ApplianceOut(
        id=row.id, name=row.name, kind=row.kind, site=row.site, province=row.province, state=row.state.value,
        reason=str(row.reason), celsius=celsius_of(row.value),
        at=None if row.at_ms is None else rfc3339(row.at_ms),
        low_c=celsius_of(row.limit.low), high_c=celsius_of(row.limit.high), carries=row.limit.carries,
        alarms=list(row.alarms),
    )  # fmt: skip


def alarm_out(alarm: Alarm) -> AlarmOut:
    """One alarm for programs."""
    return AlarmOut(
        number=alarm.number, id=alarm.id, scope=alarm.scope, appliance=alarm.appliance, sensor=alarm.sensor,
        site=alarm.site, kind=alarm.kind, severity=alarm.severity, state=alarm.state,
        since=rfc3339(alarm.since_ms), raised=rfc3339(alarm.raised_ms), value_c=celsius_of(alarm.value),
        limit_c=celsius_of(alarm.limit_value), peak_c=celsius_of(alarm.peak),
    )  # fmt: skip
