# SPDX-License-Identifier: Apache-2.0
"""Ways in. `DRIVERS` holds those of configured lines, by their name in settings; see `base.Driver`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from coldchain.settings import LineSettings, RegisterSettings
from gateway.drivers.base import Driver, Surroundings
from gateway.drivers.serial_line import SerialLines

Maps = Mapping[str, tuple[RegisterSettings, ...]]


def _serial(line: LineSettings, _maps: Maps, around: Surroundings) -> Driver:
    return SerialLines(line, around)


DRIVERS: dict[str, Callable[[LineSettings, Maps, Surroundings], Driver]] = {"serial": _serial}
