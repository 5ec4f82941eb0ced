# SPDX-License-Identifier: Apache-2.0
"""The spool's records of what could not be accepted: counted, with a range, kept until the hub has them."""

from __future__ import annotations

import sqlite3
from typing import Any

COLUMNS = ("node", "boot", "low", "high", "readings", "reason", "from_ms", "until_ms")


class GapBook:
    """The table `gap` and the counter `lost` of a spool. Use it inside the spool's transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._open: dict[tuple[str, int, str], int] = {}
        (self.lost,) = db.execute("SELECT value FROM counter WHERE name = 'lost'").fetchone()

    def add(
        self, node: str, boot: int, span: tuple[int, int], *, readings: int, reason: str, now_ms: int
    ) -> None:
        """Reports low..high of a node. A run of losses grows one record until the hub has been told of it."""
        key = (node, boot, reason)
        grown = 0
        if key in self._open:
            grown = self._db.execute(
                "UPDATE gap SET high = ?, readings = readings + ?, until_ms = ? WHERE id = ? AND high = ?",
                (span[1], readings, now_ms, self._open[key], span[0] - 1),
            ).rowcount
        if not grown:
            self._open[key] = self._insert((node, boot, *span, readings, reason, now_ms, now_ms))
        self._count(readings)

    def add_nameless(self, reason: str, readings: int, now_ms: int) -> None:
        """A loss that belongs to no single node: a damaged file or block."""
        self._insert((None, None, None, None, readings, reason, now_ms, now_ms))
        self._count(readings)

    def _insert(self, row: tuple[Any, ...]) -> int:
        sql = f"INSERT INTO gap ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
        number = self._db.execute(sql, row).lastrowid
        assert number is not None
        return number

    def _count(self, readings: int) -> None:
        self.lost += readings
        self._db.execute("UPDATE counter SET value = ? WHERE name = 'lost'", (self.lost,))

    def untold(self, limit: int) -> list[dict[str, Any]]:
        """The oldest records that the hub has not receipted, for the status. They grow no more."""
        self._open.clear()
        cursor = self._db.execute("SELECT * FROM gap ORDER BY id LIMIT ?", (limit,))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def forget(self, numbers: list[int]) -> None:
        """The hub has these on record."""
        self._db.executemany("DELETE FROM gap WHERE id = ?", [(number,) for number in numbers])
