# SPDX-License-Identifier: Apache-2.0
"""The sender's memory: nothing is forgotten before its receipt, and everything is sent in the end."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from coldchain.kernel.ranges import RangeSet
from gateway.link_state import FRESH_MAX_BATCHES, PIPE, STALL_TIMEOUTS, LinkState

TIMEOUT_S = 20.0


def state(window: int = 3, batch: int = 10, linger_s: float = 1.0) -> LinkState:
    return LinkState(window=window, batch=batch, linger_s=linger_s, timeout_s=TIMEOUT_S)


class Link(RuleBasedStateMachine):
    """A hub that loses, doubles and reorders; a connection that comes and goes."""

    @initialize(window=st.integers(1, 4), batch=st.integers(1, 12))
    def begin(self, window: int, batch: int) -> None:
        self.window, self.batch = window, batch
        self.link = state(window, batch)
        self.now_s, self.top = 100.0, 0
        self.unreceipted = RangeSet()
        self.at_hub: list[list[tuple[int, int]]] = []
        self.on_the_way: list[int] = []

    @rule(n=st.integers(1, 40), live=st.booleans())
    def accept(self, n: int, live: bool) -> None:
        self.link.accepted(self.top + 1, self.top + n, self.now_s, live=live)
        self.unreceipted.add(self.top + 1, self.top + n)
        self.top += n

    @rule()
    def connect(self) -> None:
        self.link.connected(self.now_s)

    @rule()
    def disconnect(self) -> None:
        self.link.disconnected()

    @rule(lost=st.booleans(), cut=st.booleans())
    def send(self, lost: bool, cut: bool) -> None:
        plan = self.link.next(self.now_s)
        if plan is None:
            return
        assert self.link.up
        assert self.link.in_flight <= self.window
        assert sum(high - low + 1 for low, high in plan.pairs) <= self.batch
        assert all(self.unreceipted.covers(low, high) for low, high in plan.pairs)
        pairs = plan.pairs
        if cut and len(pairs) > 1:  # too large for one message
            self.link.put_back(pairs[1:])
            pairs = pairs[:1]
        if not lost:
            self.at_hub.append(pairs)
        self.on_the_way.append(plan.flight)

    @rule()
    def broker_confirms(self) -> None:
        while self.on_the_way:
            self.link.confirmed(self.on_the_way.pop(), self.now_s)

    @rule(data=st.data(), again=st.booleans(), lost=st.booleans())
    def hub_answers(self, data: st.DataObject, again: bool, lost: bool) -> None:
        if not self.at_hub:
            return
        at = data.draw(st.integers(0, len(self.at_hub) - 1))
        pairs = self.at_hub[at] if again else self.at_hub.pop(at)
        if not lost:
            self.link.receipted(pairs, self.now_s)
            for low, high in pairs:
                self.unreceipted.remove(low, high)

    @rule(seconds=st.floats(0.1, 30))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds

    @invariant()
    def nothing_is_forgotten(self) -> None:
        if hasattr(self, "link"):
            assert self.link.pending() == self.unreceipted

    def teardown(self) -> None:
        """From any state: with a link that holds, everything is sent and receipted, in bounded time."""
        if not hasattr(self, "link"):
            return
        self.link.connected(self.now_s)
        for _ in range(10 * (self.top + 10)):
            plan = self.link.next(self.now_s)
            if plan is not None:
                self.link.confirmed(plan.flight, self.now_s)
                self.link.receipted(plan.pairs, self.now_s)
                continue
            if not self.link.pending():
                break
            wait_s = self.link.wake_s(self.now_s)
            assert wait_s is not None
            self.now_s += wait_s
        assert not self.link.pending()


TestLink = Link.TestCase
TestLink.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_live_readings_wait_for_company_and_backlog_does_not() -> None:
    link = state()
    link.accepted(1, 3, 0.0, live=False)
    link.connected(0.0)
    link.accepted(4, 5, 0.0, live=True)
    plan = link.next(0.0)
    assert plan is not None
    assert (plan.pairs, plan.backfill) == ([(1, 3)], True)
    assert link.next(0.5) is None
    assert link.wake_s(0.5) == 0.5
    plan = link.next(1.0)
    assert plan is not None
    assert (plan.pairs, plan.backfill) == ([(4, 5)], False)


def test_after_an_outage_the_newest_go_first_and_backlog_shares() -> None:
    """Ten thousand readings wait: the fresh ones go out at once, and take turns with the old ones."""
    link = state(window=1, batch=10)
    link.accepted(1, 10_000, 0.0, live=True)
    link.connected(0.0)
    link.accepted(10_001, 10_100, 0.0, live=True)
    kinds = []
    for _ in range(20):
        plan = link.next(0.0)
        assert plan is not None
        kinds.append(plan.backfill)
        link.receipted(plan.pairs, 0.0)
    assert kinds[0] is False
    assert kinds == [False, True] * 10


def test_a_short_break_does_not_send_the_newest_to_the_end_of_the_queue() -> None:
    link = state(window=2, batch=10)
    link.accepted(1, 10_000, 0.0, live=False)
    link.connected(0.0)
    link.accepted(10_001, 10_010, 0.0, live=True)
    flying = link.next(0.0)
    assert flying is not None
    assert not flying.backfill
    link.disconnected()
    link.accepted(10_011, 10_012, 1.0, live=True)
    link.connected(2.0)
    first = next(plan for _ in range(2) if (plan := link.next(2.0)) is not None and not plan.backfill)
    assert first.pairs == [(10_001, 10_010)]
    link.receipted(first.pairs, 2.0)
    assert link.next(3.5) is not None


def test_when_the_link_is_too_slow_the_newest_go_first() -> None:
    link = state(window=1, batch=10)
    link.connected(0.0)
    link.accepted(1, FRESH_MAX_BATCHES * 10 + 1, 0.0, live=True)
    link.accepted(1000, 1009, 0.0, live=True)
    plan = link.next(0.0)
    assert plan is not None
    assert (plan.pairs, plan.backfill) == ([(1000, 1009)], False)


def test_a_batch_without_a_receipt_is_sent_again_and_a_dead_link_is_noticed() -> None:
    link = state(window=1)
    link.connected(0.0)
    link.accepted(1, 10, 0.0, live=True)
    first = link.next(0.0)
    assert first is not None
    link.confirmed(first.flight, 0.0)
    assert link.next(TIMEOUT_S - 1) is None
    again = link.next(TIMEOUT_S)
    assert again is not None
    assert again.pairs == first.pairs
    assert link.resent == 1
    link.confirmed(again.flight, TIMEOUT_S)
    assert link.next(3 * TIMEOUT_S - 1) is None, "the second time it waits twice as long"
    assert not link.stalled(2 * TIMEOUT_S * STALL_TIMEOUTS - 1)
    assert link.stalled(2 * TIMEOUT_S * STALL_TIMEOUTS)
    link.receipted([(1, 10)], TIMEOUT_S * STALL_TIMEOUTS)
    assert not link.stalled(TIMEOUT_S * 100)


def test_what_is_still_on_its_way_is_not_sent_again_until_the_connection_is_lost() -> None:
    """A slow link: sending again what crawls would leave room for nothing else."""
    link = state(window=1)
    link.connected(0.0)
    link.accepted(1, 10, 0.0, live=True)
    crawls = link.next(0.0)
    assert crawls is not None
    assert link.next(TIMEOUT_S * 2) is None
    assert link.resent == 0
    assert link.stalled(TIMEOUT_S * STALL_TIMEOUTS), "nothing moves any more"
    link.connected(TIMEOUT_S * STALL_TIMEOUTS)
    again = link.next(TIMEOUT_S * STALL_TIMEOUTS)
    assert again is not None
    assert (again.pairs, link.resent) == (crawls.pairs, 1)


def test_fresh_readings_do_not_queue_behind_the_backlog() -> None:
    """Of the backlog little is on its way at once; what is fresh needs no turn for that."""
    link = state(window=8, batch=10)
    link.accepted(1, 10_000, 0.0, live=False)
    link.connected(0.0)
    on_the_way = [plan.flight for _ in range(8) if (plan := link.next(0.0)) is not None]
    assert len(on_the_way) == PIPE
    assert link.wake_s(0.0) is None
    link.accepted(10_001, 10_010, 1.0, live=True)
    fresh = link.next(1.0)
    assert fresh is not None
    assert not fresh.backfill
    assert link.next(1.0) is None
    link.confirmed(on_the_way[0], 2.0)
    more = link.next(2.0)
    assert more is not None
    assert more.backfill


def test_an_idle_link_is_not_dead() -> None:
    link = state()
    link.connected(0.0)
    assert not link.stalled(1e6)
    assert link.wake_s(1e6) is None
    link.accepted(1, 1, 1e6, live=True)
    assert link.next(1e6 + 2) is not None
    assert not link.stalled(1e6 + 3)
