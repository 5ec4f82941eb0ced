# SPDX-License-Identifier: Apache-2.0
"""Reading `alarms.db`: alarms, excursions and notices, for the console and the command line.

Every call is one short read of its own. While alerts has never run, the answers are empty.
Values are thousandths of a degree, instants ms since epoch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from coldchain.kernel.errors import StoreUnavailable
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.sql import open_reader

OPEN_STATES = ("unacknowledged", "acknowledged", "returned", "disposition_due")
"""An alarm in one of these still wants somebody. `returned`: in order again, acknowledged by nobody yet;
`disposition_due`: in order and acknowledged, and nobody has recorded what became of the blood."""

PUT_ASIDE = ("shelved", "suppressed", "out_of_service")
"""Open, and nobody is told: somebody or the design has put it aside. It still evaluates and records."""

FACT_KINDS = ("high", "low", "sensor_fault")
"""What the readings say; other kinds are warnings and forecasts about them."""
TEMPERATURE_KINDS = ("high", "low")


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm. `scope` says what `appliance` names: `appliance`; `gateway` or `site` (no `sensor` then).

    kind       high, low, sensor_fault, silence, backlog, loss, power ...
    state      one of OPEN_STATES or PUT_ASIDE, or closed
    since_ms   when the condition began (for silence: the last reading)
    raised_ms  the instant at which it became an alarm
    decided_ms alerts' clock when it was written
    position   the journal position that brought it; 0 for silence, which no reading brings
    parent     the alarm (a site's outage) that it is shown under
    product    a limit of the product was passed: it stays until a disposition is recorded
    """

    number: int
    id: str
    scope: str
    appliance: str
    sensor: str
    site: str
    kind: str
    severity: str
    state: str
    since_ms: int
    raised_ms: int
    returned_ms: int | None
    acknowledged_ms: int | None
    acknowledged_by: str | None
    value: int | None
    limit_value: int | None
    peak: int | None
    rule: str
    profile: str | None
    registry_version: int
    position: int
    decided_ms: int
    parent: str | None = None
    product: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "product", bool(self.product))

    @property
    def standing(self) -> bool:
        """Is the condition still true? Also of what is put aside."""
        return self.returned_ms is None and self.state != "closed"


@dataclass(frozen=True, slots=True)
class Excursion:
    """The load was outside the limits (high, low), or the probe gave no temperature (sensor_fault).

    `ended_ms` is None while it lasts; `retrospective`: found in late readings, nobody was woken.
    """

    id: str
    sensor: str
    appliance: str
    kind: str
    started_ms: int
    raised_ms: int
    ended_ms: int | None
    peak: int | None
    limit_value: int | None
    profile: str
    registry_version: int
    retrospective: bool
    alarm: str | None
    updated_ms: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "retrospective", bool(self.retrospective))


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to one person. state: due, sending, sent, failed, unknown, given_up,
    bundled, cancelled (somebody answered before it left).
    """

    id: int
    alarm: str
    about: str
    step: int
    person: str
    channel: str
    attempt: int
    address: str
    text: str
    site: str
    created_ms: int
    due_ms: int
    state: str
    tries: int
    first_try_ms: int | None
    sent_ms: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """Something that happened to an alarm: raised, acknowledged, returned, raised_again, closed ..."""

    id: int
    alarm: str
    at_ms: int
    event: str
    detail: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an alarm's escalation stands: calling, held or ended; `step` (from 0) comes at `due_ms`."""

    state: str
    step: int
    rounds: int
    due_ms: int | None
    person: str
    action: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """An alarm put aside, by whom, why, until when. `ended_ms` None: it still is; `how` it ended."""

    id: int
    alarm: str
    person: str
    second: str
    reason: str
    from_ms: int
    until_ms: int
    ended_ms: int | None
    how: str


@dataclass(frozen=True, slots=True)
class Disposition:
    """What became of the blood that was exposed from since_ms to until_ms: keep, quarantine or discard."""

    id: int
    alarm: str
    appliance: str
    what: str
    person: str
    second: str
    reason: str
    since_ms: int
    until_ms: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class OutOfService:
    """An appliance that is not for blood; `back_ms` None: still."""

    id: int
    appliance: str
    person: str
    reason: str
    from_ms: int
    back_ms: int | None
    back_person: str
    back_reason: str


@dataclass(frozen=True, slots=True)
class Listed:
    """One appliance of a site's alarm. minutes: until its limit, with its interval; None: unknown."""

    place: int
    appliance: str
    minutes: int | None
    low_min: int | None
    high_min: int | None
    refuge: str
    note: str


@dataclass(frozen=True, slots=True)
class Moved:
    """Blood that somebody moved, and its exposure clock: times beyond its limits within the last day [ms].

    before_ms   at the source and before; out_ms in all, as of looked_ms (0: not yet)
    allowed_ms  the budget of the profile that the source carried; None: it has none
    exposure    the alarm when that was used up; ended_ms None: the clock runs
    """

    id: int
    alarm: str
    source: str
    target: str
    person: str
    at_ms: int
    before_ms: int
    out_ms: int
    allowed_ms: int | None
    looked_ms: int
    exposure: str | None
    ended_ms: int | None


@dataclass(frozen=True, slots=True)
class Counts:
    """Integers over everything in the file.

    alarms         ever raised; alarms_open: not closed; alarms_standing: the condition is still true
    excursions     high and low, retrospective ones included
    notices_due    not yet handed over: all but sent, given_up and cancelled
    notices_sent   taken by the carrier
    position       journal position up to which everything is judged and written
    """

    alarms: int = 0
    alarms_open: int = 0
    alarms_standing: int = 0
    excursions: int = 0
    retrospective: int = 0
    notices_due: int = 0
    notices_sent: int = 0
    notices_given_up: int = 0
    position: int = 0


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
