# SPDX-License-Identifier: Apache-2.0
"""Reading commands of `desk.db` back: what was asked under an id, and what waits for one alarm."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from coldchain.kernel.errors import StoreUnavailable
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.sql import open_reader

SELECT = "SELECT id, at_ms, person, verb, coalesce(alarm, ''), body FROM command"


@dataclass(frozen=True, slots=True)
class Asked:
    """A command as it was written; `alarm` is an id or a number, or nothing."""

    id: str
    at_ms: int
    person: str
    verb: str
    alarm: str
    body: dict[str, str]


class AskedReader:
    """Opens the desk for each question; empty answers while there is none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, command: str) -> Asked | None:
        """The command with that id."""
        found = self._read(f"{SELECT} WHERE id = ?", (command,))
        return found[0] if found else None

    def about(self, alarm: str, number: int, appliance: str) -> list[Asked]:
        """The newest commands about an alarm, by id or number, or about its appliance, newest first."""
        sql = (
            f"{SELECT} WHERE alarm IN (?, ?) OR (alarm IS NULL AND json_extract(body, '$.appliance') = ?)"
            " ORDER BY at_ms DESC, rowid DESC LIMIT 20"
        )
        return self._read(sql, (alarm, str(number), appliance))

    def of_verb(self, verb: str, limit: int) -> list[Asked]:
        """The newest commands of a verb, newest first."""
        return self._read(f"{SELECT} WHERE verb = ? ORDER BY at_ms DESC, rowid DESC LIMIT ?", (verb, limit))

    def _read(self, sql: str, values: tuple[object, ...]) -> list[Asked]:
        try:
            db = open_reader(self._path, len(DESK_MIGRATIONS))
        except StoreUnavailable:
            return []
        try:
            return [_asked(*row) for row in db.execute(sql, values).fetchall()]
        finally:
            db.close()


def _asked(id_: str, at_ms: int, person: str, verb: str, alarm: str, body: str) -> Asked:
    said = json.loads(body)
    return Asked(id_, at_ms, person, verb, alarm, {str(key): str(value) for key, value in said.items()})
