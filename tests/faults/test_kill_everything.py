# SPDX-License-Identifier: Apache-2.0
"""Every process is killed again and again while fifty sensors report; nothing acknowledged to a node is lost.

The oracles are at the far ends: the nodes' own ledger (what was acknowledged to them), the rows of
readings.db, and the simulated phones' inbox.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from coldchain.ports.clock import wall_ms
from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.health import beats
from coldchain.records.journal import JournalReader
from coldchain.records.readings_schema import READINGS_MIGRATIONS
from coldchain.records.sql import open_reader
from coldchain.wiring.demo.account import keep_books, pending
from coldchain.wiring.demo.plan import DemoPlan, write_settings
from coldchain.wiring.demo.run import Demo
from firmware_sim.firmware.ledger import read_ledger

SENSORS = 50
KILLS = 25
SEED = 20
PROCESSES = ("gateway", "ingest", "alerts", "console", "broker")
PAUSE_S = (0.3, 1.4)
"""Between two kills: shorter than a start-up, and longer."""
SETTLE_S = 90.0
EVERY_S, BACKFILL_S = 0.2, 400.0
"""250 readings a second, and a backlog that keeps every process busy while it is killed."""

Identity = tuple[str, int, int, int, int, int]
"""node, boot, seq, channel, value, instant."""


def restless(plan: DemoPlan) -> None:
    """Small batches, soon resent: as many commits, receipts and repetitions as can be had."""
    write_settings(plan)
    text = plan.config.read_text()
    hurry = "[gateway]\nbatch_linger = 0.1\nreceipt_timeout = 2\nbatch_readings = 100"
    plan.config.write_text(text.replace("[gateway]", hurry, 1))


def supervised_sleep(demo: Demo, seconds: float) -> None:
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        demo.supervisor.check()
        time.sleep(0.05)


def wait_for(demo: Demo, done: object, seconds: float) -> bool:
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        demo.supervisor.check()
        if done():  # type: ignore[operator]
            return True
        time.sleep(0.2)
    return False


def acknowledged(directory: Path) -> set[Identity]:
    """What the nodes were told they may forget."""
    entries = read_ledger(directory / "ledger.bin").acked_readings()
    return {(node, boot, seq, channel, value, at_ms) for node, boot, seq, channel, _, value, at_ms in entries}


def recorded(demo: Demo) -> Counter[Identity]:
    """Every reading of readings.db by its identity, and how often it is there."""
    reader = JournalReader(demo.settings.readings_db)
    nodes = reader.sources()
    found: Counter[Identity] = Counter()
    for sensor in demo.registry.sensors:
        rows = reader.readings(sensor.id, -(2**62), 2**62)
        for source, seq, value, at_ms in rows[["source", "seq", "value", "at_ms"]].tolist():
            node, boot = nodes[source]
            found[node, boot, seq, sensor.channel, value, at_ms] += 1
    return found


def figures(demo: Demo, name: str) -> dict[str, object]:
    return next((beat.figures for beat in beats(demo.settings.data_dir) if beat.name == name), {})


def settled(demo: Demo) -> bool:
    done = pending(demo.settings) == 0 and figures(demo, "alerts").get("behind", 1) == 0
    return done and figures(demo, "alerts").get("notices_due", 1) == 0


@pytest.mark.timeout(300)
def test_kills_lose_nothing_double_nothing_and_every_alarm_is_told(tmp_path: Path) -> None:
    plan = DemoPlan(
        directory=tmp_path,
        appliances=0,
        synthetic=SENSORS,
        synthetic_every_s=EVERY_S,
        synthetic_backfill_s=BACKFILL_S,
    )
    restless(plan)
    demo, dice = Demo(plan, lambda _: None), random.Random(SEED)
    demo.supervisor.start()
    try:
        assert wait_for(demo, lambda: figures(demo, "gateway").get("accepted"), 30), (
            "nothing was ever accepted"
        )
        killed: Counter[str] = Counter()
        while killed.total() < KILLS:
            supervised_sleep(demo, dice.uniform(*PAUSE_S))
            name = dice.choice(PROCESSES)
            pid = demo.supervisor.child(name).pid
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                killed[name] += 1
        supervised_sleep(demo, 3.0)
        demo.supervisor.stop("world")
        before_ms = wall_ms()
        assert wait_for(demo, lambda: settled(demo), SETTLE_S), keep_books(demo.settings, 0)
        drained_s = (wall_ms() - before_ms) / 1000
    finally:
        demo.supervisor.stop()

    told, kept = acknowledged(tmp_path), recorded(demo)
    dead = dead_letters(demo)
    print(
        f"\n{killed.total()} kills {dict(killed)}: {len(told)} readings acknowledged to nodes, "
        f"{kept.total()} recorded, {dead} dead-lettered, drained in {drained_s:.1f} s"
    )
    assert set(killed) == set(PROCESSES), f"seed {SEED} spared a process"
    assert len(told) > SENSORS * BACKFILL_S / EVERY_S, "the nodes should have delivered their backfill"
    assert dead == 0, "synthetic readings are all sound"
    assert told - set(kept) == set(), "acknowledged to a node, and not recorded"
    assert [identity for identity, times in kept.items() if times > 1] == [], "recorded twice"
    assert keep_books(demo.settings, 0).balanced
    alarms_were_told(demo, plan)


def dead_letters(demo: Demo) -> int:
    db = open_reader(demo.settings.readings_db, len(READINGS_MIGRATIONS))
    (count,) = db.execute("SELECT coalesce(sum(readings), 0) FROM dead_letter").fetchone()
    return int(count)


def alarms_were_told(demo: Demo, plan: DemoPlan) -> None:
    """One alarm for each node's first channel, which is too warm; and the phones name them all."""
    db = open_reader(demo.settings.alarms_db, len(ALARMS_MIGRATIONS))
    alarmed = {row[0] for row in db.execute("SELECT appliance FROM alarm WHERE kind = 'high'")}
    unsent = db.execute("SELECT alarm, state FROM notice WHERE state != 'sent'").fetchall()
    inbox = [json.loads(line)["text"] for line in plan.inbox.read_text().splitlines()]
    hot = {str(sensor.appliance) for sensor in demo.registry.sensors if sensor.channel == 0}
    assert alarmed == hot
    assert unsent == []
    untold = [name for name in sorted(hot) if not any(name in text for text in inbox)]
    assert untold == [], "alarms that no phone heard of"
