# SPDX-License-Identifier: Apache-2.0
"""The list of a site's alarm: who loses its blood first, how long still, where to. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alerts.insight.scan import Floats, Table
from alerts.rules.flat import Ints
from alerts.site import refuge
from alerts.site.blind import HOT_ROOM_C, NEED_MS
from alerts.site.now import Now
from alerts.site.refuge import Place
from alerts.site.roster import Roster
from alerts.site.warming import AGE_MOST_S, Left, seconds_left
from coldchain.records.alarms import Listed

FORESEEN_AGE_S = 1800.0
"""Before, the load hardly moves and a forecast sees nothing."""
STALE_MS = 900_000
"""A load not heard for longer is counted from its last value: the time since then is gone."""


def time_left(rows: Table, who: Ints, now: Now, roster: Roster, now_ms: int) -> Left:
    """Of those appliances; rows: their records of `warming`, in the order of `who`.

    A room that nobody measures is hot; what a silent load has lost since it was heard, its law says.
    """
    ambient = np.where(np.isnan(now.ambient_c[who]), HOT_ROOM_C, now.ambient_c[who])
    gone = np.maximum(now_ms - now.value_at[who], 0) / 1000.0
    gone = np.where(gone * 1000.0 > STALE_MS, gone, 0.0)
    value, high, low = (column[who] for column in (now.value_c, now.high_c, now.low_c))
    left = seconds_left(rows, value, high, low, ambient, roster.likely_k[who], now_ms / 1000.0 - gone)
    part = _foreseen(left, rows, now.foreseen_at[who], now_ms)
    return Left(
        np.maximum(left.seconds * part - gone, 0.0),
        np.maximum(left.low * part - gone, 0.0),
        np.maximum(left.high * part - gone, 0.0),
        left.learnt,
    )


def _foreseen(left: Left, rows: Table, foreseen_at: Ints, now_ms: int) -> Floats:
    """(N,) factor that puts the law's time half-way, by ratio, to the engine's forecast on the load itself.

    Both err, and not alike: the law by what the appliance was, the forecast by what it sees of now.
    """
    age_s = now_ms / 1000.0 - rows["since"]
    foreseen_s = (foreseen_at - now_ms) / 1000.0
    both = (foreseen_s > 0) & np.isfinite(left.seconds) & (left.seconds > 0)
    both &= (rows["since"] > 0) & (age_s >= FORESEEN_AGE_S)
    ratio = np.where(both, foreseen_s / np.where(both, left.seconds, 1.0), 1.0)
    return np.asarray(np.clip(ratio, 0.25, 4.0) ** 0.5)


def is_near(left: Left) -> bool:
    """May any of them pass its limit before people can be there?"""
    return bool((left.low <= NEED_MS / 1000.0).any())


def listed(left: Left, who: Ints, now: Now, roster: Roster, places: Sequence[Place]) -> list[Listed]:
    """Worst first: by the likely time, then by the least."""
    order = sorted(
        range(len(who)),
        key=lambda n: (float(left.seconds[n]), float(left.low[n]), roster.appliances[who[n]].id),
    )
    refuges = refuge.assign([places[who[n]] for n in order], places)
    found = []
    for place, n in enumerate(order):
        appliance = roster.appliances[who[n]]
        to = refuges[appliance.id]
        found.append(
            Listed(
                place=place,
                appliance=appliance.id,
                minutes=minutes(float(left.seconds[n])),
                low_min=minutes(float(left.low[n])),
                high_min=minutes(float(left.high[n])),
                refuge=to.appliance,
                note=_note(n, who, left, now, roster, to),
            )
        )
    return found


def _note(n: int, who: Ints, left: Left, now: Now, roster: Roster, to: refuge.Refuge) -> str:
    said = []
    if left.seconds[n] == 0.0:
        said.append("beyond its limit")
    elif not np.isfinite(left.seconds[n]):
        said.append("not within two days")
    said.append("learnt from its own outages" if left.learnt[n] else roster.source[who[n]])
    if np.isnan(now.ambient_c[who[n]]):
        said.append(f"room taken as {HOT_ROOM_C:g} °C")
    if to.appliance:
        said.append(f"room for {to.bags} bags" + (f", {to.km:.0f} km" if to.km else ""))
    return "; ".join(said)


def minutes(seconds: float) -> int:
    """Whole minutes, rounded down; at most AGE_MOST_S, which stands for "not within that".

    >>> minutes(119.0), minutes(float("inf"))
    (1, 2880)
    """
    return int(min(seconds, AGE_MOST_S) // 60)
