# SPDX-License-Identifier: Apache-2.0
"""The same readings judged otherwise: rules left out, other set-points and delays, readings lost or twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest import mock

import numpy as np

from alerts.insight import regular
from alerts.judgement.engine import EngineState
from alerts.rules.flat import Block
from alerts.rules.table import TAU_S
from alerts.rules.terms import Part, of_one_profile
from benchmarks.quality_detail import Kept
from benchmarks.quality_engine import EVERY_MS, FAULT_AFTER_MS, Judge, Message, profile_of
from benchmarks.quality_score import messages_worth
from benchmarks.quality_sim import MINUTES, START_UTC_S
from benchmarks.quality_truth import Truth
from coldchain.kernel.limits import Limits, Profile
from firmware_sim.physics.designs import ApplianceType as Type

BLOCK = 16
LOST, TWICE = 0.05, 0.05


def judged(profile: Profile, kind: Type, kept: Kept, part: Part, *, insight: bool = True) -> list[Message]:
    """All of a fleet's loads, or airs, under that profile."""
    milli = kept.whole["load" if part is Part.LOAD else "air"]
    judge = Judge(
        of_one_profile(
            milli.shape[1],
            profile,
            EVERY_MS,
            FAULT_AFTER_MS,
            part=part,
            insight=insight,
            tau_s=TAU_S[str(kind)],
        )
    )
    for first in range(0, len(milli), MINUTES):
        day = milli[first : first + MINUTES].astype(np.int64)
        judge.feed(60.0 * np.arange(first, first + len(day), dtype=np.float64), day)
    return judge.messages()


def bare(profile: Profile) -> Profile:
    """Its limits and delay, nothing else."""
    return replace(profile, warning=None, rate_k_min=None, budget=None, people_need=timedelta(0))


def inside(profile: Profile, by_k: float, minutes: float) -> Profile:
    """Bare, with the set-point moved inside the limits and another delay."""
    low, high = profile.limits.low_c, profile.limits.high_c
    points = Limits(
        None if low is None else low + by_k, None if high is None else high - by_k, profile.limits.source
    )
    return replace(bare(profile), critical=points, on_delay=timedelta(minutes=minutes))


@contextmanager
def _no_regular_rises() -> Iterator[None]:
    def nothing(was: Any, seg: Any, at_s: Any, ends: Any, rise_k: Any) -> Any:
        return np.zeros(len(at_s))

    with mock.patch.object(regular, "advance", nothing):
        yield


@contextmanager
def _no_defrosts() -> Iterator[None]:
    from alerts.insight import observe

    whole = observe.advance

    def plain(*args: Any, **more: Any) -> Any:
        return replace(whole(*args, **more), defrosts=None)

    with mock.patch.object(observe, "advance", plain):
        yield


def variants(truth: Truth, kept: Kept, kind: Type) -> dict[str, Any]:
    """Worth of the messages by how they were judged."""
    profile = profile_of(kind)
    found: dict[str, Any] = {}

    def note(name: str, messages: list[Message]) -> None:
        worth = messages_worth(truth, messages)
        keys = ("excursions", "missed", "longest_missed_min", "nuisance", "messages", "months")
        found[name] = {key: worth[key] for key in keys}

    shipped = judged(profile, kind, kept, Part.LOAD)
    note("load: as shipped", shipped)
    for rule in ("high_warning", "low_warning", "forecast", "rate", "cumulative"):
        if any(m.name == rule for m in shipped):
            note(f"load: without {rule}", [m for m in shipped if m.name != rule])
    note("load: without high and low", [m for m in shipped if m.name not in ("high", "low")])
    note(
        "load: without insight (doubts, forecast, rate)",
        judged(profile, kind, kept, Part.LOAD, insight=False),
    )
    with _no_regular_rises():
        note("load: without the memory of regular rises", judged(profile, kind, kept, Part.LOAD))
    alone = judged(profile, kind, kept, Part.AIR_ALONE)
    note("air alone: as shipped", alone)
    with _no_defrosts():
        note("air alone: without defrost templates", judged(profile, kind, kept, Part.AIR_ALONE))
    note("air alone: held against limits like a load", judged(profile, kind, kept, Part.PROBE))
    for by_k, minutes in ((0.0, 0), (0.0, 5), (0.0, 15), (0.0, 30), (0.0, 60), (0.5, 10), (1.0, 10)):
        moved = inside(profile, by_k, minutes)
        where = "limits" if by_k == 0 else f"set-points {by_k:g} K inside"
        for part, name in ((Part.LOAD, "load"), (Part.PROBE, "air")):
            note(f"{name}: {where} alone, {minutes} min", judged(moved, kind, kept, part, insight=False))
    return found


def any_order(kept: Kept, kind: Type, seed: int) -> dict[str, int]:
    """Messages of some appliances: in order; each day shuffled with duplicates; with readings lost."""
    rng = np.random.default_rng(seed)
    milli = kept.whole["load"][:, :BLOCK].astype(np.int64)
    told: dict[str, list[Message]] = {}
    for how in ("clean", "shuffled", "lost"):
        judge = Judge.of(kind, milli.shape[1], Part.LOAD)
        judge.state = EngineState.fresh(milli.shape[1])
        for first in range(0, len(milli), MINUTES):
            judge.judge(_block(milli[first : first + MINUTES], first, how, rng))
        told[how] = judge.messages()

    def facts(messages: list[Message]) -> set[tuple[int, str, float]]:
        return {(m.row, m.name, m.at_s) for m in messages}

    clean, lost = facts(told["clean"]), told["lost"]
    near = sum(
        any(m.row == row and m.name == name and abs(m.at_s - at) <= 600 for m in lost)
        for row, name, at in clean
    )
    return {
        "messages": len(clean),
        "differ_shuffled": len(clean ^ facts(told["shuffled"])),
        "lost_same": len(clean & facts(lost)),
        "lost_near": near,
    }


def _block(day: Any, first: int, how: str, rng: np.random.Generator) -> Block:
    minutes, rows = day.shape
    series = np.repeat(np.arange(rows), minutes)
    at_s = 60.0 * np.arange(first, first + minutes) + START_UTC_S
    at = np.tile(np.rint(at_s * 1000).astype(np.int64), rows)
    n = len(series)
    which = np.arange(n)
    if how == "shuffled":
        which = rng.permutation(np.concatenate([which, rng.choice(n, int(TWICE * n), replace=False)]))
    elif how == "lost":
        which = np.flatnonzero(rng.random(n) >= LOST)
    yes, no = np.ones(len(which), np.bool_), np.zeros(len(which), np.bool_)
    return Block(series[which], at[which], day.T.ravel()[which], yes, yes, no)
