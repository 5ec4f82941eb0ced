# SPDX-License-Identifier: Apache-2.0
"""Which quantities each type offers to its node, on which channels, and how often a node should send them."""

from dataclasses import dataclass
from enum import IntEnum

from firmware_sim.physics.designs import ApplianceType

CHANNELS_PER_APPLIANCE = 16


class Quantity(IntEnum):
    """Columns of ``World.sense_all`` and offsets of channels: channel = slot * 16 + quantity."""

    LOAD = 0  # temperature of the load [°C]
    AIR = 1  # temperature of the air [°C]
    DOOR = 2  # 1 open, 0 closed
    MAINS = 3  # 1 present, 0 absent
    BATTERY = 4  # [%]
    AMBIENT = 5  # temperature around the appliance [°C]
    HUMIDITY = 6  # relative humidity of the air inside [%]
    COMPRESSOR = 7  # 1 drawing current
    AGITATOR = 8  # 1 moving
    SET_POINT = 9  # [°C]
    CONTROLLER_ALARM = 10  # the controller's own: 0 none, 1 high, 2 low, 3 door, 4 power, 5 sensor

    @property
    def word(self) -> str:
        """The name in scenarios, in ``World.sense`` and in sensor ids: ``load``, ``set-point`` ..."""
        return self.name.lower().replace("_", "-")

    @property
    def wire_code(self) -> int:
        """The quantity's code in the wire format: both probes measure temperature, code 1."""
        return max(int(self), 1)


@dataclass(frozen=True, slots=True)
class Offer:
    """One quantity: sent every ``every_s``, and at once when it moved by ``on_change`` (0 = at all)."""

    quantity: Quantity
    every_s: int
    on_change: float | None = None


_LOAD = Offer(Quantity.LOAD, 60)
_AIR = Offer(Quantity.AIR, 60)
_DOOR = Offer(Quantity.DOOR, 900, 0)
_MAINS = Offer(Quantity.MAINS, 900, 0)
_BATTERY = Offer(Quantity.BATTERY, 900, 5)
_AMBIENT = Offer(Quantity.AMBIENT, 900, 1)
_HUMIDITY = Offer(Quantity.HUMIDITY, 900, 10)
_COMPRESSOR = Offer(Quantity.COMPRESSOR, 900, 0)
_AGITATOR = Offer(Quantity.AGITATOR, 900, 0)
_SET_POINT = Offer(Quantity.SET_POINT, 3600, 0)
_ALARM = Offer(Quantity.CONTROLLER_ALARM, 900, 0)

_COLD = (_LOAD, _AIR, _DOOR, _MAINS, _BATTERY, _AMBIENT, _COMPRESSOR, _SET_POINT, _ALARM)

OFFERS: dict[ApplianceType, tuple[Offer, ...]] = {
    ApplianceType.BLOOD_REFRIGERATOR: (*_COLD, _HUMIDITY),
    ApplianceType.PLASMA_FREEZER: _COLD,
    ApplianceType.ULTRA_FREEZER: _COLD,
    ApplianceType.PLATELET_INCUBATOR: (*_COLD, _HUMIDITY, _AGITATOR),
    ApplianceType.PASSIVE_BOX: (_LOAD, _AIR, _DOOR, _BATTERY, _AMBIENT),
    ApplianceType.ACTIVE_BOX: _COLD,
}
