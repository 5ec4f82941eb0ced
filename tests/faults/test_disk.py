# SPDX-License-Identifier: Apache-2.0
"""The disk fails us: full, refusing to sync, or giving back other bytes than were written."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rig.programs import need

from coldchain.kernel.errors import StoreUnavailable
from coldchain.kernel.link import Batch
from coldchain.kernel.readings import SPOOLED
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Registry, Sensor
from coldchain.settings import Settings
from coldchain.wiring.sound import damage, make_sound
from gateway.codecs.frames import Report
from gateway.intake import Arrival
from gateway.spool import open_spool, read_accounts
from ingest.journal import SqliteJournal

ROOT = Path(__file__).parents[2]
T0 = 1_700_000_000_000
SENSORS = 20
REGISTRY = Registry(sensors=tuple(Sensor(id=f"s/{c}", node="n", channel=c) for c in range(SENSORS)))


def batch(number: int) -> Batch:
    rows = np.zeros(SENSORS, SPOOLED)
    rows["channel"], rows["quantity"], rows["seq"] = np.arange(SENSORS), 1, number
    rows["at_ms"] = rows["gateway_ms"] = T0 + 1_000 * number
    rows["value"] = 4_000 + np.arange(SENSORS) + 37 * number % 999
    low = SENSORS * number + 1
    return Batch("gw", "e", [(low, low + SENSORS - 1)], [("n", 1)], rows)


def filled(folder: Path, batches: int = 150) -> Settings:
    settings = Settings(data_dir=folder)
    journal = SqliteJournal(settings.readings_db)
    journal.rewire(REGISTRY)
    for number in range(batches):
        journal.record([batch(number)], T0 + 1_000 * number)
    journal.close()
    return settings


def values(settings: Settings) -> dict[tuple[int, int], int]:
    """(sensor, seq) -> value, of every reading in the record."""
    reader, found = JournalReader(settings.readings_db), {}
    for channel in range(SENSORS):
        for row in reader.readings(f"s/{channel}", -(2**62), 2**62):
            found[channel, int(row["seq"])] = int(row["value"])
    reader.close()
    return found


# --- other bytes than were written


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_record_is_set_aside_and_what_can_be_read_goes_on(tmp_path: Path, seed: int) -> None:
    settings, dice = filled(tmp_path), random.Random(seed)
    before, path = values(settings), settings.readings_db
    with sqlite3.connect(path) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'log'").fetchone()
        pages = [
            p for (p,) in db.execute("SELECT pageno FROM dbstat WHERE name = 'log' AND pageno != ?", (root,))
        ]
    data = bytearray(path.read_bytes())
    page = dice.choice(pages) if pages else root
    start = (page - 1) * 1024
    data[start : start + 1024] = dice.randbytes(1024)
    path.write_bytes(data)
    if damage(path) is None:
        pytest.skip("the page held nothing that SQLite checks")

    make_sound("ingest", settings)

    assert damage(path) is None
    assert len(list(tmp_path.glob("readings.db.damaged-*[0-9]"))) == 1
    after = values(settings)
    assert len(after) > len(before) // 4, "most of it can be read"
    assert {name: before[name] for name in after} == after, "nothing altered, nothing invented"
    with sqlite3.connect(path) as db:
        (lost,) = db.execute("SELECT readings FROM gap WHERE reason = 'record-damaged'").fetchone()
    assert lost == len(before) - len(after), "what is missing is counted"
    journal = SqliteJournal(path)  # and it goes on, giving no position twice
    journal.rewire(REGISTRY)
    assert journal.position == 150
    journal.record([batch(150)], T0)
    assert journal.position == 151
    journal.close()


def test_a_record_beyond_mending_says_so_and_is_left_alone(tmp_path: Path) -> None:
    settings = filled(tmp_path, 5)
    data = b"\xff" * 4096 + settings.readings_db.read_bytes()[4096:]
    settings.readings_db.write_bytes(data)
    with pytest.raises(StoreUnavailable, match="restore"):
        make_sound("ingest", settings)
    assert settings.readings_db.read_bytes() == data


def test_damaged_alarms_begin_anew(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    settings.alarms_db.write_bytes(b"no database" * 1000)
    make_sound("alerts", settings)
    assert not settings.alarms_db.exists()
    assert len(list(tmp_path.glob("alarms.db.damaged-*[0-9]"))) == 1


def test_sound_stores_are_not_touched(tmp_path: Path) -> None:
    settings = filled(tmp_path, 3)
    before = settings.readings_db.read_bytes()
    for name in ("ingest", "alerts", "gateway", "console"):
        make_sound(name, settings)
    assert settings.readings_db.read_bytes() == before
    assert list(tmp_path.glob("*.damaged-*")) == []


# --- full


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KB."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no tmpfs may be mounted here: {done.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_of_the_hub_receipts_nothing_it_has_not(small_disk: Path) -> None:
    settings = Settings(data_dir=small_disk)
    ballast = small_disk / "ballast"
    journal = SqliteJournal(settings.readings_db)
    journal.rewire(REGISTRY)
    ballast.write_bytes(bytes(100_000))
    receipted, number = 0, 0
    with pytest.raises(sqlite3.OperationalError, match="full"):  # noqa: PT012 -- it fills up
        while True:
            receipted += len(journal.record([batch(number)], T0)) * SENSORS
            number += 1
    journal.db.close()
    assert receipted > 0

    ballast.unlink()  # somebody made room, and the process was started again
    journal = SqliteJournal(settings.readings_db)
    journal.rewire(REGISTRY)
    journal.record([batch(number)], T0)
    journal.close()
    assert len(values(settings)) == receipted + SENSORS


def report(seq: int) -> Report:
    return Report("n", 1, seq, 0, 0, 0, 0, tuple((c, 1, 0, seq) for c in range(50)))


class Way:
    """Somebody to be answered."""


def test_a_full_disk_of_the_gateway_acknowledges_nothing_it_has_not(small_disk: Path) -> None:
    ballast, path = small_disk / "ballast", small_disk / "spool.db"
    spool = open_spool(path, max_bytes=10**9, new_epoch=lambda: "e", wall_ms=lambda: T0)
    ballast.write_bytes(bytes(60_000))
    acked, seq, way = 0, 0, Way()
    with pytest.raises(sqlite3.OperationalError, match="full"):  # noqa: PT012 -- it fills up
        while True:
            with spool.change():
                spool.accept([Arrival(report(seq), T0, way)], [], 0.0)  # type: ignore[arg-type]
            acked += 1
            seq += 1
    ballast.unlink()
    with spool.change():  # the same report comes again, as it was not acknowledged
        again = spool.accept([Arrival(report(seq), T0, way)], [], 0.0)  # type: ignore[arg-type]
    spool.close()
    assert acked > 0
    assert again.duplicates == 0
    epoch, accepted, pending = read_accounts(path)
    assert (epoch, accepted, len(pending)) == ("e", 50 * (acked + 1), 50 * (acked + 1))


# --- fsync that fails

CHILD = """
import json, sys
from pathlib import Path
sys.path.insert(0, {root!r}); sys.path.insert(0, {here!r})
from test_disk import REGISTRY, SENSORS, T0, batch
from ingest.journal import SqliteJournal

