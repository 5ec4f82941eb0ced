# SPDX-License-Identifier: Apache-2.0
"""CPU of judgement a reading: the pure engine in blocks of 10,000; the service through the real stores."""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from scalar_judge import Plain
from scalar_judge import Sensor as ScalarSensor

from alerts.judgement.engine import EngineState, step
from alerts.rules.flat import Block
from alerts.rules.table import build_table
from alerts.service import AlertService
from coldchain.kernel.readings import JOURNALLED
from coldchain.kernel.words import Quantity
from coldchain.ports.notifier import Delivery, Sent
from coldchain.records.registry import (
    Appliance,
    Assignment,
    Desk,
    Person,
    Registry,
    Sensor,
    Site,
)  # fmt: skip
from coldchain.records.rows import pack_rows
from coldchain.records.sql import transaction
from coldchain.settings import Settings
from ingest.journal import SqliteJournal

T0 = 1_700_000_000_000
MINUTE = 60_000


class Nobody:
    """A notifier that costs nothing."""

    def send(self, to: str, text: str) -> Sent:
        return Sent(Delivery.ACCEPTED, "")


def fleet(n: int) -> Registry:
    red = (Assignment(carries="red-cells@eu"),)
    return Registry(
        sites=(Site(id="vte", name="Vientiane"),),
        appliances=tuple(Appliance(id=f"br-{i}", name="", site="vte", assignments=red) for i in range(n)),
        sensors=tuple(
            Sensor(id=f"br-{i}/load", appliance=f"br-{i}", probe="load", node=f"n-{i}", channel=1)
            for i in range(n)
        ),
        people=(Person(id="p", name="p", phone="+8562000000001"),),
    )


def values(rng: np.random.Generator, n: int) -> np.ndarray:
    """About one reading in a hundred is outside; one in a thousand a sensor code."""
    value = (4_000 + rng.normal(0, 900, n)).astype(np.int64)
    value[rng.random(n) < 0.001] = -127_000
    return value


def engine(sensors: int, size: int, blocks: int) -> float:
    """Readings a second of the pure step, random sensors in blocks of `size`."""
    rng = np.random.default_rng(1)
    rules = build_table(
        fleet(sensors),
        {i: (f"br-{i}/load", Quantity.TEMPERATURE) for i in range(sensors)},
        fault_after_ms=5 * MINUTE,
    )
    state = EngineState.fresh(sensors)
    made = []
    for k in range(blocks):
        series = rng.permutation(sensors)[:size] if size <= sensors else np.arange(size) % sensors
        at = T0 + k * MINUTE * (size // sensors + 1) + np.arange(size) // sensors * MINUTE
        at = at + rng.integers(0, 1000, size)
        yes = np.ones(size, np.bool_)
        made.append(Block(series.astype(np.int64), at, values(rng, size), yes, yes, ~yes))
    took = []
    for block in made:
        began = time.process_time()
        state = step(state, block, rules).state
        took.append(time.process_time() - began)
    return size / float(np.median(took))


def plain_loop(n: int) -> float:
    """Readings a second of the scalar judge: a plain Python loop with the same rules."""
    rng = np.random.default_rng(1)
    value = values(rng, n).tolist()
    limits = {
        "high": 6000,
        "low": 2000,
        "deadband": 300,
        "delay_ms": 5 * MINUTE,
        "fault_after_ms": 5 * MINUTE,
    }
    sensors = [ScalarSensor(**limits) for _ in range(243)]
    readings = [Plain(T0 + k // 243 * MINUTE, v) for k, v in enumerate(value)]
    began = time.process_time()
    for k, reading in enumerate(readings):
        sensors[k % 243].take(reading)
    return n / (time.process_time() - began)


def service(batches: int, batch: int) -> tuple[float, float]:
    """(CPU µs, bytes written to disk) a reading, from the journal, through the real stores."""
    rng = np.random.default_rng(2)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        registry = fleet(243)
        now = [T0]
        Desk(settings.desk_db, lambda: T0).publish(registry, author="bench", reason="bench")
        journal = SqliteJournal(settings.readings_db)
        with transaction(journal.db) as db:
            for i, sensor in enumerate(registry.sensors):
                db.execute("INSERT INTO series (id, sensor, quantity) VALUES (?,?,1)", (i + 1, sensor.id))
            for k in range(batches):
                rows = np.zeros(batch, JOURNALLED)
                index = np.arange(k * batch, (k + 1) * batch)
                rows["series"], rows["seq"] = index % 243 + 1, index
                rows["at_ms"] = T0 + index // 243 * MINUTE + index % 243 * 200
                rows["arrived_ms"] = rows["gateway_ms"] = rows["at_ms"] + 500
                rows["value"] = values(rng, batch)
                journal.append(rows, int(rows["arrived_ms"][-1]), 1)
                assert pack_rows(rows)
            journal._keep()
        now[0] = T0 + batches * batch // 243 * MINUTE
        served = AlertService(settings, Nobody(), wall_ms=lambda: now[0])
        began, wrote = time.process_time(), written()
        while served.tick():
            pass
        cpu_s = time.process_time() - began
        wrote = written() - wrote
        served.close()
        journal.db.close()
    n = batches * batch
    return cpu_s / n * 1e6, wrote / n


def written() -> int:
    """Bytes this process has handed to the disk."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("write_bytes"):
            return int(line.split()[1])
    return 0


def months_of_one_sensor() -> float:
    """Seconds to judge 20,186 readings of one sensor that come as 4,000 batches of 5."""
    rng = np.random.default_rng(3)
    rules = build_table(fleet(1), {0: ("br-0/load", Quantity.TEMPERATURE)}, fault_after_ms=5 * MINUTE)
    state, value = EngineState.fresh(1), values(rng, 20_186)
    yes = np.ones(5, np.bool_)
    began = time.process_time()
    for k in range(0, 20_185, 5):
        at = T0 + np.arange(k, k + 5) * MINUTE
        block = Block(np.zeros(5, np.int64), at, np.resize(value[k : k + 5], 5), yes, ~yes, ~yes)
        state = step(state, block, rules).state
    return time.process_time() - began


def main() -> None:
    loop = plain_loop(200_000)
    print(f"plain Python loop                    {loop / 1e6:8.2f} M readings/s")
    for sensors, size in (
        (243, 100),
        (1_000, 1_000),
        (10_000, 10_000),
        (100_000, 10_000),
        (100_000, 100_000),
    ):
        rate = engine(sensors, size, 60)
        what = f"engine, {sensors:7,} sensors, blocks of {size:7,}"
        print(f"{what} {rate / 1e6:8.2f} M readings/s = {rate / loop:5.1f} x the loop")
    print(f"20,186 readings of one sensor in 4,037 blocks of 5: {months_of_one_sensor():.2f} s")
    for batches, batch in ((1_000, 100), (2_000, 10)):
        cpu_us, wrote = service(batches, batch)
        what = f"service, {batches:,} batches of {batch}"
        print(f"{what}: {cpu_us:.2f} µs CPU, {wrote:.0f} bytes written a reading")


if __name__ == "__main__":
    main()
