# SPDX-License-Identifier: Apache-2.0
"""A guided test of one appliance's alarm: begun, followed, and its record."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from coldchain.kernel.errors import BadData
from coldchain.records.alarm_rows import DrillRow
from coldchain.records.alarms import AlarmsReader
from coldchain.records.readiness import DRILL_EVERY_MS
from coldchain.records.registry import Desk, Drill, Registry, RegistryReader
from coldchain.settings import Settings

START_MS = 10_000
"""It begins so long after it was asked for: ingest has read the registry by then."""
KEEP = 8
"""Windows of older drills that the registry goes on to name; their records stay."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One person of the drill; instants in ms, None: not (yet). An answer: a reply, a call, a click."""

    person: str
    told_ms: int | None
    delivered_ms: int | None
    answered_ms: int | None


@dataclass(frozen=True, slots=True)
class Record:
    """What a drill showed."""

    drill: DrillRow
    answers: tuple[Answer, ...]

    @property
    def told(self) -> dict[str, Any]:
        return asdict(self)


def begin(settings: Settings, appliance: str, person: str, minutes: float, now_ms: int) -> Drill:
    """Ask for a drill; BadData when something speaks against it."""
    reader = RegistryReader(settings.desk_db)
    reader.refresh()
    registry, version = reader.registry, reader.version
    reader.close()
    _possible(registry, appliance, person, minutes, now_ms)
    start = now_ms + START_MS
    drill = Drill(from_ms=start, until_ms=start + round(minutes * 60_000), by=person)
    appliances = tuple(
        a.model_copy(update={"drills": (*a.drills, drill)[-KEEP:]}) if a.id == appliance else a
        for a in registry.appliances
    )
    desk = Desk(settings.desk_db, lambda: now_ms)
    try:
        changed = registry.model_copy(update={"appliances": appliances})
        desk.publish(changed, author=person, reason=f"a test of the alarm of {appliance}", after=version)
    finally:
        desk.close()
    return drill


def _possible(registry: Registry, name: str, person: str, minutes: float, now_ms: int) -> None:
    appliance = registry.appliance_by_id.get(name)
    if appliance is None:
        near = ", ".join(sorted(registry.appliance_by_id)[:8])
        raise BadData(f"there is no appliance {name!r}; there are {near} ...")
    if person not in registry.person_by_id:
        raise BadData(f"nobody is called {person!r}; known: {', '.join(sorted(registry.person_by_id)[:12])}")
    if appliance.carries(now_ms) in (None, "empty"):
        raise BadData(f"{name} carries nothing: without limits nothing can trip; assign a profile first")
    if not 5 <= minutes <= 240:
        raise BadData("a drill lasts 5 to 240 minutes: meanwhile nothing else judges the appliance")
    running = [drill for drill in appliance.drills if drill.until_ms > now_ms]
    if running:
        raise BadData(f"a drill of {name} runs already, begun by {running[0].by}")


def record_of(settings: Settings, row: DrillRow) -> Record:
    """The drill, and each person who was told of it: when, and when they answered."""
    reader, desk = AlarmsReader(settings.alarms_db), RegistryReader(settings.desk_db)
    desk.refresh()
    if row.alarm is None:
        return Record(row, ())
    events = reader.events(row.alarm)
    delivered = reader.delivered(row.alarm)
    end_ms = row.ended_ms or 2**62
    heard = reader.heard(row.told_ms or row.from_ms, end_ms)
    people: dict[str, list[int | None]] = {}
    for notice in reversed(reader.notices(1000, alarm=row.alarm)):
        if notice.about == "raised" and notice.sent_ms is not None:
            mine = people.setdefault(notice.person, [notice.sent_ms, None])
            mine[1] = mine[1] or delivered.get(notice.id)
    answers = []
    for person, (told, arrived) in people.items():
        known = desk.registry.person_by_id.get(person)
        numbers = {known.phone, *known.numbers} if known else set()
        by_phone = [at for at, _, sender, _ in heard if sender in numbers]
        by_hand = [
            e.at_ms for e in events if e.event == "acknowledged" and re.match(rf"{person}\b", e.detail)
        ]
        answers.append(Answer(person, told, arrived, min([*by_phone, *by_hand], default=None)))
    return Record(row, tuple(answers))


def due(settings: Settings, now_ms: int) -> list[tuple[str, int | None, int | None]]:
    """(appliance, last tested, due) of every appliance in use, the most overdue first; None: never."""
    desk = RegistryReader(settings.desk_db)
    desk.refresh()
    last: dict[str, int] = {}
    for row in AlarmsReader(settings.alarms_db).drills():
        if row.trip_ms is not None:
            last.setdefault(row.appliance, row.trip_ms)
    used = [a.id for a in desk.registry.appliances if a.carries(now_ms) not in (None, "empty")]
    found = [(name, last.get(name), last[name] + DRILL_EVERY_MS if name in last else None) for name in used]
    return sorted(found, key=lambda one: (one[2] or 0, one[0]))


def follow(
    settings: Settings, appliance: str, drill: Drill, told: Callable[[str], None], wait: Callable[[], int]
) -> Record:
    """Say what happens until the drill is over. wait: sleeps a little and gives the instant."""
    reader, seen = AlarmsReader(settings.alarms_db), set()
    told(f"from now on warm the probe of {appliance} (a warm hand, a glass of water) until its limit trips")
    while True:
        now_ms = wait()
        rows = [row for row in reader.drills(appliance=appliance) if row.from_ms == drill.from_ms]
        if rows:
            record = record_of(settings, rows[0])
            for line in _lines(record):
                if line not in seen:
                    seen.add(line)
                    told(line)
            if rows[0].ended_ms is not None:
                return record
        if now_ms > drill.until_ms + 600_000:
            raise BadData("alerts has not taken part: is it running? coldchain doctor")


def _lines(record: Record) -> list[str]:
    row = record.drill
    found = []
    if row.trip_ms is not None and row.trip_value is not None and row.limit_value is not None:
        trip, limit = row.trip_value / 1000, row.limit_value / 1000
        found.append(f"tripped at {trip:.1f} °C, limit {limit:.1f} °C ({row.kind})")
    for one in record.answers:
        if one.told_ms is not None and row.trip_ms is not None:
            found.append(f"{one.person}: told {(one.told_ms - row.trip_ms) / 1000:.0f} s after the trip")
        if one.told_ms is not None and one.answered_ms is not None:
            found.append(f"{one.person}: answered after {(one.answered_ms - one.told_ms) / 1000:.0f} s")
    if row.ended_ms is not None:
        found.append("over" if row.trip_ms is not None else "over: its limits did not trip")
    return found
