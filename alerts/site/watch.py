# SPDX-License-Identifier: Apache-2.0
"""The watch over sites: power that fails, silence that may hide a loss, causes; compared with the book.

One outage is one alarm of the site, with a list that is rewritten while it changes. Alarms of appliances
that come of it stand under it. Nothing here enters the engine's step: verdicts stay a function of readings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from alerts.alarms.entries import Case, Scene
from alerts.alarms.lifecycle import Event, State
from alerts.bookkeeping.book import Book
from alerts.judgement.state import EngineState
from alerts.rules.flat import Bools, Ints
from alerts.rules.silence import Silence
from alerts.site import asking, blind, keeping, lists, supply
from alerts.site.contacts import Contacts
from alerts.site.now import Now, Terms, gather, places, terms_at
from alerts.site.outages import Outages
from alerts.site.refuge import Place
from alerts.site.roster import Roster, roster
from alerts.site.silent import SilentWatch
from alerts.site.supply import Outage
from alerts.store import AlarmStore
from coldchain.kernel.readings import Rows
from coldchain.records.alarms import Listed
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Registry
from coldchain.records.site import Held

RULE, KIND, SCOPE = "power@1", "power", "site"
CAUSED = frozenset({"high", "low", "rate", "forecast", "cumulative", "agitator", "silence"})
"""Kinds of alarms of an appliance that come of its having no power. A broken probe does not."""
REFRESH_MS = 60_000
"""Lists and the blind clock are reckoned anew so often."""
LOOK_MS = 5_000
"""Supplies are looked at so often: power is an alarm after minutes, and it takes them all."""


@dataclass(slots=True)
class SiteChanges:
    """What a look has found; empty is the rule."""

    raised: list[tuple[Outage, str, str]] = field(default_factory=list)  # with subject and severity
    worse: list[str] = field(default_factory=list)  # subjects whose alarm becomes critical
    over: list[str] = field(default_factory=list)
    lists: dict[str, list[Listed]] = field(default_factory=dict)  # by subject
    held: list[Held] = field(default_factory=list)
    causes: list[asking.Told] = field(default_factory=list)
    freed: list[tuple[str, str]] = field(default_factory=list)  # alarms, each with what it stood under
    silent: bool = False

    def __bool__(self) -> bool:
        return bool(
            self.raised or self.worse or self.over or self.lists or self.held or self.causes or self.silent
            or self.freed
        )  # fmt: skip


class SiteWatch:
    """`feed` with every block of the journal, `look` now and then, `enter` in the caller's transaction."""

    def __init__(self, store: AlarmStore, book: Book, readings_db: Path, now_ms: int) -> None:
        self._store, self._book = store, book
        self._outages = Outages(keeping.saved(store.db))
        self._asking = asking.Asking(store, readings_db, now_ms)
        self._silent = SilentWatch(store, book)
        self._alarms = {a.appliance: a.id for a in store.standing() if (a.scope, a.kind) == (SCOPE, KIND)}
        self._severity = {a.appliance: a.severity for a in store.standing() if a.kind == KIND}
        self._contacts: Contacts | None = None
        self._roster: Roster | None = None
        self._begun = False
        self._looked_ms = 0
        self._terms: tuple[int, Terms] | None = None
        self._off: dict[str, str] = {}
        self._listed: dict[str, list[Listed]] = {}
        self._listed_ms: dict[str, int] = {}
        book.parent_of = self.parent_of

    # --- what it is told

    def rebuild(
        self, registry: Registry, series: Mapping[int, tuple[str, int]], journal: JournalReader | None
    ) -> None:
        """A new version of the registry, or new series in the journal."""
        numbers = {sensor: number for number, (sensor, _) in series.items()}
        contacts = Contacts({number: quantity for number, (_, quantity) in series.items()})
        if self._contacts is not None:
            contacts.taken_over(self._contacts)
        if journal is not None and len(series) and not self._begun:
            self._begun = True
            latest = journal.latest()
            contacts.begin({numbers[s]: newest for s, newest in latest.items() if s in numbers})
        self._contacts = contacts
        self._roster, self._terms = roster(registry, numbers), None
        self._outages.grow(max(series, default=-1) + 1)

    def feed(self, rows: Rows) -> None:
        """Rows of the journal, as they come; again after a restart."""
        if self._contacts is not None:
            self._contacts.feed(rows)
        self._outages.feed(rows)

    def forget(self) -> None:
        """The journal is another one: its series have other numbers."""
        self._outages, self._contacts, self._begun = Outages(), None, False

    def save(self, now_ms: int) -> None:
        """With the engine's state, in its transaction."""
        if self._outages.changed:
            keeping.save(self._store.db, self._outages.table, now_ms)
            self._outages.changed = False

    def parent_of(self, appliance: str, kind: str) -> str | None:
        """The site's alarm under which such an alarm of the appliance stands."""
        return self._off.get(appliance) if kind in CAUSED else None

    # --- a look

    def look(self, state: EngineState, scene: Scene, silence: Silence) -> SiteChanges:
        changes = SiteChanges()
        chart, contacts = self._roster, self._contacts
        if chart is None or contacts is None or not len(chart):
            return changes
        if self._looked_ms <= scene.now_ms < self._looked_ms + LOOK_MS:
            return changes
        self._looked_ms = scene.now_ms
        silent = _by_appliance(silence.unit_silent, scene, chart)
        now = gather(state, chart, self._terms_at(chart, scene.now_ms), contacts, silent, scene.now_ms)
        standing = [n for n in range(len(chart.supplies)) if chart.subject(n) in self._alarms]
        found = supply.outages(now.seen, frozenset(standing))
        changes.held = self._follow(found, now, chart, scene)
        self._compare(found, now, chart, scene, changes)
        changes.causes = self._asking.look(state, now, chart, scene)
        whole = silent & _by_appliance(silence.unit_whole, scene, chart)
        changes.silent = self._silent.look(whole, silence, now, self._outages, chart, scene)
        return changes

    def _terms_at(self, chart: Roster, now_ms: int) -> Terms:
        minute = now_ms // REFRESH_MS
        if self._terms is None or self._terms[0] != minute:
            self._terms = (minute, terms_at(chart, now_ms))
        return self._terms[1]

    def _follow(self, found: list[Outage], now: Now, chart: Roster, scene: Scene) -> list[Held]:
        """What every outage teaches, an unplugged appliance's too."""
        off = chart.fixed & (now.seen.mains < 0.5)
        for n in np.flatnonzero(off).tolist():
            self._outages.begin(np.array([n]), int(now.seen.mains_since[n]), now, chart)
        for outage in found:
            who = np.array(outage.off, np.int64)
            off[who] = True
            self._outages.begin(who, outage.since_ms, now, chart)
        running = self._outages.running(chart)
        ended = running[~off[running]]
        if not len(ended):
            return []
        back = now.seen.mains_since[ended][now.seen.mains[ended] > 0.5]
        return self._outages.end(ended, int(back.max()) if len(back) else scene.now_ms, now, chart)

    def _compare(
        self, found: list[Outage], now: Now, chart: Roster, scene: Scene, changes: SiteChanges
    ) -> None:
        dark = {outage.supply for outage in found}
        refuges: list[Place] | None = None
        lasting = set()
        for outage in found:
            subject = chart.subject(outage.supply)
            lasting.add(subject)
            self._note_off(subject, outage, chart)
            who = _in_use(outage, now, chart)
            new = subject not in self._alarms
            if new and (not len(who) or scene.now_ms - outage.since_ms < supply.ON_DELAY_MS):
                continue
            if not new and scene.now_ms - self._listed_ms.get(subject, 0) < REFRESH_MS:
                continue
            if refuges is None:
                alarmed, out = keeping.alarmed(self._store.db), keeping.out_of_service(self._store.db)
                refuges = places(now, chart, scene.registry, alarmed=alarmed, out=out, dark=dark)
            left = lists.time_left(self._outages.rows(chart.load[who]), who, now, chart, scene.now_ms)
            listed = lists.listed(left, who, now, chart, refuges)
            severity = "critical" if lists.is_near(left) else "warning"
            self._listed_ms[subject] = scene.now_ms
            if new:
                changes.raised.append((outage, subject, severity))
            elif severity == "critical" and self._severity.get(subject) != "critical":
                changes.worse.append(subject)
            if new or listed != self._listed.get(subject):
                changes.lists[subject] = listed
            if not new:
                changes.freed += self._freed(subject, outage, now, chart, scene.now_ms)
        changes.over = [subject for subject in self._alarms if subject not in lasting]

    def _note_off(self, subject: str, outage: Outage, chart: Roster) -> None:
        """What comes of it stands under its alarm; what has power again stands for itself."""
        alarm = self._alarms.get(subject)
        if alarm is not None:
            self._off = {name: above for name, above in self._off.items() if above != alarm}
            self._off |= {chart.appliances[n].id: alarm for n in outage.off}

    def _freed(
        self, subject: str, outage: Outage, now: Now, chart: Roster, now_ms: int
    ) -> list[tuple[str, str]]:
        """Alarms under it of appliances that have had power for a while, or hang on it no more."""
        parent = self._alarms[subject]
        back = (now.seen.mains > 0.5) & (now_ms - now.seen.mains_since >= supply.ON_DELAY_MS)
        still = np.flatnonzero((now.seen.supply == outage.supply) & ~back)
        held = {chart.appliances[n].id for n in still.tolist()}
        return [
            (child.id, parent)
            for child in self._store.children(parent)
            if child.state == State.SUPPRESSED.value and child.appliance not in held
        ]

    # --- writing

    def enter(self, changes: SiteChanges, scene: Scene) -> None:
        """Inside the caller's transaction. A list is there before the alarm that it belongs to is told."""
        db = self._store.db
        assert self._roster is not None
        for outage, subject, severity in changes.raised:
            case = _case(outage, subject, severity, self._roster, scene)
            known = self._store.open_alarm(SCOPE, subject, KIND)
            self._alarms[subject] = known.id if known else case.id
        for subject, listed in changes.lists.items():
            keeping.put_list(db, self._alarms[subject], listed)
            self._listed[subject] = listed
        for outage, subject, severity in changes.raised:
            case = _case(outage, subject, severity, self._roster, scene)
            alarm = self._book.open(case, scene)
            self._alarms[subject], self._severity[subject] = alarm, severity
            self._store.note(
                alarm, scene.now_ms, "evidence", f"{100 * outage.confidence:.0f} %: {outage.evidence}"
            )
            self._note_off(subject, outage, self._roster)
        for subject in changes.worse:
            self._raise_to_critical(subject, scene)
        for id_, parent in changes.freed:
            if (child := self._store.alarm(id_)) is not None:
                self._book.resume(child, Event.RELEASE, scene, detail=parent)
        for subject in changes.over:
            self._return(subject, scene)
        keeping.put_held(db, changes.held)
        for alarm, told in changes.causes:
            self._store.note(alarm, scene.now_ms, asking.EVENT, told)
        if changes.silent:
            self._silent.enter(scene)

    def _raise_to_critical(self, subject: str, scene: Scene) -> None:
        alarm = self._store.alarm(self._alarms[subject])
        self._severity[subject] = "critical"
        if alarm is not None:
            self._book.open(blind.case_again(alarm, "critical", scene.now_ms), scene)

    def _return(self, subject: str, scene: Scene) -> None:
        alarm = self._alarms.pop(subject)
        for memory in (self._severity, self._listed, self._listed_ms):
            memory.pop(subject, None)
        self._off = {name: above for name, above in self._off.items() if above != alarm}
        self._book.over(alarm, scene.now_ms, None, scene)


