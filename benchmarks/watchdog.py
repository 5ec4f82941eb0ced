# SPDX-License-Identifier: Apache-2.0
"""How long until somebody is told, and until it is replaced, when a process makes no progress: stopped by
SIGSTOP, or waiting for a lock that is never given back. `make bench ARGS=benchmarks/watchdog.py`
"""

from __future__ import annotations

import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from chain import Chain

GOAL_S = 120.0
WITHIN_S = 200.0
HELD_S = 75.0
"""So long the file of alarms is locked: longer than any wait for a lock, and than a beat may be old."""


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


def hold_lock(path: Path, for_s: float | None = None) -> Callable[[], None]:
    """Somebody else's write lock. Returns what gives it back, which happens by itself after `for_s`."""
    lock = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    lock.execute("BEGIN IMMEDIATE")
    once = threading.Lock()

    def give_back() -> None:
        if once.acquire(blocking=False):
            lock.rollback()
            lock.close()

    if for_s is not None:
        timer = threading.Timer(for_s, give_back)
        timer.daemon = True
        timer.start()
    return give_back


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
            give_back = hold_lock(path)  # one by one: a gateway without its spool gives ingest nothing to do
            worst.append(measure(chain, "held lock", (name,), replaced=False))
            give_back()
            chain.passes(10.0)
        # Alerts tells by writing: it can say so only when it has its file again. For longer: the ping ends.
        give_back = hold_lock(chain.settings.alarms_db, HELD_S)
        worst.append(measure(chain, "held lock", ("alerts",), replaced=True))
        give_back()
        chain.passes(10.0)
        print(f"drained {chain.drains():.1f} s later")
        chain.sound()
    print(f"worst time to a message: {max(worst):.0f} s, aim {GOAL_S:.0f} s")
    return 0 if max(worst) <= GOAL_S else 1


if __name__ == "__main__":
    sys.exit(main())
