# SPDX-License-Identifier: Apache-2.0
"""Public keys of gateways whose carried bundles this hub takes. In `desk.db`; each change is audited."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from coldchain.records.carry import key_of
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.sql import open_reader, open_writer, transaction


def trust(desk_db: Path, gateway: str, key: str, *, person: str, at_ms: int) -> None:
    """From now on a bundle of that gateway is signed by this key and no other. BadData for what is no key."""
    with closing(open_writer(desk_db, DESK_MIGRATIONS)) as desk, transaction(desk) as db:
        db.execute(
            "INSERT INTO carry_key VALUES (?,?,?,?) ON CONFLICT (gateway) DO UPDATE SET"
            " key = excluded.key, person = excluded.person, at_ms = excluded.at_ms",
            (gateway, key_of(key), person, at_ms),
        )


def trusted(desk_db: Path, gateway: str) -> str | None:
    """Its key; None while nobody has told it, or there is no desk yet."""
    if not desk_db.exists():
        return None
    with closing(open_reader(desk_db, len(DESK_MIGRATIONS))) as db:
        row: sqlite3.Row | None = db.execute(
            "SELECT key FROM carry_key WHERE gateway = ?", (gateway,)
        ).fetchone()
    return None if row is None else str(row[0])
