# SPDX-License-Identifier: Apache-2.0
"""Late readings: when a series is judged again, and over what.

What is learnt depends on every reading, so one that comes late is judged as if it had come in time: from the
newest checkpoint before it, through the record, to the series' newest reading. Most late readings are calm
and fall where nothing happened. Those wait a little: one judging again then serves all that came meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from alerts.alarms.entries import Scene
from alerts.bookkeeping.book import Book
from alerts.bookkeeping.defrosted import Defrosted
from alerts.bookkeeping.reconcile import Reconciler
from alerts.insight import observe
from alerts.judgement.again import Task, judge_again, unknown_to
from alerts.judgement.checkpoints import Checkpoints
from alerts.judgement.engine import calm, rules_digest
from alerts.judgement.state import EngineState, Rows, Table, blank
from alerts.rules.flat import Block, Bools, block_of, in_order
from alerts.rules.limits import NEVER
from alerts.store import AlarmStore
from coldchain.kernel.readings import Rows as Journalled
from coldchain.records.journal import JournalReader

Readings = Callable[[str, int, int], Journalled]
"""(sensor, start_ms, end_ms) -> the journal's rows with start_ms <= at_ms < end_ms."""

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
FOREVER = 2**62
BACK_MS = 92 * DAY_MS
"""Without a checkpoint, what is learnt is learnt from so much before the late reading [ms]."""


