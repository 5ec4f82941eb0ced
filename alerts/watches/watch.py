# SPDX-License-Identifier: Apache-2.0
"""The watch for silence: who has fallen silent or speaks again, compared with the alarms that stand.

A gateway that is heard and says that it keeps readings back is a backlog, not silence. An appliance that was
last heard beyond a limit is critical at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from alerts.alarms.entries import Case, Scene, excursion_id
from alerts.alarms.proof import Proof
from alerts.bookkeeping.book import Book
from alerts.judgement.engine import Table
from alerts.rules import CONDITIONS, NUMBER_OF
from alerts.rules.flat import Bools, Ints
from alerts.rules.limits import NEVER
from alerts.rules.silence import Silence, judge_silence
from alerts.store import AlarmStore
from coldchain.kernel.words import NO_VALUE
from coldchain.records.alarms import Excursion

RULE = "silence@2"
KIND, BACKLOG = "silence", "backlog"
BACKLOG_BORNE_MS = 30 * 60_000
"""Ours: so long may readings be late before it is as bad as silence."""
BEYOND = [NUMBER_OF["high"], NUMBER_OF["low"]]

Pending = Callable[[int], Mapping[str, int]]
"""(now_ms) -> gateways that are heard and keep readings back: since when their oldest one waits [ms]."""
Key = tuple[str, str, str]
"""Scope, subject, kind."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a look has found; empty is the rule. Units and groups: (number, kind, severity)."""

    raise_units: list[tuple[int, str]] = field(default_factory=list)
    raise_groups: list[tuple[int, str, str]] = field(default_factory=list)
    over: list[str] = field(default_factory=list)  # alarm ids
    untold: list[Excursion] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.raise_units or self.raise_groups or self.over or self.untold)


