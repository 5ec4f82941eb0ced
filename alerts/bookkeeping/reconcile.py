# SPDX-License-Identifier: Apache-2.0
"""Bring the book into line with what a past judged again has told. Writes inside the caller's transaction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from alerts.alarms.entries import Scene, excursion_of
from alerts.bookkeeping.book import Book
from alerts.judgement.again import Again
from alerts.judgement.engine import Events, What
from alerts.rules import CONDITIONS, NUMBER_OF
from alerts.store import AlarmStore
from coldchain.records.alarms import Excursion

FOREVER = 2**62
WHY = "late readings"

Key = tuple[int, int]
"""Number of a condition, and since when."""
Told = tuple[Excursion, int | None]
"""An excursion, and the instant of its first live reading while it stood."""


class Reconciler:
    """Excursions become those judged now; live alarms are never silently withdrawn."""

    def __init__(self, store: AlarmStore, book: Book) -> None:
        self._store, self._book = store, book

    def enter(self, sensor: str, again: Again, scene: Scene) -> None:
        """All that the sensor has in the book after `after_ms` becomes what was found."""
        after_ms, events = again.task.after_ms, again.events
        had = [e for e in self._store.excursions_after(sensor, after_ms) if e.kind in NUMBER_OF]
        begun, over = standing(again, had, scene)
        known = {e.id for e in begun.values()}
        before = {e.id: e for e in had if e.raised_ms > after_ms or e.id in known | {o.id for o in over}}
        fresh = episodes(events[events["at"] > after_ms], begun, scene)
        fresh += [(replace(e, ended_ms=after_ms), None) for e in over]
        changed = self._write(before, fresh)
        newest_ms = max(int(again.task.block.at.max(initial=0)), after_ms, 0)
        for alarm in sorted(changed):  # what was taken away whole is over since the newest reading says so
            self._book.over(alarm, max(changed[alarm], default=newest_ms), None, scene, why=WHY)
        for new, told_at in sorted(fresh, key=lambda one: (one[1] or 0, NUMBER_OF[one[0].kind])):
            if new.ended_ms is not None or told_at is None:
                continue
            entry = self._store.excursion(new.id)
            if entry is not None and entry.alarm is None:
                self._book.announce(entry, entry.peak, told_at, scene)

    def _write(self, before: dict[str, Excursion], fresh: list[Told]) -> dict[str, list[int]]:
        """The alarms of which something was taken away or has ended otherwise than they know: when."""
        changed: dict[str, list[int]] = {}
        orphans = [e for e in before.values() if e.alarm]
        for new, _ in fresh:
            old = before.get(new.id)
            heir = old if old and old.alarm else next((e for e in orphans if _same(e, new)), None)
            if heir in orphans:
                orphans.remove(heir)
            alarm = heir.alarm if heir else None
            if old is not None and facts(old) == facts(new) and old.alarm == alarm:
                continue
            self._store.put_excursion(replace(new, alarm=alarm, retrospective=alarm is None))
            self._book.grown(alarm, new.peak)
            if heir and heir.alarm and (heir.id != new.id or heir.ended_ms != new.ended_ms):
                changed.setdefault(heir.alarm, []).extend([new.ended_ms] if new.ended_ms else [])
        ids = {new.id for new, _ in fresh}
        for old in before.values():
            if old.id not in ids:
                self._store.drop_excursion(old.id)
                if old.alarm:
                    changed.setdefault(old.alarm, [])
        return changed


def standing(
    again: Again, had: list[Excursion], scene: Scene
) -> tuple[dict[Key, Excursion], list[Excursion]]:
    """What stood at `after_ms`, as it was told then; and what the book thought stood, and did not."""
    task, row = again.task, again.task.start.table
    stood: dict[int, tuple[int, int | None, Excursion | None]] = {}
    for number in np.flatnonzero(row["standing"][0]).tolist():
        sign, size = CONDITIONS[number].sign, int(row["peak"][0, number])
        stood[number] = int(row["since"][0, number]), sign * size if sign else None, None
    for event in again.events[again.events["at"] <= task.after_ms]:
        number, what, made = int(event["kind"]), What(int(event["what"])), excursion_of(event, scene)
        if what is What.RETURNED:
            stood.pop(number, None)
        else:
            new = made if what is What.RAISED else stood[number][2]
            stood[number] = int(event["since"]), made.peak, new
    open_then = {NUMBER_OF[e.kind]: e for e in had if e.raised_ms <= task.after_ms}
    begun: dict[Key, Excursion] = {}
    for number, (since, peak, new) in stood.items():
        entry = open_then.pop(number, new)
        if entry is not None:
            begun[number, since] = replace(entry, ended_ms=None, peak=peak)
    return begun, list(open_then.values())


def episodes(events: Events, begun: dict[Key, Excursion], scene: Scene) -> list[Told]:
    """The excursions that the events of one sensor tell, after those that had begun before."""
    found: dict[Key, Told] = {key: (e, None) for key, e in begun.items()}
    for event in events:
        made, what, at = excursion_of(event, scene), What(int(event["what"])), int(event["at"])
        key = int(event["kind"]), int(event["since"])
        if what is What.RAISED:
            found[key] = (made, None)
        if key not in found:
            continue  # it had begun, and the book does not have it
        known, told_at = found[key]
        if what is What.ANNOUNCED:
            found[key] = (known, at)
        elif what is What.GROWN:
            found[key] = (replace(known, peak=made.peak), told_at)
        elif what is What.RETURNED:
            peak = made.peak if CONDITIONS[key[0]].sign else None
            found[key] = (replace(known, ended_ms=at, peak=peak), told_at)
    return list(found.values())


def facts(e: Excursion) -> tuple[object, ...]:
    """What the readings and the rules say of it."""
    return e.id, e.raised_ms, e.ended_ms, e.peak, e.limit_value, e.profile


def _same(old: Excursion, new: Excursion) -> bool:
    """Do two judgements of the past speak of the same event? Same kind, touching in time."""
    old_end = FOREVER if old.ended_ms is None else old.ended_ms
    new_end = FOREVER if new.ended_ms is None else new.ended_ms
    return old.kind == new.kind and old.started_ms <= new_end and new.started_ms <= old_end
