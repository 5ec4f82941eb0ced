# SPDX-License-Identifier: Apache-2.0
"""Tables as CSV and XLSX: what is read back is what was written, and no text becomes a formula."""

import csv
import io
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from coldchain.files import sheets
from coldchain.files.sheets import At, Table, csv_pieces, write_xlsx
from coldchain.kernel.cells import harmless, plain

AT_MS = 1_772_323_200_000
ROW = ("ຕູ້ເລືອດ", At(AT_MS), -3.5, 7, True, None, '=HYPERLINK("http://x")')
HEAD = ("name", "time", "value", "n", "yes", "none", "text")


def test_an_xlsx_holds_dates_numbers_and_text(tmp_path: Path) -> None:
    out = tmp_path / "t.xlsx"
    assert write_xlsx(Table("alarms", HEAD, [ROW] * 3), out, "Asia/Vientiane") == 3
    sheet = load_workbook(out)["alarms"]
    head, first, *_ = sheet.iter_rows(values_only=True)
    assert head[:3] == ("name", "time (Asia/Vientiane)", "value")
    assert first == ("ຕູ້ເລືອດ", datetime.fromisoformat("2026-03-01T07:00"), -3.5, 7, True, None, ROW[-1])
    assert sheet.cell(2, 7).data_type == "s", "text, no formula"
    assert sheet.max_row == 4


def test_a_long_table_goes_on_in_the_next_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "SHEET_ROWS", 2)
    out = tmp_path / "t.xlsx"
    assert write_xlsx(Table("readings", ("n",), [(n,) for n in range(5)]), out, "UTC") == 5
    book = load_workbook(out)
    assert [[c.value for c in sheet["A"]] for sheet in book] == [["n", 0, 1], ["n", 2, 3], ["n", 4]]
    assert write_xlsx(Table("empty", ("n",), []), tmp_path / "e.xlsx", "UTC") == 0
    assert [c.value for c in load_workbook(tmp_path / "e.xlsx")["empty"]["A"]] == ["n"]


def test_csv_reads_back() -> None:
    text = "".join(csv_pieces(Table("t", HEAD, [ROW])))
    head, row = csv.reader(io.StringIO(text))
    assert head == list(HEAD)
    assert row == ["ຕູ້ເລືອດ", "2026-03-01T00:00:00Z", "-3.5", "7", "true", "", f"'{ROW[-1]}"]


TEXT = st.text() | st.text("'=+-@1a.\t＝", max_size=5)


@given(TEXT)
def test_text_comes_back_as_it_was(text: str) -> None:
    assert plain(harmless(text)) == text


@given(TEXT)
def test_no_text_is_a_formula(text: str) -> None:
    told = harmless(text)
    assert told in (text, f"'{text}")
    assert told[:1] not in {"=", "@", "\t", "\r"}
