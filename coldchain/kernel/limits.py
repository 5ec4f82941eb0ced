# SPDX-License-Identifier: Apache-2.0
"""Profiles: the limits of one component under one authority, and the set-points inside them.

A limit is what the regulation permits; a set-point is where we alarm. Limits are closed: exactly at the
limit is permitted. Every number has a source; a number that is ours says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    """Permitted range [°C]; None where the authority sets no bound on that side."""

    low_c: float | None
    high_c: float | None
    source: str

    def __post_init__(self) -> None:
        assert self.low_c is not None or self.high_c is not None, "limits that limit nothing"
        if self.low_c is not None and self.high_c is not None:
            assert self.low_c < self.high_c, (self.low_c, self.high_c)


@dataclass(frozen=True, slots=True)
class Profile:
    """One component under one authority, as it is judged.

    low_c, high_c    where the critical alarm stands [°C], inside or at the limits
    deadband_k       how far inside before it clears [K]
    on_delay         how long before it counts
    expected_every   a sensor that reports more rarely than twice this is silent
    use              storage or transport
    critical, warning  set-points; critical None: at the limits; warning None: there is no warning
    warning_delay    the on-delay of the warning
    budget           so much time beyond the limits in a day is an alarm, however short each excursion
    longest          how long blood may be kept so at all
    rate_k_min       a load that warms or cools so fast towards a limit is a warning [K/min]
    air_delay        how long air beside a load probe may be beyond before it is a warning
    people_need      the time that people need to come and move blood: less left is a warning
    stopped          how long the agitator may stand still
    prove            how long an appliance that was out of service must hold the range to be for blood again
    signed           of a site's own profile: who signed it off, and when; empty for those built in
    """

    name: str
    version: int
    component: str
    limits: Limits
    deadband_k: float
    on_delay: timedelta
    expected_every: timedelta
    source: str
    use: str = "storage"
    critical: Limits | None = None
    warning: Limits | None = None
    warning_delay: timedelta = timedelta(minutes=10)
    budget: timedelta | None = None
    longest: timedelta | None = None
    rate_k_min: float | None = None
    air_delay: timedelta = timedelta(minutes=30)
    people_need: timedelta = timedelta(hours=2)
    stopped: timedelta | None = None
    signed: str = ""
    prove: timedelta | None = None

    @property
    def low_c(self) -> float | None:
        return (self.critical or self.limits).low_c

    @property
    def high_c(self) -> float | None:
        return (self.critical or self.limits).high_c

    @property
    def proving(self) -> timedelta:
        """`prove`; where the profile says nothing, ours: a day for storage, an hour for transport.

        No authority was found that states a time. A day holds a night, a day's doors and several defrosts.
        """
        return self.prove or (timedelta(hours=1) if self.use == "transport" else timedelta(days=1))

    @property
    def authority(self) -> str:
        """What stands behind the @: eu, us, uk, au, or a site's own word."""
        return self.name.partition("@")[2]

    @property
    def label(self) -> str:
        return f"{self.name} v{self.version}"


def faults_of(profile: Profile) -> list[str]:
    """Why this profile must not judge blood: set-points outside the limits, spans that make no sense.

    >>> red = Profile(
    ...     "red-cells@eu",
    ...     1,
    ...     "red cells",
    ...     Limits(2.0, 6.0, "x"),
    ...     0.3,
    ...     timedelta(minutes=5),
    ...     timedelta(minutes=1),
    ...     "x",
    ...     critical=Limits(2.0, 6.5, "ours"),
    ... )
    >>> faults_of(red)
    ['critical high 6.5 °C is above the limit 6 °C']
    """
    found = []
    chain = [("the limit", profile.limits)]
    for name, points in (("critical", profile.critical), ("warning", profile.warning)):
        if points is None:
            continue
        outer, bounds = chain[-1]
        for side, mine, theirs in (
            ("low", points.low_c, bounds.low_c),
            ("high", points.high_c, bounds.high_c),
        ):
            where = "below" if side == "low" else "above"
            if mine is not None and theirs is None:
                found.append(f"{name} {side} {mine:g} °C: there is no {outer} on that side")
            elif (
                mine is not None
                and theirs is not None
                and (mine < theirs if side == "low" else mine > theirs)
            ):
                found.append(f"{name} {side} {mine:g} °C is {where} {outer} {theirs:g} °C")
            elif mine is None and theirs is not None and name == "critical":
                found.append(f"no critical {side}, though the limit is {theirs:g} °C")
        chain.append((f"the {name} set-point", points))
    low, high = profile.low_c, profile.high_c
    if profile.deadband_k < 0 or (
        low is not None and high is not None and 2 * profile.deadband_k >= high - low
    ):
        found.append(f"a deadband of {profile.deadband_k:g} K leaves nowhere to return to")
    if min(profile.on_delay, profile.warning_delay, profile.air_delay, profile.people_need) < timedelta(0):
        found.append("a delay is a length of time: not below 0")
    if profile.prove is not None and profile.prove <= timedelta(0):
        found.append("an appliance proves itself over some time above 0")
    if profile.rate_k_min is not None and profile.rate_k_min <= 0:
        found.append("a rate of change that warns is above 0")
    if profile.expected_every <= timedelta(0):
        found.append("readings must be expected at some interval above 0")
    return found
