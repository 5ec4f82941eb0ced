# SPDX-License-Identifier: Apache-2.0
"""Accounts of people who use the console: names, roles, passwords, sessions, tokens for programs.

They live in `desk.db`, so they work without any network. Passwords are kept as Argon2id hashes; what a
browser or a program holds is random and kept as its SHA-256: who reads the file can sign in as nobody.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from coldchain.kernel.errors import BadData
from coldchain.records.browsers import IDLE_MS, WHOLE_MS, Browsers
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.sql import open_writer, transaction
from coldchain.records.trust import Given, all_given

ROLES = ("technician", "on-call", "contractor", "supervisor", "manager", "admin", "auditor")
SEEN_EVERY_MS = 60_000
"""A session's use is written this often: an open page is not a write a second."""
NOTE_WAIT_MS = 50
"""And it waits so long for a desk that is held: the page does not hang on it."""
FREE_TRIES, FIRST_WAIT_MS, LONGEST_WAIT_MS = 5, 30_000, 900_000
"""After so many wrong passwords in a row, each more costs twice the wait of the last."""
KNOWN_WAIT_MS = 60_000
"""In a browser in which that account has signed in before, the longest wait: one's own mistakes at night."""
LOOK_BACK_MS = 3_600_000
LEAST_LETTERS = 10
"""Length is what counts: NIST SP 800-63B asks for 8 and for no mixture of kinds; two more are ours."""
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
"""Of passwords that we make: none is taken for another on paper."""

DUMMY = "$argon2id$v=19$m=65536,t=3,p=4$Y29sZGNoYWluLWR1bW15$eFHdrf3TW0xNHEe7bFpBuONTuWVDHp2YMkHXUoB4Xww"
"""Checked when there is no such account: a wrong name takes as long as a wrong password."""


@dataclass(frozen=True, slots=True)
class Account:
    """person: how the record names them; sites: ids or `province:NAME`, none: the nation."""

    name: str
    person: str
    role: str
    sites: tuple[str, ...]
    language: str
    fresh: bool
    closed: bool


@dataclass(frozen=True, slots=True)
class Session:
    """form: what every form of this session must carry beside the cookie."""

    account: Account
    form: str


class Refused(BadData):
    """Not signed in; wait_ms until another try is worth it, 0: at once."""

    def __init__(self, why: str, wait_ms: int = 0) -> None:
        super().__init__(why)
        self.wait_ms = wait_ms


