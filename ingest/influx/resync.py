# SPDX-License-Identifier: Apache-2.0
"""Write a span of the record into InfluxDB again: after a loss there, or for a new bucket."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from coldchain.ports.clock import wall_ms
from coldchain.records.influx_names import ROLLUP_MS
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Registry, RegistryReader
from coldchain.settings import Settings
from ingest.influx.delivery import Delivery, Send
from ingest.influx.feed import Feed
from ingest.influx.lines import Line, reading_lines, tags_of
from ingest.influx.projection import rollups_of

DAY_MS = 86_400_000


@dataclass(slots=True)
class Resynced:
    """points: written. refused: never taken, first reasons in `reasons`. old: beyond the retention."""

    points: int = 0
    refused: int = 0
    old: int = 0
    reasons: tuple[str, ...] = ()


def resync(
    settings: Settings,
    from_ms: int,
    to_ms: int,
    *,
    send: Send | None = None,
    on_trouble: Callable[[Exception, float], None] | None = None,
) -> Resynced:
    """Every reading with from_ms <= at_ms < to_ms, every roll-up window that touches the span and is over,
    and alarms, limits and events of the span.

    The same points again, so it may be repeated, and may run beside ingest. Waits while InfluxDB is away:
    `on_trouble` hears why. `send` defaults to the configured server.
    """
    if send is None:
        from ingest.influx.client import InfluxWriter  # noqa: PLC0415  heavy, and not for every caller

        send = InfluxWriter(settings.influx).send
    delivery = Delivery(send, threading.Event().wait, on_trouble or _unheard)
    reader = JournalReader(settings.readings_db)
    registry = RegistryReader(settings.desk_db)
    registry.refresh()
    done = Resynced()
    try:
        for series, (sensor, quantity) in reader.series().items():
            tags = tags_of(registry.registry, sensor, quantity)
            for day in range(from_ms, to_ms, DAY_MS):
                end = min(day + DAY_MS, to_ms)
                lines = _lines(reader, registry.registry, (series, sensor, tags), day, end)
                _deliver(delivery, lines, settings.influx.batch_points, done)
        feed = Feed(settings)
        for day in range(from_ms, to_ms, DAY_MS):
            end = min(day + DAY_MS, to_ms)
            told = list(feed.between(registry.registry, day, end, wall_ms()))
            _deliver(delivery, told, settings.influx.batch_points, done)
        feed.close()
    finally:
        reader.close()
        registry.close()
    return done


def _unheard(error: Exception, wait_s: float) -> None:
    """Nobody listens: the wait goes on."""


def _lines(
    reader: JournalReader, registry: Registry, series: tuple[int, str, str], start_ms: int, end_ms: int
) -> list[Line]:
    number, sensor, tags = series
    rows = reader.readings(sensor, start_ms, end_ms)
    rows = rows[rows["series"] == number]
    lines = list(reading_lines(rows, {number: tags}, reader.sources()))
    if not len(rows):
        return lines
    now_ms = wall_ms()
    for name, length in ROLLUP_MS.items():
        first, last = int(rows["at_ms"][0]), int(rows["at_ms"][-1])
        starts = range(first // length * length, last + 1, length)
        over = [start for start in starts if start + length <= now_ms]
        lines += rollups_of(reader, registry, sensor, name, over, tags)
    return lines


def _deliver(delivery: Delivery, lines: list[Line], size: int, done: Resynced) -> None:
    for first in range(0, len(lines), size):
        outcome = delivery.deliver(lines[first : first + size])
        done.points += outcome.points
        done.refused += len(outcome.culprits)
        done.old += len(outcome.parked)
        done.reasons = (*done.reasons, *(why for _, why in outcome.culprits))[:5]
