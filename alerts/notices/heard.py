# SPDX-License-Identifier: Apache-2.0
"""What channels hear, written down: answers and rings as they are, reports with the messages they tell of."""

from __future__ import annotations

import sqlite3

import structlog

from coldchain.ports.notifier import Heard, Kind
from coldchain.records.sql import transaction

log = structlog.get_logger()

REPORT_MAX_MS = 3 * 86_400_000
"""A delivery report is matched with a message no older than this: references wrap at 256."""


def keep_heard(db: sqlite3.Connection, heard: list[Heard], now_ms: int) -> None:
    """In one transaction. What is heard again is known by its name."""
    with transaction(db):
        for one in heard:
            if one.kind is Kind.REPORT:
                _reported(db, one, now_ms)
            else:
                db.execute(
                    "INSERT OR IGNORE INTO incoming (id, at_ms, kind, sender, text) VALUES (?,?,?,?,?)",
                    (one.id, now_ms, one.kind.value, one.sender, one.text),
                )


def _reported(db: sqlite3.Connection, report: Heard, now_ms: int) -> None:
    """Tie a delivery report to the newest message of that reference to that telephone."""
    row = db.execute(
        "SELECT n.id FROM notice n JOIN delivery d ON d.notice = n.id WHERE n.sent_ms > ?"
        " AND ',' || d.refs || ',' LIKE ? AND substr(n.address, -8) = substr(?, -8)"
        " AND d.delivered_ms IS NULL ORDER BY n.sent_ms DESC LIMIT 1",
        (now_ms - REPORT_MAX_MS, f"%,{report.reference},%", report.sender),
    ).fetchone()
    if row is None:
        log.info("report_of_nothing", reference=report.reference)
    elif report.delivered:
        db.execute(
            "UPDATE delivery SET delivered_ms = ?, fate = 'delivered', receipt_due_ms = NULL"
            " WHERE notice = ?",
            (now_ms, row[0]),
        )
    else:
        db.execute(
            "UPDATE delivery SET fate = 'failed', receipt_due_ms = ? WHERE notice = ? AND chased = 0",
            (now_ms, row[0]),
        )
