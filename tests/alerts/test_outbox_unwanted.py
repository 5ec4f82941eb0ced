# SPDX-License-Identifier: Apache-2.0
"""Answered while a message was on its way or about to leave; failures of the outbox that must be seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from sqlite3 import Connection

import pytest

from alerts.notices.budget import Budget
from alerts.notices.bundle import CALL_AGAIN_MS, Due, told_in
from alerts.notices.chains import Chains
from alerts.notices.outbox import Outbox
from coldchain.ports.notifier import Delivery, Heard, Kind, Sent
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.sql import open_writer

NOTICE = (
    "INSERT INTO notice (id, alarm, about, step, person, channel, attempt, address, text, site, created_ms,"
    " due_ms, state, detail) VALUES (?, ?, 'raised', 0, 'p', ?, 0, '+8562055500999', 'warm', 's', 0, 0, ?, ?)"
)


class Phone:
    def __init__(self, delivery: Delivery, during: object = None) -> None:
        self.delivery, self.during, self.sent = delivery, during, 0

    def send(self, to: str, text: str) -> Sent:
        self.sent += 1
        if callable(self.during):
            self.during()
        return Sent(self.delivery, "")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Connection]:
    db = open_writer(tmp_path / "alarms.db", ALARMS_MIGRATIONS)
    yield db
    db.close()


def outbox(path: Path, phone: Phone, now: list[int]) -> Outbox:
    return Outbox(path / "alarms.db", phone, lambda: now[0], lambda person, site: ("en", site))


def states(db: Connection) -> list[str]:
    return [row[0] for row in db.execute("SELECT state FROM notice ORDER BY id")]


def cancel(db: Connection, alarm: str) -> None:
    Chains(db, lambda n: 0).cancel(alarm)


def test_nobody_is_tried_again_who_answered_during_the_try(tmp_path: Path, desk: Connection) -> None:
    """A ring that ends busy is dialled again; not when the same person took the alarm by mail meanwhile."""
    desk.execute(NOTICE, (1, "a", "sms", "due", ""))
    desk.execute(NOTICE, (2, "b", "sms", "bundled", told_in(1)))
    now = [1_000]
    box = outbox(tmp_path, Phone(Delivery.FAILED_RETRY, lambda: cancel(desk, "a")), now)
    assert box.send_one()
    assert states(desk) == ["cancelled", "due"], "what was told in it leaves by itself"
    box.close()


def test_an_answer_during_a_try_that_a_crash_cut_off(tmp_path: Path, desk: Connection) -> None:
    desk.execute(NOTICE, (1, "a", "sms", "sending", ""))
    desk.execute(NOTICE, (2, "b", "sms", "sending", ""))
    cancel(desk, "a")
    box = outbox(tmp_path, Phone(Delivery.ACCEPTED), [1_000])
    assert box.lease.hold()
    assert states(desk) == ["cancelled", "unknown"]
    box.close()


def test_what_is_cancelled_between_look_and_claim_does_not_leave(tmp_path: Path, desk: Connection) -> None:
    """The judge was writing the answer just then: the outbox waited for the file with an old view of it."""
    desk.execute(NOTICE, (1, "a", "sms", "due", ""))
    phone = Phone(Delivery.ACCEPTED)
    box = outbox(tmp_path, phone, [1_000])
    look = box._first

    def late(now: int, busy: object) -> Due | None:
        found = look(now, ())
        cancel(desk, "a")
        return found

    box._first = late  # type: ignore[method-assign]
    assert not box.send_one()
    assert phone.sent == 0
    assert states(desk) == ["cancelled"]
    box.close()


def test_a_ring_in_a_future_that_never_came_holds_up_nobody(tmp_path: Path, desk: Connection) -> None:
    """The clock had run a year ahead, and was set right."""
    desk.execute(NOTICE, (1, "a", "call", "sent", ""))
    desk.execute("UPDATE notice SET first_try_ms = 31536000000")
    desk.execute(NOTICE, (2, "b", "call", "due", ""))
    phone = Phone(Delivery.ACCEPTED)
    now = [CALL_AGAIN_MS]
    box = Outbox(tmp_path / "alarms.db", {"call": phone}, lambda: now[0], lambda person, site: ("en", site))
    assert box.send_one()
    assert phone.sent == 1
    box.close()


class Odd(Phone):
    """It hears something, and cannot forget it."""

    def hear(self, within_s: float) -> list[Heard]:
        return [Heard("one", Kind.SMS, "+8562055500999", "OK 123456")]

    def forget(self, heard: list[Heard]) -> None:
        raise ValueError("not a place")


def test_a_listener_that_breaks_does_not_end_the_outbox(tmp_path: Path, desk: Connection) -> None:
    box = outbox(tmp_path, Odd(Delivery.ACCEPTED), [1_000])
    assert box.lease.hold()
    assert box.hear(0.0)
    assert desk.execute("SELECT sender FROM incoming").fetchall() == [("+8562055500999",)]
    box.close()


def test_an_outbox_that_ends_for_any_reason_says_so(tmp_path: Path, desk: Connection) -> None:
    def ask() -> float | None:
        raise KeyError("credit")

    channels = {"sms": Phone(Delivery.ACCEPTED)}
    budget = Budget(ask=ask)
    box = Outbox(tmp_path / "alarms.db", channels, lambda: 1_000, lambda person, site: ("en", site), budget)
    box.start().join(10.0)
    assert isinstance(box.broken, KeyError), "or the service would go on with nobody to tell"