class Accounts:
    """From any thread; each call is one short transaction."""

    def __init__(
        self,
        path: Path,
        wall_ms: Callable[[], int],
        *,
        draw: Callable[[int], str] = secrets.token_urlsafe,
        hasher: PasswordHasher | None = None,
    ) -> None:
        self._db = open_writer(path, DESK_MIGRATIONS)
        self._wall_ms, self._draw = wall_ms, draw
        self._hasher = hasher or PasswordHasher()
        self._lock = threading.Lock()
        self.browsers = Browsers(self._db, self._lock, wall_ms, draw)

    def close(self) -> None:
        self._db.close()

    # --- accounts

    def all(self) -> list[Account]:
        """By name, closed ones too."""
        with self._lock:
            return [_account(row) for row in self._db.execute(f"{_SELECT} ORDER BY name").fetchall()]

    def find(self, name: str) -> Account | None:
        with self._lock:
            row = self._db.execute(f"{_SELECT} WHERE name = ?", (name,)).fetchone()
        return _account(row) if row else None

    def first(self) -> str | None:
        """The password of `admin`, made now if there is no account at all; else None. It is shown once."""
        if self.all():
            return None
        word = password_of_ours()
        self.add("admin", word, role="admin", person="Administrator", by="first start", fresh=True)
        return word

    def add(
        self,
        name: str,
        password: str,
        *,
        role: str,
        person: str = "",
        sites: tuple[str, ...] = (),
        language: str = "en",
        by: str,
        fresh: bool = True,
    ) -> None:
        """BadData when the name is taken or something is not sound."""
        _sound(name, password, role, language)
        hashed = self._hasher.hash(password)
        values = (name, person or name, role, json.dumps(sites), language, hashed, fresh, self._wall_ms(), by)
        with self._lock, transaction(self._db) as db:
            done = db.execute("INSERT OR IGNORE INTO account VALUES (?,?,?,?,?,?,?,?,?,NULL)", values)
            if done.rowcount:
                _gave(db, name, self._wall_ms(), by, "made")
        if not done.rowcount:
            raise BadData(f"there is an account {name!r} already")

    def set_password(self, name: str, password: str, *, fresh: bool, by: str = "command line") -> None:
        """Every session of the account ends. fresh: somebody else chose it (`by`, the name of an account);
        then its tokens end, too, and what its browsers were known by.
        """
        _sound(name, password, "admin", "en")
        hashed = self._hasher.hash(password)
        with self._lock, transaction(self._db) as db:
            done = db.execute(
                "UPDATE account SET password = ?, fresh = ? WHERE name = ?", (hashed, fresh, name)
            )
            db.execute("DELETE FROM session WHERE account = ?", (name,))
            if fresh and done.rowcount:
                _gave(db, name, self._wall_ms(), by, "reset")
                db.execute("DELETE FROM known_browser WHERE account = ?", (name,))
                db.execute(
                    "UPDATE api_token SET revoked_ms = ? WHERE account = ? AND revoked_ms IS NULL",
                    (self._wall_ms(), name),
                )
        if not done.rowcount:
            raise BadData(f"there is no account {name!r}")

    def given(self) -> dict[str, Given]:
        """Account -> the newest password that somebody else chose for it."""
        with self._lock:
            return {one.account: one for one in reversed(all_given(self._db))}

    def set_language(self, name: str, language: str) -> None:
        with self._lock, transaction(self._db) as db:
            db.execute("UPDATE account SET language = ? WHERE name = ?", (language, name))

    def close_account(self, name: str) -> None:
        """Nobody signs in with it any more; what it did keeps its name. The last admin stays."""
        admins = [a.name for a in self.all() if a.role == "admin" and not a.closed]
        if admins == [name]:
            raise BadData(f"{name} is the last admin: make another one first")
        with self._lock, transaction(self._db) as db:
            done = db.execute(
                "UPDATE account SET closed_ms = ? WHERE name = ? AND closed_ms IS NULL",
                (self._wall_ms(), name),
            )
            db.execute("DELETE FROM session WHERE account = ?", (name,))
            db.execute(
                "UPDATE api_token SET revoked_ms = ? WHERE account = ? AND revoked_ms IS NULL",
                (self._wall_ms(), name),
            )
        if not done.rowcount:
            raise BadData(f"there is no open account {name!r}")

    # --- signing in

    def check(self, name: str, password: str, address: str, browser: str = "") -> Account:
        """The account, if the password is right. Refused, also while too many were wrong.

        browser: what a browser holds in which somebody signed in before; of that account, only its own wrong
        passwords count, and it waits a minute at most: nobody elsewhere keeps the on-call out.
        """
        known_as = self.browsers.known(browser, name)
        if (wait_ms := self._wait_ms(name, address, known_as)) > 0:
            raise Refused("too many wrong passwords", wait_ms)
        with self._lock:
            row = self._db.execute(f"{_SELECT} WHERE name = ? AND closed_ms IS NULL", (name,)).fetchone()
            known = self._db.execute("SELECT password FROM account WHERE name = ?", (name,)).fetchone()
        hashed = str(known[0]) if row and known else DUMMY
        right = _matches(self._hasher, hashed, password) and row is not None
        with self._lock, transaction(self._db) as db:
            db.execute(
                "INSERT INTO sign_in (at_ms, name, address, right, browser) VALUES (?,?,?,?,?)",
                (self._wall_ms(), name, address, right, known_as),
            )
        if not right:
            raise Refused("wrong name or password")
        return _account(row)

    def _wait_ms(self, name: str, address: str, browser: str) -> int:
        """How long this name or address must wait for what it did wrong lately.

        Where the name has signed in before, only tries from there count: strangers elsewhere lock nobody out.
        """
        now_ms, longest = self._wall_ms(), 0
        if browser:
            wait = self._counted_ms("browser = ?3 AND name = ?4", (browser, name), now_ms, KNOWN_WAIT_MS)
            return max(wait, 0)
        with self._lock:
            known = self._db.execute(
                "SELECT 1 FROM sign_in WHERE name = ? AND address = ? AND right = 1 LIMIT 1", (name, address)
            ).fetchone()
        mine = ("name = ?3 AND address = ?4", (name, address)) if known else ("name = ?3", (name,))
        for which, values in (mine, ("address = ?3", (address,))):
            longest = max(longest, self._counted_ms(f"browser = '' AND {which}", values, now_ms))
        return longest

    def _counted_ms(
        self, which: str, values: tuple[str, ...], now_ms: int, most_ms: int = LONGEST_WAIT_MS
    ) -> int:
        """How long those tries make wait; not above 0: no longer."""
        with self._lock:
            last, wrong = self._db.execute(
                f"SELECT coalesce(max(at_ms), 0), count(*) FROM sign_in WHERE {which} AND right = 0"  # noqa: S608
                f" AND at_ms > max(?1, (SELECT coalesce(max(at_ms), 0) FROM sign_in WHERE {which}"
                " AND right = 1 AND at_ms <= ?2)) AND at_ms <= ?2",
                (now_ms - LOOK_BACK_MS, now_ms, *values),
            ).fetchone()
        if wrong < FREE_TRIES:
            return 0
        wait = min(FIRST_WAIT_MS * 2 ** (wrong - FREE_TRIES), most_ms)
        return int(last) + int(wait) - now_ms

    def sign_in(self, name: str, password: str, address: str, *, browser: str = "", agent: str = "") -> str:
        """What the browser shall hold. Refused when the password is wrong. agent: what the browser is."""
        account = self.check(name, password, address, browser)
        word, now_ms = self._draw(32), self._wall_ms()
        with self._lock, transaction(self._db) as db:
            db.execute("DELETE FROM session WHERE made_ms < ? OR seen_ms < ?", _horizon(now_ms))
            db.execute("DELETE FROM sign_in WHERE at_ms < ?", (now_ms - 400 * 24 * 3_600_000,))
            row = (_hash(word), account.name, now_ms, now_ms, self._draw(24), address[:60], agent[:200])
            db.execute(
                "INSERT INTO session (hash, account, made_ms, seen_ms, form, address, agent)"
                " VALUES (?,?,?,?,?,?,?)",
                row,
            )
        return word

    def session(self, word: str) -> Session | None:
        """Whose browser this is; None when it is nobody's (any more)."""
        now_ms = self._wall_ms()
        with self._lock:
            row = self._db.execute(
                "SELECT a.*, s.form, s.seen_ms FROM session s JOIN account a ON a.name = s.account"
                " WHERE s.hash = ? AND s.made_ms >= ? AND s.seen_ms >= ? AND a.closed_ms IS NULL",
                (_hash(word), *_horizon(now_ms)),
            ).fetchone()
            if row is None:
                return None
            if now_ms - row[11] >= SEEN_EVERY_MS:
                self._note("UPDATE session SET seen_ms = ? WHERE hash = ?", (now_ms, _hash(word)))
        return Session(_account(row[:10]), str(row[10]))

    def sign_out(self, word: str) -> None:
        with self._lock, transaction(self._db) as db:
            db.execute("DELETE FROM session WHERE hash = ?", (_hash(word),))

    # --- programs

    def add_token(self, account: str, label: str, until_ms: int | None) -> str:
        """A token for a program that acts as that account. It is shown once."""
        word = f"cc_{self._draw(32)}"
        with self._lock, transaction(self._db) as db:
            db.execute(
                "INSERT INTO api_token (hash, account, label, made_ms, until_ms) VALUES (?,?,?,?,?)",
                (_hash(word), account, label, self._wall_ms(), until_ms),
            )
        return word

    def tokens(self) -> list[tuple[int, str, str, int, int | None, int | None, int | None]]:
        """(id, account, label, made, until, revoked, last used), newest first."""
        with self._lock:
            return self._db.execute(
                "SELECT id, account, label, made_ms, until_ms, revoked_ms, used_ms FROM api_token"
                " ORDER BY id DESC"
            ).fetchall()

    def revoke_token(self, number: int, account: str = "") -> None:
        """account: only one of that account's."""
        with self._lock, transaction(self._db) as db:
            db.execute(
                "UPDATE api_token SET revoked_ms = ?1 WHERE id = ?2 AND revoked_ms IS NULL"
                " AND (?3 = '' OR account = ?3)",
                (self._wall_ms(), number, account),
            )

    def bearer(self, word: str) -> Account | None:
        """Whose token this is."""
        now_ms = self._wall_ms()
        with self._lock:
            row = self._db.execute(
                "SELECT a.*, t.id, coalesce(t.used_ms, 0) FROM api_token t"
                " JOIN account a ON a.name = t.account WHERE t.hash = ?"
                " AND t.revoked_ms IS NULL AND coalesce(t.until_ms, ?2) >= ?2 AND a.closed_ms IS NULL",
                (_hash(word), now_ms),
            ).fetchone()
            if row is None:
                return None
            if not 0 <= now_ms - row[11] < SEEN_EVERY_MS:
                self._note("UPDATE api_token SET used_ms = ? WHERE id = ?", (now_ms, row[10]))
        return _account(row[:10])

    def _note(self, sql: str, values: tuple[object, ...]) -> None:
        """In passing: a full disk must not keep people from the page that says so, and nobody waits for a
        desk that somebody else holds.
        """
        (usual_ms,) = self._db.execute("PRAGMA busy_timeout").fetchone()
        self._db.execute(f"PRAGMA busy_timeout = {NOTE_WAIT_MS}")
        try:
            with contextlib.suppress(sqlite3.OperationalError), transaction(self._db) as db:
                db.execute(sql, values)
        finally:
            self._db.execute(f"PRAGMA busy_timeout = {int(usual_ms)}")


