# SPDX-License-Identifier: Apache-2.0
"""Judgement's speed against its aims in one run: `python benchmarks/speed.py [--quick] [--prometheus PATH]`.

CPU seconds of one core, the least of several runs, since others share the machine; ratios are steadier than
figures. The fleet is of load probes that cycle about 4 °C by a quarter, each at its own pace; one in two
hundred is out of its limits, one reading in ten thousand is the code of a broken probe.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

import prometheus_rules  # type: ignore[import-not-found]
from scalar_engine import Terms
from scalar_engine import judge as plain_judge
from scalar_judge import Plain
from scalar_judge import Sensor as PlainSensor

from alerts.judgement.engine import EngineState, step
from alerts.judgement.recording import Recording
from alerts.judgement.replay import PlainLimits, replay_limits
from alerts.judgement.verdicts import judge_profile
from alerts.rules.flat import Block
from alerts.rules.silence import judge_silence
from alerts.rules.terms import of_one_profile
from coldchain.kernel.instants import rfc3339
from coldchain.settings.profile_files import PROFILES

ROOT = Path(__file__).parents[1]
T0, MINUTE = 1_790_000_100_000, 60_000
RED = PROFILES["red-cells@eu"]
BATCH, FLEET = 10_000, 100_000


@dataclass(frozen=True)
class Row:
    """A figure against its aim; `least`: the aim is a least value, else a most."""

    name: str
    figure: float
    unit: str
    aim: float
    least: bool = True

    def __str__(self) -> str:
        reached = self.figure >= self.aim if self.least else self.figure <= self.aim
        factor = self.aim / self.figure if self.least else self.figure / self.aim
        verdict = "reached" if reached else f"short by a factor of {factor:.1f}"
        sign = "at least" if self.least else "at most"
        return f"{self.name:64s} {self.figure:9.2f} {self.unit:6s} {sign} {self.aim:6g}  {verdict}"


def celsius(series: np.ndarray, minute: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Thousandths of a degree."""
    period, phase = 20 + series * 7919 % 40, series * 104_729 % 1000 / 159.0
    wave = 4000 + 250 * np.sin(2 * np.pi * minute / period + phase) + rng.normal(0, 30, len(series))
    value = np.rint(wave).astype(np.int64) + 3000 * (series % 200 == 7)
    value[rng.random(len(series)) < 0.0001] = -127_000
    return value


def block(series: np.ndarray, at: np.ndarray, value: np.ndarray) -> Block:
    n = len(series)
    return Block(series, at, value, np.ones(n, bool), np.ones(n, bool), np.zeros(n, bool))


def minutes(sensors: int, first: int, count: int, *, shuffled: bool) -> list[Block]:
    """A block a minute, one reading of each sensor in it, at its own second."""
    rng = np.random.default_rng(first)
    made = []
    for minute in range(first, first + count):
        series = rng.permutation(sensors) if shuffled else np.arange(sensors)
        at = T0 + minute * MINUTE + series * 7919 % MINUTE
        made.append(block(series, at, celsius(series, np.full(sensors, minute), rng)))
    return made


def spent(work: Callable[[], object], times: int) -> float:
    """The least CPU seconds of some runs."""
    took = []
    for _ in range(times):
        begun = time.process_time()
        work()
        took.append(time.process_time() - begun)
    return min(took)


def block_s(sensors: int, count: int, *, insight: bool, shuffled: bool, silence: bool = True) -> float:
    """CPU seconds a block of `sensors` readings, silence looked for after each.

    Slots of five minutes close with every fifth block: the mean of the least of each of five.
    """
    table = of_one_profile(sensors, RED, MINUTE, 5 * MINUTE, insight=insight)
    state, warm, took = EngineState.fresh(sensors), 60 if insight else 5, []
    for first in range(0, warm + count, 5):
        for minute, one in enumerate(minutes(sensors, first, 5, shuffled=shuffled), first):
            begun = time.process_time()
            state = step(state, one, table, give=True).state
            if silence:
                judge_silence(state.table["live_at"], table, 5 * MINUTE, T0 + (minute + 1) * MINUTE)
            if minute >= warm:
                took.append(time.process_time() - begun)
    return float(np.reshape(took, (-1, 5)).min(axis=0).mean())


def one_sensor(days: int, *, insight: bool) -> float:
    """Readings a second of months of one sensor in one batch."""
    table = of_one_profile(1, RED, MINUTE, 5 * MINUTE, insight=insight)
    minute = np.arange(days * 1440)
    series = np.zeros(len(minute), np.int64)
    one = block(series, T0 + minute * MINUTE, celsius(series, minute, np.random.default_rng(2)))
    return len(minute) / spent(lambda: step(EngineState.fresh(1), one, table), 3)


