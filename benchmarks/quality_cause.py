# SPDX-License-Identifier: Apache-2.0
"""Causes told at the first message of each planned fault, and "may I leave?" after repairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from alerts.insight import cycles, hold_over, observe
from alerts.insight.scan import Readings
from alerts.site import blind, causes, warming
from benchmarks.quality_detail import Kept, Watch, midnight
from benchmarks.quality_engine import Message
from benchmarks.quality_plan import DAY_S, PER_SITE
from benchmarks.quality_score import Told, of_temperature
from benchmarks.quality_sim import START_UTC_S, Floats, Ints
from benchmarks.quality_truth import Truth
from firmware_sim.physics.designs import ApplianceType as Type

WORDS = {
    "door_open": ("door",),
    "mains_cut": ("mains cut",),
    "compressor_lost": ("compressor",),
    "compressor_fade": ("refrigerant loss", "compressor"),
    "refrigerant_loss": ("refrigerant loss",),
    "warm_load": ("warm load",),
    "setting_change": ("setting change",),
    "probe_open": ("sensor fault",),
    "probe_stuck": ("sensor fault",),
    "probe_drift": ("sensor fault",),
}
"""What is right; a compressor that fades does so for want of refrigerant, or by itself."""
AGAIN_S = causes.AGAIN_MS / 1000.0
BACK_S = 12 * 3600.0
SIBLINGS_STOPPED = 3.0
"""Usual periods without a turn: its cooling stopped."""


class Asked:
    """The product's own question about one appliance at one instant, from what it had then."""

    def __init__(self, watch: Watch, kept: Kept) -> None:
        self.watch, self.kept = watch, kept

    def row_at(self, series: int, t_s: float) -> Any:
        """Insight's record of one series as it stood then: from midnight on, its own readings again."""
        day = midnight(t_s)
        table = self.kept.tables[day][series : series + 1].copy()
        name, row = ("load", series) if series < self.watch.n else ("air", series - self.watch.n)
        at, milli = self.kept.column(name, row, day * DAY_S, t_s)
        fine = np.abs(milli) <= 100_000
        if fine.any():
            at_ms = np.rint((at[fine] + START_UTC_S) * 1000).astype(np.int64)
            n = len(at_ms)
            nan = np.full(n, np.nan)
            high, low = self.watch.profile.limits.high_c, self.watch.profile.limits.low_c
            around = observe.Around(
                nan if high is None else np.full(n, high),
                nan if low is None else np.full(n, low),
                np.full(n, np.inf),
                nan,
                np.zeros(n, np.bool_),
            )
            readings = Readings.of(np.zeros(n, np.int64), at_ms, milli[fine].astype(np.int64))
            observe.advance(table, readings, around)
        return table

    def track(self, name: str, row: int, t_s: float, back_s: float) -> causes.Track:
        """Of a contact or a probe."""
        at, value = self.kept.column(name, row, max(0.0, t_s - back_s), t_s)
        scale = 1000.0 if name in ("load", "air") else 1.0
        value = value / scale if name in ("load", "air") else value.astype(np.float64)
        fine = np.abs(value) <= 100.0
        return causes.Track(np.rint((at[fine] + START_UTC_S) * 1000).astype(np.int64), value[fine])

    def known(self, row: int, t_s: float, *, contacts: bool, probe: bool) -> causes.Known:
        nothing = causes.Track()
        mains, door, compressor = (
            self.track(name, row, t_s, BACK_S) if contacts else nothing
            for name in ("mains", "door", "compressor")
        )
        air, load = (self.track(name, row, t_s, BACK_S) for name in ("air", "load"))
        record, siblings = self.row_at(row + self.watch.n, t_s), self.siblings(row, t_s)
        return causes.Known(air, load, mains, door, compressor, record, siblings, probe)

    def siblings(self, row: int, t_s: float) -> float:
        """Part of the others on the supply whose cooling stopped, as their airs' cycles say."""
        first = row // PER_SITE * PER_SITE
        others = [r for r in range(first, min(first + PER_SITE, self.watch.n)) if r != row]
        at = np.array([round((t_s + START_UTC_S) * 1000)])
        stalled = [cycles.stalled(self.row_at(r + self.watch.n, t_s)["cycle"], at)[0] for r in others[:4]]
        known = [s > SIBLINGS_STOPPED for s in stalled if np.isfinite(s)]
        return float(np.mean(known)) if known else float("nan")

    def word(self, row: int, t_s: float, *, contacts: bool, probe: bool) -> str:
        known = self.known(row, t_s, contacts=contacts, probe=probe)
        return causes.told(known, round((t_s + START_UTC_S) * 1000))[0]


