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
    """

    name: str
    version: int
    component: str
    limits: Limits
    deadband_k: float
    on_delay: timedelta
    expected_every: timedelta
    source: str

    @property
    def low_c(self) -> float | None:
        return self.limits.low_c

    @property
    def high_c(self) -> float | None:
        return self.limits.high_c

    @property
    def label(self) -> str:
        return f"{self.name} v{self.version}"


OURS = "chosen by the project; a site's medical director must confirm it"

RED_CELLS_EU = Profile(
    "red-cells@eu",
    1,
    "red cells",
    Limits(2.0, 6.0, "Directive 2004/33/EC, Annex IV, 1.1: storage at 2 to 6 °C"),
    deadband_k=0.3,
    on_delay=timedelta(minutes=5),
    expected_every=timedelta(minutes=1),
    source=f"delay and deadband: {OURS}",
)
PLASMA_EU = Profile(
    "plasma@eu",
    1,
    "plasma",
    Limits(None, -25.0, "Council of Europe (EDQM) guide: at or below -25 °C"),
    deadband_k=0.5,
    on_delay=timedelta(minutes=15),
    expected_every=timedelta(minutes=1),
    source=f"delay and deadband: {OURS}",
)
PLATELETS_EU = Profile(
    "platelets@eu",
    1,
    "platelets",
    Limits(20.0, 24.0, "Directive 2004/33/EC, Annex IV, 1.1: storage at 20 to 24 °C"),
    deadband_k=0.3,
    on_delay=timedelta(minutes=5),
    expected_every=timedelta(minutes=1),
    source=f"delay and deadband: {OURS}",
)

PROFILES = {p.name: p for p in (RED_CELLS_EU, PLASMA_EU, PLATELETS_EU)}
"""Built in, by name. A site's own profiles come beside these, signed off."""
