# SPDX-License-Identifier: Apache-2.0
"""Spool and journal against plain dicts on a disk that loses what was not synced.

Each change may be cut before or after its commit, by a death or by a loss of power, or fail at a call of the
disk. Afterwards the file holds what it held before or what it was to hold: after the commit only the latter.
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sim.disk import Died, Disk, Handle
from sim.sqlite import mounted
from soak.check import all_rows

from coldchain.kernel.errors import StoreUnavailable
from coldchain.kernel.link import Batch
from coldchain.kernel.ranges import RangeSet
from coldchain.kernel.readings import SPOOLED
from coldchain.records.registry import Registry, Sensor
from gateway.codecs.frames import Report
from gateway.intake import Arrival
from gateway.spool import open_spool
from ingest.journal import SqliteJournal
from ingest.sealing import Sealer, Windows

HOUR_MS = 3_600_000
T0 = 1_700_000_000_000 // HOUR_MS * HOUR_MS
FATES = st.one_of(
    st.just(("lives", 0)),
    st.tuples(st.sampled_from(["dies before", "dies after", "power before", "power after"]), st.just(1)),
    st.tuples(st.just("fails"), st.integers(1, 12)),
)
Fate = tuple[str, int]


class OnADisk(RuleBasedStateMachine):
    """`change` does something that one commit makes true, and tells whether it may, or must, be true then."""

    @initialize(seed=st.integers(0, 2**16))
    def begin(self, seed: int) -> None:
        self.closing = ExitStack()
        self.folder = Path(self.closing.enter_context(tempfile.TemporaryDirectory()))
        self.disk = self.closing.enter_context(mounted(Disk(self.folder, random.Random(seed))))
        self.disk.effect = self._effect
        self.fate: Fate = ("lives", 0)
        self._open()

    def _open(self) -> None:
        self.handle = Handle("p", "host")
        with self.disk.process(self.handle):
            self.open(self.folder / "host" / "file.db")

    def open(self, path: Path) -> None:
        """The store under test; each machine has its own."""
        raise NotImplementedError

    def _effect(self, name: str) -> None:
        how, moment = self.fate[0].partition(" ")[::2]
        if how in ("dies", "power") and name.startswith(moment):
            raise Died

    def change(self, fate: Fate, work: Callable[[], Any]) -> tuple[bool, bool, Any]:
        """(it may have happened, it must have, what came of it)."""
        self.fate = fate
        if fate[0] == "fails":
            self.disk.fail_at = self.disk.calls + fate[1]
        try:
            with self.disk.process(self.handle):
                result = work()
        except (Died, sqlite3.Error, StoreUnavailable):
            after = fate[0].endswith("after")
            self._restart(power=fate[0].startswith("power"))
            return after or fate[0] == "fails", after, None
        finally:
            self.fate, self.disk.fail_at = ("lives", 0), 0
        return True, True, result

    def _restart(self, *, power: bool) -> None:
        self.fate, self.disk.fail_at = ("lives", 0), 0
        self.disk.bury(self.handle)
        if power:
            self.disk.power_loss("host")
        self._open()

    @rule(power=st.booleans())
    def killed(self, power: bool) -> None:
        self._restart(power=power)

    def teardown(self) -> None:
        if hasattr(self, "closing"):
            self.disk.bury(self.handle)
            self.closing.close()


class Way:
    """A route that does nothing."""

    def acknowledge(self, node, boot, pairs): ...
    def ask_again(self, node, boot, pairs): ...
    def committed(self): ...


WAY = Way()
Row = tuple[str, int, int, int, int]


def two_channels(seq: int) -> tuple[tuple[int, int, int, int], ...]:
    return ((0, 1, 0, seq), (1, 1, 0, 2 * seq))


class SpoolOnADisk(OnADisk):
    """rows: link sequence -> (node, boot, seq, channel, value); accepted: the last number given."""

    def open(self, path: Path) -> None:
        if not hasattr(self, "rows"):
            self.rows: dict[int, Row] = {}
            self.accepted = 0
        self.spool = open_spool(path, max_bytes=10**9, new_epoch=lambda: "e1", wall_ms=lambda: T0)

    def _held(self) -> dict[int, Row]:
        with self.disk.process(self.handle), self.spool.change():
            found, nodes, rows = self.spool.read([(1, max(1, self.spool.accepted))])
        numbers = [n for low, high in found for n in range(low, high + 1)]
        return {
            n: (*nodes[row["node"]], int(row["seq"]), int(row["channel"]), int(row["value"]))
            for n, row in zip(numbers, rows, strict=True)
        }

    @rule(
        reports=st.lists(st.tuples(st.integers(0, 25), st.sampled_from("ab"), st.integers(1, 2)), max_size=6),
        fate=FATES,
    )
    def accept(self, reports: list[tuple[int, str, int]], fate: Fate) -> None:
        arrivals = [
            Arrival(
                Report(node, boot, seq, seq, 0, 2, T0 + seq, ((0, 1, 0, seq), (1, 1, 0, 2 * seq))), T0, WAY
            )
            for seq, node, boot in reports
        ]

        def work() -> None:
            with self.spool.change():
                self.spool.accept(arrivals, [], 0.0)

        known = {row[:3] for row in self.ever()}
        fresh: list[Row] = []
        for seq, node, boot in reports:
            if (node, boot, seq) not in known:
                known.add((node, boot, seq))
                fresh += [(node, boot, seq, 0, seq), (node, boot, seq, 1, 2 * seq)]
        may, must, _ = self.change(fate, work)
        if must or (may and self.spool.accepted > self.accepted):
            self.rows |= {self.accepted + 1 + n: row for n, row in enumerate(fresh)}
            self.seen |= {row[:3] for row in fresh}
            self.accepted += len(fresh)

    def ever(self) -> set[tuple[str, int, int]]:
        if not hasattr(self, "seen"):
            self.seen: set[tuple[str, int, int]] = set()
        return self.seen

    @rule(
        pairs=st.lists(st.tuples(st.integers(1, 60), st.integers(0, 20)), min_size=1, max_size=4), fate=FATES
    )
    def receipt(self, pairs: list[tuple[int, int]], fate: Fate) -> None:
        ranges = RangeSet((low, low + more) for low, more in pairs)

        def work() -> None:
            with self.spool.change():
                self.spool.receipt(ranges.pairs(), [])

        may, must, _ = self.change(fate, work)
        rest = {n: row for n, row in self.rows.items() if n not in ranges}
        if must or (may and self._held() == rest):
            self.rows = rest

    @invariant()
    def the_same(self) -> None:
        if not hasattr(self, "rows"):
            return
        self.ever()
        assert self._held() == self.rows
        assert self.spool.accepted == self.accepted, "no number is given twice"
        assert [n for low, high in self.spool.pending for n in range(low, high + 1)] == sorted(self.rows)


REGISTRY = Registry(sensors=(Sensor(id="a/0", node="a", channel=0), Sensor(id="a/1", node="a", channel=1)))
WIDER = Registry(sensors=(*REGISTRY.sensors, Sensor(id="b/0", node="b", channel=0)))


def batch(low: int, readings: list[tuple[str, int, int, int]], epoch: str) -> Batch:
    """(node, seq, channel, minute) each; its value is told by its identity."""
    rows = np.zeros(len(readings), SPOOLED)
    nodes = sorted({(node, 1) for node, *_ in readings})
    for row, (node, seq, channel, minute) in zip(rows, readings, strict=True):
        row["node"], row["seq"], row["channel"] = nodes.index((node, 1)), seq, channel
        row["quantity"], row["value"] = 1, seq * 10 + channel
        row["at_ms"] = row["gateway_ms"] = T0 + minute * 60_000
    return Batch("gw", epoch, [(low, low + len(readings) - 1)], nodes, rows)


class JournalOnADisk(OnADisk):
    """kept: (node, seq, channel) -> value of what is recorded; held: of what waits for its sensor."""

    def open(self, path: Path) -> None:
        if not hasattr(self, "kept"):
            self.kept: dict[tuple[str, int, int], int] = {}
            self.held: dict[tuple[str, int, int], int] = {}
            self.receipted = RangeSet()
            self.next, self.wide, self.sent = 1, False, list[Batch]()
        self.path = path
        self.journal = SqliteJournal(path)
        self.journal.rewire(WIDER if self.wide else REGISTRY)

    @rule(
        readings=st.lists(
            st.tuples(st.sampled_from("aab"), st.integers(0, 12), st.integers(0, 1)),
            min_size=1, max_size=6, unique=True,
        ),
        fate=FATES,
    )  # fmt: skip
    def record(self, readings: list[tuple[str, int, int]], fate: Fate) -> None:
        """Some of it may have come before by another way: then it is known."""
        fresh = [(n, s, 0 if n == "b" else c, s * 7) for n, s, c in readings]
        fresh = list(dict.fromkeys(fresh))
        new = batch(self.next, fresh, "e1")
        self.next += len(fresh)
        self._record(new, fate)

    @rule(data=st.data(), fate=FATES)
    def send_again(self, data: st.DataObject, fate: Fate) -> None:
        if self.sent:
            self._record(data.draw(st.sampled_from(self.sent)), fate)

    def _record(self, one: Batch, fate: Fate) -> None:
        self.sent.append(one)
        may, must, receipts = self.change(fate, lambda: self.journal.record([one], T0))
        names = {
            (one.nodes[row["node"]][0], int(row["seq"]), int(row["channel"])): int(row["value"])
            for row in one.rows
        }
        recorded = {n: v for n, v in names.items() if n[0] == "a" or self.wide}
        waiting = {n: v for n, v in names.items() if n not in recorded}
        if receipts is not None:
            for low, high in receipts[0].recorded:
                self.receipted.add(low, high)
            assert receipts[0].dead == []
            assert receipts[0].recorded == one.ranges
        if must or (may and self._on_disk() != (set(self.kept.items()), len(self.held))):
            self.kept |= {n: v for n, v in recorded.items() if n not in self.held}
            self.held |= {n: v for n, v in waiting.items() if n not in self.kept}

    def _on_disk(self) -> tuple[set[Any], int]:
        with self.disk.process(self.handle):
            rows, sources, _ = all_rows(self.path)
        found = [
            ((sources[row["source"]][0], int(row["seq"]), int(row["channel"])), int(row["value"]))
            for row in rows
        ]
        assert len(found) == len(set(found)), "recorded twice"
        return set(found), self.journal.counters.get("waiting", 0)

    @rule(fate=FATES)
    def adopt(self, fate: Fate) -> None:
        """The registry learns of the stranger; what waited is recorded."""
        self.wide = True
        self.journal.rewire(WIDER)
        may, must, _ = self.change(fate, lambda: self.journal.readmit(T0))
        if must or (may and self.journal.counters.get("waiting", 0) == 0):
            self.kept |= self.held
            self.held.clear()

    @rule(steps=st.integers(1, 12), remove=st.booleans(), fate=FATES)
    def seal(self, steps: int, remove: bool, fate: Fate) -> None:
        """However far it comes, nothing changes for those who read."""
        sealer = Sealer(self.journal, Windows(HOUR_MS, 0), run_rows=5)

        def work() -> None:
            for _ in zip(range(steps), sealer.steps(2**50), strict=False):
                pass
            for _ in sealer.remove(10**9 if remove else 0):
                pass

        self.change(fate, work)

    @rule(fate=FATES)
    def checkpoint(self, fate: Fate) -> None:
        self.change(fate, self.journal.checkpoint)

    @invariant()
    def the_same(self) -> None:
        if not hasattr(self, "kept"):
            return
        found, waiting = self._on_disk()
        assert found == set(self.kept.items())
        assert waiting == len(self.held)
        recorded, dead = self.journal.accounted("gw", "e1")
        assert dead == []
        told = RangeSet(recorded)
        assert all(told.covers(low, high) for low, high in self.receipted), "a receipt is kept"


TestSpoolOnADisk = SpoolOnADisk.TestCase
TestJournalOnADisk = JournalOnADisk.TestCase
TestSpoolOnADisk.settings = TestJournalOnADisk.settings = settings(
    max_examples=30, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
