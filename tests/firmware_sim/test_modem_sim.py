# SPDX-License-Identifier: Apache-2.0
"""The simulated modem by itself, spoken to in plain AT as a person at a terminal would."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from modems import NURSE, eventually, inbox_of
from smspdudecoder.easy import read_incoming_sms

from firmware_sim.modem import Message, ModemSim
from firmware_sim.modem.tpdu import BadPdu, Place, Submitted, read_submit

HELLO = "0001000D91582650552143F500000AE8329BFD4697D9EC37"  # to NURSE: hellohello


class Terminal:
    """Types, and reads what comes until it pauses."""

    def __init__(self, path: str) -> None:
        self.port = serial.Serial(path, 115_200, timeout=0.05)

    def types(self, text: str, until: str = "OK\r\n") -> str:
        self.port.write(text.encode("latin-1"))
        return self.reads(until)

    def reads(self, until: str, within_s: float = 2.0) -> str:
        end, said = time.monotonic() + within_s, b""
        while until.encode() not in said and time.monotonic() < end:
            said += self.port.read(self.port.in_waiting or 1)
        return said.decode("utf-8", "replace")


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[ModemSim]:
    with ModemSim(tmp_path / "inbox.jsonl", link=tmp_path / "modem") as modem:
        yield modem


@pytest.fixture
def terminal(sim: ModemSim) -> Iterator[Terminal]:
    it = Terminal(sim.path)
    yield it
    it.port.close()


def test_a_session_by_hand(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal.types("AT\r") == "AT\r\r\nOK\r\n", "it echoes until told not to"
    assert terminal.types("ATE0\r").endswith("OK\r\n")
    assert terminal.types("AT+CSQ\r") == "\r\n+CSQ: 21,99\r\n\r\nOK\r\n"
    assert terminal.types("at+cmgf=0;+creg?\r") == "\r\n+CREG: 0,1\r\n\r\nOK\r\n"
    assert terminal.types("AT+CMGS=23\r", "> ") == "\r\n> "
    assert terminal.types(HELLO + "\x1a") == "\r\n+CMGS: 0\r\n\r\nOK\r\n"
    (message,) = inbox_of(tmp_path / "inbox.jsonl")
    assert (message["number"], message["text"], message["parts"]) == (NURSE, "hellohello", 1)
    assert message["instant"].endswith("Z")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("AT+CGMI", "Coldchain"),
        ("AT+CGMM", "SIM-7"),
        ("AT+CGMR", "1.0"),
        ("AT+CGSN", "490154203237518"),
        ("AT+CPIN?", "+CPIN: READY"),
        ("AT+CSMS=0", "+CSMS: 1,1,1"),
        ("AT+CNMI=2,1,0,1,0;+CNMI?", "+CNMI: 2,1,0,1,0"),
        ("AT+CNMI=?", "+CNMI: (0-2)"),
        ('AT+CSCA="+85620111",145;+CSCA?', '+CSCA: "+85620111",145'),
        ("AT+CMEE=1;+CMEE?", "+CMEE: 1"),
        ('AT+CPMS="SM"', "+CPMS: 0,30,0,30,0,30"),
        ("AT+CLIP=1;+CLIP?", "+CLIP: 1,1"),
        ("AT+CMGL=4", "OK"),
        ("ATI", "simulated"),
    ],
)
def test_it_answers(terminal: Terminal, command: str, answer: str) -> None:
    terminal.types("ATE0+CMGF=0\r")
    said = terminal.types(f"{command}\r")
    assert answer in said
    assert said.endswith("\r\nOK\r\n")


@pytest.mark.parametrize("command", ["AT+NONSENSE", "AT+CMEE=x", "AT+CMGR=99", "AT+CPIN=1,2,3", "AT+CMGD=7"])
def test_it_refuses(terminal: Terminal, command: str) -> None:
    assert "ERROR" in terminal.types(f"{command}\r", "ERROR")
    assert terminal.types("AT\r").endswith("OK\r\n"), "and lives on"


def test_escape_cancels_a_message(sim: ModemSim, terminal: Terminal) -> None:
    terminal.types("AT+CMGF=0\r")
    terminal.types("AT+CMGS=23\r", "> ")
    terminal.types(HELLO + "\x1b")
    assert terminal.types("AT\r").endswith("OK\r\n")
    assert sim.network.submitted == []


def test_a_pdu_that_does_not_add_up(sim: ModemSim, terminal: Terminal) -> None:
    terminal.types("AT+CMGF=0\r")
    for length, pdu in ((22, HELLO), (23, HELLO[:-2]), (23, "zz"), (23, "")):
        terminal.types(f"AT+CMGS={length}\r", "> ")
        assert "+CMS ERROR: 304" in terminal.types(pdu + "\x1a", "304")
    assert sim.network.submitted == []


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        ("0004000D91582650552143F500000161", "not a SUBMIT"),
        ("00010000910000016100", "bad destination"),
        ("0001000D91582650552143FA00000161", "bad digits"),
        ("0001000D91582650552143F500040161", "coding scheme 0x4"),
        ("0001000D91582650552143F5000804D83E0061", "decode"),
        ("0041000D91582650552143F50008080500030702050061", "part 5 of 2"),
        ("0001000D91582650552143F500000961", "1 octets for 9 septets"),
    ],
)  # fmt: skip
def test_what_a_network_would_not_carry(octets: str, why: str) -> None:
    pdu = bytes.fromhex(octets)
    with pytest.raises(BadPdu, match=why):
        read_submit(pdu, len(pdu) - 1)


def test_a_phone_answers(sim: ModemSim, terminal: Terminal) -> None:
    terminal.types("ATE0\rAT+CMGF=0;+CNMI=2,1,0,0,0\r", "OK\r\n\r\nOK\r\n")
    sim.phone(NURSE).reply("ok 7")
    assert '+CMTI: "SM",1' in terminal.reads('CMTI: "SM",1\r\n')
    said = terminal.types("AT+CMGR=1\r")
    pdu = said.split("\r\n")[2]
    read = read_incoming_sms(pdu)
    assert (read["sender"], read["content"]) == (NURSE, "ok 7")
    assert "+CMGL: 1,1" in terminal.types("AT+CMGL=4\r"), "read now"
    terminal.types("AT+CMGD=1\r")
    assert "+CMGL" not in terminal.types("AT+CMGL=4\r")


def test_a_long_answer_out_of_order(sim: ModemSim, terminal: Terminal) -> None:
    terminal.types("ATE0\rAT+CMGF=0;+CNMI=2,2,0,0,0\r", "OK\r\n\r\nOK\r\n")
    text = "ຕົກລົງ 🩸 " * 12
    sim.receive_parts(NURSE, text, order=(2, 1))
    said = terminal.reads("\r\n\r\n+CMT") + terminal.reads("never", within_s=0.2)
    pdus = [line for line in said.split("\r\n") if line.startswith("08915826")]
    parts = [read_incoming_sms(pdu) for pdu in pdus]
    assert [part["partial"]["part_number"] for part in parts] == [2, 1]
    assert parts[1]["content"] + parts[0]["content"] == text


def test_calls_both_ways(sim: ModemSim, terminal: Terminal) -> None:
    terminal.types("ATE0\rAT+CLIP=1\r", "OK\r\n\r\nOK\r\n")
    sim.phone(NURSE).ring()
    assert f'RING\r\n\r\n+CLIP: "{NURSE}",145' in terminal.reads("145\r\n")
    assert terminal.types(f"ATD{NURSE};\r") == "\r\nOK\r\n"
    assert terminal.types("ATH\r") == "\r\nOK\r\n"
    assert sim.phone(NURSE).calls == 1


def test_a_pin_opens_and_three_wrong_ones_block(tmp_path: Path) -> None:
    with ModemSim(pin="1234") as sim:
        terminal = Terminal(sim.path)
        assert "SIM PIN" in terminal.types("ATE0+CMEE=1;+CPIN?\r")
        assert "+CMS ERROR: 311" in terminal.types("AT+CMGF=0\rAT+CMGS=23\r", "311")
        for code in (16, 16, 12):
            assert f"+CME ERROR: {code}" in terminal.types("AT+CPIN=0000\r", "ERROR: 1")
        assert "SIM PUK" in terminal.types("AT+CPIN?\r")
        terminal.port.close()
    with ModemSim(pin="1234") as sim:
        terminal = Terminal(sim.path)
        terminal.types('AT+CPIN="1234"\r')
        assert "READY" in terminal.types("AT+CPIN?\r")
        terminal.port.close()


def test_the_link_follows_the_port(tmp_path: Path) -> None:
    link = tmp_path / "dev" / "modem"
    with ModemSim(link=link) as sim:
        assert sim.path == str(link)
        assert os.path.realpath(link).startswith("/dev/pts/")
        sim.unplug()
        assert not link.exists()
        sim.replug()
        terminal = Terminal(str(link))
        assert terminal.types("AT\r").endswith("OK\r\n")
        terminal.port.close()
    assert not link.is_symlink()


def test_a_stale_link_of_a_killed_run_is_replaced(tmp_path: Path) -> None:
    link = tmp_path / "modem"
    link.symlink_to("/dev/pts/99999")
    with ModemSim(link=link) as sim:
        assert os.path.realpath(sim.path).startswith("/dev/pts/")
        Terminal(sim.path).port.close()


def test_the_inbox_grows_over_restarts(tmp_path: Path) -> None:
    for _ in range(2):
        seen: list[Message] = []
        with ModemSim(tmp_path / "inbox.jsonl", on_message=seen.append) as sim:
            terminal = Terminal(sim.path)
            terminal.types("AT+CMGF=0\r")
            terminal.types("AT+CMGS=23\r", "> ")
            terminal.types(HELLO + "\x1a")
            assert [message.text for message in sim.phone(NURSE).wait_for(1, within_s=2)] == ["hellohello"]
            assert [message.text for message in seen] == ["hellohello"]
            terminal.port.close()
    assert len(inbox_of(tmp_path / "inbox.jsonl")) == 2


def test_parts_in_any_order_make_one_message(sim: ModemSim) -> None:
    """Also between the parts of another message."""

    def part(reference: int, n: int, text: str) -> Submitted:
        return Submitted(NURSE, text, Place(reference, 2, n), report=False, validity_min=None)

    for one in (part(1, 2, "B"), part(2, 1, "C"), part(1, 1, "A"), part(2, 2, "D")):
        sim.network.carry(one)
    assert [(m.text, m.parts) for m in sim.phone(NURSE).received] == [("AB", 2), ("CD", 2)]


def test_a_stopped_modem_leaves_nothing(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        sim = ModemSim(link=tmp_path / "modem")
        sim.start()
        sim.unplug()
        sim.stop()
        sim.stop()
    assert eventually(lambda: len(list(Path("/proc/self/fd").iterdir())) <= before)
