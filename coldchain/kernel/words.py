# SPDX-License-Identifier: Apache-2.0
"""The words of the project as types: quantities, reading status, clock quality, flags.

The codes travel on the wire and lie on disk (docs/wire-format.md): never renumber them.
"""

from __future__ import annotations

from datetime import date
from enum import IntEnum, IntFlag, StrEnum
from typing import NewType

SensorId = NewType("SensorId", str)
"""Names a place, not a device: ``vte-br-03/load`` survives a swapped probe."""

ApplianceId = NewType("ApplianceId", str)
NodeId = NewType("NodeId", str)


class Quantity(IntEnum):
    """What a reading measures. Values travel as integers in thousandths of the unit."""

    TEMPERATURE = 1  # °C inside the appliance, air or load probe
    DOOR = 2  # 0 closed, 1 open
    MAINS = 3  # 0 absent, 1 present
    BATTERY = 4  # %
    AMBIENT = 5  # °C of the room
    HUMIDITY = 6  # % relative humidity
    COMPRESSOR = 7  # 0 off, 1 running
    AGITATOR = 8  # 0 stopped, 1 moving
    SET_POINT = 9  # °C the appliance's own controller aims at
    CONTROLLER_ALARM = 10  # the controller's own alarm code, 0 = none

    @property
    def word(self) -> str:
        """The name on the JSON wire: ``temperature``, ``set-point`` ..."""
        return self.name.lower().replace("_", "-")


QUANTITY_OF_WORD = {q.word: q for q in Quantity}


class Status(IntEnum):
    """What the node says of the reading itself. Anything but OK carries no value."""

    OK = 0
    OPEN = 1  # probe circuit open
    SHORT = 2  # probe circuit short
    NO_ANSWER = 3  # probe did not answer
    OUT_OF_RANGE = 4  # beyond the converter's range
    NOT_A_NUMBER = 5  # the node could not make a number of it


class ClockQuality(IntEnum):
    """Where a reading's instant comes from."""

    NONE = 0  # the node has no clock: the gateway stamped it (its clock less the frame's age)
    UNTRUSTED = 1  # the node has a clock it does not vouch for: stamped by the gateway, raw time kept
    TRUSTED = 2  # the node's own clock
    GATEWAY_DOUBT = 3  # stamped by a gateway whose own clock was not set


class Flag(IntFlag):
    """What admission noticed about a reading it recorded. Flags never refuse."""

    NONE = 0
    FAILED = 1  # status was not OK: there is no value
    IMPLAUSIBLE = 2  # outside what the quantity can be
    FUTURE = 4  # more than 120 s ahead of arrival: judged by its arrival, moves no watermark
    LATE = 8  # arrived more than the lateness window after its instant
    CLOCK_DOUBT = 16  # stamped by a clock that was not known to be right
    READMITTED = 32  # waited for its sensor to be adopted
    TEST = 64  # part of a drill: never an excursion


class Health(StrEnum):
    """The word the console shows for an appliance, worst first."""

    ALARM = "alarm"
    SILENT = "silent"
    WARNING = "warning"
    WAITING = "waiting"  # known, and has never reported
    OK = "ok"


FUTURE_TOLERANCE_MS = 120_000
"""A reading further ahead of its arrival than this is flagged (docs/design.md, time)."""

NO_VALUE = -(2**31)
"""Stands in the value column of a failed reading. Never a temperature: it would be -2,147,483.648."""

CANARY_NODE = "canary-"
"""The node of a gateway's canary is this and the gateway's name."""


def canary_value(day: date) -> int:
    """What the canary reads on that day [thousandths of a degree]: the days since 2000, a plausible room.

    >>> canary_value(date(2026, 1, 1))
    9497
    """
    return day.toordinal() - date(2000, 1, 1).toordinal()
