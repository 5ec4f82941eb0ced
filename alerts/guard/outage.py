# SPDX-License-Identifier: Apache-2.0
"""A site's outage as its nodes see it: mains, battery, since when; and when to send the last gasp. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from coldchain.kernel.readings import Rows
from coldchain.kernel.words import Quantity, Status

FRESH_MS = 30 * 60_000
"""A reading of mains or battery older than this says nothing of now."""


@dataclass(slots=True)
class Outage:
    """What is known of the supply. `since_ms`: mains absent since then, None while present or unknown."""

    node: str | None = None
    mains: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    battery: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    since_ms: int | None = None

    def heard(self, nodes: list[str], rows: Rows) -> None:
        """Readings of SPOOLED; `nodes[row["node"]]` is the node."""
        for quantity, kept in ((Quantity.MAINS, self.mains), (Quantity.BATTERY, self.battery)):
            chosen = rows[(rows["quantity"] == quantity) & (rows["status"] == Status.OK)]
            for row in chosen[np.argsort(chosen["at_ms"], kind="stable")]:
                node = nodes[int(row["node"])]
                if self.node is None or node == self.node:
                    self._take(kept, (node, int(row["channel"])), int(row["at_ms"]), int(row["value"]))

    def _take(
        self, kept: dict[tuple[str, int], tuple[int, int]], who: tuple[str, int], at_ms: int, value: int
    ) -> None:
        if who in kept and at_ms < kept[who][0]:
            return
        kept[who] = at_ms, value
        if kept is self.mains:
            if value:
                self.since_ms = None  # one that has mains is enough: a plug pulled is not an outage
            elif self.since_ms is None and not any(v for _, v in self.mains.values()):
                self.since_ms = at_ms

    def falling(self, below_pct: float, now_ms: int) -> float | None:
        """The battery [%] if mains are out and it is at or below that; None otherwise."""
        if self.since_ms is None or not any(now_ms - at <= FRESH_MS for at, _ in self.mains.values()):
            return None
        charges = [value / 1000 for at, value in self.battery.values() if now_ms - at <= FRESH_MS]
        lowest_pct = min(charges, default=None)
        return lowest_pct if lowest_pct is not None and lowest_pct <= below_pct else None