def _gave(db: sqlite3.Connection, account: str, at_ms: int, by: str, how: str) -> None:
    """Written down: that password somebody else knows."""
    row = (account, at_ms, by, how)
    db.execute("INSERT INTO password_given (account, at_ms, given_by, how) VALUES (?,?,?,?)", row)


_SELECT = "SELECT * FROM account"


def _account(row: tuple) -> Account:  # type: ignore[type-arg]
    name, person, role, sites, language, _, fresh, _, _, closed = row
    return Account(name, person, role, tuple(json.loads(sites)), language, bool(fresh), closed is not None)


def _hash(word: str) -> bytes:
    return hashlib.sha256(word.encode()).digest()


def _horizon(now_ms: int) -> tuple[int, int]:
    return now_ms - WHOLE_MS, now_ms - IDLE_MS


def _matches(hasher: PasswordHasher, hashed: str, password: str) -> bool:
    try:
        return hasher.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def password_of_ours() -> str:
    """Four groups of four: 80 bits, readable aloud."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(4))


def _sound(name: str, password: str, role: str, language: str) -> None:
    if not (1 <= len(name) <= 48 and name.isprintable() and not any(c.isspace() for c in name)):
        raise BadData("an account's name has 1 to 48 letters and no spaces")
    if len(password) < LEAST_LETTERS:
        raise BadData(f"a password has at least {LEAST_LETTERS} letters; a sentence is a good one")
    if len(password) > 1000:
        raise BadData("a password has at most 1000 letters")
    if role not in ROLES:
        raise BadData(f"there is no role {role!r}; there are {', '.join(ROLES)}")
    if language not in ("lo", "en", "fr", "vi"):
        raise BadData(f"there is no language {language!r}; there are lo, en, fr, vi")
