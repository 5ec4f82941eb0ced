# SPDX-License-Identifier: Apache-2.0
"""Codecs: no crash on any bytes, no silent loss, and no cut of the stream changes what is heard."""

import json
import struct
import zlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coldchain.kernel.errors import FrameError
from coldchain.kernel.words import QUANTITY_OF_WORD
from coldchain.settings import LineSettings
from gateway.codecs import CODECS, binary
from gateway.codecs import ascii as text
from gateway.codecs.frames import Codec, Event, Hello, Lost, Report
from gateway.codecs.json_report import encode_answer, parse_reports

NAMES = st.from_regex(r"[a-z0-9-]{1,24}", fullmatch=True)
U32 = st.integers(0, 2**32 - 1)
MS = st.integers(0, 2**62)
READING = st.tuples(
    st.integers(0, 65535),
    st.integers(1, 10),
    st.sampled_from([0, 0, 0, 1, 2, 3, 4, 5]),
    st.integers(-(2**31) + 1, 2**31 - 1),
).map(lambda r: (r[0], r[1], r[2], 0 if r[2] else r[3]))


@st.composite
def reports(draw: st.DrawFn, readings: int = 20) -> Report:
    clock = draw(st.integers(0, 2))
    return Report(
        draw(NAMES),
        draw(U32),
        draw(U32),
        draw(MS),
        draw(U32),
        clock,
        draw(MS) if clock else 0,
        tuple(draw(st.lists(READING, min_size=1, max_size=readings))),
    )


ENCODERS = {"binary": binary.encode_report, "ascii": text.encode_report}


def fed(codec: Codec, stream: bytes, cuts: list[int]) -> list[Event]:
    events, start = [], 0
    for cut in [*sorted({c % (len(stream) + 1) for c in cuts}), len(stream)]:
        events += codec.feed(stream[start:cut])
        start = cut
    return events


def test_the_settings_name_every_codec() -> None:
    assert set(CODECS) == set(LineSettings.model_fields["codec"].annotation.__args__)


@pytest.mark.parametrize("name", CODECS)
@given(sent=st.lists(reports(), max_size=6), cuts=st.lists(st.integers(0, 5000), max_size=12))
def test_what_is_sent_is_heard_however_it_is_cut(name: str, sent: list[Report], cuts: list[int]) -> None:
    codec = CODECS[name]()
    stream = b"".join(ENCODERS[name](report) for report in sent if len(ENCODERS[name](report)) <= 1000)
    assert fed(codec, stream, cuts) == [r for r in sent if len(ENCODERS[name](r)) <= 1000]
    assert (codec.skipped, codec.malformed, codec.waiting) == (0, 0, 0)


NOISE = st.binary(max_size=60) | st.sampled_from(
    [b"\xc5", b"\xc5\x5a", b"\xc5\x5a\x01\x02\xff\x03", b"$CC1,", b"$", b"*\n"]
)


@pytest.mark.parametrize("name", CODECS)
@given(
    parts=st.lists(st.tuples(NOISE, reports(4)), min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 3000), max_size=10),
)
@settings(max_examples=150)
def test_noise_is_skipped_and_counted_byte_by_byte(
    name: str, parts: list[tuple[bytes, Report]], cuts: list[int]
) -> None:
    """Frames before and after the noise arrive; every byte is a frame's, or is counted."""
    codec, ending = CODECS[name](), b"\n" if name == "ascii" else b""
    stream = b"".join(noise + ending + ENCODERS[name](report) for noise, report in parts)
    frames = sum(len(ENCODERS[name](report)) for _, report in parts)
    events = fed(codec, stream, cuts) + codec.idle()
    heard = [event for event in events if isinstance(event, Report)]
    assert [report for _, report in parts] == [r for r in heard if r in [p for _, p in parts]][: len(parts)]
    if name == "binary" and len(heard) == len(parts) and not codec.malformed:
        assert codec.skipped == len(stream) - frames
    assert codec.waiting == 0


