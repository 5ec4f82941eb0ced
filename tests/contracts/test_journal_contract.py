# SPDX-License-Identifier: Apache-2.0
"""One suite for every store behind the journal's port: log alone, sealed, sealed and removed, reopened."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coldchain.kernel.link import Batch, Receipt
from coldchain.kernel.readings import SPOOLED, Rows
from coldchain.kernel.words import NO_VALUE, Flag
from coldchain.ports.journal import JournalView, JournalWriter
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Registry, Sensor
from ingest import sealing
from ingest.journal import SqliteJournal
from ingest.sealing import Sealer, Windows

HOUR_MS = 3_600_000
T0 = 1_700_000_000_000 // HOUR_MS * HOUR_MS
NODES = ("a", "b")
REGISTRY = Registry(
    sensors=tuple(Sensor(id=f"{node}/{ch}", node=node, channel=ch) for node in NODES for ch in (0, 1))
)
ALL = (-(2**53), 2**53)


@pytest.fixture(autouse=True, scope="module")
def _small_steps() -> Iterator[None]:
    """Each series is written alone, so that a sealing can be cut short between any two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealing, "WRITE_CHUNKS", 1)
        yield


class Store(JournalWriter, JournalView):
    """`readings.db`, with `after` done to it after each commit."""

    def __init__(self, path: Path, after: Callable[["Store"], None] = lambda store: None) -> None:
        self.path, self._after = path, after
        self._open()

    def _open(self) -> None:
        self.journal = SqliteJournal(self.path)
        self.journal.rewire(REGISTRY)
        self.reader = JournalReader(self.path)
        self.sealer = Sealer(self.journal, Windows(HOUR_MS, 0), run_rows=7)

    def record(self, arrivals: Sequence[Batch], arrived_ms: int) -> Sequence[Receipt]:
        receipts = self.journal.record(arrivals, arrived_ms)
        self._after(self)
        return [receipt for receipt in receipts if receipt is not None]

    def readings(self, sensor: str, start_ms: int, end_ms: int) -> Rows:
        return self.reader.readings(sensor, start_ms, end_ms)

    def counters(self) -> dict[str, int]:
        return self.reader.counters()

    def seal(self, steps: int = 10**9) -> None:
        for _, _ in zip(range(steps), self.sealer.steps(2**50), strict=False):
            pass

    def remove(self) -> None:
        for _ in self.sealer.remove(10**9):
            pass

    def reopen(self) -> None:
        """As after kill -9: nothing is closed in order."""
        self.reader.close()
        self.journal.db.close()
        self._open()

    def close(self) -> None:
        self.reader.close()
        self.journal.close()


def _sealed(store: Store) -> None:
    store.seal()


def _half_sealed(store: Store) -> None:
    store.seal(steps=5)
    store.reopen()


def _removed(store: Store) -> None:
    store.seal()
    store.remove()


def _reopened(store: Store) -> None:
    store.reopen()


STORES: dict[str, Callable[[Path], Store]] = {
    "log": Store,
    "sealed": lambda path: Store(path, _sealed),
    "half-sealed": lambda path: Store(path, _half_sealed),
    "removed": lambda path: Store(path, _removed),
    "reopened": lambda path: Store(path, _reopened),
}


@pytest.fixture(params=STORES)
def store(request, tmp_path) -> Iterator[Store]:
    made = STORES[request.param](tmp_path / "readings.db")
    yield made
    made.close()


Reading = tuple[str, int, int, int, int, int]
"""node, boot, seq, channel, at_ms, value"""


def batch(link: int, readings: Sequence[Reading], *, status: int = 0) -> Batch:
    nodes = sorted({(node, boot) for node, boot, *_ in readings})
    rows = np.zeros(len(readings), SPOOLED)
    for row, (node, boot, seq, channel, at, value) in zip(rows, readings, strict=True):
        row["node"], row["seq"], row["channel"] = nodes.index((node, boot)), seq, channel
        row["at_ms"], row["value"], row["quantity"], row["clock"] = at, value, 1, 2
        row["device_ms"], row["gateway_ms"], row["uptime_ms"] = at % 7 * at, at + seq % 50, at - T0
        row["status"] = status
    return Batch("gw-1", "e1", [(link, link + len(rows) - 1)], nodes, rows)


