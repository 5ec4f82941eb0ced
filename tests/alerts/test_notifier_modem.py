# SPDX-License-Identifier: Apache-2.0
"""The driver against the simulated modem, over a real pseudo-terminal; the far end is the inbox file."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from modems import NURSE, eventually, hasty, inbox_of, patient

from alerts.notifiers.modem import ModemNotifier
from coldchain.ports.notifier import Delivery, Sent
from firmware_sim.modem import (
    TAKEN,
    ModemSim,
    false_ok,
    hangs,
    late,
    no_prompt,
    refused,
    unanswered,
    unplugged,
)

THREE_PARTS = "🩸 Réfrigérateur ຕູ້ເຢັນ 03: 8.2 °C. " * 5


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[ModemSim]:
    with ModemSim(tmp_path / "inbox.jsonl", link=tmp_path / "dev" / "modem") as modem:
        yield modem


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return tmp_path / "inbox.jsonl"


@pytest.fixture
def modem(sim: ModemSim) -> Iterator[ModemNotifier]:
    notifier = ModemNotifier(patient(sim.path))
    yield notifier
    notifier.close()


@pytest.fixture
def hurried(sim: ModemSim) -> Iterator[ModemNotifier]:
    """For tests of silence."""
    notifier = ModemNotifier(hasty(sim.path))
    yield notifier
    notifier.close()


def assert_says(sent: Sent, pattern: str) -> None:
    assert re.search(pattern, sent.detail), sent.detail


def texts(inbox: Path) -> list[str]:
    return [message["text"] for message in inbox_of(inbox)]


def test_a_short_text_arrives_once(modem: ModemNotifier, inbox: Path) -> None:
    sent = modem.send(NURSE, "Fridge 03: 8.2 °C, limit 6.0 °C. Reply OK 7")
    assert sent == Sent(Delivery.ACCEPTED, "1 message taken by the network", (0,))
    (message,) = inbox_of(inbox)
    assert message["number"] == NURSE
    assert message["text"] == "Fridge 03: 8.2 C, limit 6.0 C. Reply OK 7"
    assert message["parts"] == 1


def test_a_long_text_arrives_whole(modem: ModemNotifier, inbox: Path) -> None:
    sent = modem.send(NURSE, THREE_PARTS)
    assert sent == Sent(Delivery.ACCEPTED, "3 messages taken by the network", (0, 1, 2))
    (message,) = inbox_of(inbox)
    assert (message["text"], message["parts"]) == (THREE_PARTS, 3)


def test_the_file_is_written_before_the_answer(sim: ModemSim, modem: ModemNotifier, inbox: Path) -> None:
    """So that whoever sees ACCEPTED finds the message at the far end."""
    for n in range(20):
        assert modem.send(NURSE, f"n {n}").delivery is Delivery.ACCEPTED
        assert texts(inbox)[-1] == f"n {n}"


def test_octets_one_by_one_and_noise_between_lines(sim: ModemSim, modem: ModemNotifier, inbox: Path) -> None:
    sim.control.dribble = True
    sim.control.chatter = ("RING", '+CLIP: "+85620111",145', "^RSSI:17", '+CMTI: "SM",3', "+CREG: 1")
    assert modem.send(NURSE, "one").references == (0,)
    sim.noise(b"\x00\xff\xfe}garbage\r\n\x1b")
    assert modem.send(NURSE, "two").references == (1,)
    assert texts(inbox) == ["one", "two"]


@pytest.mark.parametrize(
    ("code", "delivery", "says"),
    [
        (500, Delivery.FAILED_RETRY, r"refused it \(\+CMS ERROR 500\)"),
        (21, Delivery.FAILED_RETRY, "check the SIM's credit"),
        (1, Delivery.FAILED_FINAL, "no such number: correct it in the person's entry"),
        (330, Delivery.FAILED_FINAL, "set the modem's smsc in the configuration"),
        (332, Delivery.UNKNOWN, "may have gone out"),
        (4711, Delivery.FAILED_RETRY, "4711"),
    ],
)
@pytest.mark.parametrize("early", [True, False])
def test_a_refusal_is_an_answer(
    sim: ModemSim, modem: ModemNotifier, inbox: Path, code: int, delivery: Delivery, says: str, early: bool
) -> None:
    sim.control.next(refused(code, early=early))
    sent = modem.send(NURSE, "first")
    assert sent.delivery is delivery
    assert_says(sent, says)
    assert modem.send(NURSE, "second").delivery is Delivery.ACCEPTED
    assert texts(inbox) == ["second"]


def test_the_second_part_refused(sim: ModemSim, modem: ModemNotifier, inbox: Path) -> None:
    sim.control.next(TAKEN, refused(500))
    sent = modem.send(NURSE, THREE_PARTS)
    assert sent.delivery is Delivery.FAILED_RETRY
    assert_says(sent, r"part 2 of 3: .*CMS ERROR 500.*; 1 before it taken")
    assert sent.references == (0,)
    assert len(sim.network.submitted) == 1, "it does not go on after a refusal"

    assert modem.send(NURSE, THREE_PARTS).delivery is Delivery.ACCEPTED
    assert texts(inbox) == [THREE_PARTS], "the torn one is not joined with the second try"
    assert sim.network.half_arrived == 1


@pytest.mark.parametrize("went_out", [True, False])
def test_silence_after_the_pdu_is_unknown(
    sim: ModemSim, hurried: ModemNotifier, inbox: Path, went_out: bool
) -> None:
    sim.control.next(unanswered(sent=went_out))
    sent = hurried.send(NURSE, "first")
    assert (sent.delivery, sent.references) == (Delivery.UNKNOWN, ())
    assert_says(sent, "no answer in 0.8 s; the message may have gone out")
    assert hurried.send(NURSE, "second").delivery is Delivery.ACCEPTED
    assert texts(inbox) == (["first"] if went_out else []) + ["second"]


def test_silence_before_the_pdu_is_a_failure(sim: ModemSim, hurried: ModemNotifier, inbox: Path) -> None:
    sim.control.next(no_prompt())
    sent = hurried.send(NURSE, "first")
    assert sent.delivery is Delivery.FAILED_RETRY
    assert_says(sent, "did not ask for the message; nothing went out")
    assert hurried.send(NURSE, "second").delivery is Delivery.ACCEPTED
    assert texts(inbox) == ["second"]


def test_an_answer_just_too_late_is_still_heard(sim: ModemSim, hurried: ModemNotifier, inbox: Path) -> None:
    """It arrives while the driver finds its place again."""
    sim.control.next(late(1.0))
    assert hurried.send(NURSE, "first") == Sent(Delivery.ACCEPTED, "1 message taken by the network", (0,))
    assert texts(inbox) == ["first"]


def test_an_answer_much_too_late_is_not_taken_for_another(
    sim: ModemSim, hurried: ModemNotifier, inbox: Path
) -> None:
    """The modem is deaf for three seconds, then answers everything at once."""
    sim.control.next(late(3.0), refused(500))
    assert hurried.send(NURSE, "first").delivery is Delivery.UNKNOWN
    second = hurried.send(NURSE, "second")
    while second.delivery is Delivery.FAILED_RETRY and "nothing answers" in second.detail:
        second = hurried.send(NURSE, "second")
    assert second.delivery is Delivery.FAILED_RETRY
    assert_says(second, "CMS ERROR 500")
    assert texts(inbox) == ["first"]
    assert hurried.send(NURSE, "third") == Sent(Delivery.ACCEPTED, "1 message taken by the network", (2,))


def test_ok_without_a_reference_is_unknown(sim: ModemSim, modem: ModemNotifier, inbox: Path) -> None:
    sim.control.next(false_ok(reference=False))
    sent = modem.send(NURSE, "first")
    assert sent.delivery is Delivery.UNKNOWN
    assert_says(sent, "said OK but named no message")
    assert texts(inbox) == []


def test_ok_with_a_reference_and_nothing_sent_shows_in_the_missing_report(
    sim: ModemSim, modem: ModemNotifier, inbox: Path
) -> None:
    """Nobody can tell at the time: ACCEPTED is not delivered. Its report never comes; the next one's does."""
    sim.control.next(false_ok(reference=True))
    assert modem.send(NURSE, "lost") == Sent(Delivery.ACCEPTED, "1 message taken by the network", (0,))
    assert modem.send(NURSE, "found").references == (1,)
    assert texts(inbox) == ["found"]
    assert [(r.reference, r.recipient, r.fate) for r in modem.reports(within_s=0.2)] == [
        (1, NURSE, "delivered")
    ]
    assert modem.reports() == (), "each is told once"


