# SPDX-License-Identifier: Apache-2.0
"""Giving audit entries their hashes, within the transaction that wrote them (coldchain.records.sql)."""

from __future__ import annotations

import json
from sqlite3 import Connection

from coldchain.kernel import audit

_LOOSE = "SELECT number, at_ms, kind, body FROM audit WHERE hash IS NULL ORDER BY number"


def has_chain(db: Connection) -> bool:
    found = db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'audit'").fetchone()
    return found is not None


def note_foreign(db: Connection) -> None:
    """At a transaction's begin: entries without a hash are of another hand: on record with it."""
    loose = db.execute(_LOOSE).fetchall()
    if loose:
        body = json.dumps({"from": loose[0][0], "to": loose[-1][0]})
        sql = "INSERT INTO audit (at_ms, kind, body) VALUES (?,?,?)"
        db.execute(sql, (loose[-1][1], audit.FOREIGN, body))


def seal(db: Connection) -> None:
    """At its end: each entry of it gets its hash."""
    loose = db.execute(_LOOSE).fetchall()
    if not loose:
        return
    row = db.execute("SELECT number, hash FROM audit WHERE number = ?", (loose[0][0] - 1,)).fetchone()
    for head in audit.seal(audit.Head(*row) if row else audit.Head(), loose):
        db.execute("UPDATE audit SET hash = ? WHERE number = ?", (head.hash, head.number))
