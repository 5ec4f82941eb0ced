# SPDX-License-Identifier: Apache-2.0
"""A restore rehearsal: backed up while readings arrive and alarms are judged, the disk lost, brought back."""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest

from alerts.service import AlertService
from coldchain.kernel.errors import BadData
from coldchain.kernel.link import Batch
from coldchain.kernel.readings import SPOOLED
from coldchain.records.backup import MANIFEST, BackupUnsound, backup, restore, verify
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Appliance, Assignment, Desk, Registry, Sensor, Site
from coldchain.settings import Settings
from gateway.spool import open_spool
from ingest.journal import SqliteJournal
from ingest.sealing import Sealer, Windows

MINUTE = 60_000
T0 = 1_700_000_000_000
REGISTRY = Registry(
    sites=(Site(id="s", name="S"),),
    appliances=(Appliance(id="a", name="A", site="s", assignments=(Assignment(carries="red-cells@eu"),)),),
    sensors=(Sensor(id="a/load", appliance="a", probe="load", node="n", channel=0),),
)


def batch(number: int) -> Batch:
    """One reading a minute; from the tenth on it is too warm."""
    rows = np.zeros(1, SPOOLED)
    rows["quantity"], rows["seq"], rows["clock"] = 1, number, 0
    rows["at_ms"] = rows["gateway_ms"] = T0 + MINUTE * number
    rows["value"] = 4_000 if number < 10 else 9_000
    return Batch("gw", "e", [(number + 1, number + 1)], [("n", 1)], rows)


class Installation:
    """Journal, alerts and desk on one folder, driven by hand."""

    def __init__(self, folder: Path) -> None:
        self.settings, self.now_ms, self.next = Settings(data_dir=folder), T0, 0
        if not self.settings.desk_db.exists():
            desk = Desk(self.settings.desk_db, lambda: T0)
            desk.publish(REGISTRY, author="test", reason="test")
            desk.close()
        self.journal = SqliteJournal(self.settings.readings_db)
        self.journal.rewire(REGISTRY)
        self.alerts = AlertService(
            self.settings, None, wall_ms=lambda: self.now_ms, steady_s=lambda: self.now_ms / 1000
        )

    def go_on(self, until: int) -> None:
        while self.next < until:
            self.now_ms = T0 + MINUTE * self.next + 1_000
            self.journal.record([batch(self.next)], self.now_ms)
            self.alerts.tick()
            self.next += 1

    def tidy(self) -> None:
        """Seal everything, and take out of the log what alerts has saved."""
        self.alerts._save()
        sealer = Sealer(self.journal, Windows(MINUTE, 0))
        for _ in sealer.steps(2**50):
            pass
        (position,) = self.alerts._store.db.execute("SELECT position FROM engine").fetchone()
        for _ in sealer.remove(position):
            pass

    def close(self) -> None:
        self.alerts.close()
        self.journal.close()

    def alarms(self) -> list[tuple[str, int]]:
        with sqlite3.connect(self.settings.alarms_db) as db:
            return db.execute(
                "SELECT appliance, since_ms FROM alarm WHERE kind = 'high' ORDER BY id"
            ).fetchall()

    def values(self) -> list[int]:
        rows = JournalReader(self.settings.readings_db).readings("a/load", -(2**62), 2**62)
        return [int(value) for value in rows["value"]]


@pytest.mark.parametrize("tidied", [False, True])
def test_after_a_restore_everything_goes_on_where_the_backup_stood(tmp_path: Path, tidied: bool) -> None:
    whole = Installation(tmp_path / "never-lost")
    whole.go_on(40)
    whole.close()

    first = Installation(tmp_path / "live")
    first.go_on(12)  # too warm for two minutes: the on-delay runs
    if tidied:
        first.tidy()
    manifest = backup(tmp_path / "live", tmp_path / "backup", 7)
    first.go_on(14)
    first.close()
    assert manifest["files"]["readings.db"]["recorded"] == 12
    assert verify(tmp_path / "backup") == manifest

    restore(tmp_path / "backup", tmp_path / "new")
    second = Installation(tmp_path / "new")
    assert second.values() == first.values()[:12]
    second.next = 12  # gateways send again what was never receipted
    second.go_on(40)
    second.close()

    assert second.values() == whole.values()
    assert second.alarms() == whole.alarms() == [("a", T0 + 10 * MINUTE)]


