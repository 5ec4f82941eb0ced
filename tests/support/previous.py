# SPDX-License-Identifier: Apache-2.0
"""Files that the version before wrote, laid out as an installation's data folder."""

from __future__ import annotations

import hashlib
import json
import lzma
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.desk_schema import DESK_MIGRATIONS
from coldchain.records.journal import JournalReader
from coldchain.records.readings_schema import READINGS_MIGRATIONS
from coldchain.records.sql import Migrations
from coldchain.settings import GatewaySettings, MqttSettings, Settings
from gateway.spool_file import MIGRATIONS as SPOOL_MIGRATIONS

ROOT = Path(__file__).parents[1] / "data" / "previous"
VERSIONS = sorted(path.name for path in ROOT.iterdir() if path.is_dir())
STORES: dict[str, Migrations] = {
    "alarms": ALARMS_MIGRATIONS,
    "desk": DESK_MIGRATIONS,
    "readings": READINGS_MIGRATIONS,
    "spool": SPOOL_MIGRATIONS,
}


def expected(version: str) -> dict[str, Any]:
    """What that version itself said of them."""
    said: dict[str, Any] = json.loads((ROOT / version / "expected.json").read_text(encoding="utf-8"))
    return said


def lay(version: str, folder: Path) -> Settings:
    """Its files in `folder`; settings that run on them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in STORES:
        (folder / f"{name}.db").write_bytes(lzma.decompress((ROOT / version / f"{name}.db.xz").read_bytes()))
    gateway = GatewaySettings(id="gw-demo", mqtt_nodes=False)
    return Settings(data_dir=folder, gateway=gateway, mqtt=MqttSettings(port=1))


def readings(settings: Settings, sensors: list[str]) -> dict[str, list[Any]]:
    """Sensor -> count and hash, as in expected.json."""
    reader = JournalReader(settings.readings_db)
    found: dict[str, list[Any]] = {}
    for sensor in sensors:
        rows = reader.readings(sensor, 0, 2**53)
        plain = [[int(r["at_ms"]), int(r["value"]), int(r["status"]), int(r["flags"])] for r in rows]
        if plain:
            digest = hashlib.sha256(json.dumps(plain).encode()).hexdigest()[:16]
            found[sensor] = [len(plain), digest]
    return found


def one(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query, read-only."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()
