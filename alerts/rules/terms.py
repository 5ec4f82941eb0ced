# SPDX-License-Identifier: Apache-2.0
"""What is asked of every series, as columns for rules: limits in force, delays, what part it plays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from alerts.rules.flat import Bools, Ints, Numbers
from coldchain.kernel.limits import Profile

NO_HIGH, NO_LOW = 2**40, -(2**40)
"""Stand where there is no limit on that side [thousandths]."""
NEVER_MS = 2**60
"""Stands for a delay, a budget that nothing reaches."""
NO_LOADING = -1

SERIES_MAX = 2**20
AT_BITS = 43
"""Instants below 2^43 ms (the year 2248) and series below 2^20 share one 63-bit key."""

MARGIN_K = 10.0
"""Nothing above a refrigerator's limit by this is a defrost: a real one was seen to lift its probe by 6.4 to
10.6 K. It holds for air, and for a probe of which nobody says where it is: name load probes as such.
"""
FREEZER_CEILING_C = 10.0
"""Nor above this in a freezer [°C]: air beside the heater was seen at 6 °C. Ours."""
FAR_K, FREEZER_FAR_K = 4.0, 10.0
"""Air so far beyond the limit is judged as a load is, whatever the virtual load says. Ours."""
LONG_FACTOR = 2
"""Air alone, beyond its limit for so many air delays, is judged whatever the virtual load says. Ours."""
STOPPED = 500
"""An agitator whose value is below this stands still: 0 stopped, 1000 moving."""


class Part(IntEnum):
    """What a series is to its appliance.

    PROBE      a temperature of which nobody says whether it is air or load: held against the limits, as a
               load; a defrost as learnt excuses it, as air
    LOAD       the blood's own temperature, or a bottle's: nothing excuses it
    AIR_BESIDE air where there is a load probe: only ever a warning
    AIR_ALONE  air where there is none: the load is reckoned from it
    AGITATOR   1 moving, 0 stopped
    """

    PROBE = 0
    LOAD = 1
    AIR_BESIDE = 2
    AIR_ALONE = 3
    AGITATOR = 4


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of pieces of time, or of N readings: columns, values in the readings' own unit.

    high, low           critical set-points: out beyond them; back at or inside high_back, low_back; delay_ms
    warn_high, warn_low the same of warnings: warn_high_back, warn_low_back, warn_delay_ms
    far_high, far_low   air alone: beyond these like a load; within them after long_ms
    limit_high, limit_low  what the authority permits; ceiling: no defrost is above
    rate                [thousandths of K/min]; budget_s of a day; need_ms, what people need
    stopped_ms          how long an agitator may stand still
    offset              added to what came
    loading             when the loading that it is in began; NO_LOADING
    part                see Part; profile: number in RuleTable.profiles
    """

    high: Numbers
    high_back: Numbers
    low: Numbers
    low_back: Numbers
    delay_ms: Ints
    warn_high: Numbers
    warn_high_back: Numbers
    warn_low: Numbers
    warn_low_back: Numbers
    warn_delay_ms: Ints
    far_high: Numbers
    far_low: Numbers
    long_ms: Ints
    limit_high: Numbers
    limit_low: Numbers
    ceiling: Numbers
    rate: Ints
    budget_s: Ints
    need_ms: Ints
    stopped_ms: Ints
    offset: Numbers
    loading: Ints
    part: Ints
    profile: Ints


@dataclass(frozen=True, slots=True)
class Piece:
    """One series' terms from an instant on: `series << AT_BITS | at` is its key."""

    series: int
    at: int
    profile: Profile | None = None
    part: Part = Part.PROBE
    offset: int = 0
    loading: int = NO_LOADING


