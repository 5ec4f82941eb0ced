# SPDX-License-Identifier: Apache-2.0
"""Port, SIM and network in trouble: each answer is a sentence that says what to do."""

import errno
import re
import threading
from pathlib import Path

import pytest
import serial
from modems import NURSE, hasty, inbox_of, patient

from alerts.notifiers.modem import ModemNotifier
from alerts.notifiers.options import ModemOptions
from coldchain.kernel.errors import ConfigError
from coldchain.ports.notifier import Delivery, Sent
from firmware_sim.modem import ModemSim

PIN, WRONG = "4711", "2580"


def assert_says(sent: Sent, delivery: Delivery, pattern: str) -> None:
    assert sent.delivery is delivery, sent
    assert re.search(pattern, sent.detail), sent.detail
    assert PIN not in sent.detail
    assert WRONG not in sent.detail


def test_a_pin_is_entered_once(tmp_path: Path) -> None:
    with ModemSim(tmp_path / "inbox.jsonl", pin=PIN) as sim:
        sim.control.sim_busy = 2
        notifier = ModemNotifier(patient(sim.path, pin=PIN, pin_guard=tmp_path / "guard", network_s=3.0))
        assert notifier.send(NURSE, "first").delivery is Delivery.ACCEPTED
        assert notifier.send(NURSE, "second").delivery is Delivery.ACCEPTED
        assert sim.commands.count(f'+CPIN="{PIN}"') == 1
        assert not (tmp_path / "guard").exists()
        notifier.close()


def test_a_wrong_pin_never_blocks_the_sim(tmp_path: Path) -> None:
    """Three refusals would. Not this process, and not the next one, tries it again."""
    guard = tmp_path / "guard"
    with ModemSim(tmp_path / "inbox.jsonl", pin=PIN) as sim:
        for _ in range(5):  # five restarts
            notifier = ModemNotifier(patient(sim.path, pin=WRONG, pin_guard=guard))
            for _ in range(2):
                sent = notifier.send(NURSE, "x")
                assert_says(sent, Delivery.FAILED_FINAL, f"correct the modem's PIN .* then delete {guard}")
            notifier.close()
        assert sim.card.tries_left == 2

        guard.unlink()
        repaired = ModemNotifier(patient(sim.path, pin=PIN, pin_guard=guard))
        assert repaired.send(NURSE, "x").delivery is Delivery.ACCEPTED
        assert sim.card.tries_left == 3
        repaired.close()


def test_without_a_guard_file_one_process_tries_once(tmp_path: Path) -> None:
    with ModemSim(pin=PIN) as sim:
        notifier = ModemNotifier(patient(sim.path, pin=WRONG))
        for _ in range(3):
            assert_says(notifier.send(NURSE, "x"), Delivery.FAILED_FINAL, "not tried again")
        assert sim.card.tries_left == 2


def test_no_pin_configured() -> None:
    with ModemSim(pin=PIN) as sim:
        sent = ModemNotifier(patient(sim.path)).send(NURSE, "x")
        assert_says(sent, Delivery.FAILED_FINAL, "asks for its PIN: set the modem's PIN")
        assert sim.card.tries_left == 3


def test_a_blocked_sim() -> None:
    with ModemSim(pin=PIN) as sim:
        sim.card.tries_left = 0
        sent = ModemNotifier(patient(sim.path, pin=PIN)).send(NURSE, "x")
        assert_says(sent, Delivery.FAILED_FINAL, r"locked \(SIM PUK\): unblock it with its PUK")


def test_no_sim_then_one(tmp_path: Path) -> None:
    with ModemSim(tmp_path / "inbox.jsonl") as sim:
        sim.control.sim_card = False
        notifier = ModemNotifier(patient(sim.path))
        assert_says(notifier.send(NURSE, "x"), Delivery.FAILED_RETRY, "no SIM card: .*insert it")
        sim.control.sim_card = True
        assert notifier.send(NURSE, "x").delivery is Delivery.ACCEPTED
        sim.control.sim_card = False
        assert_says(notifier.send(NURSE, "x"), Delivery.FAILED_RETRY, "no SIM card")
        notifier.close()
    assert len(inbox_of(tmp_path / "inbox.jsonl")) == 1


