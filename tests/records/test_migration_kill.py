# SPDX-License-Identifier: Apache-2.0
"""A migration killed at any of its statements is whole or not begun, and is finished by the next start."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from coldchain.records.sql import open_writer, statements

ROOT = Path(__file__).parents[2]
FIRST = "CREATE TABLE reading (id INTEGER PRIMARY KEY, value INTEGER NOT NULL);"
SECOND = """
ALTER TABLE reading ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;
CREATE TABLE kept (id INTEGER PRIMARY KEY, value INTEGER NOT NULL);
INSERT INTO kept SELECT id, value FROM reading;
UPDATE reading SET flags = 1;
CREATE INDEX kept_value ON kept (value);
"""
CHILD = f"""
import os, sys
from pathlib import Path
from coldchain.records import sql

true, n = sql.statements, int(sys.argv[2])

def statements(script):
    for number, statement in enumerate(true(script)):
        if number == n:
            os.kill(os.getpid(), 9)
        yield statement
    if n == -1:
        os.kill(os.getpid(), 9)

sql.statements = statements
sql.open_writer(Path(sys.argv[1]), [{FIRST!r}, {SECOND!r}])
"""


@pytest.mark.parametrize("at", [0, 1, 2, 3, 4, -1])
def test_killed_at_a_statement(tmp_path: Path, at: int) -> None:
    path = tmp_path / "some.db"
    db = open_writer(path, [FIRST])
    db.executemany("INSERT INTO reading VALUES (?, ?)", [(n, 10 * n) for n in range(50)])
    db.close()
    assert len(list(statements(SECOND))) == 5

    killed = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), str(at)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert killed.returncode == -9

    with sqlite3.connect(path) as half:
        (version,) = half.execute("PRAGMA user_version").fetchone()
        tables = {name for (name,) in half.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    half.close()
    assert (version, tables) == (1, {"reading"}), "nothing of it, not half"

    db = open_writer(path, [FIRST, SECOND])
    assert db.execute("PRAGMA user_version").fetchone() == (2,)
    assert db.execute("SELECT count(*), sum(value) FROM kept").fetchone() == (50, 12_250)
    assert db.execute("SELECT min(flags) FROM reading").fetchone() == (1,)
    db.close()