@dataclass(frozen=True, slots=True)
class RuleTable:
    """Every series' terms, piece by piece in time, and what silence needs to know.

    judged    (S,) a temperature inside an appliance, or an agitator; the rest only shows life
    piece     (S + 1,) where each series' pieces begin; `key` sorts pieces by (series, start)
    terms     columns over pieces; inner_high, inner_low over pieces: within, no rule has anything to say
    every_ms  (S,) expected interval; 0 for a series the registry does not know
    unit      (S,) number of its appliance, -1 if none; `units` are their ids
    group     (S,) number of what it is heard through, -1 if none; `groups` are (scope, id)
    profiles  names with version, by number; 0 is none
    tau_s     (S,) lag of its load behind it [s]
    insight   (S,) it is looked at for more than its limits

    corrects, loads, alone, looks   does any piece correct, load, reckon a load from air; is any looked at
    """

    judged: Bools
    piece: Ints
    key: Ints
    terms: Terms
    inner_high: Numbers
    inner_low: Numbers
    every_ms: Ints
    unit: Ints
    units: tuple[str, ...]
    group: Ints
    groups: tuple[tuple[str, str], ...]
    profiles: tuple[str, ...]
    fault_after_ms: int
    tau_s: npt.NDArray[np.float64]
    insight: Bools
    corrects: bool = field(init=False)
    loads: bool = field(init=False)
    alone: bool = field(init=False)
    looks: bool = field(init=False)

    def __post_init__(self) -> None:
        t = self.terms
        object.__setattr__(self, "corrects", bool(t.offset.any()))
        object.__setattr__(self, "loads", bool((t.loading != NO_LOADING).any()))
        object.__setattr__(self, "alone", bool((t.part == Part.AIR_ALONE).any()))
        object.__setattr__(self, "looks", bool(self.insight.any()))

    @property
    def whole(self) -> bool:
        """One piece each: a series' number is its piece's."""
        return len(self.key) == len(self.judged)

    def piece_at(self, series: Ints, at: Ints) -> Ints:
        """The piece of each reading. Every series must be known to the table."""
        if self.whole:
            return series
        index = self.piece[series]
        if (self.piece[series + 1] - index > 1).any():
            wanted = (series << AT_BITS) | np.clip(at, 0, 2**AT_BITS - 1)
            index = np.searchsorted(self.key, wanted, side="right") - 1
        return index

    def beyond(self, piece: Ints | slice, value: Numbers) -> Bools:
        """(N,) some rule may have something to say of that temperature."""
        return np.asarray((value > self.inner_high[piece]) | (value < self.inner_low[piece]))

    def terms_at(self, series: Ints, at: Ints) -> Terms:
        """The terms of each reading. Every series must be known to the table."""
        index = self.piece_at(series, at)
        return Terms(*(getattr(self.terms, f.name)[index] for f in fields(Terms)))

    def only(self, series: int) -> RuleTable:
        """The table of that one series, as number 0."""
        first, last = int(self.piece[series]), int(self.piece[series + 1])
        one, pieces = slice(series, series + 1), slice(first, last)
        return RuleTable(
            judged=self.judged[one],
            piece=np.array([0, last - first]),
            key=self.key[pieces] & ((1 << AT_BITS) - 1),
            terms=Terms(*(getattr(self.terms, f.name)[pieces] for f in fields(Terms))),
            inner_high=self.inner_high[pieces],
            inner_low=self.inner_low[pieces],
            every_ms=self.every_ms[one],
            unit=self.unit[one],
            units=self.units,
            group=self.group[one],
            groups=self.groups,
            profiles=self.profiles,
            fault_after_ms=self.fault_after_ms,
            tau_s=self.tau_s[one],
            insight=self.insight[one],
        )

    def __len__(self) -> int:
        return len(self.judged)


def columns_of(pieces: Sequence[Piece], names: tuple[str, ...]) -> Terms:
    """Terms of those pieces, in their order; `names` are the profiles' labels by number."""
    rows: dict[tuple[Profile | None, Part], list[int]] = {}
    told = []
    for piece in pieces:
        key = (piece.profile, piece.part)
        if key not in rows:
            rows[key] = _row(piece.profile, piece.part)
        told.append([*rows[key], piece.offset, piece.loading, int(piece.part)])
    numbers = [names.index(p.profile.label) if p.profile else 0 for p in pieces]
    columns = np.array(told, np.int64).reshape(len(pieces), len(fields(Terms)) - 1).T
    return Terms(*map(np.ascontiguousarray, [*columns, np.array(numbers, np.int64)]))


def _milli(celsius: float | None, none: int) -> int:
    return none if celsius is None else round(celsius * 1000)


