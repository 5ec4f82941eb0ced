# SPDX-License-Identifier: Apache-2.0
"""Parts of the registry as tables: a CSV file against a version, row by row, and what comes of it. Pure.

A cell that is left empty keeps what is there. Nothing is removed by a table. Several values in a cell stand
with `;` between them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from coldchain.kernel.cells import harmless, plain
from coldchain.kernel.errors import BadData
from coldchain.records.registry import (
    Appliance,
    Assignment,
    GatewayEntry,
    Part,
    Person,
    Registry,
    Sensor,
    Site,
)

ROWS_MAX = 20_000
ADDED, CHANGED, SAME, REFUSED = "added", "changed", "same", "refused"
MANY = frozenset({"numbers", "sites", "channels"})
"""Columns that hold several values."""
MODELS: Mapping[str, tuple[type[Part], tuple[str, ...]]] = {
    "sites": (Site, ("id", "name", "province", "level", "latitude", "longitude", "zone")),
    "appliances": (
        Appliance,
        ("id", "name", "site", "kind", "serial", "model", "carries", "hold_over_min", "tau_s", "supply",
         "free_bags", "service"),
    ),
    "sensors": (Sensor, ("id", "appliance", "site", "quantity", "probe", "node", "channel", "every_s")),
    "people": (
        Person,
        ("id", "name", "phone", "numbers", "language", "role", "sites", "channels", "email", "initials"),
    ),
    "gateways": (GatewayEntry, ("id", "site", "phone")),
}  # fmt: skip
"""Table -> (what its rows are, its columns). `carries` begins an assignment from now on."""
KNOWN = {"site": "sites", "sites": "sites", "appliance": "appliances"}
"""Column -> the table in which its values must be."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file. changes: (column, before, after); why: of what is refused."""

    line: int
    id: str
    state: str
    changes: tuple[tuple[str, str, str], ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """made: the version that comes of it; None: a row is refused, or nothing changes. fault: of the whole."""

    table: str
    rows: tuple[Row, ...]
    made: Registry | None
    fault: str = ""

    def count(self, state: str) -> int:
        return sum(row.state == state for row in self.rows)


def template(table: str, registry: Registry) -> str:
    """The table as it is now, to be filled in and brought back."""
    _, columns = MODELS[table]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for part in getattr(registry, table):
        writer.writerow([harmless(_cell(part, column, 2**62)) for column in columns])
    return out.getvalue()


def remade(registry: Registry, **parts: object) -> Registry:
    """A sound version with other parts; ValidationError when it is not."""
    return Registry.model_validate({name: getattr(registry, name) for name in Registry.model_fields} | parts)


def plan(table: str, text: str, registry: Registry, now_ms: int) -> Plan:
    """BadData for a file that is no such table; what is wrong with a row, the row says."""
    if table not in MODELS:
        raise BadData(f"there is no table {table!r}; there are {', '.join(MODELS)}")
    kept: dict[str, Part] = {part.id: part for part in getattr(registry, table)}
    names = {name: {part.id for part in getattr(registry, name)} for name in set(KNOWN.values())}
    rows: list[Row] = []
    seen: set[str] = set()
    for line, said in _read(table, text):
        id_ = said.get("id", "")
        if not id_ or id_ in seen:
            rows.append(Row(line, id_, REFUSED, why="no id" if not id_ else f"{id_} is in the file twice"))
            continue
        seen.add(id_)
        row, part = _row(table, line, said, kept.get(id_), names, now_ms)
        rows.append(row)
        if part is not None:
            kept[id_] = part
    made, fault = None, ""
    if not any(row.state == REFUSED for row in rows) and any(row.state != SAME for row in rows):
        try:
            made = remade(registry, **{table: tuple(kept.values())})
        except ValidationError as bad:
            fault = _sentence(bad)
    return Plan(table, tuple(rows), made, fault)


def _read(table: str, text: str) -> list[tuple[int, dict[str, str]]]:
    _, columns = MODELS[table]
    lines = text.lstrip("\ufeff")
    comma = ";" if lines.partition("\n")[0].count(";") > lines.partition("\n")[0].count(",") else ","
    try:
        reader = csv.reader(io.StringIO(lines, newline=""), delimiter=comma, strict=True)
        found = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as bad:
        raise BadData(f"that is no table with commas: {bad}") from bad
    if not found:
        raise BadData("the file is empty")
    head = [cell.strip().lower() for cell in found[0][1]]
    wrong = [name for name in head if name not in columns]
    if wrong or "id" not in head or len(set(head)) != len(head):
        told = f"column {wrong[0]!r} is not known" if wrong else "one column is `id`, and each is named once"
        raise BadData(f"{told}; the columns of {table} are {', '.join(columns)}")
    if len(found) > ROWS_MAX:
        raise BadData(f"{len(found)} rows; at most {ROWS_MAX} at once")
    return [(n, dict(zip(head, (plain(c.strip()) for c in row), strict=False))) for n, row in found[1:]]


def _row(
    table: str, line: int, said: dict[str, str], old: Part | None, names: Mapping[str, set[str]], now_ms: int
) -> tuple[Row, Part | None]:
    model, columns = MODELS[table]
    id_ = said["id"]
    for column, other in KNOWN.items():
        for value in _values(column, said.get(column, "")):
            if column in columns and value and value not in names[other]:
                return Row(line, id_, REFUSED, why=f"{column} {value!r} is not known"), None
    fields: dict[str, object] = {
        c: _values(c, v) if c in MANY else v for c, v in said.items() if v != "" and c != "carries"
    }
    if said.get("carries") and (old is None or _cell(old, "carries", now_ms) != said["carries"]):
        before = old.assignments if isinstance(old, Appliance) else ()
        begins = now_ms if before else 0
        fields["assignments"] = (*before, Assignment(carries=said["carries"], from_ms=begins))
    try:
        made = model.model_validate({**(dict(old) if old is not None else {}), **fields})
    except ValidationError as bad:
        return Row(line, id_, REFUSED, why=_sentence(bad)), None
    differs = [
        (c, _cell(old, c, now_ms) if old is not None else "", _cell(made, c, now_ms))
        for c in columns
        if c != "id" and (old is None or _cell(old, c, now_ms) != _cell(made, c, now_ms))
    ]
    told = tuple(one for one in differs if one[1] != one[2])
    state = ADDED if old is None else CHANGED if told else SAME
    return Row(line, id_, state, told), made if state != SAME else None


def _values(column: str, text: str) -> tuple[str, ...]:
    if column in MANY:
        return tuple(part.strip() for part in text.split(";") if part.strip())
    return (text,)


def _cell(part: Part, column: str, now_ms: int) -> str:
    """What a table shows of an entry."""
    if column == "carries":
        return (part.carries(now_ms) or "") if isinstance(part, Appliance) else ""
    value = getattr(part, column)
    if column in MANY:
        return ";".join(value)
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _sentence(bad: ValidationError) -> str:
    """The first fault in words."""
    fault = bad.errors()[0]
    if fault["type"] == "value_error":
        return str(fault["ctx"]["error"])
    place = ".".join(str(one) for one in fault["loc"])
    if fault["type"] == "missing":
        return f"{place} is missing"
    return f"{place} {fault['input']!r}: {fault['msg']}" if place else str(fault["msg"])
