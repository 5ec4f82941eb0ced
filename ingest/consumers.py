# SPDX-License-Identifier: Apache-2.0
"""How far everybody has read who follows the log: it keeps what any of them still needs."""

from __future__ import annotations

import sqlite3

from coldchain.kernel.errors import ColdChainError
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.sql import open_reader
from coldchain.settings import Settings
from ingest.journal import SqliteJournal


def consumed(settings: Settings, journal: SqliteJournal) -> int:
    """The position that alerts and, where there is one, the InfluxDB projection have passed.

    0 while one of them has never run here, or cannot be asked: the log is kept.
    """
    position = alerts_position(settings)
    if settings.influx.url is not None:
        row = journal.db.execute("SELECT position FROM cursor WHERE consumer = 'influx'").fetchone()
        position = min(position, row[0] if row else 0)
    return position


def alerts_position(settings: Settings) -> int:
    """What alerts has judged, by its own word in `alarms.db`; 0 when it has none."""
    try:
        db = open_reader(settings.alarms_db, len(ALARMS_MIGRATIONS))
    except ColdChainError:
        return 0
    try:
        row = db.execute("SELECT position FROM engine").fetchone()
        return int(row[0]) if row else 0
    except sqlite3.Error:
        return 0
    finally:
        db.close()
