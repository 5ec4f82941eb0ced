# SPDX-License-Identifier: Apache-2.0
"""The one door to SQLite: how our files are opened, versioned and written.

Writers: WAL, synchronous=FULL (an acknowledged commit survives power loss), BEGIN IMMEDIATE, one process
a file. Readers: read-only, short transactions (an idle reader makes a WAL grow without bound).
The file's format is `PRAGMA user_version`; migrations are numbered, each in one transaction, forward only.
After a failed commit the handle is never reused: the process ends and opens the file again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from coldchain.kernel.errors import SchemaTooNew, StoreUnavailable
from coldchain.records import audit_seal

Migrations = Sequence[str]
"""SQL scripts; script i brings a file from format i to i + 1."""


class Writer(sqlite3.Connection):
    """A writer's handle. chained: its file has an audit chain, which each transaction seals."""

    chained = False


BUSY_TIMEOUT_MS = 5_000
SQLITE_IOERR = 10
"""The primary result code under all of its I/O errors."""
WAL_CHECKPOINT_PAGES = 1_000


def open_writer(path: Path, migrations: Migrations, *, page_bytes: int = 4096) -> sqlite3.Connection:
    """Open for writing, creating and migrating as needed. Autocommit mode: use `transaction`.

    page_bytes  page size of a file that is created now; smaller pages write less for each small commit
    Raises SchemaTooNew for a file of a newer version, StoreUnavailable when it cannot be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        db = sqlite3.connect(
            path,
            isolation_level=None,
            check_same_thread=False,
            timeout=BUSY_TIMEOUT_MS / 1000,
            factory=Writer,
        )
        db.execute(f"PRAGMA page_size={page_bytes}")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA foreign_keys=ON")
        db.execute(f"PRAGMA wal_autocheckpoint={WAL_CHECKPOINT_PAGES * 4096 // page_bytes}")
        db.execute("PRAGMA journal_size_limit=16777216")
    except sqlite3.Error as bad:
        raise StoreUnavailable(
            f"{path}: {bad}; check that the disk is mounted, writable and not full"
        ) from bad
    try:
        _secure(db, path)
        _migrate(db, path, migrations)
        db.chained = audit_seal.has_chain(db)
    except BaseException:
        db.close()  # a forgotten handle would hold the WAL of a file that may be renamed next
        raise
    return db


def _secure(db: sqlite3.Connection, path: Path) -> None:
    """Bring what an earlier process left in the WAL into the file, synced.

    Its last sync may have failed, and what we see may be in the machine's memory alone: nobody is to be told
    that it is recorded. So StoreUnavailable when the disk fails here, too: SQLite syncs the WAL before it
    copies anything, and with that sync failed all of this is in doubt. A full disk (SQLITE_FULL) is met after
    that sync, and changes nothing; with readers inside (SQLITE_BUSY), the rest follows in time.
    """
    try:
        db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    except sqlite3.OperationalError as bad:
        if bad.sqlite_errorcode & 0xFF == SQLITE_IOERR:
            raise StoreUnavailable(
                f"{path}: what it holds could not be made safe on the disk ({bad}); it is tried again at the"
                " next start: look at the disk, its cable and the system's log"
            ) from bad


def _migrate(db: sqlite3.Connection, path: Path, migrations: Migrations) -> None:
    found: int = db.execute("PRAGMA user_version").fetchone()[0]
    if found > len(migrations):
        raise SchemaTooNew(path=str(path), found=found, supported=len(migrations))
    for number in range(found, len(migrations)):
        with transaction(db):
            # Another process may have migrated while we waited for the lock.
            if db.execute("PRAGMA user_version").fetchone()[0] != number:
                continue
            for statement in statements(migrations[number]):
                db.execute(statement)
            if audit_seal.has_chain(db):
                audit_seal.seal(db)
            db.execute(f"PRAGMA user_version={number + 1}")


def statements(script: str) -> Iterator[str]:
    """The script's statements one by one (executescript would commit our transaction)."""
    pending = ""
    for line in script.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip():
        yield pending


def open_reader(path: Path, supported: int) -> sqlite3.Connection:
    """Open read-only. StoreUnavailable when it is not there yet, SchemaTooNew when it is from the future."""
    if not path.exists():
        raise StoreUnavailable(f"{path} is not there yet; is the process that writes it running?")
    try:
        db = sqlite3.connect(
            f"file:{path}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=BUSY_TIMEOUT_MS / 1000,
        )
        found: int = db.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as bad:
        raise StoreUnavailable(f"{path}: {bad}") from bad
    if found > supported:
        db.close()
        raise SchemaTooNew(path=str(path), found=found, supported=supported)
    if found < supported:
        db.close()
        raise StoreUnavailable(
            f"{path} has not been brought to format {supported} yet; start its writer once"
        )
    return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """BEGIN IMMEDIATE ... COMMIT, or ROLLBACK and the exception. Seals the audit chain, if there is one."""
    db.execute("BEGIN IMMEDIATE")
    chained = isinstance(db, Writer) and db.chained
    try:
        if chained:
            audit_seal.note_foreign(db)
        yield db
        if chained:
            audit_seal.seal(db)
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
