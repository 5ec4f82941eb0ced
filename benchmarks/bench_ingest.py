# SPDX-License-Identifier: Apache-2.0
"""CPU of ingest a reading: batches of 100, an fsync per commit, receipt made; alone, and behind a real
broker.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from coldchain.kernel.link import Batch, decode_batch, encode_batch, encode_receipt, topic
from coldchain.kernel.readings import SPOOLED
from coldchain.ports.mqtt_client import make_client, start_client, stop_client
from coldchain.records.registry import Desk, Registry, Sensor
from coldchain.settings import MqttSettings, Settings
from coldchain.wiring.broker import EmbeddedBroker
from ingest.journal import SqliteJournal
from ingest.service import IngestService

T0 = 1_700_000_000_000
BATCH = 100
REGISTRY = Registry(sensors=tuple(Sensor(id=f"s-{i}/load", node=f"n-{i}", channel=0) for i in range(BATCH)))


def batches(count: int, n: int = BATCH) -> list[bytes]:
    """`count` payloads of n readings, one of each of n sensors, a minute apart with a second of jitter."""
    rng = np.random.default_rng(0)
    made = []
    for k in range(count):
        rows = np.zeros(n, SPOOLED)
        rows["node"], rows["seq"], rows["quantity"], rows["clock"] = np.arange(n), k, 1, 2
        rows["at_ms"] = rows["device_ms"] = T0 + 60_000 * k + rng.integers(0, 1_000, n)
        rows["gateway_ms"] = rows["at_ms"] + rng.integers(5, 50, n)
        rows["uptime_ms"] = rows["at_ms"] - T0 + 5_000
        rows["value"] = 4_000 + rng.normal(0, 100, n)
        nodes = [(f"n-{i}", 1) for i in range(n)]
        made.append(encode_batch(Batch("gw-1", "e1", [(k * n + 1, k * n + n)], nodes, rows)))
    return made


def cpu_s() -> float:
    used = os.times()
    return used.user + used.system


def alone(payloads: Sequence[bytes], group: int) -> None:
    """Decode, admit, commit, make the receipts: without a broker."""
    with tempfile.TemporaryDirectory() as folder:
        journal = SqliteJournal(Path(folder) / "readings.db")
        journal.rewire(REGISTRY)
        began_s, began_cpu_s = time.perf_counter(), cpu_s()
        for first in range(0, len(payloads), group):
            arrived = [decode_batch(payload) for payload in payloads[first : first + group]]
            for receipt in journal.record(arrived, T0):
                assert receipt is not None
                encode_receipt(receipt)
        _tell(
            f"{group} batches a commit",
            len(payloads) * BATCH,
            cpu_s() - began_cpu_s,
            time.perf_counter() - began_s,
        )
        journal.close()


def behind_a_broker(count: int) -> None:
    """The whole service; the publisher is another process."""
    with tempfile.TemporaryDirectory() as folder:
        broker = EmbeddedBroker(Path(folder) / "broker")
        broker.start()
        settings = Settings(data_dir=Path(folder) / "data", mqtt=MqttSettings(port=broker.port))
        desk = Desk(settings.desk_db, lambda: 0)
        desk.publish(REGISTRY, author="bench", reason="bench")
        desk.close()
        service = IngestService(settings)
        began = [0.0, 0.0, 0.0]
        commits = 0
        commit = service.commit

        def counted(group) -> None:
            nonlocal commits
            if not commits:
                began[:] = [time.perf_counter(), cpu_s(), 0]
                began[2] = len(group) * BATCH
            commits += 1
            commit(group)
            if service._journal.counters["journalled"] >= count * BATCH:
                service.stop()

        service.commit = counted  # type: ignore[method-assign]
        publisher = subprocess.Popen([sys.executable, __file__, "publish", str(broker.port), str(count)])
        service.run()
        n = count * BATCH - int(began[2])
        _tell("behind nats-server", n, cpu_s() - began[1], time.perf_counter() - began[0])
        print(f"    {count * BATCH / commits:.0f} readings a commit")
        publisher.wait()
        broker.stop()


def publish(port: int, count: int) -> None:
    """The publisher's side."""
    payloads = batches(count)
    settings = MqttSettings(port=port)
    client = make_client(settings, "bench-publisher", clean=True)
    client.max_inflight_messages_set(50)
    start_client(client, settings, clean=True)
    while not client.is_connected():
        time.sleep(0.01)
    time.sleep(2.5)  # until ingest has subscribed
    for payload in payloads:
        sent = client.publish(topic("gw-1", "batch"), payload, qos=1)
    sent.wait_for_publish(60)
    stop_client(client)


def _tell(what: str, n: int, used_cpu_s: float, took_s: float) -> None:
    cost = used_cpu_s / n * 1e6
    print(f"{what:24} {cost:6.2f} µs CPU a reading ({cost / 10:.2f} of 10), {n / took_s:9,.0f} readings/s")


def main() -> None:
    payloads = batches(2_000)
    size = sum(map(len, payloads)) / len(payloads) / BATCH
    print(
        f"ingest: {len(payloads) * BATCH:,} readings, batches of {BATCH}, {size:.1f} bytes each on the link"
    )
    for group in (1, 4, 16):
        alone(payloads, group)
    behind_a_broker(2_000)


def test_bench_ingest() -> None:
    main()


if __name__ == "__main__":
    if sys.argv[1:2] == ["publish"]:
        publish(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
