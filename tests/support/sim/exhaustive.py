# SPDX-License-Identifier: Apache-2.0
"""A small story, ended at every effect and failed at every call of the disk, one run for each.

An excursion of one appliance is measured, sent, recorded, judged and told. A run counts its effects (commits,
answers to nodes, publications, receipts, acknowledgements, messages; each has a before and an after) and its
calls of the disk. Then, for each effect: the process that is at it dies, and in another run its host loses
its power; for each call: it fails. After each the same must be true as after a quiet run.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from sim.disk import Died
from sim.plan import Plan
from sim.seeds import MEMORY
from sim.simulation import Simulation, simulated
from sim.verdict import Verdict, judge

STORY = Plan(0, hours=1, gateways=1, nodes=1)
HOWS = ("killed", "power", "failed")


@dataclass(frozen=True, slots=True)
class Cut:
    """At the n-th effect (killed, power) or call of the disk (failed); n = 0: nowhere."""

    how: str
    n: int


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a cut. at: what was cut; wrong: the counts that are not zero, or how it broke."""

    cut: Cut
    at: str
    wrong: dict[str, int | str]
    effects: tuple[str, ...] = ()
    calls: int = 0


class _Watch:
    """Counts the effects of processes, and strikes at one."""

    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        self.seen: list[str] = []
        self.at = ""
        self.sim: Simulation | None = None

    def attach(self, sim: Simulation) -> None:
        self.sim, sim.on_effect = sim, self.effect
        if self._cut.how == "failed":
            sim.disk.fail_at = self._cut.n

    def effect(self, name: str) -> None:
        assert self.sim is not None
        running = self.sim.disk.running
        if running is None:
            return
        self.seen.append(f"{name} by {running.name}")
        if self._cut.how != "failed" and len(self.seen) == self._cut.n:
            self.at = self.seen[-1]
            raise Died(self._cut.how)


def play(cut: Cut) -> Came:
    """The story with that cut."""
    place = Path(tempfile.mkdtemp(prefix="coldchain-sim-", dir=MEMORY if MEMORY.is_dir() else None))
    watch = _Watch(cut)
    try:
        with simulated(place, STORY, watch.attach) as sim:
            verdict = judge(sim)
            wrong: dict[str, int | str] = {
                name: getattr(verdict, name) for name in Verdict.BAD if getattr(verdict, name)
            }
            if not verdict.messages:
                wrong["nobody told"] = 1
            at = watch.at or ", ".join(sim.disk.failed)
            whole = not cut.n
            return Came(cut, at, wrong, tuple(watch.seen) if whole else (), sim.disk.calls if whole else 0)
    except Exception as bad:  # noqa: BLE001  a run that breaks is a finding
        return Came(cut, watch.at, {"broke": f"{type(bad).__name__}: {bad}"})
    finally:
        shutil.rmtree(place)


def cuts(effects: int, calls: int, every: int = 1) -> Iterator[Cut]:
    """All of them, or every so many-th."""
    for how, most in (("killed", effects), ("power", effects), ("failed", calls)):
        yield from (Cut(how, n) for n in range(1, most + 1, every))


def main(workers: int, every: int = 1) -> int:
    """Prints what came of it. 1 when a promise did not hold at some cut."""
    began_s = time.monotonic()
    quiet = play(Cut("killed", 0))
    print(f"quiet: {len(quiet.effects)} effects, {quiet.calls} calls of the disk; {quiet.wrong or 'sound'}")
    names = Counter(name.partition(" by ")[0] for name in quiet.effects)
    print(", ".join(f"{name} {n}" for name, n in sorted(names.items())))
    todo = list(cuts(len(quiet.effects), quiet.calls, every))
    done, bad = Counter[str](), int(bool(quiet.wrong))
    with get_context("spawn").Pool(workers) as pool:
        for n, came in enumerate(pool.imap_unordered(play, todo, chunksize=4), 1):
            done[came.cut.how] += 1
            if came.wrong:
                bad += 1
                print(f"  {came.cut.how} at {came.cut.n} ({came.at}): {came.wrong}", flush=True)
            if n % 200 == 0:
                print(f"  {n}/{len(todo)}, {time.monotonic() - began_s:.0f} s", flush=True)
    sums = ", ".join(f"{how} {done[how]}" for how in HOWS)
    print(f"exhaustive: runs {len(todo)}, {sums}, unsound {bad}; {time.monotonic() - began_s:.0f} s")
    return int(bad > 0)
