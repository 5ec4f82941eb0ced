# SPDX-License-Identifier: Apache-2.0
"""The demo as a stranger runs it: without a terminal, judged by what it prints and leaves behind."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coldchain.settings import load
from coldchain.wiring.demo.account import keep_books
from coldchain.wiring.process import alone

KEYS = {
    "appliances",
    "readings_accepted",
    "readings_seeded",
    "readings_recorded",
    "readings_dead_lettered",
    "readings_pending",
    "duplicates",
    "alarms",
    "notices_sent",
}


def coldchain(*arguments: str, timeout: float = 150) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "coldchain", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL
    )


def last_json(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert run.returncode == 0, run.stderr
    assert "process.died" not in run.stderr, "a process that dies of itself comes back, and hides its fault"
    found: dict[str, Any] = json.loads(run.stdout)
    return found


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run of twenty appliances for three quarters of a minute."""
    directory = tmp_path_factory.mktemp("demo")
    run = coldchain(
        "demo", "--appliances", "20", "--for", "50", "--json", "--dir", str(directory), "--port", "0",
        "--no-history",
    )  # fmt: skip
    return directory, last_json(run)


def test_the_books_balance_and_a_phone_rang(small: tuple[Path, dict[str, Any]]) -> None:
    directory, books = small
    assert set(books) == KEYS | {"influx"}
    assert all(isinstance(books[key], int) for key in KEYS)
    assert books["influx"] == {"state": "absent", "points": 0}
    assert books["appliances"] == 20
    assert books["readings_accepted"] > 20 * 2 * 20
    assert books["readings_accepted"] == (
        books["readings_recorded"] + books["readings_dead_lettered"] + books["readings_pending"]
    )
    assert books["alarms"] >= 1
    assert books["notices_sent"] >= 1
    inbox = [json.loads(line) for line in (directory / "phones.jsonl").read_text().splitlines()]
    assert any("over 6.0C" in message["text"] for message in inbox), inbox


PLANTED = {
    "a row of the log is missing": "DELETE FROM log WHERE position = (SELECT max(position) FROM log)",
    "a sealed reading is there twice": (
        "INSERT INTO chunk (series, start_ms, n, valid, first_ms, last_ms, data) "
        "VALUES (1, 0, 1, 1, 0, 0, x'00')"
    ),
    "a dead letter nobody sent": (
        "INSERT INTO dead_letter (arrived_ms, ranges, readings, reason, detail, bytes) "
        "VALUES (0, '[]', 1, 'planted', '', x'00')"
    ),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_one_planted_row_upsets_the_books(
    small: tuple[Path, dict[str, Any]], tmp_path: Path, fault: str
) -> None:
    """The check that never fails proves nothing."""
    copy = tmp_path / "copy"
    shutil.copytree(small[0], copy, symlinks=True)
    settings = load(copy / "coldchain.toml")
    assert keep_books(settings, 0).balanced
    db = sqlite3.connect(settings.readings_db)
    db.execute(PLANTED[fault])
    db.commit()
    db.close()
    assert not keep_books(settings, 0).balanced


def test_a_second_run_goes_on_where_the_first_ended(
    small: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(small[0], copy, symlinks=True, ignore=shutil.ignore_patterns("modem", "lines"))
    run = coldchain("demo", "--appliances", "20", "--for", "12", "--json", "--dir", str(copy))
    books = last_json(run)
    assert books["readings_seeded"] == 0, "a folder that has readings gets no history"
    assert books["readings_accepted"] > small[1]["readings_accepted"]


def exported(directory: Path, *more: str) -> list[list[str]]:
    run = coldchain("export", "--dir", str(directory), "--format", "csv", *more)
    assert run.returncode == 0, run.stderr
    header, *rows = csv.reader(io.StringIO(run.stdout))
    assert header == ["sensor", "time", "celsius"]
    return rows


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    with alone("demo", tmp_path):
        refused = coldchain("demo", "--appliances", "1", "--for", "1", "--dir", str(tmp_path))
    assert refused.returncode != 0
    assert str(tmp_path) in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "coldchain.toml").exists()


def test_a_recorded_file_comes_out_as_it_went_in(tmp_path: Path) -> None:
    """Two sensors, milliseconds, failed readings, Unix seconds and RFC 3339 mixed, gzipped."""
    rows = [("fridge-03/load", f"2022-07-07T12:{m:02d}:00Z", f"{4 + m / 100:.2f}") for m in range(60)]
    rows += [
        ("Box 7", f"2022-07-07T12:{m:02d}:00.250Z", "" if m % 9 == 0 else f"{21 - m / 8:.3f}")
        for m in range(60)
    ]
    file = tmp_path / "mixed.csv.gz"
    with gzip.open(file, "wt") as out:
        out.write("sensor,time,celsius\n")
        out.writelines(f"{sensor},{at},{celsius}\n" for sensor, at, celsius in reversed(rows))
    run = coldchain(
        "demo",
        "--appliances",
        "0",
        "--replay",
        str(file),
        "--until-replayed",
        "--json",
        "--dir",
        str(tmp_path / "d"),
    )
    books = last_json(run)
    assert books["readings_accepted"] == books["readings_recorded"] == 120
    assert books["notices_sent"] == 0, "what happened years ago wakes nobody"
    got = [(s, at, float(c) if c else None) for s, at, c in exported(tmp_path / "d")]
    assert got == sorted((s, at, float(c) if c else None) for s, at, c in rows)
    only = exported(tmp_path / "d", "--sensor", "fridge-03/load")
    assert {row[0] for row in only} == {"fridge-03/load"}
    # Another file in the same folder brings another sensor, beside those that are there.
    other = tmp_path / "other.csv"
    other.write_text("time,celsius\n1657195200,3.5\n")
    more = (
        "--appliances",
        "0",
        "--replay",
        str(other),
        "--until-replayed",
        "--json",
        "--dir",
        str(tmp_path / "d"),
    )
    assert last_json(coldchain("demo", *more))["readings_recorded"] == 121
    assert exported(tmp_path / "d", "--sensor", "other") == [["other", "2022-07-07T12:00:00Z", "3.5"]]


def test_the_celsi_export_comes_out_as_it_went_in(records: Path, tmp_path: Path) -> None:
    file = records / "celsi-freezer" / "CELSI-raw-data-reports.csv.gz"
    with gzip.open(file, "rt", encoding="utf-8-sig") as lines:
        theirs = [
            (row["ISOdateTime"].replace(".000Z", "Z"), float(row["Temperature"]))
            for row in csv.DictReader(lines)
        ]
    run = coldchain(
        "demo",
        "--appliances",
        "0",
        "--replay",
        str(file),
        "--until-replayed",
        "--json",
        "--dir",
        str(tmp_path / "d"),
    )
    books = last_json(run)
    assert books["readings_recorded"] == len(theirs) == 20_186
    assert books["notices_sent"] == 0
    assert [(at, float(celsius)) for _, at, celsius in exported(tmp_path / "d")] == sorted(theirs)
