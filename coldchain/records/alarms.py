# SPDX-License-Identifier: Apache-2.0
"""Reading `alarms.db`: alarms, excursions and notices, for the console and the command line.

Every call is one short read of its own. While alerts has never run, the answers are empty.
Values are thousandths of a degree, instants ms since epoch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from coldchain.kernel.errors import StoreUnavailable
from coldchain.records.alarm_rows import (
    FACT_KINDS,
    OPEN_STATES,
    PUT_ASIDE,
    TEMPERATURE_KINDS,
    Alarm,
    AlarmEvent,
    Counts,
    DefrostRow,
    Disposition,
    DrillRow,
    Excursion,
    Listed,
    Moved,
    Notice,
    OutOfService,
    Shelf,
    Standing,
    UpkeepRow,
)
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.sql import open_reader

__all__ = [
    "FACT_KINDS",
    "OPEN_STATES",
    "PUT_ASIDE",
    "TEMPERATURE_KINDS",
    "Alarm",
    "AlarmEvent",
    "AlarmsReader",
    "Counts",
    "DefrostRow",
    "Disposition",
    "DrillRow",
    "Excursion",
    "Listed",
    "Moved",
    "Notice",
    "OutOfService",
    "Shelf",
    "Standing",
    "UpkeepRow",
]

Row = TypeVar("Row")


class AlarmsReader:
    """`alarms.db` for all who do not write it. Use from one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None

    def open_alarms(self) -> list[Alarm]:
        """Alarms that still want somebody, newest first."""
        sql = "SELECT * FROM alarm WHERE state <> 'closed' ORDER BY raised_ms DESC, number DESC"
        return self._all(Alarm, sql)

    def alarms(self, limit: int = 100, *, appliance: str | None = None) -> list[Alarm]:
        """The newest alarms, open or not; those of one appliance if named."""
        sql = "SELECT * FROM alarm WHERE ?1 IS NULL OR appliance = ?1 ORDER BY number DESC LIMIT ?2"
        return self._all(Alarm, sql, (appliance, limit))

    def alarm(self, number_or_id: int | str) -> Alarm | None:
        """One alarm by its number (what people reply) or id."""
        by_number = isinstance(number_or_id, int)
        sql = "SELECT * FROM alarm WHERE number = ?" if by_number else "SELECT * FROM alarm WHERE id = ?"
        found = self._all(Alarm, sql, (number_or_id,))
        return found[0] if found else None

    def excursions(
        self,
        *,
        sensor: str | None = None,
        appliance: str | None = None,
        start_ms: int = 0,
        end_ms: int = 2**62,
        kinds: tuple[str, ...] = TEMPERATURE_KINDS,
        limit: int = 10_000,
    ) -> list[Excursion]:
        """Those that touch start_ms..end_ms, by sensor, then time. More than temperatures if `kinds` asks."""
        sql = (
            "SELECT * FROM excursion WHERE (?1 IS NULL OR sensor = ?1) AND (?2 IS NULL OR appliance = ?2)"
            " AND started_ms <= ?3 AND coalesce(ended_ms, ?3) >= ?4"
            " AND instr(?5, ',' || kind || ',') ORDER BY sensor, started_ms, kind LIMIT ?6"
        )
        values = (sensor, appliance, end_ms, start_ms, f",{','.join(kinds)},", limit)
        return self._all(Excursion, sql, values)

    def notices(self, limit: int = 100, *, alarm: str | None = None) -> list[Notice]:
        """The newest notices; those of one alarm (by id) if named."""
        sql = "SELECT * FROM notice WHERE ?1 IS NULL OR alarm = ?1 ORDER BY id DESC LIMIT ?2"
        return self._all(Notice, sql, (alarm, limit))

    def events(self, alarm: str) -> list[AlarmEvent]:
        """What happened to the alarm with that id, in order."""
        return self._all(AlarmEvent, "SELECT * FROM alarm_event WHERE alarm = ? ORDER BY id", (alarm,))

    def standing(self, alarm: str) -> Standing | None:
        """The escalation of the alarm with that id."""
        sql = "SELECT state, step, rounds, due_ms, person, action FROM escalation WHERE alarm = ?"
        found = self._all(Standing, sql, (alarm,))
        return found[0] if found else None

    def delivered(self, alarm: str) -> dict[int, int]:
        """Of the notices that arrived, by their delivery reports: notice -> when."""
        sql = (
            "SELECT d.notice, d.delivered_ms FROM delivery d JOIN notice n ON n.id = d.notice"
            " WHERE n.alarm = ? AND d.delivered_ms IS NOT NULL"
        )
        return dict(self._rows(sql, (alarm,)))

    def shelved(self, *, all_: bool = False) -> list[Shelf]:
        """What is put aside now, the next to end first; with `all_` every time it was done, newest first."""
        if all_:
            return self._all(Shelf, "SELECT * FROM shelf ORDER BY id DESC")
        return self._all(Shelf, "SELECT * FROM shelf WHERE ended_ms IS NULL ORDER BY until_ms")

    def dispositions(self, *, alarm: str | None = None, appliance: str | None = None) -> list[Disposition]:
        """Newest first; of one alarm (by id) or appliance if named."""
        sql = (
            "SELECT * FROM disposition WHERE (?1 IS NULL OR alarm = ?1) AND (?2 IS NULL OR appliance = ?2)"
            " ORDER BY id DESC"
        )
        return self._all(Disposition, sql, (alarm, appliance))

    def out_of_service(self, *, all_: bool = False) -> list[OutOfService]:
        """Appliances that are not for blood now; with `all_` every time, newest first."""
        sql = "SELECT * FROM out_of_service WHERE ?1 OR back_ms IS NULL ORDER BY id DESC"
        return self._all(OutOfService, sql, (all_,))

    def alarm_list(self, alarm: str) -> list[Listed]:
        """What hangs on the alarm (of a site) with that id, worst first."""
        sql = (
            "SELECT place, appliance, minutes, low_min, high_min, refuge, note FROM alarm_list"
            " WHERE alarm = ? ORDER BY place"
        )
        return self._all(Listed, sql, (alarm,))

    def moved(self, *, running: bool = False, alarm: str | None = None) -> list[Moved]:
        """Blood that was moved, newest first; only clocks that run, or what one alarm (by id) is about."""
        sql = (
            "SELECT * FROM moved WHERE (NOT ?1 OR ended_ms IS NULL)"
            " AND (?2 IS NULL OR alarm = ?2 OR exposure = ?2) ORDER BY id DESC LIMIT 1000"
        )
        return self._all(Moved, sql, (running, alarm))

    def drills(self, *, appliance: str | None = None) -> list[DrillRow]:
        """Tests of alarms, newest first; of one appliance if named."""
        sql = "SELECT * FROM drill WHERE ?1 IS NULL OR appliance = ?1 ORDER BY from_ms DESC"
        return self._all(DrillRow, sql, (appliance,))

    def upkeep(self, after_ms: int | None = None) -> list[UpkeepRow]:
        """What stands for maintenance; with `after_ms` also what has ended after it."""
        sql = "SELECT * FROM upkeep WHERE ended_ms IS NULL OR ended_ms > ? ORDER BY kind, subject, since_ms"
        return self._all(UpkeepRow, sql, (2**62 if after_ms is None else after_ms,))

    def defrosts(
        self, start_ms: int, end_ms: int, appliance: str | None = None, *, taken_back: bool = False
    ) -> list[DefrostRow]:
        """Those that touch start to before end, in order; of one appliance or of all."""
        sql = (
            "SELECT * FROM defrost WHERE from_ms < ?2 AND until_ms >= ?1 AND (what <> 'none' OR ?4)"
            " AND (?3 IS NULL OR appliance = ?3) ORDER BY from_ms, sensor"
        )
        return self._all(DefrostRow, sql, (start_ms, end_ms, appliance, taken_back))

    def heard(self, start_ms: int, end_ms: int) -> list[tuple[int, str, str, str]]:
        """What telephones sent in that span: (instant, kind: sms or ring, sender, what came of it)."""
        sql = (
            "SELECT at_ms, kind, sender, outcome FROM incoming WHERE at_ms >= ? AND at_ms < ? ORDER BY 1, id"
        )
        return self._rows(sql, (start_ms, end_ms))

    def reached(self) -> tuple[dict[str, int], dict[str, int]]:
        """person -> when a message surely arrived last, and when one was first sent to them."""
        rows = self._rows(
            "SELECT n.person, max(d.delivered_ms), min(n.sent_ms) FROM notice n"
            " LEFT JOIN delivery d ON d.notice = n.id WHERE n.sent_ms IS NOT NULL GROUP BY n.person"
        )
        delivered = {person: last for person, last, _ in rows if last is not None}
        return delivered, {person: first for person, _, first in rows}

    def children(self, alarm: str) -> list[Alarm]:
        """Alarms that are shown under the one with that id."""
        return self._all(Alarm, "SELECT * FROM alarm WHERE parent = ? ORDER BY number", (alarm,))

    def outcome(self, command: str) -> str | None:
        """What came of a command, by its id; None while alerts has not applied it."""
        found = self._rows("SELECT outcome FROM command_applied WHERE id = ?", (command,))
        return str(found[0][0]) if found else None

    def counts(self) -> Counts:
        """Every figure in one read, consistent with each other."""
        rows = self._rows(
            "SELECT (SELECT count(*) FROM alarm), (SELECT count(*) FROM alarm WHERE state <> 'closed'),"
            " (SELECT count(*) FROM alarm WHERE returned_ms IS NULL AND state <> 'closed'),"
            " (SELECT count(*) FROM excursion WHERE kind IN ('high', 'low')),"
            " (SELECT count(*) FROM excursion WHERE kind IN ('high', 'low') AND retrospective),"
            " (SELECT count(*) FROM notice WHERE state NOT IN ('sent', 'given_up', 'cancelled')),"
            " (SELECT count(*) FROM notice WHERE state = 'sent'),"
            " (SELECT count(*) FROM notice WHERE state = 'given_up'),"
            " coalesce((SELECT judged FROM engine), 0)"
        )
        return Counts(*rows[0]) if rows else Counts()

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _all(self, make: type[Row], sql: str, values: Iterable[object] = ()) -> list[Row]:
        return [make(*row) for row in self._rows(sql, values)]

    def _rows(self, sql: str, values: Iterable[object] = ()) -> list[Any]:
        if self._db is None:
            try:
                self._db = open_reader(self._path, len(ALARMS_MIGRATIONS))
            except StoreUnavailable:
                return []  # alerts has not run yet
        return self._db.execute(sql, tuple(values)).fetchall()
