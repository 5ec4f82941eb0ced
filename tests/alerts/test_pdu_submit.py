# SPDX-License-Identifier: Apache-2.0
"""Our SUBMITs, read by two decoders that are not ours: a library's and the simulated centre's."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from smspdudecoder.fields import SMSSubmit

from alerts.notifiers.gsm7 import EXTENSION, fit_gsm7, is_gsm7
from alerts.notifiers.pdu import Coding, Part, PduError, dialled, relative_validity, segments, submit
from firmware_sim.modem import alphabet
from firmware_sim.modem.tpdu import read_submit

NURSE = "+8562055512345"
GSM_TEXT = st.text(alphabet=[*"".join(alphabet.CHART).replace("\x1b", ""), *EXTENSION], max_size=500)
ANY_TEXT = st.text(max_size=500) | st.text(alphabet="aé€ຕ🩸\U0001f321", max_size=500)


def library_reads(part: Part) -> dict[str, Any]:
    decoded: dict[str, Any] = SMSSubmit.decode(StringIO(part.line.decode()))
    return decoded


def library_text(part: Part) -> str:
    """Text by smspdudecoder, without the "@" that its version 2.2 reads into seven bits of filling.

    It cuts *characters* at the count of septets, so behind an escape the filling is left over.
    """
    decoded = library_reads(part)
    data: dict[str, Any] = decoded["user_data"]
    text: str = data["data"]
    if decoded["dcs"]["encoding"] != "gsm":
        return text
    digits = part.octets[3]
    length = part.octets[5 + (digits + 1) // 2 + 2] - (7 if data.get("header") else 0)
    cost = sum(2 if character in EXTENSION else 1 for character in text)
    return text[:-1] if cost == length + 1 and text.endswith("@") else text


def test_a_whole_pdu_octet_by_octet() -> None:
    """By hand from TS 23.040, 9.2.2.2; the text's octets as every textbook has them."""
    (part,) = submit("+46708251358", "hellohello", reference=0)
    assert (
        part.line
        == b"00" + b"01" + b"00" + b"0B916407281553F8" + b"00" + b"00" + b"0A" + b"E8329BFD4697D9EC37"
    )
    assert part.length == 22


def test_flags_for_report_and_validity() -> None:
    (part,) = submit("20551234", "x", reference=0, validity=timedelta(hours=4), report=True)
    header = library_reads(part)["header"]
    assert (header["srr"], header["vpf"], header["udhi"], header["mti"]) == (True, 2, False, "submit")
    centre = read_submit(part.octets, part.length)
    assert (centre.number, centre.report, centre.validity_min) == ("20551234", True, 240)


@pytest.mark.parametrize(
    ("text", "coding", "parts"),
    [
        ("", Coding.GSM7, 1),
        ("a" * 160, Coding.GSM7, 1),
        ("a" * 161, Coding.GSM7, 2),
        ("a" * 306, Coding.GSM7, 2),
        ("a" * 307, Coding.GSM7, 3),
        ("€" * 80, Coding.GSM7, 1),
        ("€" * 81, Coding.GSM7, 2),
        ("€" * 152, Coding.GSM7, 2),  # 76 pairs a part: 152 of 153 septets
        ("€" * 153, Coding.GSM7, 3),
        ("ຕ" * 70, Coding.UCS2, 1),
        ("ຕ" * 71, Coding.UCS2, 2),
        ("ຕ" * 134, Coding.UCS2, 2),
        ("🩸" * 35, Coding.UCS2, 1),
        ("🩸" * 36, Coding.UCS2, 2),
        ("🩸" * 66, Coding.UCS2, 2),  # 33 pairs a part: 66 of 67 units
        ("🩸" * 67, Coding.UCS2, 3),
        ("ຕ" * 66 + "🩸" * 2, Coding.UCS2, 1),
        ("8.2 °C", Coding.UCS2, 1),
    ],
)
def test_segments_at_their_edges(text: str, coding: Coding, parts: int) -> None:
    cost = segments(text)
    assert (cost.coding, cost.parts) == (coding, parts)
    assert cost.used <= cost.room
    assert len(submit(NURSE, text, reference=1)) == parts


