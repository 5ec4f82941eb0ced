# SPDX-License-Identifier: Apache-2.0
"""Before a process starts: is its store sound? A damaged one is set aside, what can be read is taken over.

readings.db  every row that can still be read goes into a new file, under its own number; what is missing is
             a gap. When not even the names of the series can be read there is nothing to go by:
             StoreUnavailable.
alarms.db    a new one: alerts judges again what the log still holds. Alarms may ring twice, none is missed.

The gateway does the same for its spool (gateway.spool.open_spool); the desk is the people's own: restore it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import structlog

from coldchain.kernel.errors import StoreUnavailable
from coldchain.ports.clock import wall_ms
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.readings_schema import READINGS_MIGRATIONS
from coldchain.records.sql import Migrations, open_writer, transaction
from coldchain.settings import Settings

log = structlog.get_logger()

CHECK_MAX_BYTES = 64 * 1024 * 1024
"""A larger file is not read through at each start: that would take seconds."""
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
GUIDE = ("series", "source", "counter")
"""Without these the other tables' numbers mean nothing."""


def make_sound(name: str, settings: Settings) -> None:
    """Look at the store of the process `name`, and mend it. StoreUnavailable when that is beyond us."""
    if name == "ingest":
        _mend(settings.readings_db, READINGS_MIGRATIONS, keep=True)
    elif name == "alerts":
        _mend(settings.alarms_db, ALARMS_MIGRATIONS, keep=False)


def _mend(path: Path, migrations: Migrations, *, keep: bool) -> None:
    if not path.exists() or (why := damage(path)) is None:
        return
    now_ms = wall_ms()
    aside = path.with_name(f"{path.name}.damaged-{now_ms}")
    fresh = path.with_name(f"{path.name}.mended")
    for end in ("", "-wal", "-shm"):
        fresh.with_name(fresh.name + end).unlink(missing_ok=True)
    lost = _take_over(path, fresh, migrations, now_ms) if keep else None
    for end in ("-wal", "-shm", ""):
        part = path.with_name(path.name + end)
        if part.exists():
            part.rename(aside.with_name(aside.name + end))
    if keep:
        fresh.rename(path)
    log.error("store_damaged", file=str(path), why=why, set_aside=str(aside), readings_lost=lost)


def damage(path: Path) -> str | None:
    """What is wrong with the file's contents; None when it is sound, away, or too large to read through."""
    try:
        db = sqlite3.connect(path, timeout=10)
        try:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if path.stat().st_size > CHECK_MAX_BYTES:
                return None
            (word,) = db.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            db.close()
    except sqlite3.DatabaseError as bad:
        return str(bad) if (getattr(bad, "sqlite_errorcode", 0) & 0xFF) in DAMAGE else None
    return None if word == "ok" else " ".join(str(word).split())[:120]


def _take_over(path: Path, fresh: Path, migrations: Migrations, now_ms: int) -> int:
    """Copy what can be read; returns how many readings are missing."""
    new = open_writer(fresh, migrations, page_bytes=1_024)
    try:
        old = sqlite3.connect(path, timeout=10)
        names = [row[0] for row in new.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        with transaction(new):
            for name in sorted(names, key=lambda one: one not in GUIDE):
                if name.startswith("sqlite_"):
                    continue
                whole = _copy_table(old, new, name)
                if name in GUIDE and not whole:
                    raise StoreUnavailable(
                        f"{path} is damaged beyond mending (table {name}): `coldchain restore` a backup"
                    )
            lost = _account(new, now_ms)
        old.close()
        new.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        new.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as bad:
        raise StoreUnavailable(
            f"{path} is damaged beyond mending ({bad}): `coldchain restore` a backup"
        ) from bad
    finally:
        new.close()
    return lost


def _copy_table(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> bool:
    """Copy from the front up to the damage, then from the back down to it. True when there was none."""
    width = len(new.execute(f"PRAGMA table_info({table})").fetchall())
    put = f"INSERT OR IGNORE INTO {table} VALUES ({','.join('?' * width)})"  # noqa: S608
    whole = True
    for order in ("", " ORDER BY 1 DESC"):
        whole = True
        query = f"SELECT * FROM {table}{order}"  # noqa: S608
        for row in _readable(old, query):
            if row is None:
                whole = False
                break
            new.execute(put, row)
        if whole:
            break
    return whole


def _readable(old: sqlite3.Connection, query: str) -> Iterator[tuple[object, ...] | None]:
    """Row by row; None where the damage begins."""
    try:
        yield from old.execute(query)
    except sqlite3.DatabaseError:
        yield None


def _account(new: sqlite3.Connection, now_ms: int) -> int:
    """Count what there is, and what is missing as a gap of the hub's own."""
    said: dict[str, int] = dict(new.execute("SELECT name, value FROM counter").fetchall())
    (last,) = new.execute("SELECT coalesce(max(position), 0) FROM log").fetchone()
    assert said.get("position", 0) >= last, "the counter is committed with the log"
    held: int = 0
    for table in ("chunk", "waiting"):
        held += new.execute(f"SELECT coalesce(sum(n), 0) FROM {table}").fetchone()[0]  # noqa: S608
    (sealed,) = new.execute(
        "SELECT coalesce(max(position), 0) FROM cursor WHERE consumer = 'sealed'"
    ).fetchone()
    held += new.execute("SELECT coalesce(sum(n), 0) FROM log WHERE position > ?", (sealed,)).fetchone()[0]
    lost: int = max(0, said.get("journalled", 0) + said.get("seeded", 0) + said.get("waiting", 0) - int(held))
    new.execute(
        "INSERT INTO gap VALUES ('hub', 'mended', ?, NULL, NULL, NULL, NULL, ?, 'record-damaged', ?, ?, ?)",
        (now_ms, lost, now_ms, now_ms, now_ms),
    )
    return lost
