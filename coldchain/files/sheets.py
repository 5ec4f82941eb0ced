# SPDX-License-Identifier: Apache-2.0
"""Tables as CSV and as XLSX, row by row: neither keeps a whole table in memory.

Text stays text: a cell that begins like a formula is no formula when a spreadsheet opens it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from coldchain.kernel.cells import harmless
from coldchain.kernel.instants import rfc3339

SHEET_ROWS = 1_000_000
"""A sheet of an XLSX file holds 1,048,576 rows; a longer table goes on in the next one."""


@dataclass(frozen=True, slots=True)
class At:
    """A cell that is an instant [ms UTC]."""

    ms: int


Cell = str | int | float | bool | At | None
Line = Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Table:
    """name: of its sheet; head: of its columns."""

    name: str
    head: tuple[str, ...]
    rows: Iterable[Line]


def csv_pieces(table: Table) -> Iterator[str]:
    """Instants as RFC 3339 in UTC; the first column row by row."""
    yield _csv(table.head)
    for row in table.rows:
        yield _csv([_text(cell) for cell in row])


def _csv(cells: Sequence[object]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()


def _text(cell: Cell) -> str:
    if isinstance(cell, At):
        return rfc3339(cell.ms)
    if cell is None:
        return ""
    if isinstance(cell, str):
        return harmless(cell)
    return (
        str(cell).lower()
        if isinstance(cell, bool)
        else f"{cell:.10g}"
        if isinstance(cell, float)
        else str(cell)
    )


def write_xlsx(table: Table, out: Path, zone: str) -> int:
    """The table as an XLSX file; returns its rows. Instants are dates by that zone's clock."""
    from xlsxwriter import Workbook  # type: ignore[import-untyped]  # noqa: PLC0415

    clock = ZoneInfo(zone)
    book = Workbook(str(out), {"constant_memory": True, "in_memory": False})
    book.set_properties({"author": "Coldchain", "comments": f"times: {zone}"})
    bold, date = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    count = 0
    sheet = None
    for row in table.rows:
        place = count % SHEET_ROWS
        if place == 0:
            sheet = _sheet(book, table, count // SHEET_ROWS, bold, zone)
        for column, cell in enumerate(row):
            _put(sheet, place + 1, column, cell, clock, date)
        count += 1
    if sheet is None:
        _sheet(book, table, 0, bold, zone)
    book.close()
    return count


def _sheet(book, table: Table, number: int, bold, zone: str):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    name = f"{table.name[:24]} {number + 1}" if number else table.name[:31]
    sheet = book.add_worksheet(name)
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, len(table.head) - 1, 19)
    for column, title in enumerate(table.head):
        sheet.write_string(0, column, f"{title} ({zone})" if title in TIMES else title, bold)
    return sheet


TIMES = frozenset(
    ("time", "since", "raised", "returned", "acknowledged", "started", "ended", "made", "finished", "from",
     "until", "expires", "warranty until", "due", "done", "found", "decided", "written")
)  # fmt: skip


def _put(sheet, row: int, column: int, cell: Cell, clock: ZoneInfo, date) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    if cell is None or cell == "":
        return
    if isinstance(cell, At):
        local = datetime.fromtimestamp(cell.ms / 1000, UTC).astimezone(clock).replace(tzinfo=None)
        sheet.write_datetime(row, column, local, date)
    elif isinstance(cell, bool):
        sheet.write_boolean(row, column, cell)
    elif isinstance(cell, int | float):
        sheet.write_number(row, column, cell)
    else:
        sheet.write_string(row, column, cell)
