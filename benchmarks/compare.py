# SPDX-License-Identifier: Apache-2.0
"""A plain pipeline of well-known parts and ours, under the same faults, checked by the same checker.

    make compare [ARGS="--minutes 3 --seed 1 --pipelines node-red coldchain --json out.json"]

Simulated nodes publish numbered readings by MQTT and keep a ledger. In between stands Node-RED 4 with its
InfluxDB node, or our gateway and ingest; at the far end the same InfluxDB engine. First a calm stretch, for
CPU a reading; then faults, one at a time, from one seeded schedule; then everything is left alone until the
far end stands still. The far end is asked for each reading.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rig.influx import Influx

from benchmarks.compare_check import Account, Fate, Meter, await_still, in_influx, in_journal, judge
from benchmarks.compare_nodes import Field, make_nodes
from benchmarks.compare_parts import PIPELINES, Part, Pipeline, missing
from coldchain.ports.clock import wall_ms
from coldchain.wiring.broker import BrokerProgram, EmbeddedBroker, find_program

BROKER_AWAY_S, MIDDLE_AWAY_S, DATABASE_AWAY_S, FROZEN_S = 3.0, 1.0, 30.0, 10.0
FAULTS = {
    "broker restarted": BROKER_AWAY_S,
    "broker killed": BROKER_AWAY_S,
    "broker killed, its store lost": BROKER_AWAY_S,
    "database away 30 s": DATABASE_AWAY_S,
    "middle killed": MIDDLE_AWAY_S,
    "middle frozen 10 s": FROZEN_S,
}
"""Kind -> how long it lasts [s]."""
TOGETHER = "middle killed while the database is away"
LASTS_S = {**FAULTS, TOGETHER: DATABASE_AWAY_S}
SETTLE_S = 10.0
"""Connections, first messages, compilation: before anything is counted."""
CALM_S, CALM_MAX_PART = 30.0, 0.25
REST_S = (4.0, 9.0)
WARM_S, STILL_S, DRAIN_S = 120.0, 130.0, 300.0
"""The longest pause between two tries of any of them is 125 s: the client of InfluxDB 2 in Node-RED."""
USUAL = ["node-red", "node-red-2", "coldchain"]
ROOT = Path(__file__).parents[1]


class Fault(NamedTuple):
    """at_s: after the calm."""

    at_s: float
    kind: str


def schedule(seed: int, span_s: float, kinds: Sequence[str] = tuple(FAULTS)) -> Iterator[Fault]:
    """All kinds in a shuffled order, again and again, as long as they end within span_s; the same for all."""
    dice = random.Random(seed)
    at_s = 0.0
    while True:
        for kind in dice.sample(kinds, len(kinds)):
            at_s += dice.uniform(*REST_S)
            if at_s + LASTS_S[kind] > span_s:
                return
            yield Fault(at_s, kind)
            at_s += LASTS_S[kind]


@dataclass(slots=True)
class Outcome:
    """One pipeline's column. CPU in microseconds a reading, memory in MB at its peak."""

    name: str
    says: str
    readings_s: float
    faults: dict[str, int]
    influx: Fate
    journal: Fate | None
    settled_s: float
    calm_us: dict[str, float] = field(default_factory=dict)
    whole_us: dict[str, float] = field(default_factory=dict)
    peak_mb: dict[str, float] = field(default_factory=dict)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Trial:
    """One pipeline under the schedule."""

    def __init__(self, pipeline: Pipeline, folder: Path, asked: argparse.Namespace) -> None:
        self.pipeline, self.folder, self.asked = pipeline, folder, asked
        self.nodes = make_nodes(asked.nodes, asked.channels, pipeline.trust, asked.seed)
        self.warm = make_nodes(1, 1, pipeline.trust, asked.seed, "warm")
        (folder / "broker").mkdir(parents=True)
        (folder / "influx").mkdir()
        program = find_program("nats-server" if pipeline.broker == "nats" else "mosquitto")
        assert program is not None
        kind: Any = pipeline.broker
        self.broker = EmbeddedBroker(folder / "broker", program=BrokerProgram(kind, program))
        self.influx = Influx(folder / "influx")
        self.parts: list[Part] = []
        self.struck: list[tuple[int, str]] = []

    def run(self) -> Outcome:
        field_, warm = Field(self.nodes, self.asked.every), Field(self.warm, 1.0)
        try:
            self.broker.start()
            self.influx.start()
            around = (self.folder / "middle", self.broker.port, self.influx)
            self.parts = self.pipeline.make(*around, self.nodes + self.warm, self.asked.node_red)
            for part in self.parts:
                part.start()
            warm.start(self.broker.port)
            self._until_warm()
            warm.measuring = False
            field_.start(self.broker.port)
            return self._measure(field_)
        finally:
            for each in (field_, warm):
                if each._thread.is_alive():
                    each.stop()
            for part in reversed(self.parts):
                part.end(signal.SIGTERM)
            self.influx.stop()
            self.broker.stop()

    def _until_warm(self) -> None:
        until_s = time.monotonic() + WARM_S
        while not in_influx(self.influx, self.warm):
            if time.monotonic() > until_s:
                logs = "\n".join((p.folder / f"{p.name}.log").read_text()[-1500:] for p in self.parts)
                raise SystemExit(
                    f"{self.pipeline.name}: no reading reached InfluxDB in {WARM_S:.0f} s\n{logs}"
                )
            time.sleep(0.5)

    def _measure(self, field_: Field) -> Outcome:
        accounts = {
            "middle": Account(lambda: [part.pid for part in self.parts]),
            "broker": Account(lambda: [self.broker.pid]),
            "database": Account(lambda: [self.influx.engine.pid, self.influx.front.pid]),
        }
        with Meter(accounts) as meter:
            time.sleep(SETTLE_S)
            calm_s = min(CALM_S, CALM_MAX_PART * 60 * self.asked.minutes)
            first, before = field_.measured, meter.cpu_s()
            time.sleep(calm_s)
            measured, after = field_.measured - first, meter.cpu_s()
            calm = {name: (after[name] - before[name]) / measured * 1e6 for name in accounts}
            say(f"  calm: {measured / calm_s:.0f} readings/s")
            faults = self._strike(60 * self.asked.minutes - calm_s)
            field_.measuring = False
            total = field_.measured
            settled_s = await_still(self._there, total, still_s=self.asked.still, patience_s=DRAIN_S)
            end = meter.cpu_s()
        say(f"  still after {settled_s:.0f} s")
        journal = self.folder / "middle/data/readings.db"
        return Outcome(
            self.pipeline.name,
            self.pipeline.says,
            measured / calm_s,
            dict(faults),
            judge(self.nodes, in_influx(self.influx, self.nodes), self.struck),
            judge(self.nodes, in_journal(journal, self.nodes), self.struck) if journal.exists() else None,
            settled_s,
            calm,
            {name: (end[name] - before[name]) / (total - first) * 1e6 for name in accounts},
            {name: account.peak_mb for name, account in accounts.items()},
        )

    def _there(self) -> int:
        rows = self.influx.query('SELECT count(seq) AS n FROM "reading" WHERE sensor =~ /^n-/')
        return int(rows[0]["n"]) if rows else 0

    # --- faults

    def _strike(self, span_s: float) -> Counter[str]:
        struck: Counter[str] = Counter()
        began_s = time.monotonic()
        for fault in schedule(self.asked.seed, span_s, self.asked.faults):
            time.sleep(max(0.0, began_s + fault.at_s - time.monotonic()))
            say(f"  {time.monotonic() - began_s:5.0f} s  {fault.kind}")
            self.struck.append((wall_ms(), fault.kind))
            self._apply(fault.kind)
            struck[fault.kind] += 1
        time.sleep(max(0.0, began_s + span_s - time.monotonic()))
        return struck

    def _apply(self, kind: str) -> None:
        """Strike, wait, heal. A killed process comes back after a second, as under systemd."""
        if kind.startswith("broker"):
            self.broker.stop() if kind == "broker restarted" else self.broker.kill()
            if kind.endswith("store lost"):
                shutil.rmtree(self.broker.folder / "store")
            time.sleep(BROKER_AWAY_S)
            self.broker.start()
        elif kind.startswith("database"):
            self.influx.stop()
            time.sleep(DATABASE_AWAY_S)
            self.influx.start()
        elif kind == "middle killed":
            self._kill_middle()
        elif kind == TOGETHER:
            self.influx.stop()
            time.sleep(DATABASE_AWAY_S / 2)
            self._kill_middle()
            time.sleep(DATABASE_AWAY_S / 2 - MIDDLE_AWAY_S)
            self.influx.start()
        else:
            for part in self.parts:
                part.strike(signal.SIGSTOP)
            time.sleep(FROZEN_S)
            for part in self.parts:
                part.strike(signal.SIGCONT)

    def _kill_middle(self) -> None:
        for part in self.parts:
            part.end(signal.SIGKILL)
        time.sleep(MIDDLE_AWAY_S)
        for part in self.parts:
            part.start()


