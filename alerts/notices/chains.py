# SPDX-License-Identifier: Apache-2.0
"""Escalation, codes and deliveries as rows of `alarms.db`. Plain SQL; the caller opens the transaction."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
from sqlite3 import Connection

from alerts.answers.codes import Draw, fresh
from alerts.notices.bundle import UNWANTED, let_go

CALLING, HELD, ENDED = "calling", "held", "ended"


@dataclass(frozen=True, slots=True)
class ChainRow:
    """See the table `escalation`."""

    alarm: str
    state: str
    step: int = 0
    rounds: int = 0
    due_ms: int | None = None
    postponed: bool = False
    person: str = ""
    action: str = ""
    value: int | None = None
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Draft:
    """A notice to be: one message to one person by one channel."""

    alarm: str
    about: str
    step: int
    person: str
    channel: str
    attempt: int
    address: str
    text: str
    site: str
    priority: int = 2
    receipt_s: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """A notice that did not arrive, as far as we know."""

    notice: int
    alarm: str
    about: str
    step: int
    person: str
    channel: str
    address: str
    site: str
    text: str


class Chains:
    """One connection: the service's own."""

    def __init__(self, db: Connection, draw: Draw) -> None:
        self.db, self._draw = db, draw
        self.held: dict[str, int] = {}
        """Site -> until when its alarms' messages wait [ms]: its guard may have told them already."""

    # --- chains

    def chain(self, alarm: str) -> ChainRow | None:
        row = self.db.execute("SELECT * FROM escalation WHERE alarm = ?", (alarm,)).fetchone()
        return ChainRow(*row) if row else None

    def put(self, row: ChainRow) -> None:
        self.db.execute("INSERT OR REPLACE INTO escalation VALUES (?,?,?,?,?,?,?,?,?,?)", astuple(row))

    def due(self, now_ms: int) -> list[ChainRow]:
        found = self.db.execute(
            "SELECT * FROM escalation WHERE due_ms <= ? ORDER BY due_ms, alarm LIMIT 500", (now_ms,)
        )
        return [ChainRow(*row) for row in found.fetchall()]

    def postpone(self, people: list[str], by_ms: int) -> list[str]:
        """Alarms of which they have been told and whose next step now waits longer; each once."""
        found = self.db.execute(
            "UPDATE escalation SET due_ms = due_ms + ?, postponed = 1 WHERE state = 'calling'"
            " AND postponed = 0 AND due_ms IS NOT NULL AND alarm IN ("
            "SELECT alarm FROM notice WHERE person IN (SELECT value FROM json_each(?)) AND about = 'raised'"
            " AND state IN ('sent', 'sending', 'unknown', 'bundled')) RETURNING alarm",
            (by_ms, json.dumps(people)),
        )
        return sorted(alarm for (alarm,) in found.fetchall())

    # --- notices

    def add(self, draft: Draft, now_ms: int, due_ms: int | None = None) -> None:
        d = draft
        if d.about == "raised" and (held_ms := self.held.get(d.site, 0)) > now_ms:
            due_ms = max(due_ms or now_ms, held_ms)
        added = self.db.execute(
            "INSERT OR IGNORE INTO notice (alarm, about, step, person, channel, attempt, address, text, site,"
            " created_ms, due_ms, state) VALUES (?,?,?,?,?,?,?,?,?,?,?,'due')",
            (d.alarm, d.about, d.step, d.person, d.channel, d.attempt, d.address, d.text, d.site, now_ms,
             due_ms or now_ms),
        )  # fmt: skip
        if added.rowcount:
            self.db.execute(
                "INSERT INTO delivery (notice, priority, receipt_s) VALUES (?,?,?)",
                (added.lastrowid, d.priority, d.receipt_s),
            )

    def next_step(self, alarm: str) -> int:
        (step,) = self.db.execute(
            "SELECT coalesce(max(step), -1) + 1 FROM notice WHERE alarm = ?", (alarm,)
        ).fetchone()
        return int(step)

    def told(self, alarm: str) -> list[str]:
        """Everybody who was, or is about to be, told of the alarm's raise; in order."""
        found = self.db.execute(
            "SELECT person FROM notice WHERE alarm = ? AND about = 'raised' AND state <> 'cancelled'"
            " GROUP BY person ORDER BY min(id)",
            (alarm,),
        )
        return [person for (person,) in found.fetchall()]

    def cancel(self, alarm: str, *, person: str | None = None) -> None:
        """What has not left of the alarm's raise need not leave; what waited in it for its own turn must."""
        found = self.db.execute(
            "UPDATE notice SET state = 'cancelled' WHERE alarm = ?1 AND about = 'raised' AND state IN"
            " ('due', 'failed', 'unknown', 'bundled') AND (?2 IS NULL OR person = ?2) RETURNING id",
            (alarm, person),
        )
        for (id_,) in found.fetchall():
            let_go(self.db, id_)
        self.db.execute(  # it may go out this once
            "UPDATE notice SET detail = ?3 WHERE alarm = ?1 AND about = 'raised' AND state = 'sending'"
            " AND (?2 IS NULL OR person = ?2)",
            (alarm, person, UNWANTED),
        )

    # --- deliveries

    def failures(self, now_ms: int) -> list[Failure]:
        """Notices without a report in time, or given up, that nothing has been done about yet."""
        wanted = "SELECT n.id, n.alarm, n.about, n.step, n.person, n.channel, n.address, n.site, n.text FROM"
        late = "delivery d INDEXED BY delivery_due JOIN notice n ON n.id = d.notice"  # few of very many
        given_up = "notice n JOIN delivery d ON d.notice = n.id"
        found = self.db.execute(
            f"{wanted} {late} WHERE d.receipt_due_ms <= ? AND d.chased = 0 AND n.state = 'sent' UNION ALL"
            f" {wanted} {given_up} WHERE n.state = 'given_up' AND d.chased = 0 ORDER BY 1 LIMIT 500",
            (now_ms,),
        )
        return [Failure(*row) for row in found.fetchall()]

    def priority(self, notice: int) -> int:
        (priority,) = self.db.execute("SELECT priority FROM delivery WHERE notice = ?", (notice,)).fetchone()
        return int(priority)

    def chased(self, notice: int) -> None:
        self.db.execute("UPDATE delivery SET chased = 1, receipt_due_ms = NULL WHERE notice = ?", (notice,))

    def reported(self, carrier_id: str, now_ms: int, *, delivered: bool) -> bool:
        """A provider says how the message fared that it calls so. False: there is none, or it is old news."""
        done = self.db.execute(
            "UPDATE delivery SET fate = ?1, delivered_ms = CASE WHEN ?2 THEN ?3 END,"
            " receipt_due_ms = CASE WHEN ?2 OR chased THEN NULL ELSE ?3 END"
            " WHERE carrier_id = ?4 AND delivered_ms IS NULL",
            ("delivered" if delivered else "failed", delivered, now_ms, carrier_id),
        )
        return done.rowcount > 0

    def attempts(self, alarm: str, step: int, person: str) -> list[tuple[str, str]]:
        """(channel, address) already used for that person in that step."""
        found = self.db.execute(
            "SELECT channel, address FROM notice WHERE alarm = ? AND step = ? AND person = ?",
            (alarm, step, person),
        )
        return list(found.fetchall())

    def reached(self, alarm: str, step: int) -> bool:
        """Did any message of that step surely arrive, or is one still on its way?"""
        row = self.db.execute(
            "SELECT 1 FROM notice n JOIN delivery d ON d.notice = n.id"
            " WHERE n.alarm = ? AND n.step = ? AND n.channel <> 'call'"
            " AND (d.delivered_ms IS NOT NULL OR (d.chased = 0 AND n.state <> 'cancelled')) LIMIT 1",
            (alarm, step),
        ).fetchone()
        return row is not None

    # --- codes

    def code(self, person: str, alarm: str, now_ms: int) -> str:
        """The live code of that person for that alarm; made if there is none."""
        row = self.db.execute(
            "SELECT code FROM code WHERE person = ? AND alarm = ? AND used_ms IS NULL", (person, alarm)
        ).fetchone()
        if row:
            return str(row[0])
        for _ in range(100):
            code = fresh(self._draw, ())
            taken = self.db.execute("SELECT 1 FROM code WHERE code = ? LIMIT 1", (code,)).fetchone()
            if taken is None:
                self.db.execute("INSERT INTO code VALUES (?,?,?,?,NULL)", (code, person, alarm, now_ms))
                return code
        raise AssertionError("nearly every code is in use")

    def code_row(self, code: str) -> tuple[str, str, int | None] | None:
        """(person, alarm, used) of a code."""
        row = self.db.execute("SELECT person, alarm, used_ms FROM code WHERE code = ?", (code,)).fetchone()
        return (row[0], row[1], row[2]) if row else None

    def use(self, person: str, alarm: str, now_ms: int) -> None:
        self.db.execute(
            "UPDATE code SET used_ms = ? WHERE person = ? AND alarm = ? AND used_ms IS NULL",
            (now_ms, person, alarm),
        )

    def retire(self, before_ms: int) -> None:
        """Forget codes of long ago, so that they may be used again."""
        self.db.execute("DELETE FROM code WHERE made_ms < ?", (before_ms,))
        self.db.execute("DELETE FROM wrong_code WHERE at_ms < ?", (before_ms,))
