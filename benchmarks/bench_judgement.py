# SPDX-License-Identifier: Apache-2.0
"""Judgement, figures and ratios on one core: batches, ticks, one long sensor, a year, a file, a loop."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from scalar_judge import Plain
from scalar_judge import Sensor as ScalarSensor

from alerts.engine import EngineState, step
from alerts.recording import Recording
from alerts.replay import PlainLimits, replay_limits
from alerts.rules.flat import Block
from alerts.rules.silence import judge_silence
from alerts.rules.terms import RuleTable, of_one_profile
from alerts.verdicts import judge_profile
from coldchain.kernel.instants import rfc3339
from coldchain.settings.profile_files import PROFILES

T0, MINUTE = 1_700_000_000_000, 60_000
RED = PROFILES["red-cells@eu"]


def rules(sensors: int) -> RuleTable:
    return of_one_profile(sensors, RED, MINUTE, 5 * MINUTE)


def load(rng: np.random.Generator, n: int) -> np.ndarray:
    """Thousandths: about one reading in a hundred is outside, one in ten thousand a sensor code."""
    value = (4_000 + rng.normal(0, 750, n)).astype(np.int64)
    value[rng.random(n) < 0.0001] = -127_000
    return value


def block(series: np.ndarray, at: np.ndarray, value: np.ndarray) -> Block:
    n = len(series)
    return Block(series, at, value, np.ones(n, bool), np.ones(n, bool), np.zeros(n, bool))


def seconds(work: Callable[[], object], times: int = 5) -> float:
    """CPU, the best of several: others share this machine."""
    took = []
    for _ in range(times):
        begun = time.process_time()
        work()
        took.append(time.process_time() - begun)
    return min(took)


def ticks(sensors: int, size: int, n: int, *, shuffled: bool) -> list[Block]:
    rng = np.random.default_rng(1)
    made = []
    for k in range(n):
        series = rng.permutation(sensors)[:size] if shuffled else np.arange(size)
        at = T0 + k * MINUTE + rng.integers(0, 20_000, size)
        made.append(block(series, at, load(rng, size)))
    return made


def judged(blocks: list[Block], sensors: int) -> float:
    """Seconds for all of them, silence looked for once a block."""
    table = rules(sensors)

    def work() -> None:
        state = EngineState.fresh(sensors)
        for k, one in enumerate(blocks):
            state = step(state, one, table, give=True).state
            if len(one) >= sensors:
                judge_silence(state.table["live_at"], table, 5 * MINUTE, T0 + k * MINUTE)

    return seconds(work)


def loop(readings: int) -> float:
    """Readings a second of the same rules in plain Python."""
    rng = np.random.default_rng(1)
    sensors = [
        ScalarSensor(high=6000, low=2000, deadband=300, delay_ms=300_000, fault_after_ms=300_000)
        for _ in range(1000)
    ]
    value = load(rng, readings).tolist()
    begun = time.process_time()
    for n, one in enumerate(value):
        sensors[n % 1000].take(Plain(T0 + n // 1000 * MINUTE, one))
    return readings / (time.process_time() - begun)


def month(days: int) -> Block:
    n = days * 1440
    at = T0 + MINUTE * np.arange(n)
    return block(np.zeros(n, np.int64), at, load(np.random.default_rng(2), n))


def year() -> Recording:
    n = 525_600
    rng = np.random.default_rng(3)
    celsius = np.round(4 + rng.normal(0, 0.8, n), 2)
    return Recording(("a",), np.zeros(n, np.int64), T0 + MINUTE * np.arange(n), celsius)


def file_to_verdicts(folder: Path) -> float:
    """Wall seconds of the command over 300,000 readings of 10 sensors."""
    path = folder / "fleet.csv"
    rng = np.random.default_rng(4)
    celsius = rng.normal(4, 1.2, (30_000, 10))
    with path.open("w") as out:
        out.write("sensor,time,celsius\n")
        for minute in range(30_000):
            at = rfc3339(T0 + minute * MINUTE)
            out.writelines(f"br-{s}/load,{at},{celsius[minute, s]:.2f}\n" for s in range(10))
    limits = ("--rules", "limits", "--high", "6", "--low", "2", "--on-delay", "300", "--deadband", "0.3")
    took = []
    for _ in range(3):
        begun = time.perf_counter()
        command = [sys.executable, "-m", "coldchain", "replay", str(path), *limits, "--json"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[1])
        took.append(time.perf_counter() - begun)
    return min(took)


def main() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    plain = loop(100_000)
    print(f"plain Python loop, the same rules: {plain / 1e6:.2f} M readings/s")
    for sensors, size in ((10_000, 10_000), (100_000, 10_000)):
        blocks = ticks(sensors, size, 60, shuffled=True)
        rate = 60 * size / judged(blocks, sensors)
        name = f"batches of {size:,} over {sensors:,} sensors, shuffled"
        print(f"{name}: {rate / 1e6:.1f} M readings/s, {rate / plain:.0f} x the loop")
    dense = judged(ticks(100_000, 100_000, 10, shuffled=False), 100_000) / 10
    print(f"tick of 100,000 sensors, silence included: {dense * 1e3:.1f} ms = {0.1 / dense:.1f} M readings/s")
    one = month(90)
    took = seconds(lambda: step(EngineState.fresh(1), one, rules(1)))
    rate = len(one) / took
    part = rate * dense / 1e5
    print(f"90 days of one sensor in one batch: {rate / 1e6:.1f} M readings/s, {part:.2f} of the tick's")
    record = year()
    took = seconds(lambda: replay_limits(record, PlainLimits(6, 2, 300, 0.3)), 3)
    print(f"one sensor-year from arrays, plain limits and sums: {took * 1e3:.0f} ms")
    took = seconds(lambda: judge_profile(record, RED, insight=False), 3)
    print(f"one sensor-year from arrays, a profile: {took * 1e3:.0f} ms")
    took = seconds(lambda: judge_profile(record, RED), 1)
    print(f"one sensor-year from arrays, a profile with insight: {took * 1e3:.0f} ms")
    with tempfile.TemporaryDirectory() as folder:
        took = file_to_verdicts(Path(folder))
        print(f"300,000 readings of 10 sensors, CSV to verdicts, by command: {took:.2f} s")


if __name__ == "__main__":
    main()
