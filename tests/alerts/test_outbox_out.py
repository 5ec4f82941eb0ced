# SPDX-License-Identifier: Apache-2.0
"""A channel that was out: what waited leaves when it works again, not when a back-off ends.
One that hangs holds up no other, nor for ever.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from sqlite3 import Connection

import pytest
from fake_provider import FakeMail
from modems import NURSE, eventually, hasty, patient

from alerts.notices import errands
from alerts.notices.budget import Budget
from alerts.notices.errands import HANGS_S, Hangs
from alerts.notices.outbox import BACKOFF_MS, TURN_S, UNKNOWN_MAX, Outbox
from alerts.notifiers.line import WRITE_WITHIN_S
from alerts.notifiers.mail import MailNotifier, MailOptions
from alerts.notifiers.modem import CallNotifier, ModemNotifier
from alerts.notifiers.several import Several
from coldchain.ports.clock import wall_ms
from coldchain.ports.notifier import STEP_MAX_S, Delivery, Heard, Sent
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.sql import open_writer
from coldchain.settings.model import ModemSettings
from firmware_sim.modem import ModemSim, late

NOTICE = (
    "INSERT INTO notice (alarm, about, step, person, channel, attempt, address, text, site, created_ms,"
    " due_ms, state) VALUES (?, 'raised', 0, 'p', ?, 0, ?, 'warm', ?, 0, 0, 'due')"
)
OUT = Sent(Delivery.FAILED_RETRY, "unplugged", out=True)
REFUSED = Sent(Delivery.FAILED_RETRY, "that telephone is switched off")
TAKEN = Sent(Delivery.ACCEPTED, "")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Connection]:
    db = open_writer(tmp_path / "alarms.db", ALARMS_MIGRATIONS)
    yield db
    db.close()


def states(db: Connection) -> list[str]:
    return [row[0] for row in db.execute("SELECT state FROM notice ORDER BY id")]


def box(path: Path, channels: object, clock: object = wall_ms, budget: Budget | None = None) -> Outbox:
    return Outbox(path / "alarms.db", channels, clock, lambda person, site: ("en", site), budget)  # type: ignore[arg-type]


class Scripted:
    """Answers as it is told, by address."""

    def __init__(self, answers: dict[str, list[Sent]]) -> None:
        self.answers = answers

    def send(self, to: str, text: str) -> Sent:
        left = self.answers.get(to, [])
        return left.pop(0) if left else TAKEN


def test_a_success_lets_go_what_waited_for_the_channel_and_only_that(
    tmp_path: Path, desk: Connection
) -> None:
    now = [1_000]
    for place, number in enumerate(("+8561", "+8562", "+8563")):
        desk.execute(NOTICE, (f"a{place}", "sms", number, f"s{place}"))
    phone = Scripted({"+8561": [OUT], "+8562": [REFUSED]})
    outbox = box(tmp_path, phone, lambda: now[0])
    assert outbox.send_one()
    assert outbox.send_one()
    assert states(desk) == ["failed", "failed", "due"]
    assert outbox.send_one(), "the third is taken: the channel works"
    due = desk.execute("SELECT due_ms FROM notice WHERE state = 'failed' ORDER BY id").fetchall()
    assert due == [(now[0],), (now[0] + BACKOFF_MS,)], "a refused number waits as it did"
    assert outbox.send_one()
    assert states(desk) == ["sent", "failed", "sent"]
    outbox.close()


def test_a_new_holder_does_not_know_why_they_failed(tmp_path: Path, desk: Connection) -> None:
    now = [1_000]
    desk.execute(NOTICE, ("a", "sms", "+8561", "s"))
    dies = box(tmp_path, Scripted({"+8561": [OUT]}), lambda: now[0])
    assert dies.send_one()
    dies.close()
    desk.execute(NOTICE, ("b", "sms", "+8562", "s2"))
    heir = box(tmp_path, Scripted({}), lambda: now[0])
    assert heir.send_one()
    assert heir.send_one(), "at once, after the first success"
    assert states(desk) == ["sent", "sent"]
    heir.close()


def test_a_modem_that_is_plugged_in_again_sends_within_seconds(tmp_path: Path, desk: Connection) -> None:
    """Three failed tries would mean a wait of twenty seconds."""
    with ModemSim() as sim:
        sim.unplug()
        modem = ModemNotifier(hasty(sim.path))
        desk.execute(NOTICE, ("a", "sms", NURSE, "s"))
        outbox = box(tmp_path, {"sms": modem})
        thread = outbox.start()
        assert eventually(lambda: states(desk) == ["failed"])
        desk.execute("UPDATE notice SET due_ms = due_ms + 3600000")
        sim.replug()
        began_s = time.monotonic()
        assert eventually(lambda: states(desk) == ["sent"], within_s=8.0)
        assert time.monotonic() - began_s < 5.0
        outbox.stop()
        thread.join(5.0)
        modem.close()


def test_a_channel_that_seems_to_work_does_not_use_up_its_tries(
    tmp_path: Path, desk: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A modem that answers, and whose power fails whenever it transmits."""
    monkeypatch.setattr(errands, "LOOK_AGAIN_S", 0.1)

    class Weak(Scripted):
        def send(self, to: str, text: str) -> Sent:
            return OUT

        def check(self) -> Sent:
            return TAKEN

    desk.execute(NOTICE, ("a", "sms", NURSE, "s"))
    outbox = box(tmp_path, {"sms": Weak({})})
    monkeypatch.setattr("alerts.notices.outbox.WAIT_S", 0.02)
    thread = outbox.start()
    time.sleep(4.0)
    outbox.stop()
    thread.join(5.0)
    (tries,) = desk.execute("SELECT tries FROM notice").fetchone()
    assert 3 <= tries <= 7, "at 0, and when it is looked at: 0.1, 0.3, 0.7, 1.5, 3.1 s later"


