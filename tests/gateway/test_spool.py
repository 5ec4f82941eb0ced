# SPDX-License-Identifier: Apache-2.0
"""The spool against a plain dict, full, damaged; and the sources' bookkeeping of what is missing."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from coldchain.kernel.errors import SchemaTooNew, StoreUnavailable
from coldchain.kernel.ranges import RangeSet
from coldchain.kernel.words import NO_VALUE, ClockQuality
from gateway.codecs.frames import Lost, Report
from gateway.sources import ASK_EVERY_S, ASKS, Source
from gateway.spool import Arrival, Loss, Outcome, Spool, open_spool, read_accounts
from gateway.stamping import CLOCK_SET_FROM_MS, LIVE_AGE_MS, instant, is_live

NOW_MS = 1_800_000_000_000


class Way:
    """A route that does nothing."""

    def acknowledge(self, node, boot, pairs): ...
    def ask_again(self, node, boot, pairs): ...
    def committed(self): ...


WAY = Way()


def report(seq: int, node: str = "n1", boot: int = 1, readings: int = 1, age_ms: int = 0) -> Report:
    return Report(
        node, boot, seq, seq * 1000, age_ms, 0, 0, tuple((c, 1, 0, 4000 + seq) for c in range(readings))
    )


def opened(path: Path, max_bytes: int = 10**9, epoch: str = "e1") -> Spool:
    return open_spool(path, max_bytes=max_bytes, new_epoch=lambda: epoch, wall_ms=lambda: NOW_MS)


def put(spool: Spool, *reports: Report, route: Way | None = WAY, now_s: float = 0.0) -> Outcome:
    with spool.change():
        return spool.accept([Arrival(r, NOW_MS, route) for r in reports], [], now_s)


def told_lost(spool: Spool, low: int, high: int) -> Outcome:
    with spool.change():
        return spool.accept([], [Loss(Lost("n1", 1, low, high), NOW_MS, WAY)], 0.0)


def everything(spool: Spool) -> dict[int, tuple[str, int, int, int, int]]:
    with spool.change():
        found, nodes, rows = spool.read([(1, max(1, spool.accepted))])
    numbers = [n for low, high in found for n in range(low, high + 1)]
    return {
        n: (*nodes[row["node"]], int(row["seq"]), int(row["channel"]), int(row["value"]))
        for n, row in zip(numbers, rows, strict=True)
    }


class SpoolAgainstADict(RuleBasedStateMachine):
    """Whatever is accepted, resent, receipted and reopened: the file holds what a dict holds."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "spool.db"
        self.spool = opened(self.path)
        self.seen: set[tuple[str, int, int]] = set()
        self.rows: dict[int, tuple[str, int, int, int, int]] = {}
        self.accepted = 0

    @rule(
        reports=st.lists(
            st.builds(
                report,
                st.integers(0, 30),
                st.sampled_from(["n1", "n2"]),
                st.integers(1, 2),
                st.integers(0, 3),
                st.sampled_from([0, LIVE_AGE_MS * 2]),
            ),
            max_size=8,
        )
    )
    def accept(self, reports: list[Report]) -> None:
        outcome = put(self.spool, *reports)
        fresh = []
        for r in reports:
            name = (r.node, r.boot or 0, r.seq or 0)
            if name not in self.seen:
                self.seen.add(name)
                fresh += [(*name, c, v) for c, _, _, v in r.readings]
        told = {
            part.low + i: (*part.nodes[row["node"]], int(row["seq"]), int(row["channel"]), int(row["value"]))
            for part in outcome.stored
            for i, row in enumerate(part.rows)
        }
        assert sorted(told.values()) == sorted(fresh)
        assert sorted(told) == list(range(self.accepted + 1, self.accepted + len(fresh) + 1))
        self.accepted += len(fresh)
        self.rows.update(told)
        for r in reports:
            pairs = outcome.acks[WAY][r.node, r.boot or 0]
            assert any(low <= (r.seq or 0) <= high for low, high in pairs)

    @rule(pairs=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=4))
    def receipt(self, pairs: list[tuple[int, int]]) -> None:
        ranges = RangeSet((low, low + more) for low, more in pairs)
        with self.spool.change():
            self.spool.receipt(ranges.pairs(), [])
        for n in list(self.rows):
            if n in ranges:
                del self.rows[n]

    @rule()
    def reopen(self) -> None:
        self.spool.close()
        self.spool = opened(self.path)

    @rule()
    def a_change_that_fails_changes_nothing(self) -> None:
        with pytest.raises(RuntimeError, match="planted"):
            self.fail_in_the_middle()

    def fail_in_the_middle(self) -> None:
        with self.spool.change():
            self.spool.accept([Arrival(report(999), NOW_MS, WAY)], [], 0.0)
            self.spool.receipt([(1, 999)], [])
            raise RuntimeError("planted")

    @invariant()
    def the_same(self) -> None:
        assert everything(self.spool) == self.rows
        assert self.spool.accepted == self.accepted
        assert [n for low, high in self.spool.pending for n in range(low, high + 1)] == sorted(self.rows)
        assert read_accounts(self.path) == ("e1", self.accepted, self.spool.pending)

    def teardown(self) -> None:
        self.spool.close()
        self.folder.cleanup()


