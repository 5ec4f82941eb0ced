# SPDX-License-Identifier: Apache-2.0
"""The return-to-service gate: an appliance that was out is not for blood until it has shown that it works.

Its probes report, its limits are set, somebody is told about it, and it has held its range for as long as its
profile demands. Pure: readings and people are handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from alerts.rules.flat import Bools, Ints
from coldchain.kernel.limits import Profile


@dataclass(frozen=True, slots=True)
class Shown:
    """What a probe has shown of late. at, value (N,): ascending instants [ms], thousandths; `valid` (N,).

    every_ms  a reading is due this often
    """

    sensor: str
    every_ms: int
    at: Ints
    value: Ints
    valid: Bools


def missing(
    profile: Profile | None, probes: Sequence[Shown], people: Sequence[str], *, gap_ms: int, now_ms: int
) -> list[str]:
    """What still stands between the appliance and blood, in words; empty: it may go back.

    profile  what it is to carry; None: nothing is assigned
    probes   of those that judge it, what they have shown at least since now - profile.proving
    people   who is told about its site
    gap_ms   longer without a reading is unknown, and nothing is proved by it
    """
    found = []
    if profile is None:
        found.append("no profile is assigned, so it has no limits: `coldchain registry` assigns one")
    if not people:
        found.append("nobody is told about its site: name somebody in the registry or on a rota")
    if not probes:
        found.append("no probe measures it")
    for shown in probes:
        patience = max(gap_ms, 2 * shown.every_ms)
        if not len(shown.at) or now_ms - int(shown.at[-1]) > patience:
            found.append(f"{shown.sensor} does not report")
        elif profile is not None:
            since = held_since(shown, profile, patience)
            held_ms = 0 if since is None else now_ms - since
            wanted = profile.proving
            if held_ms < wanted.total_seconds() * 1000:
                held = timedelta(milliseconds=max(0, held_ms))
                found.append(f"{shown.sensor} has held its range for {_spell(held)} of {_spell(wanted)}")
    return found


def held_since(shown: Shown, profile: Profile, gap_ms: int) -> int | None:
    """Since when every reading lay inside the set-points without a gap [ms]; None: not now."""
    low = -np.inf if profile.low_c is None else profile.low_c * 1000
    high = np.inf if profile.high_c is None else profile.high_c * 1000
    good = shown.valid & (shown.value >= low) & (shown.value <= high)
    if not len(good) or not good[-1]:
        return None
    after_gap = np.diff(shown.at, prepend=shown.at[0]) > gap_ms
    bad = np.flatnonzero(~good)
    first = int(bad[-1]) + 1 if len(bad) else 0
    gaps = np.flatnonzero(after_gap)
    return int(shown.at[max(first, int(gaps[-1]) if len(gaps) else 0)])


def _spell(span: timedelta) -> str:
    minutes = int(span.total_seconds()) // 60
    return f"{minutes // 60} h {minutes % 60:02d} min"
