# SPDX-License-Identifier: Apache-2.0
"""Fleet after fleet, simulated, judged and scored; results add up in a file, so a run may stop and go on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alerts.rules.terms import Part
from benchmarks import quality_cause, quality_detail, quality_score, quality_sim, quality_variants
from benchmarks.quality_detail import Kept, Watch
from benchmarks.quality_engine import Judge, profile_of
from benchmarks.quality_plan import Rate, plan
from benchmarks.quality_truth import Truth
from firmware_sim.physics.designs import ApplianceType as Type

COUNT, DAYS = 1000, 73
"""Appliances and days of one fleet: 200 appliance-years."""
AIR_OF = 8
"""Every eighth appliance's air is judged, too: beside its load, and as if there were no load probe."""


def one(
    kind: Type, count: int, days: int, seed: int, *, evaluates: bool, progress: Any = None
) -> dict[str, Any]:
    """Simulate, judge and score one fleet."""
    planned = plan(kind, count, days, seed, Rate(), wider=evaluates)
    truth = Truth(profile_of(kind), count, planned)
    some = np.arange(0, count, AIR_OF)
    judges = {
        "load": Judge.of(kind, count, Part.LOAD),
        "beside": Judge.of(kind, len(some), Part.AIR_BESIDE),
        "alone": Judge.of(kind, len(some), Part.AIR_ALONE),
    }
    spent = {"simulating_s": 0.0, "judging_s": 0.0}
    begun = time.process_time()
    for day, chunk in enumerate(quality_sim.run(kind, count, days, seed, planned, outside=evaluates)):
        simulated = time.process_time()
        spent["simulating_s"] += simulated - begun
        judges["load"].feed(chunk.at_s, chunk.load)
        judges["beside"].feed(chunk.at_s, chunk.air[:, some])
        judges["alone"].feed(chunk.at_s, chunk.air[:, some])
        truth.feed(chunk)
        begun = time.process_time()
        spent["judging_s"] += begun - simulated
        if progress is not None:
            progress(count * (day + 1) / 365)
    truth.close()
    load, air = judges["load"].messages(), judges["alone"].messages(some)
    rows = some.tolist()
    tally: dict[str, Any] = {
        "load": quality_score.messages_worth(truth, load),
        "both": quality_score.messages_worth(truth, load + judges["beside"].messages(some), rows),
        "alone": quality_score.messages_worth(truth, air, rows),
        "faults": quality_score.faults_met(truth, load),
        "alone_defrosts": quality_score.defrosts_passed(truth, quality_score.Told(air), set(rows)),
    }
    return {
        "type": str(kind),
        "seed": seed,
        "years": count * days / 365,
        "appliances": count,
        "days": days,
        "rules": judges["load"].digest,
        "commit": commit(),
        "tally": {**tally, **spent},
    }


def close_look(
    kind: Type, count: int, days: int, seed: int, *, evaluates: bool, progress: Any = None
) -> dict[str, Any]:
    """One smaller fleet, its readings kept: what is told besides alarms."""
    planned = plan(kind, count, days, seed, Rate(8.0, 16.0), wider=evaluates)
    profile = profile_of(kind)
    truth, kept, judge = Truth(profile, count, planned), Kept(), Judge.of(kind, count, Part.LOAD)
    seeing, unseeing = (Watch(profile, count, seeing=s) for s in (True, False))
    for day, chunk in enumerate(quality_sim.run(kind, count, days, seed, planned, outside=evaluates)):
        kept.tables.append(unseeing.table.copy())
        for part in (truth, kept, seeing, unseeing):
            part.feed(chunk)
        judge.feed(chunk.at_s, chunk.load)
        if progress is not None:
            progress(count * (day + 1) / 365)
    truth.close()
    kept.close()
    asked = quality_cause.Asked(unseeing, kept)
    return {
        "type": str(kind),
        "close": True,
        "seed": seed,
        "years": count * days / 365,
        "rules": judge.digest,
        "commit": commit(),
        "tally": {
            "seeing": quality_detail.time_to_limit(truth, seeing, kept),
            "unseeing": quality_detail.time_to_limit(truth, unseeing, kept),
            "blind": quality_detail.blind_clock(truth, kept, quality_cause.held_of(kind, kept, truth)),
            "leave": quality_cause.leaves(truth, unseeing, kept),
            "causes": quality_cause.diagnoses(truth, judge.messages(), asked),
            "variants": quality_variants.variants(truth, kept, kind),
            "order": quality_variants.any_order(kept, kind, seed),
        },
    }


def commit() -> str:
    """Of what is judged with."""
    try:
        told = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return told.stdout.strip()


def read(path: Path) -> list[dict[str, Any]]:
    """Results so far, one JSON object a line."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def append(path: Path, result: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(result, separators=(",", ":"), default=float) + "\n")


@dataclass(frozen=True, slots=True)
class Bar:
    """One line, rewritten: how far, how long, how much longer. before, whole [appliance-years]."""

    label: str
    before: float
    whole: float
    begun: float

    def __call__(self, years: float) -> None:
        done = self.before + years
        part = min(done / self.whole, 1.0) if self.whole else 1.0
        took = time.monotonic() - self.begun
        rest = took / part - took if part > 0 else 0.0
        filled = "#" * round(24 * part)
        print(
            f"\r{self.label:<20} [{filled:<24}] {done:7.1f} of {self.whole:.0f} years, {took / 60:4.1f} min, "
            f"{rest / 60:4.1f} to go ",
            end="",
            file=sys.stderr,
            flush=True,
        )
