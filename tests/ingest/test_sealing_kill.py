# SPDX-License-Identifier: Apache-2.0
"""kill -9 while it seals: no reading is lost, doubled or changed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from coldchain.records.journal import JournalReader
from tests.ingest import sealing_worker as worker

KILLS = 8


def _run_until_killed(path: Path, first: int, after_s: float) -> int:
    """The last batch that the worker said it had committed."""
    child = subprocess.Popen(
        [sys.executable, worker.__file__, str(path), str(first)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(worker.__file__).parents[2])},
    )
    assert child.stdout is not None
    line = child.stdout.readline()  # its first commit: from here on any moment will do
    time.sleep(after_s)
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read().split()
    child.wait()
    child.stdout.close()
    return int((rest or [line])[-1])


def _check(path: Path, last: int) -> None:
    """Every batch up to the last one told is there once; at most the one being committed is there beyond."""
    reader = JournalReader(path)
    total = 0
    for node in range(worker.NODES):
        rows = reader.readings(f"n-{node}/load", -(2**52), 2**52)
        seqs = np.sort(rows["seq"])
        assert np.array_equal(seqs, np.arange(len(seqs))), f"n-{node}: lost or doubled"
        assert rows["value"].tolist() == [worker.value_of(node, seq) for seq in rows["seq"].tolist()]
        total += len(rows)
    assert total in ((last + 1) * worker.N, (last + 2) * worker.N)
    assert reader.counters()["journalled"] == total
    reader.close()


@pytest.mark.parametrize("seed", [1])
def test_kills_at_random_moments_of_sealing_lose_nothing(tmp_path, seed) -> None:
    path = tmp_path / "readings.db"
    moments = random.Random(seed)
    first, sealed_chunks = 0, 0
    for _ in range(KILLS):
        last = _run_until_killed(path, first, moments.uniform(0.01, 0.5))
        _check(path, last)
        first = last  # once more: committed or not, it must end up there once
    reader = JournalReader(path)
    (sealed_chunks,) = reader._db.execute("SELECT count(*) FROM chunk").fetchone()
    reader.close()
    assert sealed_chunks > 0, "nothing was sealed: the test proved nothing"
