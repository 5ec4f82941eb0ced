# SPDX-License-Identifier: Apache-2.0
"""Asked after a repair, "May I leave?": what the appliance does, against its own healthy days. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alerts.insight import cycles, hold_over, slots
from alerts.insight.hold_over import Leave
from alerts.insight.scan import Floats, Readings
from alerts.rules.flat import Ints

WORDS = {Leave.YES: "yes", Leave.NOT_YET: "not yet", Leave.NO: "no"}
CYCLES_BEFORE = 20
"""So many cycles make a signature."""
MEDIAN_OF = 5
FRESH_MS = 300_000
FALLS_K = 0.1
"""A load that fell by so much within half an hour cools towards its range [K]."""
HALF_HOUR_MS = 1_800_000


@dataclass(frozen=True, slots=True)
class Course:
    """Temperatures of one sensor: instants [ms], ascending, and thousandths. Failed readings are left out."""

    at: Ints
    milli: Ints

    def between(self, start_ms: int, end_ms: int) -> Course:
        inside = (self.at >= start_ms) & (self.at < end_ms)
        return Course(self.at[inside], self.milli[inside])


@dataclass(frozen=True, slots=True)
class Said:
    """The word and why; figures of cycles by name, None where not known; counted since the repair."""

    word: str
    why: str
    minutes: int
    counted: int
    healthy: dict[str, float] | None
    since: dict[str, float] | None


def ask(
    air: Course,
    load: Course,
    *,
    low_c: float | None,
    high_c: float | None,
    before_ms: int,
    since_ms: int,
    now_ms: int,
) -> Said:
    """air: of the days before and the time since; load: what blood has (the air where there is no other).

    before_ms  when the trouble began: its healthy days ended; since_ms: the repair was done
    """
    healthy, n = _signature(air.between(0, before_ms))
    after, counted = _median(air.between(since_ms, now_ms + 1))
    recent = load.between(since_ms, now_ms + 1)
    fresh = len(recent.at) > 0 and now_ms - int(recent.at[-1]) <= FRESH_MS
    inside = fresh and _inside(recent, low_c, high_c)
    age_s = max(0, now_ms - since_ms) / 1000.0
    answer = hold_over.may_leave(
        healthy if n >= CYCLES_BEFORE else np.full((1, cycles.N), np.nan),
        after,
        np.array([counted]),
        np.array([age_s]),
        np.array([inside]),
        np.array([fresh]),
    )
    why = hold_over.REASONS[int(answer.reason[0])]
    if n < CYCLES_BEFORE and fresh:
        why = (
            f"its healthy days are not known: {n} cycles before the trouble, {CYCLES_BEFORE} make a signature"
        )
    word = WORDS[Leave(int(answer.leave[0]))]
    if word == "yes":
        why = f"{counted} cycles like those of its healthy days, in range"
    return Said(word, why, int(age_s // 60), counted, _told(healthy), _told(after))


def _cycles(course: Course) -> tuple[cycles.Cycles | None, Floats]:
    table, slot = cycles.blank(1), slots.blank(1)
    if not len(course.at):
        return None, cycles.healthy(table)
    readings = Readings.of(np.zeros(len(course.at), np.int64), course.at, course.milli)
    closed = slots.close(slot, readings)
    made = cycles.advance(table, readings, closed)
    return made, cycles.healthy(table)


def _signature(course: Course) -> tuple[Floats, int]:
    made, healthy = _cycles(course)
    return healthy, 0 if made is None else len(made.at)


def _median(course: Course) -> tuple[Floats, int]:
    """(1, 6) the median of the last cycles, and how many there were."""
    made, _ = _cycles(course)
    if made is None:
        return np.full((1, cycles.N), np.nan), 0
    return np.median(made.features[-MEDIAN_OF:], axis=0)[None], len(made.at)


def _inside(load: Course, low_c: float | None, high_c: float | None) -> bool:
    """In range, or on its way there from above."""
    newest = load.milli[-1] / 1000.0
    low, high = -np.inf if low_c is None else low_c, np.inf if high_c is None else high_c
    if low <= newest <= high:
        return True
    before = load.between(int(load.at[-1]) - HALF_HOUR_MS, int(load.at[-1]))
    return bool(newest > low and len(before.at) and newest < before.milli[0] / 1000.0 - FALLS_K)


def _told(figures: Floats) -> dict[str, float] | None:
    if not np.isfinite(figures).all():
        return None
    return {name: round(float(x), 5) for name, x in zip(cycles.FEATURES, figures[0], strict=True)}