def table(outcomes: list[Outcome]) -> str:
    """Side by side, as Markdown."""
    rows: list[tuple[str, list[str]]] = []

    def row(what: str, *cells: str) -> None:
        rows.append((what, list(cells)))

    row("parts", *(o.says for o in outcomes))
    row("readings a second", *(f"{o.readings_s:.0f}" for o in outcomes))
    row("faults", *(str(sum(o.faults.values())) for o in outcomes))
    row("readings measured", *(f"{o.influx.measured}" for o in outcomes))
    row("in InfluxDB at the end", *(f"{o.influx.there}" for o in outcomes))
    for name in ("lost", "held", "doubled", "altered", "invented"):
        row(f"{name}, InfluxDB", *(f"{getattr(o.influx, name)}" for o in outcomes))
    for kind in ("none yet", *dict.fromkeys(kind for o in outcomes for kind in o.faults)):
        row(f"lost after: {kind}", *(f"{o.influx.lost_after.get(kind, 0)}" for o in outcomes))
    for name in ("lost", "doubled", "altered"):
        row(f"{name}, journal", *(f"{getattr(o.journal, name)}" if o.journal else "–" for o in outcomes))
    row("last reading in InfluxDB after the end [s]", *(f"{o.settled_s:.0f}" for o in outcomes))
    for part in ("middle", "broker", "database"):
        row(f"CPU a reading, calm: {part} [µs]", *(f"{o.calm_us[part]:.0f}" for o in outcomes))
    row("CPU a reading, whole run: middle [µs]", *(f"{o.whole_us['middle']:.0f}" for o in outcomes))
    for part in ("middle", "broker", "database"):
        row(f"peak memory: {part} [MB]", *(f"{o.peak_mb[part]:.0f}" for o in outcomes))
    head = "| | " + " | ".join(o.name for o in outcomes) + " |"
    line = "|---|" + "---|" * len(outcomes)
    return "\n".join([head, line, *(f"| {what} | {' | '.join(cells)} |" for what, cells in rows)])


