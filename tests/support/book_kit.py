# SPDX-License-Identifier: Apache-2.0
"""A book on a clock of its own: one fridge, two people, real tables; excursions begin and end by word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from alerts.alarms.entries import Case, Scene
from alerts.bookkeeping.aside import Aside
from alerts.bookkeeping.book import Book
from alerts.notices.chains import Chains
from alerts.notices.telling import Teller
from alerts.rules import CONDITIONS, NUMBER_OF
from alerts.rules.table import build_table
from alerts.store import AlarmStore
from coldchain.kernel.readings import JOURNALLED
from coldchain.records.alarms import Alarm, Excursion
from coldchain.records.registry import Appliance, Assignment, Person, Registry, Sensor, Site

MINUTE = 60_000
HOUR = 60 * MINUTE
START = 1_772_323_200_000
FRIDGE = "vte-br-03"


def registry(carries: str = "red-cells@eu", service: str = "in") -> Registry:
    return Registry(
        sites=(Site(id="vte", name="Vientiane"),),
        appliances=(
            Appliance(
                id=FRIDGE,
                name="Blood fridge",
                site="vte",
                assignments=(Assignment(carries=carries),),
                service=service,  # type: ignore[arg-type]
            ),
            Appliance(id="vte-br-07", name="Spare", site="vte", assignments=(Assignment(carries=carries),)),
        ),
        sensors=(Sensor(id=f"{FRIDGE}/load", appliance=FRIDGE, probe="load", node="n", channel=0),),
        people=(
            Person(id="technician", name="Noy", phone="+8562000000001"),
            Person(id="boss", name="Kham", phone="+8562000000002"),
        ),
    )


class Shop:
    """A book, what puts aside, and the clock. Conditions by name: high, high_warning, low, ..."""

    def __init__(self, folder: Path) -> None:
        self.now_ms = START
        self.version = 1
        self.registry = registry()
        self.store_path = folder / "alarms.db"
        self.store = AlarmStore(self.store_path)
        self.store.db.execute("PRAGMA synchronous=OFF")
        numbers = iter(range(10**6))
        self.chains = Chains(self.store.db, lambda most: (next(numbers) * 7919) % most)
        self.left_ms: int | None = None
        self.teller = Teller(
            self.store,
            self.chains,
            ("sms",),
            lambda _sensor: (7000, self.now_ms),
            lambda _s, _at: self.left_ms,
        )
        self.book = Book(self.store, self.teller, lambda _sensor: (7000, self.now_ms))
        self.rows = np.zeros(0, JOURNALLED)
        self.aside = Aside(self.store, self.book, self._readings, 5 * MINUTE)
        self._running: dict[str, Excursion] = {}

    @property
    def scene(self) -> Scene:
        rules = build_table(self.registry, {}, fault_after_ms=5 * MINUTE)
        return Scene(self.registry, self.version, rules, {}, 1, self.now_ms)

    def carries(self, what: str) -> None:
        self.registry = registry(what)
        self.version += 1

    def reads(self, celsius: float, hours: float) -> None:
        """The fridge's record holds that, a reading a minute, up to now."""
        at = np.arange(self.now_ms - round(hours * HOUR), self.now_ms + 1, MINUTE)
        self.rows = np.zeros(len(at), JOURNALLED)
        self.rows["at_ms"], self.rows["value"] = at, round(celsius * 1000)

    def _readings(self, sensor: str, start_ms: int, end_ms: int) -> np.ndarray:
        at = self.rows["at_ms"]
        return self.rows[(at >= start_ms) & (at < end_ms)]

    # --- what happens

    def begins(self, condition: str = "high", value: int = 7000) -> str | None:
        """An excursion is true now. The alarm's id, if there is one."""
        kind = CONDITIONS[NUMBER_OF[condition]].kind
        id_ = f"{FRIDGE}/load:{condition}:{self.now_ms}"
        fact = Excursion(
            id_, f"{FRIDGE}/load", FRIDGE, condition, self.now_ms, self.now_ms, None, value, 6000,
            "red-cells@eu v1", self.version, True, None, self.now_ms,
        )  # fmt: skip
        assert kind
        with self.store.transaction():
            self.store.put_excursion(fact)
            self.book.announce(fact, value, self.now_ms, self.scene)
        self._running[condition] = fact
        known = self.store.excursion(id_)
        return known.alarm if known else None

    def ends(self, condition: str = "high") -> None:
        fact = self._running.pop(condition)
        known = self.store.excursion(fact.id)
        assert known is not None
        with self.store.transaction():
            self.store.put_excursion(replace(known, ended_ms=self.now_ms))
            if known.alarm:
                self.book.over(known.alarm, self.now_ms, 4000, self.scene)

    def retold(self) -> None:
        """What began while nobody was to be told, and lasts: told if it may be now (the watch does so)."""
        for fact in self._running.values():
            known = self.store.excursion(fact.id)
            if known is not None and not known.alarm:
                with self.store.transaction():
                    self.book.announce(known, known.peak, self.now_ms, self.scene)

    def passes(self, minutes: float) -> None:
        """In steps of a minute; time brings what it brings."""
        until = self.now_ms + round(minutes * MINUTE)
        while self.now_ms < until:
            self.now_ms = min(until, self.now_ms + MINUTE)
            self.look()

    def look(self) -> None:
        with self.store.transaction():
            self.aside.look(self.scene)

    def outage(self) -> str:
        """The site's mains are gone."""
        case = Case(
            id=f"vte:power:{self.now_ms}", scope="site", subject="vte", sensor="", site="vte", kind="power",
            severity="critical", since_ms=self.now_ms, at_ms=self.now_ms, value=None, limit=None, peak=None,
            rule="power@1", profile=None,
        )  # fmt: skip
        with self.store.transaction():
            alarm = self.book.open(case, self.scene)
        self.book.parent_of = lambda _appliance, _kind: alarm
        return alarm

    def mains_back(self, alarm: str) -> None:
        self.book.parent_of = lambda _appliance, _kind: None
        with self.store.transaction():
            self.book.over(alarm, self.now_ms, None, self.scene)

    def ask(self, verb: str, *args: str, **said: str) -> str:
        """A command of the technician's, or of the book itself (acknowledge)."""
        who = self.book if verb == "acknowledge" else self.aside
        with self.store.transaction():
            done: str = getattr(who, verb)(*args, "technician", self.scene, **said)
        return done

    # --- what is to be seen

    def alarm(self, kind: str = "high") -> Alarm:
        found = [Alarm(*row) for row in self.store.db.execute("SELECT * FROM alarm WHERE kind = ?", (kind,))]
        return found[-1]

    def notices(self, alarm: str) -> int:
        sql = "SELECT count(*) FROM notice WHERE alarm = ? AND about = 'raised' AND state <> 'cancelled'"
        (found,) = self.store.db.execute(sql, (alarm,)).fetchone()
        return int(found)

    def called(self, alarm: str) -> bool:
        """Is somebody being called for it?"""
        row = self.chains.chain(alarm)
        return row is not None and row.state == "calling"
