# SPDX-License-Identifier: Apache-2.0
"""The spool's thread: groups share a commit, answers follow it, a full disk loses nothing in silence."""

import sqlite3
import threading
import time
from pathlib import Path

import pytest

from coldchain.kernel.errors import StoreUnavailable
from gateway.codecs.frames import Pairs, Report
from gateway.intake import Arrival, Outcome
from gateway.spool import Spool, open_spool, read_accounts
from gateway.writer import SpoolWriter

NOW_MS = 1_800_000_000_000


class Way:
    def acknowledge(self, node: str, boot: int, pairs: Pairs) -> None: ...
    def ask_again(self, node: str, boot: int, pairs: Pairs) -> None: ...
    def committed(self) -> None: ...


WAY = Way()


def arrival(seq: int, node: str = "n1", route: Way | None = WAY, readings: int = 1) -> Arrival:
    return Arrival(
        Report(node, 1, seq, 0, 0, 0, 0, tuple((c, 1, 0, c) for c in range(readings))), NOW_MS, route
    )


class Desk:
    """A writer, and what it said."""

    def __init__(self, path: Path, linger_s: float = 1.0) -> None:
        self.path = path
        self.outcomes: list[Outcome] = []
        self.accepted_when_told: list[int] = []
        self.failures: list[BaseException] = []
        self.told = threading.Event()
        self.writer = SpoolWriter(
            self.open, linger_s=linger_s, steady_s=time.monotonic,
            on_outcome=self.on_outcome, on_failure=self.failures.append,
        )  # fmt: skip

    def open(self) -> Spool:
        return open_spool(self.path, max_bytes=10**9, new_epoch=lambda: "e", wall_ms=lambda: NOW_MS)

    def on_outcome(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.accepted_when_told.append(read_accounts(self.path)[1])  # another connection sees only commits
        self.told.set()


@pytest.fixture
def desk(tmp_path: Path):
    one = Desk(tmp_path / "spool.db")
    one.writer.start(lambda spool: spool.epoch)
    yield one
    one.writer.stop()


def test_what_comes_together_shares_a_commit_and_is_told_after_it(desk: Desk) -> None:
    for seq in range(20):
        desk.writer.submit([arrival(seq)], [])
    assert desk.told.wait(5)
    assert [outcome.acks[WAY]["n1", 1] for outcome in desk.outcomes] == [[(0, 19)]]
    assert desk.accepted_when_told == [20]


def test_a_call_does_not_wait_and_sees_what_came_before(desk: Desk) -> None:
    desk.writer._linger_s = 60
    desk.writer.submit([arrival(0)], [])
    assert desk.writer.call(lambda spool: spool.accepted).result(5) == 1


def test_stopping_commits_what_was_submitted(desk: Desk) -> None:
    desk.writer._linger_s = 60
    desk.writer.submit([arrival(0)], [])
    desk.writer.stop()
    assert read_accounts(desk.path)[1] == 1


def test_a_cancelled_waiter_does_not_hurt_the_thread(desk: Desk) -> None:
    future = desk.writer.call(lambda spool: time.sleep(0.1))
    other = desk.writer.call(lambda spool: spool.accepted)
    other.cancel()
    future.result(5)
    assert desk.writer.call(lambda spool: spool.accepted).result(5) == 0
    assert desk.failures == []


def test_a_full_disk_holds_back_then_counts_what_nobody_sends_again(desk: Desk) -> None:
    def limit(spool: Spool) -> None:
        (pages,) = spool._db.execute("PRAGMA page_count").fetchone()
        spool._db.execute(f"PRAGMA max_page_count={pages}")

    def room(spool: Spool) -> None:
        spool._db.execute("PRAGMA max_page_count=1000000")

    desk.writer.call(limit).result(5)
    desk.writer.submit([arrival(0, readings=500), arrival(0, "dumb", None, readings=500)], [])
    for _ in range(100):
        if desk.writer.disk_full:
            break
        time.sleep(0.05)
    assert desk.writer.disk_full == 1
    assert desk.outcomes == []  # nobody was answered
    desk.writer.call(room).result(5)
    desk.writer.submit([arrival(0, readings=500)], [])  # the node sends again
    assert desk.told.wait(5)
    gaps = desk.writer.call(lambda spool: spool.gaps.untold(10)).result(5)
    assert [(gap["node"], gap["readings"], gap["reason"]) for gap in gaps] == [("dumb", 500, "disk-full")]
    assert read_accounts(desk.path)[1] == 500
    assert desk.failures == []


def test_any_other_failure_ends_the_process(desk: Desk) -> None:
    """After a failed commit the handle is not used again."""

    def broken(spool: Spool) -> None:
        bad = sqlite3.OperationalError("disk I/O error")
        bad.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise bad

    future = desk.writer.call(broken)
    with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
        future.result(5)
    desk.writer._thread.join(5)
    assert [str(bad) for bad in desk.failures] == ["disk I/O error"]


def test_a_spool_that_cannot_be_opened_is_told_to_the_starter(tmp_path: Path) -> None:
    (tmp_path / "spool.db").mkdir()
    desk = Desk(tmp_path / "spool.db")
    with pytest.raises(StoreUnavailable, match="check that the disk is mounted"):
        desk.writer.start(lambda spool: None)
