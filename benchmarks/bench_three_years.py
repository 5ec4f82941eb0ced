# SPDX-License-Identifier: Apache-2.0
"""A thousand appliances, three years of five-minute readings: the wall, and a year of one appliance.

`--years`, `--appliances`, `--folder DIR` (kept, and used again), `--asks`. The record is written straight, as
the program leaves it: two years in chunks of six hours (`ingest.keep_raw`), what is older as hourly figures,
the newest hours in the log. Twenty curves are encoded; each serves fifty appliances. Then the application is
asked as over HTTP, in one process, by one visitor, each time with something new in the record.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from console_client import Client, browsing  # noqa: E402 -- found by the path above

from alerts.store import AlarmStore  # noqa: E402
from coldchain.kernel.readings import JOURNALLED, Rows  # noqa: E402
from coldchain.kernel.words import ClockQuality  # noqa: E402
from coldchain.records.chunks import Chunk, make_chunk  # noqa: E402
from coldchain.records.registry import Appliance, Assignment, Desk, Registry, Sensor, Site  # noqa: E402
from coldchain.records.sql import transaction  # noqa: E402
from coldchain.settings import Settings  # noqa: E402
from dashboards.console.app import create_app  # noqa: E402
from ingest.history import History  # noqa: E402
from ingest.journal import SqliteJournal  # noqa: E402
from ingest.rollups import NO_HIGH, NO_LOW, Rule, roll  # noqa: E402

EVERY_MS, HOUR_MS, WINDOW_MS, DAY_MS = 300_000, 3_600_000, 21_600_000, 86_400_000
CURVES = 20
SITES = 40
UNSEALED_MS = 6 * HOUR_MS
PER_WRITE = 50


def registry(appliances: int) -> Registry:
    """Blood refrigerators, and every fifth a plasma freezer, at forty sites."""
    return Registry(
        sites=tuple(Site(id=f"s{n:02d}", name=f"Site {n}") for n in range(SITES)),
        appliances=tuple(
            Appliance(
                id=f"a{n:04d}", name=f"Refrigerator {n}", site=f"s{n % SITES:02d}",
                assignments=(Assignment(carries="plasma@eu" if n % 5 == 0 else "red-cells@eu"),),
            )
            for n in range(appliances)
        ),
        sensors=tuple(
            Sensor(
                id=f"a{n:04d}/load",
                appliance=f"a{n:04d}",
                probe="load",
                node=f"n{n:04d}",
                channel=0,
                every_s=300,
            )
            for n in range(appliances)
        ),
    )  # fmt: skip


def curve(number: int, start_ms: int, end_ms: int) -> Rows:
    """One series' readings: it cycles, drifts with the days, is noisy, and its door stands open at times."""
    draw = np.random.default_rng(number)
    at = np.arange(start_ms, end_ms, EVERY_MS, dtype=np.int64)
    hours = at / HOUR_MS
    mean = -30.0 if number % 5 == 0 else 4.0
    value = mean + 0.5 * np.sin(hours * 8 + number) + 0.3 * np.sin(hours / 24) + draw.normal(0, 0.03, len(at))
    opened = draw.random(len(at)) < 2e-4
    value[opened] += draw.uniform(2, 6, int(opened.sum()))
    rows = np.zeros(len(at), JOURNALLED)
    rows["value"] = np.round(value / 0.0625) * 62.5
    rows["at_ms"] = rows["device_ms"] = at + draw.integers(0, 1_000, len(at))
    rows["gateway_ms"] = rows["at_ms"] + draw.integers(5, 60, len(at))
    rows["arrived_ms"] = rows["gateway_ms"] + draw.integers(200, 900, len(at))
    rows["source"], rows["clock"], rows["seq"] = 1, int(ClockQuality.TRUSTED), np.arange(len(at))
    rows["uptime_ms"] = rows["at_ms"] - start_ms
    return rows


