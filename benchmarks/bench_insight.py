# SPDX-License-Identifier: Apache-2.0
"""How fast insight is: `python benchmarks/bench_insight.py`. CPU seconds of one core; ratios are steadier."""

import time

import numpy as np

from alerts.insight import cycles, defrost, observe, slots, time_to_limit, validity, virtual_load
from alerts.insight.scan import Readings

START_MS = 1_790_000_000_000 // 300_000 * 300_000
MINUTE_MS = 60_000


def readings_of(sensors: int, minutes: int, first: int = 0) -> Readings:
    """Cycling of ten minutes with noise, one reading a minute."""
    rng = np.random.default_rng(1)
    minute = np.tile(np.arange(first, first + minutes), sensors)
    wave = 1200 * np.sin(2 * np.pi * minute / 10) + rng.normal(0, 60, len(minute))
    series = np.repeat(np.arange(sensors), minutes)
    return Readings.of(series, START_MS + minute * MINUTE_MS, np.rint(4000 + wave).astype(np.int64))


def around(n: int) -> observe.Around:
    return observe.Around(
        np.full(n, 6.0), np.full(n, 2.0), np.full(n, 15.0), np.full(n, 25.0), np.zeros(n, bool)
    )


def spent(work, times: int = 3) -> float:
    """The least CPU time of some runs [s]."""
    best = np.inf
    for _ in range(times):
        begin = time.process_time()
        work()
        best = min(best, time.process_time() - begin)
    return best


def whole(sensors: int, minutes: int, *, load: bool) -> float:
    """Readings a second through everything, after an hour of warm-up."""
    table = observe.blank(sensors)
    tau_s = np.full(sensors, 3600.0) if load else None
    warm = readings_of(sensors, 60)
    observe.advance(table, warm, around(warm.seg.n), tau_s=tau_s)
    later = readings_of(sensors, minutes, 60)
    context = around(later.seg.n)
    saved = table.tobytes()

    def again() -> float:
        fresh = np.frombuffer(bytearray(saved), observe.STATE)
        return spent(lambda: observe.advance(fresh, later, context, tau_s=tau_s), 1)

    return later.seg.n / min(again() for _ in range(3))


def parts(sensors: int, minutes: int) -> None:
    """Each module alone."""
    r = readings_of(sensors, minutes)
    closed = slots.close(slots.blank(sensors), r)
    usual = cycles.Known(np.array([[600.0, 0.5, 0.004, 0.004, 2.8, 5.2]]), np.zeros(r.seg.n, np.int64))
    ceiling = np.full(r.seg.n, 15.0)
    work = {
        "validity": lambda: validity.advance(validity.blank(sensors), r),
        "virtual load": lambda: virtual_load.advance(
            virtual_load.blank(sensors), r, np.full(sensors, 3600.0), 120_000
        ),
        "slots": lambda: slots.close(slots.blank(sensors), r),
        "cycles": lambda: cycles.advance(cycles.blank(sensors), r, closed),
        "defrost": lambda: defrost.advance(defrost.blank(sensors), r, usual, ceiling),
    }
    if closed is not None:
        m = len(closed.slot)
        column, off = np.full(m, 6.0), np.zeros(m, bool)
        work["time to limit"] = lambda: time_to_limit.advance(
            time_to_limit.blank(sensors), closed, column, column - 4, column + 19, off
        )
    for name, job in work.items():
        print(f"  {name:14s} {r.seg.n / spent(job) / 1e6:6.1f} M readings/s")


def main() -> None:
    """Print rates for ticks, batches and long histories."""
    print(f"state: {observe.STATE.itemsize} bytes a sensor")
    for sensors, minutes in ((10_000, 1), (30_000, 1), (100, 100), (10, 10_080), (1, 525_600)):
        plain, load = whole(sensors, minutes, load=False), whole(sensors, minutes, load=True)
        print(
            f"{sensors} sensors x {minutes} readings: {plain / 1e6:.2f} M readings/s, "
            f"{load / 1e6:.2f} with the virtual load ({1e3 * sensors * minutes / plain:.1f} ms a block)"
        )
    for sensors, minutes in ((10_000, 10), (1, 525_600)):
        print(f"{sensors} sensors x {minutes}, each part alone:")
        parts(sensors, minutes)


if __name__ == "__main__":
    main()
