# SPDX-License-Identifier: Apache-2.0
"""`python -m soak --minutes 10 [--seed N] [--dir DIR]`: exits 1 when a promise did not hold."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from soak.parts import Wish
from soak.run import Result, Soak

GOAL_READINGS, GOAL_FAULTS = 10**7, 10**4


def report(result: Result, seed: int) -> str:
    v = result.verdict
    told = v.latency_s
    books = "balanced" if result.books.balanced else "NOT BALANCED"
    lines = [
        (
            f"seed {seed}: {result.faults.total()} faults, {v.measured} readings measured, "
            f"{v.acknowledged} acknowledged, {v.recorded} recorded, {v.given_up} told as lost by nodes"
        ),
        (
            f"       {100 * v.measured / GOAL_READINGS:.2f} % of {GOAL_READINGS:.0e} readings, "
            f"{100 * result.faults.total() / GOAL_FAULTS:.1f} % of {GOAL_FAULTS:.0e} faults"
        ),
        "faults: " + ", ".join(f"{name} {n}" for name, n in sorted(result.faults.items())),
        "deaths: "
        + ", ".join(f"{name} {n}" for name, n in result.deaths.items())
        + f"; bytes corrupted in {result.corrupted} chunks",
        (
            f"alarms {v.alarms}, messages {v.messages}; arrival to message: p50 {v.percentile_s(50):.1f} s, "
            f"p99 {v.percentile_s(99):.1f} s, max {max(told, default=float('nan')):.1f} s"
        ),
        (
            f"drained {'in' if result.drained else 'NOT within'} {result.drain_s:.1f} s, "
            f"peak memory {result.peak_mb:.0f} MB, books {books}: "
            f"{result.books.readings_accepted} accepted = {result.books.readings_recorded} recorded + "
            f"{result.books.readings_dead_lettered} dead + {result.books.readings_pending} pending"
        ),
    ]
    bad = {"missed": v.missed, "untold": v.untold, "false alarms": v.false_alarms}
    lines += [f"{word}: {', '.join(found[:8])}" for word, found in bad.items() if found]
    return "\n".join([*lines, result.last_line()])


def main(arguments: list[str]) -> int:
    words = argparse.ArgumentParser(prog="soak", description=__doc__)
    words.add_argument("--minutes", type=float, default=10.0)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--nodes", type=int, default=10)
    words.add_argument("--per-node", type=int, default=50)
    words.add_argument("--every", type=float, default=1.0, help="seconds between a node's reports")
    words.add_argument("--fault-every", type=float, default=1.2, help="seconds between faults, on average")
    words.add_argument("--dir", type=Path)
    asked = words.parse_args(arguments)
    directory = asked.dir or Path(tempfile.mkdtemp(prefix="coldchain-soak-"))
    print(f"soak: seed {asked.seed}, {asked.minutes:g} minutes of faults, in {directory}", flush=True)
    wish = Wish(
        directory,
        asked.seed,
        asked.minutes * 60,
        asked.nodes,
        asked.per_node,
        asked.every,
        fault_every_s=asked.fault_every,
    )
    result = Soak(wish, lambda line: print(line, flush=True)).run()
    print(report(result, asked.seed), flush=True)
    return 0 if result.sound else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
