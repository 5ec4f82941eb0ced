# SPDX-License-Identifier: Apache-2.0
"""The watch for silence: who has fallen silent or speaks again, compared with the alarms that stand."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from alerts.book import Book, Case, Scene, excursion_id, in_use
from alerts.engine import Table
from alerts.rules import CONDITIONS
from alerts.rules.flat import Bools
from alerts.rules.silence import Silence, judge_silence
from alerts.store import AlarmStore
from coldchain.kernel.words import NO_VALUE
from coldchain.records.alarms import Excursion

RULE = "silence@1"
KIND = "silence"


@dataclass(frozen=True, slots=True)
class Changes:
    """What a look has found; empty is the rule."""

    raise_units: list[int] = field(default_factory=list)
    raise_groups: list[int] = field(default_factory=list)
    over: list[str] = field(default_factory=list)  # alarm ids
    untold: list[Excursion] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.raise_units or self.raise_groups or self.over or self.untold)


class Watch:
    """Looks now and then, never while there is a backlog: what waits in our own queue is not silence."""

    def __init__(self, store: AlarmStore, book: Book, silent_after_ms: int) -> None:
        self._store, self._book, self._silent_after_ms = store, book, silent_after_ms
        self._standing = {(a.scope, a.appliance): a.id for a in store.standing() if a.kind == KIND}
        self._fresh_since: dict[tuple[str, str], int] = {}

    def look(self, table: Table, scene: Scene, since_ms: int) -> tuple[Silence, Changes]:
        """Compare. Pure but for the memory of when each gateway was heard again.

        since_ms  nothing is judged silent before since_ms + silent_after: when the watch began
        """
        rules = scene.rules
        live_at = table["live_at"][: len(rules)]
        now = judge_silence(live_at, rules, self._silent_after_ms, scene.now_ms)
        settling = scene.now_ms <= since_ms + self._silent_after_ms
        raise_groups = [] if settling else self._new_groups(now, scene)
        held = now.held | self._resuming(now, scene)
        units = [] if settling else np.flatnonzero(now.unit_silent & ~held).tolist()
        raise_units = [
            u
            for u in units
            if ("appliance", rules.units[u]) not in self._standing
            and in_use(scene.registry, rules.units[u], scene.now_ms)
        ]
        return now, Changes(raise_units, raise_groups, self._over(now, scene), self._untold(table, scene))

    def _untold(self, table: Table, scene: Scene) -> list[Excursion]:
        """What began while the appliance was empty, and lasts now that it is in use."""
        found = []
        for series, kind in np.argwhere(table["announced"] & table["standing"]).tolist():
            sensor, since = scene.names.get(series, ""), int(table["since"][series, kind])
            known = self._store.excursion(excursion_id(sensor, CONDITIONS[kind].name, since))
            if known is None or known.alarm or known.ended_ms is not None:
                continue
            if in_use(scene.registry, known.appliance, scene.now_ms):
                found.append(known)
        return found

    def _new_groups(self, now: Silence, scene: Scene) -> list[int]:
        names = scene.rules.groups
        return [int(g) for g in np.flatnonzero(now.group_silent) if names[g] not in self._standing]

    def _resuming(self, now: Silence, scene: Scene) -> Bools:
        """(U,) the appliance's gateway was heard again only just now: give its sensors time to report."""
        rules = scene.rules
        recent = np.zeros(len(rules.groups) + 1, np.bool_)
        for number, name in enumerate(rules.groups):
            if now.group_suspect[number]:
                self._fresh_since.pop(name, None)
            else:
                since = self._fresh_since.setdefault(name, scene.now_ms)
                recent[number] = scene.now_ms <= since + self._silent_after_ms
        return recent[now.unit_group]

    def _over(self, now: Silence, scene: Scene) -> list[str]:
        rules = scene.rules
        silent = {("appliance", rules.units[u]) for u in np.flatnonzero(now.unit_silent)}
        silent |= {rules.groups[g] for g in np.flatnonzero(now.group_silent)}
        return [id_ for who, id_ in self._standing.items() if who not in silent]

    def enter(self, now: Silence, changes: Changes, table: Table, scene: Scene) -> None:
        """Write the changes, inside the caller's transaction."""
        rules, registry = scene.rules, scene.registry
        for u in changes.raise_units:
            series = int(now.unit_first[u])
            value = int(table["value"][series])
            appliance = registry.appliance_by_id[rules.units[u]]
            self._raise(
                Case(
                    id=f"{appliance.id}:{KIND}:{int(now.unit_since[u])}",
                    scope="appliance",
                    subject=appliance.id,
                    sensor=scene.names[series],
                    site=appliance.site,
                    kind=KIND,
                    severity="critical" if now.unit_whole[u] else "warning",
                    since_ms=int(now.unit_since[u]),
                    at_ms=scene.now_ms,
                    value=None if value == NO_VALUE else value,
                    limit=None,
                    peak=None,
                    rule=RULE,
                    profile=None,
                ),
                scene,
            )
        for g in changes.raise_groups:
            self._raise(self._group_case(g, now, scene), scene)
        for excursion in changes.untold:
            self._book.announce(excursion, excursion.peak, scene.now_ms, scene)
        for id_ in changes.over:
            self._book.over(id_, scene.now_ms, None, scene)
        gone = set(changes.over)
        self._standing = {who: id_ for who, id_ in self._standing.items() if id_ not in gone}

    def _group_case(self, g: int, now: Silence, scene: Scene) -> Case:
        scope, name = scene.rules.groups[g]
        member = scene.rules.units[int(np.flatnonzero(now.unit_group == g)[0])]
        return Case(
            id=f"{scope}/{name}:{KIND}:{int(now.group_since[g])}",
            scope=scope,
            subject=name,
            sensor="",
            site=scene.registry.appliance_by_id[member].site,
            kind=KIND,
            severity="critical",
            since_ms=int(now.group_since[g]),
            at_ms=scene.now_ms,
            value=None,
            limit=None,
            peak=None,
            rule=RULE,
            profile=None,
            appliances=int(now.group_size[g]),
        )

    def _raise(self, case: Case, scene: Scene) -> None:
        self._standing[case.scope, case.subject] = self._book.open(case, scene)
