# SPDX-License-Identifier: Apache-2.0
"""Rows of what is put aside in `alarms.db`: shelves, appliances out of service, dispositions. Plain SQL."""

from __future__ import annotations

from dataclasses import fields
from sqlite3 import Connection

from coldchain.records.alarm_rows import Hold
from coldchain.records.alarms import Alarm, Disposition, Excursion, OutOfService, Shelf


class Shelves:
    """Inside the caller's transaction."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    # --- shelves

    def shelve(self, shelf: Shelf) -> None:
        self._db.execute(
            "INSERT INTO shelf (alarm, person, second, reason, from_ms, until_ms) VALUES (?,?,?,?,?,?)",
            (shelf.alarm, shelf.person, shelf.second, shelf.reason, shelf.from_ms, shelf.until_ms),
        )

    def open_shelves(self) -> list[Shelf]:
        found = self._db.execute("SELECT * FROM shelf WHERE ended_ms IS NULL ORDER BY id").fetchall()
        return [Shelf(*row) for row in found]

    def shelved_since(self, alarm: str, from_ms: int) -> int:
        """How long it has been put aside since then [ms]."""
        row = self._db.execute(
            "SELECT coalesce(sum(ended_ms - max(from_ms, ?2)), 0) FROM shelf"
            " WHERE alarm = ?1 AND ended_ms > ?2",
            (alarm, from_ms),
        ).fetchone()
        return int(row[0])

    # --- out of service

    def out(self, appliance: str) -> OutOfService | None:
        row = self._db.execute(
            "SELECT * FROM out_of_service WHERE appliance = ? AND back_ms IS NULL", (appliance,)
        ).fetchone()
        return OutOfService(*row) if row else None

    def ever_out(self, appliance: str) -> bool:
        sql = "SELECT 1 FROM out_of_service WHERE appliance = ? LIMIT 1"
        return self._db.execute(sql, (appliance,)).fetchone() is not None

    def take_out(self, appliance: str, person: str, reason: str, now_ms: int) -> None:
        self._db.execute(
            "INSERT INTO out_of_service (appliance, person, reason, from_ms) VALUES (?,?,?,?)",
            (appliance, person, reason, now_ms),
        )

    def put_back(self, appliance: str, person: str, reason: str, now_ms: int) -> None:
        self._db.execute(
            "UPDATE out_of_service SET back_ms = ?, back_person = ?, back_reason = ?"
            " WHERE appliance = ? AND back_ms IS NULL",
            (now_ms, person, reason, appliance),
        )

        self._db.execute(
            "UPDATE out_hold SET ended_ms = ?, ended_by = ? WHERE ended_ms IS NULL"
            " AND out IN (SELECT id FROM out_of_service WHERE appliance = ?)",
            (now_ms, person, appliance),
        )

    def holds(self, appliance: str) -> list[Hold]:
        """Why it is out of service, the oldest reason first."""
        found = self._db.execute(
            "SELECT h.holder, h.person, h.reason, h.from_ms FROM out_hold h"
            " JOIN out_of_service o ON o.id = h.out"
            " WHERE o.appliance = ? AND o.back_ms IS NULL AND h.ended_ms IS NULL ORDER BY h.id",
            (appliance,),
        )
        return [Hold(*row) for row in found.fetchall()]

    def hold(self, appliance: str, hold: Hold) -> None:
        """One more reason; of each holder there is one."""
        self._db.execute(
            "INSERT OR IGNORE INTO out_hold (out, holder, person, reason, from_ms) SELECT id, ?, ?, ?, ?"
            " FROM out_of_service WHERE appliance = ? AND back_ms IS NULL",
            (hold.holder, hold.person, hold.reason, hold.from_ms, appliance),
        )

    def release(self, appliance: str, holder: str, person: str, now_ms: int) -> None:
        """That reason has ended."""
        self._db.execute(
            "UPDATE out_hold SET ended_ms = ?, ended_by = ? WHERE ended_ms IS NULL AND holder = ?"
            " AND out IN (SELECT id FROM out_of_service WHERE appliance = ? AND back_ms IS NULL)",
            (now_ms, person, holder, appliance),
        )

    # --- dispositions

    def dispose(self, made: Disposition) -> None:
        names = [f.name for f in fields(Disposition) if f.name != "id"]
        values = [getattr(made, name) for name in names]
        self._db.execute(
            "INSERT INTO disposition"
            " (alarm, appliance, what, person, second, reason, since_ms, until_ms, at_ms)"
            " VALUES (?,?,?,?,?,?,?,?,?)",
            values,
        )

    # --- alarms and what they are about

    def open_alarms(self, appliance: str | None = None) -> list[Alarm]:
        """Of appliances; of one of them if named."""
        found = self._db.execute(
            "SELECT * FROM alarm WHERE scope = 'appliance' AND state <> 'closed'"
            " AND (?1 IS NULL OR appliance = ?1) ORDER BY number",
            (appliance,),
        )
        return [Alarm(*row) for row in found.fetchall()]

    def beyond(self, appliance: str, from_ms: int) -> list[Excursion]:
        """Its excursions (high, low) that touch the time from from_ms on."""
        found = self._db.execute(
            "SELECT * FROM excursion WHERE appliance = ? AND kind IN ('high', 'low')"
            " AND (ended_ms IS NULL OR ended_ms > ?)",
            (appliance, from_ms),
        )
        return [Excursion(*row) for row in found.fetchall()]

    def exposed_since(self, alarm: Alarm) -> int:
        """When the first excursion of the alarm since its last disposition began [ms]."""
        row = self._db.execute(
            "SELECT min(started_ms) FROM excursion WHERE alarm = ?1 AND kind IN ('high', 'low') AND"
            " coalesce(ended_ms, ?2) > (SELECT coalesce(max(until_ms), 0) FROM disposition WHERE alarm = ?1)",
            (alarm.id, 2**62),
        ).fetchone()
        return alarm.since_ms if row[0] is None else int(row[0])

    def overdrawn(self, appliance: str) -> bool:
        """Has the appliance's budget of the day been found used up?"""
        sql = (
            "SELECT 1 FROM alarm WHERE scope = 'appliance' AND appliance = ? AND kind = 'cumulative'"
            " AND returned_ms IS NULL AND state <> 'closed' LIMIT 1"
        )
        return self._db.execute(sql, (appliance,)).fetchone() is not None
