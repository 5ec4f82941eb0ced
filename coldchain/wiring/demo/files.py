# SPDX-License-Identifier: Apache-2.0
"""Recorded files as sensors: which there are, on which channel, judged by which profile."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from coldchain.files import FileReading, read_readings
from coldchain.kernel.errors import BadData
from coldchain.kernel.limits import PROFILES

NODE = "replay"


@dataclass(frozen=True, slots=True)
class ReplaySensor:
    """One sensor of the files. `appliance` is its name as the registry spells names."""

    sensor: str
    appliance: str
    node: str
    channel: int
    profile: str


def slug(text: str) -> str:
    """A registry name of any text: a-z 0-9 -.

    >>> slug("CELSI raw_data/2")
    'celsi-raw-data-2'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].rstrip("-") or "sensor"


def replay_sensors(
    paths: Iterable[Path], profile: str | None, known: Callable[[str], ReplaySensor | None]
) -> tuple[list[ReplaySensor], list[FileReading]]:
    """The sensors of these files, and all their readings in order of time.

    profile  judge all of them by this one; None: the component whose range is nearest to the sensor's median
    known    a sensor that an earlier run in this folder registered keeps its channel
    """
    if profile is not None and profile not in PROFILES:
        raise BadData(f"no profile {profile!r}; there are: {', '.join(PROFILES)}")
    readings = [reading for path in paths for reading in read_readings(path)]
    by_sensor: dict[str, list[float]] = {}
    for reading in readings:
        values = by_sensor.setdefault(reading.sensor, [])
        if reading.celsius is not None:
            values.append(reading.celsius)
    sensors, taken = [], set[str]()
    for number, (sensor, values) in enumerate(by_sensor.items()):
        earlier = known(sensor)
        if earlier is not None:
            sensors.append(earlier)
            continue
        appliance = name = slug(sensor.rpartition("/")[0] or sensor)
        while appliance in taken:
            appliance = f"{name}-{number}"
        taken.add(appliance)
        sensors.append(ReplaySensor(sensor, appliance, NODE, number, profile or nearest_profile(values)))
    readings.sort(key=lambda reading: reading.at_ms)
    return sensors, readings


def nearest_profile(values: list[float]) -> str:
    """The component that is stored closest to the median of these temperatures [°C].

    >>> nearest_profile([-19.0, -18.5]), nearest_profile([4.2]), nearest_profile([21.0])
    ('plasma@eu', 'red-cells@eu', 'platelets@eu')
    """
    if not values:
        return "red-cells@eu"
    median_c = statistics.median(values)
    if median_c < -5:
        return "plasma@eu"
    return "red-cells@eu" if median_c < 13 else "platelets@eu"
