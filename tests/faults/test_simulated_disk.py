# SPDX-License-Identifier: Apache-2.0
"""The simulated disk itself: what is synced stays, what is not may go, and the dead write nothing."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import apsw
import pytest
from sim.disk import SECTOR_BYTES, VFS, Died, Disk, Handle, _Write
from sim.sqlite import mounted

from coldchain.kernel.errors import StoreUnavailable
from coldchain.records.sql import open_reader, open_writer, transaction

TABLE = ("CREATE TABLE t (n INTEGER PRIMARY KEY, what BLOB);",)


def fill(db: sqlite3.Connection, numbers: range) -> None:
    for n in numbers:
        with transaction(db):
            db.execute("INSERT INTO t VALUES (?, ?)", (n, bytes([n]) * 700))


def numbers_in(path: Path) -> list[int]:
    db = open_reader(path, 1)
    found = [n for (n,) in db.execute("SELECT n FROM t ORDER BY n").fetchall()]
    assert all(what == bytes([n]) * 700 for n, what in db.execute("SELECT n, what FROM t"))
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()
    return found


@pytest.mark.parametrize("seed", range(20))
def test_what_was_committed_survives_a_cut_and_what_was_not_leaves_no_trace(
    tmp_path: Path, seed: int
) -> None:
    path = tmp_path / "host" / "x.db"
    with mounted(Disk(tmp_path, random.Random(seed))) as disk:
        handle = Handle("p", "host")
        with disk.process(handle):
            db = open_writer(path, TABLE)
            fill(db, range(40))
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT INTO t VALUES (99, zeroblob(9000))")
        disk.bury(handle)
        disk.power_loss("host")
        with pytest.raises(Died):
            db.execute("COMMIT")
        reader = open_writer(path, TABLE)
        reader.close()
        assert numbers_in(path) == list(range(40))


def test_without_syncs_a_cut_costs_commits(tmp_path: Path) -> None:
    """The disk does lose what it may lose; and a process that is killed loses nothing."""
    lost = 0
    for seed in range(10):
        path = tmp_path / f"{seed}" / "x.db"
        with mounted(Disk(tmp_path, random.Random(seed))) as disk:
            handle = Handle("p", f"{seed}")
            with disk.process(handle):
                db = open_writer(path, TABLE)
                db.execute("PRAGMA synchronous=OFF")
                fill(db, range(10))
            disk.bury(handle)
            assert numbers_in(path) == list(range(10))
            disk.power_loss(f"{seed}")
            open_writer(path, TABLE).close()
            lost += 10 - len(numbers_in(path))
    assert lost > 0


def test_writes_are_undone_torn_and_kept_as_told(tmp_path: Path) -> None:
    path = tmp_path / "f"
    before, after = b"a" * 2000, b"b" * 1024
    writes = [_Write(0, before[:1024], after, 2000), _Write(2000, b"", b"c" * 600, 2000)]
    seen = set()
    for seed in range(200):
        path.write_bytes(after + before[1024:] + b"c" * 600)
        disk = Disk(tmp_path, random.Random(seed))
        disk._lose(path, list(writes))
        seen.add(path.read_bytes())
    kept, torn = after + before[1024:], after[:SECTOR_BYTES] + before[SECTOR_BYTES:]
    assert seen >= {before, torn, kept, kept + b"c" * 512, kept + b"c" * 600, before + b"c" * 600}


def test_a_full_disk_and_a_failing_sync_look_as_they_do_in_sqlite3(tmp_path: Path) -> None:
    with mounted(Disk(tmp_path, random.Random(1))) as disk, disk.process(Handle("p", "host")):
        db = open_writer(tmp_path / "host" / "x.db", TABLE)
        disk.full.add("host")
        with pytest.raises(sqlite3.OperationalError, match="FullError") as full:
            fill(db, range(1))
        assert full.value.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL
        disk.full.clear()
        disk.mute.add("host")
        with pytest.raises(sqlite3.OperationalError) as mute:
            fill(db, range(1))
        assert mute.value.sqlite_errorcode == apsw.SQLITE_IOERR_FSYNC
        assert VFS in apsw.vfs_names()
        db.close()


@pytest.mark.parametrize("seed", range(8))
def test_what_could_not_be_synced_again_is_shown_to_nobody(tmp_path: Path, seed: int) -> None:
    """Its predecessor's sync failed, and so does the heir's: what it sees may be gone with the power."""
    path = tmp_path / "host" / "x.db"
    with mounted(Disk(tmp_path, random.Random(seed))) as disk:
        first, heir, third = (Handle("p", "host") for _ in range(3))
        with disk.process(first):
            db = open_writer(path, TABLE)
            fill(db, range(3))
            disk.mute.add("host")
            with pytest.raises(sqlite3.OperationalError):
                fill(db, range(3, 4))
        disk.bury(first)
        disk.mute.add("host")
        with disk.process(heir), pytest.raises(StoreUnavailable, match="not be made safe"):
            open_writer(path, TABLE)
        disk.bury(heir)
        with disk.process(third):
            open_writer(path, TABLE)
            told = numbers_in(path)
        disk.bury(third)
        disk.power_loss("host")
        open_writer(path, TABLE).close()
        assert numbers_in(path) == told == [0, 1, 2, 3]


def test_a_full_disk_hinders_no_start(tmp_path: Path) -> None:
    """What the log holds was synced before the checkpoint found no room."""
    path = tmp_path / "host" / "x.db"
    with mounted(Disk(tmp_path, random.Random(5))) as disk:
        first, heir = Handle("p", "host"), Handle("p", "host")
        with disk.process(first):
            fill(open_writer(path, TABLE), range(3))
        disk.bury(first)
        disk.full.add("host")
        with disk.process(heir):
            open_writer(path, TABLE)
            assert numbers_in(path) == [0, 1, 2]
        disk.bury(heir)
        disk.full.clear()
        disk.power_loss("host")
        open_writer(path, TABLE).close()
        assert numbers_in(path) == [0, 1, 2]


def test_what_is_seen_after_a_failed_sync_is_on_the_disk(tmp_path: Path) -> None:
    """The process ends, the next one sees the commit and may tell of it: so it must last."""
    path = tmp_path / "host" / "x.db"
    with mounted(Disk(tmp_path, random.Random(3))) as disk:
        first, second = Handle("p", "host"), Handle("p", "host")
        with disk.process(first):
            db = open_writer(path, TABLE)
            fill(db, range(3))
            disk.mute.add("host")
            with pytest.raises(sqlite3.OperationalError):
                fill(db, range(3, 4))
        disk.bury(first)
        with disk.process(second):
            open_writer(path, TABLE)
            assert numbers_in(path) == [0, 1, 2, 3]
        disk.bury(second)
        disk.power_loss("host")
        open_writer(path, TABLE).close()
        assert numbers_in(path) == [0, 1, 2, 3]
