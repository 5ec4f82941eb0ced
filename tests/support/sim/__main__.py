# SPDX-License-Identifier: Apache-2.0
"""`python -m sim --seeds 100`: exits 1 when a promise did not hold in any of them."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from sim.seeds import Ran, keep, kept, run_seeds, summary
from sim.verdict import Verdict

BAR = 30


def bar(done: int, whole: int, began_s: float) -> str:
    filled = BAR * done // max(whole, 1)
    return f"[{'#' * filled}{'.' * (BAR - filled)}] {done}/{whole} {time.monotonic() - began_s:.0f} s"


def last_line(sums: dict[str, Any]) -> str:
    words = ", ".join(f"{name} {sums[name]}" for name in ("seeds", "readings", "faults", *Verdict.BAD))
    return f"simulate: {words}, broken off {sums['broke']}".replace("_", " ")


def told(sums: dict[str, Any]) -> str:
    lines = [f"struck: {', '.join(f'{name} {n}' for name, n in sums['struck'].items())}"]
    lines.append(f"{sums['excursions']} excursions, {sums['late']} of them late; {sums['messages']} messages")
    for name, words in (("latency_ms", "arrival to message"), ("watchdog_ms", "deadline to word of silence")):
        if sums[name]:
            seconds = ", ".join(f"{q} {sums[name][q] / 1000:.1f} s" for q in ("p50", "p99", "max"))
            lines.append(f"{words}, virtual time, outages included: {seconds}")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    words = argparse.ArgumentParser(prog="sim", description=__doc__)
    words.add_argument("--seeds", type=int, default=100)
    words.add_argument("--first", type=int, default=1)
    words.add_argument("--every", type=int, default=600, help="seconds between a node's readings")
    words.add_argument("--nodes", type=int, default=4, help="at each of three gateways")
    words.add_argument("--channels", type=int, default=5, help="of each node")
    words.add_argument("--hours", type=int, default=48)
    words.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    words.add_argument("--minutes", type=float, help="begin no seed after so long")
    words.add_argument("--kept", type=Path, help="a file of verdicts to go on from")
    words.add_argument("--json", type=Path, help="write the sums there")
    words.add_argument("--exhaustive", action="store_true", help="a small story, cut at every effect")
    words.add_argument("--step", type=int, default=1, help="exhaustive: every so many-th cut only")
    asked = words.parse_args(arguments)
    if asked.exhaustive:
        from sim.exhaustive import main as exhaust

        return exhaust(asked.workers, asked.step)
    before = kept(asked.kept) if asked.kept else []
    done = {(ran.seed, ran.every_s) for ran in before}
    seeds = [s for s in range(asked.first, asked.first + asked.seeds) if (s, asked.every) not in done]
    found, began_s = list(before), time.monotonic()
    shape = {"every_s": asked.every, "hours": asked.hours, "nodes": asked.nodes, "channels": asked.channels}
    for ran in run_seeds(seeds, shape, asked.workers):
        _take(ran, asked, found)
        print(ran.line(), bar(len(found), len(before) + len(seeds), began_s), flush=True)
        _tell(found, asked)
        if asked.minutes and time.monotonic() - began_s > 60 * asked.minutes:
            break
    sums = _tell(found, asked)
    print(f"{told(sums)}\n{time.monotonic() - began_s:.0f} s on {asked.workers} processes")
    print(last_line(sums))
    return 0 if all(ran.sound for ran in found) else 1


def _tell(found: list[Ran], asked: argparse.Namespace) -> dict[str, Any]:
    """The sums so far, and where they are wanted."""
    sums = summary(found)
    if asked.json:
        asked.json.write_text(json.dumps(sums, indent=1), encoding="utf-8")
    return sums


def _take(ran: Ran, asked: argparse.Namespace, found: list[Ran]) -> None:
    found.append(ran)
    if asked.kept:
        keep(ran, asked.kept)
    if ran.broke:
        print(ran.broke, file=sys.stderr)
    for line in ran.verdict.get("told", []):
        print(f"  {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
