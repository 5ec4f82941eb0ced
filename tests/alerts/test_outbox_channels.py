# SPDX-License-Identifier: Apache-2.0
"""Each channel has a thread of its own: a telephone that rings holds up no message; one writer, one lease."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from sqlite3 import Connection

import pytest
from modems import NURSE, eventually, patient

from alerts.notices.outbox import Outbox
from alerts.notifiers.modem import CallNotifier, ModemNotifier
from coldchain.ports.notifier import Delivery, Notifier, Sent
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.sql import open_writer
from firmware_sim.modem import ModemSim

NOTICE = (
    "INSERT INTO notice (alarm, about, step, person, channel, attempt, address, text, site, created_ms,"
    " due_ms, state) VALUES (?, 'raised', 0, 'p', ?, 0, ?, 'warm', 's', 0, 0, 'due')"
)


class Slow:
    """A channel that takes its time and notes who was in it at once."""

    def __init__(self, takes_s: float) -> None:
        self.takes_s, self.inside, self.most = takes_s, 0, 0
        self.sent_at_s: list[float] = []

    def send(self, to: str, text: str) -> Sent:
        self.inside += 1
        self.most = max(self.most, self.inside)
        time.sleep(self.takes_s)
        self.inside -= 1
        self.sent_at_s.append(time.monotonic())
        return Sent(Delivery.ACCEPTED, "")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Connection]:
    db = open_writer(tmp_path / "alarms.db", ALARMS_MIGRATIONS)
    yield db
    db.close()


def started(path: Path, channels: Mapping[str, Notifier]) -> tuple[Outbox, threading.Thread]:
    outbox = Outbox(path / "alarms.db", channels, lambda: 1_000_000, lambda person, site: ("en", site))
    return outbox, outbox.start()


def states(db: Connection) -> list[str]:
    return [row[0] for row in db.execute("SELECT state FROM notice ORDER BY id")]


def test_messages_leave_while_a_telephone_rings(tmp_path: Path, desk: Connection) -> None:
    sms, call = Slow(0.02), Slow(1.5)
    desk.execute(NOTICE, ("a", "call", NURSE))
    for name in "bcd":
        desk.execute(NOTICE, (name, "sms", NURSE))
    began_s = time.monotonic()
    outbox, thread = started(tmp_path, {"sms": sms, "call": call})
    assert eventually(lambda: len(sms.sent_at_s) == 3)
    assert sms.sent_at_s[-1] - began_s < 1.0, "they did not wait for the ring"
    assert call.sent_at_s == []
    assert eventually(lambda: states(desk) == ["sent"] * 4)
    assert (sms.most, call.most) == (1, 1), "one at a time in each"
    outbox.stop()
    thread.join(5.0)


def test_a_stop_waits_for_what_is_nearly_done(tmp_path: Path, desk: Connection) -> None:
    desk.execute(NOTICE, ("a", "sms", NURSE))
    sms = Slow(0.6)
    outbox, thread = started(tmp_path, {"sms": sms})
    assert eventually(lambda: sms.inside == 1)
    outbox.stop()
    thread.join(5.0)
    assert states(desk) == ["sent"], "and not a second time by the next sender"


def test_a_message_cuts_a_ring_short_on_the_same_modem(tmp_path: Path, desk: Connection) -> None:
    """One modem cannot do both: the message goes first, and the telephone rings again."""
    with ModemSim() as sim:
        modem = ModemNotifier(patient(sim.path, ring_s=15.0))
        desk.execute(NOTICE, ("a", "call", NURSE))
        outbox, thread = started(tmp_path, {"sms": modem, "call": CallNotifier(modem)})
        assert eventually(lambda: sim.phone(NURSE).calls == 1)
        time.sleep(0.3)
        desk.execute(NOTICE, ("b", "sms", NURSE))
        began_s = time.monotonic()
        outbox.wake()
        assert eventually(lambda: bool(sim.phone(NURSE).received))
        assert time.monotonic() - began_s < 2.0
        assert eventually(lambda: states(desk) == ["failed", "sent"])
        (why, due_ms) = desk.execute("SELECT detail, due_ms FROM notice WHERE channel = 'call'").fetchone()
        assert "a message had to leave" in why
        assert due_ms == 1_005_000, "it is dialled again"
        outbox.stop()
        thread.join(5.0)
        modem.close()
