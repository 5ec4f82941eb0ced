# SPDX-License-Identifier: Apache-2.0
"""What every insight module must keep: cuts and strangers change nothing."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from alerts.insight.scan import Readings

MINUTE_MS = 60_000
EPOCH_MS = 1_790_000_000_000


@st.composite
def tracks(draw, most: int = 150, sensors: int = 3):
    """(series, at, milli) of a few sensors: cycling, ramps, jumps, gaps, unsorted, some sensors absent."""
    columns = []
    for number in range(sensors):
        n = draw(st.integers(0, most))
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        steps = rng.choice([1, 1, 1, 1, 2, 5, 30, 400], n) * MINUTE_MS + rng.integers(-20_000, 20_000, n)
        at = EPOCH_MS + np.cumsum(steps)
        wave = 1500 * np.sin(at / 120_000) + rng.normal(0, 60, n)
        ramp = rng.choice([0.0, 30.0]) * np.arange(n)
        jumps = np.where(rng.random(n) < 0.03, rng.choice([8000, -9000], n), 0)
        milli = np.rint(4000 + wave + ramp + jumps).astype(np.int64)
        columns.append((np.full(n, number), at.astype(np.int64), milli))
    return tuple(np.concatenate(c) for c in zip(*columns, strict=True))


Run = Callable[[object, Readings], dict[str, np.ndarray]]


def in_pieces(blank: Callable[[], object], run: Run, columns, edges: list[int]):
    """Outputs and final state when the readings come in blocks cut at these instants' ranks."""
    series, at, milli = columns
    table = blank()
    if not len(series):
        return {}, table
    instants = np.unique(at)
    bounds = [-1, *sorted({int(instants[e % len(instants)]) for e in edges}), int(instants[-1])]
    outputs: dict[str, list] = {}
    keys: list = []
    for low, high in pairwise(bounds):
        which = np.flatnonzero((at > low) & (at <= high))
        if not len(which):
            continue
        which = which[np.lexsort((at[which], series[which]))]
        block = Readings.of(series[which], at[which], milli[which])
        for name, column in run(table, block).items():
            outputs.setdefault(name, []).append(column)
        keys.append(which)
    joined = {name: np.concatenate(parts) for name, parts in outputs.items()}
    if joined and all(len(c) == len(series) for c in joined.values()):
        order = np.argsort(np.concatenate(keys))
        joined = {name: column[order] for name, column in joined.items()}
    return joined, table


def same(left, right) -> None:
    """Bit for bit, NaN equal to NaN."""
    (one, first), (other, second) = left, right
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    assert first.tobytes() == second.tobytes(), "carried state differs"
