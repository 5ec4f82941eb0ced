# SPDX-License-Identifier: Apache-2.0
"""The last 24 hours of every appliance as small pictures: read together, drawn when asked for."""

from __future__ import annotations

import threading

from coldchain.records.registry import Registry, Sensor
from dashboards.console.problems import Problem
from dashboards.console.series import RANGES_MS, Series, limits_between
from dashboards.console.source import Records
from dashboards.console.svg import sparkline
from dashboards.console.views import main_sensor

SPARK_KEEP_MS = 300_000
"""A picture of 24 hours moves by a third of a percent in this time."""
SPARK_POINTS = 96


class Sparks:
    """Keeps the figures of all main sensors for SPARK_KEEP_MS. Nothing is read while nobody asks."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._lock = threading.Lock()
        self._read_ms = 0
        self._registry: Registry | None = None
        self._mains: dict[str, Sensor] = {}
        self._series: dict[str, Series] = {}
        self._drawn: dict[str, str] = {}

    def svg(self, appliance_id: str) -> str:
        """Problem 404 for an unknown appliance, and for one without a sensor."""
        with self._lock:
            registry = self._records.registry()
            appliance = registry.appliance_by_id.get(appliance_id)
            if appliance is None:
                raise Problem(404, "unknown-appliance")
            self._refresh(registry)
            main = self._mains.get(appliance_id)
            if main is None:
                raise Problem(404, "unknown-sensor")
            series = self._series.get(main.id)
            if series is None:  # its first reading came since
                now_ms = self._records.wall_ms()
                series = self._records.series(main, now_ms - RANGES_MS["24h"], now_ms, SPARK_POINTS)
                self._series[main.id] = series
            if appliance_id not in self._drawn:
                spans = limits_between(appliance, series.start_ms, series.end_ms)
                self._drawn[appliance_id] = sparkline(series, spans)
            return self._drawn[appliance_id]

    def _refresh(self, registry: Registry) -> None:
        now_ms = self._records.wall_ms()
        if registry is self._registry and 0 <= now_ms - self._read_ms < SPARK_KEEP_MS:
            return
        sensors: dict[str, list[Sensor]] = {}
        for sensor in registry.sensors:
            if sensor.appliance is not None:
                sensors.setdefault(sensor.appliance, []).append(sensor)
        found = {appliance: main_sensor(some) for appliance, some in sensors.items()}
        self._mains = {appliance: main for appliance, main in found.items() if main is not None}
        start_ms = now_ms - RANGES_MS["24h"]
        self._series = self._records.day([*self._mains.values()], start_ms, now_ms, SPARK_POINTS)
        self._drawn.clear()
        self._registry, self._read_ms = registry, now_ms
