# SPDX-License-Identifier: Apache-2.0
"""Why an alarm stands: what contacts, cycles and siblings say of one appliance, weighed by `insight.cause`.

Pure. "unknown" is an answer. The evidence is told in words, loudest first.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from alerts.insight import cause, cycles
from alerts.insight.scan import Floats, Table
from alerts.rules.flat import Ints

HOURS_MS = 3_600_000
AGAIN_MS = 600_000
"""Asked again so long after the alarm: by then the air has turned, or has not."""
LOOK_BACK_MS = 2 * HOURS_MS
IDLE_BACK_MS = 12 * HOURS_MS
RATE_MS = 600_000
"""The slope now is that of the last ten minutes."""
LEAD_SLOT_MS, LEAD_TAU_S = 300_000, 5400.0
"""Means of five minutes of load and air; the load's lag where nobody measured it [s]."""

WORDS = {
    "mains_off": "mains absent",
    "mains_on": "mains present",
    "door_open": "door open",
    "door_shut": "door shut",
    "compressor_idle": "compressor rests too long",
    "compressor_always": "compressor runs all the time",
    "compressor_cycles": "compressor cycles",
    "siblings_stopped": "others on the supply stopped too",
    "siblings_go_on": "others on the supply go on",
    "stalled": "no cycle for long",
    "steep": "steep rise",
    "surged": "a sudden rise",
    "smooth_rise": "smooth rise",
    "recovers": "already falling",
    "duty_up": "runs more than it used to",
    "pull_down_weak": "pulls down weakly",
    "creep": "its lowest point creeps",
    "in_template": "as its defrosts",
    "load_leads": "load warmer than its air explains",
    "shifted": "cycles as before about another point",
    "probe": "probe in doubt",
    "apart": "probes apart",
}
assert set(WORDS) == set(cause.FEATURES), "each feature has its words"


@dataclass(frozen=True, slots=True)
class Track:
    """Readings of one series over the last hours, by instant: at [ms], value in the quantity's unit."""

    at: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    value: Floats = field(default_factory=lambda: np.zeros(0))

    def part(self, start_ms: int, end_ms: int) -> float:
        """Time-weighted mean of a contact from start to end; NaN where nothing is known of the beginning."""
        if not len(self.at) or self.at[0] > end_ms:
            return float("nan")
        start = max(start_ms, int(self.at[0]))
        if start >= end_ms:
            return float(self.value[-1])
        edges = np.clip(np.append(self.at, end_ms), start, end_ms)
        return float(np.sum(np.diff(edges) * self.value) / (end_ms - start))

    def since_on_s(self, end_ms: int) -> float:
        """Seconds since it was last on; NaN where nothing is known."""
        on = np.flatnonzero(self.value > 0)
        if not len(self.at):
            return float("nan")
        if not len(on):
            return (end_ms - int(self.at[0])) / 1000.0
        last = int(on[-1])
        off_at = int(self.at[last + 1]) if last + 1 < len(self.at) else end_ms
        return (end_ms - off_at) / 1000.0

    def slope(self, start_ms: int, end_ms: int) -> float:
        """[units/s] by least squares; NaN with fewer than three readings."""
        inside = (self.at >= start_ms) & (self.at <= end_ms)
        x, y = (self.at[inside] - end_ms) / 1000.0, self.value[inside]
        if len(x) < 3:
            return float("nan")
        x, y = x - x.mean(), y - y.mean()
        return float(np.sum(x * y) / np.sum(x * x))


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one appliance. air: its air, or its load where there is no other; row: insight's (1,)
    record of that series; siblings: part of the others on the supply whose cooling stopped, NaN unknown.
    """

    air: Track
    load: Track
    mains: Track
    door: Track
    compressor: Track
    row: Table
    siblings: float
    probe: bool
    tau_s: float = LEAD_TAU_S


def told(known: Known, now_ms: int) -> tuple[str, str]:
    """(cause, evidence in words): ('door', '97 %: door open, mains present').

    >>> WORDS["door_open"]
    'door open'
    """
    found = cause.diagnose(cause.features(_scene(known, now_ms)), shape=1)
    word = cause.Cause(int(found.cause[0])).word
    spoke = ", ".join(WORDS[name] for name, _ in found.evidence(0))
    sure = f"{100 * float(found.likely[0]):.0f} %"
    return word, f"{sure}: {spoke}" if spoke else sure


def _scene(known: Known, now_ms: int) -> cause.Scene:
    hour = now_ms - HOURS_MS

    def one(value: float) -> Floats:
        return np.array([value], np.float64)

    door_s = 3600.0 * known.door.part(hour, now_ms)
    open_now = float(known.door.value[-1]) if len(known.door.at) else float("nan")
    return cause.Scene(
        mains=one(known.mains.part(now_ms - LOOK_BACK_MS, now_ms)),
        door=one(open_now),
        door_s=one(door_s),
        compressor=one(known.compressor.part(hour, now_ms)),
        idle_s=one(known.compressor.since_on_s(now_ms)),
        siblings=one(known.siblings),
        stalled=cycles.stalled(known.row["cycle"], np.array([now_ms])),
        rate=one(known.air.slope(now_ms - RATE_MS, now_ms)),
        usual=cycles.usual(known.row["cycle"]),
        healthy=cycles.healthy(known.row["cycle"]),
        template=one(float("nan")),
        load_lead_k=one(_lead_k(known, now_ms)),
        probe=one(float(known.probe)),
        surge=one(_surge(known, now_ms)),
    )


def _surge(known: Known, now_ms: int) -> float:
    """The steepest rise of the air from one five minutes to the next, over two hours [K/s]."""
    edges = np.arange(now_ms - LOOK_BACK_MS, now_ms + 1, LEAD_SLOT_MS)
    rise = np.diff(_means(known.air, edges))
    return float(np.nanmax(rise)) / (LEAD_SLOT_MS / 1000.0) if np.isfinite(rise).any() else float("nan")


def _lead_k(known: Known, now_ms: int) -> float:
    """The largest rise of the load within ten minutes beyond what its air explains, over two hours [K]."""
    edges = np.arange(now_ms - LOOK_BACK_MS, now_ms + 1, LEAD_SLOT_MS)
    load, air = _means(known.load, edges), _means(known.air, edges)
    if known.load is known.air or len(load) < 3:
        return float("nan")
    rise = load[2:] - load[:-2]
    pull = np.maximum(air[2:] - load[2:], 0.0) * 2 * LEAD_SLOT_MS / 1000.0 / known.tau_s
    lead = rise - pull
    return float(np.nanmax(lead)) if np.isfinite(lead).any() else float("nan")


def _means(track: Track, edges: Ints) -> Floats:
    where = np.searchsorted(edges, track.at, side="right") - 1
    inside = (where >= 0) & (where < len(edges) - 1)
    count = np.bincount(where[inside], minlength=len(edges) - 1)
    total = np.bincount(where[inside], track.value[inside], minlength=len(edges) - 1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
