# SPDX-License-Identifier: Apache-2.0
"""What other pages show of blood: an alarm's findings; a site's trends, readings by hand, the day's sheet.

Templates ask for it by the name `blood`.
"""

from __future__ import annotations

from dataclasses import replace

from coldchain.records.found import CAUSES, VERDICTS, ByHand, Finding
from coldchain.records.registry import Appliance, Sensor
from dashboards.console.alarms.routes import called
from dashboards.console.alarms.told import Told
from dashboards.console.blood import findings
from dashboards.console.blood.by_hand import latest
from dashboards.console.blood.room import Room
from dashboards.console.blood.trend import HOUR_MS, Trend, trend_of
from dashboards.console.site import SitePage
from dashboards.console.views import Row, main_sensor

STEPS = 12


class Parts:
    """For templates."""

    verdicts, causes = VERDICTS, CAUSES

    def __init__(self, room: Room) -> None:
        self._room = room

    def found(self, told: Told) -> list[Finding]:
        """Newest first: the first one counts."""
        return findings.of(self._room, told.alarm.id)

    def markable(self, told: Told) -> bool:
        return findings.offered(told)

    def rows(self, page: SitePage) -> tuple[Row, ...]:
        """The site's appliances, each with which way it goes, where that is known."""
        trends = trends_of(self._room, page.rows)
        return tuple(
            replace(row, marks=(*row.marks, trends[row.id].text)) if row.id in trends else row
            for row in page.rows
        )

    def by_hand(self, appliances: list[str]) -> list[ByHand]:
        """Of the last two days, newest first."""
        return latest(self._room, appliances)

    def places(self, page: SitePage) -> list[tuple[str, str]]:
        """(id, name) of where somebody may read a thermometer, those without a value first."""
        return [(row.id, row.name) for row in sorted(page.rows, key=lambda row: row.value is not None)]

    def place(self, appliance: Appliance) -> list[tuple[str, str]]:
        return [(appliance.id, appliance.name)]

    def called(self, name: str) -> str:
        return called(name, self._room.console.records.registry())

    def today(self, site: str) -> str:
        return self._room.for_input(self._room.console.wall_ms(), site)[:10]


def trends_of(room: Room, rows: tuple[Row, ...]) -> dict[str, Trend]:
    """Of the last hour, reading the record once."""
    registry, now_ms = room.console.records.registry(), room.console.wall_ms()
    mine: dict[str, list[Sensor]] = {}
    ids = {row.id for row in rows}
    for sensor in registry.sensors:
        if sensor.appliance in ids:
            mine.setdefault(sensor.appliance or "", []).append(sensor)
    mains = {id_: main for id_, some in mine.items() if (main := main_sensor(some)) is not None}
    if not mains or not room.console.settings.readings_db.exists():
        return {}
    series = room.console.records.day([*mains.values()], now_ms - HOUR_MS, now_ms, STEPS)
    found = {}
    for row in rows:
        main = mains.get(row.id)
        if main is not None and main.id in series:
            trend = trend_of(series[main.id], row.limit, row.value)
            if trend is not None:
                found[row.id] = trend
    return found
