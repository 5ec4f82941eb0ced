# SPDX-License-Identifier: Apache-2.0
"""Two sides wrote the wire from one document, each for itself: what one says the other understands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.firmware import frames, mqtt
from gateway.codecs.binary import BinaryCodec
from gateway.codecs.frames import Hello, Lost, Report
from gateway.codecs.json_report import encode_answer, parse_reports

U32 = st.integers(0, 2**32 - 1)
MS = st.integers(0, 2**52)
NAMES = st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,23}\Z")
VALUES = st.integers(-(2**31) + 1, 2**31 - 1)
STATUSES = st.integers(0, 5)
READINGS = st.tuples(st.integers(1, 10), STATUSES, VALUES).map(
    lambda one: one if one[1] == 0 else (one[0], one[1], 0)
)
SENT = st.builds(
    lambda node, boot, seq, uptime_ms, age_ms, clock, unix_ms, readings: frames.SentReport(
        node,
        frames.Report(
            boot, seq, uptime_ms, clock, unix_ms if clock else 0,
            tuple(frames.Reading(channel, *one) for channel, one in readings.items()),
        ),
        age_ms,
    ),
    NAMES, U32, U32, MS, U32, st.integers(0, 2), st.integers(1, 2**52),
    st.dictionaries(st.integers(0, 65535), READINGS, min_size=1, max_size=frames.READINGS_MAX),
)  # fmt: skip
PAIRS = st.lists(st.tuples(U32, U32).map(lambda two: (min(two), max(two))), min_size=1, max_size=250)


def understood(sent: frames.SentReport) -> Report:
    report = sent.report
    return Report(
        sent.node, report.boot, report.seq, report.uptime_ms, sent.age_ms, report.clock, report.unix_ms,
        tuple((r.channel, r.quantity, r.status, r.value) for r in report.readings),
    )  # fmt: skip


def without_failed_values(report: Report) -> Report:
    """A failed reading has no value: what stands in its place is not compared."""
    readings = tuple((*r[:3], 0) if r[2] else r for r in report.readings)
    return report._replace(readings=readings)


@given(st.lists(SENT, min_size=1, max_size=3))
def test_reports_in_frames(sent: list[frames.SentReport]) -> None:
    stream = b"".join(frames.encode(one) for one in sent)
    assert BinaryCodec().feed(stream) == [understood(one) for one in sent]


@given(NAMES, U32, st.integers(0, 2), U32)
def test_greetings_and_losses_in_frames(node: str, boot: int, clock: int, low: int) -> None:
    hello = frames.Hello(node, boot, clock, low, "board 1.2")
    lost = frames.Lost(node, boot, low, 2**32 - 1)
    assert BinaryCodec().feed(frames.encode(hello) + frames.encode(lost)) == [
        Hello(node, boot, clock, low, "board 1.2"),
        Lost(node, boot, low, 2**32 - 1),
    ]


@given(NAMES, U32, PAIRS)
def test_answers_in_frames(node: str, boot: int, pairs: list[tuple[int, int]]) -> None:
    codec = BinaryCodec()
    said = b"".join([*codec.ack(node, boot, pairs), *codec.resend(node, boot, pairs), *codec.who()])
    *answers, who = frames.FrameDecoder().feed(said)
    assert who == frames.Who()
    for kind in (frames.Ack, frames.Resend):
        mine = [one for one in answers if isinstance(one, kind)]
        assert [pair for one in mine for pair in one.ranges] == pairs
        assert {(one.node, one.boot) for one in mine} == {(node, boot)}


@given(NAMES, st.lists(SENT, min_size=1, max_size=4))
def test_reports_in_json(node: str, sent: list[frames.SentReport]) -> None:
    mine = [frames.SentReport(node, one.report, one.age_ms) for one in sent]
    payloads = mqtt.payloads([*mine, frames.Lost(node, 3, 4, 9)])
    found = [event for payload in payloads for event in parse_reports(payload, node)]
    assert [one for one in found if isinstance(one, Lost)] == [Lost(node, 3, 4, 9)]
    reports = [without_failed_values(one) for one in found if isinstance(one, Report)]
    assert reports == [without_failed_values(understood(one)) for one in mine]


@given(NAMES, U32, PAIRS, PAIRS)
def test_answers_in_json(node: str, boot: int, acks: list, asks: list) -> None:
    assert mqtt.messages(node, encode_answer(node, boot, ack=acks, resend=asks)) == [
        frames.Ack(node, boot, tuple(acks)),
        frames.Resend(node, boot, tuple(asks)),
    ]


@pytest.mark.parametrize("kind", [frames.ACK, frames.RESEND, frames.WHO])
def test_what_one_gateway_says_another_passes_over(kind: int) -> None:
    """An echo on the line must not be taken for a node."""
    payload = b"" if kind == frames.WHO else b"\x01n" + bytes(5)
    assert BinaryCodec().feed(frames.frame(kind, payload)) == []
