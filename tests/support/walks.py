# SPDX-License-Identifier: Apache-2.0
"""Random walks of temperatures that have everything: cycles, defrosts, openings, codes, spikes, holes."""

from itertools import pairwise
from typing import Any

import numpy as np

MINUTE, DAY = 60_000, 86_400_000
CODES = (-127.0, 85.0, 84.0, 127.94, None)

Reading = tuple[int, float | None]


def walk(seed: int, start: int, days: float, *, every_min: int = 5, defrost_h: float = 8.0) -> list[Reading]:
    """One sensor of a blood refrigerator, in order, thousandths exact: about 4 °C, and what befalls it."""
    rng = np.random.default_rng(seed)
    n = int(days * 1440 / every_min)
    minute = np.arange(n) * every_min
    celsius = 4.0 + 0.6 * np.sin(minute * 2 * np.pi / (35 + 10 * rng.random())) + rng.normal(0, 0.05, n)
    phase = minute - defrost_h * 60 * rng.random()
    since = phase % (defrost_h * 60)
    celsius += np.where((phase > 0) & (since < 30), 3.2 * np.sin(np.clip(since, 0, 30) / 30 * np.pi), 0.0)
    for _ in range(rng.poisson(0.7 * days)):  # a door, a fault, a wrong set-point
        at, long = rng.integers(n), int(rng.integers(2, 60))
        celsius[at : at + long] += rng.choice([6.0, 3.0, 1.8, -3.5]) * np.linspace(0.3, 1.0, long)[: n - at]
    told: list[float | None] = [round(float(c), 3) for c in celsius]
    for _ in range(rng.poisson(1.5 * days)):
        at, long = rng.integers(n), int(rng.integers(1, 8))
        code = CODES[int(rng.integers(len(CODES)))]
        told[at : at + long] = [code] * len(told[at : at + long])
    for _ in range(rng.poisson(1.0 * days)):
        told[int(rng.integers(n))] = round(float(4.0 + rng.choice([-9.0, 9.0, 14.0])), 3)
    readings = [(start + int(m) * MINUTE, v) for m, v in zip(minute.tolist(), told, strict=True)]
    for _ in range(rng.poisson(0.5 * days)):  # holes
        hole, long = int(rng.integers(n)), int(rng.integers(2, 80))
        del readings[hole : hole + long]
    if rng.random() < 0.5 and readings:  # two values of one instant
        instant, _ = readings[int(rng.integers(len(readings)))]
        readings += [(instant, 4.2), (instant, 9.1)]
    return sorted(set(readings), key=lambda r: (r[0], -1e9 if r[1] is None else r[1]))


def pieces(readings: list[Any], edges: list[int]) -> list[list[Any]]:
    """The list cut at those places."""
    bounds = [0, *sorted(min(e, len(readings)) for e in edges), len(readings)]
    return [readings[a:b] for a, b in pairwise(bounds) if b > a]
