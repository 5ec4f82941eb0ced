# SPDX-License-Identifier: Apache-2.0
"""Changes of rules that widen: one person asks, another one decides, and until then the old rules stand.

A proposal holds the whole of what is to come into force, its differences and what they would have done to
the last days. It is for what it was made against: when that has changed meanwhile it is made anew. Each step
is in the audit chain.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from coldchain.kernel.errors import BadData
from coldchain.records.calibration import enter_agreed
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.registry import Registry
from coldchain.records.sql import open_reader, open_writer, transaction
from coldchain.records.trust import called, refuse_bound

STANDS_MS = 72 * 3_600_000
"""A proposal that nobody decides within three days is over: ours; a weekend lies inside."""
DECIDERS = frozenset({"supervisor", "manager", "admin"})
Kind = Literal["registry", "profiles", "calibration"]
COLUMNS = (
    "id",
    "at_ms",
    "until_ms",
    "kind",
    "name",
    "base",
    "body",
    "digest",
    "reason",
    "person",
    "changes",
    "preview",
    "state",
    "second",
    "decided_ms",
    "note",
    "version",
)
_ALL = f"SELECT {', '.join(COLUMNS)} FROM proposal"  # noqa: S608  names of ours


class Refused(BadData):
    """The change does not come into force; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """kind `profiles`: `name` is the file's name in the folder of a site's own; `body` its text. kind
    `calibration`: `name` is a device's serial number; base and body: `coldchain.records.calibration`.

    base     the registry's version, or the SHA-256 of the file (empty: there is none), that it replaces
    state    open, applied, refused, withdrawn; expired is an open one whose time is over
    changes  [{subject, what, before, after, effect}]; preview: as `Preview.as_dict`
    """

    id: int
    at_ms: int
    until_ms: int
    kind: Kind
    name: str
    base: str
    body: str
    digest: str
    reason: str
    person: str
    changes: list[dict[str, str]]
    preview: dict[str, Any]
    state: str
    second: str | None
    decided_ms: int | None
    note: str
    version: int | None

    def as_dict(self) -> dict[str, Any]:
        """All but the body, for programs."""
        return {name: getattr(self, name) for name in COLUMNS if name != "body"}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def own_file(data_dir: Path, name: str) -> Path:
    """Where a site's own profiles lie. BadData for what is no plain name of such a file."""
    if not name.endswith(".toml") or Path(name).name != name or name.startswith("."):
        raise BadData(f"{name!r} is no name of a file of profiles: it ends in .toml and has no folder")
    return data_dir / "profiles" / name


def base_of(data_dir: Path, name: str) -> str:
    """The SHA-256 of the file as it is; empty when there is none."""
    path = own_file(data_dir, name)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


