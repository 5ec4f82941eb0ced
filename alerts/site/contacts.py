# SPDX-License-Identifier: Apache-2.0
"""The newest value of each contact (mains, battery, room, compressor, door), and since when. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from alerts.insight.scan import Floats
from alerts.rules.flat import Bools, Ints
from coldchain.kernel.readings import Rows
from coldchain.kernel.words import NO_VALUE, Flag, Quantity
from coldchain.records.journal import Latest, effective_ms

NONE = -1


class Contacts:
    """By series number. Values in thousandths; `since` the instant of the first reading with that value."""

    def __init__(self, quantities: Mapping[int, int]) -> None:
        """quantities: number of each series -> its quantity."""
        size = max(quantities, default=-1) + 1
        self.is_one = np.zeros(size, np.bool_)
        for number, quantity in quantities.items():
            self.is_one[number] = quantity != Quantity.TEMPERATURE
        self.value = np.full(size, NO_VALUE, np.int64)
        self.before = np.full(size, NO_VALUE, np.int64)
        self.at, self.since = np.full(size, NONE), np.full(size, NONE)

    def taken_over(self, old: Contacts) -> Contacts:
        """With what an older one knew: a new series came."""
        n = min(len(old.value), len(self.value))
        for name in ("value", "before", "at", "since"):
            getattr(self, name)[:n] = getattr(old, name)[:n]
        return self

    def begin(self, latest: Mapping[int, Latest]) -> None:
        """What the record knows, at a start: since when, only as far back as the newest reading."""
        for number, newest in latest.items():
            if number < len(self.value) and self.is_one[number] and newest.at_ms > self.at[number]:
                if newest.value != NO_VALUE:
                    self.value[number], self.since[number] = newest.value, newest.at_ms
                self.at[number] = newest.at_ms

    def feed(self, rows: Rows) -> bool:
        """Rows of the journal, any quantity, any order. Did a contact say anything?"""
        series = rows["series"].astype(np.int64)
        drill = (rows["flags"] & int(Flag.TEST)) != 0
        mine = (series < len(self.is_one)) & (rows["value"] != NO_VALUE) & ~drill
        mine[mine] = self.is_one[series[mine]]
        if not mine.any():
            return False
        series, value = series[mine], rows["value"][mine].astype(np.int64)
        at = effective_ms(rows[mine]).astype(np.int64)
        newer = at > self.at[series]
        series, value, at = series[newer], value[newer], at[newer]
        order = np.lexsort((at, series))
        series, value, at = series[order], value[order], at[order]
        if not len(series):
            return False
        first = np.append(True, series[1:] != series[:-1])
        known = np.where(first, self.value[series], np.append(NO_VALUE, value[:-1]))
        turns = np.flatnonzero(value != known)
        self.since[series[turns]] = at[turns]  # the last turn of each stays
        self.before[series[turns]] = known[turns]
        last = np.append(series[1:] != series[:-1], True)
        self.value[series[last]], self.at[series[last]] = value[last], at[last]
        return True

    def of(self, series: Ints) -> Floats:
        """(A,) values in their unit, NaN where nothing is known; series -1: none."""
        return np.where(self._known(series), self._pick(self.value, series) / 1000.0, np.nan)

    def since_of(self, series: Ints) -> Ints:
        """(A,) since when it stands [ms], -1 unknown."""
        return np.where(self._known(series), self._pick(self.since, series), NONE)

    def falls(self, series: Ints) -> Floats:
        """(A,) 1 where the last change went down, 0 where it went up, NaN where there was none."""
        changed = self._known(series) & (self._pick(self.before, series) != NO_VALUE)
        down = self._pick(self.value, series) < self._pick(self.before, series)
        return np.where(changed, down.astype(np.float64), np.nan)

    def _known(self, series: Ints) -> Bools:
        return np.asarray((series >= 0) & (self._pick(self.value, series) != NO_VALUE))

    def _pick(self, column: Ints, series: Ints) -> Ints:
        if not len(column):
            return np.full(len(series), NO_VALUE)
        return np.where(series >= 0, column[np.clip(series, 0, len(column) - 1)], NO_VALUE)
