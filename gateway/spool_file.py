# SPDX-License-Identifier: Apache-2.0
"""The spool's file seen from outside: its tables, its accounts, and what to do when it is damaged."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from coldchain.kernel.ranges import RangeSet
from coldchain.records.sql import open_reader
from gateway.anchors import TABLE

MIGRATIONS = (
    """
-- What this file is: its epoch.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- Counters committed with what they count: accepted (readings, ever), lost (readings in gaps, ever).
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
-- One row per run of a node: what came, what is lost (sources.Source.saved).
CREATE TABLE source (id INTEGER PRIMARY KEY, node TEXT NOT NULL, boot INTEGER NOT NULL, state TEXT NOT NULL,
                     UNIQUE (node, boot));
-- Readings first .. first + n - 1. `remain` lists those not receipted yet, as JSON ranges; NULL: all of them.
CREATE TABLE block (first INTEGER PRIMARY KEY, n INTEGER NOT NULL, live INTEGER NOT NULL, remain TEXT,
                    rows BLOB NOT NULL);
-- What could not be accepted, until the hub has it on record.
CREATE TABLE gap (id INTEGER PRIMARY KEY AUTOINCREMENT, node TEXT, boot INTEGER, low INTEGER, high INTEGER,
                  readings INTEGER NOT NULL, reason TEXT NOT NULL, from_ms INTEGER NOT NULL,
                  until_ms INTEGER NOT NULL);
-- Blocks whose bytes changed on disk: kept for people, counted as a gap.
CREATE TABLE damaged (first INTEGER PRIMARY KEY, n INTEGER NOT NULL, rows BLOB NOT NULL);
""",
    TABLE,
)

CHECK_MAX_BYTES = 64 * 1024 * 1024
"""A larger file is not read through at each start: that would take seconds."""
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def remaining(first: int, n: int, remain: str | None) -> RangeSet:
    """The sequences of a block that are not receipted yet."""
    return RangeSet([(first, first + n - 1)] if remain is None else [(a, b) for a, b in json.loads(remain)])


def pending_of(db: sqlite3.Connection) -> RangeSet:
    """The link sequences of all rows that are still there, from the rows themselves."""
    pending = RangeSet()
    for first, n, remain in db.execute("SELECT first, n, remain FROM block ORDER BY first"):
        if remain is None:
            pending.add(first, first + n - 1)
        else:
            for low, high in remaining(first, n, remain):
                pending.add(low, high)
    return pending


def read_accounts(path: Path) -> tuple[str, int, RangeSet]:
    """(epoch, accepted, pending link sequences) of a spool, read-only: from the counter, and from the rows.

    StoreUnavailable when there is none.
    """
    db = open_reader(path, len(MIGRATIONS))
    try:
        (epoch,) = db.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
        (accepted,) = db.execute("SELECT value FROM counter WHERE name = 'accepted'").fetchone()
        return epoch, accepted, pending_of(db)
    finally:
        db.close()


def is_damage(bad: BaseException) -> bool:
    """Does the error say that the file's contents are broken, rather than that the disk is away or full?"""
    if isinstance(bad, ValueError | TypeError | KeyError):
        return True  # tables are there, and hold what we never wrote
    cause = bad if isinstance(bad, sqlite3.Error) else bad.__cause__
    return isinstance(cause, sqlite3.Error) and (getattr(cause, "sqlite_errorcode", 0) & 0xFF) in DAMAGE


def set_aside(path: Path, now_ms: int) -> int:
    """Rename the file and its companions; return how many readings it held, as far as it can still say."""
    held = 0
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            held = db.execute("SELECT coalesce(sum(n), 0) FROM block").fetchone()[0]
        finally:
            db.close()
    except sqlite3.Error:
        pass  # it cannot say
    for end in ("", "-wal", "-shm"):
        part = path.with_name(path.name + end)
        if part.exists():
            part.rename(path.with_name(f"{path.name}.damaged-{now_ms}{end}"))
    return int(held)
