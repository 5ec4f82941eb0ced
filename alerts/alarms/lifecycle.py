# SPDX-License-Identifier: Apache-2.0
"""An alarm's life as one table, after ANSI/ISA-18.2. Nothing else in the project changes an alarm's state.

Every pair of state and event has its entry: the state that follows, a fork that looks at the alarm, or the
reason why nothing happens. `docs/alarm-lifecycle.md` is printed from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum


class State(StrEnum):
    """Where an alarm is. CLOSED is ISA-18.2's *normal*, for an alarm that was."""

    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned"
    """In order again, and nobody has acknowledged it."""
    DISPOSITION_DUE = "disposition_due"
    """In order again and acknowledged; nobody has recorded what became of the blood."""
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    """By design: its appliance is empty, or a site's outage explains it."""
    OUT_OF_SERVICE = "out_of_service"
    CLOSED = "closed"


class Event(StrEnum):
    """What may happen to an alarm."""

    RAISE = "raise"
    WORSEN = "worsen"
    """The warning has become critical."""
    RETURN = "return"
    ACKNOWLEDGE = "acknowledge"
    LAPSE = "lapse"
    """An acknowledgement has come to nothing."""
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    """By a person, by its time, or because nothing is left of what the blood bears."""
    SUPPRESS = "suppress"
    RELEASE = "release"
    """What suppressed it is over."""
    TAKE_OUT = "take_out"
    PUT_BACK = "put_back"
    DISPOSE = "dispose"
    """What became of the blood is recorded."""


class Fork(Enum):
    """Where the next state depends on the alarm."""

    OVER = "in order, unanswered"
    ANSWERED = "in order, answered"
    AS_FOUND = "as it is found"


Next = State | Fork | str
"""A state, a fork, or in words why nothing happens."""

_S, _E, _F = State, Event, Fork
_IT_STANDS = "it stands already"
_NOT_SO = "it is not"
_OVER = "it is over"
_STANDS = "nobody can clear a condition that stands"
_ENDED = "it is closed; the next one is a new alarm"

_EVERY: dict[State, dict[Event, Next]] = {
    _S.UNACKNOWLEDGED: {
        _E.RAISE: _IT_STANDS,
        _E.WORSEN: _S.UNACKNOWLEDGED,
        _E.RETURN: _F.OVER,
        _E.ACKNOWLEDGE: _S.ACKNOWLEDGED,
        _E.LAPSE: _NOT_SO,
        _E.SHELVE: _S.SHELVED,
        _E.UNSHELVE: _NOT_SO,
        _E.SUPPRESS: _S.SUPPRESSED,
        _E.RELEASE: _NOT_SO,
        _E.TAKE_OUT: _S.OUT_OF_SERVICE,
        _E.PUT_BACK: _NOT_SO,
        _E.DISPOSE: _STANDS,
    },
    _S.ACKNOWLEDGED: {
        _E.RAISE: _IT_STANDS,
        _E.WORSEN: _S.UNACKNOWLEDGED,
        _E.RETURN: _F.ANSWERED,
        _E.ACKNOWLEDGE: "somebody has it already",
        _E.LAPSE: _S.UNACKNOWLEDGED,
        _E.SHELVE: _S.SHELVED,
        _E.UNSHELVE: _NOT_SO,
        _E.SUPPRESS: _S.SUPPRESSED,
        _E.RELEASE: _NOT_SO,
        _E.TAKE_OUT: _S.OUT_OF_SERVICE,
        _E.PUT_BACK: _NOT_SO,
        _E.DISPOSE: _STANDS,
    },
    _S.RETURNED: {
        _E.RAISE: _S.UNACKNOWLEDGED,
        _E.WORSEN: _OVER,
        _E.RETURN: _OVER,
        _E.ACKNOWLEDGE: _F.ANSWERED,
        _E.LAPSE: _NOT_SO,
        _E.SHELVE: "it is over; acknowledge it",
        _E.UNSHELVE: _NOT_SO,
        _E.SUPPRESS: _OVER,
        _E.RELEASE: _NOT_SO,
        _E.TAKE_OUT: "it waits for people, not for the appliance",
        _E.PUT_BACK: _NOT_SO,
        _E.DISPOSE: _S.CLOSED,
    },
    _S.DISPOSITION_DUE: {
        _E.RAISE: _S.UNACKNOWLEDGED,
        _E.WORSEN: _OVER,
        _E.RETURN: _OVER,
        _E.ACKNOWLEDGE: "it is acknowledged; record what became of the blood",
        _E.LAPSE: _OVER,
        _E.SHELVE: "it rings nobody; record what became of the blood",
        _E.UNSHELVE: _NOT_SO,
        _E.SUPPRESS: _OVER,
        _E.RELEASE: _NOT_SO,
        _E.TAKE_OUT: "it waits for people, not for the appliance",
        _E.PUT_BACK: _NOT_SO,
        _E.DISPOSE: _S.CLOSED,
    },
    _S.SHELVED: {
        _E.RAISE: _S.SHELVED,
        _E.WORSEN: _S.UNACKNOWLEDGED,
        _E.RETURN: _S.SHELVED,
        _E.ACKNOWLEDGE: "it is shelved; unshelve it first",
        _E.LAPSE: _NOT_SO,
        _E.SHELVE: "it is shelved; unshelve it first",
        _E.UNSHELVE: _F.AS_FOUND,
        _E.SUPPRESS: _S.SUPPRESSED,
        _E.RELEASE: _NOT_SO,
        _E.TAKE_OUT: _S.OUT_OF_SERVICE,
        _E.PUT_BACK: _NOT_SO,
        _E.DISPOSE: "it is shelved; unshelve it first",
    },
    _S.SUPPRESSED: {
        _E.RAISE: _S.SUPPRESSED,
        _E.WORSEN: _S.SUPPRESSED,
        _E.RETURN: _S.SUPPRESSED,
        _E.ACKNOWLEDGE: "it tells nobody; answer what suppresses it",
        _E.LAPSE: _NOT_SO,
        _E.SHELVE: "it tells nobody already",
        _E.UNSHELVE: _NOT_SO,
        _E.SUPPRESS: _S.SUPPRESSED,
        _E.RELEASE: _F.AS_FOUND,
        _E.TAKE_OUT: _S.OUT_OF_SERVICE,
        _E.PUT_BACK: _NOT_SO,
        _E.DISPOSE: "it is asked for when what suppresses it is over",
    },
    _S.OUT_OF_SERVICE: {
        _E.RAISE: _S.OUT_OF_SERVICE,
        _E.WORSEN: _S.OUT_OF_SERVICE,
        _E.RETURN: _S.OUT_OF_SERVICE,
        _E.ACKNOWLEDGE: "its appliance is out of service",
        _E.LAPSE: _NOT_SO,
        _E.SHELVE: "its appliance is out of service",
        _E.UNSHELVE: _NOT_SO,
        _E.SUPPRESS: "its appliance is out of service",
        _E.RELEASE: _NOT_SO,
        _E.TAKE_OUT: "its appliance is out of service",
        _E.PUT_BACK: _F.AS_FOUND,
        _E.DISPOSE: _S.OUT_OF_SERVICE,
    },
    _S.CLOSED: dict.fromkeys(Event, _ENDED),
}

