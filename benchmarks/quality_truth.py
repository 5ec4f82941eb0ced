# SPDX-License-Identifier: Apache-2.0
"""What was so: excursions of the hidden load, defrosts, faults; and who was disturbed when."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from benchmarks.quality_plan import DAY_S, QUIET_DAYS, Planned
from benchmarks.quality_sim import Bools, Chunk
from coldchain.kernel.limits import Profile

Run = tuple[int, float, float]
"""Row, begin, end [s after the start]."""

AFTER_S = 8 * 3600.0
"""A fault is felt so long after it ended: what rings then is no nuisance."""
AROUND_S = 3600.0
"""Nor is what rings so long before or after the hidden load was beyond a limit."""


@dataclass
class Runs:
    """Runs of True down the columns of (T, N) minutes that come day by day."""

    count: int
    found: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.was = np.zeros(self.count, np.bool_)
        self.since = np.zeros(self.count)

    def feed(self, flag: Bools, at_s: np.ndarray) -> None:
        before = np.vstack([self.was, flag[:-1]])
        when, who = np.nonzero(flag != before)
        for t, row in zip(at_s[when].tolist(), who.tolist(), strict=True):
            if self.was[row]:
                self.found.append((row, float(self.since[row]), t))
            else:
                self.since[row] = t
            self.was[row] = not self.was[row]
        assert np.array_equal(self.was, flag[-1])

    def close(self, at_s: float) -> list[Run]:
        self.found += [(int(row), float(self.since[row]), at_s) for row in np.flatnonzero(self.was)]
        self.was[:] = False
        return sorted(self.found, key=lambda run: (run[0], run[1]))


class Truth:
    """Fed the same days as the judges."""

    def __init__(self, profile: Profile, count: int, planned: list[Planned]) -> None:
        self.profile, self.count, self.planned = profile, count, planned
        self.beyond, self.heats = Runs(count), Runs(count)
        self.end_s = 0.0

    def feed(self, chunk: Chunk) -> None:
        low, high = self.profile.limits.low_c, self.profile.limits.high_c
        out = np.zeros(chunk.truth_c.shape, np.bool_)
        if high is not None:
            out |= chunk.truth_c > high
        if low is not None:
            out |= chunk.truth_c < low
        self.beyond.feed(out, chunk.at_s)
        self.heats.feed(chunk.defrost, chunk.at_s)
        self.end_s = float(chunk.at_s[-1]) + 60.0

    def close(self) -> None:
        """Make the lists: out (of any length), excursions (no shorter than the delay), defrosts, busy."""
        self.out = self.beyond.close(self.end_s)
        delay = self.profile.on_delay.total_seconds()
        learnt = QUIET_DAYS * DAY_S
        self.excursions = [run for run in self.out if run[2] - run[1] >= delay and run[1] >= learnt]
        self.defrosts = self.heats.close(self.end_s)
        busy: dict[int, list[tuple[float, float]]] = defaultdict(list)
        for p in self.planned:
            for row in p.rows:
                busy[row].append((p.start_s, p.end_s + AFTER_S))
        for row, start, end in self.out:
            busy[row].append((start - AROUND_S, end + AROUND_S))
        self.busy = {row: _merged(spans) for row, spans in busy.items()}
        self.crossings: dict[int, list[float]] = defaultdict(list)
        for row, start, _ in self.out:
            self.crossings[row].append(start)

    def disturbed(self, row: int, at_s: float) -> bool:
        """Something acts, or acted until shortly before."""
        spans = self.busy.get(row, [])
        place = bisect_right(spans, (at_s, np.inf)) - 1
        return place >= 0 and at_s <= spans[place][1]

    def crossing(self, row: int, from_s: float, until_s: float) -> float | None:
        """When the hidden load first passed a limit in that span."""
        mine = self.crossings.get(row, [])
        place = bisect_left(mine, from_s)
        return mine[place] if place < len(mine) and mine[place] < until_s else None

    def calm_months(self, rows: list[int] | None = None) -> float:
        """Appliance-months in which nothing acted, after the days of learning."""
        learnt = QUIET_DAYS * DAY_S
        total = 0.0
        for row in range(self.count) if rows is None else rows:
            spent = sum(max(0.0, min(b, self.end_s) - max(a, learnt)) for a, b in self.busy.get(row, []))
            total += self.end_s - learnt - spent
        return total / (30.4 * DAY_S)


def _merged(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Sorted and without overlap."""
    out: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out
