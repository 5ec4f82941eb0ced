# SPDX-License-Identifier: Apache-2.0
"""What the record takes: bytes a reading on disk, bytes written to get there, and a year's chart."""

import tempfile
import time
from pathlib import Path

import numpy as np

from coldchain.kernel.link import Batch
from coldchain.kernel.readings import SPOOLED
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Registry, Sensor
from ingest.journal import SqliteJournal
from ingest.sealing import Sealer, Windows

T0 = 1_700_006_400_000 // 21_600_000 * 21_600_000
MINUTE_MS = 60_000
FLEET = 243


def written() -> int:
    """Bytes this process has caused to be written to disk (0 where the system does not tell, or on tmpfs)."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    return 0


class Fleet:
    """Readings a minute apart with a second of jitter, DS18B20-like noise, gateway and link delays."""

    def __init__(self, sensors: int, folder: Path, *, probe_step: float) -> None:
        self.n, self._rng, self._step = sensors, np.random.default_rng(1), probe_step
        self.journal = SqliteJournal(folder / "readings.db")
        self.path = folder / "readings.db"
        found = tuple(Sensor(id=f"s-{i}/load", node=f"n-{i}", channel=0) for i in range(sensors))
        self.journal.rewire(Registry(sensors=found))
        self.nodes = [(f"n-{i}", 1) for i in range(sensors)]
        self.phase = self._rng.uniform(0, 6, sensors)
        self.link = 1

    def minutes(self, first: int, count: int) -> np.ndarray:
        """Rows of `count` minutes of all sensors, in the order of their instants."""
        minute = np.repeat(np.arange(first, first + count), self.n)
        sensor = np.tile(np.arange(self.n), count)
        rows = np.zeros(len(minute), SPOOLED)
        rows["node"], rows["seq"], rows["quantity"], rows["clock"] = sensor, minute, 1, 2
        spread = sensor * MINUTE_MS // self.n
        rows["at_ms"] = rows["device_ms"] = (
            T0 + minute * MINUTE_MS + spread + self._rng.integers(0, 1_000, len(minute))
        )
        rows["gateway_ms"] = rows["at_ms"] + self._rng.integers(5, 60, len(minute))
        rows["uptime_ms"] = rows["at_ms"] - T0 + 77_000
        curve = 4_000 + 800 * np.sin(minute / 7 + self.phase[sensor]) + self._rng.normal(0, 25, len(minute))
        rows["value"] = np.round(np.round(curve / self._step) * self._step)
        return rows[np.argsort(rows["at_ms"], kind="stable")]

    def record(self, rows: np.ndarray, size: int) -> None:
        """In commits of `size`, arriving within a second of their last reading."""
        for first in range(0, len(rows), size):
            part = rows[first : first + size]
            batch = Batch("gw-1", "e1", [(self.link, self.link + len(part) - 1)], self.nodes, part)
            self.link += len(part)
            self.journal.record([batch], int(part["at_ms"].max()) + int(self._rng.integers(60, 1_060)))

    def seal(self, now_ms: int) -> float:
        """Seal and remove; the longest step [ms]."""
        sealer, longest = Sealer(self.journal, Windows()), 0.0
        for steps in (sealer.steps(now_ms), sealer.remove(2**40)):
            began = time.perf_counter()
            for _ in steps:
                longest = max(longest, time.perf_counter() - began)
                began = time.perf_counter()
        return 1e3 * longest

    def used_bytes(self) -> int:
        """Pages in use, log and indexes included."""
        db = self.journal.db
        (pages,), (free,) = (
            db.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count")
        )
        (size,) = db.execute("PRAGMA page_size").fetchone()
        return int((pages - free) * size)


def stored(probe_step: float, name: str) -> None:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        fleet = Fleet(FLEET, Path(folder), probe_step=probe_step)
        empty = fleet.used_bytes()
        days, n = 2, 0
        longest, wrote = 0.0, written()
        for window in range(days * 4):
            rows = fleet.minutes(window * 360, 360)
            fleet.record(rows, 250)
            n += len(rows)
            longest = max(longest, fleet.seal(T0 + (window + 1) * 21_600_000 + 1_800_000))
        fleet.journal.checkpoint()
        fleet.journal.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        wrote = written() - wrote
        size = (fleet.used_bytes() - empty) / n
        print(f"{name}: {n:,} readings of {FLEET} sensors, 1 s of jitter")
        print(f"    stored  {size:6.2f} bytes a reading, provenance included ({size / 6:.2f} of 6)")
        each = wrote / n
        print(f"    written {each:6.1f} bytes a reading at 250 a commit, sealed ({each / 200:.2f} of 200)")
        print(f"    that is {each * 4 * 86_400 / 1e9:6.3f} GB a day at 4 readings/s")
        print(f"    longest sealing step {longest:.0f} ms")
        fleet.journal.close()


def small_commits() -> None:
    """As it is with 243 sensors at one minute and a commit a second: four readings a commit."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        fleet = Fleet(FLEET, Path(folder), probe_step=1)
        rows = fleet.minutes(0, 40)
        wrote = written()
        fleet.record(rows, 4)
        fleet.seal(T0 + 10 * 21_600_000)
        fleet.journal.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        each = (written() - wrote) / len(rows)
        a_day = each * 4 * 86_400 / 1e9
        print(f"4 readings a commit: {each:,.0f} bytes written a reading, {a_day:.2f} GB a day at 4/s")
        fleet.journal.close()


def a_years_chart() -> None:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        fleet = Fleet(1, Path(folder), probe_step=62.5)
        year = 365 * 1_440
        for first in range(0, year, 14_400):
            fleet.record(fleet.minutes(first, min(14_400, year - first)), 5_000)
            fleet.seal(2**50)
        reader = JournalReader(fleet.path)
        times = []
        for _ in range(7):
            began = time.perf_counter()
            _, _, _, n = reader.min_max("s-0/load", T0, T0 + year * MINUTE_MS, 500)
            times.append(time.perf_counter() - began)
        cpu = time.process_time()
        reader.min_max("s-0/load", T0, T0 + year * MINUTE_MS, 500)
        cpu = time.process_time() - cpu
        # the last readings' jitter may put one over the end of the year
        assert year - 1 <= n.sum() <= year
        best = 1e3 * min(times)
        print(f"a year, {n.sum():,} readings as 500 min/max points: {best:.0f} ms ({best / 50:.2f} of 50),")
        print(f"    CPU {1e3 * cpu:.0f} ms")
        reader.close()
        fleet.journal.close()


def main() -> None:
    stored(62.5, "probe of 1/16 K (DS18B20)")
    stored(1.0, "probe of 1/1000 K, 25 mK of noise")
    small_commits()
    a_years_chart()


def test_bench_storage() -> None:
    main()


if __name__ == "__main__":
    main()
