# SPDX-License-Identifier: Apache-2.0
"""Is a supply without power? Contacts say so; without any, siblings whose cooling stopped together do.

One appliance without mains among others that have it is unplugged: no outage, but its own alarm's cause.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from alerts.insight.scan import Floats
from alerts.rules.flat import Bools, Ints

OUT_PART, BACK_PART = 0.5, 0.25
"""More than this part without mains is an outage; it is over when this or less are (of those that say)."""
STOPPED_LEAST, STOPPED_PART = 2, 0.6
"""Cooling stopped at so many, and at this part of those whose cycles are known, without a contact that says
otherwise."""
STOPPED_PERIODS = 2.5
"""Usual periods without a reversal, and rising."""
TOGETHER_MS = 3_600_000
"""Cooling that stopped further apart stopped for reasons of its own."""
ON_DELAY_MS = 120_000
"""A generator has started by then; a shorter cut wakes nobody."""
MISS = 0.3
"""Part of stopped appliances that stopped for other reasons: each sibling divides the doubt by three."""
CONTACTS_SURE, BATTERY_SURE = 0.98, 0.9


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of A appliances now; NaN or -1 where it is not.

    supply         (A,) number of what feeds each; fixed (A,) it stands there (boxes on wheels do not)
    mains          (A,) 1 present, 0 absent; mains_since (A,) since when [ms]
    drains         (A,) its battery falls while nothing is known of its mains: 1, 0
    stalled        (A,) usual periods since the last reversal of its air; turned_at (A,) that reversal [ms]
    rising         (A,) its air or load goes up
    """

    supply: Ints
    fixed: Bools
    mains: Floats
    mains_since: Ints
    drains: Floats
    stalled: Floats
    turned_at: Ints
    rising: Bools


@dataclass(frozen=True, slots=True)
class Outage:
    """A supply without power. since_ms: the median of what its appliances say; off: their indices."""

    supply: int
    since_ms: int
    confidence: float
    evidence: str
    off: tuple[int, ...]


def outages(seen: Seen, standing: frozenset[int] = frozenset()) -> list[Outage]:
    """Supplies without power, by number; those of `standing` are held until power is seen to be back."""
    found = []
    for supply in np.unique(seen.supply[seen.fixed]).tolist():
        mine = np.flatnonzero((seen.supply == supply) & seen.fixed)
        one = _by_contacts(seen, mine, held=supply in standing)
        if one is None and not np.isfinite(seen.mains[mine]).any():
            one = _by_batteries(seen, mine) or _by_cooling(seen, mine, held=supply in standing)
        if one is not None:
            found.append(replace(one, supply=supply))
    return found


def _by_contacts(seen: Seen, mine: Ints, *, held: bool) -> Outage | None:
    says = mine[np.isfinite(seen.mains[mine])]
    off = says[seen.mains[says] < 0.5]
    if not len(off) or len(off) <= (BACK_PART if held else OUT_PART) * len(says):
        return None
    silent = mine[~np.isfinite(seen.mains[mine])]  # without a contact they share their siblings' fate
    since = int(np.median(seen.mains_since[off]))
    told = f"mains absent at {len(off)} of {len(says)} appliances"
    stopped = off[seen.stalled[off] >= STOPPED_PERIODS]
    if len(stopped):
        told += f", cooling stopped at {len(stopped)}"
    return Outage(-1, since, CONTACTS_SURE, told, tuple(np.union1d(off, silent).tolist()))


def _by_batteries(seen: Seen, mine: Ints) -> Outage | None:
    says = mine[np.isfinite(seen.drains[mine])]
    off = says[seen.drains[says] > 0.5]
    if len(off) < STOPPED_LEAST or len(off) <= OUT_PART * len(says):
        return None
    since = int(np.median(seen.mains_since[off]))
    told = f"batteries fall at {len(off)} of {len(says)} appliances"
    return Outage(-1, since, BATTERY_SURE, told, tuple(mine.tolist()))


def _by_cooling(seen: Seen, mine: Ints, *, held: bool) -> Outage | None:
    known = mine[np.isfinite(seen.stalled[mine])]
    stopped = known[(seen.stalled[known] >= STOPPED_PERIODS) & seen.rising[known]]
    if len(stopped) < STOPPED_LEAST:
        return None
    middle = int(np.median(seen.turned_at[stopped]))
    together = stopped[np.abs(seen.turned_at[stopped] - middle) <= TOGETHER_MS]
    least = (BACK_PART if held else STOPPED_PART) * len(known)
    if len(together) < STOPPED_LEAST or len(together) < least:
        return None
    sure = (1.0 - MISS ** len(together)) * len(together) / len(known)
    told = f"cooling stopped together at {len(together)} of {len(known)} appliances, no contact for mains"
    return Outage(-1, middle, round(sure, 3), told, tuple(mine.tolist()))