def test_a_backup_taken_while_a_writer_writes_is_one_moment(tmp_path: Path) -> None:
    live = Installation(tmp_path / "live")
    live.go_on(3)
    stop, number = threading.Event(), [3]

    def write() -> None:
        while not stop.is_set():
            live.journal.record([batch(number[0])], T0)
            number[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = [backup(tmp_path / "live", tmp_path / f"b{n}", n)["files"]["readings.db"] for n in range(5)]
    finally:
        stop.set()
        writer.join()
    live.close()
    for n, said in enumerate(found):
        verify(tmp_path / f"b{n}")
        reader = JournalReader(tmp_path / f"b{n}" / "readings.db")
        assert len(reader.readings("a/load", -(2**62), 2**62)) == said["recorded"]
    assert [said["recorded"] for said in found] == sorted({said["recorded"] for said in found})


@pytest.mark.parametrize("at", [0.0, 0.3, 0.6, 0.99])
def test_any_changed_byte_is_found(tmp_path: Path, at: float) -> None:
    live = Installation(tmp_path / "live")
    live.go_on(20)
    live.close()
    backup(tmp_path / "live", tmp_path / "b", 1)
    path = tmp_path / "b" / "readings.db"
    spoilt = bytearray(path.read_bytes())
    spoilt[int(at * len(spoilt))] ^= 0x10
    path.write_bytes(spoilt)
    with pytest.raises(BackupUnsound, match=r"readings\.db"):
        restore(tmp_path / "b", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_alarms_ahead_of_the_journal_are_no_backup(tmp_path: Path) -> None:
    """Mixed from two nights: alerts would pass over readings that take numbers it has judged."""
    live = Installation(tmp_path / "live")
    live.go_on(5)
    backup(tmp_path / "live", tmp_path / "early", 1)
    live.go_on(20)
    live.alerts._save()
    backup(tmp_path / "live", tmp_path / "later", 2)
    live.close()
    mixed = tmp_path / "early"
    (mixed / "alarms.db").write_bytes((tmp_path / "later" / "alarms.db").read_bytes())
    manifest = json.loads((mixed / MANIFEST).read_text())
    manifest["files"]["alarms.db"] = json.loads((tmp_path / "later" / MANIFEST).read_text())["files"][
        "alarms.db"
    ]
    (mixed / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BackupUnsound, match="alerts has judged up to"):
        verify(mixed)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    live = Installation(tmp_path / "live")
    live.go_on(2)
    backup(tmp_path / "live", tmp_path / "b", 1)
    with pytest.raises(BadData, match="not empty"):
        backup(tmp_path / "live", tmp_path / "b", 2)
    with pytest.raises(BadData, match="restore into an empty folder"):
        restore(tmp_path / "b", tmp_path / "live")
    live.close()


def test_a_restored_spool_never_gives_a_number_twice(tmp_path: Path) -> None:
    def spool(folder: Path) -> str:
        opened = open_spool(
            folder / "spool.db", max_bytes=10**7, new_epoch=lambda: "first", wall_ms=lambda: 1
        )
        epoch = opened.epoch
        opened.close()
        return epoch

    (tmp_path / "live").mkdir()
    assert spool(tmp_path / "live") == "first"
    backup(tmp_path / "live", tmp_path / "b", 1)
    restore(tmp_path / "b", tmp_path / "new", lambda: "second")
    assert spool(tmp_path / "new") == "second"