def diagnoses(truth: Truth, messages: list[Message], asked: Asked) -> dict[str, Any]:
    """How often each fault was told as what: {how: {"fault > word": count}}."""
    told = Told(messages)
    found: dict[str, dict[str, int]] = {}
    for p in truth.planned:
        if p.kind not in WORDS:
            continue
        for row in p.rows[:2]:
            during = told.within(row, p.start_s + 60, p.end_s + 1800)
            wanted = [m for m in during if of_temperature(m) != p.kind.startswith("probe")]
            if not wanted:
                continue
            doubts = [m.at_s for m in during if m.kind == "sensor_fault"]
            for when, wait in (("at once", 0.0), ("10 min later", AGAIN_S)):
                at = min(wanted[0].at_s + wait, truth.end_s - 60)
                probe = any(abs(d - at) < 3600 for d in doubts)
                for how in ("with contacts", "by temperature alone"):
                    word = asked.word(row, at, contacts=how == "with contacts", probe=probe)
                    key = f"{p.kind} > {word}"
                    table = found.setdefault(f"{how}, {when}", {})
                    table[key] = table.get(key, 0) + 1
    return found


def held_of(kind: Type, kept: Kept, truth: Truth) -> Any:
    """The blind clock as the product has it: it learns from each appliance's own outages, in order."""
    table = hold_over.blank(truth.count)
    worst = warming.DESIGNS[str(kind)].worst

    def passes(row: int, at_s: float, value_c: float, high_c: float, room_c: float) -> float:
        one = np.array([1.0])
        told = blind.worst_case(
            table[row : row + 1], np.array([round(at_s * 1000)]), one * value_c, one * high_c, one * room_c,
            one * worst,
        )  # fmt: skip
        ms = int(told.passes_ms[0])
        _learn(table, row, at_s, kept, truth)
        return np.inf if ms == blind.NEVER else ms / 1000.0

    return passes


def _learn(table: Any, row: int, from_s: float, kept: Kept, truth: Truth) -> None:
    """Slots of five minutes of that outage, until a while after it."""
    until = next(
        p.end_s for p in truth.planned if p.kind == "mains_cut" and row in p.rows and p.end_s > from_s
    )
    at, load = kept.column("load", row, from_s, until + 900)
    room, mains = (kept.column(name, row, from_s, until + 900)[1] for name in ("ambient", "mains"))
    for first in range(0, len(at) - 5, 5):
        part = slice(first, first + 5)
        if np.abs(load[part]).max() > 100_000:
            continue
        one = np.array([row])
        hold_over.advance(
            table, one, np.array([at[part].mean() + START_UTC_S]), np.array([load[part].mean() / 1000]),
            np.array([float(room[part].mean())]), np.array([not mains[part].any()]),
        )  # fmt: skip