TRANSITIONS: Mapping[tuple[State, Event], Next] = {
    (state, event): after for state, row in _EVERY.items() for event, after in row.items()
}
"""Every pair once. The docs draw their diagram from it."""

BEGINNINGS: Mapping[Event, State] = {_E.RAISE: _S.UNACKNOWLEDGED, _E.SUPPRESS: _S.SUPPRESSED}
"""A new alarm; suppressed from the start where a site's outage explains it."""

CLEARS_BY_ITSELF = frozenset(
    {"silence", "sensor_fault", "rota_gap", "backlog", "loss", "power", "rate", "forecast", "drill", "chain"}
)
"""Kinds that say something of the system or of what may come, not of what the blood has been through: back in
order, they close without a person."""

PRODUCT_KINDS = frozenset({"high", "low", "cumulative"})
"""Critical ones of these passed a limit of the product: they stay until a disposition is recorded."""


def settled(fork: Fork, kind: str, *, stands: bool, product: bool) -> State:
    """Where a fork leads.

    stands   the condition is still true
    product  a limit of the product was passed, and no disposition is recorded yet

    >>> settled(Fork.ANSWERED, "high", stands=False, product=True).value
    'disposition_due'
    """
    if fork is Fork.AS_FOUND and stands:
        return State.UNACKNOWLEDGED
    if fork is Fork.ANSWERED:
        return State.DISPOSITION_DUE if product else State.CLOSED
    return State.CLOSED if kind in CLEARS_BY_ITSELF else State.RETURNED


def advance(state: State, event: Event, kind: str, *, stands: bool = True, product: bool = False) -> State:
    """Next state; what does nothing leaves the alarm where it is. `stands`, `product`: see `settled`.

    >>> advance(State.UNACKNOWLEDGED, Event.RETURN, "high").value
    'returned'
    >>> advance(State.UNACKNOWLEDGED, Event.RETURN, "silence").value
    'closed'
    """
    after = TRANSITIONS[state, event]
    if isinstance(after, Fork):
        return settled(after, kind, stands=stands, product=product)
    return after if isinstance(after, State) else state


def why_not(state: State, event: Event) -> str:
    """Why the event does nothing there; empty where it does something.

    >>> why_not(State.ACKNOWLEDGED, Event.DISPOSE)
    'nobody can clear a condition that stands'
    """
    after = TRANSITIONS[state, event]
    return "" if isinstance(after, State | Fork) else after
