# SPDX-License-Identifier: Apache-2.0
"""Late readings: judge a sensor again over the span they touch, with the very code of the live path.

A reading well inside the limits ends whatever was before it, so judging may begin at one and stop at the next
one after the span: what lies outside cannot change. Most late readings are calm and fall where nothing
happened: those cost one question to the book.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from alerts.book import Book, Scene, excursion_of
from alerts.engine import Events, Table, What, calm, rejudge
from alerts.rules import CONDITIONS
from alerts.rules.flat import Block, block_of, in_order
from alerts.rules.limits import NEVER
from alerts.store import AlarmStore
from coldchain.kernel.readings import Rows
from coldchain.kernel.words import Flag
from coldchain.records.alarms import Excursion
from coldchain.records.journal import JournalReader

Readings = Callable[[str, int, int], Rows]
"""(sensor, start_ms, end_ms) -> the journal's rows with start_ms <= at_ms < end_ms."""

HOUR_MS = 3_600_000
FIRST_LOOK_MS = 6 * HOUR_MS
FOREVER = 2**62


class Record:
    """`Readings` from a reader of its own: it keeps the decoded end of the log, which is not to stay in
    memory. Close it after each crowd of late readings; it opens again by itself.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._journal: JournalReader | None = None

    def __call__(self, sensor: str, start_ms: int, end_ms: int) -> Rows:
        if self._journal is None:
            self._journal = JournalReader(self._path)
        return self._journal.readings(sensor, start_ms, end_ms)

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None


WAIT_S, PATIENCE_S = 1.0, 4.0
"""Late readings come in crowds: judge again when none came for so long, or after so long anyway [s]."""
SHARE = 20.0
"""After judging again, rest this many times as long as it took."""
URGENT_SHARE = 2.0
"""The same, while a reading beyond a limit is among those that wait: an alarm may hang on it."""


class Pace:
    """When to judge again. Times are those of a steady clock [s]."""

    def __init__(self, now_s: float) -> None:
        self._first_s = self._last_s = math.inf
        self._rest_until_s = now_s

    @property
    def waiting(self) -> bool:
        return self._first_s != math.inf

    def seen(self, now_s: float) -> None:
        """There are spans that wait."""
        self._first_s, self._last_s = min(self._first_s, now_s), now_s

    def is_due(self, now_s: float, *, drained: bool) -> bool:
        if not self.waiting or now_s < self._rest_until_s:
            return False
        return (drained and now_s - self._last_s >= WAIT_S) or now_s - self._first_s >= PATIENCE_S

    def worked(self, now_s: float, took_s: float, *, waiting: bool, urgent: bool) -> None:
        """Some or all spans were judged."""
        if not waiting:
            self._first_s = math.inf
        self._rest_until_s = now_s + (URGENT_SHARE if urgent else SHARE) * took_s


@dataclass(frozen=True, slots=True)
class Again:
    """A span judged anew, both ends included. `row`: the sensor's new record if the span reaches its end."""

    start_ms: int
    end_ms: int
    events: Events
    row: Table | None


