# SPDX-License-Identifier: Apache-2.0
"""What gateways say of themselves, as `readings.db` keeps it: what they keep back, and what they lost."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from coldchain.kernel.errors import StoreUnavailable
from coldchain.records.readings_schema import READINGS_MIGRATIONS
from coldchain.records.sql import open_reader


@dataclass(frozen=True, slots=True)
class Gap:
    """Readings that a gateway could not accept: counted, with a range in time [ms]."""

    gateway: str
    epoch: str
    id: int
    node: str | None
    readings: int
    reason: str
    from_ms: int
    until_ms: int
    arrived_ms: int


class Gateways:
    """Reads only, each time afresh for a moment; nothing while ingest has not run."""

    def __init__(self, path: Path, heard_within_ms: int) -> None:
        self._path, self._heard_within_ms = path, heard_within_ms

    def pending(self, now_ms: int) -> dict[str, int]:
        """Gateways that are heard and keep readings back: since when their oldest one waits [ms]."""
        found = {}
        sql = "SELECT gateway, status FROM gateway_status WHERE arrived_ms BETWEEN ? AND ?"
        for name, status in self._rows(sql, (now_ms - self._heard_within_ms, now_ms + self._heard_within_ms)):
            try:
                spool = json.loads(status)["spool"]
                if int(spool["pending"]) > 0:
                    found[str(name)] = int(spool["oldest_ms"])
            except (ValueError, TypeError, KeyError):
                continue  # a gateway of another version: then its silence is silence
        return found

    def gaps(self, arrived_ms: int) -> list[Gap]:
        """Those that arrived at that moment or later, in the order of their arrival."""
        sql = (
            "SELECT gateway, epoch, id, node, readings, reason, from_ms, until_ms, arrived_ms FROM gap"
            " WHERE arrived_ms >= ? ORDER BY arrived_ms, gateway, epoch, id"
        )
        return [Gap(*row) for row in self._rows(sql, (arrived_ms,))]

    def _rows(self, sql: str, values: tuple[int, ...]) -> list[sqlite3.Row]:
        """Opened and closed: a handle that is kept would go on reading a file that has been replaced."""
        try:
            with closing(open_reader(self._path, len(READINGS_MIGRATIONS))) as db:
                return db.execute(sql, values).fetchall()
        except (StoreUnavailable, sqlite3.OperationalError):
            return []
