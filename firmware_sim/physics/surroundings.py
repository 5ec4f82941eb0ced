# SPDX-License-Identifier: Apache-2.0
"""What comes from outside an appliance: room temperature, people at the door, journeys of boxes.

Everything here is a function of absolute time and key, so it is the same however a run is cut.
Climate: Vientiane and the provinces in the dry season, monthly means 22..29 °C with a daily swing of
8..12 K outdoors (general knowledge); indoors the swing is smaller, and central sites cool their rooms.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_sim.physics.constants import BoolArray, Constants
from firmware_sim.physics.noise import FloatArray, KeyArray, key_of, uniform

DAY_S = 86_400
SLOT_S = 600
"""A door is opened at most once in each slot of ten minutes."""
_SLOTS_PER_DAY = DAY_S // SLOT_S
_WORK_START_H, _WORK_END_H = 7, 17
_NIGHT_WEIGHT = 0.08
_WARMEST_H = 15.0

ROOMS: dict[str, tuple[float, float]] = {
    "central": (23.5, 1.2),
    "provincial": (26.0, 2.0),
    "district": (27.5, 3.5),
}
"""Mean and half swing of a room by level of site [°C, K]; sites differ by up to 1 K and 20 %."""
OUTDOOR_K, OUTDOOR_SWING_K = 1.0, 2.5
"""A box on a journey: this much warmer, and this much more swing, than its home room."""

_LANE_OPENS, _LANE_WHEN, _LANE_LONG, _LANE_RESTOCK, _LANE_TRIP, _LANE_ROOM = range(100, 106)


@dataclass(frozen=True, slots=True)
class Room:
    """One site's air: mean [°C], half daily swing [K], and two slow waves of 1 K that make days differ."""

    mean_c: float
    swing_k: float
    phase: float

    @classmethod
    def of(cls, site_id: str, level: str, seed: int) -> "Room":
        mean_c, swing_k = ROOMS[level]
        words = [key_of(seed, site_id, "room", n) / 2**64 for n in range(3)]
        return cls(mean_c + 2 * words[0] - 1, swing_k * (0.8 + 0.4 * words[1]), 2 * math.pi * words[2])

    def temperature_c(self, local_s: float) -> tuple[float, float]:
        """(room temperature [°C], position in the daily swing -1..1) at a local time [s since epoch]."""
        swing = math.cos(2 * math.pi * (local_s / DAY_S - _WARMEST_H / 24))
        days = local_s / DAY_S
        slow = 0.6 * math.sin(2 * math.pi * days / 5.3 + self.phase) + 0.4 * math.sin(
            2 * math.pi * days / 2.1 - self.phase
        )
        return self.mean_c + self.swing_k * swing + slow, swing


@dataclass(slots=True)
class Surroundings:
    """Room, door and journey of each row. Call `minute` each minute, `slot` at each new slot of 600 s."""

    rooms: Sequence[Room]
    room_of: NDArray[np.intp]
    c: Constants
    utc_offset_s: float
    ambient_c: FloatArray
    away: BoolArray
    door_from_s: FloatArray
    door_until_s: FloatArray
    restock: BoolArray

    @classmethod
    def of(
        cls, rooms: Sequence[Room], room_of: Sequence[int], c: Constants, utc_offset_s: float
    ) -> "Surroundings":
        rows = len(room_of)
        zeros = np.zeros(rows)
        no = np.zeros(rows, dtype=bool)
        return cls(
            rooms,
            np.array(room_of, dtype=np.intp),
            c,
            utc_offset_s,
            zeros,
            no,
            zeros.copy(),
            zeros.copy(),
            no.copy(),
        )

    def minute(self, utc_s: float) -> None:
        """Refresh room temperatures [°C] and who is on a journey."""
        if not len(self.room_of):
            return
        local_s = utc_s + self.utc_offset_s
        airs = np.array([room.temperature_c(local_s) for room in self.rooms])
        air, swing = airs[self.room_of].T
        own = 2 * uniform(self.c.keys, _LANE_ROOM, 0) - 1  # a corner or a window: up to 1 K
        self.away = self._away(local_s)
        self.ambient_c = air + own + np.where(self.away, OUTDOOR_K + OUTDOOR_SWING_K * swing, 0.0)

    def _away(self, local_s: float) -> BoolArray:
        """Active and passive boxes travel on six days of ten, from about 08:00 to between 12:30 and 16:00."""
        day = math.floor(local_s / DAY_S)
        hour = (local_s - day * DAY_S) / 3600
        goes = uniform(self.c.keys, _LANE_TRIP, 3 * day) < 0.6
        leaves_h = 7.5 + uniform(self.c.keys, _LANE_TRIP, 3 * day + 1)
        back_h = 12.5 + 3.5 * uniform(self.c.keys, _LANE_TRIP, 3 * day + 2)
        return self.c.mobile & goes & (leaves_h <= hour) & (hour < back_h)

    def slot(self, utc_s: float) -> None:
        """Draw the door opening of the slot that holds this instant, and whether it brings warm bags."""
        local_s = utc_s + self.utc_offset_s
        number = math.floor(utc_s / SLOT_S)
        hour = (local_s % DAY_S) / 3600
        busy = _WORK_START_H <= hour < _WORK_END_H
        weight = 1.0 if busy else _NIGHT_WEIGHT
        work_slots = (_WORK_END_H - _WORK_START_H) * 3600 // SLOT_S
        whole = work_slots + _NIGHT_WEIGHT * (_SLOTS_PER_DAY - work_slots)
        keys: KeyArray = self.c.keys
        opens = uniform(keys, _LANE_OPENS, number) < self.c["openings_per_day"] * weight / whole
        begin = number * SLOT_S + uniform(keys, _LANE_WHEN, number) * 400.0
        tail = uniform(keys, _LANE_LONG, number)
        long_s = self.c["opening_s"] * (0.5 + 1.8 * tail * tail)  # mean 1.1, longest 2.3 times the usual
        self.door_from_s = np.where(opens, begin, np.inf)
        self.door_until_s = np.where(opens, begin + long_s, np.inf)
        self.restock = opens & (uniform(keys, _LANE_RESTOCK, number) < 0.1) & ~self.c.mobile

    def door_open(self, utc_s: float) -> BoolArray:
        """Doors that people hold open now."""
        opened: BoolArray = (self.door_from_s <= utc_s) & (utc_s < self.door_until_s)
        return opened