@pytest.mark.parametrize("name", CODECS)
@given(stream=st.binary(max_size=3000), cuts=st.lists(st.integers(0, 3000), max_size=10))
@example(stream=b"\xc5\x5a\x01\x02\x00\x04" + bytes(1100), cuts=[7])
@example(stream=b"$CC1,n,,,,,,1:temperature:" + b"9" * 900 + b"\n", cuts=[])
@example(stream=b"$CC1,n,,,,,,1:temperature:\xb2\n", cuts=[])
def test_no_bytes_crash_a_codec_nor_fill_it(name: str, stream: bytes, cuts: list[int]) -> None:
    codec, other = CODECS[name](), CODECS[name]()
    events = fed(codec, stream, cuts)
    assert codec.waiting <= 1034
    assert events == other.feed(stream)
    assert (codec.skipped, codec.malformed, codec.waiting) == (other.skipped, other.malformed, other.waiting)
    codec.idle()
    assert codec.waiting == 0


@given(report=reports(6), at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_damaged_binary_frame_is_never_heard_as_another(report: Report, at: int, flip: int) -> None:
    frame = bytearray(binary.encode_report(report))
    frame[at % len(frame)] ^= flip
    codec = binary.BinaryCodec()
    after = report._replace(seq=(report.seq or 0) ^ 1)
    heard = codec.feed(bytes(frame)) + codec.feed(binary.encode_report(after)) + codec.idle()
    assert heard == [after]
    assert codec.skipped == len(frame)


def test_a_torn_frame_does_not_hide_what_follows_the_pause() -> None:
    codec = binary.BinaryCodec()
    report = Report("n1", 1, 2, 3, 4, 0, 0, ((0, 1, 0, 4000),))
    assert codec.feed(binary.encode_report(report)[:-3]) == []
    assert codec.feed(binary.encode_report(report)[:20]) == []
    assert codec.idle() == []
    assert codec.feed(binary.encode_report(report)) == [report]


@pytest.mark.parametrize(
    "payload",
    [
        b"\x02n1" + bytes(29),  # no count
        b"\x09n1" + bytes(30),  # the name is longer than the payload
        b"\x02N1" + bytes(30),  # not a name
        b"\x02n1" + struct.pack("<IIQIBqB", 1, 2, 2**63, 0, 0, 0, 0),  # uptime beyond reason
        b"\x02n1" + struct.pack("<IIQIBqB", 1, 2, 3, 0, 3, 0, 0),  # no such clock
        b"\x02n1" + struct.pack("<IIQIBqB", 1, 2, 3, 0, 0, 0, 1),  # a reading short
        b"",
    ],
)
def test_a_sound_frame_with_unsound_content_is_malformed(payload: bytes) -> None:
    codec = binary.BinaryCodec()
    assert codec.feed(binary.frame(binary.REPORT, payload)) == []
    assert (codec.malformed, codec.skipped) == (1, 0)


def test_greetings_losses_and_answers() -> None:
    codec = binary.BinaryCodec()
    hello = b"\x02n1" + struct.pack("<IBI", 7, 2, 99) + b"\x03fw1"
    lost = b"\x02n1" + struct.pack("<III", 7, 10, 19)
    backwards = b"\x02n1" + struct.pack("<III", 7, 19, 10)
    heard = codec.feed(binary.frame(1, hello) + binary.frame(3, lost) + binary.frame(3, backwards))
    assert heard == [Hello("n1", 7, 2, 99, "fw1"), Lost("n1", 7, 10, 19)]
    assert codec.malformed == 1
    (ack,) = codec.ack("n1", 7, [(1, 5), (9, 9)])
    assert ack[2:6] == bytes((1, 0x81, 24, 0))
    assert ack[6:-4] == b"\x02n1" + struct.pack("<IB4I", 7, 2, 1, 5, 9, 9)
    assert struct.unpack("<I", ack[-4:])[0] == zlib.crc32(ack[2:-4])
    assert len(codec.ack("n1", 7, [(n, n) for n in range(0, 500, 2)])) == 3


def line(body: str) -> bytes:
    return f"${body}*{zlib.crc32(body.encode()):08x}\r\n".encode()


def test_lines_of_text() -> None:
    codec = text.AsciiCodec()
    heard = codec.feed(
        line("CC1,n1,7,345,1000,20,1700000000000?,0:temperature:-4.125,1:door:1,2:temperature:!open")
        + b"$CC1,n2,,,,,,0:temperature:4.1\n"
    )
    assert heard == [
        Report("n1", 7, 345, 1000, 20, 1, 1700000000000, ((0, 1, 0, -4125), (1, 2, 0, 1000), (2, 1, 1, 0))),
        Report("n2", None, None, -1, 0, 0, 0, ((0, 1, 0, 4100),)),
    ]
    assert codec.ack("n1", 7, [(3, 5)]) == [line("OK1,n1,7,3-5")]


@pytest.mark.parametrize(
    "sent",
    [
        b"$CC1,n1,7,345,0,0,,0:temperature:4.1\n",  # numbered, and no checksum
        line("CC1,n1,7,,0,0,,0:temperature:4.1"),  # half a number
        line("CC1,n1,,,0,0,,0:warmth:4.1"),
        line("CC1,n1,,,0,0,,0:temperature:!warm"),
        line("CC1,n1,,,0,0,,0:temperature:1e3"),
        line("CC1,n1,,,0,0,,0:temperature:nan"),
        line("CC1,n1,,,0,0,,65536:temperature:1"),
        line("CC1,N1,,,0,0,,0:temperature:1"),
        line("CC1,n1,,,0,0,,0:temperature:9999999999"),
        line("CC1,n1"),
    ],
)
def test_unsound_lines_are_malformed(sent: bytes) -> None:
    codec = text.AsciiCodec()
    assert codec.feed(sent) == []
    assert codec.malformed == 1


def test_a_line_with_a_wrong_checksum_is_skipped() -> None:
    codec = text.AsciiCodec()
    good = line("CC1,n1,7,1,0,0,,0:temperature:4.1")
    assert codec.feed(good.replace(b"4.1", b"4.2")) == []
    assert codec.skipped == len(good)


def as_json(report: Report) -> dict[str, object]:
    words = {q: w for w, q in QUANTITY_OF_WORD.items()}
    faults = {s: w for w, s in text.STATUS_OF_WORD.items()}
    readings = [
        {"ch": c, "q": words[q], **({"fault": faults[s]} if s else {"m": v})}  # type: ignore[index]
        for c, q, s, v in report.readings
    ]
    return {**report._asdict(), "v": 1, "readings": readings}


@given(sent=st.lists(reports(), min_size=1, max_size=4), node=NAMES)
def test_json_reports(sent: list[Report], node: str) -> None:
    sent = [report._replace(node=node) for report in sent]
    assert parse_reports(json.dumps([as_json(r) for r in sent]).encode(), node) == sent
    assert parse_reports(json.dumps(as_json(sent[0])).encode(), node) == sent[:1]
    with pytest.raises(FrameError, match="the topic says"):
        parse_reports(json.dumps([as_json(r) for r in sent]).encode(), node + "x")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("v", "node", "boot", "seq", "uptime_ms", "age_ms", "clock", "unix_ms", "readings", "lost")


@given(
    base=reports(3),
    field=st.sampled_from(FIELDS),
    value=JSON,
    inner=st.sampled_from(["ch", "q", "m", "fault", None]),
)
def test_any_json_is_parsed_or_refused(base: Report, field: str, value: object, inner: str | None) -> None:
    part = as_json(base)
    if inner is None:
        part[field] = value
    else:
        part["readings"][0][inner] = value  # type: ignore[index]
    try:
        events = parse_reports(json.dumps(part).encode(), base.node)
    except FrameError:
        return
    assert all(isinstance(event, Report | Lost) for event in events)


@given(payload=st.binary(max_size=200))
@example(payload=b"[" * 3000)
@example(payload=b'{"v":1,"node":"n","boot":' + b"9" * 5000 + b"}")
def test_any_bytes_on_the_topic_are_parsed_or_refused(payload: bytes) -> None:
    with pytest.raises(FrameError, match=r"malformed|oversize"):
        parse_reports(payload, "n")


def test_an_oversize_message_is_refused() -> None:
    with pytest.raises(FrameError, match="oversize: 65537 bytes"):
        parse_reports(b" " * 65537, "n")


def test_lost_and_the_answer_in_json() -> None:
    assert parse_reports(b'{"v":1,"node":"n1","boot":3,"lost":[[1,4]]}', "n1") == [Lost("n1", 3, 1, 4)]
    assert json.loads(encode_answer("n1", 3, ack=[(1, 4)])) == {
        "v": 1,
        "node": "n1",
        "boot": 3,
        "ack": [[1, 4]],
    }
