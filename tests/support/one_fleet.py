# SPDX-License-Identifier: Apache-2.0
"""One appliance, streams of minutes, and what the engine says of them."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from alerts.judgement.engine import EngineState, Events, What, step
from alerts.rules import CONDITIONS
from alerts.rules.flat import Block
from alerts.rules.table import build_table
from alerts.rules.terms import RuleTable
from coldchain.records.registry import Appliance, Assignment, Offset, Registry, Sensor, Site

MINUTE = 60_000
T0 = 1_657_195_200_000
DAY = 1440
RED = (Assignment(carries="red-cells@eu"),)


@dataclass(frozen=True)
class Fleet:
    """One appliance and its sensors; series are numbered in their order."""

    rules: RuleTable
    names: tuple[str, ...]


def fleet(
    *probes: str | None,
    assignments: tuple[Assignment, ...] = RED,
    kind: str = "blood-refrigerator",
    offsets: tuple[Offset, ...] = (),
    insight: bool = True,
) -> Fleet:
    """probes: load, air, agitator, or None where nobody says."""
    sensors = tuple(
        Sensor(
            id=f"a/{n}",
            appliance="a",
            quantity="agitator" if probe == "agitator" else "temperature",
            probe=None if probe == "agitator" else probe,  # type: ignore[arg-type]
            node="n",
            channel=n,
            offsets=offsets,
        )
        for n, probe in enumerate(probes)
    )
    registry = Registry(
        sites=(Site(id="vte", name="Vientiane"),),
        appliances=(Appliance(id="a", name="", site="vte", kind=kind, assignments=assignments),),
        sensors=sensors,
    )
    series = {n: (s.id, s.code) for n, s in enumerate(sensors)}
    rules = build_table(registry, series, fault_after_ms=5 * MINUTE, insight=insight)
    return Fleet(rules, tuple(s.id for s in sensors))


def block(values: dict[int, list[float]], at: dict[int, list[int]] | None = None) -> Block:
    """Readings a minute of each series; NaN: it failed."""
    columns = []
    for series, celsius in values.items():
        when = at[series] if at else range(len(celsius))
        columns += [(series, T0 + t * MINUTE, c) for t, c in zip(when, celsius, strict=True)]
    columns.sort(key=lambda c: (c[1], c[0]))
    told = np.array([-(2**31) if math.isnan(c) else round(c * 1000) for _, _, c in columns], np.int64)
    yes = np.ones(len(columns), np.bool_)
    usable = told != -(2**31)
    who = np.array([s for s, _, _ in columns], np.int64)
    return Block(who, np.array([t for _, t, _ in columns], np.int64), told, usable, yes, ~yes)


def happened(events: Events, *, what: What = What.RAISED) -> list[tuple[str, int, int]]:
    """(condition, series, minute) in order."""
    chosen = events[events["what"] == what]
    return [
        (CONDITIONS[int(e["kind"])].name, int(e["series"]), (int(e["at"]) - T0) // MINUTE) for e in chosen
    ]


def judged(rules: RuleTable, whole: Block, edges: list[int]) -> tuple[EngineState, Events]:
    """Cut at those readings."""
    state, found = EngineState.fresh(), []
    for low, high in pairwise([0, *edges, len(whole)]):
        did = step(state, whole.take(np.arange(low, high)), rules)
        state = did.state
        found.append(did.events)
    return state, np.concatenate(found)


def raised_by(values: dict[int, list[float]], one: Fleet) -> list[tuple[str, int, int]]:
    return happened(step(EngineState.fresh(), block(values), one.rules).events)


def cycling(minutes: int, seed: int = 5, mean: float = 4.0, swing: float = 0.4) -> list[float]:
    """A load that swings a little every 40 minutes, with a probe's noise."""
    noise = np.random.default_rng(seed).normal(0, 0.03, minutes)
    told: list[float] = np.round(
        mean + swing * np.sin(np.arange(minutes) * 2 * math.pi / 40) + noise, 2
    ).tolist()
    return told