class Deaf:
    """A modem whose driver never comes back."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def send(self, to: str, text: str) -> Sent:
        self.let_go.wait(30.0)
        return TAKEN

    def hear(self, within_s: float) -> list[Heard]:
        self.let_go.wait(30.0)
        return []

    def forget(self, heard: list[Heard]) -> None:
        """Never."""


@pytest.mark.parametrize("what", ["hearing", "asking", "sending"])
def test_a_hung_modem_holds_up_no_mail_and_ends_the_process_in_time(
    tmp_path: Path, desk: Connection, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errands, "HANGS_S", 1.0)
    deaf = Deaf()
    sms = deaf if what != "asking" else Scripted({})
    budget = Budget(ask=lambda: deaf.let_go.wait(30.0) and 0.0) if what == "asking" else None
    outbox = box(tmp_path, {"sms": sms, "email": Scripted({})}, budget=budget)
    thread = outbox.start()
    time.sleep(0.3)  # it hangs by now
    if what == "sending":
        desk.execute(NOTICE, ("a", "sms", NURSE, "s"))
    desk.execute(NOTICE, ("b", "email", "a@b", "s2"))
    began_s = time.monotonic()
    outbox.wake()
    assert eventually(lambda: states(desk)[-1] == "sent")
    assert time.monotonic() - began_s < 0.9
    thread.join(5.0)
    with pytest.raises(Hangs, match="sms"):
        outbox.require_progress()
    deaf.let_go.set()
    if what == "sending":
        heir = box(tmp_path, {"sms": Scripted({})}, lambda: wall_ms() + BACKOFF_MS)
        assert heir.send_one(), "what hung is tried again"
        assert states(desk) == ["sent", "sent"]
        heir.close()


@pytest.mark.parametrize("hears", [False, True])
def test_a_channel_that_hangs_each_time_is_given_up(
    tmp_path: Path, desk: Connection, hears: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the process would start anew for ever, and nobody would be called by another channel."""
    monkeypatch.setattr(errands, "HANGS_S", 0.4)
    deaf = Deaf()
    if not hears:
        monkeypatch.delattr(Deaf, "hear")
    desk.execute(NOTICE, ("a", "sms", NURSE, "s"))
    for lives in range(1, UNKNOWN_MAX + 1):
        outbox = box(tmp_path, {"sms": deaf}, lambda at=lives: at * 1_000_000)
        thread = outbox.start()
        thread.join(5.0)
        assert isinstance(outbox.broken, Hangs)
        assert desk.execute("SELECT tries FROM notice").fetchone() == (lives,)
        assert states(desk) == ["given_up" if lives == UNKNOWN_MAX else "unknown"]
    deaf.let_go.set()


