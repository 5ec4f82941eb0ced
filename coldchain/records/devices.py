# SPDX-License-Identifier: Apache-2.0
"""What is known of devices, by serial number: facts, places, plans, parts, papers, certificates, mappings.

An entry stands until another corrects or withdraws it; both stay. A device is told by its serial number,
across sites; an appliance of the registry that has none is told by its id.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from coldchain.kernel.errors import BadData, StoreUnavailable
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.device_kinds import (
    DAY_MS,
    KINDS,
    LATEST_MS,
    MODEL,
    Certificate,
    Done,
    Facts,
    Installed,
    Mapped,
    ModelPlan,
    Paper,
    PartUsed,
    Plan,
    PlanOther,
    Said,
    of_model,
)
from coldchain.records.registry import Appliance
from coldchain.records.sql import open_reader, open_writer, transaction

__all__ = [
    "DAY_MS",
    "KINDS",
    "LATEST_MS",
    "MODEL",
    "Certificate",
    "DeviceReader",
    "Devices",
    "Done",
    "Dossier",
    "Due",
    "Entry",
    "Facts",
    "Installed",
    "Mapped",
    "ModelPlan",
    "Paper",
    "PartUsed",
    "Plan",
    "PlanOther",
    "Said",
    "entries_of",
    "of_model",
    "put_entry",
    "serial_of",
    "sound",
]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. said None: it withdraws what it corrects. first: the id of the first of its corrections."""

    id: int
    serial: str
    kind: str
    said: Any
    person: str
    at_ms: int
    corrects: int | None
    first: int


@dataclass(frozen=True, slots=True)
class Due:
    """A task of a plan. done_ms None: never yet; due_ms: the next time."""

    plan: Entry
    done_ms: int | None
    due_ms: int

    def days(self, now_ms: int) -> int:
        """Whole days until it is due; negative: overdue by so many."""
        return int((self.due_ms - now_ms) / DAY_MS)


@dataclass(frozen=True, slots=True)
class Dossier:
    """All entries about one device, oldest first, with those that were corrected or withdrawn. models: plans
    that stand for whole models, its own among them.
    """

    serial: str
    entries: tuple[Entry, ...]
    models: tuple[Entry, ...] = ()

    @property
    def standing(self) -> tuple[Entry, ...]:
        """Those that nobody has corrected, and that say something."""
        gone = {entry.corrects for entry in self.entries}
        return tuple(e for e in self.entries if e.id not in gone and e.said is not None)

    def of(self, kind: str) -> list[Entry]:
        """Standing ones of that kind, oldest first."""
        return [entry for entry in self.standing if entry.kind == kind]

    @property
    def facts(self) -> Facts:
        found = self.of("facts")
        said = found[-1].said if found else Facts()
        assert isinstance(said, Facts)
        return said

    @property
    def installed(self) -> list[Entry]:
        """By when it came there."""
        return sorted(self.of("installed"), key=lambda entry: entry.said.from_ms)

    def due(self, model: str = "") -> list[Due]:
        """Tasks of its plans and of its model's, the next to be done first; none for a device that is retired
        or lost. model: what the registry calls it, where its facts do not say.
        """
        if self.facts.status in ("retired", "lost"):
            return []
        done = self.of("done")
        found = []
        for plan in [*self.of("plan"), *self._of_model(self.facts.model or model)]:
            mine = [entry.said.done_ms for entry in done if entry.said.plan == plan.first]
            last = max(mine, default=None)
            due = plan.said.first_ms if last is None else last + plan.said.every_days * DAY_MS
            found.append(Due(plan, last, due))
        return sorted(found, key=lambda one: (one.due_ms, one.plan.first))

    def _of_model(self, model: str) -> list[Entry]:
        """Its model's plans, with what is otherwise for this device."""
        others = {entry.said.plan: entry.said for entry in self.of("plan_other")}
        found = []
        for plan in self.models if model.strip() else ():
            other = others.get(plan.first)
            if plan.serial != of_model(model) or (other is not None and other.off):
                continue
            given = {} if other is None else {"every_days": other.every_days, "first_ms": other.first_ms}
            update = {name: value for name, value in given.items() if value is not None}
            found.append(replace(plan, said=plan.said.model_copy(update=update)))
        return found


_SELECT = "SELECT id, serial, kind, body, person, at_ms, corrects FROM device_entry"


def serial_of(appliance: Appliance) -> str:
    """How its device is told: by its serial number, or by its own id while that is not known."""
    return appliance.serial or appliance.id


class DeviceReader:
    """Reads the desk in short looks; empty answers while there is none."""

    def __init__(self, desk: Path) -> None:
        self._path = desk

    def dossier(self, serial: str) -> Dossier:
        return Dossier(serial, tuple(self._entries("WHERE serial = ?", (serial,))), self.models())

    def models(self) -> tuple[Entry, ...]:
        """Plans for whole models that stand, by when they were first written."""
        return Dossier("", tuple(self._entries("WHERE kind = 'model_plan'", ()))).standing

    def all(self) -> dict[str, Dossier]:
        """Every device of which something is written."""
        found: dict[str, list[Entry]] = {}
        for entry in self._entries("WHERE kind <> 'model_plan'", ()):
            found.setdefault(entry.serial, []).append(entry)
        models = self.models()
        return {serial: Dossier(serial, tuple(entries), models) for serial, entries in found.items()}

    def entry(self, id_or_key: int | str) -> Entry | None:
        """One entry by its id, or by the key it was asked under."""
        column = "id" if isinstance(id_or_key, int) else "key"
        found = list(self._entries(f"WHERE {column} = ?", (id_or_key,)))
        return found[0] if found else None

    def paper(self, sha256: str) -> list[Entry]:
        """Where those contents are told of: standing entries of kind paper."""
        mine = [e.serial for e in self._entries("WHERE kind = 'paper' AND instr(body, ?)", (sha256,))]
        return [
            one
            for serial in dict.fromkeys(mine)
            for one in self.dossier(serial).of("paper")
            if one.said.sha256 == sha256
        ]

    def _entries(self, where: str, values: tuple[object, ...]) -> Iterator[Entry]:
        try:
            db = open_reader(self._path, len(DESK_MIGRATIONS))
        except StoreUnavailable:
            return
        with closing(db):
            found = entries_of(db, where, values)
        yield from found


