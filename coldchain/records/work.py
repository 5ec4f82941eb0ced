# SPDX-License-Identifier: Apache-2.0
"""Work orders: what is to be done on a device, by whom, what came of it. Steps are added, never changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from coldchain.kernel.errors import BadData, StoreUnavailable
from coldchain.kernel.instants import rfc3339
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.sql import open_reader, open_writer, transaction

OPEN, SENT, STARTED, FINISHED, CANCELLED, NOTED = (
    "open", "sent", "started", "finished", "cancelled", "noted",
)  # fmt: skip
NEXT: dict[str, frozenset[str]] = {
    OPEN: frozenset({SENT, STARTED, CANCELLED}),
    SENT: frozenset({SENT, STARTED, CANCELLED}),
    STARTED: frozenset({FINISHED, CANCELLED}),
    FINISHED: frozenset(),
    CANCELLED: frozenset(),
}
"""State -> what may follow. Sent again: the first message did not arrive."""
LIVE = frozenset({OPEN, SENT, STARTED})
WHAT_MAX, WORD_MAX = 300, 1000
DAY_MS = 86_400_000
SEND_GAP_MS, SENDS_MAX = 10 * 60_000, 5
"""An order goes out anew at the earliest after ten minutes (a delivery report has come by then, or none
will), and five times in a day: ours. Each message costs credit that alarms need, and nobody reads a sixth.
"""
SENDS_BY_ONE, SENDS_TO_ONE = 30, 30
"""By one person, and to one contractor, in a day, of all orders: ours; the night of a power cut has fewer."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that became of an order. body: findings, cause, cost, currency, to (where the blood went)."""

    id: int
    number: int
    state: str
    body: dict[str, str]
    person: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """One order and its steps, oldest first. contractor: a person's id, or nothing yet."""

    number: int
    serial: str
    appliance: str
    site: str
    alarm: int | None
    what: str
    contractor: str
    person: str
    at_ms: int
    steps: tuple[Step, ...] = ()

    @property
    def state(self) -> str:
        return next((step.state for step in reversed(self.steps) if step.state != NOTED), OPEN)

    @property
    def live(self) -> bool:
        return self.state in LIVE

    def send_from(self, now_ms: int) -> int:
        """From when on it may be sent (again) [ms]; 0: now."""
        sent = [s.at_ms for s in self.steps if s.state == SENT and now_ms - DAY_MS < s.at_ms <= now_ms]
        free = sent[-1] + SEND_GAP_MS if sent else 0
        if len(sent) >= SENDS_MAX:
            free = max(free, sent[-SENDS_MAX] + DAY_MS)
        return free if free > now_ms else 0

    def sent_today(self, now_ms: int) -> int:
        """How often it was sent within a day."""
        return sum(s.state == SENT and now_ms - DAY_MS < s.at_ms <= now_ms for s in self.steps)

    @property
    def offers(self) -> frozenset[str]:
        return NEXT[self.state]

    def at(self, state: str) -> int | None:
        """When it came into that state last."""
        return next((step.at_ms for step in reversed(self.steps) if step.state == state), None)

    def told(self, name: str) -> str:
        """The newest word of that name in its steps; empty: none."""
        return next((s.body[name] for s in reversed(self.steps) if s.body.get(name)), "")


ORDER = "SELECT number, serial, appliance, site, alarm, what, contractor, person, at_ms FROM work_order"
STEPS = (
    "SELECT id, number, state, body, person, at_ms FROM work_step"
    " WHERE number IN (SELECT value FROM json_each(?)) ORDER BY id"
)


class WorkReader:
    """Reads the desk in short looks; empty answers while there is none."""

    def __init__(self, desk: Path) -> None:
        self._path = desk

    def order(self, number: int) -> WorkOrder | None:
        found = self._orders("WHERE number = ?", (number,))
        return found[0] if found else None

    def asked(self, key: str) -> WorkOrder | None:
        """The order that was raised, or stepped, under that key."""
        sql = "WHERE key = ?1 OR number = (SELECT number FROM work_step WHERE key = ?1)"
        found = self._orders(sql, (key,))
        return found[0] if found else None

    def orders(
        self,
        *,
        serial: str | None = None,
        appliance: str | None = None,
        alarm: int | None = None,
        before: int | None = None,
        limit: int = 200,
    ) -> list[WorkOrder]:
        """Newest first; of one device, appliance or alarm if named; those with a number under `before`."""
        sql = (
            "WHERE (?1 IS NULL OR serial = ?1) AND (?2 IS NULL OR appliance = ?2)"
            " AND (?3 IS NULL OR alarm = ?3) AND (?4 IS NULL OR number < ?4) ORDER BY number DESC LIMIT ?5"
        )
        return self._orders(sql, (serial, appliance, alarm, before, limit))

    def live(self) -> list[WorkOrder]:
        """Those that are neither finished nor cancelled, newest first."""
        sql = (
            "WHERE NOT EXISTS (SELECT 1 FROM work_step s WHERE s.number = work_order.number"
            " AND s.state IN ('finished', 'cancelled')) ORDER BY number DESC"
        )
        return self._orders(sql, ())

    def _orders(self, where: str, values: tuple[object, ...]) -> list[WorkOrder]:
        try:
            db = open_reader(self._path, len(DESK_MIGRATIONS))
        except StoreUnavailable:
            return []
        with closing(db):
            rows = db.execute(f"{ORDER} {where}", values).fetchall()
            numbers = json.dumps([row[0] for row in rows])
            steps: dict[int, list[Step]] = {}
            for id_, number, state, body, person, at_ms in db.execute(STEPS, (numbers,)):
                steps.setdefault(number, []).append(Step(id_, number, state, json.loads(body), person, at_ms))
        return [replace(WorkOrder(*row), steps=tuple(steps.get(row[0], ()))) for row in rows]


