# SPDX-License-Identifier: Apache-2.0
"""Rows of `alarms.db` as they are read. Values are thousandths of a degree, instants ms since epoch."""

from __future__ import annotations

from dataclasses import dataclass

OPEN_STATES = ("unacknowledged", "acknowledged", "returned", "disposition_due")
"""An alarm in one of these still wants somebody. `returned`: in order again, acknowledged by nobody yet;
`disposition_due`: in order and acknowledged, and nobody has recorded what became of the blood."""

PUT_ASIDE = ("shelved", "suppressed", "out_of_service")
"""Open, and nobody is told: somebody or the design has put it aside. It still evaluates and records."""

FACT_KINDS = ("high", "low", "sensor_fault")
"""What the readings say; other kinds are warnings and forecasts about them."""
TEMPERATURE_KINDS = ("high", "low")


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm. `scope` says what `appliance` names: `appliance`; `gateway` or `site` (no `sensor` then).

    kind       high, low, sensor_fault, silence, backlog, loss, power ...
    state      one of OPEN_STATES or PUT_ASIDE, or closed
    since_ms   when the condition began (for silence: the last reading)
    raised_ms  the instant at which it became an alarm
    decided_ms alerts' clock when it was written
    position   the journal position that brought it; 0 for silence, which no reading brings
    parent     the alarm (a site's outage) that it is shown under
    product    a limit of the product was passed: it stays until a disposition is recorded
    """

    number: int
    id: str
    scope: str
    appliance: str
    sensor: str
    site: str
    kind: str
    severity: str
    state: str
    since_ms: int
    raised_ms: int
    returned_ms: int | None
    acknowledged_ms: int | None
    acknowledged_by: str | None
    value: int | None
    limit_value: int | None
    peak: int | None
    rule: str
    profile: str | None
    registry_version: int
    position: int
    decided_ms: int
    parent: str | None = None
    product: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "product", bool(self.product))

    @property
    def standing(self) -> bool:
        """Is the condition still true? Also of what is put aside."""
        return self.returned_ms is None and self.state != "closed"


@dataclass(frozen=True, slots=True)
class Excursion:
    """The load was outside the limits (high, low), or the probe gave no temperature (sensor_fault).

    `ended_ms` is None while it lasts; `retrospective`: found in late readings, nobody was woken.
    """

    id: str
    sensor: str
    appliance: str
    kind: str
    started_ms: int
    raised_ms: int
    ended_ms: int | None
    peak: int | None
    limit_value: int | None
    profile: str
    registry_version: int
    retrospective: bool
    alarm: str | None
    updated_ms: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "retrospective", bool(self.retrospective))


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to one person. state: due, sending, sent, failed, unknown, given_up,
    bundled, cancelled (somebody answered before it left).
    """

    id: int
    alarm: str
    about: str
    step: int
    person: str
    channel: str
    attempt: int
    address: str
    text: str
    site: str
    created_ms: int
    due_ms: int
    state: str
    tries: int
    first_try_ms: int | None
    sent_ms: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """Something that happened to an alarm: raised, acknowledged, returned, raised_again, closed ..."""

    id: int
    alarm: str
    at_ms: int
    event: str
    detail: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an alarm's escalation stands: calling, held or ended; `step` (from 0) comes at `due_ms`."""

    state: str
    step: int
    rounds: int
    due_ms: int | None
    person: str
    action: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """An alarm put aside, by whom, why, until when. `ended_ms` None: it still is; `how` it ended."""

    id: int
    alarm: str
    person: str
    second: str
    reason: str
    from_ms: int
    until_ms: int
    ended_ms: int | None
    how: str


@dataclass(frozen=True, slots=True)
class Disposition:
    """What became of the blood that was exposed from since_ms to until_ms: keep, quarantine or discard."""

    id: int
    alarm: str
    appliance: str
    what: str
    person: str
    second: str
    reason: str
    since_ms: int
    until_ms: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class OutOfService:
    """An appliance that is not for blood; `back_ms` None: still."""

    id: int
    appliance: str
    person: str
    reason: str
    from_ms: int
    back_ms: int | None
    back_person: str
    back_reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """One reason why an appliance is out of service. holder: a work order's number, or somebody's word."""

    holder: str
    person: str
    reason: str
    from_ms: int


@dataclass(frozen=True, slots=True)
class Listed:
    """One appliance of a site's alarm. minutes: until its limit, with its interval; None: unknown."""

    place: int
    appliance: str
    minutes: int | None
    low_min: int | None
    high_min: int | None
    refuge: str
    note: str


@dataclass(frozen=True, slots=True)
class Moved:
    """Blood that somebody moved, and its exposure clock: times beyond its limits within the last day [ms].

    before_ms   at the source and before; out_ms in all, as of looked_ms (0: not yet)
    allowed_ms  the budget of the profile that the source carried; None: it has none
    exposure    the alarm when that was used up; ended_ms None: the clock runs
    most_ms     the most that it has shown: as a day passes, the clock slides and shows less
    within_ms   when it was first seen below its budget again; None: it is not, or nobody saw when
    """

    id: int
    alarm: str
    source: str
    target: str
    person: str
    at_ms: int
    before_ms: int
    out_ms: int
    allowed_ms: int | None
    looked_ms: int
    exposure: str | None
    ended_ms: int | None
    most_ms: int = 0
    within_ms: int | None = None

    @property
    def slid(self) -> bool:
        """Its budget was used up, and of the last day less counts now."""
        return self.exposure is not None and self.allowed_ms is not None and self.out_ms < self.allowed_ms

    @property
    def worst_ms(self) -> int:
        """What its blood has had within a day, at its worst."""
        used_up = self.allowed_ms if self.exposure is not None and self.allowed_ms is not None else 0
        return max(self.most_ms, self.out_ms, used_up)


@dataclass(frozen=True, slots=True)
class DrillRow:
    """A test of an appliance's alarm. `trip_ms` None: its limits have not tripped (yet)."""

    appliance: str
    from_ms: int
    until_ms: int
    person: str
    alarm: str | None
    trip_ms: int | None
    trip_value: int | None
    limit_value: int | None
    kind: str | None
    told_ms: int | None
    ended_ms: int | None


@dataclass(frozen=True, slots=True)
class UpkeepRow:
    """Something for maintenance. `kind`: defrost, defrost_long, drift, clock; `subject`: a sensor, a node."""

    kind: str
    subject: str
    since_ms: int
    detail: str
    ended_ms: int | None


@dataclass(frozen=True, slots=True)
class DefrostRow:
    """A defrost that has ended. `what`: usual, long, or none: taken back by a late reading."""

    sensor: str
    from_ms: int
    until_ms: int
    what: str
    appliance: str
    peak: int
    usual_ms: int
    decided_ms: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Integers over everything in the file.

    alarms         ever raised; alarms_open: not closed; alarms_standing: the condition is still true
    excursions     high and low, retrospective ones included
    notices_due    not yet handed over: all but sent, given_up and cancelled
    notices_sent   taken by the carrier
    position       journal position up to which everything is judged and written
    """

    alarms: int = 0
    alarms_open: int = 0
    alarms_standing: int = 0
    excursions: int = 0
    retrospective: int = 0
    notices_due: int = 0
    notices_sent: int = 0
    notices_given_up: int = 0
    position: int = 0
