# SPDX-License-Identifier: Apache-2.0
"""What readings say of how a device runs: figures of spans, compared before and after a repair. Pure.

Who reads the record and computes them is given from outside: `Insight`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from coldchain.records.alarms import Alarm
from coldchain.records.work import WorkOrder

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
WEEK_MS = 7 * DAY_MS
SETTLE_MS = 2 * HOUR_MS
"""After a repair it is cold again before its figures count."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How a device ran in one span; None: not known.

    duty             part of the time that it cooled
    starts           of its compressor, a day
    pull_down_k_h    how fast its air falls while it cools [K/h]
    drift_k_h        how fast it rises while it does not [K/h]
    warming_k_h      how fast its load rises without power [K/h]: hold-over
    defrosts         that have ended, a day; defrost_min: how long one lasts, the median [min]
    mean_c           of what is judged [°C]
    known_ms         of the span with readings
    """

    from_ms: int
    until_ms: int
    duty: float | None = None
    starts: float | None = None
    pull_down_k_h: float | None = None
    drift_k_h: float | None = None
    warming_k_h: float | None = None
    defrosts: float | None = None
    defrost_min: float | None = None
    mean_c: float | None = None
    known_ms: int = 0

    @property
    def known(self) -> bool:
        return self.mean_c is not None


@dataclass(frozen=True, slots=True)
class Leave:
    """May the contractor leave? word: yes, not yet or no; why, in English."""

    word: str
    why: str
    minutes: int


class Insight(Protocol):
    """Reads the record."""

    def figures(self, appliance: str, spans: Sequence[tuple[int, int]]) -> list[Figures]:
        """For each span (from, until) [ms] of that appliance."""
        ...

    def leave(self, appliance: str, since_ms: int) -> Leave | None:
        """Since that repair; None: nothing can be said."""
        ...


@dataclass(frozen=True, slots=True)
class Compared:
    """A repair: the week before the trouble, the trouble itself, the week after."""

    order: WorkOrder
    healthy: Figures
    ill: Figures
    after: Figures

    @property
    def rows(self) -> list[tuple[str, Figures]]:
        return [("healthy", self.healthy), ("ill", self.ill), ("after", self.after)]


def spans_of(order: WorkOrder, alarms: Sequence[Alarm], now_ms: int) -> list[tuple[int, int]]:
    """(healthy, ill, after) of a finished order. The trouble begins with the first alarm of its last days."""
    finished = order.at("finished") or now_ms
    started = order.at("started") or finished
    began = [a.since_ms for a in alarms if started - WEEK_MS <= a.since_ms <= started]
    trouble = min([*began, min(order.at_ms, started)])
    after = finished + SETTLE_MS
    return [
        (trouble - WEEK_MS, trouble - HOUR_MS),
        (trouble, max(started, trouble + HOUR_MS)),
        (after, max(after + 1, min(now_ms, after + WEEK_MS))),
    ]
