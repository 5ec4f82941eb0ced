# SPDX-License-Identifier: Apache-2.0
"""Measures of refrigeration cycles, the same for real records and for simulated ones."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def undisturbed(t_s: Floats, defrosts_s: Floats, openings_s: Floats) -> NDArray[np.bool_]:
    """Rows at least 5 min before and 2 h after the start of a defrost, 30 min after an opening."""
    quiet = np.ones(len(t_s), dtype=bool)
    for at in defrosts_s:
        quiet &= (t_s <= at - 300) | (t_s >= at + 7200)
    for at in openings_s:
        quiet &= (t_s <= at - 300) | (t_s >= at + 1800)
    return quiet


def rises(flag: Floats) -> NDArray[np.intp]:
    """Rows at which a 0/1 series becomes 1."""
    return np.flatnonzero(np.diff(flag) > 0) + 1


def cycles(t_s: Floats, running: Floats, quiet: NDArray[np.bool_]) -> list[slice]:
    """Whole compressor cycles, start to start, all of whose rows are quiet."""
    starts = rises(running)
    return [slice(a, b) for a, b in pairwise(starts) if quiet[a:b].all()]


def reversals(value: Floats, band: float) -> list[tuple[int, int]]:
    """(+1 peak or -1 trough, row) of a series, ignoring movements smaller than ``band``."""
    found: list[tuple[int, int]] = []
    direction, high, low = 0, 0, 0  # direction: +1 rising towards a peak, 0 not yet known
    for row in range(len(value)):
        high = row if value[row] > value[high] else high
        low = row if value[row] < value[low] else low
        if direction >= 0 and value[high] - value[row] > band:
            found.append((1, high))
            direction, low = -1, row
        elif direction <= 0 and value[row] - value[low] > band:
            found.append((-1, low))
            direction, high = 1, row
    return found


def spells(above: NDArray[np.bool_]) -> list[slice]:
    """Maximal runs of true rows that end inside the series."""
    edges = np.diff(np.concatenate(([0], above.astype(int), [0])))
    starts, ends = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)
    return [slice(a, b) for a, b in zip(starts, ends, strict=True) if b < len(above)]