journal = SqliteJournal(Path({path!r}))
journal.rewire(REGISTRY)
print("open", flush=True)
for number in range(int(sys.argv[1]), 400):
    journal.record([batch(number)], T0)
    print(number, flush=True)
"""


SYNC_FAILS = "fdatasync,fsync:error=EIO"
READ_ONLY = "pwrite64,ftruncate:error=EROFS"
"""What a file system does that was mounted read-only under the process, after errors of the device."""


@pytest.mark.parametrize(
    ("what", "nth"), [(SYNC_FAILS, 9), (SYNC_FAILS, 14), (SYNC_FAILS, 23), (READ_ONLY, 150), (READ_ONLY, 300)]
)
def test_when_the_disk_refuses_the_process_ends_and_what_it_said_is_there(
    tmp_path: Path, what: str, nth: int
) -> None:
    need("strace")
    settings = Settings(data_dir=tmp_path)
    code = CHILD.format(root=str(ROOT), here=str(Path(__file__).parent), path=str(settings.readings_db))
    calls = what.partition(":")[0]
    command = [
        "strace",
        "-f",
        "-qq",
        "-o",
        os.devnull,
        "-e",
        f"trace={calls}",
        "-e",
        f"inject={what}:when={nth}+",
    ]
    done = subprocess.run(
        [*command, sys.executable, "-c", code, "0"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/tests/support"},
    )
    if "ptrace" in done.stderr.lower() and "permitted" in done.stderr.lower():
        pytest.skip("strace may not trace here")
    said = [line for line in done.stdout.split() if line.isdigit()]
    assert done.returncode != 0, "a failed write or sync is never passed over"
    assert "disk I/O error" in done.stderr or "readonly" in done.stderr
    assert said or what == SYNC_FAILS, "it had begun"

    journal = SqliteJournal(settings.readings_db)
    journal.rewire(REGISTRY)
    missing = [int(n) for n in said if journal.counters["journalled"] < SENSORS * (int(n) + 1)]
    assert missing == [], "committed, said, and gone"
    number = journal.counters["journalled"] // SENSORS
    journal.record([batch(number)], T0)  # goes on after a restart
    journal.close()
    assert len(values(settings)) == SENSORS * (number + 1)
    print(json.dumps({"nth": nth, "committed": len(said)}))