class Watch:
    """Looks now and then, never while there is a backlog: what waits in our own queue is not silence."""

    def __init__(
        self,
        store: AlarmStore,
        book: Book,
        silent_after_ms: int,
        pending: Pending = lambda _now: {},
        proof: Proof | None = None,
    ) -> None:
        self._store, self._book, self._silent_after_ms = store, book, silent_after_ms
        self._pending, self._proof = pending, proof
        self._standing: dict[Key, tuple[str, str]] = {
            (a.scope, a.appliance, a.kind): (a.id, a.severity)
            for a in store.standing()
            if a.kind in (KIND, BACKLOG)
        }
        self._fresh_since: dict[tuple[str, str], int] = {}
        self._seen: set[tuple[str, str]] = set()

    def look(self, table: Table, scene: Scene, since_ms: int) -> tuple[Silence, Changes]:
        """Compare. Pure but for the memory of when each gateway was heard again.

        since_ms  when the watch began. Before since_ms + silent_after only that is silent which the record
                  itself proves: others of its gateway were heard all along, before the watch began
        """
        rules = scene.rules
        live_at = table["live_at"][: len(rules)]
        now = judge_silence(live_at, rules, self._silent_after_ms, scene.now_ms, _beyond(table, scene))
        unit_due, group_due = now.unit_silent.copy(), now.group_silent.copy()
        began = np.full(len(rules.groups) + 1, since_ms)
        if scene.now_ms <= since_ms + self._silent_after_ms:
            began = self._began(now, live_at, scene, since_ms)
            unit_due &= scene.now_ms > began[now.unit_group] + self._patience(now, scene)
            group_due &= scene.now_ms > began[-1] + self._silent_after_ms
        held = now.held | (self._resuming(now, scene, began) & ~now.unit_beyond)
        kinds = self._kinds(now, scene)
        found = Changes(
            self._new_units(np.flatnonzero(unit_due & ~held), now, scene),
            self._new_groups(np.flatnonzero(group_due), now, kinds, scene),
            self._over(now, kinds, scene),
            self._untold(table, scene),
        )
        return now, found

    def _began(self, now: Silence, live_at: Ints, scene: Scene, since_ms: int) -> Ints:
        """(G + 1,) since when what is heard through each gateway was watched: by us, or by the record before.

        The last place is of all together. One question to the record for each gateway with somebody silent.
        """
        rules = scene.rules
        began = np.full(len(rules.groups) + 1, since_ms)
        silent = {int(g) for g in now.unit_group[now.unit_silent]} | {
            *np.flatnonzero(now.group_silent).tolist()
        }
        if self._proof is None or not silent:
            return began
        heard = np.where(live_at <= since_ms, live_at, -1)
        for g in (-1, *sorted(silent - {-1})):
            among = heard if g < 0 else np.where(rules.group == g, heard, -1)
            witness = int(among.argmax())
            if among[witness] >= 0:
                every_ms = int(rules.every_ms[witness])
                began[g] = self._proof.heard_since(scene.names[witness], every_ms, since_ms)
            if began[-1] == since_ms:
                break  # nobody at all was heard without a pause
        return began

    def _patience(self, now: Silence, scene: Scene) -> Ints:
        """(U,) how long the sensor that has been silent longest is given."""
        every = np.where(now.unit_first >= 0, scene.rules.every_ms[now.unit_first], 0)
        patience: Ints = np.maximum(2 * every, self._silent_after_ms)
        return patience

    def _new_units(self, units: Ints, now: Silence, scene: Scene) -> list[tuple[int, str]]:
        found = []
        for u in units.tolist():
            name = scene.rules.units[u]
            severity = "critical" if now.unit_whole[u] or now.unit_beyond[u] else "warning"
            if self._is_news(("appliance", name, KIND), severity) and self._book.in_use(
                name, scene.now_ms, scene
            ):
                found.append((u, severity))
        return found

    def _is_news(self, key: Key, severity: str) -> bool:
        """Not standing, or standing as less than it is."""
        known = self._standing.get(key)
        return known is None or (known[1] == "warning" and severity == "critical")

    def _kinds(self, now: Silence, scene: Scene) -> dict[int, str]:
        """What each silent gateway is: silence, or a backlog of its own."""
        silent = np.flatnonzero(now.group_silent).tolist()
        pending = self._pending(scene.now_ms) if silent else {}
        found = {}
        for g in silent:
            scope, name = scene.rules.groups[g]
            oldest_ms = pending.get(name) if scope == "gateway" else None
            late = oldest_ms is not None and scene.now_ms - oldest_ms >= self._silent_after_ms // 2
            found[g] = BACKLOG if late else KIND
        return found

    def _new_groups(
        self, groups: Ints, now: Silence, kinds: dict[int, str], scene: Scene
    ) -> list[tuple[int, str, str]]:
        found = []
        for g in groups.tolist():
            young = scene.now_ms - int(now.group_since[g]) <= BACKLOG_BORNE_MS
            severity = "warning" if kinds[g] == BACKLOG and young else "critical"
            key = (*scene.rules.groups[g], kinds[g])
            # A silent gateway's own word by SMS may have made its alarm less than critical: let it.
            if key not in self._standing or (kinds[g] == BACKLOG and self._is_news(key, severity)):
                found.append((g, kinds[g], severity))
        return found

    def _untold(self, table: Table, scene: Scene) -> list[Excursion]:
        """What began while the appliance was empty or out of service, and lasts now that it is in use."""
        found = []
        for series, kind in np.argwhere(table["announced"] & table["standing"]).tolist():
            sensor, since = scene.names.get(series, ""), int(table["since"][series, kind])
            known = self._store.excursion(excursion_id(sensor, CONDITIONS[kind].name, since))
            if known is None or known.alarm or known.ended_ms is not None:
                continue
            if self._book.in_use(known.appliance, scene.now_ms, scene):
                found.append(known)
        return found

    def _resuming(self, now: Silence, scene: Scene, began: Ints) -> Bools:
        """(U,) the appliance's gateway was heard again only just now: give its sensors time to report.

        began (G + 1,): for a gateway that is looked at for the first time, since when it was watched
        """
        rules = scene.rules
        recent = np.zeros(len(rules.groups) + 1, np.bool_)
        for number, name in enumerate(rules.groups):
            if now.group_suspect[number]:
                self._fresh_since.pop(name, None)
            else:
                since = self._fresh_since.get(name)
                if since is None:
                    since = int(began[number]) if name not in self._seen else scene.now_ms
                    self._fresh_since[name] = since
                recent[number] = scene.now_ms <= since + self._silent_after_ms
        self._seen |= set(rules.groups)
        return recent[now.unit_group]

    def _over(self, now: Silence, kinds: dict[int, str], scene: Scene) -> list[str]:
        rules = scene.rules
        silent: set[Key] = {("appliance", rules.units[u], KIND) for u in np.flatnonzero(now.unit_silent)}
        silent |= {(*rules.groups[g], kind) for g, kind in kinds.items()}
        return [id_ for key, (id_, _) in self._standing.items() if key not in silent]

    def enter(self, now: Silence, changes: Changes, table: Table, scene: Scene) -> None:
        """Write the changes, inside the caller's transaction."""
        for u, severity in changes.raise_units:
            self._raise(self._unit_case(u, severity, now, table, scene), scene)
        for g, kind, severity in changes.raise_groups:
            self._raise(self._group_case(g, kind, severity, now, scene), scene)
        for excursion in changes.untold:
            self._book.announce(excursion, excursion.peak, scene.now_ms, scene)
        for id_ in changes.over:
            self._book.over(id_, scene.now_ms, None, scene)
        gone = set(changes.over)
        self._standing = {key: one for key, one in self._standing.items() if one[0] not in gone}

    def _unit_case(self, u: int, severity: str, now: Silence, table: Table, scene: Scene) -> Case:
        series = int(now.unit_first[u])
        value = int(table["value"][series])
        appliance = scene.registry.appliance_by_id[scene.rules.units[u]]
        return Case(
            id=f"{appliance.id}:{KIND}:{int(now.unit_since[u])}",
            scope="appliance",
            subject=appliance.id,
            sensor=scene.names[series],
            site=appliance.site,
            kind=KIND,
            severity=severity,
            since_ms=int(now.unit_since[u]),
            at_ms=scene.now_ms,
            value=None if value == NO_VALUE else value,
            rule=RULE,
        )

    def _group_case(self, g: int, kind: str, severity: str, now: Silence, scene: Scene) -> Case:
        scope, name = scene.rules.groups[g]
        member = scene.rules.units[int(np.flatnonzero(now.unit_group == g)[0])]
        return Case(
            id=f"{scope}/{name}:{kind}:{int(now.group_since[g])}",
            scope=scope,
            subject=name,
            site=scene.registry.appliance_by_id[member].site,
            kind=kind,
            severity=severity,
            since_ms=int(now.group_since[g]),
            at_ms=scene.now_ms,
            rule=RULE,
            appliances=int(now.group_size[g]),
        )

    def _raise(self, case: Case, scene: Scene) -> None:
        key = (case.scope, case.subject, case.kind)
        self._standing[key] = (self._book.open(case, scene), case.severity)


def _beyond(table: Table, scene: Scene) -> Bools:
    """(S,) the sensor was last heard beyond a limit. Air swings so with every door: that is no hurry."""
    found: Bools = (table["since"][: len(scene.rules)][:, BEYOND] != NEVER).any(axis=1)
    for series in np.flatnonzero(found).tolist():
        sensor = scene.registry.sensor_by_id.get(scene.names.get(series, ""))
        found[series] = sensor is not None and sensor.probe != "air"
    return found
