# SPDX-License-Identifier: Apache-2.0
"""The projection against a plain model, with a death before and after each request and each kept cursor.

The engine's contract, as the tests against a real one saw it: it keeps all lines of a request, or those it
can take and answers 422 with how many it dropped, or says nothing although it kept any part of them.
"""

from __future__ import annotations

import tempfile
from collections import Counter, deque
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from coldchain.kernel.link import Batch
from coldchain.kernel.readings import SPOOLED
from coldchain.records import influx_names as names
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Appliance, Assignment, Desk, Registry, RegistryReader, Sensor, Site
from coldchain.settings import InfluxSettings, Settings
from ingest.influx.delivery import Delivery, Refusal, Stopped, Unavailable
from ingest.influx.lines import Line
from ingest.influx.projection import Projection, _Names
from ingest.influx.resync import resync
from ingest.influx.windows import GRACE_MS
from ingest.journal import SqliteJournal
from ingest.sealing import Sealer, Windows

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
MINUTE, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
T0 = 1_700_000_000_000 // HOUR_MS * HOUR_MS
WINDOW_MS = names.ROLLUP_MS[names.ROLLUP_15M]
KEEPS_MS = 7 * DAY_MS
SENSORS = 2
REGISTRY = Registry(
    sites=(Site(id="s", name="S"),),
    appliances=(Appliance(id="f", name="F", site="s", assignments=(Assignment(carries="red-cells@eu"),)),),
    sensors=tuple(
        Sensor(id=f"f/load-{n}", appliance="f", probe="load", node=f"n-{n}", channel=0)
        for n in range(SENSORS)
    ),
)
NEVER_TAKEN = 13_000
"""A value [0.001 degrees] of which the engine says that the field has another type."""
FATES = st.sampled_from(
    ["kept"] * 6 + ["down", "answer lost", "part kept", "503", "401", "dies before", "dies after", "stopped"]
)
Reading = tuple[int, int, int]
"""(sensor, at_ms, value)"""


class Died(BaseException):
    """The process is gone at this point."""


