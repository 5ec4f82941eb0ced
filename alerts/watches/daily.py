# SPDX-License-Identifier: Apache-2.0
"""The morning's messages, each once a day: what is to be mended; the line that proves chain and telephone.

At `notify.morning` in the zone of the person's site. A morning that was missed by more than LATEST_MS is not
made up for: nobody is told at night what they may as well read tomorrow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from alerts.alarms.entries import Scene
from alerts.bookkeeping.book import Book
from alerts.notices.chains import Chains, Draft
from alerts.oncall.policy import people_of, quiet_until, routes
from alerts.oncall.rota import instant_of, local_of
from alerts.store import AlarmStore
from alerts.watches.broken import KIND as CHAIN
from alerts.watches.broken import Broken
from alerts.words.morning import how_it_is, to_mend
from coldchain.kernel.errors import ColdChainError
from coldchain.records.journal import JournalReader
from coldchain.records.readiness import Finding, site_of
from coldchain.records.registry import Person, Registry, Sensor, Site
from coldchain.settings import Settings

log = structlog.get_logger()

Ready = Callable[[int], Sequence[Finding]]
"""(instant) -> what is to be mended, the most urgent first."""

Ranges = dict[str, dict[str, tuple[int, int]]]
"""site -> what is carried there -> lowest and highest of its loads within a day [thousandths]."""

DIGEST, LINE = "digest", "line"
RESPONSIBLE = ("supervisor", "manager")
LATEST_MS = 5 * 3_600_000
PROOF_MS = 30 * 60_000
"""A line that no delivery report has come of for so long has not arrived, as far as we know."""
LOOK_EVERY_MS = 20_000
DAY_MS = 86_400_000
WATCHED_MS = 3 * DAY_MS
TONIGHT_MS = 15 * 3_600_000
"""After the morning's message: by then the night's shift is on."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A message that somebody gets every morning; `site` None: one for all of theirs."""

    what: str
    person: Person
    site: Site | None
    zone: str

    @property
    def who(self) -> str:
        return self.person.id if self.site is None else f"{self.person.id}/{self.site.id}"


