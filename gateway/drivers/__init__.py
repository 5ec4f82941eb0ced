# SPDX-License-Identifier: Apache-2.0
"""Ways in. `DRIVERS` holds those of configured lines, by their name in settings; see `base.Driver`.

Nodes that publish by MQTT are no line: `mqtt_nodes`.
"""

from __future__ import annotations

from collections.abc import Callable

from coldchain.settings import LineSettings
from gateway.drivers.base import Driver, Maps, Surroundings
from gateway.drivers.canary import Canary
from gateway.drivers.modbus import ModbusBus
from gateway.drivers.serial_line import SerialLines


def _serial(line: LineSettings, _maps: Maps, around: Surroundings) -> Driver:
    return SerialLines(line, around)


DRIVERS: dict[str, Callable[[LineSettings, Maps, Surroundings], Driver]] = {
    "serial": _serial,
    "modbus-rtu": ModbusBus,
    "modbus-tcp": ModbusBus,
    "canary": Canary,
}
