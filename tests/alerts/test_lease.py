# SPDX-License-Identifier: Apache-2.0
"""One sender: who holds the lease, who takes it over, and what an upgrade does to alarms that stand."""

import subprocess
import sys
from pathlib import Path

import pytest
from ward import Phones

from alerts.notices.lease import LEASE_MS, Lease, living
from alerts.notices.outbox import Outbox
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS, FIRST
from coldchain.records.sql import open_writer, transaction


@pytest.fixture
def clock():
    return [1_000_000_000]


def lease(path: Path, clock: list[int]) -> tuple[Lease, list[int]]:
    taken: list[int] = []
    return Lease(open_writer(path, ALARMS_MIGRATIONS), lambda: clock[0], taken.append), taken


def test_the_second_waits_while_the_first_lives_and_renews(tmp_path: Path, clock: list[int]) -> None:
    first, taken = lease(tmp_path / "a.db", clock)
    second, none = lease(tmp_path / "a.db", clock)
    assert first.hold()
    for _ in range(10):
        clock[0] += LEASE_MS // 3
        assert first.hold()
        assert not second.hold()
    assert (taken, none, first.fence) == ([1], [], 1)


def test_a_silent_holder_is_succeeded_when_its_time_is_up(tmp_path: Path, clock: list[int]) -> None:
    first, _ = lease(tmp_path / "a.db", clock)
    second, taken = lease(tmp_path / "a.db", clock)
    first.hold()
    clock[0] += LEASE_MS - 1
    assert not second.hold()
    clock[0] += 1
    assert second.hold()
    assert taken == [2]
    assert not first.hold(), "it finds that it was succeeded"
    assert first.fence == 0


def test_a_dead_holder_is_succeeded_at_once(tmp_path: Path, clock: list[int]) -> None:
    first, _ = lease(tmp_path / "a.db", clock)
    second, _ = lease(tmp_path / "a.db", clock)
    first.hold()
    first.forget()
    assert second.hold()


def test_a_released_lease_is_free(tmp_path: Path, clock: list[int]) -> None:
    first, _ = lease(tmp_path / "a.db", clock)
    second, _ = lease(tmp_path / "a.db", clock)
    first.hold()
    first.release()
    assert second.hold()


def test_a_clock_that_was_ahead_blocks_nobody(tmp_path: Path, clock: list[int]) -> None:
    first, _ = lease(tmp_path / "a.db", clock)
    clock[0] += 10**12
    first.hold()
    clock[0] -= 10**12
    second, _ = lease(tmp_path / "a.db", clock)
    assert second.hold()


def test_a_process_that_is_gone_is_known_to_be() -> None:
    script = (
        "import sqlite3; from alerts.notices.lease import Lease;"
        "print(Lease(sqlite3.connect(':memory:'), int, print).holder)"
    )
    gone = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert not living(gone.strip())
    assert living("another-machine/1/2/3"), "of another machine we cannot know"


def test_what_a_succeeded_sender_was_sending_is_settled_by_its_successor(tmp_path: Path, clock) -> None:
    """The first is stuck in a try for so long that another takes over: its late word no longer counts."""
    path = tmp_path / "a.db"
    phones = Phones()
    first = Outbox(path, phones, lambda: clock[0], lambda _p, _s: ("en", "V"))
    with transaction(first._db) as db:
        db.execute(
            "INSERT INTO notice (alarm, about, step, person, channel, attempt, address, text, site,"
            " created_ms, due_ms, state) VALUES"
            " ('a', 'raised', 0, 'p', 'sms', 0, '+85620', 'warm', 's', 0, 0, 'due')"
        )
    first.lease.hold()
    stuck = first._claim()
    assert stuck is not None
    sent, fence = first._try(stuck), first.lease.fence
    clock[0] += LEASE_MS
    second = Outbox(path, phones, lambda: clock[0], lambda _p, _s: ("en", "V"))
    assert second.send_one()
    first._settle(stuck, sent, fence)
    state, tries = second._db.execute("SELECT state, tries FROM notice").fetchone()
    assert (state, tries) == ("sent", 2)
    assert len(phones.phone("+85620").inbox) == 2, "one extra, for one stuck sender"
    first._db.close()
    second.close()


def test_an_upgrade_calls_for_alarms_that_nobody_has_answered(tmp_path: Path) -> None:
    path = tmp_path / "alarms.db"
    old = open_writer(path, (FIRST,))
    row = ("a", "appliance", "f", "f/load", "vte", "high", "critical", "unacknowledged", 1, 2, None, None,
           None, 9000, 6000, 9000, "high@1", None, 1, 1, 3)  # fmt: skip
    with transaction(old) as db:
        db.execute(f"INSERT INTO alarm VALUES (1, {', '.join('?' * len(row))})", row)
    old.close()
    new = open_writer(path, ALARMS_MIGRATIONS)
    assert new.execute("SELECT alarm, state, step FROM escalation").fetchall() == [("a", "calling", 1)]
    new.close()
