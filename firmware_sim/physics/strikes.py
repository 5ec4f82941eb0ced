# SPDX-License-Identifier: Apache-2.0
"""Faults as arrays: what each appliance suffers at an instant."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from firmware_sim.faults import Fault, FaultKind
from firmware_sim.physics.constants import BoolArray
from firmware_sim.physics.noise import FloatArray
from firmware_sim.physics.probes import ProbeState

PROBES = {"load": 0, "air": 1}
"""Rows of ``probe_state`` and ``drift_k``."""

_PROBE_STATES = {
    FaultKind.PROBE_STUCK: ProbeState.STUCK,
    FaultKind.PROBE_SHORT: ProbeState.SHORT,
    FaultKind.PROBE_OPEN: ProbeState.OPEN,
}


@dataclass(frozen=True, slots=True)
class Strike:
    """A physics fault and the rows it hits."""

    fault: Fault
    rows: NDArray[np.intp]


@dataclass(slots=True)
class Suffering:
    """What acts now, one row per appliance; probe arrays are (2, N) in the order of `PROBES`.

    gap        how far a fault holds the door open, 0..1
    charge     part of the cooling power left, 0..1
    warmed     (rows, part, temperature) of warm loads brought in since the last refresh
    """

    gap: FloatArray
    lost: BoolArray
    grid: BoolArray
    charge: FloatArray
    agitator_stopped: BoolArray
    probe_state: NDArray[np.int8]
    drift_k: FloatArray
    warmed: list[tuple[NDArray[np.intp], float, float]] = field(default_factory=list)

    @classmethod
    def none(cls, rows: int) -> "Suffering":
        no = np.zeros(rows, dtype=bool)
        return cls(
            gap=np.zeros(rows),
            lost=no,
            grid=~no,
            charge=np.ones(rows),
            agitator_stopped=no.copy(),
            probe_state=np.zeros((2, rows), dtype=np.int8),
            drift_k=np.zeros((2, rows)),
        )


class Strikes:
    """The physics faults of a run. ``due`` tells when `at` must be asked again."""

    def __init__(self, strikes: Sequence[Strike], rows: int) -> None:
        for strike in strikes:
            assert not math.isnan(strike.fault.start_s), (
                "a fault that waits for its passing must be placed first"
            )
        self._strikes = sorted(strikes, key=lambda s: s.fault.start_s)
        self._starts = [s.fault.start_s for s in self._strikes]
        self._longest_s = max((s.fault.end_s - s.fault.start_s for s in strikes), default=0.0)
        self._rows = rows
        self._edges = sorted(
            {edge for s in strikes for edge in (s.fault.start_s, s.fault.end_s) if math.isfinite(edge)}
        )
        self._gradual = [
            (s.fault.start_s, s.fault.end_s)
            for s in strikes
            if s.fault.kind in (FaultKind.REFRIGERANT_LOSS, FaultKind.PROBE_DRIFT)
        ]

    def due(self, before_s: float, now_s: float, *, minute: bool) -> bool:
        """Whether something begins or ends in (before, now], or creeps and a minute has passed."""
        if minute and any(start_s <= now_s < end_s for start_s, end_s in self._gradual):
            return True
        return bisect_right(self._edges, now_s) > bisect_right(self._edges, before_s)

    def at(self, before_s: float, now_s: float) -> Suffering:
        """What acts at ``now_s``; warm loads are those that arrived in (before, now]."""
        suffering = Suffering.none(self._rows)
        first = bisect_left(self._starts, min(before_s, now_s - self._longest_s))
        for strike in self._strikes[first : bisect_right(self._starts, now_s)]:
            fault = strike.fault
            if fault.kind is FaultKind.WARM_LOAD and before_s < fault.start_s:
                suffering.warmed.append((strike.rows, fault.number("part"), fault.number("temperature_c")))
            if now_s < fault.end_s:
                _apply(suffering, strike, now_s - fault.start_s)
        return suffering


def _apply(suffering: Suffering, strike: Strike, age_s: float) -> None:
    fault, rows = strike.fault, strike.rows
    match fault.kind:
        case FaultKind.DOOR_OPEN:
            suffering.gap[rows] = np.maximum(suffering.gap[rows], fault.number("gap"))
        case FaultKind.COMPRESSOR_LOST:
            suffering.lost[rows] = True
        case FaultKind.MAINS_CUT:
            suffering.grid[rows] = False
        case FaultKind.REFRIGERANT_LOSS:
            left = max(0.0, 1.0 - fault.number("part_per_day") * age_s / 86_400)
            suffering.charge[rows] = np.minimum(suffering.charge[rows], left)
        case FaultKind.AGITATOR_STOPPED:
            suffering.agitator_stopped[rows] = True
        case FaultKind.PROBE_DRIFT:
            suffering.drift_k[PROBES[str(fault.numbers["quantity"])], rows] += (
                fault.number("k_per_h") * age_s / 3600
            )
        case FaultKind.PROBE_OPEN | FaultKind.PROBE_SHORT | FaultKind.PROBE_STUCK:
            probe = PROBES[str(fault.numbers["quantity"])]
            worst = np.maximum(suffering.probe_state[probe, rows], int(_PROBE_STATES[fault.kind]))
            suffering.probe_state[probe, rows] = worst
        case _:
            assert fault.kind is FaultKind.WARM_LOAD, fault.kind