class Daily:
    """`ready` None: there is no list, and no message of it."""

    def __init__(
        self, store: AlarmStore, book: Book, broken: Broken, settings: Settings, ready: Ready | None
    ) -> None:
        self._store, self._teller, self._broken, self._ready = store, book.teller, broken, ready
        self._chains: Chains = book.teller.chains
        self._notify, self._journal = settings.notify, settings.readings_db
        self._again_ms = 0

    def look(self, scene: Scene) -> bool:
        """Write what is due, and follow what went out. False when nothing changed."""
        if not self._teller.channels or scene.now_ms < self._again_ms <= scene.now_ms + LOOK_EVERY_MS:
            return False
        self._again_ms = scene.now_ms + LOOK_EVERY_MS
        due = [wish for wish in self._wishes(scene.registry) if self._is_due(wish, scene.now_ms)]
        return (self._write(due, scene) if due else False) | self._follow(scene)

    # --- who gets what

    def _wishes(self, registry: Registry) -> list[Wish]:
        found = []
        for person in registry.people:
            sites = [site for site in registry.sites if not person.sites or site.id in person.sites]
            if not sites:
                continue
            named = self._notify.digest_to
            if self._ready and (person.id in named if named else person.role in RESPONSIBLE):
                found.append(Wish(DIGEST, person, None, sites[0].zone))
            if person.id in self._notify.all_well:
                found += [Wish(LINE, person, site, site.zone) for site in sites]
        return found

    def _is_due(self, wish: Wish, now_ms: int) -> bool:
        day = local_of(now_ms, wish.zone).date()
        since_ms = now_ms - instant_of(day, self._notify.morning, wish.zone)
        if not 0 <= since_ms < LATEST_MS:
            return False
        sql = "SELECT 1 FROM daily WHERE day = ? AND what = ? AND who = ?"
        return self._store.db.execute(sql, (day.isoformat(), wish.what, wish.who)).fetchone() is None

    # --- writing

    def _write(self, due: list[Wish], scene: Scene) -> bool:
        try:
            found = self._ready(scene.now_ms) if self._ready and any(w.what == DIGEST for w in due) else ()
            ranges = self._ranges(scene) if any(w.what == LINE for w in due) else {}
        except ColdChainError as bad:
            log.warning("morning_put_off", why=str(bad))
            return False
        with self._store.transaction():
            for wish in due:
                if wish.site is None:
                    text = self._digest(wish.person, found, scene.registry)
                else:
                    text = self._line(wish.person, wish.site, ranges, scene)
                self._send(wish, text, scene)
        return True

    def _digest(self, person: Person, found: Sequence[Finding], registry: Registry) -> str:
        mine = [
            (one.what, one.subject)
            for one in found
            if one.level != "note" and concerns(one, person, registry)
        ]
        return to_mend(mine, person.language) if mine or self._notify.digest_always else ""

    def _line(self, person: Person, site: Site, ranges: Ranges, scene: Scene) -> str:
        tonight = people_of(scene.registry, site.id, ("duty:1",), scene.now_ms + TONIGHT_MS)
        alarms = sum(a.site == site.id and a.kind != CHAIN for a in self._store.standing())
        spans = [*ranges.get(site.id, {}).values()]
        on_call = [(p.name, p.id) for p in tonight]
        return how_it_is(site.name, site.id, spans, alarms, on_call, person.language)

    def _ranges(self, scene: Scene) -> Ranges:
        carried: dict[str, tuple[str, str]] = {}
        for sensor in scene.registry.sensors:
            if (where := _carries(sensor, scene)) is not None:
                carried[sensor.id] = where
        journal = JournalReader(self._journal)
        try:
            seen = journal.min_max_many(carried, scene.now_ms - DAY_MS, scene.now_ms + 1, 1)
        finally:
            journal.close()
        found: Ranges = {}
        for name, (_, low, high, n) in sorted(seen.items()):
            if n[0]:
                site, profile = carried[name]
                here = (int(low[0]), int(high[0]))
                known = found.setdefault(site, {}).get(profile, here)
                found[site][profile] = (min(known[0], here[0]), max(known[1], here[1]))
        return found

    def _send(self, wish: Wish, text: str, scene: Scene) -> None:
        """Once a day; a person whom no written message reaches is not told, and their line has failed."""
        day = local_of(scene.now_ms, wish.zone).date().isoformat()
        ways = [way for way in routes(wish.person, self._teller.channels) if way[0] != "call"]
        notice = f"daily:{day}:{wish.what}:{wish.who}" if text and ways else ""
        self._store.db.execute(
            "INSERT OR IGNORE INTO daily VALUES (?,?,?,?,?,?)",
            (day, wish.what, wish.who, scene.now_ms, notice, "" if notice else "nothing"),
        )
        if notice:
            channel, address = ways[0]
            quiet_ms = quiet_until(wish.person, wish.zone, scene.now_ms)
            site = wish.site.id if wish.site else ""
            draft = Draft(notice, wish.what, 0, wish.person.id, channel, 0, address, text, site)
            self._chains.add(draft, scene.now_ms, quiet_ms)
        elif text and wish.site:
            detail = f"{wish.person.name} has no channel that we have"
            self._broken.found(wish.who.replace("/", "-"), wish.site.id, "unsent", scene, detail=detail)

    # --- proving

    def _follow(self, scene: Scene) -> bool:
        """What became of the lines: a report clears, half an hour without one is a broken chain."""
        rows = self._store.db.execute(
            "SELECT d.day, d.who, d.fate, n.site, n.state, n.detail, x.refs || x.carrier_id, x.delivered_ms,"
            " x.fate, coalesce(n.sent_ms, n.first_try_ms, max(n.created_ms, n.due_ms)) FROM daily d"
            " JOIN notice n ON n.alarm = d.notice JOIN delivery x ON x.notice = n.id"
            " WHERE d.what = ? AND d.fate IN ('', 'failed') AND d.at_ms > ? ORDER BY d.at_ms",
            (LINE, scene.now_ms - WATCHED_MS),
        ).fetchall()
        changed = False
        for day, who, known, site, state, detail, refs, delivered, report, since_ms in rows:
            late = scene.now_ms - since_ms >= PROOF_MS
            fate = fate_of(state, report, refs=refs, delivered=delivered is not None, late=late)
            if fate in ("", known):
                continue
            changed = True
            with self._store.transaction():
                self._store.db.execute(
                    "UPDATE daily SET fate = ? WHERE day = ? AND what = ? AND who = ?",
                    (fate, day, LINE, who),
                )
                subject = str(who).replace("/", "-")
                if fate == "failed":
                    link = "unreported" if state == "sent" else "unsent"
                    self._broken.found(subject, site, link, scene, detail=detail)
                else:
                    self._broken.whole(subject, scene)
        return changed

    def subjects(self, registry: Registry) -> set[str]:
        """Whom a line is sent to: of nobody else a chain can be broken."""
        return {wish.who.replace("/", "-") for wish in self._wishes(registry) if wish.what == LINE}


def fate_of(state: str, report: str, *, refs: str, delivered: bool, late: bool) -> str:
    """proven, sent (no reports there: no `refs`), failed; nothing while it may yet become one of them.

    >>> told = {"refs": "17", "delivered": False}
    >>> fate_of("sent", "", **told, late=False), fate_of("sent", "", **told, late=True)
    ('', 'failed')
    >>> fate_of("sent", "", refs="", delivered=False, late=True)
    'sent'
    >>> fate_of("failed", "", refs="", delivered=False, late=True)
    'failed'
    """
    if delivered:
        return "proven"
    if state == "given_up" or report == "failed":
        return "failed"
    if state == "sent" and not refs:
        return "sent"
    return "failed" if late else ""


def concerns(finding: Finding, person: Person, registry: Registry) -> bool:
    """Is it about a site of theirs, or about everybody?"""
    site = site_of(finding, registry)
    return site is None or not person.sites or site in person.sites


def _carries(sensor: Sensor, scene: Scene) -> tuple[str, str] | None:
    """(site, profile) of a load's temperature in an appliance that is in use."""
    appliance = scene.registry.appliance_by_id.get(sensor.appliance or "")
    if appliance is None or sensor.quantity != "temperature" or sensor.probe == "air":
        return None
    carried = appliance.carries(scene.now_ms)
    return None if carried in (None, "empty", "loading") else (appliance.site, str(carried))
