# SPDX-License-Identifier: Apache-2.0
"""The whole installation at real speed: CPU and memory of all our processes and the broker together.

    .venv/bin/python benchmarks/bench_system.py [--appliances 243] [--seconds 120]

The simulated world is not counted: on a site it is copper and steel. Start-up and the 20 minutes of backfill
are over before the clock starts. Memory is the proportional set size: pages that processes share count once.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from coldchain.records.health import beats
from coldchain.wiring.demo.plan import DemoPlan
from coldchain.wiring.demo.run import Demo

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
OURS = ("broker", "ingest", "alerts", "console", "gateway")
SETTLE_S = 20.0


def cpu_s(pid: int) -> float:
    """User and system time of a process so far [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def pss_mb(pid: int) -> float:
    """Proportional set size [MB]."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1000
    return 0.0


def settle(demo: Demo) -> None:
    """Until the backfill is recorded and a calm stretch has passed."""
    calm_since_s = None
    while calm_since_s is None or time.monotonic() - calm_since_s < SETTLE_S:
        time.sleep(0.5)
        demo.supervisor.check()
        figures = {beat.name: beat.figures for beat in beats(demo.settings.data_dir)}
        waiting = figures.get("gateway", {}).get("pending", 1) > 500
        busy = waiting or "recorded" not in figures.get("ingest", {})
        calm_since_s = None if busy else calm_since_s or time.monotonic()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--appliances", type=int, default=243)
    parser.add_argument("--seconds", type=float, default=120.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        demo = Demo(DemoPlan(directory=Path(folder), appliances=options.appliances), lambda _: None)
        demo.supervisor.start()
        try:
            settle(demo)
            pids = {name: demo.supervisor.child(name).pid or 0 for name in OURS}
            before = {name: cpu_s(pid) for name, pid in pids.items()}
            began_s = time.monotonic()
            accepted = _accepted(demo)
            while time.monotonic() - began_s < options.seconds:
                time.sleep(0.5)
                demo.supervisor.check()
            took_s = time.monotonic() - began_s
            report(pids, before, took_s, (_accepted(demo) - accepted) / took_s, options.appliances)
        finally:
            demo.supervisor.stop()


def _accepted(demo: Demo) -> int:
    return next((int(b.figures["accepted"]) for b in beats(demo.settings.data_dir) if b.name == "gateway"), 0)


def report(
    pids: dict[str, int], before: dict[str, float], took_s: float, rate: float, appliances: int
) -> None:
    print(f"{appliances} appliances at real speed for {took_s:.0f} s, {rate:.1f} readings/s accepted")
    share_sum = memory_sum = 0.0
    for name, pid in pids.items():
        share, memory = (cpu_s(pid) - before[name]) / took_s * 100, pss_mb(pid)
        share_sum, memory_sum = share_sum + share, memory_sum + memory
        print(f"  {name:8} {share:6.2f} % of a core  {memory:7.1f} MB")
    print(f"  {'together':8} {share_sum:6.2f} % of a core  {memory_sum:7.1f} MB   (aim: under 5 %, 300 MB)")


if __name__ == "__main__":
    main()
