# SPDX-License-Identifier: Apache-2.0
"""Follows the journal into InfluxDB on a thread of its own: its outage costs dashboards, never a commit.

Its position is told to ingest's committing thread, which keeps it as cursor 'influx': it stays behind the
oldest reading whose roll-up windows are not all written. A restart goes on from there and writes some points
again, as the same points.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from coldchain.kernel.clocks import WallClock
from coldchain.kernel.errors import ColdChainError
from coldchain.records.influx_names import ROLLUP_MS
from coldchain.records.journal import JournalReader, Latest, LogBatch
from coldchain.records.registry import Registry, RegistryReader
from coldchain.settings import Settings
from ingest.influx.delivery import Delivered, Delivery, Send, Stopped
from ingest.influx.feed import Feed
from ingest.influx.lines import Line, reading_lines, rollup_lines, tags_of
from ingest.influx.windows import DirtyWindows
from ingest.rollups import roll, rule_for

log = structlog.get_logger()

FOLLOW_EVERY_S = 0.5
BATCHES_A_TURN = 500
ROLLUPS_EVERY_MS = 5_000
ROLLUPS_WHEN_BEHIND = 50_000
"""While catching up, roll-ups wait until so many windows are open: each is then computed once, not often."""
NEWS_MAX = 100
BROKEN_WAIT_S = 10.0
SILENCE_TOLD_MS = 86_400_000
"""For this long after its last reading a silent sensor still gets windows, all unknown [ms]."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What the committing thread is to keep: the cursor, and the lines that will never be points."""

    position: int
    detail: str
    culprits: list[tuple[Line, str]] = field(default_factory=list)
    parked: list[tuple[Line, str]] = field(default_factory=list)


class Projection:
    """Start it with `start`, end it with `stop`. The committing thread asks for `news`."""

    def __init__(self, settings: Settings, send: Send, wall_ms: WallClock) -> None:
        self._settings, self._wall_ms = settings, wall_ms
        self._stopping = threading.Event()
        self._delivery = Delivery(send, self._stopping.wait, self._trouble)
        self._progress: queue.SimpleQueue[Progress] = queue.SimpleQueue()
        self.state, self.points, self.behind = "starting", 0, 0
        self._position = 0
        self._thread = threading.Thread(target=self._run, name="influx", daemon=True)
        self._dirty = DirtyWindows()
        self._rolled_ms = 0
        self._feed = Feed(settings)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Asks and waits shortly; a request that hangs is left to end with the process."""
        self._stopping.set()
        self._thread.join(1.0)

    def news(self) -> list[Progress]:
        """What came since the last call, for the committing thread to keep."""
        found: list[Progress] = []
        with contextlib.suppress(queue.Empty):
            while len(found) < NEWS_MAX:
                found.append(self._progress.get_nowait())
        return found

    def figures(self) -> dict[str, object]:
        return {"state": self.state, "points": self.points, "behind": self.behind}

    def _trouble(self, error: Exception, wait_s: float) -> None:
        if self.state != "down":
            log.warning("influx.down", why=str(error)[:300], retry_s=wait_s)
        self.state = "down"

    def _run(self) -> None:
        try:
            self._reader = JournalReader(self._settings.readings_db)
            self._registry = RegistryReader(self._settings.desk_db)
            self._names = _Names(self._reader, self._registry)
            self._restore()
            while not self._stopping.is_set():
                if not self._turn_or_wait():
                    self._stopping.wait(FOLLOW_EVERY_S)
        except Stopped:
            return

    def _turn_or_wait(self) -> bool:
        """A turn; whatever goes wrong in it, besides the outages that delivery sits out, is tried again."""
        try:
            return self._turn()
        except Stopped:
            raise
        except Exception:
            self.state = "broken"
            log.exception("influx.broken", position=self._position)
            self._stopping.wait(BROKEN_WAIT_S)
            return False

    def _restore(self) -> None:
        position, detail = self._reader.cursor("influx")
        self._position = position
        self.points = detail.get("points", 0)
        self._feed.written_ms = detail.get("events_ms", 0)
        first = self._reader.first_position()
        if first > position + 1:
            log.warning(
                "influx.starts_late", position=first, hint="`coldchain influx resync` writes what is before"
            )
        self._resume_silences()

    def _resume_silences(self) -> None:
        """The window in which each sensor was last heard, so that its silence is told on from there."""
        now_ms = self._wall_ms()
        latest = self._reader.latest()
        for series, (sensor, _) in self._reader.series().items():
            newest = latest.get(sensor)
            if newest is None or newest.at_ms < now_ms - SILENCE_TOLD_MS:
                continue
            for name, length in ROLLUP_MS.items():
                for start in range(newest.at_ms // length * length, now_ms, length):
                    self._dirty.add(name, series, start)

    def _turn(self) -> bool:
        """Write the next batches, or the windows that are over. False when there was nothing to do."""
        batches = self._reader.batches_after(self._position, BATCHES_A_TURN)
        self.behind = self._reader.last_position() - self._position
        if batches:
            for group in _groups(batches, self._settings.influx.batch_points):
                self._write_readings(group)
        now_ms = self._wall_ms()
        rest = not batches or len(self._dirty) > ROLLUPS_WHEN_BEHIND
        if rest and now_ms - self._rolled_ms >= ROLLUPS_EVERY_MS:
            self._rolled_ms = now_ms
            self._write_rollups(now_ms)
        if not batches:
            self._names.refresh()
            if lines := self._feed.new(self._registry.registry, now_ms):
                self._tell(self._deliver(lines))
        return bool(batches)

    def _write_readings(self, batches: Sequence[LogBatch]) -> None:
        self._names.refresh()
        lines: list[Line] = []
        for batch in batches:
            lines += reading_lines(batch.rows, self._names.tags, self._names.sources)
            self._dirty.touch(batch.rows, self._names.hold_ms, batch.position)
        outcome = self._deliver(lines)
        self._position = batches[-1].position
        self.behind = max(0, self._reader.last_position() - self._position)
        self._tell(outcome)

    def _write_rollups(self, now_ms: int) -> None:
        work = list(self._dirty.over(now_ms))
        if not work:
            return
        self._names.refresh()
        latest = self._reader.latest()
        lines: list[Line] = []
        finished: list[tuple[str, int, list[int]]] = []
        for name, series, starts in work:
            lines += self._rollup(name, series, starts)
            finished.append((name, series, starts))
            self._follow_silence(name, series, starts[-1], latest)
            if len(lines) >= self._settings.influx.batch_points:
                self._finish(lines, finished)
                lines, finished = [], []
        self._finish(lines, finished)

    def _finish(self, lines: list[Line], finished: list[tuple[str, int, list[int]]]) -> None:
        outcome = self._deliver(lines)
        for name, series, starts in finished:
            self._dirty.done(name, series, starts)
        self._tell(outcome)

    def _rollup(self, name: str, series: int, starts: list[int]) -> list[Line]:
        sensor, _ = self._names.series[series]
        return list(
            rollups_of(self._reader, self._registry.registry, sensor, name, starts, self._names.tags[series])
        )

    def _follow_silence(self, name: str, series: int, start_ms: int, latest: dict[str, Latest]) -> None:
        """After a sensor's newest window comes the next one, even if nothing is read in it: it is unknown."""
        newest = latest.get(self._names.series[series][0])
        following = start_ms + ROLLUP_MS[name]
        if newest is not None and newest.at_ms < following <= newest.at_ms + SILENCE_TOLD_MS:
            self._dirty.add(name, series, following)

    def _deliver(self, lines: list[Line]) -> Delivered:
        """Deliver in requests of the configured size; what is beyond the retention is not even tried."""
        total = Delivered()
        retention = self._settings.influx.retention
        if retention is not None:
            oldest = self._wall_ms() - round(retention.total_seconds() * 1000)
            total.parked = [(line, "older than influx.retention") for line in lines if line.at_ms < oldest]
            lines = [line for line in lines if line.at_ms >= oldest]
        size = self._settings.influx.batch_points
        for first in range(0, len(lines), size):
            outcome = self._delivery.deliver(lines[first : first + size])
            self.state = "up"
            total.points += outcome.points
            total.culprits += outcome.culprits
            total.parked += outcome.parked
        self.points += total.points
        return total

    def _tell(self, outcome: Delivered) -> None:
        position = self._dirty.safe_position(self._position)
        detail = json.dumps(
            {"written": self._position, "points": self.points, "events_ms": self._feed.written_ms}
        )
        self._progress.put(Progress(position, detail, outcome.culprits, outcome.parked))


