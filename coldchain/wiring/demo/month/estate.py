# SPDX-License-Identifier: Apache-2.0
"""The devices of a demo: makers, models, serial numbers, warranties, plans of upkeep, a few calibrations.

All names are invented and say so. Which appliance has which comes from its place in the fleet.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from coldchain.records.devices import Certificate, Devices, Done, Facts, Installed, Plan, Said, serial_of
from coldchain.records.registry import Appliance, Offset, Registry

DAY_MS = 86_400_000
MODELS = {
    "blood-refrigerator": ("Example Cold (invented)", ("EC-BR 240", "EC-BR 360")),
    "plasma-freezer": ("Sample Frost (invented)", ("SF-PF 310", "SF-PF 480")),
    "ultra-freezer": ("Sample Frost (invented)", ("SF-UF 86",)),
    "platelet-incubator": ("Demo Agitation (invented)", ("DA-PI 48",)),
    "active-box": ("Example Transport (invented)", ("ET-AB 24",)),
    "passive-box": ("Example Transport (invented)", ("ET-PB 12",)),
}
"""Kind of appliance -> maker and its models."""
CLEANED, CHECKED = "clean the condenser, look at the door's seal", "check the alarm and the battery"
EVERY = {CLEANED: 90, CHECKED: 180}
"""A task of upkeep -> its days."""
LATE = 23
"""One appliance in so many is overdue."""
CALIBRATED = 9
"""One in so many has a certificate."""
LABORATORY = "Example Calibration Laboratory (invented)"


def with_devices(registry: Registry, until_ms: int, spared: Collection[str]) -> Registry:
    """The registry with serial numbers and models, and the offsets of the certificates.

    spared  appliances of the month's story: nothing corrects what they read
    """
    appliances = tuple(_known(number, one) for number, one in enumerate(registry.appliances))
    offsets = {
        said.sensor: Offset(from_ms=said.from_ms, offset_k=said.offset_k, expires_ms=said.expires_ms)
        for number, one in enumerate(appliances)
        if (said := _certificate(number, one, until_ms, spared)) is not None
    }
    sensors = tuple(
        one.model_copy(update={"offsets": (offsets[one.id],)}) if one.id in offsets else one
        for one in registry.sensors
    )
    return registry.model_copy(update={"appliances": appliances, "sensors": sensors})


def _known(number: int, appliance: Appliance) -> Appliance:
    _, models = MODELS.get(appliance.kind, ("", ("",)))
    told = {"serial": f"DEMO-{20 + number % 6}-{number + 1:04d}", "model": models[number % len(models)]}
    return appliance.model_copy(update=told)


def _certificate(
    number: int, appliance: Appliance, until_ms: int, spared: Collection[str]
) -> Certificate | None:
    if number % CALIBRATED != 1 or appliance.id in spared:
        return None
    from_ms = until_ms - (40 + number * 13 % 310) * DAY_MS
    return Certificate(
        sensor=f"{appliance.id}/load",
        offset_k=(number % 5 - 2) * 0.05,
        from_ms=from_ms,
        expires_ms=from_ms + 365 * DAY_MS,
        laboratory=LABORATORY,
        number=f"INVENTED-{number + 1:04d}",
    )


def write_devices(
    desk: Path, wall_ms: Callable[[], int], registry: Registry, until_ms: int, spared: Collection[str]
) -> None:
    """What is written about each device, by somebody of its site."""
    devices = Devices(desk, wall_ms)
    devices._db.execute("PRAGMA synchronous=OFF")  # noqa: SLF001 -- a month that broke off is thrown away
    try:
        for number, appliance in enumerate(registry.appliances):
            person = (registry.people_for(appliance.site) or registry.people)[0].id
            serial = serial_of(appliance)
            for place, said in enumerate(_entries(number, appliance, until_ms, spared)):
                key, kind = f"month-device-{number}-{place}", type(said).__name__.lower()
                plan = devices.add(key, serial, kind, said, person=person)
                if isinstance(said, Plan):
                    done = Done(plan=plan, done_ms=_done_ms(number, said, until_ms))
                    devices.add(f"{key}-done", serial, "done", done, person=person)
    finally:
        devices.close()


def _entries(number: int, appliance: Appliance, until_ms: int, spared: Collection[str]) -> Iterator[Said]:
    maker, _ = MODELS.get(appliance.kind, ("", ()))
    came_ms = until_ms - (200 + number * 53 % 1500) * DAY_MS
    warranty_ms = came_ms + (3 + number % 3) * 365 * DAY_MS
    yield Facts(maker=maker, model=appliance.model, warranty_until_ms=warranty_ms)
    yield Installed(appliance=appliance.id, site=appliance.site, from_ms=came_ms)
    for task, days in EVERY.items():
        if task == CLEANED and appliance.kind == "passive-box":
            continue
        yield Plan(task=task, every_days=days, first_ms=came_ms + days * DAY_MS)
    if (said := _certificate(number, appliance, until_ms, spared)) is not None:
        yield said


def _done_ms(number: int, plan: Plan, until_ms: int) -> int:
    """When it was last done: the next time is spread over its days, and has passed for a few."""
    late = plan.task == CLEANED and number % LATE == 5
    ago = plan.every_days + 1 + number % 9 if late else (number * 37 + 11) % (plan.every_days - 3)
    return until_ms - ago * DAY_MS
