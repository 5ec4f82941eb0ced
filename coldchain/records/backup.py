# SPDX-License-Identifier: Apache-2.0
"""Backup of a live installation, and back: whole copies of its files that agree with each other.

Each file is copied by SQLite's online backup: one moment of it, whatever its writer does. Alerts' file is
first, so that its journal position is never ahead of the journal's copy; it is copied again when ingest has
meanwhile removed what that position still needs. `manifest.json` tells size, checksum and what was counted.
A restored spool begins a new epoch: its link numbers are never given twice.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coldchain.kernel.errors import BadData, ColdChainError, StoreUnavailable
from coldchain.records.papers import FOLDER, HASH, Papers

FILES = ("alarms.db", "desk.db", "readings.db", "spool.db")
"""In the order in which they are copied."""
MANIFEST = "manifest.json"
VERSION = 1
PAGES = 256
"""Pages of one step of a copy: a writer never waits for longer than that."""
PAUSE_S = 0.005
TRIES = 5


class BackupUnsound(ColdChainError):
    """The backup does not hold what its manifest says."""

    exit_code = 65


def backup(data_dir: Path, target: Path, wall_ms: int) -> dict[str, Any]:
    """Copy the files of `data_dir` into the new folder `target`; returns the manifest.

    BadData when `target` has something in it; StoreUnavailable when a file cannot be read.
    """
    if target.exists() and any(target.iterdir()):
        raise BadData(f"{target} is not empty: name a new folder for each backup")
    target.mkdir(parents=True, exist_ok=True)
    for attempt in range(TRIES):
        for name in FILES:
            if (data_dir / name).exists():
                _copy(data_dir / name, target / name)
        gap = _gap(target)
        if gap is None:
            break
        if attempt == TRIES - 1:
            raise StoreUnavailable(f"{data_dir}: {gap}, {TRIES} times; try again when less is going on")
    manifest: dict[str, Any] = {"version": VERSION, "made_ms": wall_ms, "files": {}}
    for name in FILES:
        if (target / name).exists():
            manifest["files"][name] = _described(target / name)
    manifest["papers"] = _keep_papers(data_dir, target)
    (target / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return manifest


def verify(source: Path) -> dict[str, Any]:
    """Read the whole backup and compare; returns the manifest. BackupUnsound says what is wrong."""
    try:
        manifest: dict[str, Any] = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
        files = dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as bad:
        raise BackupUnsound(f"{source / MANIFEST} cannot be read ({bad}): is this a backup?") from bad
    if manifest.get("version") != VERSION:
        raise BackupUnsound(f"{source}: made by another version ({manifest.get('version')}, not {VERSION})")
    for name, said in files.items():
        if name not in FILES:
            raise BackupUnsound(f"{source}: {name!r} is no file of ours")
        found = _described(source / name)
        for what, value in said.items():
            if found[what] != value:
                raise BackupUnsound(f"{source / name}: {what} is {found[what]}, the manifest says {value}")
    if (gap := _gap(source)) is not None:
        raise BackupUnsound(f"{source}: {gap}")
    for digest in manifest.get("papers", []):
        if not HASH.fullmatch(str(digest)) or Papers(source).get(digest) is None:
            raise BackupUnsound(f"{source / FOLDER}: {digest} is missing, or is not what it was")
    return manifest


def restore(
    source: Path, data_dir: Path, new_epoch: Callable[[], str] = lambda: secrets.token_hex(4)
) -> dict[str, Any]:
    """Verify, then copy the files into `data_dir`, which must hold none of them; returns the manifest."""
    manifest = verify(source)
    there = [name for name in FILES for end in ("", "-wal") if (data_dir / (name + end)).exists()]
    if there:
        raise BadData(f"{data_dir} holds {', '.join(sorted(set(there)))}: restore into an empty folder")
    data_dir.mkdir(parents=True, exist_ok=True)
    for name in manifest["files"]:
        draft = data_dir / f".{name}.new"
        shutil.copyfile(source / name, draft)
        if name == "spool.db":
            with sqlite3.connect(draft) as db:
                db.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (new_epoch(),))
            db.close()
        draft.replace(data_dir / name)
    _keep_papers(source, data_dir)
    return manifest


def _keep_papers(source: Path, target: Path) -> list[str]:
    """Copy documents and photos; returns their hashes. Those that the target has already stay."""
    found = []
    for path in Papers(source).all():
        copy = Papers(target).path(path.name)
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            draft = copy.with_name(f".{path.name}.new")
            shutil.copyfile(path, draft)
            draft.replace(copy)
        found.append(path.name)
    return found


def _copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        live = sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=10)
        copy = sqlite3.connect(target)
        try:
            live.backup(copy, pages=PAGES, sleep=PAUSE_S)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, with no companions
        finally:
            copy.close()
            live.close()
    except sqlite3.Error as bad:
        raise StoreUnavailable(f"{source}: {bad}; `coldchain doctor` may tell more") from bad


def _described(path: Path) -> dict[str, Any]:
    """Size, checksum and what is in it. BackupUnsound when it is not a sound database."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        db = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        try:
            (word,) = db.execute("PRAGMA integrity_check(1)").fetchone()
            (format_,) = db.execute("PRAGMA user_version").fetchone()
            counted = {name: db.execute(query).fetchone()[0] for name, query in COUNTED[path.name].items()}
        finally:
            db.close()
    except (OSError, sqlite3.Error) as bad:
        raise BackupUnsound(f"{path}: {bad}") from bad
    if word != "ok":
        raise BackupUnsound(f"{path}: {word}")
    return {"bytes": path.stat().st_size, "sha256": digest, "format": format_, **counted}


