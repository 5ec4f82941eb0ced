# SPDX-License-Identifier: Apache-2.0
"""What the network hands up: written by the simulated centre, read by us and by a library."""

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from smspdudecoder.easy import read_incoming_sms

from alerts.notifiers.incoming import Concatenation, Deliver, Fate, StatusReport, decode
from alerts.notifiers.pdu import PduError, submit
from firmware_sim.modem.tpdu import write_deliver, write_status_report

NURSE, CENTRE = "+8562055512345", "+8562099900001"
AT_MS = 1_795_212_945_000
ANY_TEXT = st.text(max_size=300) | st.text(alphabet="OK 7€[ຕ🩸", max_size=300)


@given(text=ANY_TEXT, reference=st.integers(0, 255))
@example(text="OK 7", reference=0)
@example(text="ok 7 {€} " * 40, reference=255)
@example(text="ຕົກລົງ 🩸" * 30, reference=9)
def test_any_reply_is_read(text: str, reference: int) -> None:
    pdus = write_deliver(NURSE, text, centre=CENTRE, at_ms=AT_MS, reference=reference)
    messages = [decode(pdu.hex()) for pdu in pdus]

    assert all(isinstance(message, Deliver) for message in messages)
    parts = [message for message in messages if isinstance(message, Deliver)]
    assert "".join(part.text for part in parts) == text
    assert {(part.sender, part.at_ms) for part in parts} == {(NURSE, AT_MS)}
    if len(parts) > 1:
        assert [part.joined for part in parts] == [
            Concatenation(reference, len(parts), n) for n in range(1, len(parts) + 1)
        ]


def test_a_library_reads_the_centre_too() -> None:
    """The simulated centre is a fair witness: its DELIVERs are DELIVERs to others."""
    (pdu,) = write_deliver(NURSE, "ok 7 ສະບາຍດີ", centre=CENTRE, at_ms=AT_MS, reference=0)
    read = read_incoming_sms(pdu.hex())
    assert (read["sender"], read["content"]) == (NURSE, "ok 7 ສະບາຍດີ")
    assert read["date"].timestamp() * 1000 == AT_MS


def test_a_report_tells_the_fate_of_a_part() -> None:
    for status, fate in ((0x00, Fate.DELIVERED), (0x20, Fate.TRYING), (0x46, Fate.FAILED)):
        pdu = write_status_report(NURSE, centre=CENTRE, reference=200, at_ms=AT_MS, status=status)
        report = decode(pdu.hex())
        assert isinstance(report, StatusReport)
        assert (report.reference, report.recipient, report.discharged_ms) == (200, NURSE, AT_MS)
        assert report.fate is fate


def test_a_report_octet_by_octet() -> None:
    """By hand from TS 23.040, 9.2.2.3: 20 September 2026, 08:30:15 at +07:00."""
    report = decode("00062A0B916407281553F8629002800351826290028003518200")  # fmt: skip
    assert report == StatusReport(42, "+46708251358", 1_789_867_815_000, 0)


def test_a_name_as_sender() -> None:
    """Operators sign with letters: number type 0xD0, seven bits a letter."""
    pdu = "00040BD0CDE6DB5DCE030000629002800351820131"  # fmt: skip
    message = decode(pdu)
    assert isinstance(message, Deliver)
    assert (message.sender, message.text) == ("MMoney", "1")


def test_a_date_that_is_none_is_no_reason_to_lose_a_message() -> None:
    pdu = "00040B916407281553F80000000000000000000131"  # fmt: skip
    message = decode(pdu)
    assert isinstance(message, Deliver)
    assert (message.text, message.at_ms) == ("1", None)


@pytest.mark.parametrize(
    ("pdu", "why"),
    [
        ("", "ends within its SMSC length"),
        ("0", "not hexadecimal"),
        ("+CMS ERROR: 500", "not hexadecimal"),
        ("07911326040000F0", "ends within its first octet"),
        ("000B916407", "neither DELIVER nor STATUS-REPORT"),
        ("00040B9164", "ends within its address"),
        ("00440B916407281553F800006290028003518201FF", "header is longer"),
        ("00040B916407281553F8002062900280035182013100", "compressed"),
    ],
)
def test_what_breaks_the_layout_says_where(pdu: str, why: str) -> None:
    with pytest.raises(PduError, match=why):
        decode(pdu)


@given(octets=st.binary(max_size=200))
def test_no_octets_from_the_air_crash_it(octets: bytes) -> None:
    with contextlib.suppress(PduError):
        decode(octets.hex())


@given(data=st.data())
def test_no_damaged_message_crashes_it(data: st.DataObject) -> None:
    """Cut off or changed in one octet."""
    (pdu, *_) = write_deliver(NURSE, "ຕົກລົງ 7" * 20, centre=CENTRE, at_ms=AT_MS, reference=1)
    place = data.draw(st.integers(0, len(pdu) - 1))
    damaged = pdu[:place] + bytes([data.draw(st.integers(0, 255))]) + pdu[place + 1 :]
    for octets in (damaged, pdu[:place]):
        with contextlib.suppress(PduError):
            decode(octets.hex())


def test_our_own_submit_is_not_incoming() -> None:
    (part,) = submit(NURSE, "x", reference=0)
    with pytest.raises(PduError, match="neither DELIVER nor STATUS-REPORT: first octet 0x01"):
        decode(part.line.decode())
