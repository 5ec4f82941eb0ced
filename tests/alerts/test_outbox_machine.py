# SPDX-License-Identifier: Apache-2.0
"""Outbox, lease, chains and answers under any interleaving, with a death at every effect.

Whatever happens: no message that is due is missed, each death or unanswered send costs at most one extra, an
answer stops one alarm and only that, and of two senders one is silent.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter, deque
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ward import Phones

from alerts.alarms.entries import Case, Scene
from alerts.answers.desk import Answers
from alerts.bookkeeping.book import Book
from alerts.notices.chains import Chains
from alerts.notices.outbox import Outbox
from alerts.notices.telling import Teller
from alerts.rules.table import build_table
from alerts.store import AlarmStore
from coldchain.ports.notifier import Delivery, Heard, Kind, Sent
from coldchain.records.alarms import AlarmsReader
from coldchain.records.registry import Person, Registry, Site

MINUTE = 60_000
PEOPLE = (
    Person(id="ana", name="Ana", phone="+8562000000001", numbers=("+8562000000002",)),
    Person(id="boss", name="Boss", phone="+8562000000003", role="supervisor"),
    Person(id="chief", name="Chief", phone="+8562000000004", role="manager"),
)
REGISTRY = Registry(sites=(Site(id="vte", name="Vientiane"),), people=PEOPLE)


FATES = ["sent", "refused", "unknown", "dies before", "dies after"]


class Died(BaseException):
    """The process is gone at this point."""


class Mortal(Phones):
    """Phones in front of which the process may die: `fates` are used up by sends, one each."""

    def __init__(self) -> None:
        super().__init__()
        self.fates: deque[str] = deque()
        self.received: Counter[str] = Counter()
        self.deaths = self.unknowns = 0
        self.die_before_forgetting = False

    def send(self, to: str, text: str) -> Sent:
        fate = self.fates.popleft() if self.fates else "sent"
        if fate == "dies before":
            self.deaths += 1
            raise Died
        if fate == "refused":
            return Sent(Delivery.FAILED_RETRY, "busy")
        self.received[text] += 1
        sent = super().send(to, text)
        if fate == "dies after":
            self.deaths += 1
            raise Died
        if fate == "unknown":
            self.unknowns += 1
            return Sent(Delivery.UNKNOWN, "no answer")
        return sent

    def forget(self, heard: list[Heard]) -> None:
        if self.die_before_forgetting:
            self.die_before_forgetting = False
            raise Died
        super().forget(heard)


class Telling(RuleBasedStateMachine):
    """One hub, three people, a few alarms."""

    @initialize(reports=st.booleans())
    def begin(self, reports: bool) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "alarms.db"
        self.now = 1_800_000_000_000
        self.phones = Mortal()
        self.phones.reports = reports
        self.raised = 0
        self.answered: set[int] = set()
        self.random = Random(5)
        self.table = build_table(Registry(), {}, fault_after_ms=1)
        self.reader = AlarmsReader(self.path)
        self._live()

    def _live(self) -> None:
        self.store = AlarmStore(self.path)
        self.store.db.execute("PRAGMA synchronous=OFF")
        chains = Chains(self.store.db, self.random.randrange)
        self.teller = Teller(self.store, chains, {"sms"}, lambda _: (9000, self.now))
        self.book = Book(self.store, self.teller, lambda _: (9000, self.now))
        self.answers = Answers(self.store, self.book, chains)
        self.outbox = Outbox(self.path, self.phones, lambda: self.now, lambda _p, _s: ("en", "Vientiane"))
        self.outbox._db.execute("PRAGMA synchronous=OFF")

    def _die(self) -> None:
        self.outbox.lease.forget()
        self.outbox._db.close()
        self.store.close()
        self._live()

    @property
    def scene(self) -> Scene:
        return Scene(REGISTRY, 1, self.table, {}, 0, self.now)

    def pump(self) -> None:
        """Let the process do all it can now; if it dies, another is started."""
        for _ in range(400):
            try:
                worked = self.answers.apply(self.scene)
                worked |= self.teller.run(self.scene)
                worked |= self.outbox.send_one()
                worked |= self.outbox.hear(0.0)
            except Died:
                self._die()
                continue
            if not worked:
                return
        raise AssertionError("it never comes to rest")

    # --- what happens

    @precondition(lambda self: self.raised < 6)
    @rule()
    def alarm(self) -> None:
        self._raise()
        self.pump()

    def _raise(self) -> None:
        self.raised += 1
        name = f"vte-br-{self.raised:02d}"
        case = Case(
            id=name, scope="appliance", subject=name, sensor=f"{name}/load", site="vte", kind="high",
            severity="critical", since_ms=self.now, at_ms=self.now, value=9000, limit=6000, peak=9000,
            rule="high@1",
        )  # fmt: skip
        with self.store.transaction():
            self.book.open(case, self.scene)

    @rule(seconds=st.sampled_from([1, 5, 20, 60, 200, 601, 1900]))
    def time_passes(self, seconds: int) -> None:
        for _ in range(min(seconds, 40)):
            self.now += seconds * 1000 // min(seconds, 40)
            self.pump()

    @rule(
        fates=st.lists(
            st.sampled_from(["sent", "refused", "unknown", "dies before", "dies after"]), max_size=3
        )
    )
    def trouble_ahead(self, fates: list[str]) -> None:
        self.phones.fates.extend(fates)

    @rule()
    def killed(self) -> None:
        self._die()

    @rule(who=st.sampled_from(PEOPLE), dies=st.booleans())
    def somebody_answers(self, who: Person, dies: bool) -> None:
        """With the code of the newest message about one alarm."""
        phone = self.phones.phone(who.phone)
        codes = [m[1] for text in phone.inbox if (m := re.search(r"Reply OK (\d{6})", text))]
        if not codes:
            return
        owner, alarm_id, used = self.teller.chains.code_row(codes[-1]) or ("", "", None)
        assert owner == who.id, "a code that was sent to somebody else"
        before = {a.id: a.state for a in self.reader.alarms()}
        self.phones.die_before_forgetting = dies
        phone.replies(f"ok {codes[-1]}")
        self.pump()
        after = {a.id: a.state for a in self.reader.alarms()}
        changed = {id_ for id_ in after if before[id_] != after[id_]}
        assert changed <= {alarm_id}, "an answer changes one alarm"
        if before[alarm_id] == "unacknowledged" and used is None:
            assert after[alarm_id] == "acknowledged", "no answer is lost"

    @rule(text=st.sampled_from(["ok", "ok 123456", "hello", "ok 1", "pass"]), stranger=st.booleans())
    def somebody_mutters(self, text: str, stranger: bool) -> None:
        before = {a.id: a.state for a in self.reader.alarms()}
        number = "+8562099999999" if stranger else PEOPLE[0].phone
        self.phones.incoming(Kind.SMS, number, text)
        self.pump()
        assert before == {a.id: a.state for a in self.reader.alarms()}, "no answer is invented"

    @precondition(lambda self: self.raised < 6)
    @rule()
    def a_rival_starts(self) -> None:
        """A second sender on the same file says nothing while the first lives, although a message is due."""
        self.outbox.lease.hold()
        self._raise()
        rival = Outbox(self.path, self.phones, lambda: self.now, lambda _p, _s: ("en", "V"))
        tries = self.phones.tries
        assert rival.send_one() is False
        assert self.phones.tries == tries, "two voices"
        rival.lease.forget()
        rival._db.close()
        self.pump()

    # --- what always holds

    @invariant()
    def at_most_one_extra_for_each_death_or_silence(self) -> None:
        if not hasattr(self, "reader"):
            return
        tried = [n for n in self.reader.notices(10_000) if n.tries and n.state != "bundled"]
        extra = self.phones.deaths + self.phones.unknowns
        assert sum(self.phones.received.values()) <= len(tried) + extra

    @invariant()
    def whoever_answered_is_not_called(self) -> None:
        if not hasattr(self, "reader"):
            return
        held = {a.id for a in self.reader.alarms() if a.state == "acknowledged"}
        waiting = [n for n in self.reader.notices(10_000) if n.state in ("due", "failed", "unknown")]
        assert not [n for n in waiting if n.alarm in held and n.about == "raised"]

    def teardown(self) -> None:
        if not hasattr(self, "reader"):
            return
        self.phones.fates.clear()
        for _ in range(40):  # no trouble any more: everything that is due leaves
            self.now += MINUTE
            self.pump()
        notices = {n.id: n for n in self.reader.notices(10_000)}
        for notice in notices.values():
            if notice.state == "sent":
                carrier = re.fullmatch(r"told in notice (\d+)", notice.detail)
                text = notices[int(carrier[1])].text if carrier else notice.text
                assert self.phones.received[text], f"said to be sent, and nobody received {text!r}"
        for alarm in self.reader.alarms():
            firsts = [n for n in notices.values() if n.alarm == alarm.id and n.step == 0]
            done = {n.state for n in firsts}
            assert firsts
            assert done <= {"sent", "cancelled", "given_up"}, f"{alarm.id}: {done}"
            if alarm.state == "unacknowledged":
                told = {n.person for n in notices.values() if n.alarm == alarm.id and n.state == "sent"}
                assert told, f"{alarm.id}: nobody was told"
        self.reader.close()
        self.outbox.close()
        self.store.close()
        self.folder.cleanup()


TestTelling = Telling.TestCase
TestTelling.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
