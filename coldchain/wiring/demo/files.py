# SPDX-License-Identifier: Apache-2.0
"""Recorded files as sensors: which there are, on which channel, judged by which profile."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from coldchain.files import read_readings
from coldchain.kernel.errors import BadData
from coldchain.settings.profile_files import PROFILES

NODE = "replay"
CHANNEL_MAX = 65_535


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
    paths: Iterable[Path],
    profile: str | None,
    earlier: Mapping[str, ReplaySensor],
    taken: Iterable[str] = (),
) -> tuple[list[ReplaySensor], int]:
    """The sensors of these files, and how many readings they hold.

    profile  judge all of them by this one; None: the component whose range is nearest to the sensor's median
    earlier  sensors that runs in this folder registered before: they keep their channels
    taken    names of appliances that are not theirs
    """
    if profile is not None and profile not in PROFILES:
        raise BadData(f"no profile {profile!r}; there are: {', '.join(PROFILES)}")
    count, by_sensor = 0, dict[str, list[float]]()
    for path in paths:
        for reading in read_readings(path):
            count += 1
            values = by_sensor.setdefault(reading.sensor, [])
            if reading.celsius is not None:
                values.append(reading.celsius)
    sensors = []
    names = {sensor.appliance for sensor in earlier.values()}.union(taken)
    channel = max((sensor.channel for sensor in earlier.values()), default=-1)
    for sensor, values in by_sensor.items():
        if sensor in earlier:
            sensors.append(earlier[sensor])
            continue
        channel += 1
        appliance = name = slug(sensor.rpartition("/")[0] or sensor)
        number = channel
        while appliance in names:
            appliance = f"{name}-{number}"
            number += 1
        names.add(appliance)
        sensors.append(ReplaySensor(sensor, appliance, NODE, channel, profile or nearest_profile(values)))
    if channel > CHANNEL_MAX:
        raise BadData(f"{len(sensors)} sensors are more than one node has channels: replay them in parts")
    return sensors, count


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
