# SPDX-License-Identifier: Apache-2.0
"""Where could an appliance's blood go? Only where it is surely safe: what is unknown speaks against it.

Room is promised to the worst first and counted down, nearest first: same site, then by distance.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt

EARTH_KM = 6371.0
BAGS_UNTOLD = 20
"""Bags that an appliance is thought to hold: nobody declares what is inside; ours."""
FAR_KM = 300.0
"""Further is no rescue: a day on the road."""
INSIDE_PART = 0.1
"""A refuge stays this part of its range away from both limits, 0.5 K where one is open."""


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of an appliance as a refuge, now.

    latitude, longitude  of its site [degrees], None unknown
    component            what it is in use for, '' nothing; storage: not a transport profile
    low_c, high_c        limits in force; value_c newest load [°C], None unknown
    powered              its mains is known to be there, or it cools without any doubt
    reporting            its load is heard, and nothing of it is overdue
    cooling              None unknown; False: its cooling has stopped, runs always, or its load drifts
    alarmed              an alarm of it is open
    in_service           not out of service, not on a supply without power
    free_bags            declared room
    """

    appliance: str
    site: str
    latitude: float | None
    longitude: float | None
    component: str
    storage: bool
    low_c: float | None
    high_c: float | None
    value_c: float | None
    powered: bool
    reporting: bool
    cooling: bool | None
    alarmed: bool
    in_service: bool
    free_bags: int


@dataclass(frozen=True, slots=True)
class Refuge:
    """Where to: '' nowhere. bags promised; km 0 at the same site, None where a site's place is unknown."""

    appliance: str
    bags: int
    km: float | None


NOWHERE = Refuge("", 0, None)


def why_not(place: Place) -> str:
    """The reason why nothing is sent there, '' when it is a refuge.

    >>> why_not(Place("a", "s", None, None, "red cells", True, 2, 6, 4, True, True, True, False, True, 0))
    'full'
    """
    inside = is_inside(place.value_c, place.low_c, place.high_c)
    checks = (
        (place.in_service, "out of service or without power"),
        (bool(place.component) and place.storage, "not for storing"),
        (place.reporting, "silent"),
        (not place.alarmed, "has an open alarm"),
        (inside, "not in range"),
        (place.powered, "its power is not known"),
        (place.cooling is True, "its cooling is in doubt"),
        (place.free_bags > 0, "full"),
    )
    return next((why for holds, why in checks if not holds), "")


def is_inside(value_c: float | None, low_c: float | None, high_c: float | None) -> bool:
    """Well inside the limits.

    >>> is_inside(4.0, 2.0, 6.0), is_inside(5.8, 2.0, 6.0), is_inside(-30.0, None, -25.0)
    (True, False, True)
    """
    if value_c is None:
        return False
    margin = 0.5 if low_c is None or high_c is None else INSIDE_PART * (high_c - low_c)
    return (low_c is None or value_c >= low_c + margin) and (high_c is None or value_c <= high_c - margin)


def assign(worst_first: Iterable[Place], others: Iterable[Place]) -> dict[str, Refuge]:
    """appliance -> where its blood could go. Each promise takes room, so that none is given twice.

    A refuge keeps what comes: same component, and its value lies well within the limits of the source.
    """
    room = {place.appliance: (place, place.free_bags) for place in others if not why_not(place)}
    told: dict[str, Refuge] = {}
    for source in worst_first:
        fits = [
            (place, free)
            for place, free in room.values()
            if free > 0
            and place.appliance != source.appliance
            and place.component == source.component
            and is_inside(place.value_c, source.low_c, source.high_c)
            and (distance_km(source, place) or 0.0) <= FAR_KM
        ]
        ranked = sorted((_rank(source, place, free) for place, free in fits), key=lambda one: one[:3])
        if not ranked:
            told[source.appliance] = NOWHERE
            continue
        *_, km, place, free = ranked[0]
        bags = min(free, BAGS_UNTOLD)
        room[place.appliance] = (place, free - bags)
        told[source.appliance] = Refuge(place.appliance, bags, km)
    return told


def _rank(source: Place, place: Place, free: int) -> tuple[bool, float, str, float | None, Place, int]:
    """Enough room before too little, near before far; what is further than FAR_KM never comes here."""
    km = distance_km(source, place)
    return free < BAGS_UNTOLD, FAR_KM if km is None else km, place.appliance, km, place, free


def distance_km(a: Place, b: Place) -> float | None:
    """By great circle; 0 at one site, None where a site's place is not known."""
    if a.site == b.site:
        return 0.0
    if None in (a.latitude, a.longitude, b.latitude, b.longitude):
        return None
    p, q = radians(a.latitude or 0.0), radians(b.latitude or 0.0)
    across = radians((b.longitude or 0.0) - (a.longitude or 0.0))
    half = sin((q - p) / 2) ** 2 + cos(p) * cos(q) * sin(across / 2) ** 2
    return 2 * EARTH_KM * asin(sqrt(half))
