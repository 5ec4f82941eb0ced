# SPDX-License-Identifier: Apache-2.0
"""The processes beside us: one that makes no progress is an alarm, told by us, who need none of them.

What replaces a process that hangs (our supervisor, systemd) tells nobody. Of alerts itself its next start
tells, for whatever reason it was started anew; of another that was replaced while we were being started
anew ourselves, the first beat of its successor, which says how long there was none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alerts.alarms.entries import Case, Scene
from alerts.bookkeeping.book import Book
from alerts.store import AlarmStore
from coldchain.kernel.clocks import SteadyClock
from coldchain.records.health import Beat, beats

SCOPE, KIND, RULE = "process", "chain", "process@1"
OURSELVES = "alerts"
PEERS = frozenset({"gateway", "ingest", "console"})
STILL_S = 45.0
"""Longer than any piece of work of a process. Whoever supervises it replaces it a little later."""
RECENT_MS = 600_000
"""A process that was silent for longer when we began does not run here any more."""
SHOWN_S = 60.0
"""So long an alarm about a process stands, of ourselves from our start: what is over at once may be told to
nobody.
"""
LOOK_EVERY_MS = 5_000
LOOK_AT_LEAST_S = 10.0
"""So long we look ourselves: how old a beat was when we began only the wall clock knows."""


@dataclass(slots=True)
class Seen:
    """The last beat of a process, when it was new, and since when we look, by our own steady clock."""

    at_ms: int
    new_s: float
    since_s: float


class Peers:
    """`steady_s` counts from the start of the machine or later."""

    def __init__(self, store: AlarmStore, book: Book, directory: Path, steady_s: SteadyClock) -> None:
        self._store, self._book = store, book
        self._directory, self._steady_s = directory, steady_s
        self._seen: dict[str, Seen] = {}
        self._before = next((beat for beat in beats(directory) if beat.name == OURSELVES), None)
        self._again_ms, self._began_s = 0, steady_s()
        self._judged: dict[str, int] = {}
        self._off_ms: int | None = None

    def look(self, scene: Scene) -> bool:
        """Raise and clear, each in a transaction. False when nothing changed."""
        if scene.now_ms < self._again_ms <= scene.now_ms + LOOK_EVERY_MS:
            return False
        self._again_ms = scene.now_ms + LOOK_EVERY_MS
        changed = self._was_away(scene)
        for beat in beats(self._directory):
            if beat.name in PEERS:
                changed |= self._peer(beat, scene)
        return changed

    def _was_away(self, scene: Scene) -> bool:
        """Once: did we stand still before we were started anew? A machine that was off is another matter."""
        before, self._before = self._before, None
        if before is None:
            return self._steady_s() - self._began_s > SHOWN_S and self._works(OURSELVES, scene)
        away_ms = min(scene.now_ms - before.at_ms, round(self._steady_s() * 1000))
        if before.stopped or away_ms <= STILL_S * 1000:
            return False
        self._off_ms = before.at_ms
        return self._stands(OURSELVES, away_ms, scene)

    def _peer(self, beat: Beat, scene: Scene) -> bool:
        if self._was_replaced(beat, scene):
            return self._stands(beat.name, beat.away_ms, scene, beat.first_ms - beat.away_ms)
        now_s, seen = self._steady_s(), self._seen.get(beat.name)
        if seen is None:
            age_ms = scene.now_ms - beat.at_ms
            if abs(age_ms) > RECENT_MS:
                return False
            seen = self._seen[beat.name] = Seen(beat.at_ms, now_s - max(age_ms, 0) / 1000, now_s)
        if beat.at_ms != seen.at_ms:
            seen.at_ms, seen.new_s = beat.at_ms, now_s
        if beat.stopped or now_s - seen.new_s <= STILL_S:
            return self._works(beat.name, scene)
        if now_s - seen.since_s < LOOK_AT_LEAST_S:
            return False
        return self._stands(beat.name, round((now_s - seen.new_s) * 1000), scene)

    def _was_replaced(self, beat: Beat, scene: Scene) -> bool:
        """Once for each start: had it stood still before, and was nobody told of that?"""
        if self._judged.get(beat.name) == beat.first_ms:
            return False
        self._judged[beat.name] = beat.first_ms
        if beat.away_ms <= STILL_S * 1000 or abs(scene.now_ms - beat.first_ms) > RECENT_MS:
            return False
        since_ms = beat.first_ms - beat.away_ms
        if self._off_ms is not None and since_ms >= self._off_ms - LOOK_AT_LEAST_S * 1000:
            return False  # all stood still together: our own alarm says so
        return not self._store.decided_since(SCOPE, _called(beat.name), KIND, since_ms)

    def _stands(self, name: str, still_ms: int, scene: Scene, since_ms: int | None = None) -> bool:
        alarm = self._store.open_alarm(SCOPE, _called(name), KIND)
        if alarm is not None and alarm.standing:
            return False
        since_ms = scene.now_ms - still_ms if since_ms is None else since_ms
        case = Case(
            id=f"{SCOPE}/{name}:{KIND}:{since_ms}",
            scope=SCOPE,
            subject=_called(name),
            site="",
            kind=KIND,
            severity="warning",
            since_ms=since_ms,
            at_ms=scene.now_ms,
            rule=RULE,
        )
        with self._store.transaction():
            opened = self._book.open(case, scene)
            self._store.note(opened, scene.now_ms, "still", f"no progress for {still_ms / 1000:.0f} s")
        return True

    def _works(self, name: str, scene: Scene) -> bool:
        alarm = self._store.open_alarm(SCOPE, _called(name), KIND)
        if alarm is None or not alarm.standing:
            return False
        if 0 <= scene.now_ms - alarm.decided_ms < SHOWN_S * 1000:
            return False
        with self._store.transaction():
            self._book.over(alarm.id, scene.now_ms, None, scene)
        return True


def _called(name: str) -> str:
    return f"coldchain-{name}"
