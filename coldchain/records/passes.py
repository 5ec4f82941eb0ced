# SPDX-License-Identifier: Apache-2.0
"""Links for contractors: a secret that lets somebody without an account read about one device for days.

With a work order it also lets them start and finish that one. Kept is its SHA-256; each use is noted.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from coldchain.kernel.errors import BadData, StoreUnavailable
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.sql import open_reader, open_writer, transaction

SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
DAYS_MAX = 30
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Pass:
    """number None: it only reads. person: in whose name it starts and finishes the order."""

    id: int
    serial: str
    number: int | None
    person: str
    made_by: str
    made_ms: int
    until_ms: int
    revoked_ms: int | None
    revoked_by: str

    def good(self, now_ms: int) -> bool:
        return self.revoked_ms is None and self.made_ms <= now_ms < self.until_ms


_SELECT = "SELECT id, serial, number, person, made_by, made_ms, until_ms, revoked_ms, revoked_by FROM pass"


class PassReader:
    """Reads the desk in short looks."""

    def __init__(self, desk: Path) -> None:
        self._path = desk

    def of(self, serial: str) -> list[Pass]:
        """All links ever made for that device, newest first."""
        return self._all("WHERE serial = ? ORDER BY id DESC", (serial,))

    def by_id(self, id_: int) -> Pass | None:
        found = self._all("WHERE id = ?", (id_,))
        return found[0] if found else None

    def known(self, secret: str) -> Pass | None:
        """What that secret stands for, good or not; None: nothing."""
        if not SECRET.fullmatch(secret):
            return None
        found = self._all("WHERE hash = ?", (_hash(secret),))
        return found[0] if found else None

    def uses(self, id_: int) -> list[tuple[int, str, str]]:
        """(instant, what, address), newest first."""
        try:
            with closing(open_reader(self._path, len(DESK_MIGRATIONS))) as db:
                sql = "SELECT at_ms, what, address FROM pass_use WHERE pass = ? ORDER BY id DESC LIMIT 100"
                return db.execute(sql, (id_,)).fetchall()
        except StoreUnavailable:
            return []

    def _all(self, where: str, values: tuple[object, ...]) -> list[Pass]:
        try:
            with closing(open_reader(self._path, len(DESK_MIGRATIONS))) as db:
                return [Pass(*row) for row in db.execute(f"{_SELECT} {where}", values).fetchall()]
        except StoreUnavailable:
            return []


class Passes:
    """`desk.db` for those who make, use and revoke links, in short transactions."""

    def __init__(
        self,
        desk: Path,
        wall_ms: Callable[[], int],
        draw: Callable[[int], str] = secrets.token_urlsafe,
    ) -> None:
        self._db = open_writer(desk, DESK_MIGRATIONS)
        self._wall_ms, self._draw = wall_ms, draw

    def make(self, serial: str, *, number: int | None, person: str, days: int, by: str) -> tuple[int, str]:
        """(its id, the secret: told once). BadData for more than DAYS_MAX days."""
        if not 1 <= days <= DAYS_MAX:
            raise BadData(f"a link lasts from 1 to {DAYS_MAX} days")
        secret, now = self._draw(32), self._wall_ms()
        with transaction(self._db) as db:
            done = db.execute(
                "INSERT INTO pass (hash, serial, number, person, made_by, made_ms, until_ms)"
                " VALUES (?,?,?,?,?,?,?)",
                (_hash(secret), serial, number, person, by, now, now + days * DAY_MS),
            )
        return int(done.lastrowid or 0), secret

    def revoke(self, id_: int, by: str) -> bool:
        """From now on it is nothing; False: it was so before."""
        with transaction(self._db) as db:
            done = db.execute(
                "UPDATE pass SET revoked_ms = ?, revoked_by = ? WHERE id = ? AND revoked_ms IS NULL",
                (self._wall_ms(), by, id_),
            )
        return done.rowcount == 1

    def used(self, id_: int, what: str, address: str) -> None:
        """Write down that it was used."""
        with transaction(self._db) as db:
            db.execute(
                "INSERT INTO pass_use (pass, at_ms, what, address) VALUES (?,?,?,?)",
                (id_, self._wall_ms(), what, address[:64]),
            )

    def close(self) -> None:
        self._db.close()


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
