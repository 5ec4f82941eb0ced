# SPDX-License-Identifier: Apache-2.0
"""An alarm's life as one table, after ANSI/ISA-18.2. Nothing else in the project changes an alarm's state."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where an alarm is. CLOSED is ISA-18.2's *normal*, for an alarm that was."""

    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned"
    """In order again, and nobody has acknowledged it."""
    CLOSED = "closed"


class Event(StrEnum):
    """What may happen to an alarm."""

    RAISE = "raise"
    ACKNOWLEDGE = "acknowledge"
    RETURN = "return"
    LAPSE = "lapse"
    """An acknowledgement has come to nothing."""


TRANSITIONS = {
    (State.UNACKNOWLEDGED, Event.ACKNOWLEDGE): State.ACKNOWLEDGED,
    (State.UNACKNOWLEDGED, Event.RETURN): State.RETURNED,
    (State.ACKNOWLEDGED, Event.RETURN): State.CLOSED,
    (State.ACKNOWLEDGED, Event.LAPSE): State.UNACKNOWLEDGED,
    (State.RETURNED, Event.ACKNOWLEDGE): State.CLOSED,
    (State.RETURNED, Event.RAISE): State.UNACKNOWLEDGED,
}
"""The arrows. The docs draw their diagram from it."""

CLEARS_BY_ITSELF = frozenset({"silence", "sensor_fault", "rota_gap"})
"""Kinds that say something of the system, not of the blood: back in order, they close without a person."""


def advance(state: State, event: Event, kind: str) -> State:
    """Next state; an event with no arrow leaves the alarm where it is.

    >>> advance(State.UNACKNOWLEDGED, Event.RETURN, "high").value
    'returned'
    >>> advance(State.UNACKNOWLEDGED, Event.RETURN, "silence").value
    'closed'
    """
    after = TRANSITIONS.get((state, event), state)
    return State.CLOSED if after is State.RETURNED and kind in CLEARS_BY_ITSELF else after
