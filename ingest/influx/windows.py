# SPDX-License-Identifier: Apache-2.0
"""Which roll-up windows must be computed: those that readings touched, once they are over. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from coldchain.kernel.readings import Rows
from coldchain.records.influx_names import ROLLUP_MS

GRACE_MS = 30_000
"""A window is computed this long after its end: what is on its way then is not late."""


class DirtyWindows:
    """By measurement, the (series, start) of windows to compute."""

    def __init__(self) -> None:
        self._open: dict[str, set[tuple[int, int]]] = {name: set() for name in ROLLUP_MS}

    def touch(self, rows: Rows, hold_ms: Mapping[int, int]) -> None:
        """Readings were added. Each touches the windows that it holds into: its own and perhaps the next."""
        series = rows["series"].astype(np.int64)
        at = rows["at_ms"]
        hold = np.array([hold_ms.get(one, 0) for one in series.tolist()], np.int64)
        for name, length in ROLLUP_MS.items():
            for moment in (at, at + hold):
                pairs = np.unique(np.column_stack([series, moment // length * length]), axis=0)
                self._open[name].update(map(tuple, pairs.tolist()))

    def add(self, measurement: str, series: int, start_ms: int) -> None:
        self._open[measurement].add((series, start_ms))

    def over(self, now_ms: int) -> Iterator[tuple[str, int, list[int]]]:
        """(measurement, series, starts in order) of windows that are over, each to be given to `done`."""
        for name, length in ROLLUP_MS.items():
            by_series: dict[int, list[int]] = {}
            for series, start in self._open[name]:
                if start + length + GRACE_MS <= now_ms:
                    by_series.setdefault(series, []).append(start)
            for series, starts in by_series.items():
                yield name, series, sorted(starts)

    def done(self, measurement: str, series: int, starts: list[int]) -> None:
        self._open[measurement].difference_update((series, start) for start in starts)

    def oldest_ms(self) -> int | None:
        """The start of the oldest window still to be computed."""
        return min((start for pairs in self._open.values() for _, start in pairs), default=None)

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))
