# SPDX-License-Identifier: Apache-2.0
"""The chain with a real InfluxDB engine that goes away for a while: nothing missing, nothing doubled."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rig.influx import Influx

from coldchain.records.influx_names import READING
from coldchain.records.journal import JournalReader
from coldchain.wiring.demo.account import keep_books, pending
from coldchain.wiring.demo.plan import DemoPlan
from coldchain.wiring.demo.run import Demo

SENSORS = 20
AWAY_S = float(os.environ.get("COLDCHAIN_AWAY_S", "12"))
"""How long the engine is away; a minute by hand, less in the ordinary run."""


def until(demo: Demo, done: Callable[[], bool], seconds: float = 60) -> bool:
    deadline_s = time.monotonic() + seconds
    while time.monotonic() < deadline_s:
        demo.supervisor.check()
        if done():
            return True
        time.sleep(0.2)
    return False


@pytest.mark.timeout(240)
def test_an_outage_of_influxdb_leaves_no_trace_in_it(own_influx: Influx, tmp_path: Path) -> None:
    plan = DemoPlan(
        directory=tmp_path,
        appliances=0,
        synthetic=SENSORS,
        synthetic_backfill_s=120,
        influx_url=own_influx.url,
    )
    demo = Demo(plan, lambda _: None)
    demo.supervisor.start()
    try:
        assert until(demo, lambda: keep_books(demo.settings, 0).influx["points"] > 0), (
            "nothing reached InfluxDB"
        )
        own_influx.kill()
        assert keep_books(demo.settings, 0).influx["state"] == "down"
        until(demo, lambda: False, AWAY_S)
        own_influx.start()
        demo.supervisor.stop("world")
        assert until(demo, lambda: pending(demo.settings) == 0)
        expected = keep_books(demo.settings, 0).readings_recorded
        assert until(demo, lambda: counted(own_influx) >= expected), (counted(own_influx), expected)
    finally:
        demo.supervisor.stop()
    reader = JournalReader(demo.settings.readings_db)
    for sensor in demo.registry.sensors:
        rows = reader.readings(sensor.id, 0, 2**62)
        ours = sorted(zip(rows["at_ms"].tolist(), (rows["value"] / 1000).tolist(), strict=True))
        assert values(own_influx, sensor.id) == ours
    assert counted(own_influx) == expected


def counted(influx: Influx) -> int:
    rows = influx.query(f'SELECT count("value") FROM "{READING}"')
    return int(rows[0]["count"]) if rows else 0


def values(influx: Influx, sensor: str) -> list[tuple[int, float]]:
    rows = influx.query(f'SELECT "value" FROM "{READING}" WHERE "sensor" = \'{sensor}\'')
    return [(int(row["time"]), float(row["value"])) for row in rows]
