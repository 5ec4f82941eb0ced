# SPDX-License-Identifier: Apache-2.0
"""What the record proves about the time before alerts began: since when somebody was heard without a pause.

A watch that has just begun cannot tell a silent sensor from one that it has not waited for. Where another
sensor of the same gateway was heard all along, the record has done the waiting.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from coldchain.kernel.errors import StoreUnavailable
from coldchain.kernel.readings import Rows

Readings = Callable[[str, int, int], Rows]
"""(sensor, start_ms, end_ms) -> the journal's rows with start_ms <= at_ms < end_ms."""

BACK = 3
"""Looked at: so many times as long as silence is borne."""


class Proof:
    """Asks the record once for each witness; the past does not change."""

    def __init__(self, readings: Readings, silent_after_ms: int) -> None:
        self._readings, self._silent_after_ms = readings, silent_after_ms
        self._known: dict[str, int] = {}

    def heard_since(self, witness: str, every_ms: int, began_ms: int) -> int:
        """Since when that sensor was heard without a pause up to began_ms; began_ms if it was not."""
        if witness not in self._known:
            start = began_ms - BACK * self._silent_after_ms
            try:
                rows = self._readings(witness, start, began_ms + 1)
            except StoreUnavailable:
                return began_ms
            self._known[witness] = unbroken(rows, every_ms, began_ms, self._silent_after_ms)
        return self._known[witness]


def unbroken(rows: Rows, every_ms: int, began_ms: int, live_within_ms: int) -> int:
    """The first of the arrivals that reach began_ms with no pause longer than two intervals; else began_ms.

    Only what arrived live counts, by its arrival: a backlog that came in one go proves nothing.
    """
    live = np.abs(rows["arrived_ms"] - rows["at_ms"]) <= live_within_ms
    came = np.sort(rows["arrived_ms"][live & (rows["arrived_ms"] <= began_ms)])
    if not len(came) or began_ms - int(came[-1]) > 2 * every_ms:
        return began_ms
    pauses = np.flatnonzero(np.diff(came) > 2 * every_ms)
    return int(came[int(pauses[-1]) + 1 if len(pauses) else 0])