def entries_of(db: sqlite3.Connection, where: str, values: tuple[object, ...]) -> list[Entry]:
    """In the caller's transaction, oldest first."""
    rows = db.execute(f"{_SELECT} {where} ORDER BY id", values).fetchall()
    first = _firsts(db, [row[0] for row in rows if row[6] is not None])
    return [_entry(row, first.get(row[0], row[0])) for row in rows]


def _firsts(db: sqlite3.Connection, ids: list[int]) -> dict[int, int]:
    """Each entry that corrects another -> the first of that line."""
    sql = (
        "WITH RECURSIVE line (id, back) AS (SELECT id, corrects FROM device_entry WHERE id IN"
        " (SELECT value FROM json_each(?)) UNION ALL SELECT line.id, e.corrects FROM line"
        " JOIN device_entry e ON e.id = line.back WHERE e.corrects IS NOT NULL)"
        " SELECT id, min(back) FROM line GROUP BY id"
    )
    return dict(db.execute(sql, (json.dumps(ids),)).fetchall()) if ids else {}


def _entry(row: tuple[Any, ...], first: int) -> Entry:
    id_, serial, kind, body, person, at_ms, corrects = row
    said = json.loads(body)
    made = None if said is None else KINDS[kind].model_validate(said)
    return Entry(id_, serial, kind, made, person, at_ms, corrects, first)


class Devices:
    """`desk.db` for those who write about devices, in short transactions."""

    def __init__(self, desk: Path, wall_ms: Callable[[], int]) -> None:
        self._db = open_writer(desk, DESK_MIGRATIONS)
        self._wall_ms = wall_ms

    def add(
        self,
        key: str,
        serial: str,
        kind: str,
        said: Said | Mapping[str, object] | None,
        *,
        person: str,
        corrects: int | None = None,
    ) -> int:
        """Write an entry and return its id; the same key again returns the same id and writes nothing.

        said None withdraws what it corrects. BadData when it is not sound, or when what it corrects is of
        another device or kind, or is corrected already.
        """
        with transaction(self._db) as db:
            return put_entry(
                db, key, serial, kind, said, person=person, at_ms=self._wall_ms(), corrects=corrects
            )

    def close(self) -> None:
        self._db.close()


def put_entry(
    db: sqlite3.Connection,
    key: str,
    serial: str,
    kind: str,
    said: Said | Mapping[str, object] | None,
    *,
    person: str,
    at_ms: int,
    corrects: int | None = None,
) -> int:
    """As `Devices.add`, in the caller's transaction."""
    body = None if said is None else sound(kind, said).model_dump_json()
    if not 1 <= len(serial) <= 96 or not serial.isprintable():
        raise BadData(f"{serial!r} is no serial number")
    if body is None and corrects is None:
        raise BadData("say which entry is withdrawn")
    if serial.startswith(MODEL) != (kind == "model_plan"):
        raise BadData(f"{serial!r} is no serial number: plans for a model are kept so")
    row = db.execute("SELECT id FROM device_entry WHERE key = ?", (key,)).fetchone()
    if row is not None:
        return int(row[0])
    if corrects is not None:
        _may_correct(db, corrects, serial, kind)
    done = db.execute(
        "INSERT INTO device_entry (key, serial, kind, body, person, at_ms, corrects) VALUES (?,?,?,?,?,?,?)",
        (key, serial, kind, body or "null", person, at_ms, corrects),
    )
    return int(done.lastrowid or 0)


def sound(kind: str, said: Said | Mapping[str, object]) -> Said:
    """What is said, as its kind. BadData names the field that is not sound."""
    if kind not in KINDS:
        raise BadData(f"{kind!r} is no kind of entry; one of {', '.join(KINDS)}")
    try:
        fields = said.model_dump() if isinstance(said, Said) else dict(said)
        made = KINDS[kind].model_validate(fields)
    except ValidationError as bad:
        first = bad.errors()[0]
        raise BadData(f"{'.'.join(map(str, first['loc'])) or kind}: {first['msg']}") from bad
    until = getattr(made, "until_ms", None) or getattr(made, "expires_ms", None)
    if until is not None and until <= getattr(made, "from_ms", 0):
        raise BadData("its end comes before its beginning")
    return made


def _may_correct(db: sqlite3.Connection, id_: int, serial: str, kind: str) -> None:
    row = db.execute("SELECT serial, kind FROM device_entry WHERE id = ?", (id_,)).fetchone()
    if row is None or tuple(row) != (serial, kind):
        raise BadData(f"entry {id_} is no {kind} of {serial}")
    if db.execute("SELECT 1 FROM device_entry WHERE corrects = ?", (id_,)).fetchone():
        raise BadData(f"entry {id_} was corrected meanwhile; read it again")
