# SPDX-License-Identifier: Apache-2.0
"""What a row of the fleet says beside its state: how long it bears a power cut, the worst case, put aside."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from coldchain.kernel.words import Health
from coldchain.records.alarms import Alarm, Listed
from coldchain.records.registry import Registry
from coldchain.records.site import SiteReader
from dashboards.console.views import ORDER, Fleet, Row
from dashboards.console.words import Said, Text, said

ROUND_MS = 60_000
POWER_ROUND_MS = 300_000
"""A row is told anew when what it says changes: instants that creep are rounded down."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Of appliances: what is to be said; when the limit is passed, as foreseen and in the worst case [ms].

    blind  of those that are not heard: their last reading, the worst case, and its words. Who has been heard
    since is none of them any more, though alerts reckons that anew only once a minute.
    """

    texts: Mapping[str, tuple[Text, ...]] = field(default_factory=dict)
    limit_ms: Mapping[str, int] = field(default_factory=dict)
    blind: Mapping[str, tuple[int, int, Text]] = field(default_factory=dict)


def marks(
    reader: SiteReader, open_: Iterable[Alarm], at: Callable[[int], str], registry: Registry, now_ms: int
) -> Marks:
    """at: an instant [ms] as people read it. Instants, not ages: a row changes only with what it says."""
    found: dict[str, list[Text]] = defaultdict(list)
    limit_ms: dict[str, int] = {}
    silent: dict[str, tuple[int, int, Text]] = {}
    for sensor, passes_ms in reader.foretold().items():
        known = registry.sensor_by_id.get(sensor)
        if known is not None and known.appliance is not None and passes_ms > now_ms:
            _sooner(limit_ms, known.appliance, passes_ms // ROUND_MS * ROUND_MS)
    by_id = {alarm.id: alarm for alarm in open_}
    for alarm in by_id.values():
        if alarm.scope == "site" and alarm.kind == "power" and alarm.standing:
            for one in reader.alarm_list(alarm.id):
                found[one.appliance].append(without_power(one))
                if one.minutes is not None:
                    passes_ms = (now_ms + one.minutes * 60_000) // POWER_ROUND_MS * POWER_ROUND_MS
                    _sooner(limit_ms, one.appliance, passes_ms)
    for blind in reader.blind():
        if blind.passes_ms is not None:
            words = said("mark.blind", at=at(blind.passes_ms))
            silent[blind.appliance] = (blind.last_ms, blind.passes_ms, words)
    for shelf in reader.shelved():
        if (shelved := by_id.get(shelf.alarm)) is not None:
            found[shelved.appliance].append(said("mark.shelved", at=at(shelf.until_ms)))
    for out in reader.out_of_service():
        found[out.appliance].append(said("mark.out"))
    return Marks({appliance: tuple(texts) for appliance, texts in found.items()}, limit_ms, silent)


def _sooner(found: dict[str, int], appliance: str, at_ms: int) -> None:
    found[appliance] = min(at_ms, found.get(appliance, at_ms))


def without_power(one: Listed) -> Said:
    """Minutes as alerts wrote them last; it writes them anew while they change."""
    if one.minutes is None:
        return said("mark.power_unknown")
    return said("mark.power", min=one.minutes) if one.minutes else said("mark.power_beyond")


def marked(fleet: Fleet, found: Marks) -> Fleet:
    """The same fleet, with the marks on its rows; of those not yet beyond, the next to be so first."""
    touched = found.texts.keys() | found.limit_ms.keys() | found.blind.keys()
    rows = (_with(row, found, fleet.now_ms) if row.id in touched else row for row in fleet.rows)
    return replace(fleet, rows=tuple(sorted(rows, key=_nearness)))


def _with(row: Row, found: Marks, now_ms: int) -> Row:
    """Heard since: nearer to now than to the silence that alerts knew of."""
    last_ms, passes_ms, words = found.blind.get(row.id, (0, None, None))
    marks_ = found.texts.get(row.id, ())
    heard_ms = row.at_ms or 0
    if words is None or now_ms - heard_ms < heard_ms - last_ms:
        return replace(row, marks=marks_, limit_ms=found.limit_ms.get(row.id), blind_ms=None)
    return replace(row, marks=(words, *marks_), limit_ms=found.limit_ms.get(row.id), blind_ms=passes_ms)


def _nearness(row: Row) -> tuple[int, float]:
    """In alarm, how far beyond counts, as it stands already."""
    near = row.limit_ms if row.limit_ms is not None and row.state is not Health.ALARM else math.inf
    return ORDER.index(row.state), near