def some(n: int, *, start: int = 0, node: str = "a", channel: int = 0) -> list[Reading]:
    return [(node, 1, start + i, channel, T0 + 60_000 * (start + i), 4_000 + i) for i in range(n)]


def test_what_is_recorded_is_read_back_field_by_field(store: Store) -> None:
    readings = some(200)
    (receipt,) = store.record([batch(1, readings)], T0 + 5)
    rows = store.readings("a/0", *ALL)
    assert receipt.recorded == [(1, 200)]
    assert receipt.dead == []
    assert rows["at_ms"].tolist() == [at for *_, at, _ in readings]
    assert rows["value"].tolist() == [value for *_, value in readings]
    assert rows["seq"].tolist() == list(range(200))
    sent = batch(1, readings).rows
    for name in ("device_ms", "gateway_ms", "uptime_ms", "clock", "status", "channel"):
        assert rows[name].tolist() == sent[name].tolist(), name
    assert set(rows["arrived_ms"].tolist()) == {T0 + 5}


def test_the_span_is_closed_below_and_open_above(store: Store) -> None:
    store.record([batch(1, some(100))], T0)
    rows = store.readings("a/0", T0 + 60_000 * 10, T0 + 60_000 * 70)
    assert rows["seq"].tolist() == list(range(10, 70))
    assert len(store.readings("nobody", *ALL)) == 0


def test_a_resent_batch_is_receipted_again_and_kept_once(store: Store) -> None:
    first = store.record([batch(1, some(100))], T0)
    again = store.record([batch(1, some(100))], T0 + 1)
    assert again[0].recorded == first[0].recorded == [(1, 100)]
    assert len(store.readings("a/0", *ALL)) == 100
    assert store.counters()["duplicates"] == 100
    assert "dead_lettered" not in store.counters()


def test_the_same_name_with_another_value_is_dead_lettered_once(store: Store) -> None:
    store.record([batch(1, some(10))], T0)
    liar = [("a", 1, 3, 0, T0 + 180_000, 9_999)]
    assert store.record([batch(11, liar)], T0)[0].dead == [(11, 11)]
    assert store.record([batch(11, liar)], T0)[0].dead == [(11, 11)]
    assert store.readings("a/0", *ALL)["value"].tolist() == [4_000 + i for i in range(10)]
    counters = store.counters()
    assert (counters["dead_lettered"], counters["duplicates"]) == (1, 1)


def test_link_numbers_used_twice_hide_no_reading(store: Store) -> None:
    """A gateway whose spool came back from a backup may number new readings as old ones."""
    store.record([batch(1, some(5))], T0)
    store.record([batch(1, some(5, start=50))], T0)
    assert store.readings("a/0", *ALL)["seq"].tolist() == [*range(5), *range(50, 55)]


def test_the_same_name_twice_in_one_batch(store: Store) -> None:
    one, two, lie = ("a", 1, 0, 0, T0, 1), ("a", 1, 0, 0, T0, 1), ("a", 1, 0, 0, T0, 2)
    (receipt,) = store.record([batch(1, [one, two, lie])], T0)
    assert (receipt.recorded, receipt.dead) == ([(1, 2)], [(3, 3)])
    assert len(store.readings("a/0", *ALL)) == 1


def test_backfill_after_live_data_fills_the_hole(store: Store) -> None:
    store.record([batch(1, some(5))], T0)
    store.record([batch(6, some(5, start=20))], T0)
    store.record([batch(11, some(15, start=5))], T0)
    store.record([batch(11, some(15, start=5))], T0)
    assert store.readings("a/0", *ALL)["seq"].tolist() == list(range(25))
    assert store.counters()["duplicates"] == 15


def test_a_failed_reading_has_no_value_whatever_was_sent(store: Store) -> None:
    store.record([batch(1, [("a", 1, 0, 0, T0, -127_000)], status=1)], T0)
    (row,) = store.readings("a/0", *ALL)
    assert (row["value"], row["status"], row["flags"] & Flag.FAILED) == (NO_VALUE, 1, Flag.FAILED)


