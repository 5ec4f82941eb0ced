# SPDX-License-Identifier: Apache-2.0
"""Alarms, limits and what else belongs beside a curve, as line protocol. Pure: same rows, same points."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from coldchain.records import influx_names as names
from coldchain.records.alarms import Alarm, AlarmEvent, DefrostRow, DrillRow, OutOfService, UpkeepRow
from coldchain.records.registry import Appliance, Registry
from coldchain.records.work import WorkOrder
from coldchain.settings.profile_files import PROFILES
from ingest.influx.lines import NS_PER_MS, Line, escaped

WINDOW_MS = names.ROLLUP_MS[names.ROLLUP_15M]
LIMITS_MS = names.ROLLUP_MS[names.ROLLUP_1H]
CALLED = frozenset({"raised", "raised_again", "lapsed"})
HAS_SOMEBODY = frozenset({"acknowledged", "shelved", "suppressed", "out_of_service"})
OVER = frozenset({"returned", "closed"})
TITLE = {"power": "power", "silence": "silence", "drill": "drill"}
"""Kinds of alarms that are marked as something else than an alarm."""


def tagged(measurement: str, appliance: str, site: str, kind: str = "") -> str:
    """Measurement and tags, sorted, escaped."""
    tags = {names.APPLIANCE: appliance, names.KIND: kind, names.SITE: site}
    return measurement + "".join(f",{tag}={escaped(value)}" for tag, value in tags.items() if value)


def text(value: str) -> str:
    """A string field."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


def _ns(at_ms: int, name: str) -> int:
    """Two things of one millisecond and the same tags are two points; the same thing is always the same."""
    return at_ms * NS_PER_MS + zlib.crc32(name.encode()) % NS_PER_MS


def alarm_lines(alarms: Iterable[Alarm], events: Mapping[str, Sequence[AlarmEvent]]) -> Iterator[Line]:
    """A point at each change of each alarm."""
    for alarm in alarms:
        head = tagged(names.ALARM, alarm.appliance, alarm.site, alarm.kind)
        for event in events.get(alarm.id, ()):
            known = event.event in CALLED, event.event in HAS_SOMEBODY, event.event in OVER
            if not any(known):
                continue
            state = (2, 1, 0)[known.index(True)]
            said = text(f"{event.event} {event.detail}".strip())
            yield Line(
                event.at_ms,
                f"{head} {names.NUMBER}={alarm.number}i,{names.STATE}={state}i,{names.TEXT}={said}"
                f" {_ns(event.at_ms, f'{alarm.id}/{event.id}')}",
            )


def _event(
    appliance: str, site: str, kind: str, span: tuple[int, int], said: str, key: str, number: int = 0
) -> Line:
    """key: what tells it from others of its kind that began in the same millisecond; its words may change."""
    at_ms, until_ms = span
    return Line(
        at_ms,
        f"{tagged(names.EVENT, appliance, site, kind)} {names.NUMBER}={number}i,{names.TEXT}={text(said)},"
        f"{names.UNTIL_MS}={max(at_ms, until_ms)}i {_ns(at_ms, key)}",
    )


def marks(registry: Registry, alarms: Iterable[Alarm], now_ms: int) -> Iterator[Line]:
    """Alarms as stretches; what is a site's, at each of its appliances."""
    of_site: dict[str, list[str]] = {}
    for appliance in registry.appliances:
        of_site.setdefault(appliance.site, []).append(appliance.id)
    for alarm in alarms:
        kind = TITLE.get(alarm.kind, "alarm")
        until = now_ms if alarm.standing else alarm.returned_ms or alarm.since_ms
        said = f"{alarm.number}: {alarm.kind}, {alarm.severity}"
        hit = [alarm.appliance] if alarm.scope == "appliance" else of_site.get(alarm.site, [])
        for name in hit:
            yield _event(name, alarm.site, kind, (alarm.since_ms, until), said, alarm.id, alarm.number)


def works(
    out: Iterable[OutOfService], orders: Iterable[WorkOrder], sites: Mapping[str, str], now_ms: int
) -> Iterator[Line]:
    """Out of service, and under repair."""
    for row in out:
        span = row.from_ms, row.back_ms or now_ms
        said = f"out of service: {row.reason}" + (f"; {row.back_reason}" if row.back_reason else "")
        yield _event(row.appliance, sites.get(row.appliance, ""), "maintenance", span, said, f"out/{row.id}")
    for order in orders:
        begin = order.at("started") or order.at_ms
        end = order.at("finished") or order.at("cancelled") or (now_ms if order.live else begin)
        said = f"work order {order.number}: {order.what}"
        yield _event(order.appliance, order.site, "maintenance", (begin, end), said, f"order/{order.number}")


def drills(rows: Iterable[DrillRow], sites: Mapping[str, str]) -> Iterator[Line]:
    """Tests of alarms."""
    for row in rows:
        span = row.from_ms, row.until_ms
        yield _event(row.appliance, sites.get(row.appliance, ""), "drill", span, f"drill by {row.person}", "")


