# SPDX-License-Identifier: Apache-2.0
"""The registry as arrays of appliances: what feeds each, where it stands, which series tell of it. Pure.

Built once for each version of the registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from alerts.insight.scan import Floats
from alerts.rules.flat import Bools, Ints
from alerts.site.warming import DESIGNS, UNTOLD, maker_k
from coldchain.kernel.limits import Profile
from coldchain.kernel.words import Quantity
from coldchain.records.registry import Appliance, Registry
from coldchain.settings.profile_files import PROFILES

MOBILE = ("passive-box", "active-box", "transport-box")
"""They leave their supply and come back: their mains says nothing of it."""
MAKER_ROOM_C = 32.0
"""Room in which makers' hold-over is taken to hold where they do not say [°C]; ours."""
CONTACTS = ("mains", "battery", "ambient", "compressor", "door", "agitator")


@dataclass(frozen=True, slots=True)
class Roster:
    """A appliances, in the registry's order.

    supply     (A,) number of what feeds each; supplies: (site, name) by number; fixed: (A,) not on wheels
    load, air  (A,) number of the series, -1 none; the load falls back to the air
    contact    by quantity: (A,) number of the series, -1 none; ambient falls back to its site's
    likely_k, worst_k  (A,) [1/s] before own outages: the maker's figure where there is one, else the design's
    source     (A,) of that figure
    """

    appliances: tuple[Appliance, ...]
    supply: Ints
    supplies: tuple[tuple[str, str], ...]
    fixed: Bools
    load: Ints
    air: Ints
    contact: Mapping[str, Ints]
    likely_k: Floats
    worst_k: Floats
    source: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.appliances)

    def subject(self, supply: int) -> str:
        """What the alarm of a supply is called: its site, or the site's supply by name."""
        site, name = self.supplies[supply]
        return site if name == site else f"{site}/{name}"


def roster(registry: Registry, numbers: Mapping[str, int]) -> Roster:
    """numbers: sensor -> number of its series, for those that ever reported."""
    appliances = registry.appliances
    supplies = tuple(dict.fromkeys((a.site, a.fed_by) for a in appliances))
    number_of = {supply: n for n, supply in enumerate(supplies)}
    found = {(a.id, what): -1 for a in appliances for what in (*CONTACTS, "load", "air")}
    rooms: dict[str, int] = {}
    for sensor in registry.sensors:
        number = numbers.get(sensor.id, -1)
        if sensor.appliance is None:
            if sensor.site and sensor.code is Quantity.AMBIENT and number >= 0:
                rooms.setdefault(sensor.site, number)
            continue
        what = (sensor.probe or "load") if sensor.code is Quantity.TEMPERATURE else sensor.quantity
        if found.get((sensor.appliance, what), 0) == -1:
            found[sensor.appliance, what] = number

    def column(what: str) -> Ints:
        return np.array([found[a.id, what] for a in appliances], np.int64)

    contact = {what: column(what) for what in CONTACTS}
    fallback = np.array([rooms.get(a.site, -1) for a in appliances], np.int64)
    contact["ambient"] = np.where(contact["ambient"] >= 0, contact["ambient"], fallback)
    load, air = column("load"), column("air")
    figures = [_figures(a) for a in appliances]
    return Roster(
        appliances,
        np.array([number_of[a.site, a.fed_by] for a in appliances], np.int64),
        supplies,
        np.array([a.kind not in MOBILE for a in appliances], np.bool_),
        np.where(load >= 0, load, air),
        air,
        contact,
        np.array([likely for likely, _, _ in figures]),
        np.array([worst for _, worst, _ in figures]),
        tuple(source for _, _, source in figures),
    )


def _figures(appliance: Appliance) -> tuple[float, float, str]:
    """(likely k, worst k, source) before an own outage was seen."""
    design = DESIGNS.get(appliance.kind, UNTOLD)
    profile = next(
        (p for a in reversed(appliance.assignments) if (p := PROFILES.get(a.carries)) is not None), None
    )
    if appliance.hold_over_min is None or profile is None or profile.limits.high_c is None:
        return design.k, design.worst, design.source
    k = maker_k(60.0 * appliance.hold_over_min, start_of(profile), profile.limits.high_c, MAKER_ROOM_C)
    return k, max(k, design.worst), "the maker's hold-over"


def start_of(profile: Profile) -> float:
    """Where a load usually stands [°C]: the middle of the range, 10 K inside where it is open below.

    >>> start_of(PROFILES["red-cells@eu"]), start_of(PROFILES["plasma@eu"])
    (4.0, -35.0)
    """
    low, high = profile.limits.low_c, profile.limits.high_c
    if high is None:
        return (low or 0.0) + 10.0
    return high - 10.0 if low is None else (low + high) / 2
