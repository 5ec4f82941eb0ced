# SPDX-License-Identifier: Apache-2.0
"""Reading `alarms.db` by time: what touches a span, and what has changed since."""

from __future__ import annotations

from coldchain.records.alarms import Alarm, AlarmEvent, AlarmsReader, DefrostRow


class SpanReader(AlarmsReader):
    """`AlarmsReader`, asked by time."""

    def touching(self, start_ms: int, end_ms: int) -> list[Alarm]:
        """Alarms whose condition held at any time from start to before end, by number."""
        sql = "SELECT * FROM alarm WHERE since_ms < ?2 AND coalesce(returned_ms, ?2) >= ?1 ORDER BY number"
        return self._all(Alarm, sql, (start_ms, end_ms))

    def decided_since(self, at_ms: int) -> list[Alarm]:
        """Alarms that alerts wrote from that instant of its clock on, and those that stand."""
        sql = "SELECT * FROM alarm WHERE decided_ms >= ? OR returned_ms IS NULL ORDER BY number"
        return self._all(Alarm, sql, (at_ms,))

    def defrosts_since(self, at_ms: int) -> list[DefrostRow]:
        """Defrosts that alerts wrote from that instant of its clock on, those taken back among them."""
        return self._all(DefrostRow, "SELECT * FROM defrost WHERE decided_ms >= ? ORDER BY from_ms", (at_ms,))

    def events_of(self, alarms: list[Alarm]) -> dict[str, list[AlarmEvent]]:
        """What happened to each of them, in order."""
        found: dict[str, list[AlarmEvent]] = {}
        ids = [alarm.id for alarm in alarms]
        for first in range(0, len(ids), 500):
            some = ids[first : first + 500]
            sql = f"SELECT * FROM alarm_event WHERE alarm IN ({','.join('?' * len(some))}) ORDER BY id"  # noqa: S608
            for event in self._all(AlarmEvent, sql, some):
                found.setdefault(event.alarm, []).append(event)
        return found
