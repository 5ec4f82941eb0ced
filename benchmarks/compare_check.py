# SPDX-License-Identifier: Apache-2.0
"""The checker and the meter of the comparison: far end against ledger; CPU and memory by pid."""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from rig.influx import Influx
from soak.check import all_rows

from benchmarks.compare_nodes import Node

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
LOOK_S, WEIGH_EVERY = 0.2, 5

Found = dict[tuple[str, int], list[tuple[int, int]]]
"""(sensor, seq) -> every (instant [ms], value in thousandths) that is there under this name"""


@dataclass(slots=True)
class Fate:
    """What became of the readings. lost: acknowledged to the node and not there. held: neither
    acknowledged nor there, the node still has it. invented: there, and never measured. lost_after: the lost,
    by the last fault that had struck when they were measured.
    """

    measured: int = 0
    there: int = 0
    lost: int = 0
    held: int = 0
    doubled: int = 0
    altered: int = 0
    invented: int = 0
    lost_after: dict[str, int] = field(default_factory=dict)


def judge(nodes: list[Node], found: Found, struck: Sequence[tuple[int, str]] = ()) -> Fate:
    """Every reading of the ledger against every row of the far end. struck: (instant [ms], fault)."""
    instants = [at_ms for at_ms, _ in struck]
    fate, known = Fate(), 0
    for node in nodes:
        for seq, kept in enumerate(node.reports):
            for channel, value in enumerate(kept.values):
                fate.measured += 1
                rows = found.get((f"{node.name}/{channel}", seq), [])
                known += bool(rows)
                fate.there += bool(rows)
                if kept.acknowledged and not rows:
                    fate.lost += 1
                    last = bisect_right(instants, kept.at_ms)
                    kind = struck[last - 1][1] if last else "none yet"
                    fate.lost_after[kind] = fate.lost_after.get(kind, 0) + 1
                fate.held += not rows and not kept.acknowledged
                fate.doubled += len(rows) > 1
                fate.altered += any(row != (kept.at_ms, value) for row in rows)
    fate.invented = len(found) - known
    return fate


def in_influx(influx: Influx, nodes: list[Node]) -> Found:
    """What InfluxDB answers for these nodes' sensors."""
    found: Found = {}
    for node in nodes:
        where = f"sensor =~ /^{node.name}\\//"
        for row in influx.query(f'SELECT value, seq FROM "reading" WHERE {where} GROUP BY sensor'):
            key = (str(row["sensor"]), round(row["seq"]))
            found.setdefault(key, []).append((row["time"], round(row["value"] * 1000)))
    return found


def in_journal(path: Path, nodes: list[Node]) -> Found:
    """What our record holds, a row as often as it is there."""
    rows, _, sensors = all_rows(path)
    names = tuple(f"{node.name}/" for node in nodes)
    found: Found = {}
    for row in rows:
        sensor = sensors[int(row["series"])]
        if sensor.startswith(names):
            found.setdefault((sensor, int(row["seq"])), []).append((int(row["at_ms"]), int(row["value"])))
    return found


@dataclass(slots=True)
class Account:
    """CPU [s] and memory [MB] of a group of processes; those that died count with what was last seen."""

    pids: Callable[[], Iterable[int | None]]
    spent: dict[int, float] = field(default_factory=dict)
    peak_mb: float = 0.0

    @property
    def cpu_s(self) -> float:
        return sum(self.spent.values())

    def look(self, *, weigh: bool) -> None:
        alive = [pid for first in self.pids() if first is not None for pid in tree(first)]
        for pid in alive:
            if (spent := cpu_s(pid)) is not None:
                self.spent[pid] = max(spent, self.spent.get(pid, 0.0))
        if weigh:
            self.peak_mb = max(self.peak_mb, sum(pss_mb(pid) for pid in alive))


class Meter:
    """Looks at all accounts five times a second, weighs once a second."""

    def __init__(self, accounts: dict[str, Account]) -> None:
        self.accounts = accounts
        self._told = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._told.set()
        self._thread.join()

    def cpu_s(self) -> dict[str, float]:
        return {name: account.cpu_s for name, account in self.accounts.items()}

    def _run(self) -> None:
        turn = 0
        while not self._told.wait(LOOK_S):
            turn += 1
            for account in self.accounts.values():
                account.look(weigh=turn % WEIGH_EVERY == 0)


def tree(pid: int) -> list[int]:
    """The process and all that it started."""
    found = [pid]
    for parent in found:
        try:
            text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        except OSError:
            continue
        found += [int(word) for word in text.split()]
    return found


def cpu_s(pid: int) -> float | None:
    """User and system time so far [s]."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def pss_mb(pid: int) -> float:
    """Proportional set size [MB]: pages that processes share count once."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1000
    except OSError:
        pass
    return 0.0


def await_still(count: Callable[[], int], wanted: int, *, still_s: float, patience_s: float) -> float:
    """Until `count` reaches `wanted`, or has not moved for still_s; returns how long it moved [s]."""
    began_s = moved_s = time.monotonic()
    last = -1
    while (now_s := time.monotonic()) - began_s < patience_s and now_s - moved_s < still_s:
        now = count()
        if now != last:
            last, moved_s = now, time.monotonic()
        if now >= wanted:
            break
        time.sleep(1.0)
    return moved_s - began_s
