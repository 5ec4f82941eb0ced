# SPDX-License-Identifier: Apache-2.0
"""The engine's checkpoint: the state saved seldom, `judged` with each block, deaths before and after commits.

The model is a ward that never died and was told the same readings in the same order, at the same instants.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from ward import MINUTE, Ward

from alerts.bookkeeping import late
from alerts.rules import NUMBER_OF
from alerts.store import AlarmStore
from coldchain.records.sql import transaction

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
SENSORS = ("br-1/load", "br-2/load")
CELSIUS = st.sampled_from([4.0, 5.0, 5.9, 7.0, 9.5, 1.0, None])
FATES = st.one_of(
    st.just((0, "lives")), st.tuples(st.integers(1, 4), st.sampled_from(["dies before", "dies after"]))
)


class Died(BaseException):
    """The process is gone at this point."""


class Mortal(AlarmStore):
    """Dies at the n-th commit from now: just before it, or just after."""

    left, how = 0, ""

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        self.left -= 1
        mine = self.left == 0
        with transaction(self.db) as db:
            yield db
            if mine and self.how == "dies before":
                raise Died
        if mine:
            raise Died


class Standing(RuleBasedStateMachine):
    """`ward` dies, `model` does not; both get the same."""

    @initialize()
    def begin(self) -> None:
        self.places = [tempfile.TemporaryDirectory(dir=MEMORY) for _ in range(2)]
        self.ward, self.model = (Ward(Path(place.name), "08:00") for place in self.places)
        for ward in (self.ward, self.model):
            for name in ("br-1", "br-2"):
                ward.fridge(name)
            ward.settle()
        self._mortal()

    def _mortal(self) -> None:
        self.ward.service._store.__class__ = Mortal

    def _settle(self, fate: tuple[int, str]) -> None:
        store: Any = self.ward.service._store
        store.left, store.how = fate
        try:
            self.ward.settle()
        except Died:
            self.ward.restart_alerts(killed=True)
            self._mortal()
            self.ward.settle()
        self.ward.service._store.left = 0  # type: ignore[attr-defined]

    @rule(
        value=CELSIUS, minutes=st.integers(1, 40), which=st.sampled_from(SENSORS), pace=st.integers(1, 9),
        fates=st.lists(FATES, min_size=1, max_size=4),
    )  # fmt: skip
    def readings(
        self, value: float | None, minutes: int, which: str, pace: int, fates: list[tuple[int, str]]
    ) -> None:
        """One a minute; judged every so many, as one block or as they come."""
        for n in range(minutes):
            for ward in (self.ward, self.model):
                ward.now_ms += MINUTE
                ward._record([(ward.now_ms, which, value)])
            if n % pace == pace - 1 or n == minutes - 1:
                self.model.settle()
                self._settle(fates.pop() if fates else (0, "lives"))

    @rule(fate=FATES)
    def saved(self, fate: tuple[int, str]) -> None:
        """The state is written now, or it dies in that."""
        store: Any = self.ward.service._store
        store.left, store.how = min(fate[0], 1), fate[1]
        try:
            self.ward.service._save()
        except Died:
            self.killed()
        store.left = 0

    @rule()
    def killed(self) -> None:
        self.ward.restart_alerts(killed=True)
        self._mortal()

    @rule(minutes=st.integers(1, 20), fate=FATES)
    def passes(self, minutes: int, fate: tuple[int, str]) -> None:
        for ward in (self.ward, self.model):
            ward.now_ms += minutes * MINUTE
        self.model.settle()
        self._settle(fate)

    def _rest(self) -> None:
        for step_s in (5, 5, late.LAZY_S, 5):
            for ward in (self.ward, self.model):
                ward.now_ms += round(1000 * step_s)
                ward.settle()

    @invariant()
    def never_ahead(self) -> None:
        """What is saved never stands after what is in the book; nothing is in the book twice."""
        if not hasattr(self, "ward"):
            return
        saved = self.ward.service._store.saved()
        if saved is not None:
            assert saved.position <= saved.judged
        ids = [alarm.number for alarm in self.ward.alarms.alarms()]
        assert len(ids) == len(set(ids))

    def teardown(self) -> None:
        if not hasattr(self, "ward"):
            return
        self._rest()
        found, expected = book(self.ward), book(self.model)
        for ward, place in zip((self.ward, self.model), self.places, strict=True):
            ward.service.close()
            ward.journal.db.close()
            place.cleanup()
        assert found == expected


def book(ward: Ward) -> tuple[list[Any], list[Any]]:
    """Excursions and alarms that readings bring; silence is judged by the clock."""
    reader = ward.alarms
    excursions = [
        (e.id, e.raised_ms, e.ended_ms, e.peak, e.alarm)
        for sensor in SENSORS
        for e in reader.excursions(sensor=sensor, kinds=tuple(NUMBER_OF))
    ]
    alarms = [
        (a.id, a.since_ms, a.raised_ms, a.peak, a.state) for a in reader.alarms() if a.kind != "silence"
    ]
    reader.close()
    return sorted(excursions), sorted(alarms)


TestStanding = Standing.TestCase
TestStanding.settings = settings(
    max_examples=10, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