class TooOften(BadData):
    """It was sent often enough. again_ms: from when on it may be sent once more."""

    def __init__(self, why: str, again_ms: int) -> None:
        super().__init__(f"{why}; it may be sent again from {rfc3339(again_ms)}")
        self.again_ms = again_ms


class Work:
    """`desk.db` for those who write work orders, in short transactions."""

    def __init__(self, desk: Path, wall_ms: Callable[[], int]) -> None:
        self._db = open_writer(desk, DESK_MIGRATIONS)
        self._wall_ms = wall_ms

    def raise_(
        self,
        key: str,
        serial: str,
        *,
        appliance: str,
        site: str,
        what: str,
        person: str,
        contractor: str = "",
        alarm: int | None = None,
    ) -> int:
        """The order's number; under the same key, or for an alarm with a live order, that order's."""
        words = " ".join(what.split())
        if not 1 <= len(words) <= WHAT_MAX:
            raise BadData(f"say what is to be done, in at most {WHAT_MAX} letters")
        with transaction(self._db) as db:
            row = db.execute(
                "SELECT number FROM work_order WHERE key = ?1 OR (alarm = ?2 AND NOT EXISTS (SELECT 1 FROM"
                " work_step s WHERE s.number = work_order.number AND s.state IN ('finished', 'cancelled')))",
                (key, alarm),
            ).fetchone()
            if row is not None:
                return int(row[0])
            done = db.execute(
                "INSERT INTO work_order (key, serial, appliance, site, alarm, what, contractor, person,"
                " at_ms) VALUES (?,?,?,?,?,?,?,?,?)",
                (key, serial, appliance, site, alarm, words, contractor, person, self._wall_ms()),
            )
        return int(done.lastrowid or 0)

    def step(
        self, key: str, number: int, state: str, *, person: str, body: Mapping[str, str] | None = None
    ) -> bool:
        """Bring an order on; False when that key did so before. BadData when it may not come there, TooOften
        when its contractor has heard enough of it.
        """
        told = {name: " ".join(text.split()) for name, text in (body or {}).items() if text.strip()}
        if any(len(text) > WORD_MAX for text in told.values()):
            raise BadData(f"at most {WORD_MAX} letters in each field")
        with transaction(self._db) as db:
            sent = db.execute("SELECT number, state FROM work_step WHERE key = ?", (key,)).fetchone()
            if sent is not None and tuple(sent) != (number, state):
                raise BadData("something else was asked under that id: load the page again")
            if sent is not None:
                return False
            if db.execute("SELECT 1 FROM work_order WHERE number = ?", (number,)).fetchone() is None:
                raise BadData(f"there is no work order {number}")
            row = db.execute(
                "SELECT state FROM work_step WHERE number = ? AND state <> 'noted' ORDER BY id DESC LIMIT 1",
                (number,),
            ).fetchone()
            now = row[0] if row else OPEN
            if state != NOTED and state not in NEXT[now]:
                raise BadData(f"work order {number} is {now}: it cannot become {state}")
            if state == SENT:
                _not_too_often(db, number, person, told.get("contractor", ""), self._wall_ms())
            db.execute(
                "INSERT INTO work_step (key, number, state, body, person, at_ms) VALUES (?,?,?,?,?,?)",
                (key, number, state, json.dumps(told, ensure_ascii=False), person, self._wall_ms()),
            )
        return True

    def close(self) -> None:
        self._db.close()


def _not_too_often(db: sqlite3.Connection, number: int, person: str, contractor: str, now_ms: int) -> None:
    """TooOften when that order, that person or that contractor has had enough messages of late."""
    limits = (
        ("number = ?1", number, 1, SEND_GAP_MS, f"work order {number} was sent just now"),
        ("number = ?1", number, SENDS_MAX, DAY_MS, f"work order {number} was sent {SENDS_MAX} times today"),
        ("person = ?1", person, SENDS_BY_ONE, DAY_MS, f"{person} sent {SENDS_BY_ONE} orders today"),
        ("json_extract(body, '$.contractor') = ?1", contractor, SENDS_TO_ONE, DAY_MS,
         f"{contractor} was sent {SENDS_TO_ONE} orders today"),
    )  # fmt: skip
    for where, value, most, within_ms, why in limits:
        rows = db.execute(
            f"SELECT at_ms FROM work_step WHERE state = 'sent' AND at_ms > ?2 AND at_ms <= ?3 AND {where}"  # noqa: S608
            " ORDER BY at_ms DESC LIMIT ?4",
            (value, now_ms - within_ms, now_ms, most),
        ).fetchall()
        if len(rows) >= most:
            raise TooOften(why, rows[-1][0] + within_ms)
