# SPDX-License-Identifier: Apache-2.0
"""Disks of several hosts under SQLite (APSW's VFS): what was written and not synced may be lost or torn.

The files are real ones, so that several connections see one state through SQLite's own locks and its own
memory-mapped WAL index; each write remembers what it replaced until its file is synced. When a host loses its
power, each of its files keeps a prefix of its unsynced writes, with the next one torn at a sector, or any
subset of them. A file handle belongs to the process that opened it and dies with it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import apsw

SECTOR_BYTES = 512
VFS = "coldchain-simulated"


class Died(BaseException):
    """The process is gone at this point."""


class Handle:
    """What a process holds: `alive` until it is killed."""

    def __init__(self, name: str, host: str) -> None:
        self.name, self.host, self.alive = name, host, True
        self.connections: list[apsw.Connection] = []


class _Write(NamedTuple):
    """before: what stood there; size: of the file before. A truncation has no `after`."""

    offset: int
    before: bytes
    after: bytes | None
    size: int


class Disk:
    """The disks of all hosts; host H's files lie in `folder`/H.

    effect   called before and after every commit, with its name; may raise Died
    burn     called before every call, with the process that makes it; may raise Died
    fail_at  the number of the call (write, sync, truncation) that fails with an I/O error; each counts
    full     hosts whose disks take no more
    mute     hosts whose next sync fails
    spared   has this process room of its own on a full disk (the reserve for alarms)?
    """

    def __init__(self, folder: Path, dice: random.Random) -> None:
        self.folder, self._dice = folder, dice
        self.running: Handle | None = None
        self.effect: Callable[[str], None] = lambda _name: None
        self.burn: Callable[[Handle], None] = lambda _handle: None
        self.calls, self.fail_at = 0, 0
        self.full: set[str] = set()
        self.mute: set[str] = set()
        self.spared: Callable[[Handle], bool] = lambda _handle: False
        self.failed: list[str] = []
        self.lost_writes = self.torn = 0
        self._unsynced: dict[str, list[_Write]] = {}

    @contextmanager
    def process(self, handle: Handle) -> Iterator[None]:
        """What is opened meanwhile belongs to that process."""
        before, self.running = self.running, handle
        try:
            yield
        finally:
            self.running = before

    def bury(self, handle: Handle) -> None:
        """The process is gone: nothing it holds writes any more."""
        handle.alive = False
        for connection in handle.connections:
            with suppress(apsw.Error):  # the checkpoint that it tries is refused
                connection.close(True)
        handle.connections.clear()

    # --- files

    def writes_of(self, path: str) -> list[_Write]:
        return self._unsynced.setdefault(path, [])

    def touch(self, path: str, owner: Handle | None, what: str) -> None:
        """A call is made; raises what it comes to."""
        if owner is not None and not owner.alive:
            raise apsw.exception_for(apsw.SQLITE_IOERR)
        if owner is None:
            return
        self.calls += 1
        self.burn(owner)
        if self.calls == self.fail_at:
            self.failed.append(f"{what} {Path(path).name}")
            raise apsw.exception_for(apsw.SQLITE_IOERR_FSYNC if what == "sync" else apsw.SQLITE_IOERR_WRITE)
        if self.full and what == "write" and owner.host in self.full and not self.spared(owner):
            raise apsw.exception_for(apsw.SQLITE_FULL)
        if self.mute and what == "sync" and owner.host in self.mute:
            self.mute.discard(owner.host)
            raise apsw.exception_for(apsw.SQLITE_IOERR_FSYNC)

    def synced(self, path: str) -> None:
        self._unsynced.pop(path, None)

    def power_loss(self, host: str) -> None:
        """Its processes must be buried already."""
        place = f"{self.folder / host}/"
        for path in sorted(self._unsynced):
            if path.startswith(place):
                self._lose(Path(path), self._unsynced.pop(path))
        for index in (self.folder / host).glob("*-shm"):
            index.unlink()

    def _lose(self, path: Path, writes: list[_Write]) -> None:
        if not path.exists():
            return
        kept, torn = self._what_stays(writes)
        with path.open("r+b") as file:
            for write in reversed(writes):
                file.seek(write.offset)
                file.write(write.before)
                file.truncate(write.size)
            for write in kept:
                _again(file, write)
            if torn is not None:
                self.torn += 1
                _again(file, torn)
        self.lost_writes += len(writes) - len(kept)

    def _what_stays(self, writes: list[_Write]) -> tuple[list[_Write], _Write | None]:
        dice = self._dice
        if dice.random() < 0.5:  # a disk that writes in any order
            return [write for write in writes if dice.random() < 0.5], None
        n = dice.randrange(len(writes) + 1)
        if n == len(writes) or (data := writes[n].after) is None:
            return writes[:n], None
        part = data[: dice.randrange(len(data) // SECTOR_BYTES + 1) * SECTOR_BYTES]
        return writes[:n], writes[n]._replace(after=part)


def _again(file: object, write: _Write) -> None:
    if write.after is None:
        file.truncate(write.offset)  # type: ignore[attr-defined]
    else:
        file.seek(write.offset)  # type: ignore[attr-defined]
        file.write(write.after)  # type: ignore[attr-defined]


class _File(apsw.VFSFile):
    """One open file."""

    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self.path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self.disk, self.owner = disk, disk.running

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  SQLite's name
        self.disk.touch(self.path, self.owner, "write")
        size = self.xFileSize()
        before = self.xRead(min(len(data), size - offset), offset) if offset < size else b""
        super().xWrite(data, offset)
        self.disk.writes_of(self.path).append(_Write(offset, before, bytes(data), size))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self.disk.touch(self.path, self.owner, "truncate")
        size = self.xFileSize()
        if newsize < size:
            tail = self.xRead(size - newsize, newsize)
            self.disk.writes_of(self.path).append(_Write(newsize, tail, None, size))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self.disk.touch(self.path, self.owner, "sync")
        self.disk.synced(self.path)  # memory keeps it: there is nothing to wait for

    def excepthook(self, *_: object) -> None:  # type: ignore[override]
        """An error beside another one: SQLite knows of the first."""


class SimulatedVfs(apsw.VFS):
    """Registered under the name VFS; `disk` is the one that is mounted."""

    def __init__(self) -> None:
        super().__init__(VFS, "")
        self.disk: Disk | None = None

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> _File:  # noqa: N802
        assert self.disk is not None, "no disk is mounted"
        return _File(self.disk, name, flags)

    def excepthook(self, *_: object) -> None:  # type: ignore[override]
        """As of its files."""

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        assert self.disk is not None
        owner = self.disk.running
        if owner is not None and not owner.alive:
            raise apsw.exception_for(apsw.SQLITE_IOERR_DELETE)
        self.disk.synced(filename)
        super().xDelete(filename, syncdir)
