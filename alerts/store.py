# SPDX-License-Identifier: Apache-2.0
"""The writer's side of `alarms.db`: plain SQL in small methods. The caller opens the transaction."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from sqlite3 import Connection

from coldchain.records.alarms import Alarm, Excursion
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.sql import open_writer, transaction


@dataclass(frozen=True, slots=True)
class Saved:
    """The engine's row."""

    position: int
    judged: int
    rules_digest: str
    registry_version: int
    state: bytes


_EXCURSION = "INSERT OR REPLACE INTO excursion VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_ALARM = "INSERT INTO alarm VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"


class AlarmStore:
    """One connection; the service's own thread."""

    def __init__(self, path: Path) -> None:
        self.db: Connection = open_writer(path, ALARMS_MIGRATIONS)

    def transaction(self) -> AbstractContextManager[Connection]:
        return transaction(self.db)

    def close(self) -> None:
        self.db.close()

    # --- the engine

    def saved(self) -> Saved | None:
        row = self.db.execute(
            "SELECT position, judged, rules_digest, registry_version, state FROM engine"
        ).fetchone()
        return Saved(*row) if row else None

    def save(self, saved: Saved, format_: int, now_ms: int) -> None:
        self.db.execute(
            "INSERT OR REPLACE INTO engine VALUES (1,?,?,?,?,?,?,?)",
            (
                saved.position,
                saved.judged,
                format_,
                saved.rules_digest,
                saved.registry_version,
                saved.state,
                now_ms,
            ),
        )

    def set_judged(self, position: int) -> None:
        self.db.execute("UPDATE engine SET judged = ?", (position,))

    def registry_took_effect(self, version: int, position: int, now_ms: int) -> None:
        self.db.execute("INSERT OR IGNORE INTO registry_effect VALUES (?,?,?)", (version, position, now_ms))

    # --- excursions

    def put_excursion(self, excursion: Excursion) -> None:
        values = [getattr(excursion, f.name) for f in fields(Excursion)]
        self.db.execute(_EXCURSION, values)

    def excursion(self, id_: str) -> Excursion | None:
        row = self.db.execute("SELECT * FROM excursion WHERE id = ?", (id_,)).fetchone()
        return Excursion(*row) if row else None

    def excursions_after(self, sensor: str, at_ms: int) -> list[Excursion]:
        """Of every kind, raised later than that or not over by then."""
        found = self.db.execute(
            "SELECT * FROM excursion WHERE sensor = ?1"
            " AND (raised_ms > ?2 OR ended_ms IS NULL OR ended_ms > ?2) ORDER BY started_ms",
            (sensor, at_ms),
        )
        return [Excursion(*row) for row in found.fetchall()]

    def touches_excursion(self, sensor: str, start_ms: int, end_ms: int) -> bool:
        row = self.db.execute(
            "SELECT 1 FROM excursion WHERE sensor = ? AND started_ms <= ? AND coalesce(ended_ms, ?) >= ?"
            " LIMIT 1",
            (sensor, end_ms, end_ms, start_ms),
        ).fetchone()
        return row is not None

    def drop_excursion(self, id_: str) -> None:
        self.db.execute("DELETE FROM excursion WHERE id = ?", (id_,))

    def others_stand(self, alarm: str) -> bool:
        """Does another excursion of that alarm still last?"""
        row = self.db.execute(
            "SELECT 1 FROM excursion WHERE alarm = ? AND ended_ms IS NULL LIMIT 1", (alarm,)
        ).fetchone()
        return row is not None

    def lasts(self, alarm: str, kind: str) -> bool:
        """Does an excursion of that kind, which its alarm has been told of, still last?"""
        row = self.db.execute(
            "SELECT 1 FROM excursion WHERE alarm = ? AND kind = ? AND ended_ms IS NULL LIMIT 1", (alarm, kind)
        ).fetchone()
        return row is not None

    def lasting(self) -> list[Excursion]:
        """Those that have not ended."""
        found = self.db.execute("SELECT * FROM excursion WHERE ended_ms IS NULL ORDER BY started_ms")
        return [Excursion(*row) for row in found.fetchall()]

    def end_excursion(self, id_: str, at_ms: int) -> None:
        self.db.execute("UPDATE excursion SET ended_ms = ? WHERE id = ?", (at_ms, id_))

    # --- alarms

    def alarm(self, id_: str) -> Alarm | None:
        row = self.db.execute("SELECT * FROM alarm WHERE id = ?", (id_,)).fetchone()
        return Alarm(*row) if row else None

    def alarm_named(self, name: str) -> Alarm | None:
        """By id, or by the number that people reply."""
        if name.isdecimal():
            row = self.db.execute("SELECT * FROM alarm WHERE number = ?", (int(name),)).fetchone()
            return Alarm(*row) if row else None
        return self.alarm(name)

    def open_alarm(self, scope: str, appliance: str, kind: str) -> Alarm | None:
        row = self.db.execute(
            "SELECT * FROM alarm WHERE scope = ? AND appliance = ? AND kind = ? AND state <> 'closed'"
            " ORDER BY number DESC LIMIT 1",
            (scope, appliance, kind),
        ).fetchone()
        return Alarm(*row) if row else None

    def decided_since(self, scope: str, appliance: str, kind: str, at_ms: int) -> bool:
        """Has such an alarm been raised at that instant or later, whatever became of it?"""
        row = self.db.execute(
            "SELECT 1 FROM alarm WHERE scope = ? AND appliance = ? AND kind = ? AND decided_ms >= ? LIMIT 1",
            (scope, appliance, kind, at_ms),
        ).fetchone()
        return row is not None

    def standing(self) -> list[Alarm]:
        """Those whose condition is still true."""
        found = self.db.execute("SELECT * FROM alarm WHERE returned_ms IS NULL AND state <> 'closed'")
        return [Alarm(*row) for row in found.fetchall()]

    def end_excursions(self, alarm: str, at_ms: int) -> None:
        """Nothing more will be heard of them."""
        self.db.execute(
            "UPDATE excursion SET ended_ms = ?, updated_ms = ? WHERE alarm = ? AND ended_ms IS NULL",
            (at_ms, at_ms, alarm),
        )

    def add_alarm(self, alarm: Alarm) -> Alarm:
        """With the next number."""
        (number,) = self.db.execute("SELECT coalesce(max(number), 0) + 1 FROM alarm").fetchone()
        numbered = replace(alarm, number=number)
        self.db.execute(_ALARM, [getattr(numbered, f.name) for f in fields(Alarm)])
        return numbered

    def change_alarm(self, alarm: Alarm) -> None:
        self.db.execute(
            "UPDATE alarm SET sensor=?, state=?, since_ms=?, raised_ms=?, returned_ms=?, acknowledged_ms=?,"
            " acknowledged_by=?, value=?, limit_value=?, peak=?, profile=?, decided_ms=?, severity=?, rule=?,"
            " parent=?, product=? WHERE id=?",
            (
                alarm.sensor,
                alarm.state,
                alarm.since_ms,
                alarm.raised_ms,
                alarm.returned_ms,
                alarm.acknowledged_ms,
                alarm.acknowledged_by,
                alarm.value,
                alarm.limit_value,
                alarm.peak,
                alarm.profile,
                alarm.decided_ms,
                alarm.severity,
                alarm.rule,
                alarm.parent,
                alarm.product,
                alarm.id,
            ),
        )

    def note(self, alarm: str, at_ms: int, event: str, detail: str = "") -> None:
        self.db.execute(
            "INSERT INTO alarm_event (alarm, at_ms, event, detail) VALUES (?,?,?,?)",
            (alarm, at_ms, event, detail),
        )

    def raises_since(self, alarm: str, from_ms: int) -> int:
        """How often its condition began after that instant; getting worse does not count."""
        row = self.db.execute(
            "SELECT count(*) FROM alarm_event WHERE alarm = ? AND at_ms > ?"
            " AND (event = 'raised_again' OR (event = 'raised' AND detail <> 'critical'))",
            (alarm, from_ms),
        ).fetchone()
        return int(row[0])

    def begun_since(self, alarm: str, from_ms: int) -> int:
        """How often something of it began after that instant; joining it and getting worse count, too."""
        row = self.db.execute(
            "SELECT count(*) FROM alarm_event WHERE alarm = ? AND at_ms > ?"
            " AND event IN ('raised', 'raised_again', 'joined')",
            (alarm, from_ms),
        ).fetchone()
        return int(row[0])

    def children(self, parent: str) -> list[Alarm]:
        found = self.db.execute("SELECT * FROM alarm WHERE parent = ? ORDER BY number", (parent,))
        return [Alarm(*row) for row in found.fetchall()]

    # --- put aside

    def rest(self, alarm: str, over_ms: int, value: int | None, until_ms: int) -> None:
        """It chatters: held open until then."""
        self.db.execute("INSERT OR REPLACE INTO chatter VALUES (?,?,?,?)", (alarm, over_ms, value, until_ms))

    def rests(self, alarm: str) -> bool:
        """Is it in order, and held open all the same?"""
        found = self.db.execute("SELECT 1 FROM chatter WHERE alarm = ?", (alarm,)).fetchone()
        return found is not None

    def rest_over(self, alarm: str) -> None:
        self.db.execute("DELETE FROM chatter WHERE alarm = ?", (alarm,))

    def rested(self, now_ms: int) -> list[tuple[str, int, int | None]]:
        """(alarm, when it was over, the value then) of those that have been calm for long enough."""
        sql = "SELECT alarm, over_ms, value FROM chatter WHERE until_ms <= ?"
        return self.db.execute(sql, (now_ms,)).fetchall()

    def end_shelf(self, alarm: str, now_ms: int, how: str) -> None:
        sql = "UPDATE shelf SET ended_ms = ?, how = ? WHERE alarm = ? AND ended_ms IS NULL"
        self.db.execute(sql, (now_ms, how, alarm))

    def out_now(self) -> frozenset[str]:
        """Appliances that are out of service."""
        found = self.db.execute("SELECT appliance FROM out_of_service WHERE back_ms IS NULL")
        return frozenset(name for (name,) in found.fetchall())

    # --- commands

    def is_applied(self, command: str) -> bool:
        return (
            self.db.execute("SELECT 1 FROM command_applied WHERE id = ?", (command,)).fetchone() is not None
        )

    def applied(self, command: str, outcome: str, now_ms: int) -> None:
        self.db.execute("INSERT INTO command_applied VALUES (?,?,?)", (command, now_ms, outcome))

    def moved(self, alarm: str, source: str, target: str, person: str, now_ms: int) -> None:
        self.db.execute(
            "INSERT INTO moved (alarm, source, target, person, at_ms) VALUES (?,?,?,?,?)",
            (alarm, source, target, person, now_ms),
        )
