# SPDX-License-Identifier: Apache-2.0
"""Where an account is signed in, and by which browsers it is known."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass

from coldchain.records.sql import transaction

IDLE_MS, WHOLE_MS = 12 * 3_600_000, 30 * 24 * 3_600_000
"""A session ends so long after its last use, and so long after it began at the latest: ours."""
KNOWN_MS = 400 * 24 * 3_600_000
"""So long browsers keep a cookie at most; one that is used is known for as long again."""
BROWSERS_MAX = 20
"""Of one account; the one that was not used for longest is known no more."""


@dataclass(frozen=True, slots=True)
class Held:
    """A session. id: eight letters that name it, of no other use; agent: what the browser says it is."""

    id: str
    made_ms: int
    seen_ms: int
    address: str
    agent: str
    this: bool = False

    @property
    def until_ms(self) -> int:
        """When it ends, if it is used no more."""
        return min(self.made_ms + WHOLE_MS, self.seen_ms + IDLE_MS)


class Browsers:
    """Beside `Accounts`, with its connection and its lock."""

    def __init__(
        self,
        db: sqlite3.Connection,
        lock: threading.Lock,
        wall_ms: Callable[[], int],
        draw: Callable[[int], str],
    ) -> None:
        self._db, self._lock, self._wall_ms, self._draw = db, lock, wall_ms, draw

    def known(self, word: str, account: str) -> str:
        """Under which name its tries are counted, where that account has signed in with it; else empty."""
        if not word:
            return ""
        with self._lock:
            row = self._db.execute(
                "SELECT 1 FROM known_browser WHERE hash = ? AND account = ? AND seen_ms > ?",
                (_hash(word), account, self._wall_ms() - KNOWN_MS),
            ).fetchone()
        return _hash(word).hex()[:16] if row else ""

    def remember(self, word: str, account: str) -> str:
        """What the browser shall hold from now on: the same, where it is known already, if for others."""
        now_ms = self._wall_ms()
        with self._lock:
            row = self._db.execute("SELECT 1 FROM known_browser WHERE hash = ?", (_hash(word),)).fetchone()
        held = word if word and row else self._draw(32)
        with self._lock, transaction(self._db) as db:
            db.execute(
                "INSERT INTO known_browser VALUES (?1, ?2, ?3, ?3)"
                " ON CONFLICT (hash, account) DO UPDATE SET seen_ms = ?3",
                (_hash(held), account, now_ms),
            )
            db.execute(
                "DELETE FROM known_browser WHERE account = ?1 AND hash NOT IN (SELECT hash FROM known_browser"
                " WHERE account = ?1 ORDER BY seen_ms DESC LIMIT ?2)",
                (account, BROWSERS_MAX),
            )
        return held

    def sessions(self, account: str, word: str = "") -> list[Held]:
        """Where it is signed in, the last used first. word: what this browser holds."""
        now_ms, mine = self._wall_ms(), _hash(word)
        with self._lock:
            rows = self._db.execute(
                "SELECT hash, made_ms, seen_ms, address, agent FROM session WHERE account = ?"
                " AND made_ms >= ? AND seen_ms >= ? ORDER BY seen_ms DESC, made_ms DESC",
                (account, now_ms - WHOLE_MS, now_ms - IDLE_MS),
            ).fetchall()
        return [
            Held(_name(one), made, seen, address, agent, this=bytes(one) == mine)
            for one, made, seen, address, agent in rows
        ]

    def end(self, account: str, id_: str = "") -> int:
        """End that session of the account, or all of them; how many ended."""
        with self._lock, transaction(self._db) as db:
            rows = db.execute("SELECT hash FROM session WHERE account = ?", (account,)).fetchall()
            gone = [one for (one,) in rows if id_ in ("", _name(one))]
            for one in gone:
                db.execute("DELETE FROM session WHERE hash = ?", (one,))
            if not id_:  # somebody else may hold what these held
                db.execute("DELETE FROM known_browser WHERE account = ?", (account,))
        return len(gone)


def _hash(word: str) -> bytes:
    return hashlib.sha256(word.encode()).digest()


def _name(hashed: bytes) -> str:
    """Of a session, for its owner's list."""
    return _hash(bytes(hashed).hex()).hex()[:8]
