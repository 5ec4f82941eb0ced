# SPDX-License-Identifier: Apache-2.0
"""The last days of the record, judged by the rules as they are and as they would be: what rings otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from coldchain.kernel.instants import rfc3339
from coldchain.kernel.limits import Profile
from coldchain.kernel.readings import Rows
from coldchain.kernel.words import Quantity
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Assignment, Registry

if TYPE_CHECKING:
    from alerts.rules.terms import RuleTable

DAYS = 7
DAY_MS = 86_400_000
FOREVER_MS = 2**53
Step = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that decides when an alarm comes. silent_after: of the settings."""

    registry: Registry
    profiles: Mapping[str, Profile]
    silent_after: timedelta


@dataclass(frozen=True, slots=True)
class Moved:
    """An alarm under both. minutes: later under the new rules; None where only one of them has it."""

    sensor: str
    kind: str
    at: str
    change: Literal["gained", "lost", "earlier", "later"]
    minutes: float | None


@dataclass(frozen=True, slots=True)
class Preview:
    """days and sensors that were looked at; sensors whose rules do not change are not."""

    days: int
    sensors: int
    readings: int
    same: int
    moved: list[Moved] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        found = Counter(one.change for one in self.moved)
        return {"same": self.same, **{name: found[name] for name in ("gained", "lost", "earlier", "later")}}

    def as_dict(self) -> dict[str, Any]:
        return {**self.counts, "days": self.days, "sensors": self.sensors, "readings": self.readings} | {
            "alarms": [asdict(one) for one in self.moved]
        }


Episode = tuple[str, int, int]
"""Kind, raised, returned [ms UTC]; FOREVER_MS when it still stands."""


def preview(
    journal: JournalReader, old: Rules, new: Rules, now_ms: int, *, days: int = DAYS, step: Step | None = None
) -> Preview:
    """Judge `days` before now_ms by both, as if each had been in force all that time.

    Alarms of one kind of one sensor that overlap are the same one. Every reading counts as live.
    """
    sensors = {s.id: s.code for s in (*old.registry.sensors, *new.registry.sensors)}
    series = dict(enumerate(sorted(sensors.items())))
    before, after = (_Judge(rules, series, now_ms) for rules in (old, new))
    moved: list[Moved] = []
    looked_at = readings = same = 0
    for number, (sensor, _) in series.items():
        if before.asks(number) == after.asks(number):
            continue
        rows = journal.readings(sensor, now_ms - days * DAY_MS, now_ms)
        if len(rows):
            looked_at, readings = looked_at + 1, readings + len(rows)
            n, found = _compared(sensor, before.episodes(number, rows), after.episodes(number, rows))
            same, moved = same + n, moved + found
        if step is not None:
            step(number + 1, len(series))
    return Preview(days, looked_at, readings, same, sorted(moved, key=lambda m: (m.at, m.sensor, m.kind)))


class _Judge:
    """One set of rules over any sensor's readings."""

    def __init__(self, rules: Rules, series: dict[int, tuple[str, Quantity]], now_ms: int) -> None:
        from alerts.rules.table import build_table

        registry = _throughout(rules.registry, now_ms)
        self._silent_after_ms = round(rules.silent_after.total_seconds() * 1000)
        self._table: RuleTable = build_table(
            registry, series, fault_after_ms=self._silent_after_ms, profiles=rules.profiles
        )
        self._known = {number: registry.sensor_by_id.get(sensor) for number, (sensor, _) in series.items()}

    def asks(self, number: int) -> tuple[Any, ...]:
        """All that its rules ask of one sensor; equal for two that judge it alike."""
        from alerts.judgement.changed import DECIDING

        t = self._table
        one = slice(int(t.piece[number]), int(t.piece[number + 1]))
        terms = tuple(tuple(getattr(t.terms, name)[one].tolist()) for name in DECIDING)
        sensor = self._known[number]
        every_s = sensor.every_s if sensor else 0
        return (terms, bool(t.judged[number]), float(t.tau_s[number]), every_s, self._silent_after_ms)

    def episodes(self, number: int, rows: Rows) -> list[Episode]:
        from alerts.judgement.engine import What, rejudge
        from alerts.rules import CONDITIONS
        from alerts.rules.flat import block_of

        found: list[Episode] = []
        rows = rows.copy()
        rows["series"] = number
        standing: dict[int, int] = {}
        if self._table.judged[number]:
            _, events = rejudge(block_of(rows, FOREVER_MS), self._table)
            for event in events:
                kind = int(event["kind"])
                if event["what"] == What.RAISED:
                    standing.setdefault(kind, int(event["at"]))
                elif event["what"] == What.RETURNED and kind in standing:
                    found.append((CONDITIONS[kind].name, standing.pop(kind), int(event["at"])))
        found += [(CONDITIONS[kind].name, at, FOREVER_MS) for kind, at in standing.items()]
        return sorted(found + self._silences(number, rows), key=lambda episode: episode[1])

    def _silences(self, number: int, rows: Rows) -> list[Episode]:
        sensor = self._known[number]
        if sensor is None or sensor.appliance is None:
            return []
        patience = max(2_000 * sensor.every_s, self._silent_after_ms)
        at = np.sort(rows["at_ms"])
        late = np.flatnonzero(np.diff(at) > patience)
        return [("silence", int(at[i]) + patience, int(at[i + 1])) for i in late.tolist()]


def _throughout(registry: Registry, now_ms: int) -> Registry:
    """As if what is in force at last had always been: what is carried, what a sensor is corrected by."""
    appliances = []
    for appliance in registry.appliances:
        carried = appliance.carries(max([now_ms, *(a.from_ms for a in appliance.assignments)]))
        assignments = (Assignment(carries=carried),) if carried is not None else ()
        appliances.append(appliance.model_copy(update={"assignments": assignments}))
    sensors = tuple(
        s.model_copy(update={"offsets": (s.offsets[-1].model_copy(update={"from_ms": 0}),)})
        if s.offsets
        else s
        for s in registry.sensors
    )
    parts = {name: getattr(registry, name) for name in Registry.model_fields}
    # Not validated: it may carry a profile that is only proposed.
    return Registry.model_construct(**{**parts, "appliances": tuple(appliances), "sensors": sensors})


def _compared(sensor: str, before: list[Episode], after: list[Episode]) -> tuple[int, list[Moved]]:
    """(how many are the same, what moved). Each is matched once."""
    found: list[Moved] = []
    free, same = list(after), 0
    for kind, raised, returned in before:
        heir = next((o for o in free if o[0] == kind and o[1] <= returned and raised <= o[2]), None)
        if heir is None:
            found.append(Moved(sensor, kind, rfc3339(raised), "lost", None))
            continue
        free.remove(heir)
        minutes = (heir[1] - raised) / 60_000
        if minutes:
            change: Literal["later", "earlier"] = "later" if minutes > 0 else "earlier"
            found.append(Moved(sensor, kind, rfc3339(raised), change, round(minutes, 2)))
        else:
            same += 1
    return same, found + [Moved(sensor, kind, rfc3339(raised), "gained", None) for kind, raised, _ in free]
