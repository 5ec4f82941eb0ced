# SPDX-License-Identifier: Apache-2.0
"""The node's own encoder and decoder: every slicing, every damage."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware_sim.firmware.frames import (
    Ack,
    FrameDecoder,
    Hello,
    Lost,
    Message,
    Reading,
    Report,
    Resend,
    SentReport,
    Who,
    encode,
    frame,
)

U32 = st.integers(0, 2**32 - 1)
NAMES = st.from_regex(r"\A[a-z0-9-]{1,24}\Z")
READINGS = st.builds(
    Reading, st.integers(0, 65535), st.integers(1, 10), st.integers(0, 5), st.integers(-(2**31), 2**31 - 1)
)
REPORTS = st.builds(
    Report,
    U32,
    U32,
    st.integers(0, 2**64 - 1),
    st.integers(0, 2),
    st.integers(-(2**63), 2**63 - 1),
    st.lists(READINGS, max_size=120).map(tuple),
)
RANGES = st.lists(st.tuples(U32, U32).map(sorted).map(tuple), max_size=120).map(tuple)
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(Hello, NAMES, U32, st.integers(0, 2), U32, st.text("abc .1-", max_size=60)),
    st.builds(SentReport, NAMES, REPORTS, U32),
    st.builds(Lost, NAMES, U32, U32, U32),
    st.builds(Ack, NAMES, U32, RANGES),
    st.builds(Resend, NAMES, U32, RANGES),
    st.just(Who()),
)


def test_the_bytes_of_one_report_are_those_of_the_document() -> None:
    """Made by hand from docs/wire-format.md; the checksum by gzip."""
    report = Report(1, 2, 3, 2, 1_700_000_000_000, (Reading(5, 1, 0, -19_300),))
    assert encode(SentReport("n", report, 4)) == bytes.fromhex(
        "c55a01022800"
        "016e0100000002000000030000000000000004000000020068e5cf8b01000001"
        "050001009cb4ffff"
        "717fff90"
    )  # fmt: skip


@given(st.lists(MESSAGES, max_size=4), st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_any_slicing_gives_the_same_messages(messages: list[Message], cuts: list[int]) -> None:
    stream = b"".join(encode(message) for message in messages)
    decoder = FrameDecoder()
    found: list[Message] = []
    at = 0
    while at < len(stream):
        size = cuts[at % len(cuts)]
        found += decoder.feed(stream[at : at + size])
        at += size
    assert found == messages
    assert decoder.bytes_skipped == 0


@given(MESSAGES, MESSAGES, st.binary(max_size=40), st.data())
@example(Who(), Who(), b"\xc5", None)
def test_damage_costs_only_what_it_touches(first: Message, last: Message, noise: bytes, data) -> None:
    """Noise without a sync costs no frame; a flipped bit costs one, and none is invented."""
    noise = noise.replace(b"\xc5\x5a", b"")
    if not noise.endswith(b"\xc5"):
        assert FrameDecoder().feed(encode(first) + noise + encode(last)) == [first, last]
    if data is None:
        return
    raw = bytearray(encode(first))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    decoder = FrameDecoder()
    found = decoder.feed(bytes(raw) + encode(last))
    found += decoder.feed(bytes(1100))  # a damaged length may claim what follows: let it fill up
    assert found == [last]


@given(st.binary(max_size=300))
def test_any_bytes_are_survived_and_the_buffer_stays_small(noise: bytes) -> None:
    decoder = FrameDecoder()
    for _ in range(20):
        decoder.feed(noise)
        assert len(decoder._buffer) <= 1034


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x05ab",
        b"\x01n\x00\x00\x00\x00\x01\x05\x00\x00\x00\x04\x00\x00\x00",
        b"\x01\xff\x00\x00\x00\x00\x00",
    ],
)
def test_a_payload_that_contradicts_itself_is_counted_and_passed_over(payload: bytes) -> None:
    decoder = FrameDecoder()
    assert decoder.feed(frame(0x81, payload) + encode(Who())) == [Who()]
    assert decoder.bad_payloads == 1


def test_an_unknown_type_is_passed_over() -> None:
    assert FrameDecoder().feed(frame(0x90, b"later") + encode(Who())) == [Who()]
