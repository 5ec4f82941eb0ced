# SPDX-License-Identifier: Apache-2.0
"""Whether a demo begins with a month, and the registry of that month."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from time import monotonic

from coldchain.records.duty import Pace
from coldchain.records.registry import Registry, Sensor
from coldchain.settings import Settings
from coldchain.wiring.demo.month.estate import with_devices, write_devices
from coldchain.wiring.demo.month.past import EVERY_S, SLOW_S
from coldchain.wiring.demo.month.rows import sensors_of
from coldchain.wiring.demo.month.seed import TICK_MS, Month
from coldchain.wiring.demo.month.staff import with_rotas
from coldchain.wiring.demo.month.story import DAY_MS, DAYS, scenario
from coldchain.wiring.demo.plan import BACKFILL_S, DemoPlan, registry_of, save_world
from coldchain.wiring.logs import logs_to
from firmware_sim.fleet import Fleet

BEGUN, DONE = "month.begun", "month.json"


Bar = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]


def no_bar(_: str) -> AbstractContextManager[Callable[[int, int], None]]:
    """For those that look at nothing."""
    return nullcontext(lambda *_: None)


def has_month(plan: DemoPlan) -> bool:
    """Is the folder's history written?"""
    return (plan.directory / DONE).exists()


def seed_month(
    plan: DemoPlan,
    settings: Settings,
    fleet: Fleet,
    now_ms: int,
    say: Callable[[str], None],
    bar: Bar = no_bar,
) -> bool:
    """Write the month before `now_ms`, where the folder has no readings yet. True when it did.

    One that broke off is thrown away and written anew. bar: shows how far it is.
    """
    begun, done = plan.directory / BEGUN, plan.directory / DONE
    stores = (settings.readings_db, settings.alarms_db, settings.desk_db)
    # A desk without readings may be a site's that is being set up: what we did not begin we throw away never.
    theirs = not begun.exists() and any(store.exists() for store in stores)
    if done.exists() or not fleet.appliances or theirs:
        return False
    for store in stores:
        for path in store.parent.glob(f"{store.name}*"):
            path.unlink()
    plan.inbox.unlink(missing_ok=True)
    begun.touch()
    until_ms = (now_ms - BACKFILL_S * 1000) // TICK_MS * TICK_MS
    span = until_ms - DAYS * DAY_MS, until_ms
    save_world(plan, [], now_ms)
    say(f"writing the {DAYS} days before this demo ... (--no-history leaves them out)")
    began_s = monotonic()
    spared = {name for one in scenario(until_ms).resolve(fleet, plan.seed).faults for name in one.appliances}
    registry = with_rotas(with_devices(registry_of(fleet), until_ms, spared), now_ms)
    logs = plan.directory / "log"
    logs.mkdir(exist_ok=True)
    with bar("the days before") as step, logs_to(logs / "month.log"):
        month = Month(plan, settings, fleet, span)
        came_to = month.run(paced(registry, fleet), lambda now: resumed(now, registry, until_ms), step)
        write_devices(settings.desk_db, lambda: until_ms, registry, until_ms, spared)
    done.write_text(
        json.dumps(
            {"what": "simulated history", "from_ms": span[0], "until_ms": span[1], **came_to}, indent=1
        )
    )
    begun.unlink()
    told = ", ".join(f"{value} {name}" for name, value in came_to.items())
    say(f"  {told}; {monotonic() - began_s:.0f} s")
    return True


def paced(registry: Registry, fleet: Fleet) -> Registry:
    """As it was in the month: readings are due as often as the month has them."""
    told = {sensor for _, _, sensor in sensors_of(fleet)}

    def slowed(sensor: Sensor) -> Sensor:
        if sensor.id not in told:
            return sensor
        every_s = EVERY_S if sensor.quantity == "temperature" else SLOW_S
        return sensor.model_copy(update={"every_s": every_s})

    return registry.model_copy(update={"sensors": tuple(map(slowed, registry.sensors))})


def resumed(now: Registry, live: Registry, until_ms: int) -> Registry:
    """From now on readings are due as often as the nodes send them; how it was before stays known."""

    def as_sent(sensor: Sensor) -> Sensor:
        every_s = live.sensor_by_id[sensor.id].every_s
        if every_s == sensor.every_s:
            return sensor
        pace = Pace(until_ms=until_ms, every_s=sensor.every_s)
        return sensor.model_copy(update={"every_s": every_s, "paces": (*sensor.paces, pace)})

    return now.model_copy(update={"sensors": tuple(map(as_sent, now.sensors))})
