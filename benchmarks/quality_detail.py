# SPDX-License-Identifier: Apache-2.0
"""Smaller fleets looked at more closely: time to limit, the blind clock, causes, "may I leave?".

Here a fleet's readings are all kept, so that a question can be asked again at any instant.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from alerts.insight import observe
from alerts.insight.scan import Readings
from benchmarks.quality_plan import DAY_S
from benchmarks.quality_sim import START_UTC_S, Bools, Chunk, Floats, Ints
from benchmarks.quality_truth import AFTER_S, Truth
from coldchain.kernel.limits import Profile

CEILING_K = 4.0
DEFROST_C = 10.0
"""As the replay has them: no defrost is warmer than this above a limit, or in a freezer than that."""
LEAST_LEFT_S = 1800.0
SMOOTH = 5


@dataclass
class Kept:
    """All of a fleet's readings, (T, N) over the whole run, and the record of insight at each midnight."""

    load: list[Ints] = field(default_factory=list)
    air: list[Ints] = field(default_factory=list)
    mains: list[Bools] = field(default_factory=list)
    door: list[Bools] = field(default_factory=list)
    compressor: list[Bools] = field(default_factory=list)
    ambient: list[Any] = field(default_factory=list)
    tables: list[Any] = field(default_factory=list)
    whole: dict[str, Any] = field(default_factory=dict)

    def feed(self, chunk: Chunk) -> None:
        self.load.append(chunk.load.astype(np.int32))
        self.air.append(chunk.air.astype(np.int32))
        self.mains.append(chunk.mains)
        self.door.append(chunk.door)
        self.compressor.append(chunk.compressor)
        self.ambient.append(chunk.ambient_c)

    def close(self) -> None:
        for name in ("load", "air", "mains", "door", "compressor", "ambient"):
            self.whole[name] = np.concatenate(getattr(self, name))
            getattr(self, name).clear()

    def column(self, name: str, row: int, from_s: float, to_s: float) -> tuple[Floats, Any]:
        """(instants [s after the start], values) of one appliance in that span."""
        first, last = max(0, int(from_s // 60)), int(to_s // 60) + 1
        values = self.whole[name][first:last, row]
        return 60.0 * np.arange(first, first + len(values), dtype=np.float64), values


class Watch:
    """Insight over loads (rows 0..N-1) and airs (N..2N-1) of one fleet. seeing: room and mains are known."""

    def __init__(self, profile: Profile, count: int, *, seeing: bool) -> None:
        self.profile, self.n, self.seeing = profile, count, seeing
        self.table = observe.blank(2 * count)
        self.forecasts: list[dict[str, Any]] = []
        self.cycles: list[Any] = []

    def feed(self, chunk: Chunk) -> None:
        """A day."""
        t, n = chunk.load.shape
        milli = np.concatenate([chunk.load.T, chunk.air.T]).ravel()
        series, minute = np.repeat(np.arange(2 * n), t), np.tile(np.arange(t), 2 * n)
        at = np.tile(np.rint((chunk.at_s + START_UTC_S) * 1000).astype(np.int64), 2 * n)
        fine = np.abs(milli) <= 100_000
        milli, series, minute, at = milli[fine], series[fine], minute[fine], at[fine]
        row = series % n
        around = self._around(chunk, minute, row)
        told = observe.advance(self.table, Readings.of(series, at, milli), around)
        if told.cycles is not None:
            self.cycles.append(told.cycles)
        f, s = told.forecast, told.slots
        if f is None or s is None:
            return
        some = np.flatnonzero(f.direction != 0)
        by = told.plain[s.by[some]]
        self.forecasts.append(
            {
                "series": s.series[some], "at": s.at_s[some] - START_UTC_S,
                "known": at[by] / 1000.0 - START_UTC_S, "level": s.mean_c[some],
                "direction": f.direction[some], "seconds": f.seconds[some],
                "low": f.low_s[some], "high": f.high_s[some], "way": f.way[some],
            }
        )  # fmt: skip

    def _around(self, chunk: Chunk, minute: Ints, row: Ints) -> observe.Around:
        m, limits = len(row), self.profile.limits
        high, low = (np.nan if c is None else c for c in (limits.high_c, limits.low_c))
        ceiling = np.inf if limits.high_c is None else DEFROST_C if high < 0 else high + CEILING_K
        ambient = chunk.ambient_c[minute, row].astype(np.float64) if self.seeing else np.full(m, np.nan)
        off = ~chunk.mains[minute, row] if self.seeing else np.zeros(m, np.bool_)
        return observe.Around(np.full(m, high), np.full(m, low), np.full(m, ceiling), ambient, off)

    def joined(self) -> dict[str, Any]:
        """All slots that foresaw anything, by series and instant."""
        if not self.forecasts:
            return {}
        whole = {k: np.concatenate([part[k] for part in self.forecasts]) for k in self.forecasts[0]}
        order = np.lexsort((whole["at"], whole["series"]))
        return {k: column[order] for k, column in whole.items()}


def time_to_limit(truth: Truth, watch: Watch, kept: Kept) -> dict[str, Any]:
    """Errors and coverage at least half an hour ahead, on load and on air; when a loss was first foreseen."""
    found: dict[str, Any] = defaultdict(list)
    whole = watch.joined()
    if not whole:
        return {}
    for p in truth.planned:
        if p.kind not in ("mains_cut", "compressor_lost", "refrigerant_loss", "compressor_fade"):
            continue
        for row in p.rows:
            crossing = truth.crossing(row, p.start_s, p.end_s)
            if crossing is not None and crossing - p.start_s > LEAST_LEFT_S:
                _note(found, "load", whole, row, p.start_s, crossing, p.kind)
            crossing = _air_crossing(watch.profile, kept, row, p.start_s, p.end_s)
            if crossing is not None and crossing - p.start_s > LEAST_LEFT_S and p.kind == "mains_cut":
                _note(found, "air", whole, row + watch.n, p.start_s, crossing, p.kind)
    return dict(found)


def _note(
    found: dict[str, Any], name: str, whole: dict[str, Any], series: int, start: float, over: float, kind: str
) -> None:
    low, high = np.searchsorted(whole["series"], [series, series + 1])
    known = whole["known"][low:high]
    which = np.arange(low, high)[(known >= start) & (known < over)]
    told = which[np.isfinite(whole["seconds"][which]) & (whole["direction"][which] == 1)]
    first = float(over - whole["known"][told][0]) if len(told) else 0.0
    found[f"{name}_lead_{kind}"].append(round(first / (over - start), 3))
    found[f"{name}_ahead_h_{kind}"].append(round(first / 3600.0, 2))
    if kind not in ("mains_cut", "compressor_lost"):
        return
    left = over - whole["at"][told]
    early = told[left >= LEAST_LEFT_S]
    left = left[left >= LEAST_LEFT_S]
    if not len(early):
        return
    thin = slice(None, None, max(1, len(early) // 24))
    error = (np.abs(whole["seconds"][early] - left) / left)[thin]
    covered = ((whole["low"][early] <= left) & (left <= whole["high"][early]))[thin]
    found[f"{name}_error"] += np.round(error, 4).tolist()
    found[f"{name}_covered"] += covered.astype(int).tolist()
    found[f"{name}_way"] += whole["way"][early][thin].tolist()
    found[f"{name}_part"] += np.round(left / (over - start), 2)[thin].tolist()


def _air_crossing(profile: Profile, kept: Kept, row: int, start: float, end: float) -> float | None:
    """When the air, smoothed over five minutes, passed the high limit."""
    high = profile.limits.high_c
    if high is None:
        return None
    at, air = kept.column("air", row, start, end)
    if len(air) < 2 * SMOOTH:
        return None
    level = np.convolve(air / 1000.0, np.ones(SMOOTH) / SMOOTH, "valid")
    over = np.flatnonzero(level > high)
    return float(at[over[0] + SMOOTH // 2]) if len(over) else None


def blind_clock(truth: Truth, kept: Kept, held_of: Any) -> list[int]:
    """For each cut that passed the limit: was the blind clock's time, from the last reading on, not later?"""
    found: list[int] = []
    high = truth.profile.limits.high_c
    if high is None:
        return found
    for p in truth.planned:
        if p.kind != "mains_cut":
            continue
        for row in p.rows:
            crossing = truth.crossing(row, p.start_s, p.end_s + AFTER_S)
            if crossing is None or crossing < p.start_s + 300:
                continue
            at, load = kept.column("load", row, p.start_s - 60, p.start_s - 60)
            if abs(int(load[0])) > 100_000 or load[0] / 1000 > high:
                continue
            room = float(kept.column("ambient", row, p.start_s - 60, p.start_s - 60)[1][0])
            passes = held_of(row, float(at[0]), load[0] / 1000, high, room)
            found.append(int(passes <= crossing))
    return found


def midnight(day_s: float) -> int:
    """Which midnight's record stood at that moment."""
    return int(day_s // DAY_S)
