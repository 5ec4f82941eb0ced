# SPDX-License-Identifier: Apache-2.0
"""What the version before wrote is read, migrated and gone on with; nothing is lost, nothing told twice."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import previous
import pytest
from previous import STORES, VERSIONS

from alerts.service import AlertService
from coldchain.kernel.audit import Head
from coldchain.kernel.errors import SchemaTooNew
from coldchain.kernel.link import Batch
from coldchain.records.alarms import AlarmsReader
from coldchain.records.audit import check, head_of
from coldchain.records.backup import backup, restore, verify
from coldchain.records.registry import RegistryReader, bring_up
from coldchain.records.sql import open_reader, open_writer, statements
from coldchain.settings import Settings
from gateway.spool import Spool, open_spool, read_accounts
from ingest.journal import SqliteJournal

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def opened(settings: Settings) -> Spool:
    return open_spool(settings.spool_db, max_bytes=10**9, new_epoch=lambda: "new", wall_ms=lambda: 1)


def migrate(settings: Settings) -> None:
    for name, migrations in STORES.items():
        page = 1024 if name in {"readings", "spool"} else 4096
        open_writer(settings.data_dir / f"{name}.db", migrations, page_bytes=page).close()


def last_ms(settings: Settings) -> int:
    return int(previous.one(settings.readings_db, "SELECT max(arrived_ms) FROM log")[0][0])


def test_every_store_is_read_and_says_what_it_said(version: str, tmp_path: Path) -> None:
    settings, said = previous.lay(version, tmp_path), previous.expected(version)
    for name in STORES:
        ((was,),) = previous.one(tmp_path / f"{name}.db", "PRAGMA user_version")
        assert was == said["format"][name], "the fixture itself"
    migrate(settings)
    registries = RegistryReader(settings.desk_db)
    registries.refresh()
    assert registries.version == said["registry"]["version"]
    assert [a.id for a in registries.registry.appliances] == said["registry"]["appliances"]
    sensors = [sensor.id for sensor in registries.registry.sensors]
    assert previous.readings(settings, sensors) == said["readings"]
    epoch, accepted, pending = read_accounts(settings.spool_db)
    assert [epoch, accepted, [list(p) for p in pending.pairs()]] == list(said["spool"].values())
    alarms = {a.number: a for a in AlarmsReader(settings.alarms_db).alarms()}
    for number, id_, kind, severity, state, since_ms, raised_ms, by in said["alarms"]:
        alarm = alarms.pop(number)
        assert (alarm.id, alarm.kind, str(alarm.severity), alarm.since_ms) == (id_, kind, severity, since_ms)
        assert (str(alarm.state), alarm.raised_ms, alarm.acknowledged_by) == (state, raised_ms, by)
    assert alarms == {}
    assert previous.one(settings.alarms_db, "SELECT count(*) FROM notice") == [(said["notices"],)]


def test_the_audit_chain_goes_on_through_the_migration(version: str, tmp_path: Path) -> None:
    """What a gateway was told before the upgrade is still the same entry after it."""
    settings = previous.lay(version, tmp_path)
    anchors = {}
    for chain in ("alarms", "desk"):
        sql = "SELECT number, hash FROM audit WHERE hash IS NOT NULL ORDER BY number DESC LIMIT 1"
        ((number, hash_),) = previous.one(tmp_path / f"{chain}.db", sql)
        anchors[chain] = {int(number): bytes(hash_)}
    migrate(settings)
    for chain, known in anchors.items():
        path = tmp_path / f"{chain}.db"
        assert isinstance(check(path, chain, known), Head)
        assert head_of(path, chain).number >= max(known)
    wrong = {number: bytes(32) for number in anchors["desk"]}
    assert not isinstance(check(tmp_path / "desk.db", "desk", wrong), Head), "and a false anchor is seen"


class Upgraded:
    """The present code on the previous version's files, driven by hand."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        bring_up(settings.desk_db)
        self.now_ms = last_ms(settings) + 1_000
        self.journal = SqliteJournal(settings.readings_db)
        registries = RegistryReader(settings.desk_db)
        registries.refresh()
        self.registry = registries.registry
        self.journal.rewire(self.registry)
        self.alerts = AlertService(
            settings, None, wall_ms=lambda: self.now_ms, steady_s=lambda: self.now_ms / 1000
        )

    def rounds(self, count: int) -> None:
        for _ in range(count):
            self.now_ms += 1_000
            self.alerts.tick()

    def send_spool(self) -> int:
        """What the link does: a batch, a receipt, and it is forgotten. Returns the readings sent."""
        spool = opened(self.settings)
        with spool.change():
            found, nodes, rows = spool.read(spool.pending.pairs())
        (receipt,) = self.journal.record([Batch("gw-demo", spool.epoch, found, nodes, rows)], self.now_ms)
        assert receipt is not None
        with spool.change():
            spool.receipt([*receipt.recorded, *receipt.dead], receipt.gaps)
        left = len(spool.pending)
        spool.close()
        assert left == 0
        return len(rows)

    def close(self) -> None:
        self.alerts.close()
        self.journal.close()