def defrosts(
    rows: Iterable[DefrostRow], missing: Iterable[UpkeepRow], registry: Registry, now_ms: int
) -> Iterator[Line]:
    """Those that ended; one taken back is written over with no length. Those that did not come when due."""
    sites = {appliance.id: appliance.site for appliance in registry.appliances}
    for row in rows:
        if row.appliance:
            minutes = max(1, round((row.until_ms - row.from_ms) / 60_000))
            long = f": too long, usually {row.usual_ms / 60_000:.0f}" if row.what == "long" else ""
            gone = row.what == "none"
            said = f"no defrost of {row.sensor}" if gone else f"defrost of {row.sensor}, {minutes} min{long}"
            span, number = (row.from_ms, row.from_ms if gone else row.until_ms), 0 if gone else minutes
            site = sites.get(row.appliance, "")
            yield _event(row.appliance, site, "defrost", span, said, row.sensor, number)
    for due in missing:
        sensor = registry.sensor_by_id.get(due.subject) if due.kind == "defrost" else None
        if sensor is not None and sensor.appliance:
            until, site = due.ended_ms or now_ms, sites.get(sensor.appliance, "")
            said, key = f"no defrost of {sensor.id} when one was due", f"{sensor.id}/missing"
            yield _event(sensor.appliance, site, "defrost", (due.since_ms, until), said, key, 1)


def of_registry(registry: Registry, start_ms: int, end_ms: int) -> Iterator[Line]:
    """Calibrations, assignments and changed limits from start to before end."""
    for appliance in registry.appliances:
        for one in appliance.assignments:
            if start_ms <= one.from_ms < end_ms:
                said, at = f"carries {one.carries}", one.from_ms
                yield _event(appliance.id, appliance.site, "assignment", (at, at), said, said)
                yield from _limits(appliance, at)
        for sensor in registry.sensors_of.get(appliance.id, ()):
            for offset in sensor.offsets:
                if start_ms <= offset.from_ms < end_ms:
                    said, at = f"{sensor.id}: {offset.offset_k:+g} K", offset.from_ms
                    yield _event(appliance.id, appliance.site, "calibration", (at, at), said, said)


def limit_lines(registry: Registry, starts: Iterable[int]) -> Iterator[Line]:
    """The limits in force at each of these instants."""
    for start in starts:
        for appliance in registry.appliances:
            yield from _limits(appliance, start)


def _limits(appliance: Appliance, at_ms: int) -> Iterator[Line]:
    carried = appliance.carries(at_ms)
    if carried is None:
        return
    profile = PROFILES.get(carried)
    bounds = {names.HIGH: profile.high_c, names.LOW: profile.low_c} if profile else {}
    told = "".join(f"{name}={value}," for name, value in bounds.items() if value is not None)
    head = tagged(names.LIMITS, appliance.id, appliance.site)
    yield Line(at_ms, f"{head} {told}{names.PROFILE}={text(carried)} {at_ms * NS_PER_MS}")


def state_lines(
    registry: Registry,
    alarms: Iterable[Alarm],
    out: Iterable[OutOfService],
    starts: Sequence[int],
    now_ms: int,
) -> Iterator[Line]:
    """The worst state of every appliance in each window; `starts`: consecutive."""
    if not len(starts):
        return
    first, n = starts[0], len(starts)
    states = {appliance.id: np.zeros(n, np.int8) for appliance in registry.appliances}
    at_site: dict[str, list[str]] = {}
    for appliance in registry.appliances:
        at_site.setdefault(appliance.site, []).append(appliance.id)

    def put(appliance: str, begin_ms: int, end_ms: int, state: str) -> None:
        row: npt.NDArray[np.int8] | None = states.get(appliance)
        if row is not None:
            low, high = (begin_ms - first) // WINDOW_MS, -(-(end_ms - first) // WINDOW_MS)
            part = row[max(0, low) : max(0, high)]
            np.maximum(part, names.STATES[state], out=part)

    for alarm in alarms:
        if alarm.kind == "drill":
            continue
        state = (
            "silent" if alarm.kind == "silence" else "alarm" if alarm.severity == "critical" else "warning"
        )
        hit = [alarm.appliance] if alarm.scope == "appliance" else at_site.get(alarm.site, [])
        if alarm.scope != "appliance" and state != "silent":
            continue  # a site's power cut is not yet an appliance's alarm
        for name in hit:
            put(name, alarm.since_ms, now_ms if alarm.standing else alarm.returned_ms or now_ms, state)
    for row in out:
        put(row.appliance, row.from_ms, row.back_ms or now_ms, "aside")
    for appliance in registry.appliances:
        head = tagged(names.STATE_15M, appliance.id, appliance.site)
        for start, code in zip(starts, states[appliance.id].tolist(), strict=True):
            yield Line(start, f"{head} {names.STATE}={code}i {start * NS_PER_MS}")
