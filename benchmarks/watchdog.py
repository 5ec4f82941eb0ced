# SPDX-License-Identifier: Apache-2.0
"""How long until somebody is told, and until it is replaced, when a process makes no progress: stopped by
SIGSTOP, or waiting for a lock that is never given back. `make bench ARGS=benchmarks/watchdog.py`
"""

from __future__ import annotations

import signal
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from chain import Chain

GOAL_S = 120.0
WITHIN_S = 200.0


def told(chain: Chain, name: str, times: int) -> bool:
    return chain.told().count(f"coldchain-{name} STANDS STILL") > times


def measure(chain: Chain, how: str, names: tuple[str, ...], *, replaced: bool) -> float:
    """Wait until each was told of, and replaced; the longest time to a message [s]."""
    began_s = time.monotonic()
    before = {name: chain.told().count(f"coldchain-{name} STANDS STILL") for name in names}
    pids = {name: chain.pid(name) for name in names}
    if how == "SIGSTOP":
        for name in names:
            chain.signal(name, signal.SIGSTOP)
    told_s: dict[str, float] = {}
    new_s: dict[str, float] = {}

    def done() -> bool:
        now_s = time.monotonic() - began_s
        for name in names:
            if name not in told_s and told(chain, name, before[name]):
                told_s[name] = now_s
            if name not in new_s and chain.demo.supervisor.child(name).pid not in (None, pids[name]):
                new_s[name] = now_s
        return len(told_s) == len(names) and (len(new_s) == len(names) or not replaced)

    chain.until(done, WITHIN_S, must=False)
    for name in names:
        said = f"{told_s[name]:6.1f} s" if name in told_s else "  never"
        new = f"{new_s[name]:6.1f} s" if name in new_s else "     no"
        print(f"{how:12} {name:8}  told after {said}  replaced after {new}", flush=True)
    return max((told_s.get(name, float("inf")) for name in names), default=0.0)


def main() -> int:
    with tempfile.TemporaryDirectory() as place, Chain(Path(place)) as chain:
        chain.until(lambda: all(chain.figures(n) for n in ("gateway", "ingest", "alerts", "console")))
        chain.until(lambda: chain.figures("ingest").get("recorded"))
        chain.passes(5.0)
        worst = [measure(chain, "SIGSTOP", ("gateway", "ingest", "console"), replaced=True)]
        chain.passes(10.0)
        worst.append(measure(chain, "SIGSTOP", ("alerts",), replaced=True))
        chain.passes(10.0)
        for name, path in (("ingest", chain.settings.readings_db), ("gateway", chain.settings.spool_db)):
            lock = sqlite3.connect(path, isolation_level=None)  # one by one: a gateway without its spool
            lock.execute("BEGIN IMMEDIATE")  # gives ingest nothing to do
            worst.append(measure(chain, "held lock", (name,), replaced=False))
            lock.rollback()
            lock.close()
            chain.passes(10.0)
        print(f"drained {chain.drains():.1f} s later")
        chain.sound()
    print(f"worst time to a message: {max(worst):.0f} s, aim {GOAL_S:.0f} s")
    return 0 if max(worst) <= GOAL_S else 1


if __name__ == "__main__":
    sys.exit(main())