class Revision:
    """Judges late spans and brings the book into line with what comes out."""

    def __init__(self, store: AlarmStore, book: Book, readings: Readings, lateness_ms: int) -> None:
        self._store, self._book = store, book
        self._readings, self._lateness_ms = readings, lateness_ms

    def settle(self, table: Table, series: int, scene: Scene) -> bool:
        """Judge the series' waiting span and clear it. False when nothing had to be judged.

        Changes `table[series]`; writes inside the caller's transaction.
        """
        row = table[series].copy()  # a record of a table is a view of it
        sensor = scene.names[series]
        start, end = int(row["late_from"]), int(row["late_until"])
        table["late_from"][series] = table["late_until"][series] = NEVER
        table["rough"][series] = False
        begun = row["since"][row["since"] != NEVER]
        touches = len(begun) and bool((begun <= end).any())
        if not row["rough"] and not touches and not self._store.touches_excursion(sensor, start, end):
            return False
        again = self._judge(row, sensor, start, end, scene)
        if again.row is not None:
            live_at = table["live_at"][series]
            table[series] = again.row
            table["live_at"][series] = live_at
        self._reconcile(sensor, again, scene)
        return True

    def _judge(self, row: Table, sensor: str, start: int, end: int, scene: Scene) -> Again:
        newest = int(row["at"])
        begin = self._calm_before(sensor, start, scene)
        until = self._calm_after(sensor, end, newest, scene)
        block = self._block(sensor, begin, min(until, newest) + 1)
        if not len(block):
            return Again(begin, end, np.zeros(0, [("at", "<i8")]), None)
        after, events = rejudge(block, scene.rules)
        return Again(begin, until, events, after.table[0] if until >= newest else None)

    def _calm_before(self, sensor: str, at: int, scene: Scene) -> int:
        """The last calm instant before `at`; 0 if there is none."""
        look, edge = FIRST_LOOK_MS, at
        while edge > 0:
            low = max(0, at - look)
            block = in_order(self._block(sensor, low, edge, future=False))
            if len(block):
                quiet = np.flatnonzero(calm(block, scene.rules) & ~block.drill)
                # Of equal instants all must be judged again: begin before the first of them.
                if len(quiet):
                    return int(block.at[quiet[-1]])
            edge, look = low, look * 2
        return 0

    def _calm_after(self, sensor: str, at: int, newest: int, scene: Scene) -> int:
        """The first calm instant after `at`, or `newest`."""
        look, edge = FIRST_LOOK_MS, at + 1
        while edge < newest:
            high = min(at + look, newest)
            block = in_order(self._block(sensor, edge, high, future=False))
            if len(block):
                quiet = np.flatnonzero(calm(block, scene.rules) & ~block.drill)
                if len(quiet):
                    return int(block.at[quiet[0]])
            edge, look = max(high, edge), look * 2
            if high == newest:
                break
        return newest

    def _block(self, sensor: str, start: int, end: int, *, future: bool = True) -> Block:
        """Readings judged from start to before end."""
        rows = self._readings(sensor, start, end)
        if future:
            ahead = self._readings(sensor, end, FOREVER)
            ahead = ahead[(ahead["flags"] & int(Flag.FUTURE)) != 0]
            rows = np.concatenate([rows, ahead]) if len(ahead) else rows
        block = block_of(rows, self._lateness_ms)
        return block.take((block.at >= start) & (block.at < end) & ~block.drill)

    # --- the book

    def _reconcile(self, sensor: str, again: Again, scene: Scene) -> None:
        """Excursions of the span become those judged now; live alarms are never silently withdrawn."""
        before = {e.id: e for e in self._store.excursions_within(sensor, again.start_ms, again.end_ms)}
        orphans = [e for e in before.values() if e.alarm]
        fresh = episodes(again.events, scene)
        for new, _ in fresh:
            heir = next((e for e in orphans if _same(e, new)), None)
            kept = before.get(new.id)
            alarm = heir.alarm if heir else None
            if heir:
                orphans.remove(heir)
            entry = replace(new, alarm=alarm, retrospective=alarm is None)
            if kept is None or _differs(kept, entry):
                self._store.put_excursion(entry)
        ids = {new.id for new, _ in fresh}
        for old in before.values():
            if old.id not in ids:
                self._store.drop_excursion(old.id)
        self._follow(fresh, [e for e in before.values() if e.alarm], again, scene)

    def _follow(
        self, fresh: list[tuple[Excursion, int | None]], had: list[Excursion], again: Again, scene: Scene
    ) -> None:
        for alarm in {e.alarm for e in had if e.alarm}:
            ended = [n.ended_ms for n, _ in fresh if n.ended_ms]
            at = max([*ended, again.start_ms])
            self._book.over(alarm, at, None, scene, why="late readings")
        for new, told_at in fresh:
            stands = new.ended_ms is None and told_at is not None
            known = self._store.excursion(new.id)
            if stands and known is not None and told_at is not None:
                self._book.announce(known, known.peak, told_at, scene)


def episodes(events: Events, scene: Scene) -> list[tuple[Excursion, int | None]]:
    """The excursions that the events of one sensor tell, each with the instant of its first live reading."""
    found: dict[str, tuple[Excursion, int | None]] = {}
    for event in events:
        made = excursion_of(event, scene)
        what, at, sign = What(int(event["what"])), int(event["at"]), CONDITIONS[int(event["kind"])].sign
        if what is What.RAISED:
            found[made.id] = (made, None)
            continue
        known, told_at = found[made.id]
        if what is What.ANNOUNCED:
            found[made.id] = (known, at)
        elif what is What.GROWN:
            found[made.id] = (replace(known, peak=made.peak), told_at)
        else:
            peak = made.peak if sign else None
            found[made.id] = (replace(known, ended_ms=at, peak=peak), told_at)
    return list(found.values())


def _same(old: Excursion, new: Excursion) -> bool:
    """Do two judgements of the past speak of the same event? Same kind, touching in time."""
    old_end = FOREVER if old.ended_ms is None else old.ended_ms
    new_end = FOREVER if new.ended_ms is None else new.ended_ms
    return old.kind == new.kind and old.started_ms <= new_end and new.started_ms <= old_end


def _differs(a: Excursion, b: Excursion) -> bool:
    return replace(a, updated_ms=0) != replace(b, updated_ms=0)
