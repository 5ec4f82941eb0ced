# SPDX-License-Identifier: Apache-2.0
"""How long a simulated day takes: `python benchmarks/bench_physics.py`."""

import time

from firmware_sim.faults import Scenario
from firmware_sim.fleet import Fleet
from firmware_sim.physics.prepare import prepare
from firmware_sim.physics.world import World

START_UTC_S = 1_790_000_000.0


def main() -> None:
    """Print CPU seconds for a warm start, a placed scenario, and a day of fleets of several sizes."""
    whole = Fleet.load()
    begin = time.process_time()
    prepare(whole, Scenario.load(), seed=1, start_utc_s=START_UTC_S, begin_s=-1200)
    print(f"demo scenario placed and warmed up, 243 appliances: {time.process_time() - begin:.2f} s")
    days = []
    for count in (1, 50, 243):
        world = World(Fleet.small(count, of=whole), seed=1, start_utc_s=START_UTC_S)
        begin = time.process_time()
        world.step_to(86_400.0)
        day = time.process_time() - begin
        days.append(day)
        print(f"a day of {count:4d} appliances: {day:.2f} s, {day / count * 365:.2f} s an appliance-year")
    print(f"243 appliances cost {days[-1] / days[0]:.1f} times one")


if __name__ == "__main__":
    main()
