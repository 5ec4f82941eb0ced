# SPDX-License-Identifier: Apache-2.0
"""Readings of channels that the registry does not know: kept by channel, and moved when a sensor is
adopted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coldchain.kernel.readings import Rows
from coldchain.kernel.words import Flag
from coldchain.records.rows import unpack_rows
from ingest.known import Known

Waiting = tuple[str, int, int, Rows]
"""(node, channel, quantity, rows)"""


@dataclass(frozen=True, slots=True)
class Readmitted:
    """What no longer waits: (link, rows) for the log, what the registry contradicts, what is from before."""

    batches: list[tuple[int, Rows]]
    refused: list[Waiting]
    before: list[Waiting]
    more: bool

    @property
    def readings(self) -> int:
        return sum(len(rows) for _, rows in self.batches)


def group_waiting(
    rows: Rows, quantity: npt.NDArray[np.uint8], node_of: Mapping[int, str]
) -> Iterator[Waiting]:
    """The rows by node, channel and quantity."""
    nodes = [node_of[source] for source in rows["source"].tolist()]
    keys = list(zip(nodes, rows["channel"].tolist(), quantity.tolist(), strict=True))
    groups: dict[tuple[str, int, int], list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    for (node, channel, code), places in groups.items():
        yield node, channel, code, rows[places]


def take_adopted(db: sqlite3.Connection, known: Known, limit: int) -> Readmitted:
    """Take up to `limit` waiting batches of adopted channels out of the table, within the caller's
    transaction.
    """
    batches: list[tuple[int, Rows]] = []
    refused: list[Waiting] = []
    before: list[Waiting] = []
    left = limit
    for node, channel, quantity in db.execute(
        "SELECT DISTINCT node, channel, quantity FROM waiting"
    ).fetchall():
        series = known.series_at((node, channel), quantity)
        if series == 0:
            continue
        found = db.execute(
            "SELECT id, link, rows FROM waiting WHERE node = ? AND channel = ? AND quantity = ?"
            " ORDER BY id LIMIT ?",
            (node, channel, quantity, left),
        ).fetchall()
        for number, link, blob in found:
            db.execute("DELETE FROM waiting WHERE id = ?", (number,))
            rows = unpack_rows(blob)
            if series < 0:
                refused.append((node, channel, quantity, rows))
                continue
            early = rows["at_ms"] < known.wiring[node, channel].from_ms
            if early.any():
                before.append((node, channel, quantity, rows[early]))
                rows = rows[~early]
            if len(rows):
                rows["series"] = series
                rows["flags"] |= int(Flag.READMITTED)
                batches.append((link, rows))
        left -= len(found)
        if left <= 0:
            return Readmitted(_joined(batches), refused, before, more=True)
    return Readmitted(_joined(batches), refused, before, more=False)


def _joined(batches: list[tuple[int, Rows]]) -> list[tuple[int, Rows]]:
    """One batch per link."""
    by_link: dict[int, list[Rows]] = {}
    for link, rows in batches:
        by_link.setdefault(link, []).append(rows)
    return [(link, np.concatenate(parts)) for link, parts in by_link.items()]