def test_a_report_of_failure_survives_the_line_and_noise_is_counted(
    sim: ModemSim, modem: ModemNotifier
) -> None:
    sim.control.report_status = 0x46  # validity expired, TS 23.040, 9.2.3.15
    assert modem.send(NURSE, "to a phone that is off").references == (0,)
    sim.say("+CDS: 5\r\n0006")
    (report,) = modem.reports(within_s=0.2)
    assert (report.reference, report.fate) == (0, "failed")
    assert modem.unreadable == 1
    sim.unplug()
    assert modem.reports(within_s=0.2) == ()


def test_a_modem_that_hangs_and_is_switched_on_again(
    sim: ModemSim, hurried: ModemNotifier, inbox: Path
) -> None:
    sim.control.next(hangs(sent=False))
    assert hurried.send(NURSE, "first").delivery is Delivery.UNKNOWN
    sent = hurried.send(NURSE, "second")
    assert sent.delivery is Delivery.FAILED_RETRY
    assert_says(sent, f"nothing answers at {sim.path}: wrong port, or the modem hangs")
    sim.control.hung = False
    assert hurried.send(NURSE, "third").delivery is Delivery.ACCEPTED
    assert texts(inbox) == ["third"]


def test_a_modem_that_restarts_is_set_up_again(sim: ModemSim, modem: ModemNotifier, inbox: Path) -> None:
    """Back in text mode, it would take the length of a PDU for a telephone number."""
    assert modem.send(NURSE, "first").delivery is Delivery.ACCEPTED
    sim.restart()
    assert modem.send(NURSE, "second").delivery is Delivery.ACCEPTED
    assert [(m["number"], m["text"]) for m in inbox_of(inbox)] == [(NURSE, "first"), (NURSE, "second")]


