# SPDX-License-Identifier: Apache-2.0
"""Reports that are mailed on a schedule, and what was made, filed and sent: rows of `desk.db`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection

from coldchain.kernel.errors import BadData, StoreUnavailable
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.sql import open_reader, open_writer, transaction

CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
ADDRESS = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+")
EVERY = ("day", "month")
SENT = "sent"
WHO_MAX = 20


_COLUMNS = "at_ms, sha256, kind, subject, language, as_of_ms, record, schedule, due, sent_to, outcome"
_FILED = f"SELECT {_COLUMNS} FROM filed"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Schedule:
    """A report of the day or month before, mailed at at_clock (HH:MM) to `who` (mail addresses)."""

    id: int
    kind: str
    subject: str
    language: str
    every: str
    at_clock: str
    who: tuple[str, ...]
    made_ms: int
    made_by: str
    ended_ms: int | None = None
    ended_by: str | None = None


@dataclass(frozen=True, slots=True)
class Filed:
    """A report that was made. outcome: nothing, `sent`, or why it was not sent."""

    at_ms: int
    sha256: str
    kind: str
    subject: str
    language: str
    as_of_ms: int
    record: str
    schedule: int | None = None
    due: str = ""
    sent_to: tuple[str, ...] = ()
    outcome: str = ""


class FiledDesk:
    """`desk.db` for those who file, in short transactions."""

    def __init__(self, path: Path, wall_ms: Callable[[], int]) -> None:
        self._db = open_writer(path, DESK_MIGRATIONS)
        self._wall_ms = wall_ms

    def close(self) -> None:
        self._db.close()

    def add(self, one: Schedule) -> int:
        """Its number; BadData when it is not sound."""
        sound(one)
        row = (one.kind, one.subject, one.language, one.every, one.at_clock, json.dumps(one.who))
        with transaction(self._db) as db:
            made = db.execute(
                "INSERT INTO schedule (kind, subject, language, every, at_clock, who, made_ms, made_by)"
                " VALUES (?,?,?,?,?,?,?,?)",
                (*row, self._wall_ms(), one.made_by),
            )
        return int(made.lastrowid or 0)

    def end(self, number: int, by: str) -> bool:
        """False when it is not there, or has ended."""
        with transaction(self._db) as db:
            done = db.execute(
                "UPDATE schedule SET ended_ms = ?, ended_by = ? WHERE id = ? AND ended_ms IS NULL",
                (self._wall_ms(), by, number),
            )
        return done.rowcount == 1

    def file(self, one: Filed) -> None:
        row = (one.at_ms, one.sha256, one.kind, one.subject, one.language, one.as_of_ms, one.record)
        rest = (one.schedule, one.due, json.dumps(one.sent_to), one.outcome)
        with transaction(self._db) as db:
            db.execute(
                "INSERT INTO filed (at_ms, sha256, kind, subject, language, as_of_ms, record, schedule, due,"
                " sent_to, outcome) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                (*row, *rest),
            )


def sound(one: Schedule) -> None:
    """BadData says what is not."""
    if one.every not in EVERY:
        raise BadData(f"{one.every!r} is neither day nor month")
    if not CLOCK.fullmatch(one.at_clock):
        raise BadData(f"{one.at_clock!r} is no time of day: write it as 07:30")
    if not one.who or len(one.who) > WHO_MAX or not all(ADDRESS.fullmatch(who) for who in one.who):
        raise BadData(f"name 1 to {WHO_MAX} mail addresses, with commas between them")


class FiledReader:
    """Opens the desk for each question; empty answers while there is none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def schedules(self, *, ended: bool = False) -> list[Schedule]:
        sql = (
            "SELECT id, kind, subject, language, every, at_clock, who, made_ms, made_by, ended_ms, ended_by"
            " FROM schedule WHERE ?1 OR ended_ms IS NULL ORDER BY id"
        )
        with self._open() as db:
            rows = db.execute(sql, (ended,)).fetchall() if db else []
        return [Schedule(*(*row[:6], tuple(json.loads(row[6])), *row[7:])) for row in rows]

    def filed(self, limit: int = 50) -> list[Filed]:
        """The newest, newest first."""
        return self._filed("1 ORDER BY id DESC LIMIT ?", (limit,))

    def of_sha(self, sha256: str) -> list[Filed]:
        return self._filed("sha256 = ? ORDER BY id", (sha256,))

    def of_schedule(self, schedule: int, due: str) -> list[Filed]:
        """What became of it for that day or month, newest first."""
        return self._filed("schedule = ? AND due = ? ORDER BY id DESC", (schedule, due))

    def _filed(self, where: str, values: tuple[object, ...]) -> list[Filed]:
        sql = f"{_FILED} WHERE {where}"
        with self._open() as db:
            rows = db.execute(sql, values).fetchall() if db else []
        return [Filed(*(*row[:9], tuple(json.loads(row[9])), row[10])) for row in rows]

    @contextmanager
    def _open(self) -> Iterator[Connection | None]:
        try:
            db = open_reader(self._path, len(DESK_MIGRATIONS))
        except StoreUnavailable:
            yield None
            return
        with closing(db):
            yield db
