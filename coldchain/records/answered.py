# SPDX-License-Identifier: Apache-2.0
"""Answers to changes that programs asked for, by the key that they sent with them. In `desk.db`.

The same question under the same key is answered from here, also after a restart and by another process; while
it is being done it is done once. An answer may hold a secret that nothing else keeps (a link, a password), so
it is sealed with what only the asker has: who reads the file learns neither what was asked nor what was told.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import threading
import zlib
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from coldchain.kernel.clocks import WallClock
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.sql import open_writer, transaction

AGE_MS = 7 * 86_400_000
"""A key is known so long: a program that was cut off for days may still ask again."""
KEPT = 2_000
"""Keys of one account; the oldest go first."""
BYTES_KEPT = 64_000_000
"""Of all sealed answers together."""
BYTES_MAX = 4_000_000
"""Of one sealed answer. A longer one is not kept: that it was done is."""
SCRYPT = {"n": 2**14, "r": 8, "p": 1}
"""About 50 ms; for those who hold no token, whose key may be guessed: RFC 7914, section 2."""
NONCE = 12


@dataclass(frozen=True, slots=True)
class Question:
    """place: whose key at which address; mark: of what was asked; lock: opens its answer."""

    account: str
    place: bytes
    mark: bytes
    lock: bytes


def question(account: str, word: str, address: str, key: str, body: bytes) -> Question:
    """word: the token or cookie that came with it, empty without one; address: method, path and query."""
    place = hashlib.blake2b(f"{account}\0{address}\0{key}".encode(), digest_size=16).digest()
    said = place + hashlib.sha256(key.encode()).digest() + hashlib.sha256(body).digest()
    if word:
        made = hashlib.blake2b(said, key=hashlib.sha512(word.encode()).digest()).digest()
    else:
        made = hashlib.scrypt(said, salt=b"coldchain.records.answered", dklen=64, **SCRYPT)
    return Question(account, place, made[:16], made[32:])


class State(Enum):
    """What is known of a question."""

    OURS = "it is to be done now, by us"
    BUSY = "it is being done"
    OTHER = "that key came with another question"
    DONE = "it was done"


@dataclass(frozen=True, slots=True)
class Found:
    """answer: of DONE; None: it was too long to keep."""

    state: State
    answer: bytes | None = None


class Answers:
    """From any thread. What a process that died left undone is done again by who asks again."""

    def __init__(self, desk: Path, wall_ms: WallClock) -> None:
        self._db = open_writer(desk, DESK_MIGRATIONS)
        self._wall_ms, self._lock = wall_ms, threading.Lock()
        self._gone: set[bytes] = set()
        self._runners = desk.parent / "health"
        self._runner, self._place = _take_place(self._runners)

    def claim(self, asked: Question) -> Found:
        """OURS: whoever called must call `keep` or `release`."""
        with self._lock, transaction(self._db) as db:
            now = self._wall_ms()
            db.execute("DELETE FROM answered WHERE at_ms < ?", (now - AGE_MS,))
            row = db.execute(
                "SELECT mark, runner, answer FROM answered WHERE place = ?", (asked.place,)
            ).fetchone()
            if row is None:
                new = (asked.place, asked.account, asked.mark, now, self._runner)
                db.execute("INSERT INTO answered VALUES (?,?,?,?,?,0,NULL)", new)
                self._bound(asked.account)
                return Found(State.OURS)
            mark, runner, answer = row
            if mark != asked.mark:
                return Found(State.OTHER)
            if answer is not None:
                return Found(State.DONE, _opened(asked, answer) if answer else None)
            if runner and asked.place not in self._gone and self._lives(runner):
                return Found(State.BUSY)
            self._gone.discard(asked.place)
            db.execute("UPDATE answered SET runner = ? WHERE place = ?", (self._runner, asked.place))
            return Found(State.OURS)

    def keep(self, asked: Question, answer: bytes) -> None:
        """From now on that is the answer."""
        nonce = secrets.token_bytes(NONCE)
        sealed = nonce + ChaCha20Poly1305(asked.lock).encrypt(nonce, zlib.compress(answer), asked.place)
        if len(sealed) > BYTES_MAX:
            sealed = b""
        with self._lock, transaction(self._db) as db:
            db.execute(
                "UPDATE answered SET runner = '', answer = ?, bytes = ? WHERE place = ?",
                (sealed, len(sealed), asked.place),
            )

    def release(self, asked: Question, *, taken: bool) -> None:
        """No answer that counts. taken: it goes on elsewhere, and the key stays that question's; or it was
        refused, and the key is free again.
        """
        with self._lock, transaction(self._db) as db:
            if taken:
                db.execute("UPDATE answered SET runner = '' WHERE place = ?", (asked.place,))
            else:
                db.execute("DELETE FROM answered WHERE place = ?", (asked.place,))

    def let_go(self, asked: Question) -> None:
        """Its end could not be written: in this process it is under way no longer."""
        self._gone.add(asked.place)

    def close(self) -> None:
        """Nothing may be under way."""
        self._db.close()
        (self._runners / self._runner).unlink(missing_ok=True)
        os.close(self._place)

    def _bound(self, account: str) -> None:
        """Within KEPT and BYTES_KEPT; what is being done stays."""
        self._db.execute(
            "DELETE FROM answered WHERE runner = '' AND rowid IN"
            " (SELECT rowid FROM answered WHERE account = ?"
            " ORDER BY at_ms DESC, rowid DESC LIMIT -1 OFFSET ?)",
            (account, KEPT),
        )
        self._db.execute(
            "DELETE FROM answered WHERE bytes > 0 AND rowid IN (SELECT id FROM (SELECT rowid AS id,"
            " SUM(bytes) OVER (ORDER BY at_ms DESC, rowid DESC) AS so_far FROM answered) WHERE so_far > ?)",
            (BYTES_KEPT,),
        )

    def _lives(self, runner: str) -> bool:
        """Is its process still there? The kernel gives its lock back when it dies."""
        if runner == self._runner:
            return True
        try:
            place = os.open(self._runners / runner, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        else:
            (self._runners / runner).unlink(missing_ok=True)
            return False
        finally:
            os.close(place)


def _opened(asked: Question, sealed: bytes) -> bytes:
    clear = ChaCha20Poly1305(asked.lock).decrypt(sealed[:NONCE], sealed[NONCE:], asked.place)
    return zlib.decompress(clear)


def _take_place(folder: Path) -> tuple[str, int]:
    """(name, descriptor) of a file that is locked while this process lives; those of dead ones go."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("answers-*.lock"):
        with suppress(OSError), left.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()
    while True:
        name = f"answers-{secrets.token_hex(8)}.lock"
        place = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(place, fcntl.LOCK_EX)
        if os.fstat(place).st_nlink:  # nobody took it for a dead one's before it was locked
            return name, place
        os.close(place)
