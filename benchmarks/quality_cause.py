# SPDX-License-Identifier: Apache-2.0
"""Causes told at the first message of each planned fault, probes found, and "may I leave?" after repairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from alerts.insight import cause, hold_over
from benchmarks.quality_score import RULES, Judge, Truth
from benchmarks.quality_sim import PER_SITE, START_UTC_S, Planned

WORD = {
    "door_open": "door",
    "mains_cut": "mains cut",
    "compressor_lost": "compressor",
    "refrigerant_loss": "refrigerant loss",
    "warm_load": "warm load",
    "setting_change": "setting change",
    "probe_open": "sensor fault",
    "probe_stuck": "sensor fault",
    "probe_drift": "sensor fault",
}
NAN6 = np.full(6, np.nan)


class History:
    """What was known of each series at an instant, looked up again."""

    def __init__(self, judge: Judge, slots: dict[str, Any]) -> None:
        self.judge, self.slots = judge, slots
        rows = judge.cycle_rows
        series = np.concatenate([c.series for c in rows]) if rows else np.zeros(0, np.int64)
        at = np.concatenate([c.at for c in rows]) / 1000 - START_UTC_S if rows else np.zeros(0)
        order = np.lexsort((at, series))
        self.series, self.at = series[order], at[order]
        empty = np.zeros((0, 6))
        self.usual = np.concatenate([c.usual for c in rows])[order] if rows else empty
        self.healthy = np.concatenate([c.healthy for c in rows])[order] if rows else empty
        self.features = np.concatenate([c.features for c in rows])[order] if rows else empty
        self.contacts = {
            name: np.concatenate([part[name] for part in judge.contacts]) for name in judge.contacts[0]
        }

    def cycles(self, series: int, from_s: float, to_s: float) -> slice:
        low, high = np.searchsorted(self.series, [series, series + 1])
        a, b = np.searchsorted(self.at[low:high], [from_s, to_s], side="right")
        return slice(int(low + a), int(low + b))

    def last_slot(self, series: int, t_s: float) -> int:
        low, high = np.searchsorted(self.slots["series"], [series, series + 1])
        n = int(np.searchsorted(self.slots["known"][low:high], t_s, side="right"))
        return int(low) + n - 1 if n else -1

    def stalled(self, row: int, t_s: float) -> float:
        found = self.cycles(row + self.judge.n, -1e9, t_s)
        if found.stop - found.start < 5:
            return float("nan")
        last = found.stop - 1
        return float((t_s - self.at[last]) / max(self.usual[last, 0], 60.0))


def scene(h: History, row: int, t_s: float, began_s: float, probe: float, *, contacts: bool) -> cause.Scene:
    """What a monitor knows of one appliance at `t_s`. The healthy signature is that of before."""
    n = h.judge.n
    minute = int(t_s // 60)
    two = slice(max(0, minute - 120), minute + 1)
    hour = slice(max(0, minute - 60), minute + 1)
    first = row // PER_SITE * PER_SITE
    others = [r for r in range(first, min(first + PER_SITE, n)) if r != row]
    stopped = np.array([h.stalled(r, t_s) for r in others])
    siblings = float(np.mean(stopped[np.isfinite(stopped)] > 3)) if np.isfinite(stopped).any() else np.nan
    now, before = h.cycles(row + n, -1e9, t_s), h.cycles(row + n, -1e9, began_s)
    load, air = h.last_slot(row, t_s), h.last_slot(row + n, t_s)
    lead = np.nan
    if load >= 26 and air >= 26:
        level = h.slots["level"]
        jumps = level[load - 23 : load + 1] - level[load - 25 : load - 1]
        pull = level[air - 23 : air + 1] - level[load - 23 : load + 1]
        lead = float(np.max(jumps - np.maximum(pull, 0.0) * 600.0 / h.judge.terms.tau_s))
    ran = h.contacts["compressor"][hour, row]
    long = h.contacts["compressor"][max(0, minute - 720) : minute + 1, row] > 0
    idle = 60.0 * (len(long) - 1 - int(np.flatnonzero(long)[-1]) if long.any() else len(long))
    unknown = np.nan
    return cause.Scene(
        mains=np.array([h.contacts["mains"][two, row].mean() if contacts else unknown]),
        door=np.array([h.contacts["door"][minute, row] if contacts else unknown]),
        door_s=np.array([60.0 * h.contacts["door"][hour, row].sum() if contacts else unknown]),
        compressor=np.array([ran.mean() if contacts else unknown]),
        idle_s=np.array([idle if contacts else unknown]),
        siblings=np.array([siblings]),
        stalled=np.array([h.stalled(row, t_s)]),
        rate=np.array([h.slots["slope"][air] if air >= 0 else unknown]),
        usual=(h.usual[now.stop - 1] if now.stop > now.start else NAN6)[None],
        healthy=(h.healthy[before.stop - 1] if before.stop > before.start else NAN6)[None],
        template=np.array([float(h.slots["inside"][air]) if air >= 0 else unknown]),
        load_lead_k=np.array([lead]),
        probe=np.array([probe]),
    )


def diagnoses(judge: Judge, truth: Truth, planned: list[Planned], slots: dict[str, Any]) -> dict[str, Any]:
    """Pairs (true word, told word) with contacts and by temperature alone; probes; leave."""
    h = History(judge, slots)
    pairs: dict[str, list[tuple[str, str]]] = {"contacts": [], "temperature": []}
    codes, stuck = [], []
    rules = (RULES[2], RULES[3], RULES[6], RULES[9])
    rang = [(s % judge.n, at) for rule in rules for s, at, _ in judge.latches[rule].rang]
    limits = [(s, at) for s, at, _ in judge.latches[RULES[2]].rang]
    for p in planned:
        for row in p.rows:
            doubts = [at for s, at, _ in judge.doubts if s == row and p.start_s <= at <= p.end_s]
            if p.kind == "probe_open":
                codes.append(any(r == row and p.start_s <= at <= p.end_s for r, at in limits))
            if p.kind == "probe_stuck":
                stuck.append(bool(doubts))
            told = [at for r, at in rang if r == row and p.start_s + 60 <= at <= p.end_s + 1800]
            moments = doubts[:1] if p.kind.startswith("probe") and doubts else sorted(told)[:1]
            for at in moments:
                probe = float(any(abs(d - at) < 3600 for d in doubts))
                for name, found in pairs.items():
                    seen = cause.features(scene(h, row, at, p.start_s, probe, contacts=name == "contacts"))
                    word = cause.Cause(int(cause.diagnose(seen, shape=1).cause[0])).word
                    found.append((WORD[p.kind], word))
    return {"diagnoses": pairs, "codes": codes, "stuck": stuck, "leave": _leave(h, planned)}


def _leave(h: History, planned: list[Planned]) -> list[tuple[bool, bool]]:
    """(still broken, did it say yes within 90 minutes): for repairs that hold and those claimed in vain."""
    found = []
    for p in planned:
        if p.kind == "compressor_lost":
            asked = [(p.end_s, False), (p.start_s + 1800, True)]
        elif p.kind == "refrigerant_loss":
            asked = [(p.start_s + 24 * 3600, True)]
        else:
            continue
        found += [(broken, _yes(h, p.rows[0], p.start_s, since)) for since, broken in asked]
    return found


def _yes(h: History, row: int, began_s: float, since_s: float) -> bool:
    before = h.cycles(row + h.judge.n, -1e9, began_s)
    if before.stop - before.start < 20:
        return False
    one = np.array([True])
    terms = h.judge.terms
    for age in range(600, 5401, 600):
        after = h.cycles(row + h.judge.n, since_s, since_s + age)
        slot = h.last_slot(row, since_s + age)
        level = h.slots["level"][slot]
        falls = level < h.slots["level"][slot - 6] - 0.1 and level > terms.low_c
        count = after.stop - after.start
        median = np.median(h.features[after][-5:], axis=0) if count else NAN6
        answer = hold_over.may_leave(
            h.healthy[before.stop - 1][None],
            median[None],
            np.array([count]),
            np.array([float(age)]),
            one & ((terms.low_c < level < terms.high_c) | falls),
            one,
        )
        if answer.leave[0] == hold_over.Leave.YES:
            return True
    return False
