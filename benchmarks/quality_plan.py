# SPDX-License-Identifier: Apache-2.0
"""Which faults each simulated appliance suffers, when and how badly: the other half of the truth.

Seeds of evaluation are not those of tuning, and neither are the ranges: lengths and strengths of an
evaluation reach a fifth beyond those of tuning on either side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from firmware_sim.faults import Fault, FaultKind
from firmware_sim.physics.designs import ApplianceType as Type
from firmware_sim.physics.strikes import Strike

DAY_S, HOUR_S = 86_400.0, 3600.0
PER_SITE = 8
"""Appliances on one supply."""
QUIET_DAYS = 4.0
"""Days without faults at the beginning: what is learnt is learnt here, and not scored."""
TUNING_SEEDS, EVALUATION_SEEDS = range(100, 1000), range(20_000, 30_000)

SETTING_CHANGE = "setting_change"
FADE = "compressor_fade"
WARM_PLATES, FROZEN_PLATES = "warm_plates", "frozen_plates"
"""Not the simulator's own: the set-point moved; cooling lost over weeks; plates badly conditioned."""

Span = tuple[float, float]
LASTS_S: Mapping[str, Span] = {
    FaultKind.DOOR_OPEN: (8 * 60.0, 50 * 60.0),
    FaultKind.COMPRESSOR_LOST: (3 * HOUR_S, 14 * HOUR_S),
    FaultKind.REFRIGERANT_LOSS: (30 * HOUR_S, 60 * HOUR_S),
    FADE: (8 * DAY_S, 20 * DAY_S),
    FaultKind.MAINS_CUT: (0.5 * HOUR_S, 9 * HOUR_S),
    FaultKind.WARM_LOAD: (4 * HOUR_S, 4 * HOUR_S + 1),
    FaultKind.PROBE_OPEN: (1 * HOUR_S, 5 * HOUR_S),
    FaultKind.PROBE_STUCK: (20 * HOUR_S, 40 * HOUR_S),
    FaultKind.PROBE_DRIFT: (30 * HOUR_S, 50 * HOUR_S),
    SETTING_CHANGE: (30 * HOUR_S, 40 * HOUR_S),
    WARM_PLATES: (10 * HOUR_S, 20 * HOUR_S),
    FROZEN_PLATES: (8 * HOUR_S, 14 * HOUR_S),
}
"""How long each lasts [s], least and most."""

SLOWER = {Type.PLASMA_FREEZER: 3.0, Type.ULTRA_FREEZER: 2.5}
"""Losses of cooling last so many times longer, or no freezer would ever pass its limit."""
_LOSSES = (FaultKind.COMPRESSOR_LOST, FaultKind.MAINS_CUT)

NUMBERS: Mapping[str, Span] = {
    FaultKind.DOOR_OPEN: (0.15, 1.0),
    FaultKind.REFRIGERANT_LOSS: (0.3, 0.6),
    FADE: (0.03, 0.08),
    FaultKind.WARM_LOAD: (0.1, 0.3),
    FaultKind.PROBE_DRIFT: (0.05, 0.15),
    SETTING_CHANGE: (0.6, 1.2),
    WARM_PLATES: (0.7, 1.4),
    FROZEN_PLATES: (-0.35, -0.12),
}
"""How bad: gap; part of the cooling a day (two of them); part of the load; K/h; K; energy of the plates."""
_EITHER_SIGN = (FaultKind.PROBE_DRIFT, SETTING_CHANGE)

