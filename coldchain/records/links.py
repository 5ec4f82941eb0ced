# SPDX-License-Identifier: Apache-2.0
"""Addresses that are secrets: a calendar that only reads, a place where a provider reports deliveries.

The file keeps a hash of each secret: who reads a backup cannot use them. A new one takes the old one's place.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from pathlib import Path
from typing import Literal

from coldchain.kernel.clocks import WallClock
from coldchain.kernel.errors import StoreUnavailable
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.sql import open_reader, open_writer, transaction

Kind = Literal["calendar", "delivery"]
SECRET = re.compile(r"[A-Za-z0-9_-]{32,64}")
"""At least 192 bits, as `secrets.token_urlsafe` writes them: no slow hash is needed."""


def make_link(desk: Path, wall_ms: WallClock, kind: Kind, subject: str, secret: str) -> None:
    """From now on that secret stands for the subject; those before it no longer do."""
    assert SECRET.fullmatch(secret), "too short, or not what an address may hold"
    db = open_writer(desk, DESK_MIGRATIONS)
    try:
        with transaction(db):
            now = wall_ms()
            db.execute(
                "UPDATE link SET revoked_ms = ? WHERE kind = ? AND subject = ? AND revoked_ms IS NULL",
                (now, kind, subject),
            )
            db.execute("INSERT INTO link VALUES (?,?,?,?,NULL)", (_hash(secret), kind, subject, now))
    finally:
        db.close()


def subject_of(desk: Path, kind: Kind, secret: str) -> str | None:
    """What that secret stands for; None: nothing, or nothing any more."""
    if not SECRET.fullmatch(secret):
        return None
    try:
        db: sqlite3.Connection = open_reader(desk, len(DESK_MIGRATIONS))
    except StoreUnavailable:
        return None
    try:
        row = db.execute(
            "SELECT subject FROM link WHERE hash = ? AND kind = ? AND revoked_ms IS NULL",
            (_hash(secret), kind),
        ).fetchone()
    finally:
        db.close()
    return str(row[0]) if row else None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