def main(arguments: list[str] | None = None) -> int:
    words = argparse.ArgumentParser(prog="compare", description=__doc__.split("\n\n", maxsplit=1)[0])
    words.add_argument("--minutes", type=float, default=3.0, help="of measuring, calm and faults together")
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--nodes", type=int, default=40)
    words.add_argument("--channels", type=int, default=5, help="readings in a report")
    words.add_argument("--every", type=float, default=1.0, help="seconds between a node's reports")
    words.add_argument(
        "--node-red", type=Path, default=ROOT / "build/node-red", help="where npm installed it"
    )
    words.add_argument("--pipelines", nargs="+", choices=PIPELINES, default=USUAL)
    words.add_argument("--faults", nargs="+", choices=LASTS_S, default=list(FAULTS))
    words.add_argument(
        "--still", type=float, default=STILL_S, help="seconds without a new reading: no more come"
    )
    words.add_argument("--json", type=Path, help="also write the figures there")
    words.add_argument("--keep", type=Path, help="leave logs and stores in this new folder")
    asked = words.parse_args(arguments)
    if lacks := missing(asked.node_red, asked.pipelines):
        say("compare: missing here:\n  " + "\n  ".join(lacks))
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is then ended too
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="coldchain-compare-") as scratch:
        for name in asked.pipelines:
            say(f"{name}: {asked.minutes:g} minutes, seed {asked.seed}")
            outcomes.append(Trial(PIPELINES[name], (asked.keep or Path(scratch)) / name, asked).run())
            if asked.json:
                asked.json.write_text(json.dumps([asdict(o) for o in outcomes], indent=1) + "\n")
    print(table(outcomes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
