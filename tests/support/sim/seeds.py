# SPDX-License-Identifier: Apache-2.0
"""Many seeds on a few processes: one verdict for each, and the sums."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from sim.plan import Plan, swarm
from sim.simulation import simulated
from sim.verdict import Verdict, judge

MEMORY = Path("/dev/shm")


def run_plan(plan: Plan) -> tuple[Verdict, Counter[str]]:
    """One run, judged. Its files are gone afterwards."""
    place = Path(tempfile.mkdtemp(prefix="coldchain-sim-", dir=MEMORY if MEMORY.is_dir() else None))
    try:
        with simulated(place, plan) as sim:
            return judge(sim), sim.struck
    finally:
        shutil.rmtree(place)


@dataclass(slots=True)
class Ran:
    """What came of a seed; `broke`: it did not come to its end."""

    seed: int
    every_s: int
    verdict: dict[str, Any] = field(default_factory=dict)
    struck: dict[str, int] = field(default_factory=dict)
    cpu_s: float = 0.0
    commit: str = ""
    broke: str = ""

    @property
    def sound(self) -> bool:
        return not self.broke and not any(self.verdict[name] for name in Verdict.BAD)

    def line(self) -> str:
        if self.broke:
            return f"seed {self.seed}: BROKE: {self.broke.strip().splitlines()[-1]}"
        v = self.verdict
        bad = ", ".join(f"{name} {v[name]}" for name in Verdict.BAD if v[name])
        words = [
            f"seed {self.seed}: {v['readings']} readings",
            f"{v['faults']} faults",
            f"{v['excursions']} excursions",
            f"{v['messages']} messages",
            f"digest {v['digest']}",
            f"{self.cpu_s:.1f} s",
        ]
        return f"{', '.join(words)}; {bad.upper() or 'sound'}"


def run_seed(job: tuple[int, dict[str, int]]) -> Ran:
    seed, words = job
    ran, began_s = Ran(seed, words.get("every_s", 600), commit=commit()), time.process_time()
    gc.collect()
    try:
        verdict, struck = run_plan(swarm(seed, **words))
        ran.verdict, ran.struck = asdict(verdict), dict(struck)
    except Exception:  # noqa: BLE001  a seed that breaks is a finding, not the end of the others
        ran.broke = traceback.format_exc()
    ran.cpu_s = time.process_time() - began_s
    return ran


def run_seeds(seeds: list[int], words: dict[str, int], workers: int) -> Iterator[Ran]:
    """In the order in which they are done."""
    jobs = [(seed, words) for seed in seeds]
    if workers == 1:
        yield from map(run_seed, jobs)
        return
    with get_context("spawn").Pool(workers, maxtasksperchild=20) as pool:
        yield from pool.imap_unordered(run_seed, jobs)


def keep(ran: Ran, path: Path) -> None:
    """At the end of a file of JSON lines, which a later run goes on from."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(ran)) + "\n")


def kept(path: Path) -> list[Ran]:
    if not path.exists():
        return []
    return [Ran(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def summary(all_: list[Ran]) -> dict[str, Any]:
    """The sums, as `tools/reliability.py` reads them."""
    whole = [ran.verdict for ran in all_ if not ran.broke]
    latency = [ms for v in whole for ms in v["latency_ms"]]
    watchdog = [ms for v in whole for ms in v["watchdog_ms"]]
    struck, by_commit = Counter[str](), Counter[str]()
    for ran in all_:
        struck.update(ran.struck)
        by_commit[ran.commit] += ran.verdict.get("readings", 0)
    sums = {
        name: sum(v[name] for v in whole) for name in ("readings", "faults", "excursions", "late", "messages")
    }
    return {
        "seeds": len(all_),
        "broke": len(all_) - len(whole),
        **sums,
        **{name: sum(v[name] for v in whole) for name in Verdict.BAD},
        "latency_ms": _figures(latency),
        "watchdog_ms": _figures(watchdog),
        "struck": dict(sorted(struck.items())),
        "cpu_s": round(sum(ran.cpu_s for ran in all_)),
        "commit": next((ran.commit for ran in reversed(all_) if ran.commit), "") or commit(),
        "readings_by_commit": dict(by_commit),
    }


def _figures(found: list[int]) -> dict[str, int]:
    if not found:
        return {}
    p50, p99 = np.percentile(found, (50, 99))
    return {"p50": round(p50), "p99": round(p99), "max": max(found)}


def commit() -> str:
    """Of the tree we stand in, or as the environment says where there is only a copy of it."""
    if told := os.environ.get("COLDCHAIN_COMMIT"):
        return told
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parent,
        )
    except OSError:
        return ""
    return done.stdout.strip()