TestSpoolAgainstADict = SpoolAgainstADict.TestCase
TestSpoolAgainstADict.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)


def test_large_commits_are_cut_into_blocks(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool.db")
    reports = [report(seq, f"n{seq % 7}", readings=3) for seq in range(1500)]
    outcome = put(spool, *reports)
    assert [len(part.rows) for part in outcome.stored] == [1000, 1000, 1000, 1000, 500]
    assert sorted(v[:4] for v in everything(spool).values()) == sorted(
        (r.node, 1, r.seq, c) for r in reports for c in range(3)
    )


def test_a_full_spool_holds_back_and_counts(tmp_path: Path) -> None:
    """A node that is answered keeps its reports; what nobody can send again becomes one growing gap."""
    spool = opened(tmp_path / "spool.db", max_bytes=1)
    outcome = put(spool, report(0), report(1))
    assert (outcome.stored, outcome.acks, outcome.withheld) == ([], {}, 2)
    for seq in range(3):
        put(spool, report(seq, "dumb", readings=2), route=None)
    assert spool.accepted == 0
    with spool.change():
        (gap,) = spool.gaps.untold(10)
    assert (gap["node"], gap["low"], gap["high"], gap["readings"], gap["reason"]) == (
        "dumb",
        0,
        2,
        6,
        "spool-full",
    )
    assert spool.gaps.lost == 6
    put(spool, report(3, "dumb", readings=2), route=None)  # the hub was told of the first: a new record
    with spool.change():
        assert [g["low"] for g in spool.gaps.untold(10)] == [0, 3]
        spool.gaps.forget([gap["id"]])
        assert [g["low"] for g in spool.gaps.untold(10)] == [3]
    spool.close()
    spool = opened(tmp_path / "spool.db")  # more room
    assert put(spool, report(0), report(1)).acks == {WAY: {("n1", 1): [(0, 1)]}}
    assert spool.gaps.lost == 8


def test_room_comes_back_with_receipts(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool.db", max_bytes=200_000)
    seq = 0
    while not spool.full():
        put(spool, *(report(seq + i, readings=100) for i in range(200)))
        seq += 200
    with spool.change():
        spool.receipt([(1, spool.accepted)], [])
    assert not spool.full()
    while not spool.full():
        put(spool, *(report(seq + i, readings=100) for i in range(200)))
        seq += 200
    assert (tmp_path / "spool.db").stat().st_size <= 300_000  # pages are used again


def test_two_boards_under_one_name_are_told_and_a_resent_report_is_not(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool.db")
    first, warm = report(0, readings=2), report(0, readings=2)._replace(readings=((0, 1, 0, 9_000),))
    put(spool, first, first._replace(age_ms=2_000))
    assert (spool.accepted, spool.gaps.lost) == (2, 0)
    outcome = put(spool, warm)
    put(spool, warm)  # resent: counted once
    assert (spool.accepted, spool.gaps.lost) == (2, 1)
    assert outcome.acks[WAY] == {("n1", 1): [(0, 0)]}, "its node would send it for ever"
    (gap,) = spool.gaps.untold(9)
    assert (gap["node"], gap["low"], gap["high"], gap["reason"]) == ("n1", 0, 0, "number-used-twice")
    put(spool, *(report(seq) for seq in range(1, 200)), report(0))
    assert spool.gaps.lost == 1, "what is no longer remembered is taken for what it says it is"


def test_what_a_node_tells_as_lost_is_counted_once(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool.db")
    put(spool, report(0, readings=3), report(1, readings=3), report(5, readings=3))
    for _ in range(2):
        told_lost(spool, 1, 4)
        spool.close()
        spool = opened(tmp_path / "spool.db")
    with spool.change():
        (gap,) = spool.gaps.untold(10)
    assert (gap["low"], gap["high"], gap["readings"], gap["reason"]) == (2, 4, 9, "told-lost")
    put(spool, report(3))  # it came after all: data wins
    assert 3 in {row[2] for row in everything(spool).values()}


def test_a_hole_is_asked_for_and_given_up(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool.db")
    outcome = put(spool, report(10), report(14), now_s=0.0)
    assert outcome.asks == {WAY: {("n1", 1): [(11, 13)]}}
    asks = 1
    for step in range(1, 40):
        pairs = put(spool, report(14 + step), now_s=float(step)).asks.get(WAY, {}).get(("n1", 1), [])
        assert pairs in ([], [(11, 13)])
        asks += bool(pairs)
    assert asks == ASKS
    with spool.change():
        (gap,) = spool.gaps.untold(10)
    assert (gap["low"], gap["high"], gap["reason"]) == (11, 13, "never-came")


@given(
    seqs=st.lists(st.integers(0, 60), min_size=1, max_size=60, unique=True),
    gap_s=st.floats(0.1, 10),
)
def test_every_hole_is_filled_asked_for_or_lost(seqs: list[int], gap_s: float) -> None:
    """After the node has talked long enough, whatever did not come is counted as lost, and nothing else."""
    source, now_s = Source(1, "n", 1), 0.0
    for seq in seqs:
        source.notice(seq)
        source.seen.add(seq, seq)
        source.pursue(now_s)
        now_s += gap_s
    for _ in range(200):
        source.pursue(now_s)
        now_s += ASK_EVERY_S
    low, high = min(seqs), max(seqs)
    whole = source.seen.union(source.lost)
    assert whole.covers(low, high)
    assert not any(n < low or n > high for a, b in source.lost for n in (a, b))
    again = Source(1, "n", 1)
    again.restore(source.saved())
    assert (again.seen, again.lost, again.low) == (source.seen, source.lost, source.low)


def test_a_damaged_file_is_set_aside_and_told(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    spool = opened(path)
    put(spool, *(report(n) for n in range(50)))
    spool.close()
    raw = bytearray(path.read_bytes())
    raw[4096:] = b"\xa5" * (len(raw) - 4096)
    path.write_bytes(raw)
    spool = opened(path, epoch="e2")
    assert (spool.epoch, spool.accepted) == ("e2", 0)
    with spool.change():
        (gap,) = spool.gaps.untold(10)
    assert gap["reason"] == "spool-damaged"
    assert (tmp_path / f"spool.db.damaged-{NOW_MS}").read_bytes() == raw
    assert put(spool, report(0)).acks


@pytest.mark.parametrize("content", [b"not a database, not at all" * 100, b"SQLite format 3\0" + bytes(4080)])
def test_a_file_that_is_no_spool_is_set_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "spool.db").write_bytes(content)
    assert put(opened(tmp_path / "spool.db"), report(0)).acks


def test_a_rotten_block_is_set_aside_counted_and_does_not_stop_the_others(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    spool = opened(path)
    for n in range(3):
        put(spool, report(n, readings=2))
    (blob,) = spool._db.execute("SELECT rows FROM block WHERE first = 3").fetchone()
    spool._db.execute("UPDATE block SET rows = ? WHERE first = 3", (blob[:-1] + bytes((blob[-1] ^ 1,)),))
    assert sorted(everything(spool)) == [1, 2, 5, 6]
    assert spool.pending == RangeSet([(1, 2), (5, 6)])
    assert spool.gaps.lost == 2


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    opened(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(SchemaTooNew, match="has format 99"):
        opened(path)


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spool.db").mkdir()
    with pytest.raises(StoreUnavailable, match="check that the disk is mounted"):
        opened(tmp_path / "spool.db")


@pytest.mark.parametrize(
    ("clock", "gateway_ms", "expected"),
    [
        (2, NOW_MS, (123, ClockQuality.TRUSTED)),
        (1, NOW_MS, (NOW_MS - 50, ClockQuality.UNTRUSTED)),
        (0, NOW_MS, (NOW_MS - 50, ClockQuality.NONE)),
        (0, CLOCK_SET_FROM_MS - 1, (CLOCK_SET_FROM_MS - 51, ClockQuality.GATEWAY_DOUBT)),
        (2, 5_000, (123, ClockQuality.TRUSTED)),
    ],
)
def test_the_instant_of_a_report(clock: int, gateway_ms: int, expected: tuple[int, int]) -> None:
    assert instant(Report("n", 1, 1, 0, 50, clock, 123, ()), gateway_ms) == expected


def test_a_row_keeps_the_four_times(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool.db")
    sent = Report("n1", 1, 7, 5_000, 250, 1, NOW_MS - 99, ((3, 1, 1, 1234), (4, 1, 0, -40_000)))
    assert is_live(sent, NOW_MS)
    (part,) = put(spool, sent).stored
    failed, ok = part.rows
    assert (failed["value"], failed["status"], ok["value"], ok["status"]) == (NO_VALUE, 1, -40_000, 0)
    assert (ok["at_ms"], ok["gateway_ms"], ok["device_ms"], ok["uptime_ms"], ok["clock"]) == (
        NOW_MS - 250,
        NOW_MS,
        NOW_MS - 99,
        5_000,
        1,
    )
