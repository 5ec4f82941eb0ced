# SPDX-License-Identifier: Apache-2.0
"""Run by test_sealing_kill: records, seals and removes until it is killed, and tells what it committed."""

import sys
from pathlib import Path

import numpy as np

from coldchain.kernel.link import Batch
from coldchain.kernel.readings import SPOOLED
from coldchain.records.registry import Registry, Sensor
from ingest.journal import SqliteJournal
from ingest.sealing import Sealer, Windows

NODES = 8
N = 40
HOUR_MS = 3_600_000
T0 = 1_700_000_000_000
REGISTRY = Registry(sensors=tuple(Sensor(id=f"n-{i}/load", node=f"n-{i}", channel=0) for i in range(NODES)))


def value_of(node: int, seq: int) -> int:
    return 1_000 * node + seq % 997


def batch(number: int) -> Batch:
    """The number-th batch: every third carries readings of long ago, which meet sealed windows."""
    rows = np.zeros(N, SPOOLED)
    rows["node"] = np.arange(N) % NODES
    rows["seq"] = number * (N // NODES) + np.arange(N) // NODES
    rows["at_ms"] = T0 + rows["seq"].astype(np.int64) * 300_000 * (-1) ** (number % 3 == 0)
    rows["gateway_ms"] = rows["at_ms"] + 9
    rows["quantity"] = 1
    rows["value"] = [
        value_of(node, seq) for node, seq in zip(rows["node"].tolist(), rows["seq"].tolist(), strict=True)
    ]
    return Batch("gw", "e", [(number * N, number * N + N - 1)], [(f"n-{i}", 1) for i in range(NODES)], rows)


def main(path: Path, first: int) -> None:
    journal = SqliteJournal(path)
    journal.rewire(REGISTRY)
    sealer = Sealer(journal, Windows(HOUR_MS, 0), run_rows=500)
    number = first
    while True:
        for _ in range(6):
            journal.record([batch(number)], T0)
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
            number += 1
        for _ in sealer.steps(2**50):
            journal.record([batch(number)], T0)
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
            number += 1
        for _ in sealer.remove(journal.position - 3):
            pass


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
