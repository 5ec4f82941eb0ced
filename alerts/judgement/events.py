# SPDX-License-Identifier: Apache-2.0
"""What the engine tells: one record for each thing that happened to a condition of a sensor."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt


class What(IntEnum):
    """What happened to a condition, in the order in which it is told at one instant."""

    RETURNED = 0
    RAISED = 1
    ANNOUNCED = 2
    GROWN = 3


EVENT = np.dtype(
    [
        ("at", "<i8"),  # event time of the reading that brought it
        ("series", "<i8"),
        ("kind", "u1"),  # index in CONDITIONS
        ("what", "u1"),
        ("profile", "<i8"),  # index in RuleTable.profiles
        ("since", "<i8"),
        ("value", "<i8"),  # corrected; as it came where it is no temperature
        ("limit", "<i8"),  # NO_VALUE where there is none
        ("peak", "<i8"),
        (
            "figure",
            "<i8",
        ),  # forecast: seconds left; cumulative: seconds out; rate: K/min in thousandths
    ]
)
Events = npt.NDArray[np.void]

NOTHING: Events = np.zeros(0, EVENT)


def in_telling_order(found: list[Events]) -> Events:
    """By instant, series, condition."""
    if not found:
        return NOTHING
    events = np.concatenate(found)
    return events[np.lexsort((events["what"], events["kind"], events["series"], events["at"]))]