def leaves(truth: Truth, watch: Watch, kept: Kept) -> dict[str, int]:
    """Asked every ten minutes for 90: after repairs that hold, and after those claimed in vain."""
    h = _Cycles(watch)
    found: dict[str, int] = {}
    for p in truth.planned:
        if p.kind == "compressor_lost":
            asked = [(p.end_s, "repaired"), (p.start_s + 1800, "broken")]
        elif p.kind in ("refrigerant_loss", "compressor_fade"):
            asked = [(p.start_s + 0.6 * (p.end_s - p.start_s), f"broken, {p.kind}"), (p.end_s, "repaired")]
        elif p.kind == "mains_cut":
            asked = [(p.end_s, "power back")]
        else:
            continue
        for row in p.rows[:2]:
            for since, name in asked:
                if since + 5400 >= truth.end_s or (name.startswith("broken") and since + 5400 > p.end_s):
                    continue
                said, reason = h.leave(row, p.start_s, since, kept, truth)
                for key in (name, f"{name}: {'yes' if said else reason}"):
                    found[key] = found.get(key, 0) + 1
    return found


class _Cycles:
    """Finished cycles of the airs by series and instant."""

    def __init__(self, watch: Watch) -> None:
        made = [c for c in watch.cycles if len(c.series)]
        series = np.concatenate([c.series for c in made]) if made else np.zeros(0, np.int64)
        at = np.concatenate([c.at for c in made]) / 1000 - START_UTC_S if made else np.zeros(0)
        order = np.lexsort((at, series))
        self.watch, self.series, self.at = watch, series[order], at[order]
        empty = np.zeros((0, cycles.N))
        self.features = np.concatenate([c.features for c in made])[order] if made else empty
        self.healthy = np.concatenate([c.healthy for c in made])[order] if made else empty

    def between(self, series: int, from_s: float, to_s: float) -> Ints:
        low, high = np.searchsorted(self.series, [series, series + 1])
        a, b = np.searchsorted(self.at[low:high], [from_s, to_s], side="right")
        return np.arange(low + a, low + b)

    def leave(self, row: int, began_s: float, since_s: float, kept: Kept, truth: Truth) -> tuple[bool, str]:
        """(said yes within 90 minutes, the last reason if not)."""
        before = self.between(row + self.watch.n, -1e9, began_s)
        if len(before) < 20:
            return False, "not enough known before"
        healthy = self.healthy[before[-1]][None]
        reason = ""
        for age in range(600, 5401, 600):
            after = self.between(row + self.watch.n, since_s, since_s + age)
            answer = hold_over.may_leave(
                healthy,
                (np.median(self.features[after][-5:], axis=0) if len(after) else np.full(cycles.N, np.nan))[
                    None
                ],
                np.array([len(after)]),
                np.array([float(age)]),
                np.array([_in_range(row, since_s + age, kept, truth)]),
                np.array([True]),
                np.array([_fall(row, since_s, since_s + age, healthy[0], kept)]),
            )
            if answer.leave[0] == hold_over.Leave.YES:
                return True, ""
            reason = hold_over.REASONS[int(answer.reason[0])]
        return False, reason


def _fall(row: int, from_s: float, to_s: float, healthy: Floats, kept: Kept) -> float:
    """The first fall of the air since then, over the falling part of a healthy cycle."""
    air, load = (kept.column(name, row, from_s, to_s)[1] / 1000.0 for name in ("air", "load"))
    lasts = int(np.clip(healthy[cycles.DUTY] * healthy[cycles.PERIOD] / 60.0, 5, 40))
    swing = float(healthy[cycles.PEAK] - healthy[cycles.TROUGH])
    smooth = np.convolve(air, np.ones(3) / 3, "valid")
    return hold_over.first_fall(smooth, load[1:-1], lasts, 60.0, 0.5 * swing)


def _in_range(row: int, t_s: float, kept: Kept, truth: Truth) -> bool:
    """The load is inside its limits, or falls towards them."""
    _, load = kept.column("load", row, t_s - 1800, t_s)
    now, then = load[-5:].mean() / 1000, load[:5].mean() / 1000
    low, high = truth.profile.limits.low_c, truth.profile.limits.high_c
    if low is not None and now < low:
        return False
    return high is None or now < high or now < then - 0.1
