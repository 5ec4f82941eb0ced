# SPDX-License-Identifier: Apache-2.0
"""Heads of the hub's audit chains, kept here where the hub's machine has no say (coldchain.kernel.audit)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from coldchain.kernel.audit import Anchors
from coldchain.records.sql import open_reader

TABLE = """
-- Heads of the hub's audit chains as it told them, in order of arrival.
CREATE TABLE anchor (id INTEGER PRIMARY KEY AUTOINCREMENT, chain TEXT NOT NULL, number INTEGER NOT NULL,
                     hash BLOB NOT NULL, hub_ms INTEGER NOT NULL, got_ms INTEGER NOT NULL);
"""
KEPT = 1_000
"""Of each chain, the newest."""


def keep(db: sqlite3.Connection, told: Anchors, now_ms: int) -> list[str]:
    """Within the caller's transaction. Returns the chains that contradict what was told before: they have
    fewer entries, or another one of the same number. What contradicts is kept like the rest.
    """
    against = []
    for chain, head in told.heads.items():
        newest = db.execute(
            "SELECT number, hash FROM anchor WHERE chain = ? ORDER BY id DESC LIMIT 1", (chain,)
        ).fetchone()
        if newest == (head.number, head.hash):
            continue
        if newest is not None and head.number <= newest[0]:
            against.append(chain)
        db.execute(
            "INSERT INTO anchor (chain, number, hash, hub_ms, got_ms) VALUES (?,?,?,?,?)",
            (chain, head.number, head.hash, told.hub_ms, now_ms),
        )
        db.execute(
            "DELETE FROM anchor WHERE chain = ?1 AND id <="
            " (SELECT id FROM anchor WHERE chain = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            (chain, KEPT),
        )
    return against


def newest(db: sqlite3.Connection) -> dict[str, str]:
    """Chain -> NUMBER:HASH."""
    rows = db.execute(
        "SELECT chain, number, hash FROM anchor WHERE id IN (SELECT max(id) FROM anchor GROUP BY chain)"
    )
    return {chain: f"{number}:{hash_.hex()}" for chain, number, hash_ in rows}


def read_all(spool_db: Path, formats: int) -> list[tuple[str, str, int]]:
    """(chain, NUMBER:HASH, when it came here [ms UTC]), oldest first, of a gateway's spool."""
    with closing(open_reader(spool_db, formats)) as db:
        rows = db.execute("SELECT chain, number, hash, got_ms FROM anchor ORDER BY id").fetchall()
    return [(chain, f"{number}:{hash_.hex()}", got_ms) for chain, number, hash_, got_ms in rows]