def _row(profile: Profile | None, part: Part) -> list[int]:
    """The columns of Terms from `high` to `stopped_ms`."""
    nothing = [NO_HIGH, NO_HIGH, NO_LOW, NO_LOW, 0]
    if profile is None or part is Part.AGITATOR:
        stopped = profile.stopped if profile else None
        stopped_ms = NEVER_MS if stopped is None else round(stopped.total_seconds() * 1000)
        none = [NO_HIGH, NO_LOW, NEVER_MS, NO_HIGH, NO_LOW, NO_HIGH, NEVER_MS, NEVER_MS, 0]
        return [*nothing, *nothing, *none, stopped_ms]
    band = round(profile.deadband_k * 1000)

    def side(low_c: float | None, high_c: float | None, delay_s: float) -> list[int]:
        high, low = _milli(high_c, NO_HIGH), _milli(low_c, NO_LOW)
        return [
            high,
            high - band * (high != NO_HIGH),
            low,
            low + band * (low != NO_LOW),
            round(delay_s * 1000),
        ]

    delay_s, air_s = profile.on_delay.total_seconds(), profile.air_delay.total_seconds()
    if part is Part.AIR_ALONE:
        delay_s = profile.warning_delay.total_seconds()  # of air far beyond: an opening is shorter
    critical = side(profile.low_c, profile.high_c, delay_s)
    points = profile.warning
    warning = nothing
    if part is Part.AIR_BESIDE:
        critical, warning = nothing, side(profile.low_c, profile.high_c, air_s)
    elif points is not None:
        warning = side(points.low_c, points.high_c, profile.warning_delay.total_seconds())
    return [*critical, *warning, *_beyond(profile, part), NEVER_MS]


def _beyond(profile: Profile, part: Part) -> list[int]:
    """The columns of Terms from `far_high` to `need_ms`."""
    limits = profile.limits
    frozen = limits.high_c is not None and limits.high_c < 0
    far_k = FREEZER_FAR_K if frozen else FAR_K
    high, low = limits.high_c, limits.low_c
    ceiling_c = None if high is None else FREEZER_CEILING_C if frozen else high + MARGIN_K
    load = part in {Part.LOAD, Part.PROBE}
    rate, budget = profile.rate_k_min, profile.budget
    return [
        _milli(None if profile.high_c is None else profile.high_c + far_k, NO_HIGH),
        _milli(None if profile.low_c is None else profile.low_c - far_k, NO_LOW),
        round(LONG_FACTOR * profile.air_delay.total_seconds() * 1000),
        _milli(high, NO_HIGH),
        _milli(low, NO_LOW),
        _milli(ceiling_c, NO_HIGH),
        round(rate * 1000) if rate is not None and load else NEVER_MS,
        round(budget.total_seconds()) if budget is not None and part is not Part.AIR_BESIDE else NEVER_MS,
        round(profile.people_need.total_seconds() * 1000) if load else 0,
    ]


def inner(terms: Terms) -> tuple[Ints, Ints]:
    """(high, low) over pieces: between them no rule about a temperature's height has anything to say."""
    high = np.minimum(np.minimum(terms.high, terms.warn_high), terms.limit_high)
    low = np.maximum(np.maximum(terms.low, terms.warn_low), terms.limit_low)
    stands = (terms.part == Part.AGITATOR) & (terms.stopped_ms != NEVER_MS)
    return np.asarray(high), np.where(stands, STOPPED, low)


def of_one_profile(
    series: int,
    profile: Profile,
    every_ms: int,
    fault_after_ms: int,
    *,
    part: Part = Part.PROBE,
    insight: bool = False,
    tau_s: float = 1_800.0,
) -> RuleTable:
    """A table in which every series is a probe under one profile, in an appliance of its own."""
    number = np.arange(series)
    names = ("", profile.label)
    terms = columns_of([Piece(n, 0, profile, part) for n in range(series)], names)
    inner_high, inner_low = inner(terms)
    return RuleTable(
        judged=np.ones(series, np.bool_),
        piece=np.arange(series + 1),
        key=number << AT_BITS,
        terms=terms,
        inner_high=inner_high,
        inner_low=inner_low,
        every_ms=np.full(series, every_ms, np.int64),
        unit=number,
        units=tuple(str(n) for n in range(series)),
        group=np.full(series, -1, np.int64),
        groups=(),
        profiles=names,
        fault_after_ms=fault_after_ms,
        tau_s=np.full(series, tau_s),
        insight=np.full(series, insight),
    )
