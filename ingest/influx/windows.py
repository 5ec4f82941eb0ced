# SPDX-License-Identifier: Apache-2.0
"""Which roll-up windows must be computed: those that readings touched, once they are over. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from coldchain.kernel.readings import Rows
from coldchain.kernel.words import Flag
from coldchain.records.influx_names import ROLLUP_MS

GRACE_MS = 30_000
"""A window is computed this long after its end: what is on its way then is not late."""


NO_POSITION = 2**62


class DirtyWindows:
    """By measurement, the (series, start) of windows to compute, and the position that first touched each."""

    def __init__(self) -> None:
        self._open: dict[str, dict[tuple[int, int], int]] = {name: {} for name in ROLLUP_MS}

    def touch(self, rows: Rows, hold_ms: Mapping[int, int], position: int) -> None:
        """Readings were added at a position of the log. Each touches the windows that it holds into: its own
        and perhaps the next.

        A reading from the future touches none: its window would hold the cursor, and so the log, until then.
        """
        if (ahead := (rows["flags"] & int(Flag.FUTURE)) != 0).any():
            rows = rows[~ahead]
        series = rows["series"].astype(np.int64)
        at = rows["at_ms"]
        hold = np.array([hold_ms.get(one, 0) for one in series.tolist()], np.int64)
        for name, length in ROLLUP_MS.items():
            for moment in (at, at + hold):
                pairs = np.unique(np.column_stack([series, moment // length * length]), axis=0)
                for one, start in pairs.tolist():
                    self._open[name].setdefault((one, start), position)

    def add(self, measurement: str, series: int, start_ms: int) -> None:
        """A window that no reading touches."""
        self._open[measurement].setdefault((series, start_ms), NO_POSITION)

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
        for start in starts:
            self._open[measurement].pop((series, start), None)

    def safe_position(self, position: int) -> int:
        """From here a restart finds all windows again that are still to be computed: at most `position`."""
        oldest = min((at for found in self._open.values() for at in found.values()), default=NO_POSITION)
        return min(position, oldest - 1)

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))