class Record:
    """`Readings` from a reader of its own: it keeps the decoded end of the log, which is not to stay in
    memory. Close it after each crowd of late readings; it opens again by itself.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._journal: JournalReader | None = None

    def __call__(self, sensor: str, start_ms: int, end_ms: int) -> Journalled:
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


LAZY_S = 300.0
"""Calm late readings that touch nothing wait so long for others: a series is judged again once meanwhile."""
CROWD_ROWS, CROWD = 30_000, 64
"""So many readings, or series, are judged again in one call."""


class Waiting:
    """Which series are to be judged again now, and which may wait. Times are those of a steady clock [s]."""

    def __init__(self) -> None:
        self._since_s = np.zeros(0)
        self._asked = np.zeros((0, 2), np.int64)

    def look(self, table: Table, now_s: float) -> bool:
        """Is any series to be judged again now?"""
        if (more := len(table) - len(self._since_s)) > 0:
            self._since_s = np.concatenate([self._since_s, np.full(more, math.inf)])
            self._asked = np.concatenate([self._asked, np.full((more, 2), NEVER, np.int64)])
        pending = table["late_from"] != NEVER
        if not pending.any():
            return False
        fresh = pending & np.isinf(self._since_s)
        self._since_s[fresh] = now_s
        return bool(self._ready(table, now_s).any())

    def _ready(self, table: Table, now_s: float) -> Bools:
        start, end = table["late_from"], table["late_until"]
        asked = (self._asked[:, 0] == start) & (self._asked[:, 1] == end) & ~table["rough"]
        return np.asarray((start != NEVER) & (~asked | (now_s - self._since_s >= LAZY_S)))

    def urgent_last(self, table: Table, now_s: float) -> list[int]:
        """Those to be judged now; those that may raise an alarm last: from there they are taken."""
        waiting = np.flatnonzero(self._ready(table, now_s))
        begun = (table["since"][waiting] != NEVER).any(axis=1)
        urgency = 2 * begun.astype(np.int8) + table["rough"][waiting]
        found: list[int] = waiting[np.argsort(urgency, kind="stable")].tolist()
        return found

    def may_wait(self, series: int, row: Table, now_s: float) -> bool:
        """Has it not waited long enough? Then it is not asked about before it has, or its span grows."""
        if now_s - self._since_s[series] >= LAZY_S:
            return False
        self._asked[series] = row["late_from"], row["late_until"]
        return True

    def done(self, series: int) -> None:
        self._since_s[series] = math.inf
        self._asked[series] = NEVER


class Revision:
    """Judges late spans and brings the book into line with what comes out."""

    def __init__(self, store: AlarmStore, book: Book, readings: Readings, lateness_ms: int) -> None:
        self._store, self._readings, self._lateness_ms = store, readings, lateness_ms
        self._reconciler = Reconciler(store, book)
        self.defrosted = Defrosted(store)
        self.checkpoints = Checkpoints(store)
        self.waiting = Waiting()

    def settle(self, state: EngineState, waiting: list[int], scene: Scene, now_s: float) -> int:
        """Take a crowd from the end of `waiting` and judge those of it that need it; how many.

        Changes the records of `state`; writes inside the caller's transaction.
        """
        tasks: list[Task] = []
        digest = rules_digest(scene.rules)
        while waiting and len(tasks) < CROWD and sum(len(task.block) for task in tasks) < CROWD_ROWS:
            series = waiting.pop()
            row = state.table[series]
            if not self._touches(row, scene.names[series]) and self.waiting.may_wait(series, row, now_s):
                continue
            if (task := self._task(series, row, scene, digest)) is not None:
                tasks.append(task)
            else:
                self._clear(state.table, series)
        if tasks:
            self._judge(tasks, state, scene, digest)
        return len(tasks)

    def _touches(self, row: Table, sensor: str) -> bool:
        """Can it change what is in the book, or what lasts?"""
        start, end = int(row["late_from"]), int(row["late_until"])
        begun = row["since"][row["since"] != NEVER]
        lasts = len(begun) and bool((begun <= end).any())
        return bool(row["rough"]) or lasts or self._store.touches_excursion(sensor, start, end)

    def _task(self, series: int, row: Table, scene: Scene, digest: str) -> Task | None:
        sensor, start_ms = scene.names[series], int(row["late_from"])
        known = self.checkpoints.before(series, start_ms)
        if known is not None and known.digest != digest:  # a day before: sums of a day are made anew
            known = self.checkpoints.before(series, start_ms - DAY_MS)
        begin = max(0, start_ms - BACK_MS) if known is None else known.at_ms
        block = self._block(sensor, begin, int(row["at"]))
        if known is not None:
            block = unknown_to(known.rows, block)
        if not len(block):
            return None
        if known is not None and known.digest == digest:
            return Task(series, known.rows, block, known.at_ms)
        rows = Rows(blank(1), observe.blank(1) if known is None else known.rows.insight)
        if known is None and (begin == 0 or block.at.min() - begin > DAY_MS):
            return Task(series, rows, block, begin - 1)  # nothing was before it
        return Task(series, rows, block, self._calm_before(block, start_ms, scene))

    def _calm_before(self, block: Block, at_ms: int, scene: Scene) -> int:
        """The last calm instant before that: what limits and faults carried until then has no effect."""
        quiet = calm(block, scene.rules) & ~block.drill & (block.at < at_ms)
        return int(block.at[quiet].max()) if quiet.any() else int(block.at.min()) - 1

    def _judge(self, tasks: list[Task], state: EngineState, scene: Scene, digest: str) -> None:
        for task in tasks:
            self.checkpoints.forget_from(task.series, int(state.table["late_from"][task.series]))

        def keep(series: int, day: int, rows: Rows) -> None:
            self.checkpoints.put(series, day, rows, digest)

        for again in judge_again(tasks, scene.rules, keep):
            series = again.task.series
            heard = int(state.table["live_at"][series])
            state.table[series : series + 1] = again.rows.table
            state.insight[series : series + 1] = again.rows.insight
            state.table["live_at"][series] = heard
            self._clear(state.table, series)
            self._reconciler.enter(scene.names[series], again, scene)
            self.defrosted.line_up(again, scene)

    def _clear(self, table: Table, series: int) -> None:
        table["late_from"][series] = table["late_until"][series] = NEVER
        table["rough"][series] = False
        self.waiting.done(series)

    def _block(self, sensor: str, begin: int, newest: int) -> Block:
        """Readings judged from begin to newest, both included, sorted, and none twice."""
        block = in_order(block_of(self._readings(sensor, begin, FOREVER), self._lateness_ms))
        return block.take((block.at >= begin) & (block.at <= newest) & ~block.drill)