def test_min_max_equals_that_of_the_readings(store: Store) -> None:
    store.record([batch(1, some(500))], T0)
    start, low, high, n = store.reader.min_max("a/0", T0, T0 + 500 * 60_000, 7)
    rows = store.readings("a/0", *ALL)
    edges = [*start.tolist(), T0 + 500 * 60_000]
    for i in range(7):
        inside = rows["value"][(rows["at_ms"] >= edges[i]) & (rows["at_ms"] < edges[i + 1])]
        assert (low[i], high[i], n[i]) == (inside.min(), inside.max(), len(inside))


def test_a_sealing_cut_short_between_two_sensors_shows_each_reading_once(tmp_path) -> None:
    store = Store(tmp_path / "readings.db")
    store.sealer = Sealer(store.journal, Windows(HOUR_MS, 0))
    store.record([batch(1, [*some(30), *some(30, node="b"), *some(30, channel=1)])], T0)
    between = 0
    for _ in store.sealer.steps(2**50):
        sealed = store.journal.db.execute("SELECT count(*) FROM series WHERE sealed > 0").fetchone()[0]
        between += 0 < sealed < 3
        for sensor in ("a/0", "b/0", "a/1"):
            assert store.readings(sensor, *ALL)["seq"].tolist() == list(range(30))
        if between == 2:
            break
    assert between == 2, "it was never between two sensors"
    store.record([batch(91, some(5, start=30))], T0)
    store.seal()
    for sensor, n in (("a/0", 35), ("b/0", 30), ("a/1", 30)):
        assert store.readings(sensor, *ALL)["seq"].tolist() == list(range(n))
    store.close()


def test_latest_is_the_newest_by_instant_not_by_arrival(store: Store) -> None:
    store.record([batch(1, some(5, start=20))], T0 + HOUR_MS)
    store.record([batch(6, some(5))], T0 + HOUR_MS)
    assert store.reader.latest()["a/0"].at_ms == T0 + 24 * 60_000


def test_a_reading_from_the_future_is_the_latest_only_as_of_its_arrival(store: Store) -> None:
    store.record([batch(1, [("a", 1, 0, 0, T0 + 9 * HOUR_MS, 1)])], T0)
    assert store.reader.latest()["a/0"].flags & Flag.FUTURE
    store.record([batch(2, [("a", 1, 1, 0, T0 + 60_000, 2)])], T0 + 60_000)
    assert store.reader.latest()["a/0"].value == 2


READINGS = st.tuples(
    st.sampled_from(NODES),
    st.integers(1, 2),
    st.integers(0, 12),
    st.integers(0, 1),
    st.integers(-3, 3).map(lambda h: T0 + h * HOUR_MS // 2),
    st.integers(0, 1),
)
STEP = st.one_of(
    st.lists(READINGS, min_size=1, max_size=12), st.sampled_from(["seal", "step", "remove", "reopen"])
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=14))
def test_any_history_reads_as_a_plain_dict(tmp_path_factory, steps) -> None:
    """Late rows, repetitions, conflicts, sealing cut short, restarts: the answer is that of a dict."""
    store = Store(tmp_path_factory.mktemp("journal") / "readings.db")
    held: dict[tuple[str, int, int, int], tuple[int, int]] = {}
    link, dead, again = 1, 0, 0
    for step in steps:
        if step == "seal":
            store.seal()
        elif step == "step":
            store.seal(steps=5)
        elif step == "remove":
            store.remove()
        elif step == "reopen":
            store.reopen()
        else:
            (receipt,) = store.record([batch(link, step)], T0)
            told = sum(high - low + 1 for low, high in (*receipt.recorded, *receipt.dead))
            assert told == len(step)
            link += len(step)
            for *name, at, value in step:
                before = held.setdefault(tuple(name), (at, value))
                dead += before[1] != value
                again += before[1] == value
    for node in NODES:
        for channel in (0, 1):
            rows = store.readings(f"{node}/{channel}", *ALL)
            sources = store.reader.sources()
            found = sorted(
                (*sources[row["source"]], int(row["seq"]), int(row["at_ms"]), int(row["value"]))
                for row in rows
            )
            wanted = [(*n[:3], *v) for n, v in held.items() if n[0] == node and n[3] == channel]
            assert found == sorted(wanted)
    counters = store.counters()
    assert counters.get("dead_lettered", 0) == dead
    assert counters.get("duplicates", 0) == again - len(held)
    assert counters.get("journalled", 0) == len(held)
    store.close()