def test_unplugged_while_idle_and_back(sim: ModemSim, modem: ModemNotifier, inbox: Path) -> None:
    assert modem.send(NURSE, "first").delivery is Delivery.ACCEPTED
    sim.unplug()
    sent = modem.send(NURSE, "second")
    assert sent.delivery is Delivery.FAILED_RETRY
    assert_says(sent, f"no modem at {sim.path}: nothing is plugged in under that name")
    sim.replug()
    assert modem.send(NURSE, "third").delivery is Delivery.ACCEPTED
    sim.unplug()
    sim.replug()
    assert modem.send(NURSE, "fourth").delivery is Delivery.ACCEPTED, "reopened within one send"
    assert texts(inbox) == ["first", "third", "fourth"]


@pytest.mark.parametrize("went_out", [True, False])
def test_unplugged_behind_the_pdu_is_unknown(
    sim: ModemSim, modem: ModemNotifier, inbox: Path, went_out: bool
) -> None:
    sim.control.next(TAKEN, unplugged(sent=went_out))
    sent = modem.send(NURSE, THREE_PARTS)
    assert sent.delivery is Delivery.UNKNOWN
    assert_says(sent, "part 2 of 3: .* is gone: .*; the message may have gone out; 1 before it taken")
    sim.replug()
    assert modem.send(NURSE, "again").delivery is Delivery.ACCEPTED
    assert texts(inbox) == ["again"]


def test_unplugged_before_the_pdu_is_a_failure(sim: ModemSim, modem: ModemNotifier, inbox: Path) -> None:
    sim.control.next(TAKEN, unplugged(sent=False, prompt=False))
    sent = modem.send(NURSE, THREE_PARTS)
    assert sent.delivery is Delivery.FAILED_RETRY, "the first part's Ctrl-Z does not count for the second"
    assert_says(sent, "part 2 of 3: .*plug the modem in again")
    assert texts(inbox) == []


def test_two_senders_one_line(sim: ModemSim, modem: ModemNotifier, inbox: Path) -> None:
    """Threads take turns; another program is kept out."""
    outcomes: list[Sent] = []
    threads = [
        threading.Thread(target=lambda n=n: outcomes.append(modem.send(NURSE, f"{n} " + THREE_PARTS)))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {sent.delivery for sent in outcomes} == {Delivery.ACCEPTED}
    assert sorted(texts(inbox)) == [f"{n} " + THREE_PARTS for n in range(4)]

    rival = ModemNotifier(patient(sim.path))
    sent = rival.send(NURSE, "me too")
    assert sent.delivery is Delivery.FAILED_RETRY
    assert_says(sent, "another program holds it: stop ModemManager")
    with pytest.raises(serial.SerialException, match="exclusively lock"):
        serial.Serial(sim.path, exclusive=True)
    modem.close()
    assert rival.send(NURSE, "my turn").delivery is Delivery.ACCEPTED
    rival.close()


@pytest.mark.parametrize(
    "left", [b"AT+CMGF=0\rAT+CMGS=25\r", b"AT+CMGF=0\rAT+CMGS=25\r0001000D9158", b"AT+CM"]
)
def test_what_a_killed_driver_left_behind(
    sim: ModemSim, modem: ModemNotifier, inbox: Path, left: bytes
) -> None:
    """In the middle of a PDU, of a prompt, of a command."""
    with serial.Serial(sim.path, exclusive=True) as killed:
        killed.write(left)
        assert eventually(lambda: killed.in_waiting >= len(left))
    assert modem.send(NURSE, "after").delivery is Delivery.ACCEPTED
    assert texts(inbox) == ["after"]


def test_what_the_modem_was_told(sim: ModemSim, modem: ModemNotifier) -> None:
    """Two questions before each message (still in PDU mode? a network?), and settings only once."""
    modem.send(NURSE, "first")
    before = len(sim.commands)
    modem.send(NURSE, "second")
    assert sim.commands[before:] == ["+CMGF?", "+CREG?", "+CMGF?", "+CMGS=21"]
    assert eventually(lambda: "+CNMI=2,1,0,1,0" in sim.commands)
