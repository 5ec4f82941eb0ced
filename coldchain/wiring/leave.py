# SPDX-License-Identifier: Apache-2.0
"""Asked of the record, "May I leave?": the days before the trouble against the time since the repair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from coldchain.kernel.errors import BadData
from coldchain.kernel.words import Status
from coldchain.records.alarms import AlarmsReader
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Registry, RegistryReader
from coldchain.settings import Settings
from coldchain.settings.profile_files import PROFILES

if TYPE_CHECKING:
    from alerts.site.leave import Course, Said

DAYS_MS = 14 * 86_400_000
"""So far back its healthy days are looked for."""
TROUBLE_MS = 3_600_000
"""Before its first alarm it was ill already, so long at least."""


def may_i_leave(settings: Settings, name: str, since_ms: int | None, now_ms: int) -> Said:
    """since_ms: when the repair was done; None: when the appliance was last taken out of service, or answered
    for. BadData when there is no such appliance, or nothing to count from.
    """
    from alerts.site import leave

    reader = RegistryReader(settings.desk_db)
    reader.refresh()
    appliance = reader.registry.appliance_by_id.get(name)
    if appliance is None:
        known = ", ".join(list(reader.registry.appliance_by_id)[:12]) or "none yet"
        raise BadData(f"there is no appliance {name!r}; known: {known}")
    alarms = AlarmsReader(settings.alarms_db)
    since_ms = _since(alarms, name) if since_ms is None else since_ms
    profile = PROFILES.get(appliance.carries(now_ms) or "")
    load, air = _sensors(reader.registry, name)
    journal = JournalReader(settings.readings_db)
    try:
        load_course = _course(journal, load, since_ms - DAYS_MS, now_ms)
        air_course = load_course if air == load else _course(journal, air, since_ms - DAYS_MS, now_ms)
    finally:
        journal.close()
    return leave.ask(
        air_course,
        load_course,
        low_c=profile.low_c if profile else None,
        high_c=profile.high_c if profile else None,
        before_ms=_trouble(alarms, name, since_ms) - TROUBLE_MS,
        since_ms=since_ms,
        now_ms=now_ms,
    )


def _since(alarms: AlarmsReader, name: str) -> int:
    out = [one.from_ms for one in alarms.out_of_service(all_=True) if one.appliance == name]
    answered = [
        event.at_ms
        for alarm in alarms.alarms(20, appliance=name)
        for event in alarms.events(alarm.id)
        if event.event == "acknowledged"
    ]
    found = [*out[:1], *sorted(answered)[-1:]]
    if not found:
        raise BadData(f"{name}: say when the repair was done: --since 2026-03-01T14:00:00Z")
    return max(found)


def _trouble(alarms: AlarmsReader, name: str, since_ms: int) -> int:
    """When the trouble that was repaired began: its first alarm of the days before, or the repair itself."""
    began = [a.since_ms for a in alarms.alarms(100, appliance=name)]
    return min([at for at in began if since_ms - DAYS_MS // 2 <= at <= since_ms] or [since_ms])


def _sensors(registry: Registry, name: str) -> tuple[str, str]:
    mine = [s for s in registry.sensors if s.appliance == name and s.quantity == "temperature"]
    if not mine:
        raise BadData(f"{name} has no probe: nothing can be said of it")
    load = next((s.id for s in mine if s.probe == "load"), mine[0].id)
    return load, next((s.id for s in mine if s.probe == "air"), load)


def _course(journal: JournalReader, sensor: str, start_ms: int, end_ms: int) -> Course:
    from alerts.site.leave import Course

    rows = journal.readings(sensor, start_ms, end_ms + 1)
    rows = rows[rows["status"] == Status.OK]
    at, first = np.unique(rows["at_ms"].astype(np.int64), return_index=True)
    return Course(at, rows["value"][first].astype(np.int64))
