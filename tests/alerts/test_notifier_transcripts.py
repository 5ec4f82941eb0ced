# SPDX-License-Identifier: Apache-2.0
"""Recorded manners of modems, played to the driver on a test clock (see tests/data/modem/README.md)."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.notifiers.at import LINE_MAX, AtReader, Event, Final, Info, Prompt, Unsolicited
from alerts.notifiers.line import Line, LineLost
from alerts.notifiers.modem import ModemNotifier
from alerts.notifiers.options import ModemOptions
from coldchain.ports.notifier import Sent

FOLDER = Path(__file__).parents[1] / "data" / "modem"
PARTS_OF_STORIES = ("wake", "ready")
STORIES = sorted(path for path in FOLDER.glob("*.txt") if path.stem not in PARTS_OF_STORIES)
NOISE = bytes(range(0x80, 0x100)) * 40  # 5 kB, more than the buffer's bound


def steps_of(path: Path) -> Iterator[str]:
    for line in path.read_text("utf-8").splitlines():
        if line.strip() in PARTS_OF_STORIES:
            yield from steps_of(FOLDER / f"{line.strip()}.txt")
        elif line.strip() and not line.startswith("#"):
            yield line


def octets_of(said: str) -> bytes:
    return said.encode("ascii").decode("unicode_escape").encode("latin-1")


class Player(Line):
    """A port that plays a story; time passes only here. A step that does not fit fails the test."""

    def __init__(self, steps: list[str]) -> None:
        self.steps, self.now_s = steps, 0.0
        self._written, self._pdu = b"", b""

    def open(self, port: str, baud: int) -> Line:
        return self

    def clock(self) -> float:
        return self.now_s

    def write(self, octets: bytes) -> None:
        self._written += octets
        assert self.steps, f"the story has ended, and the driver writes {octets!r}"
        kind, _, rest = self.steps[0].partition(" ")
        assert kind == ">", f"{octets!r} is written where the story has {self.steps[0]!r}"
        pattern = re.escape(octets_of(rest))
        pattern = pattern.replace(rb"\{n\}", rb"\d+").replace(rb"\{pdu\}", rb"([0-9A-F]+)")
        if found := re.fullmatch(pattern, self._written):
            self._pdu = found[1] if found.groups() else self._pdu
            self._written = b""
            del self.steps[0]
        else:
            begun = octets_of(rest)[:1] in (self._written[:1], b"{")
            assert begun, f"{self._written!r} is written where the story has {rest!r}"

    def read(self, within_s: float) -> bytes:
        kind, _, rest = (self.steps[0] if self.steps else "").partition(" ")
        if kind == "lost":
            del self.steps[0]
            raise LineLost("/dev/test is gone")
        if kind == "wait":
            left_s = float(rest) - within_s
            self.now_s += min(float(rest), within_s)
            if left_s > 0:
                self.steps[0] = f"wait {left_s}"
                return b""
            del self.steps[0]
            return b"" if left_s == 0 else self.read(-left_s)
        if kind == "<":
            del self.steps[0]
            return octets_of(rest).replace(b"{pdu}", self._pdu).replace(b"{noise}", NOISE)
        self.now_s += within_s
        return b""

    def close(self) -> None: ...


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.stem)
def test_a_story(story: Path) -> None:
    steps = list(steps_of(story))
    player = Player(steps)
    notifier = ModemNotifier(ModemOptions("/dev/test"), open_line=player.open, clock=player.clock)
    told = 0
    while steps:
        sent = notifier.send("+46708251358", f"message {told}")
        assert steps, "the send went on behind the story's end"
        assert steps[0].startswith("= "), f"the send ended before {steps[0]!r}, with {sent}"
        check(steps.pop(0), sent)
        told += 1
    assert told, "a story without an outcome proves nothing"


def check(step: str, sent: Sent) -> None:
    outcome, _, words = step.removeprefix("= ").partition(" | ")
    delivery, *references = outcome.split()
    assert (sent.delivery.value, sent.references) == (delivery, tuple(map(int, references))), sent.detail
    assert words in sent.detail


def test_a_player_sees_a_story_that_does_not_fit() -> None:
    player = Player(["> AT\\r"])
    with pytest.raises(AssertionError, match="is written where the story has"):
        player.write(b"XX")


# -- the reader alone -----------------------------------------------------------------------

CONVERSATION = (
    b"\r\nRING\r\nAT+CMGS=23\r\r\n> \r\n+CDS: 26\r\n00062A0B\r\n\r\n^RSSI:9\r\n\r\n+CMGS: 7\r\n\r\nOK\r\n"
    b"\r\n+CMS ERROR: 500\r\n\r\n+CME ERROR: SIM busy\r\nNO CARRIER\r\n"
)
EVENTS: list[Event] = [
    Unsolicited("RING"),
    Prompt(),
    Unsolicited("+CDS: 26", "00062A0B"),
    Unsolicited("^RSSI:9"),
    Info("7"),
    Final("OK"),
    Final("CMS", 500, "500"),
    Final("CME", None, "SIM busy"),
    Final("NO CARRIER"),
]


@given(cuts=st.lists(st.integers(0, len(CONVERSATION)), max_size=12))
def test_slices_change_nothing(cuts: list[int]) -> None:
    reader = AtReader()
    reader.expect("AT+CMGS=23", prompt=True)
    edges = [0, *sorted(cuts), len(CONVERSATION)]
    chunks = [CONVERSATION[a:b] for a, b in pairwise(edges)]
    assert [event for chunk in chunks for event in reader.feed(chunk)] == EVENTS


@given(chunks=st.lists(st.binary(max_size=400), max_size=30))
def test_no_octets_crash_the_reader_and_its_buffer_is_bounded(chunks: list[bytes]) -> None:
    reader = AtReader()
    reader.expect("AT+CREG?")
    for chunk in chunks:
        reader.feed(chunk)
        assert len(reader._buffer) <= LINE_MAX
    settled = reader.feed(b"\r\n\r\n+CREG: 0,1\r\n\r\nOK\r\n")
    assert settled[-1] == Final("OK"), "it finds its place again"


def test_a_greater_sign_is_a_prompt_only_when_one_is_due() -> None:
    reader = AtReader()
    reader.expect("AT")
    assert reader.feed(b"\r\n> OK\r\n") == [Final("OK")]


def test_bare_answers_belong_to_who_asked_for_them() -> None:
    reader = AtReader()
    reader.expect("AT+CGSN", bare=True)
    assert reader.feed(b"\r\n490154203237518\r\n\r\nRING\r\n\r\nOK\r\n") == [
        Info("490154203237518"),
        Unsolicited("RING"),
        Final("OK"),
    ]
    reader.expect("AT")
    assert reader.feed(b"490154203237518\r\n") == [Unsolicited("490154203237518")]


def test_oversize_is_dropped_and_counted() -> None:
    reader = AtReader()
    reader.expect("AT")
    assert reader.feed(b"x" * (LINE_MAX + 1)) == []
    assert reader.bytes_skipped == LINE_MAX + 1
    assert reader.feed(b"\r\nOK\r\n") == [Final("OK")]
