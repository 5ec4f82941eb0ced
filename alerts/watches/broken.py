# SPDX-License-Identifier: Apache-2.0
"""The chain is broken: one alarm for each subject (a canary, a person's telephone) that names the link.

It clears with the next proof that the chain is whole.
"""

from __future__ import annotations

from alerts.alarms.entries import Case, Scene
from alerts.bookkeeping.book import Book
from alerts.store import AlarmStore

SCOPE, KIND, RULE = "chain", "chain", "chain@1"


class Broken:
    """Both inside the caller's transaction."""

    def __init__(self, store: AlarmStore, book: Book) -> None:
        self._store, self._book = store, book

    def found(self, subject: str, site: str, link: str, scene: Scene, *, detail: str = "") -> None:
        """That link broke. `link`: a word of the templates `link_...`; `detail`: what is known of it."""
        self._store.db.execute(
            "INSERT OR REPLACE INTO broken VALUES (?,?,?,?)", (subject, link, detail[:200], scene.now_ms)
        )
        case = Case(
            id=f"{SCOPE}/{subject}:{KIND}:{scene.now_ms}",
            scope=SCOPE,
            subject=subject,
            site=site,
            kind=KIND,
            severity="warning",
            since_ms=scene.now_ms,
            at_ms=scene.now_ms,
            rule=RULE,
        )
        alarm = self._book.open(case, scene)
        self._store.note(alarm, scene.now_ms, "broken", f"{link}: {detail}"[:240] if detail else link)

    def stands(self, subject: str) -> bool:
        alarm = self._store.open_alarm(SCOPE, subject, KIND)
        return alarm is not None and alarm.standing

    def whole(self, subject: str, scene: Scene) -> bool:
        """A proof came through. False when nothing was broken."""
        alarm = self._store.open_alarm(SCOPE, subject, KIND)
        if alarm is None or not alarm.standing:
            return False
        self._book.over(alarm.id, scene.now_ms, None, scene)
        return True

    def forget(self, subjects: set[str], scene: Scene) -> bool:
        """Those that nothing will ever prove again: no such canary, nobody who gets a line."""
        chains = (a.appliance for a in self._store.standing() if (a.scope, a.kind) == (SCOPE, KIND))
        gone = [subject for subject in chains if subject not in subjects]
        changed = [self.whole(subject, scene) for subject in gone]
        return any(changed)
