# SPDX-License-Identifier: Apache-2.0
"""APSW dressed as the part of `sqlite3` that our one SQL module uses, on the simulated disk.

`mounted(disk)` puts it in the place of `sqlite3` in `coldchain.records.sql`: there all our files are opened.
Errors are those of `sqlite3`, with their codes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import apsw

from coldchain.records import sql
from sim.disk import VFS, Died, Disk, SimulatedVfs

_KINDS: dict[int, type[sqlite3.Error]] = {
    apsw.SQLITE_CORRUPT: sqlite3.DatabaseError,
    apsw.SQLITE_NOTADB: sqlite3.DatabaseError,
    apsw.SQLITE_CONSTRAINT: sqlite3.IntegrityError,
}
_vfs = SimulatedVfs()


def as_sqlite3(bad: apsw.Error) -> sqlite3.Error:
    """The same error as the standard library raises it."""
    code = getattr(bad, "extendedresult", 0) or 0
    told = _KINDS.get(code & 0xFF, sqlite3.OperationalError)(str(bad) or type(bad).__name__)
    told.sqlite_errorcode, told.sqlite_errorname = code, type(bad).__name__
    return told


class _Cursor(apsw.Cursor):
    """With the names of `sqlite3`."""

    @property
    def rowcount(self) -> int:
        return self.connection.changes()

    @property
    def lastrowid(self) -> int:
        return self.connection.last_insert_rowid()

    @property
    def description(self) -> Any:  # type: ignore[override]
        """Nothing, once there are no rows (any more)."""
        try:
            return super().description
        except apsw.ExecutionCompleteError:
            return ()

    def fetchone(self) -> Any:
        try:
            return super().fetchone()
        except apsw.Error as bad:
            raise as_sqlite3(bad) from bad

    def fetchall(self) -> Any:
        try:
            return super().fetchall()
        except apsw.Error as bad:
            raise as_sqlite3(bad) from bad


class Connection(apsw.Connection):
    """One connection of the process that is running."""

    chained = False

    def __init__(self, path: str, disk: Disk, flags: int) -> None:
        super().__init__(path, flags=flags, vfs=VFS)
        self.cursor_factory = _Cursor
        self._disk, self._owner = disk, disk.running
        self._name = "" if flags & apsw.SQLITE_OPEN_READONLY else Path(path).name
        if self._owner is not None:
            self._owner.connections.append(self)

    def execute(self, statements: str, bindings: Any = None, **words: Any) -> Any:
        if self._owner is not None and not self._owner.alive:
            raise Died
        if statements == "COMMIT" and self._name:
            return self._commit()
        try:
            return super().execute(statements, bindings, **words)
        except apsw.Error as bad:
            raise as_sqlite3(bad) from bad

    def _commit(self) -> Any:
        """Effects are where a process may die."""
        self._disk.effect(f"before commit {self._name}")
        try:
            done = super().execute("COMMIT")
        except apsw.Error as bad:
            raise as_sqlite3(bad) from bad
        self._disk.effect(f"after commit {self._name}")
        return done

    def executemany(self, statements: str, sequenceofbindings: Iterable[Any], **words: Any) -> Any:
        if self._owner is not None and not self._owner.alive:
            raise Died
        try:
            return super().executemany(statements, sequenceofbindings, **words)
        except apsw.Error as bad:
            raise as_sqlite3(bad) from bad

    def close(self, force: bool = False) -> None:
        if self._owner is not None and self in self._owner.connections and not force:
            self._owner.connections.remove(self)
        # A last one's checkpoint that may not write, or finds no room: sqlite3 is silent, too.
        with suppress(apsw.IOError, apsw.FullError):
            super().close(force)


def _connect(path: str | Path, *, uri: bool = False, **_: Any) -> Connection:
    """As `sqlite3.connect`. Nobody waits for a lock: in one thread nobody would let go of it meanwhile."""
    disk = _vfs.disk
    assert disk is not None, "no disk is mounted"
    name, flags = str(path), apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    if uri:
        assert name.startswith("file:"), name
        assert name.endswith("?mode=ro"), name
        name, flags = name[len("file:") : -len("?mode=ro")], apsw.SQLITE_OPEN_READONLY
    try:
        return Connection(name, disk, flags)
    except apsw.Error as bad:
        raise as_sqlite3(bad) from bad


@contextmanager
def mounted(disk: Disk) -> Iterator[Disk]:
    """Meanwhile all files of ours are on that disk."""
    before, _vfs.disk = _vfs.disk, disk
    stand_in = SimpleNamespace(
        connect=_connect,
        Connection=sqlite3.Connection,
        Error=sqlite3.Error,
        OperationalError=sqlite3.OperationalError,
        complete_statement=sqlite3.complete_statement,
    )
    try:
        with patch.object(sql, "sqlite3", stand_in), patch.object(sql, "Writer", Connection):
            yield disk
    finally:
        _vfs.disk = before
