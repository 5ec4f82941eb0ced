# SPDX-License-Identifier: Apache-2.0
"""What the messages of the engine are worth against the truth: counts and samples that add up over fleets."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import Any

import numpy as np

from benchmarks.quality_engine import Message
from benchmarks.quality_plan import DAY_S, QUIET_DAYS
from benchmarks.quality_truth import AFTER_S, Run, Truth

Tally = dict[str, Any]
"""Numbers and lists of numbers, by word; `add` joins two."""

BEFORE_S, LATE_S = 12 * 3600.0, 600.0
"""A message belongs to an excursion from so long before it began to so long after it ended."""
DEFROST_S = 5400.0
"""A defrost is felt so long after it ended."""
SAMPLES = 4000
"""No more samples of one kind are kept of one fleet."""
LOSSES = ("mains_cut", "compressor_lost", "refrigerant_loss", "compressor_fade")


def add(one: Tally, other: Tally) -> Tally:
    """Joined: numbers add up, but for those named longest_*; lists follow each other; words go by word."""
    out = dict(one)
    for key, value in other.items():
        if key not in out:
            out[key] = value
        elif isinstance(value, dict):
            out[key] = add(out[key], value)
        elif key.startswith("longest"):
            out[key] = max(out[key], value)
        else:
            out[key] = out[key] + value
    return out


def of_temperature(message: Message) -> bool:
    return message.kind not in ("sensor_fault", "agitator")


class Told:
    """Messages by row, in order of time."""

    def __init__(self, messages: list[Message]) -> None:
        by_row: dict[int, list[Message]] = defaultdict(list)
        for m in sorted(messages, key=lambda m: (m.row, m.at_s)):
            by_row[m.row].append(m)
        self.by_row = by_row
        self.at = {row: [m.at_s for m in mine] for row, mine in by_row.items()}

    def within(self, row: int, from_s: float, until_s: float) -> list[Message]:
        """Raised in that span, both ends included."""
        mine = self.at.get(row)
        if not mine:
            return []
        first = bisect_left(mine, from_s)
        found = []
        for m in self.by_row[row][first:]:
            if m.at_s > until_s:
                break
            found.append(m)
        return found

    def stood(self, row: int, at_s: float) -> bool:
        """A message about temperature stood at that moment."""
        return any(m.at_s <= at_s <= m.returned_s and of_temperature(m) for m in self.by_row.get(row, []))


def messages_worth(truth: Truth, messages: list[Message], rows: list[int] | None = None) -> Tally:
    """Missed, nuisance, real. rows: only these appliances."""
    told = Told(messages)
    learnt = QUIET_DAYS * DAY_S
    mine = None if rows is None else set(rows)
    wanted = [e for e in truth.excursions if mine is None or e[0] in mine]
    missed = [e for e in wanted if not found_of(told, e)]
    scored = [m for m in messages if m.at_s >= learnt and (mine is None or m.row in mine)]
    false = [m for m in scored if not truth.disturbed(m.row, m.at_s)]
    by_name: dict[str, int] = defaultdict(int)
    for m in false:
        by_name[m.name] += 1
    all_names: dict[str, int] = defaultdict(int)
    for m in scored:
        all_names[m.name] += 1
    new = [m for m in messages if m.at_s < learnt and (mine is None or m.row in mine)]
    late = [delay for e in wanted if (delay := _delay(told, e)) is not None]
    return {
        "excursions": len(wanted),
        "missed": len(missed),
        "longest_missed_min": max([(e[2] - e[1]) / 60 for e in missed], default=0.0),
        "missed_min": [round((e[2] - e[1]) / 60) for e in missed][:SAMPLES],
        "messages": len(scored),
        "nuisance": len(false),
        "nuisance_by": dict(by_name),
        "messages_by": dict(all_names),
        "months": truth.calm_months(rows),
        "appliances_new": truth.count if mine is None else len(mine),
        "nuisance_new": len([m for m in new if not truth.disturbed(m.row, m.at_s)]),
        "delay_min": _some(late),
    }


def found_of(told: Told, e: Run) -> bool:
    """Some message about temperature came around the excursion, or stood when it began."""
    row, start, end = e
    if any(of_temperature(m) for m in told.within(row, start - BEFORE_S, end + LATE_S)):
        return True
    return told.stood(row, start)


def _delay(told: Told, e: Run) -> float | None:
    """Minutes from the excursion's beginning to its first message; negative: told before."""
    row, start, end = e
    came = [m.at_s for m in told.within(row, start - BEFORE_S, end + LATE_S) if of_temperature(m)]
    return round((came[0] - start) / 60.0, 1) if came else None