def test_the_present_code_goes_on_and_loses_nothing(version: str, tmp_path: Path) -> None:
    settings, said = previous.lay(version, tmp_path), previous.expected(version)
    up = Upgraded(settings)
    waited = said["spool"]["accepted"] - sum(n for n, _ in said["readings"].values())
    up.rounds(3)
    assert up.send_spool() == waited > 0
    up.rounds(5)
    up.close()
    after = previous.readings(settings, [sensor.id for sensor in up.registry.sensors])
    assert sum(n for n, _ in after.values()) == said["spool"]["accepted"]
    counters = dict(previous.one(settings.readings_db, "SELECT name, value FROM counter"))
    assert counters["journalled"] == said["spool"]["accepted"]
    assert counters.get("duplicates", 0) == 0
    alarms = {a.id: a for a in AlarmsReader(settings.alarms_db).alarms()}
    assert {row[1] for row in said["alarms"]} <= alarms.keys(), "none is forgotten, none has another name"
    kinds = [(a.kind, a.sensor) for a in alarms.values()]
    assert len(kinds) == len(set(kinds)), "and none is raised a second time"
    ((position, judged),) = previous.one(settings.alarms_db, "SELECT position, judged FROM engine")
    assert judged > said["judged"]
    assert position >= said["position"], "the checkpoint was taken up, not begun anew"


def test_the_engines_checkpoint_is_taken_up(version: str, tmp_path: Path) -> None:
    """Its excursion goes on where it stood: with a checkpoint thrown away it would begin anew."""
    settings, said = previous.lay(version, tmp_path), previous.expected(version)
    up = Upgraded(settings)
    state = up.alerts._at.state
    heard = int((state.table["at"] > 0).sum())
    standing = int(state.table["standing"].sum())
    up.close()
    temperatures = [name for name in said["readings"] if name.endswith(("/load", "/air"))]
    assert heard >= len(temperatures)
    assert standing >= 1


def test_a_backup_of_the_version_before_is_restored_and_goes_on(version: str, tmp_path: Path) -> None:
    previous.lay(version, tmp_path / "old")
    made = backup(tmp_path / "old", tmp_path / "backup", 1)
    assert verify(tmp_path / "backup") == made
    restore(tmp_path / "backup", tmp_path / "new")
    settings = Settings(data_dir=tmp_path / "new")
    up = Upgraded(settings)
    up.send_spool()
    up.rounds(3)
    up.close()
    counters = dict(previous.one(settings.readings_db, "SELECT name, value FROM counter"))
    assert counters["journalled"] == previous.expected(version)["spool"]["accepted"]


CHILD = """
import os, signal, sys
from pathlib import Path
from coldchain.records import sql
from previous import STORES

name, script, at = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
true, begun = sql.statements, []

def statements(text):
    for number, statement in enumerate(true(text)):
        if STORES[name][script] == text and number == at:
            os.kill(os.getpid(), signal.SIGKILL)
        yield statement

sql.statements = statements
sql.open_writer(Path(sys.argv[1]), STORES[name])
"""


def schema(path: Path) -> list[tuple[Any, ...]]:
    return previous.one(path, "SELECT type, name, sql FROM sqlite_master ORDER BY type, name")


@pytest.mark.parametrize("name", STORES)
def test_a_migration_that_is_killed_is_resumed(version: str, name: str, tmp_path: Path) -> None:
    """SIGKILL halfway through each script that the version before has not seen, one after the other."""
    previous.lay(version, tmp_path / "whole")
    whole = tmp_path / "whole" / f"{name}.db"
    open_writer(whole, STORES[name]).close()
    todo = range(previous.expected(version)["format"][name], len(STORES[name]))
    previous.lay(version, tmp_path / "killed")
    path = tmp_path / "killed" / f"{name}.db"
    for script in todo:
        at = len(list(statements(STORES[name][script]))) // 2
        killed = subprocess.run(
            [sys.executable, "-c", CHILD, str(path), name, str(script), str(at)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
            check=False,
            capture_output=True,
        )
        assert killed.returncode == -9, killed.stderr
        assert previous.one(path, "PRAGMA user_version") == [(script,)], "that script not at all"
    open_writer(path, STORES[name]).close()
    assert schema(path) == schema(whole)
    for table in (row[1] for row in schema(whole) if row[0] == "table" and row[1] != "audit"):
        rows = f"SELECT * FROM {table}"
        assert previous.one(path, rows) == previous.one(whole, rows), table


@pytest.mark.parametrize("name", STORES)
def test_a_store_of_a_newer_version_is_refused_untouched(version: str, name: str, tmp_path: Path) -> None:
    settings = previous.lay(version, tmp_path)
    migrate(settings)
    path = tmp_path / f"{name}.db"
    newer = len(STORES[name]) + 1
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {newer}")
    words = f"{name}.db has format {newer}, this version reads up to {newer - 1}: install the version that"
    before = path.read_bytes()
    with pytest.raises(SchemaTooNew, match=words):
        open_writer(path, STORES[name])
    with pytest.raises(SchemaTooNew, match=words):
        open_reader(path, len(STORES[name]))
    opening = {
        "alarms": lambda: AlertService(settings, None),
        "desk": lambda: bring_up(settings.desk_db),
        "readings": lambda: SqliteJournal(settings.readings_db),
        "spool": lambda: opened(settings),
    }
    with pytest.raises(SchemaTooNew, match=words):
        opening[name]()
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.damaged-*")), "a newer file is not a broken one"


PAIRS = [("ingest", "readings"), ("alerts", "alarms"), ("gateway", "spool"), ("console", "desk")]


@pytest.mark.parametrize(("process", "name"), PAIRS)
def test_the_process_ends_with_that_word(version: str, process: str, name: str, tmp_path: Path) -> None:
    settings = previous.lay(version, tmp_path)
    with closing(sqlite3.connect(settings.data_dir / f"{name}.db")) as db:
        db.execute("PRAGMA user_version = 999")
    config = tmp_path / "coldchain.toml"
    config.write_text('data_dir = "."\n[mqtt]\nport = 1\n[console]\nport = 0\n')
    done = subprocess.run(
        [sys.executable, "-m", "coldchain.wiring.process", process, str(config)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 78, done.stderr
    assert f"{name}.db has format 999, this version reads up to" in done.stderr
