# SPDX-License-Identifier: Apache-2.0
"""When somebody will be called: looked for in the physics before it is judged, so that time stops there.

Never told to anybody: the engine judges by itself. What is missed here is told late, what is too much is a
step more.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from alerts.insight import observe
from alerts.insight.scan import Readings
from alerts.rules.terms import FREEZER_CEILING_C, MARGIN_K
from coldchain.kernel.limits import Profile
from coldchain.kernel.words import NO_VALUE
from coldchain.wiring.demo.month.past import Stretch

IN_A_ROW = 2
"""A forecast is an alarm when it was made so many times in a row."""

WIDER = 1.2
"""The engine knows more, of rooms and of defrosts: what it may foresee is looked at, too."""

Bools = npt.NDArray[np.bool_]


class Coming:
    """Call `foreseen` for every stretch in order. profiles: (N,) by which each load is judged."""

    def __init__(self, profiles: list[Profile], phase_ms: npt.NDArray[np.int64]) -> None:
        self._table = observe.blank(len(profiles))
        self._phase_ms = phase_ms
        self._high = _column([one.limits.high_c for one in profiles])
        self._low = _column([one.limits.low_c for one in profiles])
        frozen = self._high < 0
        self._ceiling = np.where(frozen, FREEZER_CEILING_C, self._high + MARGIN_K)
        self._ceiling[np.isnan(self._high)] = np.inf
        self._need_s = np.array([one.people_need.total_seconds() for one in profiles])
        self._before = np.zeros((IN_A_ROW, len(profiles)), np.bool_)

    def foreseen(self, stretch: Stretch) -> Bools:
        """(T,) instants at which a limit has just come near enough to call people."""
        short = self._short(stretch)
        held = np.concatenate([self._before, short])
        self._before = held[-IN_A_ROW:]
        ticks = len(short)
        row = np.all([held[IN_A_ROW - k :][:ticks] for k in range(IN_A_ROW)], axis=0)
        return np.asarray((row & ~held[:ticks]).any(axis=1))

    def _short(self, stretch: Stretch) -> Bools:
        """(T, N) less time is left than people need."""
        at, value = stretch.at_ms[:, None] + self._phase_ms, stretch.load
        who, tick = np.nonzero((value != NO_VALUE).T)
        found = np.zeros(value.shape, np.bool_)
        if not len(who):
            return found
        readings = Readings.of(who, at[tick, who], value[tick, who])
        around = observe.Around(
            self._high[who],
            self._low[who],
            self._ceiling[who],
            np.full(len(who), np.nan),
            np.zeros(len(who), np.bool_),
        )
        seen = observe.advance(self._table, readings, around)
        if seen.slots is None or seen.forecast is None:
            return found
        by = seen.plain[seen.slots.by]
        left_s = seen.forecast.seconds - (readings.at[by] / 1000.0 - seen.slots.at_s)
        near = (seen.forecast.direction != 0) & np.isfinite(left_s) & (left_s > 0)
        near &= left_s < WIDER * self._need_s[who[by]]
        found[tick[by], who[by]] = near
        return found


def _column(limits: list[float | None]) -> npt.NDArray[np.float64]:
    return np.array([np.nan if limit is None else limit for limit in limits])
