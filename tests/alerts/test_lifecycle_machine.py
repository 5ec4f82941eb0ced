# SPDX-License-Identifier: Apache-2.0
"""The book under facts and commands in any order: what stands stays, what passed a limit is disposed of, and
somebody is called for whatever nobody has put aside.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from book_kit import FRIDGE, HOUR, MINUTE, Shop
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from alerts.alarms.margin import used_of
from coldchain.records.alarms import Alarm, AlarmsReader

BUDGET_MS = 30 * MINUTE
QUIET = {"shelved", "suppressed", "out_of_service"}


class Life(RuleBasedStateMachine):
    """One fridge: its load in order, beyond the warning or the limit; people and the mains do the rest."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.shop = Shop(Path(self.folder.name))
        self.shop.aside.missing = lambda _appliance, _scene: []  # type: ignore[method-assign, assignment]
        self.reader = AlarmsReader(self.shop.store_path)
        self.true: set[str] = set()
        self.outage = ""
        self.empty = False
        self.passed: set[str] = set()  # alarms whose limit was passed since their last disposition
        self.shelved_ms: dict[str, int] = {}

    def teardown(self) -> None:
        if hasattr(self, "shop"):
            self.reader.close()
            self.shop.store.close()
            self.folder.cleanup()

    # --- facts

    @rule(condition=st.sampled_from(["high", "high_warning"]))
    def begins(self, condition: str) -> None:
        if condition not in self.true:
            self.true.add(condition)
            self._note_passed(self.shop.begins(condition, 7000 if condition == "high" else 5800))

    @rule(condition=st.sampled_from(["high", "high_warning"]))
    def ends(self, condition: str) -> None:
        if condition in self.true:
            self.true.discard(condition)
            self.shop.ends(condition)

    @rule(minutes=st.sampled_from([1, 4, 20, 70, 600]))
    def passes(self, minutes: int) -> None:
        self.shop.passes(minutes)

    @rule()
    def mains(self) -> None:
        if self.outage:
            self.shop.mains_back(self.outage)
            self.outage = ""
        else:
            self.outage = self.shop.outage()

    @rule()
    def emptied_or_filled(self) -> None:
        self.empty = not self.empty
        self.shop.carries("empty" if self.empty else "red-cells@eu")
        self.shop.look()
        self.shop.retold()
        for alarm in self.open():
            self._note_passed(alarm.id)

    # --- commands

    @precondition(lambda self: self.open())
    @rule(
        verb=st.sampled_from(["acknowledge", "unshelve"]),
    )
    def says(self, verb: str) -> None:
        self.shop.ask(verb, self.open()[0].id)

    @precondition(lambda self: self.open())
    @rule(minutes=st.sampled_from(["10", "50", "90", "1000"]), second=st.sampled_from(["", "boss"]))
    def shelves(self, minutes: str, second: str) -> None:
        alarm = self.open()[0]
        said = self.shop.ask("shelve", alarm.id, minutes=minutes, reason="works", second=second)
        if said.startswith("applied") and not second:
            shelf = next(s for s in self.reader.shelved() if s.alarm == alarm.id)
            assert shelf.until_ms - shelf.from_ms <= HOUR

    @precondition(lambda self: self.open())
    @rule(what=st.sampled_from(["keep", "discard"]))
    def disposes(self, what: str) -> None:
        alarm = self.open()[0]
        said = self.shop.ask("dispose", alarm.id, what=what)
        if said.startswith("applied"):
            assert not alarm.standing or alarm.state == "out_of_service", "what stands is not cleared"
            self.passed.discard(alarm.id)

    @rule(out=st.booleans())
    def service(self, out: bool) -> None:
        if out:
            self.shop.ask("take_out", FRIDGE, reason="repair", to="empty")
        else:
            self.shop.ask("put_back", FRIDGE)
            self.shop.retold()
            for alarm in self.open():
                self._note_passed(alarm.id)

    # --- what holds

    def open(self) -> list[Alarm]:
        return [a for a in self.reader.open_alarms() if a.kind == "high"] if hasattr(self, "shop") else []

    def _note_passed(self, alarm: str | None) -> None:
        known = self.shop.store.alarm(alarm) if alarm else None
        if known is not None and known.product:
            self.passed.add(known.id)

    @invariant()
    def one_open_alarm(self) -> None:
        assert len(self.open()) <= 1

    @invariant()
    def it_stands_while_it_is_true(self) -> None:
        if not hasattr(self, "shop"):
            return
        held = bool(self.shop.store.db.execute("SELECT 1 FROM chatter").fetchall())
        for alarm in self.open():
            told = self.shop.store.others_stand(alarm.id)
            assert alarm.standing == (told or held), (alarm, self.true, held)
        out = self.empty or bool(self.reader.out_of_service())
        if self.true and not out:
            assert any(a.standing for a in self.open()), "somebody must know"

    @invariant()
    def what_passed_a_limit_is_not_closed_without_a_disposition(self) -> None:
        for id_ in getattr(self, "passed", ()):
            alarm = self.shop.store.alarm(id_)
            assert alarm is not None
            assert alarm.state != "closed"
            assert alarm.product

    @invariant()
    def whom_nobody_put_aside_somebody_is_called_for(self) -> None:
        for alarm in self.open():
            if alarm.state == "unacknowledged":
                assert self.shop.called(alarm.id), alarm
            if alarm.state in QUIET or alarm.state in ("returned", "disposition_due"):
                assert not self.shop.called(alarm.id), alarm

    @invariant()
    def no_shelf_outlives_what_is_left(self) -> None:
        if not hasattr(self, "shop"):
            return
        now = self.shop.now_ms
        open_ = {a.id: a for a in self.open()}
        for shelf in self.reader.shelved():
            alarm = open_[shelf.alarm]
            assert alarm.state == "shelved"
            assert now < shelf.until_ms
            if alarm.standing and alarm.severity == "critical":
                used = used_of(self.reader.excursions(appliance=FRIDGE), now)
                assert used < BUDGET_MS, "it is put aside while the blood is spoiling"

    @invariant()
    def suppressed_things_have_a_cause(self) -> None:
        for alarm in self.open():
            if alarm.state == "suppressed":
                assert self.empty or alarm.parent == self.outage != "", alarm
            if alarm.state == "out_of_service":
                assert self.reader.out_of_service(), alarm


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