def loop(readings: int) -> float:
    """Readings a second of a plain loop: validity, limits with delay and deadband."""
    sensors = [
        PlainSensor(high=6000, low=2000, deadband=300, delay_ms=300_000, fault_after_ms=300_000)
        for _ in range(1000)
    ]
    series = np.arange(readings) % 1000
    value = celsius(series, np.arange(readings) // 1000, np.random.default_rng(3)).tolist()

    def work() -> None:
        for n, one in enumerate(value):
            sensors[n % 1000].take(Plain(T0 + n // 1000 * MINUTE, one))

    return readings / spent(work, 3)


def loop_of_all(sensors: int, readings: int) -> float:
    """Readings a second of a plain loop: codes, spikes, standing still, warnings and sums of time, too.

    Fewer rules than the engine's: no forecast, no cycles, no defrosts.
    """
    terms = Terms(6000, 2000, 5500, 2500, 6000, 2000, 300, 300_000, 600_000, 300_000, 120_000, 3600)
    minute = np.arange(readings)
    tracks = []
    for number in range(sensors):
        value = celsius(np.full(readings, number), minute, np.random.default_rng(number)).tolist()
        tracks.append([(T0 + n * MINUTE, v, True) for n, v in enumerate(value)])
    return sensors * readings / spent(lambda: [plain_judge(t, terms, insight=True) for t in tracks], 3)


def year() -> Recording:
    minute = np.arange(525_600)
    value = celsius(np.zeros(len(minute), np.int64), minute, np.random.default_rng(4)) / 1000.0
    return Recording(("a",), np.zeros(len(minute), np.int64), T0 + MINUTE * minute, value)


def file_s(folder: Path, *words: str) -> float:
    """Wall seconds of the command over 300,000 readings of ten sensors."""
    path = folder / "fleet.csv"
    if not path.exists():
        rng = np.random.default_rng(5)
        value = np.stack([celsius(np.full(30_000, s), np.arange(30_000), rng) for s in range(10)], axis=1)
        with path.open("w") as out:
            out.write("sensor,time,celsius\n")
            for minute, row in enumerate((value / 1000.0).tolist()):
                at = rfc3339(T0 + minute * MINUTE)
                out.writelines(f"br-{s}/load,{at},{c:.2f}\n" for s, c in enumerate(row))
    command = [sys.executable, "-m", "coldchain", "replay", str(path), *words, "--json"]
    took = []
    for _ in range(3):
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        took.append(time.perf_counter() - begun)
    return min(took)


def rates(quick: bool) -> list[Row]:
    """Batches, the tick, one long history, each also beside the loop."""
    count = 10 if quick else 60
    limits = block_s(BATCH, count, insight=False, shuffled=True)
    whole = block_s(BATCH, count, insight=True, shuffled=True)
    plain, plain_all = loop(40_000 if quick else 200_000), loop_of_all(200 if quick else 1000, 60)
    tick = block_s(FLEET, 5 if quick else 15, insight=False, shuffled=False)
    tick_all = float("nan") if quick else block_s(FLEET, 10, insight=True, shuffled=False)
    few, few_all = one_sensor(90, insight=False), one_sensor(90, insight=True)
    print(f"plain loop: {plain / 1e6:.2f} M readings/s limits alone, {plain_all / 1e6:.3f} M more rules")
    print(f"one sensor, 90 days: {few / 1e6:.1f} M readings/s limits, {few_all / 1e6:.1f} M all rules")
    rows = [
        Row("validity, order, limits, silence: batches of 10,000", BATCH / limits / 1e6, "M/s", 10),
        Row("all rules: batches of 10,000", BATCH / whole / 1e6, "M/s", 5),
        Row("tick of 100,000 sensors, validity, order, limits, silence", tick * 1e3, "ms", 6, least=False),
        Row("months of one sensor, its rate beside that tick's", few * tick / FLEET, "x", 0.2),
        Row("batches beside a plain loop, limits", BATCH / limits / plain, "x", 20),
        Row("batches beside a plain loop, all rules", BATCH / whole / plain_all, "x", 20),
    ]
    if not quick:
        rows.insert(3, Row("the same tick with all rules", tick_all * 1e3, "ms", 6, least=False))
        part = few_all * tick_all / FLEET
        rows.insert(5, Row("months of one sensor, all rules, beside that tick's", part, "x", 0.2))
    return rows


def histories() -> list[Row]:
    record = year()
    limits = spent(lambda: replay_limits(record, PlainLimits(6, 2, 300, 0.3)), 3)
    whole = spent(lambda: judge_profile(record, RED), 3)
    rows = [
        Row("a sensor-year at one minute from arrays, limits", limits * 1e3, "ms", 150, least=False),
        Row("a sensor-year at one minute from arrays, all rules", whole * 1e3, "ms", 150, least=False),
    ]
    plain = ("--rules", "limits", "--high", "6", "--low", "2", "--on-delay", "300", "--deadband", "0.3")
    with tempfile.TemporaryDirectory() as folder:
        few = file_s(Path(folder), *plain)
        all_rules = file_s(Path(folder), "--profile", "red-cells@eu")
    return [
        *rows,
        Row("300,000 readings of CSV to verdicts by command, limits", few, "s", 2, least=False),
        Row("300,000 readings of CSV to verdicts by command, all rules", all_rules, "s", 2, least=False),
    ]


def beside_prometheus(program: str, quick: bool) -> list[Row]:
    wall, theirs = prometheus_rules.evaluation_s(program, BATCH, 2 if quick else 6)
    few = block_s(BATCH, 20, insight=False, shuffled=False, silence=False)
    ours = block_s(BATCH, 20, insight=True, shuffled=False, silence=False)
    told = f"{wall * 1e3:.0f} ms an evaluation by its clock, {theirs * 1e3:.0f} ms of CPU"
    print(f"Prometheus, five rules over {BATCH:,} series: {told}")
    return [
        Row("CPU of five rules by Prometheus beside a tick, limits", theirs / few, "x", 100),
        Row("CPU of five rules by Prometheus beside a tick, all rules", theirs / ours, "x", 100),
    ]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--quick", action="store_true", help="fewer repetitions; no tick with all rules")
    words.add_argument("--prometheus", help="its program; looked for on PATH otherwise")
    asked = words.parse_args()
    rows = rates(asked.quick) + histories()
    program = asked.prometheus or shutil.which("prometheus")
    if program is None:
        print("Prometheus was not found and not run: give --prometheus PATH (Debian's package `prometheus`)")
    else:
        rows += beside_prometheus(program, asked.quick)
    print(*rows, sep="\n")


if __name__ == "__main__":
    main()