def test_what_waits_for_a_modem_that_is_at_work_does_not_hang(
    tmp_path: Path, desk: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call behind a slow message: neither takes too long."""
    monkeypatch.setattr(errands, "HANGS_S", 2.0)
    alone = threading.Lock()

    class OfOneModem:
        moved_s = 0.0

        def send(self, to: str, text: str) -> Sent:
            with alone:
                OfOneModem.moved_s = time.monotonic()
                time.sleep(1.3)
            return TAKEN

    for channel in ("call", "sms"):
        desk.execute(NOTICE, (channel, channel, NURSE, channel))
    outbox = box(tmp_path, {"sms": OfOneModem(), "call": OfOneModem()})
    thread = outbox.start()
    assert eventually(lambda: states(desk) == ["sent"] * 2 or outbox.broken is not None)
    assert outbox.broken is None
    outbox.stop()
    thread.join(5.0)


def test_a_long_text_through_a_slow_modem_does_not_hang(
    tmp_path: Path, desk: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of its messages takes the network a while; together longer than one answer may."""
    monkeypatch.setattr(errands, "HANGS_S", 1.2)
    desk.execute(NOTICE.replace("'warm'", "hex(zeroblob(300))"), ("a", "sms", NURSE, "s"))
    with ModemSim() as sim:
        sim.control.next(*[late(0.5)] * 4)
        modem = ModemNotifier(patient(sim.path))
        outbox = box(tmp_path, {"sms": Several([modem]), "call": CallNotifier(modem)})
        began_s = time.monotonic()
        thread = outbox.start()
        assert eventually(lambda: states(desk) == ["sent"] or outbox.broken is not None, within_s=10.0)
        assert outbox.broken is None
        assert time.monotonic() - began_s > 1.5, "else this shows nothing"
        outbox.stop()
        thread.join(5.0)
        modem.close()


def test_of_several_modems_one_that_works_does_not_excuse_one_that_hangs() -> None:
    deaf, modem = Deaf(), OneThatMoves()
    ways = Several([modem, deaf])
    began_s = time.monotonic()
    thread = threading.Thread(target=ways.hear, args=(0.1,), daemon=True)
    thread.start()
    assert eventually(lambda: ways.moved_s > began_s)
    time.sleep(0.3)
    assert modem.moved_s - ways.moved_s > 0.2, "the first is in use by another channel meanwhile"
    deaf.let_go.set()
    thread.join(5.0)


class OneThatMoves(Scripted):
    def __init__(self) -> None:
        super().__init__({})

    @property
    def moved_s(self) -> float:
        return time.monotonic()

    def hear(self, within_s: float) -> list[Heard]:
        return []


def test_a_slow_mail_server_does_not_hang() -> None:
    """It has some ten answers to give, each in its own time."""
    with FakeMail(pause_s=0.1) as server:
        channel = MailNotifier(MailOptions("127.0.0.1", "cold@example.org", server.port, starttls=False))
        began_s = time.monotonic()
        assert channel.send("ana@example.org", "warm").delivery is Delivery.ACCEPTED
        assert channel.moved_s - began_s > 0.4, "the last answer's wait began late"


def test_a_patience_that_would_hide_a_hang_is_refused() -> None:
    assert ModemSettings(device="/dev/m", send_timeout=timedelta(seconds=90)).send_timeout
    with pytest.raises(ValueError, match="less than or equal to 1 minute and 30"):
        ModemSettings(device="/dev/m", send_timeout=timedelta(seconds=91))


def test_a_thread_that_does_not_come_round_is_told(tmp_path: Path, desk: Connection) -> None:
    outbox = box(tmp_path, Scripted({}))
    outbox.require_progress()
    outbox._turned_s = time.monotonic() - TURN_S - 1.0
    with pytest.raises(Hangs, match="outbox"):
        outbox.require_progress()
    outbox.close()


def test_the_limits_keep_the_promise() -> None:
    assert max(HANGS_S, TURN_S) + 15.0 < 120.0
    assert HANGS_S > STEP_MAX_S + WRITE_WITHIN_S, "no step that may take so long is taken for a hang"


def test_of_several_ways_all_must_be_out() -> None:
    both = Several([Scripted({"1": [OUT]}), Scripted({"1": [OUT]})])
    assert both.send("1", "").out
    one = Several([Scripted({"1": [OUT]}), Scripted({"1": [REFUSED]})])
    assert not one.send("1", "").out