def rollups_of(
    reader: JournalReader, registry: Registry, sensor: str, measurement: str, starts: list[int], tags: str
) -> list[Line]:
    """The lines of these windows, from the journal."""
    length = ROLLUP_MS[measurement]
    lines: list[Line] = []
    for first, end in _stretches(starts, length):
        rule = rule_for(registry, sensor, first, end)
        rows = reader.readings(sensor, first - rule.hold_ms, end)
        rolled = roll(rows["at_ms"], rows["value"].astype("i8"), first, end, length, rule)
        lines += rollup_lines(measurement, tags, rolled.rows())
    return lines


def _stretches(starts: list[int], length: int) -> list[tuple[int, int]]:
    """Windows in order as stretches without holes, of a hundred windows at most."""
    found: list[tuple[int, int]] = []
    for start in starts:
        if found and found[-1][1] == start and start - found[-1][0] < 100 * length:
            found[-1] = (found[-1][0], start + length)
        else:
            found.append((start, start + length))
    return found


def _groups(batches: Sequence[LogBatch], points: int) -> list[list[LogBatch]]:
    """Consecutive batches of together about `points` readings."""
    groups: list[list[LogBatch]] = []
    n = points
    for batch in batches:
        if n + len(batch.rows) > points:
            groups.append([])
            n = 0
        groups[-1].append(batch)
        n += len(batch.rows)
    return groups


class _Names:
    """Tags, sources and holds by their numbers, read again when something new appears."""

    def __init__(self, reader: JournalReader, registry: RegistryReader) -> None:
        self._reader, self._registry = reader, registry
        self.series: dict[int, tuple[str, int]] = {}
        self.sources: dict[int, tuple[str, int]] = {}
        self.tags: dict[int, str] = {}
        self.hold_ms: dict[int, int] = {}

    def refresh(self) -> None:
        try:
            fresh = self._registry.refresh()
        except ColdChainError:
            fresh = False
        series = self._reader.series()
        if fresh or len(series) != len(self.series):
            registry = self._registry.registry
            self.series = series
            self.tags = {number: tags_of(registry, *name) for number, name in series.items()}
            self.hold_ms = {
                number: rule_for(registry, sensor, 0, 1).hold_ms for number, (sensor, _) in series.items()
            }
        self.sources = self._reader.sources()
