# SPDX-License-Identifier: Apache-2.0
"""What is asked of every series, as columns for rules: limits in force, expected interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from alerts.rules.flat import Bools, Ints, Numbers
from coldchain.kernel.limits import Profile

NO_HIGH, NO_LOW = 2**40, -(2**40)
"""Stand where there is no limit on that side [thousandths]."""

SERIES_MAX = 2**20
AT_BITS = 43
"""Instants below 2^43 ms (the year 2248) and series below 2^20 share one 63-bit key."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The limits in force for each of N readings: columns (N,), values in the readings' own unit.

    out beyond high or low; back inside at or below high_back, at or above low_back
    """

    high: Numbers
    high_back: Numbers
    low: Numbers
    low_back: Numbers
    delay_ms: Ints
    profile: Ints


@dataclass(frozen=True, slots=True)
class RuleTable:
    """Every series' terms, piece by piece in time, and what silence needs to know.

    judged    (S,) a temperature inside an appliance; terms without limits where another probe counts
    piece     (S + 1,) where each series' pieces begin; `key` sorts pieces by (series, start)
    terms     columns over pieces
    every_ms  (S,) expected interval; 0 for a series the registry does not know
    unit      (S,) number of its appliance, -1 if none; `units` are their ids
    group     (S,) number of what it is heard through, -1 if none; `groups` are (scope, id)
    profiles  names with version, by number; 0 is none
    """

    judged: Bools
    piece: Ints
    key: Ints
    terms: Terms
    every_ms: Ints
    unit: Ints
    units: tuple[str, ...]
    group: Ints
    groups: tuple[tuple[str, str], ...]
    profiles: tuple[str, ...]
    fault_after_ms: int

    def piece_at(self, series: Ints, at: Ints) -> Ints:
        """The piece of each reading. Every series must be known to the table."""
        if len(self.key) == len(self.judged):  # one piece each
            return series
        index = self.piece[series]
        if (self.piece[series + 1] - index > 1).any():
            wanted = (series << AT_BITS) | np.clip(at, 0, 2**AT_BITS - 1)
            index = np.searchsorted(self.key, wanted, side="right") - 1
        return index

    def beyond(self, series: Ints, at: Ints, value: Numbers, place: Ints | slice | None = None) -> Bools:
        """(N,) above the high set-point in force, or below the low one. place: `series` as a better index."""
        alike = place is not None and len(self.key) == len(self.judged)
        index = place if alike and place is not None else self.piece_at(series, at)
        return np.asarray((value > self.terms.high[index]) | (value < self.terms.low[index]))

    def terms_at(self, series: Ints, at: Ints) -> Terms:
        """The terms of each reading. Every series must be known to the table."""
        index = self.piece_at(series, at)
        t = self.terms
        return Terms(
            t.high[index],
            t.high_back[index],
            t.low[index],
            t.low_back[index],
            t.delay_ms[index],
            t.profile[index],
        )

    def only(self, series: Ints) -> RuleTable:
        """The table of those series alone (ascending), numbered from 0 in their order."""
        n = len(self.judged)
        count = self.piece[series + 1] - self.piece[series]
        ends = np.cumsum(count)
        pieces = np.arange(ends[-1] if len(ends) else 0) + np.repeat(self.piece[series] - ends + count, count)
        number = np.repeat(np.arange(len(series)), count)
        changed: dict[str, Any] = {
            f.name: column[series]
            for f in fields(self)
            if isinstance(column := getattr(self, f.name), np.ndarray) and len(column) == n
        }
        changed["piece"] = np.append(0, ends)
        changed["key"] = (number << AT_BITS) | (self.key[pieces] & ((1 << AT_BITS) - 1))
        changed["terms"] = replace(
            self.terms, **{f.name: getattr(self.terms, f.name)[pieces] for f in fields(self.terms)}
        )
        return replace(self, **changed)

    def __len__(self) -> int:
        return len(self.judged)


def columns_of(profiles: list[Profile | None], names: tuple[str, ...]) -> Terms:
    """Terms of those profiles, in their order; `names` are their labels by number."""

    def column(pick: Sequence[float]) -> Ints:
        return np.array([round(x) for x in pick], np.int64)

    high = [p.high_c * 1000 if p and p.high_c is not None else NO_HIGH for p in profiles]
    low = [p.low_c * 1000 if p and p.low_c is not None else NO_LOW for p in profiles]
    band = [p.deadband_k * 1000 if p else 0 for p in profiles]
    high_back = [h - b if h != NO_HIGH else h for h, b in zip(high, band, strict=True)]
    low_back = [w + b if w != NO_LOW else w for w, b in zip(low, band, strict=True)]
    delay = [p.on_delay.total_seconds() * 1000 if p else 0 for p in profiles]
    profile = [names.index(p.label) if p else 0 for p in profiles]
    return Terms(
        column(high), column(high_back), column(low), column(low_back), column(delay), column([*profile])
    )


def of_one_profile(series: int, profile: Profile, every_ms: int, fault_after_ms: int) -> RuleTable:
    """A table in which every series is a load probe under one profile, in an appliance of its own."""
    number = np.arange(series)
    names = ("", profile.label)
    return RuleTable(
        judged=np.ones(series, np.bool_),
        piece=np.arange(series + 1),
        key=number << AT_BITS,
        terms=columns_of([profile] * series, names),
        every_ms=np.full(series, every_ms, np.int64),
        unit=number,
        units=tuple(str(n) for n in range(series)),
        group=np.full(series, -1, np.int64),
        groups=(),
        profiles=names,
        fault_after_ms=fault_after_ms,
    )
