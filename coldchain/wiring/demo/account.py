# SPDX-License-Identifier: Apache-2.0
"""The books of a run, read from the files after every process has exited.

accepted       the gateway's counter, committed with the spool's rows
recorded       the readings of readings.db, counted: chunks, the log beyond what is sealed, waiting;
               less the seeded
seeded         the simulated month before the run, which no gateway accepted: as counted when it was written
dead_lettered  the dead letters of readings.db, counted
pending        what the spool still holds and readings.db has neither recorded nor dead-lettered, by identity

None is derived from another, so `accepted == recorded + dead_lettered + pending` can fail, and says so.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from coldchain.kernel.errors import StoreUnavailable
from coldchain.kernel.ranges import RangeSet
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.readings_schema import READINGS_MIGRATIONS
from coldchain.records.rows import unpack_rows
from coldchain.records.sql import open_reader
from coldchain.settings import Settings


@dataclass(frozen=True, slots=True)
class Books:
    """The figures of a run; `balanced` says whether they add up."""

    appliances: int
    readings_accepted: int
    readings_seeded: int
    readings_recorded: int
    readings_dead_lettered: int
    readings_pending: int
    duplicates: int
    alarms: int
    notices_sent: int
    influx: dict[str, Any]

    @property
    def balanced(self) -> bool:
        return (
            self.readings_accepted
            == self.readings_recorded + self.readings_dead_lettered + self.readings_pending
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def keep_books(settings: Settings, appliances: int) -> Books:
    """Read every store of the folder. Files that are not there count as empty."""
    accepted, pending = _gateway(settings)
    seeded, recorded, dead, duplicates, accounted = _hub(settings)
    alarms, notices = _alarms(settings)
    return Books(
        appliances=appliances,
        readings_accepted=accepted,
        readings_seeded=seeded,
        readings_recorded=recorded,
        readings_dead_lettered=dead,
        readings_pending=_outside(pending, accounted),
        duplicates=duplicates,
        alarms=alarms,
        notices_sent=notices,
        influx=influx_state(settings),
    )


def pending(settings: Settings) -> int:
    """Readings that the spool holds and readings.db has not accounted for. Cheap: no reading is decoded."""
    held = _gateway(settings)[1]
    db = _open(settings.readings_db, len(READINGS_MIGRATIONS))
    if db is None:
        return _outside(held, {})
    try:
        return _outside(held, _accounted(db))
    finally:
        db.close()


Identities = dict[tuple[str, str], RangeSet]


def _outside(pending: Identities, accounted: Identities) -> int:
    nothing = RangeSet()
    return sum(
        high - low + 1
        for link, ranges in pending.items()
        for start, end in ranges
        for low, high in accounted.get(link, nothing).missing(start, end)
    )


def _gateway(settings: Settings) -> tuple[int, Identities]:
    """What the gateway counted as accepted, and what its spool holds, by (gateway, epoch)."""
    from gateway.spool import read_accounts

    try:
        epoch, accepted, pending = read_accounts(settings.spool_db)
    except StoreUnavailable:
        return 0, {}
    return accepted, {(settings.gateway.id, epoch): pending}


def _hub(settings: Settings) -> tuple[int, int, int, int, Identities]:
    db = _open(settings.readings_db, len(READINGS_MIGRATIONS))
    if db is None:
        return 0, 0, 0, 0, {}
    seeded = _count(db, "SELECT coalesce(sum(value), 0) FROM counter WHERE name = 'seeded'")
    recorded = _recorded(db) - seeded
    dead = _count(db, "SELECT coalesce(sum(readings), 0) FROM dead_letter")
    duplicates = _count(db, "SELECT coalesce(sum(value), 0) FROM counter WHERE name = 'duplicates'")
    accounted = _accounted(db)
    db.close()
    return seeded, recorded, dead, duplicates, accounted


def _accounted(db: sqlite3.Connection) -> Identities:
    """Link sequences recorded or dead-lettered, by (gateway, epoch)."""
    return {
        (gateway, epoch): RangeSet(map(tuple, json.loads(recorded))).union(
            RangeSet(map(tuple, json.loads(dead)))
        )
        for gateway, epoch, recorded, dead in db.execute("SELECT gateway, epoch, recorded, dead FROM link")
    }


def _recorded(db: sqlite3.Connection) -> int:
    """Readings in chunks, in the log beyond what its series has sealed, and waiting to be adopted."""
    db.execute("BEGIN")  # one moment: sealing moves rows from the log to chunks
    sealed_to = dict(db.execute("SELECT id, sealed FROM series"))
    sealed = np.zeros(max(sealed_to, default=0) + 1, np.int64)
    sealed[list(sealed_to)] = list(sealed_to.values())
    count = _count(db, "SELECT coalesce(sum(n), 0) FROM chunk")
    count += _count(db, "SELECT coalesce(sum(n), 0) FROM waiting")
    for position, blob in db.execute("SELECT position, rows FROM log"):
        count += int(np.count_nonzero(sealed[unpack_rows(blob)["series"]] < position))
    db.execute("COMMIT")
    return count


def _alarms(settings: Settings) -> tuple[int, int]:
    db = _open(settings.alarms_db, len(ALARMS_MIGRATIONS))
    if db is None:
        return 0, 0
    alarms = _count(db, "SELECT count(*) FROM alarm")
    notices = _count(db, "SELECT count(*) FROM notice WHERE state = 'sent'")
    db.close()
    return alarms, notices


def influx_state(settings: Settings) -> dict[str, Any]:
    """`absent` without a url; else whether it answers now, and how many points it has taken."""
    if settings.influx.url is None:
        return {"state": "absent", "points": 0}
    import httpx

    try:
        up = httpx.get(f"{settings.influx.url}/ping", timeout=3).is_success
    except httpx.HTTPError:
        up = False
    points = 0
    db = _open(settings.readings_db, len(READINGS_MIGRATIONS))
    if db is not None:
        row = db.execute("SELECT detail FROM cursor WHERE consumer = 'influx'").fetchone()
        points = int(json.loads(row[0]).get("points", 0)) if row else 0
        db.close()
    return {"state": "up" if up else "down", "points": points}


def _open(path: Path, supported: int) -> sqlite3.Connection | None:
    """The store, or None while it is not there or its writer is still laying its tables."""
    try:
        return open_reader(path, supported)
    except StoreUnavailable:
        return None


def _count(db: sqlite3.Connection, query: str) -> int:
    return int(db.execute(query).fetchone()[0])
