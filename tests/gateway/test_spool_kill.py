# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at any point: what was acknowledged is there exactly once; only what was receipted is forgotten."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.spool import open_spool, read_accounts

ROOT = Path(__file__).parents[2]

CHILD = """
import json, sys
from pathlib import Path
from gateway.codecs.frames import Report
from gateway.spool import Arrival, open_spool

path, seed, first = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
import random
rng = random.Random(seed)

class Way: pass

spool = open_spool(path, max_bytes=10**9, new_epoch=lambda: "e1", wall_ms=lambda: 1_800_000_000_000)
print(json.dumps(["open", spool.accepted]), flush=True)
way, seq = Way(), first
while True:
    old = [rng.randrange(max(1, seq)) for _ in range(rng.randrange(3))]  # some come again
    new = list(range(seq, seq + rng.randrange(1, 30)))
    seq = new[-1] + 1
    reports = [Report("n1", 1, n, n, 0, 0, 0, ((0, 1, 0, n), (1, 2, 0, 0))) for n in old + new]
    receipts = []
    if seed // 100 % 2 and rng.random() < 0.3 and spool.pending:
        low, high = rng.choice(spool.pending.pairs())
        a = rng.randint(low, high)
        receipts = [(a, rng.randint(a, high))]
    if receipts:
        print(json.dumps(["try", receipts]), flush=True)
    with spool.change():
        outcome = spool.accept([Arrival(r, 1_800_000_000_000, way) for r in reports], [], 0.0)
        spool.receipt(receipts, [])
    print(json.dumps(["done", outcome.acks[way]["n1", 1], receipts]), flush=True)
"""


def run_and_kill(path: Path, seed: int, first: int, after_s: float) -> list[list[Any]]:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), str(seed), str(first)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    lines = [child.stdout.readline()]
    time.sleep(after_s)
    child.send_signal(signal.SIGKILL)
    lines += child.stdout.readlines()
    child.wait()
    child.stdout.close()
    return [json.loads(text) for text in lines if text.endswith("\n")]


@pytest.mark.parametrize("seed", range(4))
def test_nothing_acknowledged_is_lost_or_doubled(tmp_path: Path, seed: int) -> None:
    path, rng = tmp_path / "spool.db", random.Random(seed)
    acknowledged: set[int] = set()
    receipted: set[int] = set()
    tried: set[int] = set()
    for kill in range(5):
        first = max(acknowledged, default=-1) + 1
        for word, *what in run_and_kill(path, seed * 100 + kill, first, rng.uniform(0.0, 0.15)):
            if word == "done":
                acknowledged |= {n for low, high in what[0] for n in range(low, high + 1)}
                receipted |= {n for low, high in what[1] for n in range(low, high + 1)}
            elif word == "try":
                tried |= {n for low, high in what[0] for n in range(low, high + 1)}
        spool = open_spool(path, max_bytes=10**9, new_epoch=lambda: "never", wall_ms=lambda: 0)
        epoch, accepted, pending = read_accounts(path)
        assert epoch == "e1"
        assert pending == spool.pending
        with spool.change():
            found, _, rows = spool.read([(1, max(1, accepted))])
        spool.close()
        here = {n for low, high in found for n in range(low, high + 1)}
        gone = set(range(1, accepted + 1)) - here
        assert receipted <= gone <= tried  # forgotten on a receipt, and only then
        names = [(int(row["seq"]), int(row["channel"])) for row in rows]
        assert len(names) == len(set(names))
        if seed % 2 == 0:  # no receipts: every name is still here
            assert {seq for seq, channel in names if channel == 0} >= acknowledged
            assert len(names) == accepted
        assert accepted >= 2 * len(acknowledged)
    assert acknowledged


def test_the_check_sees_an_acknowledgement_before_the_commit(tmp_path: Path) -> None:
    """The planted fault: acknowledge inside the transaction, then die. The reports are not there."""
    path = tmp_path / "spool.db"
    fault = CHILD.replace(
        "        spool.receipt(receipts, [])\n",
        "        print(json.dumps(['done', outcome.acks[way]['n1', 1], []]), flush=True)\n"
        "        import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n",
    )
    done = subprocess.run(
        [sys.executable, "-c", fault, str(path), "1", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    told = [json.loads(text) for text in done.stdout.splitlines() if "done" in text]
    _, accepted, _ = read_accounts(path)
    assert told
    assert accepted == 0  # exactly what the test above would call a loss