def _some(values: list[float]) -> list[float]:
    step = max(1, len(values) // SAMPLES)
    return values[::step]


def faults_met(truth: Truth, messages: list[Message]) -> Tally:
    """Early warning by kind of loss; codes read as temperatures; probes found; defrosts passed."""
    told = Told(messages)
    lead: dict[str, list[float]] = defaultdict(list)
    ahead_h: dict[str, list[float]] = defaultdict(list)
    probes: dict[str, int] = defaultdict(int)
    stuck_h: list[float] = []
    for p in truth.planned:
        for row in p.rows:
            if p.kind in LOSSES:
                crossing = truth.crossing(row, p.start_s, p.end_s + AFTER_S)
                if crossing is None or crossing - p.start_s < 1800:
                    continue
                came = [m for m in told.within(row, p.start_s, crossing) if of_temperature(m)]
                left = crossing - came[0].at_s if came else 0.0
                lead[p.kind].append(round(left / (crossing - p.start_s), 3))
                ahead_h[p.kind].append(round(left / 3600.0, 2))
            elif p.kind.startswith("probe_"):
                during = told.within(row, p.start_s, p.end_s + 60.0)
                probes[p.kind] += 1
                doubts = [m for m in during if m.kind == "sensor_fault"]
                probes[p.kind + "_found"] += bool(doubts)
                if p.kind == "probe_stuck" and doubts:
                    stuck_h.append(round((doubts[0].at_s - p.start_s) / 3600.0, 2))
                if p.kind == "probe_open":
                    read = [m for m in during if of_temperature(m) and m.kind != "cumulative"]
                    real = truth.crossing(row, p.start_s - AFTER_S, p.end_s) is not None
                    probes["probe_open_read_as_temperature"] += bool(read) and not real
    return {
        "lead": {k: _some(v) for k, v in lead.items()},
        "ahead_h": {k: _some(v) for k, v in ahead_h.items()},
        "probes": dict(probes),
        "stuck_h": stuck_h,
        **defrosts_passed(truth, told),
    }


def defrosts_passed(truth: Truth, told: Told, rows: set[int] | None = None) -> Tally:
    """After the third of each appliance, clear of faults; and excursions that a defrost may have hidden."""
    seen: dict[int, int] = defaultdict(int)
    total = passed = 0
    starts: dict[int, list[float]] = defaultdict(list)
    for row, start, end in truth.defrosts:
        if rows is not None and row not in rows:
            continue
        starts[row].append(start)
        seen[row] += 1
        if seen[row] <= 3 or truth.disturbed(row, start) or truth.disturbed(row, end + DEFROST_S):
            continue
        total += 1
        passed += not told.within(row, start, end + DEFROST_S)
    hidden = touched = 0
    for e in truth.excursions:
        if rows is not None and e[0] not in rows:
            continue
        near = starts.get(e[0], [])
        place = bisect_left(near, e[1] - DEFROST_S)
        if place < len(near) and near[place] <= e[2]:
            touched += 1
            hidden += not found_of(told, e)
    return {
        "defrosts": total,
        "defrosts_passed": passed,
        "excursions_at_defrosts": touched,
        "hidden_by_defrosts": hidden,
    }


def digest_of(values: list[float]) -> str:
    """Median and 90 % range of a sample."""
    if not values:
        return "none"
    low, middle, high = np.percentile(values, [5, 50, 95])
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"