COUNTED: dict[str, dict[str, str]] = {
    "alarms.db": {
        "position": "SELECT coalesce(max(judged), 0) FROM engine",
        "alarms": "SELECT count(*) FROM alarm",
        "notices": "SELECT count(*) FROM notice",
    },
    "desk.db": {"registry": "SELECT coalesce(max(version), 0) FROM registry"},
    "readings.db": {
        "position": "SELECT coalesce(sum(value), 0) FROM counter WHERE name = 'position'",
        "recorded": "SELECT coalesce(sum(value), 0) FROM counter"
        " WHERE name IN ('journalled', 'seeded', 'waiting')",
        "dead_lettered": "SELECT coalesce(sum(readings), 0) FROM dead_letter",
    },
    "spool.db": {
        "accepted": "SELECT value FROM counter WHERE name = 'accepted'",
        "held": "SELECT coalesce(sum(n), 0) FROM block",
    },
}
"""What the manifest tells of each file, beside its size and checksum."""


def _gap(folder: Path) -> str | None:
    """What alerts' copy still needs and the journal's copy has not; None when they fit."""
    if not ((folder / "alarms.db").exists() and (folder / "readings.db").exists()):
        return None
    alarms = sqlite3.connect(f"file:{folder / 'alarms.db'}?mode=ro&immutable=1", uri=True)
    readings = sqlite3.connect(f"file:{folder / 'readings.db'}?mode=ro&immutable=1", uri=True)
    try:
        row = alarms.execute("SELECT position, judged FROM engine").fetchone() or (0, 0)
        last = readings.execute(COUNTED["readings.db"]["position"]).fetchone()[0]
        (first,) = readings.execute("SELECT min(position) FROM log").fetchone()
    except sqlite3.Error as bad:
        return str(bad)
    finally:
        alarms.close()
        readings.close()
    if row[1] > last:
        return f"alerts has judged up to {row[1]}, the journal ends at {last}"
    if row[0] < (first if first is not None else last + 1) - 1:
        return f"alerts stands at {row[0]}, the log begins at {first if first is not None else last + 1}"
    return None
