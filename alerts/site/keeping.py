# SPDX-License-Identifier: Apache-2.0
"""The site's tables of `alarms.db`: plain SQL. The caller opens the transaction."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from sqlite3 import Connection

import numpy as np

from alerts.insight.scan import Table
from alerts.site.warming import STATE
from coldchain.kernel.errors import SchemaTooNew
from coldchain.records.alarms import Listed
from coldchain.records.site import Blind, Held

FORMAT = 1
HEAD = struct.Struct("<BII")
"""Format, records, bytes of a record."""


def put_list(db: Connection, alarm: str, listed: Sequence[Listed]) -> None:
    """The list of an alarm, in place of what it was."""
    db.execute("DELETE FROM alarm_list WHERE alarm = ?", (alarm,))
    db.executemany(
        "INSERT INTO alarm_list VALUES (?,?,?,?,?,?,?,?)",
        [(alarm, o.place, o.appliance, o.minutes, o.low_min, o.high_min, o.refuge, o.note) for o in listed],
    )


def put_blind(db: Connection, rows: Sequence[Blind]) -> None:
    db.execute("DELETE FROM blind")
    db.executemany(
        "INSERT INTO blind VALUES (?,?,?,?,?,?)",
        [(b.appliance, b.site, b.last_ms, b.passes_ms, b.limit_value, b.told) for b in rows],
    )


def put_held(db: Connection, rows: Sequence[Held]) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO held VALUES (?,?,?,?,?,?)",
        [(h.appliance, h.outages, h.minutes, h.maker_min, h.room_c, h.at_ms) for h in rows],
    )


def save(db: Connection, table: Table, now_ms: int) -> None:
    body = HEAD.pack(FORMAT, len(table), STATE.itemsize) + zlib.compress(table.tobytes(), 1)
    db.execute("INSERT OR REPLACE INTO site_state VALUES (1,?,?,?)", (FORMAT, body, now_ms))


def saved(db: Connection) -> Table | None:
    """What was saved, or None. SchemaTooNew when a newer version saved it."""
    row = db.execute("SELECT body FROM site_state").fetchone()
    if row is None:
        return None
    found, n, size = HEAD.unpack_from(row[0])
    if found > FORMAT:
        raise SchemaTooNew(path="site state in alarms.db", found=found, supported=FORMAT)
    if size != STATE.itemsize:
        return None  # records of another make: what was learnt is learnt again
    return np.frombuffer(bytearray(zlib.decompress(row[0][HEAD.size :])), STATE, n)


def alarmed(db: Connection) -> set[str]:
    """Appliances with an open alarm."""
    found = db.execute("SELECT DISTINCT appliance FROM alarm WHERE scope = 'appliance' AND state <> 'closed'")
    return {name for (name,) in found.fetchall()}


def out_of_service(db: Connection) -> set[str]:
    return {name for (name,) in db.execute("SELECT appliance FROM out_of_service WHERE back_ms IS NULL")}


def raised_after(db: Connection, event: int) -> list[tuple[int, str]]:
    """(event, alarm) of alarms that were raised since."""
    return db.execute(
        "SELECT id, alarm FROM alarm_event WHERE id > ? AND event IN ('raised', 'raised_again') ORDER BY id",
        (event,),
    ).fetchall()


def last_event(db: Connection, before_ms: int) -> int:
    (newest,) = db.execute(
        "SELECT coalesce(max(id), 0) FROM alarm_event WHERE at_ms < ?", (before_ms,)
    ).fetchone()
    return int(newest)


def causes_told(db: Connection, alarm: str) -> int:
    (told,) = db.execute(
        "SELECT count(*) FROM alarm_event WHERE alarm = ? AND event = 'cause'", (alarm,)
    ).fetchone()
    return int(told)
