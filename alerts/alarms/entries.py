# SPDX-License-Identifier: Apache-2.0
"""What is written into the book: under what scene, on what grounds; excursions and alarms made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from alerts.alarms.lifecycle import PRODUCT_KINDS, State
from alerts.judgement.engine import Events
from alerts.rules import CONDITIONS
from alerts.rules.limits import LEAST
from alerts.rules.terms import RuleTable
from coldchain.kernel.words import NO_VALUE
from coldchain.records.alarms import Alarm, Excursion
from coldchain.records.registry import Registry

Newest = Callable[[str], tuple[int, int] | None]
"""A sensor's newest (value in thousandths, instant), if it has one."""
ParentOf = Callable[[str, str], str | None]
"""(appliance, kind) -> the site's alarm that such an alarm of it belongs under, if one stands."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Under what an entry is written: the registry and its tables, the journal position, alerts' clock."""

    registry: Registry
    version: int
    rules: RuleTable
    names: dict[int, str]
    position: int
    now_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Grounds for an alarm: one condition of one appliance, gateway or site. Most say nothing of a value."""

    id: str
    scope: str
    subject: str
    site: str
    kind: str
    severity: str
    since_ms: int
    at_ms: int
    rule: str
    sensor: str = ""
    value: int | None = None
    limit: int | None = None
    peak: int | None = None
    profile: str | None = None
    appliances: int = 1


def excursion_id(sensor: str, kind: str, since_ms: int) -> str:
    """The same data gives the same id, whenever and however often it is judged."""
    return f"{sensor}:{kind}:{since_ms}"


def excursion_of(event: Events, scene: Scene) -> Excursion:
    """A RAISED event as an excursion that nobody has been told of."""
    sensor = scene.names[int(event["series"])]
    condition = CONDITIONS[int(event["kind"])]
    known = scene.registry.sensor_by_id.get(sensor)
    since = int(event["since"])
    return Excursion(
        id=excursion_id(sensor, condition.name, since),
        sensor=sensor,
        appliance=(known.appliance if known else None) or "",
        kind=condition.name,
        started_ms=since,
        raised_ms=int(event["at"]),
        ended_ms=None,
        peak=peak_of(event),
        limit_value=_limit(event, condition.sign, condition.name),
        profile=scene.rules.profiles[int(event["profile"])] if condition.sign else "",
        registry_version=scene.version,
        retrospective=True,
        alarm=None,
        updated_ms=scene.now_ms,
    )


def _limit(event: Events, sign: int, name: str) -> int | None:
    """What it is beyond, or of a forecast: what it will pass."""
    limit = int(event["limit"])
    return limit if limit != NO_VALUE and (sign or name == "forecast") else None


def in_use(registry: Registry, appliance: str, at_ms: int) -> bool:
    """Does it carry anything then? An empty one wakes nobody: not when silent, not with a broken probe."""
    known = registry.appliance_by_id.get(appliance)
    return known is not None and known.carries(at_ms) not in (None, "empty")


def worse(kind: str, a: int | None, b: int | None) -> int | None:
    """The worse of two peaks."""
    if a is None or b is None:
        return b if a is None else a
    return min(a, b) if kind == "low" else max(a, b)


def peak_of(event: Events) -> int | None:
    sign = CONDITIONS[int(event["kind"])].sign
    peak = int(event["peak"])
    return peak if sign and abs(peak) < -LEAST else None


def number_or_none(value: int) -> int | None:
    return None if int(value) == NO_VALUE else int(value)


def alarm_of(case: Case, scene: Scene) -> Alarm:
    return Alarm(
        number=0,
        id=case.id,
        scope=case.scope,
        appliance=case.subject,
        sensor=case.sensor,
        site=case.site,
        kind=case.kind,
        severity=case.severity,
        state=State.UNACKNOWLEDGED.value,
        since_ms=case.since_ms,
        raised_ms=case.at_ms,
        returned_ms=None,
        acknowledged_ms=None,
        acknowledged_by=None,
        value=case.value,
        limit_value=case.limit,
        peak=case.peak,
        rule=case.rule,
        profile=case.profile,
        registry_version=scene.version,
        position=scene.position,
        decided_ms=scene.now_ms,
        product=_of_product(case),
    )


def _of_product(case: Case) -> bool:
    return case.severity == "critical" and case.kind in PRODUCT_KINDS


def anew(known: Alarm, case: Case) -> dict[str, Any]:
    """What changes in an alarm whose condition is true again, or worse."""
    return {
        "sensor": case.sensor,
        "severity": case.severity,
        "since_ms": case.since_ms,
        "raised_ms": case.at_ms,
        "returned_ms": None,
        "value": case.value,
        "limit_value": case.limit,
        "peak": worse(case.kind, known.peak, case.peak),
        "rule": case.rule,
        "profile": case.profile,
        "product": known.product or _of_product(case),
    }