_COMPRESSED = tuple(k for k in LASTS_S if k not in (WARM_PLATES, FROZEN_PLATES))
KINDS: Mapping[Type, tuple[str, ...]] = {
    Type.BLOOD_REFRIGERATOR: _COMPRESSED,
    Type.PLASMA_FREEZER: _COMPRESSED,
    Type.ULTRA_FREEZER: _COMPRESSED,
    Type.PLATELET_INCUBATOR: _COMPRESSED,
    Type.PASSIVE_BOX: (
        FaultKind.DOOR_OPEN,
        FaultKind.WARM_LOAD,
        FaultKind.PROBE_OPEN,
        FaultKind.PROBE_STUCK,
        FaultKind.PROBE_DRIFT,
        WARM_PLATES,
        FROZEN_PLATES,
    ),
    Type.ACTIVE_BOX: _COMPRESSED,
}


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault of one appliance (of all on the supply, for a cut). Instants are [s after the start]."""

    kind: str
    start_s: float
    end_s: float
    rows: tuple[int, ...]
    number: float


@dataclass(frozen=True, slots=True)
class Rate:
    """Mean days from the end of one fault to the beginning of the next, and between cuts of a supply."""

    lone_days: float = 12.0
    cut_days: float = 24.0


def plan(kind: Type, count: int, days: float, seed: int, rate: Rate, *, wider: bool) -> list[Planned]:
    """Never two faults of one appliance within half a day. wider: the ranges of the evaluation."""
    rng = np.random.default_rng(seed)
    planned: list[Planned] = []
    last = days * DAY_S - 12 * HOUR_S
    lone = [k for k in KINDS[kind] if k != FaultKind.MAINS_CUT]
    share = np.array([0.3 if k == FADE else 1.0 for k in lone])
    share /= share.sum()
    for first in range(0, count, PER_SITE):
        rows = tuple(range(first, min(first + PER_SITE, count)))
        cuts: list[Planned] = []
        at = QUIET_DAYS * DAY_S + rng.exponential(rate.cut_days) * DAY_S
        while FaultKind.MAINS_CUT in KINDS[kind]:
            lasts = _lasts(kind, FaultKind.MAINS_CUT, rng, wider=wider)
            if at + lasts > last:
                break
            cuts.append(Planned(FaultKind.MAINS_CUT, at, at + lasts, rows, 0.0))
            at += lasts + DAY_S + rng.exponential(rate.cut_days) * DAY_S
        planned += cuts
        for row in rows:
            at = QUIET_DAYS * DAY_S + rng.exponential(rate.lone_days) * DAY_S
            while True:
                word = lone[int(rng.choice(len(lone), p=share))]
                lasts, number = _lasts(kind, word, rng, wider=wider), _number(word, rng, wider=wider)
                start = _packing(at) if word in (WARM_PLATES, FROZEN_PLATES) else at
                if start + lasts > last:
                    break
                clear = DAY_S / 2
                if all(start + lasts + clear < c.start_s or start > c.end_s + clear for c in cuts):
                    planned.append(Planned(word, start, start + lasts, (row,), number))
                at = start + lasts + DAY_S + rng.exponential(rate.lone_days) * DAY_S
    return sorted(planned, key=lambda p: p.start_s)


def _packing(at_s: float) -> float:
    """The next 06:40 local time (UTC + 7 h): boxes were packed within the hour before."""
    local = at_s + START_LOCAL_S
    day = math.ceil((local - 6.67 * HOUR_S) / DAY_S)
    return day * DAY_S + 6.67 * HOUR_S - START_LOCAL_S


START_LOCAL_S = (1_790_000_000.0 + 7 * HOUR_S) % DAY_S


def _wide(span: Span, *, wider: bool) -> Span:
    low, high = span
    by = 0.2 if wider else 0.0
    return low * (1 - by), high * (1 + by)


def _lasts(kind: Type, word: str, rng: np.random.Generator, *, wider: bool) -> float:
    slower = SLOWER.get(kind, 1.0) if word in _LOSSES else 1.0
    low, high = _wide(LASTS_S[word], wider=wider)
    return slower * float(rng.uniform(low, high))


def _number(word: str, rng: np.random.Generator, *, wider: bool) -> float:
    if word not in NUMBERS:
        return 0.0
    number = float(rng.uniform(*_wide(NUMBERS[word], wider=wider)))
    if word == FaultKind.DOOR_OPEN:
        number = min(number, 1.0)
    return number * float(rng.choice([-1.0, 1.0])) if word in _EITHER_SIGN else number


_KEYS = {
    FaultKind.DOOR_OPEN: "gap",
    FaultKind.REFRIGERANT_LOSS: "part_per_day",
    FaultKind.WARM_LOAD: "part",
}


def strike(p: Planned) -> Strike | None:
    """As the simulator takes it; None for what is done to probes and set-points from outside."""
    word = FaultKind.REFRIGERANT_LOSS if p.kind == FADE else p.kind
    if word.startswith("probe_") or word in (SETTING_CHANGE, WARM_PLATES, FROZEN_PLATES):
        return None
    kind = FaultKind(word)
    numbers: dict[str, float | str] = {_KEYS[kind]: p.number} if kind in _KEYS else {}
    if kind is FaultKind.WARM_LOAD:
        numbers["temperature_c"] = 22.0
    return Strike(Fault(kind, p.start_s, p.end_s, (), numbers=numbers), np.array(p.rows, dtype=np.intp))
