# SPDX-License-Identifier: Apache-2.0
"""The thread that owns the spool: what comes together, within `linger_s`, shares one fsync."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from coldchain.kernel.clocks import SteadyClock
from gateway.spool import Arrival, Loss, Outcome, Spool

T = TypeVar("T")

COMMIT_AT_REPORTS = 2_000
"""So many reports do not wait for company any longer."""
QUIET_SHARE = 1 / 8
"""Of the linger: when nothing new has come for so long, nobody is on the way who could share the commit. A
node that waits for its acknowledgement before it sends on is not kept waiting for nothing."""
BACKLOG_MAX_REPORTS = 20_000
"""Beyond this the lines are not read until the disk has caught up."""
STOP_WAIT_S = 2.0


class _Work(NamedTuple):
    arrivals: list[Arrival]
    losses: list[Loss]
    calls: list[tuple[Callable[[Spool], Any], Future[Any]]]


class SpoolWriter:
    """Commits in groups and reports what came of it. Its methods may be called from any thread.

    on_outcome  called on the writer's thread after each commit that stored or answered something
    on_failure  called once, on the writer's thread, when the spool can be used no more: end the process
    """

    def __init__(
        self,
        open_spool: Callable[[], Spool],
        *,
        linger_s: float,
        steady_s: SteadyClock,
        on_outcome: Callable[[Outcome], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._open, self._linger_s, self._steady_s = open_spool, linger_s, steady_s
        self._on_outcome, self._on_failure = on_outcome, on_failure
        self._wake = threading.Condition()
        self._work = _Work([], [], [])
        self._first_s: float | None = None
        self._last_s = 0.0
        self._stopping = False
        self._owed: list[Arrival] = []
        self.disk_full = 0
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._opened: Future[None] = Future()

    def start(self, look: Callable[[Spool], T]) -> T:
        """Open the spool on its thread and return what `look` sees in it, or raise what opening raised."""
        self._thread.start()
        self._opened.result()
        return self.call(look).result()

    @property
    def backlog(self) -> int:
        """Reports waiting for their commit."""
        return len(self._work.arrivals)

    def submit(self, arrivals: list[Arrival], losses: list[Loss]) -> None:
        """Accept these with the next commit."""
        with self._wake:
            self._work.arrivals.extend(arrivals)
            self._work.losses.extend(losses)
            self._last_s = self._steady_s()
            if self._first_s is None:
                self._first_s = self._last_s
                self._wake.notify()
            elif len(self._work.arrivals) >= COMMIT_AT_REPORTS:
                self._wake.notify()

    def call(self, function: Callable[[Spool], T]) -> Future[T]:
        """Run it inside the next commit, which does not wait; the result is there after that commit."""
        future: Future[T] = Future()
        with self._wake:
            self._work.calls.append((function, future))
            self._wake.notify()
        return future

    def stop(self) -> None:
        """Commit what was submitted and close the file."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(STOP_WAIT_S)

    def _take(self) -> _Work | None:
        """The next group, or None to end."""
        with self._wake:
            while True:
                work = self._work
                if work.calls or self._stopping or len(work.arrivals) >= COMMIT_AT_REPORTS:
                    break
                if self._first_s is None:
                    self._wake.wait()
                    continue
                due_s = min(self._first_s + self._linger_s, self._last_s + self._linger_s * QUIET_SHARE)
                left_s = due_s - self._steady_s()
                if left_s <= 0:
                    break
                self._wake.wait(left_s)
            if self._stopping and not any(work):
                return None
            self._work, self._first_s = _Work([], [], []), None
            return work

    def _run(self) -> None:
        try:
            spool = self._open()
        except BaseException as bad:  # noqa: BLE001  handed to whoever called start()
            self._opened.set_exception(bad)
            return
        self._opened.set_result(None)
        work: _Work | None = None
        try:
            while (work := self._take()) is not None:
                self._commit(spool, work)
        except BaseException as bad:  # noqa: BLE001  a failed commit is never retried on this handle
            if work is not None:
                _fail(work, bad)
            self._on_failure(bad)
        finally:
            spool.close()

    def _commit(self, spool: Spool, work: _Work) -> None:
        """One transaction. Results are told only after it."""
        try:
            outcome, results = self._transact(spool, work)
        except sqlite3.OperationalError as bad:
            if bad.sqlite_errorcode & 0xFF != sqlite3.SQLITE_FULL:
                raise
            self._hold_back(work, bad)
            return
        if outcome is not None:
            self._on_outcome(outcome)
        for (_, future), result in zip(work.calls, results, strict=True):
            if future.set_running_or_notify_cancel():  # its waiter may have been cancelled
                future.set_result(result)

    def _transact(self, spool: Spool, work: _Work) -> tuple[Outcome | None, list[Any]]:
        outcome: Outcome | None = None
        with spool.change():
            if self._owed:
                spool.refuse(self._owed, "disk-full")
            if work.arrivals or work.losses:
                outcome = spool.accept(work.arrivals, work.losses, self._steady_s())
            results = [function(spool) for function, _ in work.calls]
        self._owed = []
        return outcome, results

    def _hold_back(self, work: _Work, bad: sqlite3.OperationalError) -> None:
        """No room on the disk. Nodes that are answered send again; the others' reports are owed as gaps."""
        self.disk_full += 1
        self._owed.extend(arrival for arrival in work.arrivals if arrival.route is None)
        _fail(work, bad)


def _fail(work: _Work, bad: BaseException) -> None:
    for _, future in work.calls:
        if not future.done() and future.set_running_or_notify_cancel():
            future.set_exception(bad)
