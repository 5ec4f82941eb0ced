# SPDX-License-Identifier: Apache-2.0
"""The node as a state machine: whatever the line does, a report is acknowledged, held, or told as LOST."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from firmware_sim.firmware.frames import (
    Ack,
    FrameDecoder,
    Hello,
    Lost,
    Message,
    Reading,
    Resend,
    SentReport,
    Who,
    encode,
)  # fmt: skip
from firmware_sim.firmware.node import RESEND_MS, WINDOW, Clock, Node, NodeConfig, SerialNode
from firmware_sim.firmware.ring import Held

READING = (Reading(0, 1, 0, 4_000),)


def node_of(**config) -> Node:
    return Node(NodeConfig("n", **config), boot=7, now_ms=0)


def seqs(messages: list[Message]) -> list[int]:
    return [one.report.seq for one in messages if isinstance(one, SentReport)]


class Diary:
    def __init__(self) -> None:
        self.seen: set[tuple[int, int]] = set()
        self.ended: dict[tuple[int, int], str] = {}

    def measured(self, node: str, held: Held) -> None:
        self.seen.add((held.report.boot, held.report.seq))

    def acked(self, node: str, held: list[Held]) -> None:
        self._end(held, "acked")

    def lost(self, node: str, held: list[Held]) -> None:
        self._end(held, "lost")

    def _end(self, held: list[Held], how: str) -> None:
        for one in held:
            key = (one.report.boot, one.report.seq)
            assert key not in self.ended, "a report ended twice"
            self.ended[key] = how


class NodeUnderChaos(RuleBasedStateMachine):
    """A tiny ring, a line that loses and doubles, a gateway that answers late or never, reboots."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 1_000_000
        self.diary = Diary()
        self.node = Node(
            NodeConfig("n", Clock.DOUBTFUL, capacity=5), boot=7, now_ms=self.now_ms, diary=self.diary
        )
        self.line: list[Message] = []
        self.answers: list[Message] = []
        self.accepted: set[tuple[int, int]] = set()
        self.told_lost: list[Lost] = []

    @rule(wait_ms=st.integers(0, 3_000))
    def measure(self, wait_ms: int) -> None:
        self.now_ms += wait_ms
        self.node.measure(READING, self.now_ms)

    @rule(wait_ms=st.integers(0, 3_000))
    def send(self, wait_ms: int) -> None:
        self.now_ms += wait_ms
        self.line += self.node.outgoing(self.now_ms)

    @rule()
    def cut(self) -> None:
        """The line closes and opens: what was on it is gone in both directions."""
        self.line, self.answers = [], []
        self.node.opened()

    @rule()
    def reboot(self) -> None:
        self.node.restart(self.now_ms)

    @precondition(lambda self: self.line)
    @rule(at=st.integers(0, 1_000), how=st.sampled_from(["arrives", "arrives twice", "is damaged", "late"]))
    def line_moves(self, at: int, how: str) -> None:
        message = self.line[0] if how != "late" else self.line[at % len(self.line)]
        if how != "arrives twice":
            self.line.remove(message)
        if how != "is damaged":
            self.gateway_hears(message)

    def gateway_hears(self, message: Message) -> None:
        match message:
            case SentReport(_, report):
                self.accepted.add((report.boot, report.seq))
                self.answers.append(Ack("n", report.boot, ((report.seq, report.seq),)))
            case Lost(_, boot, low, high):
                self.told_lost.append(message)
                self.answers.append(Ack("n", boot, ((low, high),)))
            case _:
                pass

    @rule(boot=st.integers(7, 9), low=st.integers(0, 12), width=st.integers(0, 2**32 - 13))
    def gateway_asks(self, boot: int, low: int, width: int) -> None:
        self.answers.append(Resend("n", boot, ((low, low + width),)))

    @rule()
    def gateway_asks_who(self) -> None:
        self.answers.append(Who())

    @precondition(lambda self: self.answers)
    @rule(at=st.integers(0, 1_000), twice=st.booleans())
    def answer_arrives(self, at: int, twice: bool) -> None:
        message = self.answers[at % len(self.answers)]
        if not twice:
            self.answers.remove(message)
        self.node.take(message, self.now_ms)

    @invariant()
    def every_report_has_one_fate(self) -> None:
        held = {(one.report.boot, one.report.seq) for one in self.node.ring}
        assert held.isdisjoint(self.diary.ended)
        assert held | set(self.diary.ended) == self.diary.seen

    @invariant()
    def bounds_hold(self) -> None:
        assert len(self.node.ring) <= 5
        assert len(self.node.ring.flying) <= WINDOW

    @invariant()
    def acknowledged_means_accepted(self) -> None:
        assert {key for key, how in self.diary.ended.items() if how == "acked"} <= self.accepted

    def teardown(self) -> None:
        """When the line is good again, all that is held arrives, and every loss is told."""
        self.line = self.answers = []
        self.node.opened()
        for _ in range(3):
            self.line = self.node.outgoing(self.now_ms)
            for message in self.line:
                self.gateway_hears(message)
            for answer in self.answers:
                self.node.take(answer, self.now_ms)
            self.answers = []
        assert not len(self.node.ring)
        for boot, seq in self.diary.ended:
            told = any(one.boot == boot and one.low <= seq <= one.high for one in self.told_lost)
            assert told or (boot, seq) in self.accepted


NodeUnderChaos.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
test_chaos = NodeUnderChaos.TestCase


def test_at_most_64_are_on_the_line_oldest_first() -> None:
    node = node_of()
    for at_ms in range(100):
        node.measure(READING, at_ms)
    assert seqs(node.outgoing(100)) == list(range(WINDOW))
    assert node.outgoing(101) == []
    node.take(Ack("n", 7, ((3, 5),)), 102)
    assert seqs(node.outgoing(103)) == [64, 65, 66]


