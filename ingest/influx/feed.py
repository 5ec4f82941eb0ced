# SPDX-License-Identifier: Apache-2.0
"""Reads what alerts and the desk keep, for the projection: all of a span, or what is new since a look."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import structlog

from coldchain.kernel.errors import ColdChainError
from coldchain.records.alarm_spans import SpanReader
from coldchain.records.alarms import Alarm
from coldchain.records.health import beats
from coldchain.records.registry import Registry
from coldchain.records.work import WorkReader
from coldchain.settings import Settings
from ingest.influx import events
from ingest.influx.lines import Line

log = structlog.get_logger()

LOOK_EVERY_MS = 15_000
OVERLAP_MS = 120_000
"""Looked at again: what alerts decides and the windows of states, which are written when they are over."""
ORDERS_MAX = 10_000
BACK_MS = 86_400_000
"""So far back it begins where nobody knows how far it came [ms]; `influx resync` writes what is before."""


class Feed:
    """One thread. `written_ms`: up to there all has been handed out; given back to it at the next start."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.data_dir
        self._alarms = SpanReader(settings.alarms_db)
        self._work = WorkReader(settings.desk_db)
        self.written_ms = 0
        self._looked_ms = 0

    def new(self, registry: Registry, now_ms: int) -> list[Line]:
        """What came since the last call, at most every LOOK_EVERY_MS; nothing while a file cannot be read."""
        if 0 <= now_ms - self._looked_ms < LOOK_EVERY_MS:
            return []
        self._looked_ms = now_ms
        start_ms = max(self.written_ms - OVERLAP_MS, now_ms - BACK_MS)
        try:
            found = list(self._since(registry, start_ms, now_ms))
        except (ColdChainError, sqlite3.Error) as bad:
            log.warning("influx.events", why=str(bad)[:200])
            return []
        self.written_ms = now_ms
        return found

    def _since(self, registry: Registry, start_ms: int, now_ms: int) -> Iterator[Line]:
        alarms = self._alarms.decided_since(start_ms)
        yield from self._alarm_lines(registry, alarms, now_ms)
        yield from self._beside(registry, start_ms, now_ms, now_ms)
        ended = self._alarms.defrosts_since(start_ms)
        yield from events.defrosts(ended, self._alarms.upkeep(start_ms), registry, now_ms)
        judged = any(one.name == "alerts" and not one.stale(now_ms) for one in beats(self._folder))
        if judged:  # else nobody would know of an alarm: the windows stay unwritten, and so silent
            yield from self._windows(registry, start_ms - events.WINDOW_MS, now_ms, now_ms)

    def between(self, registry: Registry, start_ms: int, end_ms: int, now_ms: int) -> Iterator[Line]:
        """All that touches start to before end."""
        yield from self._alarm_lines(registry, self._alarms.touching(start_ms, end_ms), now_ms)
        yield from self._beside(registry, start_ms, end_ms, now_ms)
        ended = self._alarms.defrosts(start_ms, end_ms, taken_back=True)
        missing = [row for row in self._alarms.upkeep(start_ms) if row.since_ms < end_ms]
        yield from events.defrosts(ended, missing, registry, now_ms)
        yield from self._windows(registry, start_ms, end_ms, now_ms)

    def _alarm_lines(self, registry: Registry, alarms: list[Alarm], now_ms: int) -> Iterator[Line]:
        yield from events.alarm_lines(alarms, self._alarms.events_of(alarms))
        yield from events.marks(registry, alarms, now_ms)

    def _beside(self, registry: Registry, start_ms: int, end_ms: int, now_ms: int) -> Iterator[Line]:
        sites = {appliance.id: appliance.site for appliance in registry.appliances}
        out = [
            row
            for row in self._alarms.out_of_service(all_=True)
            if row.from_ms < end_ms and (row.back_ms or now_ms) >= start_ms
        ]
        orders = [
            order
            for order in self._work.orders(limit=ORDERS_MAX)
            if order.at_ms < end_ms and max([order.at_ms, *(step.at_ms for step in order.steps)]) >= start_ms
        ]
        yield from events.works(out, orders, sites, now_ms)
        tests = [row for row in self._alarms.drills() if row.from_ms < end_ms and row.until_ms >= start_ms]
        yield from events.drills(tests, sites)
        yield from events.of_registry(registry, start_ms, end_ms)

    def _windows(self, registry: Registry, start_ms: int, end_ms: int, now_ms: int) -> Iterator[Line]:
        hours = range(-(-start_ms // events.LIMITS_MS) * events.LIMITS_MS, end_ms, events.LIMITS_MS)
        yield from events.limit_lines(registry, hours)
        first = start_ms // events.WINDOW_MS * events.WINDOW_MS
        over = min(end_ms, now_ms // events.WINDOW_MS * events.WINDOW_MS)
        starts = range(first, over, events.WINDOW_MS)
        alarms, out = self._alarms.touching(first, end_ms), self._alarms.out_of_service(all_=True)
        yield from events.state_lines(registry, alarms, out, starts, now_ms)

    def close(self) -> None:
        self._alarms.close()