class Engine:
    """points: (measurement and tags, instant [ns]) -> fields. `fates` are used up by requests, one each."""

    def __init__(self) -> None:
        self.points: dict[tuple[str, int], str] = {}
        self.fates: deque[str] = deque()
        self.oldest_ms = T0 - KEEPS_MS

    def send(self, lines: Sequence[Line]) -> None:
        fate = self.fates.popleft() if self.fates else "kept"
        if fate == "dies before":
            raise Died
        if fate in ("down", "stopped"):
            raise Unavailable("nobody answers")
        if fate.isdecimal():
            raise Refusal(int(fate), "later")
        old = [line for line in lines if line.at_ms < self.oldest_ms]
        bad = [line for line in lines if is_reading(line) and f" value={NEVER_TAKEN / 1000}," in line.text]
        good = [line for line in lines if line not in old and line not in bad]
        for line in good[: len(good) // 2] if fate == "part kept" else good:
            head, fields, ns = line.text.rsplit(" ", 2) if '"' not in line.text else quoted(line.text)
            self.points[head, int(ns)] = fields
        if fate == "dies after":
            raise Died
        if fate in ("answer lost", "part kept"):
            raise Unavailable("cut")
        if old:
            raise Refusal(422, f"partial write: points beyond retention policy dropped={len(old)}")
        if bad:
            raise Refusal(422, f"partial write: field type conflict dropped={len(bad)}")


def quoted(text: str) -> tuple[str, str, str]:
    """Head, fields and time of a line whose fields hold words."""
    head, _, rest = text.partition(" ")
    fields, _, ns = rest.rpartition(" ")
    return head, fields, ns


def is_reading(line: Line) -> bool:
    return line.text.startswith(f"{names.READING},")


class Projecting(RuleBasedStateMachine):
    """recorded: every reading with the log's position. `owed`: the bucket was lost, and not all is back."""

    @initialize()
    def begin(self) -> None:
        self.place = tempfile.TemporaryDirectory(dir=MEMORY)
        influx = InfluxSettings(url="http://nowhere", batch_points=5, retention=timedelta(days=3_650))
        self.settings = Settings(data_dir=Path(self.place.name), influx=influx)
        self.now_ms = T0
        desk = Desk(self.settings.desk_db, lambda: self.now_ms)
        desk.publish(REGISTRY, author="t", reason="t")
        desk.close()
        self.journal = SqliteJournal(self.settings.readings_db)
        self.journal.db.execute("PRAGMA synchronous=OFF")
        self.journal.rewire(REGISTRY)
        self.engine = Engine()
        self.recorded: dict[Reading, int] = {}
        self.seq, self.owed = 0, False
        self._live()

    def _live(self) -> None:
        """A process starts: what the one before had not kept is gone."""
        if hasattr(self, "running"):
            self._bury()
        running = self.running = Projection(self.settings, self.engine.send, lambda: self.now_ms)
        running._delivery = Delivery(self.engine.send, self._pause, running._trouble)
        running._reader = JournalReader(self.settings.readings_db)
        running._registry = RegistryReader(self.settings.desk_db)
        running._names = _Names(running._reader, running._registry)
        running._restore()

    def _bury(self) -> None:
        self.running._reader.close()
        self.running._registry.close()
        self.running._feed.close()

    def _pause(self, _: float) -> bool:
        return bool(self.engine.fates) and self.engine.fates[0] == "stopped"

    # --- what happens

    @rule(
        values=st.lists(
            st.tuples(
                st.integers(0, SENSORS - 1),
                st.integers(0, 50),
                st.sampled_from([4_000, 5_000, 7_000, NEVER_TAKEN]),
            ),
            min_size=1, max_size=8,
        ),
        ancient=st.sampled_from([False, False, False, True]),
    )  # fmt: skip
    def record(self, values: list[tuple[int, int, int]], ancient: bool) -> None:
        """Minutes ago; some of it comes late, after its window was written."""
        back_ms = 2 * KEEPS_MS if ancient else 0
        rows = np.zeros(len(values), SPOOLED)
        found = []
        for row, (sensor, ago, value) in zip(rows, values, strict=True):
            self.seq += 1
            at_ms = self.now_ms - back_ms - ago * MINUTE - self.seq % 1_000
            row["node"], row["seq"], row["quantity"], row["value"] = sensor, self.seq, 1, value
            row["at_ms"] = row["gateway_ms"] = at_ms
            found.append((sensor, at_ms, value))
        span = [(self.seq - len(values) + 1, self.seq)]
        batch = Batch("gw", "e", span, [(f"n-{n}", 1) for n in range(SENSORS)], rows)
        self.journal.record([batch], self.now_ms)
        self.recorded |= dict.fromkeys(found, self.journal.position)

    @rule(minutes=st.integers(1, 40))
    def passes(self, minutes: int) -> None:
        self.now_ms += minutes * MINUTE

    @rule(
        fates=st.lists(FATES, max_size=5),
        told=st.booleans(),
        then=st.sampled_from(["", "kept", "kept and dies", "dies"]),
    )
    def turn(self, fates: list[str], told: bool, then: str) -> None:
        """`told`: if it dies in between, what it told by then had been kept."""
        self.engine.fates = deque(fates)
        self._turn(told=told)
        if "kept" in then:
            self.keep("lives")
        if "dies" in then:
            self._live()

    def _turn(self, *, told: bool = False) -> bool:
        self.running._rolled_ms = 0
        try:
            return self.running._turn()
        except Died:
            if told:
                self.keep("lives")
            self._live()
        except Stopped:
            self.keep("lives")
            self._live()
        finally:
            self.engine.fates.clear()
        return True

    @rule(fate=st.sampled_from(["lives", "lives", "dies before", "dies after"]))
    def keep(self, fate: str) -> None:
        """The committing thread keeps what the projection tells."""
        if fate != "dies before":
            self.journal.keep_projection(self.running.news(), self.now_ms)
        if fate != "lives":
            self._live()

    @rule(steps=st.integers(1, 12))
    def seal(self, steps: int) -> None:
        """The log is given up behind the cursor: what was not projected by then would never be."""
        sealer = Sealer(self.journal, Windows(HOUR_MS, 0), run_rows=5)
        for _ in zip(range(steps), sealer.steps(2**50), strict=False):
            pass
        for _ in sealer.remove(self._cursor()):
            pass

    @rule(fates=st.lists(st.sampled_from(["kept", "kept", "dies before", "dies after"]), max_size=6))
    def lost_and_written_again(self, fates: list[str]) -> None:
        self.engine.points.clear()
        self.owed = True
        self.engine.fates = deque(fates)
        self._resync()

    def _resync(self) -> None:
        try:
            resync(self.settings, T0 - 30 * DAY_MS, self.now_ms + DAY_MS, send=self.engine.send)
            self.owed = False
        except Died:
            pass
        finally:
            self.engine.fates.clear()

    @rule()
    def heals(self) -> None:
        """All that was recorded is a point or a letter; every window that is over counts what is in it."""
        if self.owed:
            self._resync()
        self._turn()
        while self._turn():
            pass
        self.keep("lives")
        assert self._points() == {r: 1 for r in self.recorded if self._taken(r)}
        due = Counter(
            (sensor, at // WINDOW_MS * WINDOW_MS)
            for sensor, at, _ in self.recorded
            if at // WINDOW_MS * WINDOW_MS >= self.engine.oldest_ms
        )
        over = {key: n for key, n in due.items() if key[1] + WINDOW_MS + GRACE_MS <= self.now_ms}
        counts = self._counts()
        assert {key: counts.get(key) for key in over} == over

    # --- what is to be seen

    def _cursor(self) -> int:
        reader = JournalReader(self.settings.readings_db)
        position, _ = reader.cursor("influx")
        reader.close()
        return position

    def _taken(self, reading: Reading) -> bool:
        return reading[2] != NEVER_TAKEN and reading[1] >= self.engine.oldest_ms

    def _points(self) -> dict[Reading, int]:
        """How often each reading is there."""
        found: Counter[Reading] = Counter()
        for (head, ns), fields in self.engine.points.items():
            if head.startswith(f"{names.READING},"):
                value = float(fields.partition("value=")[2].partition(",")[0])
                found[_sensor(head), ns // 1_000_000, round(value * 1000)] += 1
        return dict(found)

    def _counts(self) -> dict[tuple[int, int], int]:
        """(sensor, start of its window) -> readings counted there."""
        return {
            (_sensor(head), ns // 1_000_000): int(fields.partition(f"{names.COUNT}=")[2].partition("i")[0])
            for (head, ns), fields in self.engine.points.items()
            if head.startswith(f"{names.ROLLUP_15M},")
        }

    @invariant()
    def nothing_behind_the_cursor_is_missing(self) -> None:
        if not hasattr(self, "running"):
            return
        points = self._points()
        assert points.items() <= dict.fromkeys(self.recorded, 1).items(), "invented, altered or doubled"
        kept = self._cursor()
        behind = {reading for reading, position in self.recorded.items() if position <= kept}
        if not self.owed:
            assert {r for r in behind if self._taken(r)} <= points.keys()
        (old,) = self.journal.db.execute("SELECT coalesce(sum(points), 0) FROM parked").fetchone()
        (refused,) = self.journal.db.execute("SELECT count(*) FROM dead_letter").fetchone()
        recent = {r for r in behind if r[1] >= self.engine.oldest_ms}
        assert refused >= sum(r[2] == NEVER_TAKEN for r in recent), "what is refused is a letter"
        assert old >= len(behind - recent), "what is too old is parked"

    def teardown(self) -> None:
        if hasattr(self, "running"):
            self.heals()
            self.nothing_behind_the_cursor_is_missing()
            self._bury()
            self.journal.db.close()
            self.place.cleanup()


def _sensor(head: str) -> int:
    return int(head.partition("sensor=f/load-")[2].partition(",")[0])


TestProjecting = Projecting.TestCase
TestProjecting.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
