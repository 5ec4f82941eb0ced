# SPDX-License-Identifier: Apache-2.0
"""`python -m soak --minutes 10 [--seed N] [--dir DIR]`: exits 1 when a promise did not hold."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from soak.check import percentile_s
from soak.parts import Wish
from soak.run import Result, Soak

GOAL_READINGS, GOAL_FAULTS = 10**7, 10**4


def report(result: Result, seed: int) -> str:
    v = result.verdict
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
            f"alarms {v.alarms}, messages {v.messages}; arrival to message as it was: {spread(v.latency_s)}; "
            f"net of the time in which we held ingest, alerts or the modem: {spread(v.net_s)}"
        ),
        watchdog(result),
        (
            f"drained {'in' if result.drained else 'NOT within'} {result.drain_s:.1f} s, "
            f"peak memory {result.peak_mb:.0f} MB, books {books}: "
            f"{result.books.readings_accepted} accepted = {result.books.readings_recorded} recorded + "
            f"{result.books.readings_dead_lettered} dead + {result.books.readings_pending} pending"
        ),
    ]
    if (p := result.projected) is not None:
        lines.append(
            f"InfluxDB: {p.points} points; {p.missing} missing, {p.doubled} doubled, {p.altered} altered, "
            f"{p.invented} invented"
        )
    lines.append(f"machine: load {os.getloadavg()[1]:.1f} over the last 5 minutes, {os.cpu_count()} cores")
    lines.append(f"audit chains: {'; '.join(v.audit) or 'both match'}")
    bad = {"missed": v.missed, "untold": v.untold, "false alarms": v.false_alarms}
    lines += [f"{word}: {', '.join(found[:8])}" for word, found in bad.items() if found]
    return "\n".join([*lines, result.last_line()])


def spread(seconds: list[float]) -> str:
    most = max(seconds, default=float("nan"))
    return f"p50 {percentile_s(seconds, 50):.1f} s, p99 {percentile_s(seconds, 99):.1f} s, max {most:.1f} s"


def watchdog(result: Result) -> str:
    """How long what hung was not replaced, and how long nobody was told."""
    if not result.hangs:
        return "watchdog: nothing was made to hang"
    found = max(result.hangs, key=lambda hang: hang.found_s)
    told = max(result.verdict.told_s, key=lambda one: one[1], default=("nobody", float("nan")))
    n = len(result.verdict.told_s)
    return (
        f"watchdog: {len(result.hangs)} processes hung, replaced after at most {found.found_s:.0f} s "
        f"({found.name}), {n} told by a message after at most {told[1]:.0f} s ({told[0]})"
    )


def main(arguments: list[str]) -> int:
    words = argparse.ArgumentParser(prog="soak", description=__doc__)
    words.add_argument("--minutes", type=float, default=10.0)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--nodes", type=int, default=10)
    words.add_argument("--per-node", type=int, default=50)
    words.add_argument("--every", type=float, default=1.0, help="seconds between a node's reports")
    words.add_argument("--fault-every", type=float, default=1.2, help="seconds between faults, on average")
    words.add_argument("--no-influx", action="store_true", help="without the real InfluxDB engine")
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
        influx=not asked.no_influx,
    )
    result = Soak(wish, lambda line: print(line, flush=True)).run()
    print(report(result, asked.seed), flush=True)
    return 0 if result.sound else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