@given(text=GSM_TEXT | ANY_TEXT, reference=st.integers(0, 255))
@example(text="ຕ" * 66 + "🩸" * 40, reference=255)
@example(text="a" * 152 + "€" * 20, reference=0)
@example(text="1234567", reference=0)
@example(text="[]€" * 60, reference=7)
def test_any_text_arrives(text: str, reference: int) -> None:
    """Both decoders read every part alone, and the parts joined are the text."""
    parts = submit(NURSE, text, reference=reference)
    by_centre = [read_submit(part.octets, part.length) for part in parts]

    assert "".join(part.text for part in by_centre) == text
    assert "".join(map(library_text, parts)) == text
    assert {part.number for part in by_centre} == {NURSE}
    assert all(7 <= part.length <= 164 for part in parts)
    if len(parts) > 1:
        places = [(p.place.reference, p.place.total, p.place.part) for p in by_centre if p.place]
        assert places == [(reference, len(parts), n) for n in range(1, len(parts) + 1)]


@given(digits=st.from_regex(r"\+?[1-9][0-9]{5,13}", fullmatch=True))
def test_any_number_arrives(digits: str) -> None:
    (part,) = submit(digits, "x", reference=0)
    recipient = library_reads(part)["recipient"]
    international = recipient["toa"]["ton"] == "international"
    assert ("+" if international else "") + recipient["number"] == digits


def test_half_a_surrogate_pair_is_shown_not_sent() -> None:
    (part,) = submit(NURSE, "a\ud83eb", reference=0)
    assert library_reads(part)["user_data"]["data"] == "a\ufffdb"


@pytest.mark.parametrize(
    "number", ["", "nurse", "+", "12", "+0123456", "+85620555123456789", "00ຕ123", "+1;DROP"]
)
def test_what_is_no_number_is_refused_with_an_example(number: str) -> None:
    with pytest.raises(PduError, match=r"is not a telephone number; write it as \+856"):
        submit(number, "x", reference=0)


def test_a_number_as_people_write_it() -> None:
    assert dialled(" +856 (20) 555-12.345 ") == NURSE


def test_a_novel_is_refused() -> None:
    with pytest.raises(PduError, match="needs 262 messages, at most 255 can be joined"):
        submit(NURSE, "a" * 40_000, reference=0)


@given(minutes=st.integers(1, 63 * 7 * 24 * 60))
def test_validity_is_never_shorter_than_asked(minutes: int) -> None:
    """By the centre's own reading of the octet, and the next shorter octet would be too short."""
    (part,) = submit(NURSE, "x", reference=0, validity=timedelta(minutes=minutes))
    said = read_submit(part.octets, part.length).validity_min
    assert said is not None
    assert said >= minutes
    octet = relative_validity(timedelta(minutes=minutes))
    assert octet == 0 or all(relative_validity(timedelta(minutes=m)) <= octet for m in (minutes - 1, minutes))


@given(text=ANY_TEXT)
def test_fitting_gives_gsm7_or_the_text_itself(text: str) -> None:
    fitted = fit_gsm7(text)
    assert is_gsm7(fitted) or fitted == text
    assert "?" not in fitted or "?" in text


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("8.2 °C", "8.2 C"),
        ("8.2\u202f°C > 6,0°C", "8.2 C > 6,0C"),
        ("turn 90° left", "turn 90 deg left"),
        ("Réfrigérateur n°\u00a03, à vérifier", "Réfrigérateur no 3, à vérifier"),
        ("Français: hôpital, sœur, août, naïf", "Francais: hopital, soeur, aout, naif"),
        ("≥ 6 – “now”…", '>= 6 - "now"...'),
        ("Tủ lạnh 8,2 °C", "Tủ lạnh 8,2 °C"),
        ("ຕູ້ເຢັນ 8.2 °C", "ຕູ້ເຢັນ 8.2 °C"),
    ],
)
def test_spelling(written: str, sent: str) -> None:
    assert fit_gsm7(written) == sent


def test_both_alphabets_are_one() -> None:
    """The driver's table against the telephone's, written apart."""
    for code, character in enumerate(alphabet.CHART):
        if code != alphabet.ESC:
            (part,) = submit(NURSE, character, reference=0)
            assert part.octets[-1] == code
    assert set(EXTENSION) == set(alphabet.ESCAPED.values())