def test_after_two_seconds_it_is_said_again_in_order_and_older() -> None:
    node = node_of()
    node.measure(READING, 0)
    assert seqs(node.outgoing(10)) == [0]
    node.measure(READING, 1_000)
    assert seqs(node.outgoing(1_000)) == [1]
    assert node.next_ms(1_000) == 10 + RESEND_MS
    assert seqs(node.outgoing(2_009)) == []
    (again,) = node.outgoing(2_010)
    assert isinstance(again, SentReport)
    assert (again.report.seq, again.age_ms) == (0, 2_010)


def test_a_patient_node_doubles_its_waits_until_it_is_answered() -> None:
    node = node_of(resend_max_ms=8_000)
    node.measure(READING, 0)
    sent = [now_ms for now_ms in range(0, 40_000, 500) if seqs(node.outgoing(now_ms))]
    assert sent == [0, 2_000, 6_000, 14_000, 22_000, 30_000, 38_000]
    node.measure(READING, 40_000)
    node.take(Ack("n", 7, ((0, 0),)), 40_000)
    assert [at for at in range(40_000, 43_000, 500) if seqs(node.outgoing(at))] == [40_000, 42_000]


def test_a_full_ring_drops_the_oldest_and_says_so_at_each_hello_until_it_is_counted() -> None:
    node = node_of(capacity=3)
    for at_ms in range(5):
        node.measure(READING, at_ms)
    hello, lost, *reports = node.outgoing(10)
    assert hello == Hello("n", 7, 2, 3, NodeConfig("n").text)
    assert lost == Lost("n", 7, 0, 1)
    assert seqs(reports) == [2, 3, 4]
    assert not [one for one in node.outgoing(11) if isinstance(one, Lost)]
    node.take(Who(), 12)
    assert Lost("n", 7, 0, 1) in node.outgoing(12)
    node.take(Ack("n", 7, ((0, 1),)), 13)
    node.take(Who(), 14)
    assert not [one for one in node.outgoing(14) if isinstance(one, Lost)]


def test_the_oldest_is_dropped_even_when_it_is_on_its_way() -> None:
    node = node_of(capacity=2)
    node.measure(READING, 0)
    node.outgoing(0)
    node.measure(READING, 1)
    node.measure(READING, 2)
    assert [one.report.seq for one in node.ring] == [1, 2]
    node.take(Ack("n", 7, ((0, 0),)), 3)
    assert not [one for one in node.outgoing(3) if isinstance(one, Lost)], "it arrived after all"


def test_an_ack_for_what_was_never_sent_forgets_nothing() -> None:
    node = node_of()
    node.measure(READING, 0)
    node.take(Ack("n", 7, ((0, 2**32 - 1),)), 1)
    assert seqs(node.outgoing(2)) == [0]


def test_what_is_meant_for_others_changes_nothing() -> None:
    node = node_of()
    node.measure(READING, 0)
    node.outgoing(0)
    for stray in (
        Ack("m", 7, ((0, 0),)),
        Ack("n", 6, ((0, 0),)),
        Resend("m", 7, ((0, 0),)),
        Lost("n", 7, 0, 0),
    ):
        node.take(stray, 1)
    assert len(node.ring) == 1
    assert node.outgoing(1) == []


def test_a_resend_brings_what_is_held_and_lost_for_the_rest() -> None:
    node = node_of()
    for at_ms in range(4):
        node.measure(READING, at_ms)
    node.outgoing(4)
    node.take(Ack("n", 7, ((1, 2),)), 5)
    node.take(Resend("n", 7, ((0, 9),)), 6)
    lost, *reports = node.outgoing(7)
    assert lost == Lost("n", 7, 1, 2), "4 to 9 were never measured: nobody lost them"
    assert seqs(reports) == [0, 3]


@pytest.mark.parametrize(
    ("clock", "told", "held"),
    [(Clock.RIGHT, [], 2), (Clock.DOUBTFUL, [(0, 1)], 0), (Clock.ABSENT, [(0, 1)], 0)],
)
def test_a_restart_keeps_what_can_still_be_dated(clock: Clock, told: list, held: int) -> None:
    node = node_of(clock=clock)
    node.measure(READING, 1_000)
    node.measure(READING, 2_000)
    node.outgoing(2_000)
    node.restart(60_000)
    report = node.measure(READING, 60_500)
    assert (report.boot, report.seq, report.uptime_ms) == (8, 0, 500)
    messages = node.outgoing(61_000)
    assert [(one.low, one.high) for one in messages if isinstance(one, Lost)] == told
    assert [(one.report.boot, one.report.seq) for one in messages if isinstance(one, SentReport)] == [
        *((7, seq) for seq in range(held)), (8, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("clock", "unix_ms"), [(Clock.ABSENT, 0), (Clock.DOUBTFUL, 1_003_000), (Clock.RIGHT, 1_003_000)]
)
def test_what_each_clock_says(clock: Clock, unix_ms: int) -> None:
    report = Node(NodeConfig("n", clock, clock_error_ms=2_000), boot=1, now_ms=1_000_000).measure(
        READING, 1_001_000
    )
    assert (report.clock, report.unix_ms, report.uptime_ms) == (int(clock), unix_ms, 1_000)


def test_bytes_in_any_slices() -> None:
    serial = SerialNode(node_of())
    serial.node.measure(READING, 0)
    hello, report = FrameDecoder().feed(serial.to_send(0))
    assert isinstance(hello, Hello)
    assert isinstance(report, SentReport)
    for byte in encode(Ack("n", 7, ((0, 0),))):
        serial.received(bytes([byte]), 1)
    assert not len(serial.node.ring)
