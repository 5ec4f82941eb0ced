# SPDX-License-Identifier: Apache-2.0
"""A sender that slept past its lease wakes up while its successor is sending: its word no longer counts."""

from __future__ import annotations

from pathlib import Path

from alerts.notices.lease import LEASE_MS
from alerts.notices.outbox import Outbox
from coldchain.ports.notifier import Delivery, Sent
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.sql import open_writer


class Phone:
    def __init__(self, *answers: Delivery) -> None:
        self.answers = list(answers)

    def send(self, to: str, text: str) -> Sent:
        return Sent(self.answers.pop(0) if self.answers else Delivery.ACCEPTED, "")


NOTICE = (
    "INSERT INTO notice (id, alarm, about, step, person, channel, attempt, address, text, site, created_ms,"
    " due_ms, state) VALUES (1, 'a', 'raised', 0, 'p', 'sms', 0, '+8562055500999', 'warm', 's', 0, 0, 'due')"
)


def test_the_word_of_a_sender_that_lost_its_lease_counts_for_nothing(tmp_path: Path) -> None:
    path, now = tmp_path / "alarms.db", [1_000]
    desk = open_writer(path, ALARMS_MIGRATIONS)
    desk.execute(NOTICE)

    def outbox() -> Outbox:
        return Outbox(path, Phone(), lambda: now[0], lambda person, site: ("en", site))

    def state() -> str:
        return str(desk.execute("SELECT state FROM notice").fetchone()[0])

    sleeper, successor = outbox(), outbox()
    assert sleeper.lease.hold()
    assert not successor.lease.hold(), "one at a time"
    claimed, old_fence = sleeper._claim(), sleeper.lease.fence
    now[0] += LEASE_MS + 1
    assert successor.lease.hold()
    again = successor._claim()
    assert claimed is not None
    assert again is not None
    assert state() == "sending"

    sleeper._settle(claimed, Sent(Delivery.FAILED_FINAL, "the port is gone"), old_fence)
    assert state() == "sending", "the successor's try is under way"
    successor._settle(again, Sent(Delivery.ACCEPTED, ""), successor.lease.fence)
    assert state() == "sent"

    for one in (sleeper, successor):
        one.close()
    desk.close()


def test_tries_that_restarts_cut_off_never_give_a_notice_up(tmp_path: Path) -> None:
    path, now = tmp_path / "alarms.db", [1_000]
    desk = open_writer(path, ALARMS_MIGRATIONS)
    desk.execute(NOTICE)
    for _ in range(6):
        dies = Outbox(path, Phone(), lambda: now[0], lambda person, site: ("en", site))
        assert dies.lease.hold()
        assert dies._claim() is not None, "it is still to be sent"
        dies.close()  # killed while the modem was at it
        now[0] += LEASE_MS + 1
    last = Outbox(path, Phone(Delivery.UNKNOWN), lambda: now[0], lambda person, site: ("en", site))
    assert last.send_one()
    assert desk.execute("SELECT state FROM notice").fetchone() == ("unknown",), (
        "one unanswered try is not six"
    )
    now[0] += 60_000
    assert last.lease.hold()
    assert last.send_one()
    assert desk.execute("SELECT state FROM notice").fetchone() == ("sent",)
    last.close()
    desk.close()