def _by_appliance(column: Bools, scene: Scene, chart: Roster) -> Bools:
    """(A,) in the roster's order: the rules' units are the registry's appliances, perhaps a version apart."""
    units = scene.rules.units
    if len(units) == len(chart) and all(a.id == u for a, u in zip(chart.appliances, units, strict=True)):
        return column
    number = {unit: n for n, unit in enumerate(units)}
    return np.array([bool(column[number[a.id]]) if a.id in number else False for a in chart.appliances])


def _in_use(outage: Outage, now: Now, chart: Roster) -> Ints:
    """Of its appliances those that hold blood under limits, and whose load was ever heard."""
    who = np.array(outage.off, np.int64)
    used = np.array([now.profile[n] is not None for n in outage.off], np.bool_)
    return who[used & (chart.load[who] >= 0) & np.isfinite(now.value_c[who])]


def _case(outage: Outage, subject: str, severity: str, chart: Roster, scene: Scene) -> Case:
    return Case(
        id=f"site/{subject}:{KIND}:{outage.since_ms}",
        scope=SCOPE,
        subject=subject,
        site=chart.supplies[outage.supply][0],
        kind=KIND,
        severity=severity,
        since_ms=outage.since_ms,
        at_ms=scene.now_ms,
        rule=RULE,
        appliances=len(outage.off),
    )
