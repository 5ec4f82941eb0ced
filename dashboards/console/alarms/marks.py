# SPDX-License-Identifier: Apache-2.0
"""What a row of the fleet says beside its state: how long it bears a power cut, the worst case, put aside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from coldchain.records.alarms import Alarm, Listed
from coldchain.records.site import SiteReader
from dashboards.console.views import Fleet
from dashboards.console.words import Said, Text, said

Marks = Mapping[str, tuple[Text, ...]]
"""Appliance -> what is to be said of it."""


def marks(reader: SiteReader, open_: Iterable[Alarm], at: Callable[[int], str]) -> Marks:
    """at: an instant [ms] as people read it. Instants, not ages: a row changes only with what it says."""
    found: dict[str, list[Text]] = defaultdict(list)
    by_id = {alarm.id: alarm for alarm in open_}
    for alarm in by_id.values():
        if alarm.scope == "site" and alarm.kind == "power" and alarm.standing:
            for one in reader.alarm_list(alarm.id):
                found[one.appliance].append(without_power(one))
    for blind in reader.blind():
        if blind.passes_ms is not None:
            found[blind.appliance].append(said("mark.blind", at=at(blind.passes_ms)))
    for shelf in reader.shelved():
        if (shelved := by_id.get(shelf.alarm)) is not None:
            found[shelved.appliance].append(said("mark.shelved", at=at(shelf.until_ms)))
    for out in reader.out_of_service():
        found[out.appliance].append(said("mark.out"))
    return {appliance: tuple(texts) for appliance, texts in found.items()}


def without_power(one: Listed) -> Said:
    """Minutes as alerts wrote them last; it writes them anew while they change."""
    if one.minutes is None:
        return said("mark.power_unknown")
    return said("mark.power", min=one.minutes) if one.minutes else said("mark.power_beyond")


def marked(fleet: Fleet, found: Marks) -> Fleet:
    """The same fleet, with the marks on its rows."""
    rows = tuple(replace(row, marks=found[row.id]) if row.id in found else row for row in fleet.rows)
    return replace(fleet, rows=rows)