def chunks_of(rows: Rows) -> list[Chunk]:
    """One a window, as sealing makes them."""
    window = rows["at_ms"] // WINDOW_MS
    cuts = np.flatnonzero(np.diff(window)) + 1
    return [
        make_chunk(0, int(part["at_ms"][0]) // WINDOW_MS * WINDOW_MS, part) for part in np.split(rows, cuts)
    ]


def hours_of(rows: Rows) -> list[tuple[object, ...]]:
    """What retention leaves of them: all but the series of table `hourly`."""
    start, end = (int(rows["at_ms"][at]) // HOUR_MS * HOUR_MS for at in (0, -1))
    rule = Rule(np.array([start]), np.array([NO_LOW]), np.array([NO_HIGH]), 2 * EVERY_MS)
    rolled = roll(rows["at_ms"].copy(), rows["value"].astype(np.int64), start, end + HOUR_MS, HOUR_MS, rule)
    return [(r.start_ms, r.n, r.vmin, r.vmax, r.vsum, *r.seconds()) for r in rolled.rows() if r.n]


def build(settings: Settings, appliances: int, years: float, now_ms: int) -> int:
    """The record. Returns how many readings it stands for."""
    reg = registry(appliances)
    desk = Desk(settings.desk_db, lambda: now_ms)
    desk.publish(reg, author="bench", reason="a thousand")
    desk.close()
    AlarmStore(settings.alarms_db).close()
    journal = SqliteJournal(settings.readings_db)
    journal.db.execute("PRAGMA synchronous=OFF")
    history = History(journal)
    numbers = history.series([(sensor.id, 1) for sensor in reg.sensors])
    history.source("bench")
    sealed_to = (now_ms - UNSEALED_MS) // WINDOW_MS * WINDOW_MS
    start = sealed_to - round(years * 365) * DAY_MS
    raw_from = max(
        start, (now_ms - round(settings.ingest.keep_raw.total_seconds() * 1000)) // WINDOW_MS * WINDOW_MS
    )
    total = 0
    for number in range(CURVES):
        rows = curve(number, start, sealed_to)
        old = rows["at_ms"] < raw_from
        chunks, hours = chunks_of(rows[~old]), hours_of(rows[old]) if old.any() else []
        mine = numbers[number::CURVES]
        for first in range(0, len(mine), PER_WRITE):
            with transaction(journal.db) as db:
                for series in mine[first : first + PER_WRITE]:
                    db.executemany(
                        "INSERT INTO chunk (series, start_ms, n, valid, first_ms, last_ms,"
                        " vmin, vmax, vsum, data) VALUES (?,?,?,?,?,?,?,?,?,?)",
                        (astuple(replace(chunk, series=series)) for chunk in chunks),
                    )
                    db.executemany(
                        "INSERT INTO hourly VALUES (?,?,?,?,?,?,?,?,?)", ((series, *hour) for hour in hours)
                    )
        total += len(rows) * len(mine)
        print(f"  curve {number + 1} of {CURVES}", file=sys.stderr, flush=True)
    history.finish()
    total += newest(history, numbers, sealed_to, now_ms)
    journal.close()
    return total


def newest(history: History, numbers: list[int], start_ms: int, now_ms: int) -> int:
    """The hours that are not sealed yet lie in the log, a batch every five minutes."""
    parts = []
    for series in numbers:
        rows = curve(series % CURVES, start_ms, now_ms)
        rows["series"] = series
        parts.append(rows)
    rows = np.concatenate(parts)
    rows = rows[np.argsort(rows["at_ms"], kind="stable")]
    turn = rows["at_ms"] // EVERY_MS
    for batch in np.split(rows, np.flatnonzero(np.diff(turn)) + 1):
        history.log(batch, int(batch["arrived_ms"].max()))
    return len(rows)


Spent = list[tuple[float, float]]
"""Of each answer: milliseconds by the clock, and of this process's CPU (the application is in it)."""


def asked(client: Client, urls: Iterator[str], times: int, between: Callable[[], None]) -> Spent:
    """Ask so many times."""
    spent = []
    for _ in range(times):
        between()
        url = next(urls)
        start, began = time.perf_counter(), time.process_time()
        answer = client.get(url)
        spent.append((1000 * (time.perf_counter() - start), 1000 * (time.process_time() - began)))
        assert answer.status_code == 200, (url, answer.status_code)
    return spent


def told(name: str, first: Spent, spent: Spent, aim_ms: float) -> None:
    clock, cpu = (np.percentile([one[at] for one in spent], [50, 95]) for at in (0, 1))
    print(
        f"{name:40} p50 {clock[0]:6.1f} p95 {clock[1]:6.1f} ms; CPU p50 {cpu[0]:6.1f} p95 {cpu[1]:6.1f} ms;"
        f" first {first[0][0]:6.1f} ms  (aim {aim_ms:.0f})",
        flush=True,
    )


def measure(settings: Settings, reg: Registry, times: int, now_ms: int) -> None:
    journal = SqliteJournal(settings.readings_db)
    history = History(journal)
    clock = [now_ms]

    def one_more() -> None:
        """A reading of every appliance, and a second later: nothing may be answered from memory."""
        clock[0] += EVERY_MS
        rows = np.zeros(len(reg.sensors), JOURNALLED)
        rows["series"], rows["at_ms"] = np.arange(1, len(rows) + 1), clock[0] - 1_000
        rows["value"] = np.where(np.arange(len(rows)) % 5 == 1, -30_000, 4_000 + clock[0] // EVERY_MS % 400)
        rows["gateway_ms"] = rows["arrived_ms"] = rows["at_ms"]
        rows["source"], rows["seq"] = 1, clock[0] // EVERY_MS & 0xFFFF_FFFF
        history.log(rows, clock[0])

    def over(pattern: str) -> Iterator[str]:
        number = 0
        while True:
            number = (number + 37) % len(reg.appliances)
            yield pattern.format(reg.appliances[number].id)

    app = create_app(settings, wall_ms=lambda: clock[0])
    with browsing(app) as client:
        for name, pattern, aim in (
            ("wall", "/wall", 200), ("fleet page", "/", 200),
            ("a year of one appliance, for programs", "/api/v1/appliances/{}/series?range=1y", 150),
            ("a year of one appliance, the page", "/appliance/{}?range=1y", 150),
            ("a month of one appliance", "/api/v1/appliances/{}/series?range=30d", 150),
            ("a week of one appliance", "/api/v1/appliances/{}/series?range=7d", 150),
            ("six hours of one appliance", "/api/v1/appliances/{}/series?range=6h", 150),
        ):  # fmt: skip
            urls = over(pattern)
            first = asked(client, urls, 1, one_more)
            told(name, first, asked(client, urls, times, one_more), aim)
    journal.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--appliances", type=int, default=1_000)
    parser.add_argument("--years", type=float, default=3.0)
    parser.add_argument("--asks", type=int, default=30)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        folder = given.folder or Path(passing)
        folder.mkdir(parents=True, exist_ok=True)
        settings = Settings(data_dir=folder)
        stamp = folder / "built.txt"
        if stamp.exists():
            now_ms = int(stamp.read_text())
        else:
            now_ms = int(time.time()) // 300 * 300_000
            start = time.perf_counter()
            total = build(settings, given.appliances, given.years, now_ms)
            size = sum(path.stat().st_size for path in folder.glob("readings.db*"))
            took_s = time.perf_counter() - start
            print(
                f"{total / 1e6:.0f} M readings of {given.appliances} appliances,"
                f" {size / 1e6:.0f} MB, {took_s:.0f} s"
            )
            stamp.write_text(str(now_ms))
        measure(settings, registry(given.appliances), given.asks, now_ms)
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