class Proposals:
    """From any thread; each call is one short transaction."""

    def __init__(self, data_dir: Path, wall_ms: Callable[[], int]) -> None:
        self._data_dir, self._desk, self._wall_ms = data_dir, data_dir / "desk.db", wall_ms

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with closing(open_writer(self._desk, DESK_MIGRATIONS)) as desk, transaction(desk) as db:
            yield db

    def add(
        self,
        kind: Kind,
        name: str,
        base: str,
        body: str,
        *,
        reason: str,
        person: str,
        changes: list[dict[str, str]],
        preview: dict[str, Any],
    ) -> int:
        """Its number; the same asked again by the same person is one. Others that are open stay so."""
        now_ms = self._wall_ms()
        same = (kind, name, base, sha256(body), person, now_ms)
        with self._writing() as db:
            row = db.execute(
                "SELECT id FROM proposal WHERE kind = ? AND name = ? AND base = ? AND digest = ?"
                " AND person = ? AND state = 'open' AND until_ms > ?",
                same,
            ).fetchone()
            if row is not None:
                return int(row[0])
            values = (now_ms, now_ms + STANDS_MS, kind, name, base, body, sha256(body), reason, person)
            done = db.execute(
                "INSERT INTO proposal (at_ms, until_ms, kind, name, base, body, digest, reason, person,"
                " changes, preview, state) VALUES (?,?,?,?,?,?,?,?,?,?,?,'open')",
                (*values, json.dumps(changes), json.dumps(preview)),
            )
        assert done.lastrowid is not None
        return done.lastrowid

    def newest(self, limit: int = 50, before: int = 2**53) -> list[Proposal]:
        """Newest first, of those with a lower number than `before`; none before the desk is there."""
        if not self._desk.exists():
            return []
        with closing(open_reader(self._desk, len(DESK_MIGRATIONS))) as db:
            found = db.execute(f"{_ALL} WHERE id < ? ORDER BY id DESC LIMIT ?", (before, limit)).fetchall()
        return [self._read(row) for row in found]

    def waiting(self, kind: Kind, name: str) -> list[Proposal]:
        """Those of that kind and name that nobody has decided yet, newest first."""
        if not self._desk.exists():
            return []
        sql = f"{_ALL} WHERE kind = ? AND name = ? AND state = 'open' ORDER BY id DESC"
        with closing(open_reader(self._desk, len(DESK_MIGRATIONS))) as db:
            rows = db.execute(sql, (kind, name)).fetchall()
        return [one for one in map(self._read, rows) if one.state == "open"]

    def get(self, number: int) -> Proposal:
        """BadData when there is no such one."""
        with closing(open_reader(self._desk, len(DESK_MIGRATIONS))) as db:
            return self._found(db, number)

    def _found(self, db: sqlite3.Connection, number: int) -> Proposal:
        row = db.execute(f"{_ALL} WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise BadData(f"there is no proposal {number}; `coldchain config proposals` lists them")
        return self._read(row)

    def _read(self, row: tuple[Any, ...]) -> Proposal:
        said = dict(zip(COLUMNS, row, strict=True))
        said["changes"], said["preview"] = json.loads(said["changes"]), json.loads(said["preview"])
        one = Proposal(**said)
        over = one.state == "open" and self._wall_ms() >= one.until_ms
        return replace(one, state="expired") if over else one

    def decide(self, number: int, person: str, *, agree: bool, note: str = "") -> Proposal:
        """Another person's word; with it the change comes into force, or never will. Refused, BadData, or
        TooClose when one of the two chose the other's password of late.
        """
        with self._writing() as db:
            one = self._found(db, number)
            if one.state != "open":
                raise Refused(
                    f"proposal {number} is {one.state} already; make a new one if it is still wanted"
                )
            theirs, mine = (called(db, name, one.at_ms) for name in (one.person, person))
            own = person.casefold() in {name.casefold() for name in theirs}
            if agree and own:
                raise Refused(f"{one.person} asked for this: another supervisor or manager has to agree")
            if agree:
                refuse_bound(db, theirs, mine, self._wall_ms())
            version = self._apply(db, one, person) if agree else None
            state = "applied" if agree else "withdrawn" if own else "refused"
            db.execute(
                "UPDATE proposal SET state = ?, second = ?, decided_ms = ?, note = ?, version = ?"
                " WHERE id = ?",
                (state, person, self._wall_ms(), note, version, number),
            )
            return self._found(db, number)

    def _apply(self, db: sqlite3.Connection, one: Proposal, person: str) -> int | None:
        if sha256(one.body) != one.digest:
            raise Refused(f"proposal {one.id} is not what was proposed: it was changed; make a new one")
        if one.kind == "profiles":
            if base_of(self._data_dir, one.name) not in {one.base, one.digest}:
                raise Refused(f"{one.name} has changed since proposal {one.id}; make a new one")
            put_profiles(self._data_dir, one.name, one.body)
            return None
        if one.kind == "calibration":
            reason, who = f"{one.reason} (proposal {one.id})", (one.person, person)
            return enter_agreed(db, one.body, one.base, who, reason, self._wall_ms())
        (newest,) = db.execute("SELECT coalesce(max(version), 0) FROM registry").fetchone()
        if str(newest) != one.base:
            raise Refused(
                f"the registry is at version {newest}, proposal {one.id} was made against {one.base}: "
                "make a new one"
            )
        registry = Registry.model_validate_json(one.body)
        db.execute(
            "INSERT INTO registry VALUES (?,?,?,?,?,?)",
            (
                newest + 1,
                self._wall_ms(),
                f"{one.person}, {person}",
                f"{one.reason} (proposal {one.id})",
                registry.digest(),
                registry.model_dump_json(),
            ),
        )
        return int(newest) + 1


def put_profiles(data_dir: Path, name: str, text: str) -> Path:
    """Write a site's own profiles, whole or not at all. Alerts takes them up as it runs."""
    path = own_file(data_dir, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{name}.new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
    return path
