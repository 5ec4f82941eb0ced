# SPDX-License-Identifier: Apache-2.0
"""When each sensor passes its limit on its present course, written down once a minute for those who look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from alerts.judgement.state import Table
from alerts.present import STALE_MS
from alerts.rules.limits import NEVER

if TYPE_CHECKING:
    from alerts.store import AlarmStore

WRITE_EVERY_MS = 60_000


class Foretold:
    """One for a service. The table `foretold` holds those on their way to a limit, and no other."""

    def __init__(self, store: AlarmStore) -> None:
        self._store, self._wrote_ms = store, 0

    def look(self, table: Table, series: Mapping[str, int], now_ms: int) -> None:
        """series: sensor -> its row of the engine's table."""
        if self._wrote_ms <= now_ms < self._wrote_ms + WRITE_EVERY_MS:
            return
        self._wrote_ms = now_ms
        found = foreseen(table, series, now_ms)
        before = dict(self._store.db.execute("SELECT sensor, limit_ms FROM foretold").fetchall())
        if found == before:
            return
        with self._store.transaction() as db:
            db.executemany("DELETE FROM foretold WHERE sensor = ?", [(s,) for s in before.keys() - found])
            db.executemany("INSERT OR REPLACE INTO foretold VALUES (?,?)", found.items())


def foreseen(table: Table, series: Mapping[str, int], now_ms: int) -> dict[str, int]:
    """Sensor -> the instant [ms] at which it passes its limit; of those that drift towards it."""
    on_its_way = (table["limit_at"] != NEVER) & (now_ms - 1000.0 * table["slot_at"] <= STALE_MS)
    rows = set(np.flatnonzero(on_its_way).tolist())
    return {name: int(table["limit_at"][row]) for name, row in series.items() if row in rows} if rows else {}