def test_no_signal_then_some(tmp_path: Path) -> None:
    with ModemSim(tmp_path / "inbox.jsonl") as sim:
        sim.control.registration, sim.control.signal = 2, 99
        notifier = ModemNotifier(patient(sim.path))
        assert_says(
            notifier.send(NURSE, "x"), Delivery.FAILED_RETRY, r"no network \(signal unknown\): check aerial"
        )
        sim.control.registration, sim.control.signal = 5, 9
        assert notifier.send(NURSE, "roaming").delivery is Delivery.ACCEPTED
        sim.control.registration = 3
        assert_says(
            notifier.send(NURSE, "x"), Delivery.FAILED_RETRY, "refuses this SIM: check that it is paid"
        )
        notifier.close()
    assert len(inbox_of(tmp_path / "inbox.jsonl")) == 1


def test_no_credit(tmp_path: Path) -> None:
    with ModemSim(tmp_path / "inbox.jsonl") as sim:
        sim.control.credit = 1
        notifier = ModemNotifier(patient(sim.path))
        assert notifier.send(NURSE, "last").delivery is Delivery.ACCEPTED
        assert_says(notifier.send(NURSE, "none left"), Delivery.FAILED_RETRY, "check the SIM's credit")
        notifier.close()
    assert [message["text"] for message in inbox_of(tmp_path / "inbox.jsonl")] == ["last"]


def test_a_centre_of_our_own() -> None:
    with ModemSim(centre="") as sim:
        assert_says(
            ModemNotifier(patient(sim.path)).send(NURSE, "x"), Delivery.FAILED_FINAL, "no message centre"
        )
    with ModemSim(centre="") as sim:
        notifier = ModemNotifier(patient(sim.path, smsc="+856 20 999 00001"))
        assert notifier.send(NURSE, "x").delivery is Delivery.ACCEPTED
        assert sim.card.centre == "+8562099900001"
        notifier.close()


def test_no_such_port(tmp_path: Path) -> None:
    sent = ModemNotifier(patient(str(tmp_path / "ttyUSB9"))).send(NURSE, "x")
    assert_says(
        sent, Delivery.FAILED_RETRY, "ttyUSB9: nothing is plugged in under that name: look in /dev/ser"
    )


def test_a_port_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("AT\r\nOK\r\n")
    sent = ModemNotifier(patient(str(tmp_path / "notes.txt"))).send(NURSE, "x")
    assert_says(sent, Delivery.FAILED_RETRY, "no modem at .*is it a serial port")


def test_the_port_of_something_else() -> None:
    """A thermometer on the line, or a modem at another speed."""
    with ModemSim() as sim:
        sim.control.hung = True
        done = threading.Event()

        def measure() -> None:
            while not done.wait(0.05):
                sim.noise(b"T,4.2\r\n")

        thermometer = threading.Thread(target=measure)
        thermometer.start()
        try:
            sent = ModemNotifier(hasty(sim.path)).send(NURSE, "x")
        finally:
            done.set()
            thermometer.join()
        assert_says(
            sent, Delivery.FAILED_RETRY, "something answers at .* but not as a modem does: wrong port"
        )


def test_a_port_nobody_may_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system refuses; played, since root may open everything."""

    def refuse(*_: object, **__: object) -> None:
        raise serial.SerialException(errno.EACCES, "could not open port")

    monkeypatch.setattr(serial, "Serial", refuse)
    sent = ModemNotifier(patient("/dev/ttyUSB0")).send(NURSE, "x")
    assert_says(sent, Delivery.FAILED_RETRY, "not permitted: add this user to the group that owns the port")


@pytest.mark.parametrize("pin", ["", "12", "123456789", "12a4", "١٢٣٤"])
def test_a_pin_that_is_none_is_refused_without_being_told(pin: str) -> None:
    with pytest.raises(ConfigError, match=r"^the modem's PIN must be 4 to 8 digits$"):
        ModemOptions("/dev/null", pin=pin)


def test_a_centre_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\(smsc\): 'ask the operator' is not a telephone number"):
        ModemOptions("/dev/null", smsc="ask the operator")


def test_a_check_says_ready_or_why_not(tmp_path: Path) -> None:
    """For `doctor`: everything but a message."""
    with ModemSim(tmp_path / "inbox.jsonl", pin=PIN) as sim:
        notifier = ModemNotifier(patient(sim.path, pin=PIN))
        assert_says(notifier.check(), Delivery.ACCEPTED, "ready at .*, signal 21 of 31")
        sim.control.registration = 2
        assert_says(notifier.check(), Delivery.FAILED_RETRY, r"no network \(signal 21 of 31\)")
        notifier.close()
        assert_says(
            ModemNotifier(patient("/dev/none")).check(), Delivery.FAILED_RETRY, "nothing is plugged in"
        )
    assert inbox_of(tmp_path / "inbox.jsonl") == []


def test_options_do_not_print_their_pin() -> None:
    assert PIN not in repr(ModemOptions("/dev/null", pin=PIN))
