# SPDX-License-Identifier: Apache-2.0
"""The log keeps what anybody who follows it still needs."""

import json
from pathlib import Path

from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.sql import open_writer, transaction
from coldchain.settings import InfluxSettings, Settings
from ingest.consumers import alerts_position, consumed
from ingest.journal import SqliteJournal


def test_without_alerts_the_log_is_kept(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "readings.db")
    assert consumed(Settings(data_dir=tmp_path), journal) == 0
    journal.close()


def test_the_slowest_consumer_decides(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "readings.db")
    settings = Settings(data_dir=tmp_path)
    with transaction(open_writer(settings.alarms_db, ALARMS_MIGRATIONS)) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(engine)")]
        values = {"id": 1, "position": 40, "state": b"", "rules_digest": ""}
        row = [values.get(column, 0) for column in columns]
        db.execute(f"INSERT INTO engine VALUES ({','.join('?' * len(row))})", row)
    assert alerts_position(settings) == 40
    assert consumed(settings, journal) == 40
    with_influx = settings.model_copy(update={"influx": InfluxSettings(url="http://127.0.0.1:1")})
    assert consumed(with_influx, journal) == 0, "the projection has not begun"
    with transaction(journal.db):
        journal.set_cursor("influx", 25, json.dumps({}))
    assert consumed(with_influx, journal) == 25
    assert consumed(settings, journal) == 40, "without a projection its cursor holds nothing back"
    journal.close()


def test_an_unreadable_alarms_file_keeps_the_log(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    settings.alarms_db.write_bytes(b"not a database, but long enough to be looked at as one" * 40)
    assert alerts_position(settings) == 0
