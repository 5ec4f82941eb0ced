# SPDX-License-Identifier: Apache-2.0
"""Rules: pure functions over columns of readings. A new one is written here and named in CONDITIONS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from alerts.rules.flat import Block, Bools, Ints, Numbers
from alerts.rules.terms import STOPPED, Part, Terms
from coldchain.kernel.words import NO_VALUE


@dataclass(frozen=True, slots=True)
class Slow:
    """What is known at N readings that closed a slot of five minutes.

    hastens, steady   towards a limit too fast; not at all
    rate              [thousandths of K/min]
    short, rested     less is left than people need; nothing was foreseen for long
    left_s, bound     until that limit [s, thousandths]
    """

    hastens: Bools
    steady: Bools
    rate: Ints
    short: Bools
    rested: Bools
    left_s: Ints
    bound: Ints

    def take(self, which: Ints | Bools) -> Slow:
        return Slow(
            self.hastens[which],
            self.steady[which],
            self.rate[which],
            self.short[which],
            self.rested[which],
            self.left_s[which],
            self.bound[which],
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """N readings as rules see them: sorted, with what is known of each.

    block    values corrected by the sensor's offset
    fault    (N,) it is no temperature; fault_after_ms: how long a probe may give nothing else
    excused  (N,) inside a defrost as learnt: its height says nothing
    cooling  (N,) a loading whose range has not been reached: it is still warm, as it must be
    temp     (N,) what is judged: the value or, where only air is measured, the load reckoned from it
    settled  (N,) that reckoning has forgotten how it began
    day_s    (N,) seconds beyond the limits in the last 24 hours
    terms    columns over pieces; piece (N,) the piece of each reading
    slow     known where the readings closed slots
    borne    (N,) instant and value of the spike just before each reading, NEVER where there was none
    """

    block: Block
    fault: Bools
    excused: Bools
    cooling: Bools
    temp: Ints
    settled: Bools
    day_s: Ints
    terms: Terms
    piece: Ints
    fault_after_ms: int
    slow: Slow | None = None
    borne: tuple[Ints, Ints] | None = None

    def take(self, which: Ints | Bools) -> Seen:
        """Those readings, in that order."""
        return Seen(
            self.block.take(which),
            self.fault[which],
            self.excused[which],
            self.cooling[which],
            self.temp[which],
            self.settled[which],
            self.day_s[which],
            self.terms,
            self.piece[which],
            self.fault_after_ms,
            None if self.slow is None else self.slow.take(which),
            None if self.borne is None else (self.borne[0][which], self.borne[1][which]),
        )


@dataclass(frozen=True, slots=True)
class Signals:
    """What a condition makes of N readings: see `limits.latch`.

    limit   what to show beside the value; NO_VALUE: nothing
    figure  what else there is to tell: seconds left, seconds out, thousandths of K/min
    begins  when a run that opens with that reading began; None: at its instant
    """

    out: Bools
    back: Bools
    size: Numbers
    delay_ms: Ints | int
    limit: Numbers
    figure: Ints | None = None
    begins: Ints | None = None


class Of(Enum):
    """Which readings a condition looks at: all of them, temperatures only, those that closed a slot."""

    ALL = 0
    TEMPERATURES = 1
    SLOTS = 2


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that may be wrong with a sensor's readings and must last before it counts.

    name  unique: the word in excursions, and in `rule`
    kind  what the alarm is: a warning and what is critical of one kind are one alarm
    sign  the peak is sign * size [thousandths]; 0: it has none
    """

    name: str
    kind: str
    version: int
    severity: str
    of: Of
    sign: int
    signals: Callable[[Seen], Signals]


def _high(seen: Seen) -> Signals:
    return _critical(seen, 1)


def _low(seen: Seen) -> Signals:
    return _critical(seen, -1)


def _side(seen: Seen, sign: int, *, warn: bool) -> tuple[Numbers, Numbers, Ints]:
    """Set-point and where it is over, times sign; and the delay."""
    t, i = seen.terms, seen.piece
    if warn:
        sides = (t.warn_high, t.warn_high_back) if sign > 0 else (t.warn_low, t.warn_low_back)
        return sign * sides[0][i], sign * sides[1][i], t.warn_delay_ms[i]
    sides = (t.high, t.high_back) if sign > 0 else (t.low, t.low_back)
    return sign * sides[0][i], sign * sides[1][i], t.delay_ms[i]


def _begins(seen: Seen, sign: int, point: Numbers) -> Ints | None:
    """A run that bears a spike out began with it, if it was beyond, too."""
    if seen.borne is None:
        return None
    at, value = seen.borne
    return np.where((at >= 0) & (sign * value > point), at, seen.block.at)


def _critical(seen: Seen, sign: int) -> Signals:
    point, back_at, delay_ms = _side(seen, sign, warn=False)
    part = seen.terms.part[seen.piece]
    size = sign * seen.temp
    out, back = size > point, size <= back_at
    excused = seen.excused & (part == Part.PROBE)
    alone = part == Part.AIR_ALONE
    if alone.any():
        return _of_air(seen, sign, alone, excused)
    out &= ~excused
    if sign > 0:
        out &= ~seen.cooling
    begins = _begins(seen, sign, point)
    return Signals(out, back & ~out, sign * seen.block.value, delay_ms, sign * point, begins=begins)


def _of_air(seen: Seen, sign: int, alone: Bools, excused: Bools) -> Signals:
    """Where some measure air alone: the load reckoned from it at once; the air itself far or long out."""
    point, back_at, delay_ms = _side(seen, sign, warn=False)
    t, i = seen.terms, seen.piece
    value, load = sign * seen.block.value, sign * seen.temp
    far = sign * (t.far_high if sign > 0 else t.far_low)[i]
    warm = (load > point) & (seen.settled | ~alone)
    high = (value > point) & ~(seen.excused & alone)
    out = np.where(alone, warm | high, warm & ~excused)
    if sign > 0:
        out &= ~seen.cooling
    back = (load <= back_at) & (~alone | (value <= back_at) | seen.excused)
    slow = np.where(high & (value > far), delay_ms, t.long_ms[i])
    wait = np.where(alone, np.where(warm, 0, slow), delay_ms)
    return Signals(out, back & ~out, value, wait, sign * point)


def _warning(seen: Seen, sign: int) -> Signals:
    point, back_at, delay_ms = _side(seen, sign, warn=True)
    size = sign * seen.temp
    out = (size > point) & ~seen.excused
    if sign > 0:
        out &= ~seen.cooling
    back, begins = (size <= back_at) & ~out, _begins(seen, sign, point)
    return Signals(out, back, sign * seen.block.value, delay_ms, sign * point, begins=begins)


def _high_warning(seen: Seen) -> Signals:
    return _warning(seen, 1)


def _low_warning(seen: Seen) -> Signals:
    return _warning(seen, -1)


def _plain(out: Bools, back: Bools, delay_ms: Ints | int, figure: Ints | None = None) -> Signals:
    """Of a condition without a height."""
    nothing = np.zeros(len(out), np.int64)
    return Signals(out, back, nothing, delay_ms, np.full(len(out), NO_VALUE, np.int64), figure)


def _sensor_fault(seen: Seen) -> Signals:
    return _plain(seen.fault, ~seen.fault, seen.fault_after_ms)


FORESEEN_MS = 540_000
"""A forecast at three: foreseen twice in a row, and once more."""


def _rate(seen: Seen) -> Signals:
    slow = seen.slow
    assert slow is not None
    return _plain(slow.hastens, slow.steady, 0, slow.rate)


def _forecast(seen: Seen) -> Signals:
    slow = seen.slow
    assert slow is not None
    nothing = np.zeros(len(slow.short), np.int64)
    return Signals(slow.short, slow.rested, nothing, FORESEEN_MS, slow.bound, slow.left_s)


def _cumulative(seen: Seen) -> Signals:
    spent = seen.day_s > seen.terms.budget_s[seen.piece]
    return _plain(spent, ~spent, 0, seen.day_s)


def _agitator(seen: Seen) -> Signals:
    stopped_ms = seen.terms.stopped_ms[seen.piece]
    stands = (seen.block.value < STOPPED) & (seen.terms.part[seen.piece] == Part.AGITATOR)
    return _plain(stands, ~stands, stopped_ms)


CONDITIONS = (
    Condition("high", "high", 2, "critical", Of.TEMPERATURES, sign=1, signals=_high),
    Condition("low", "low", 2, "critical", Of.TEMPERATURES, sign=-1, signals=_low),
    Condition("sensor_fault", "sensor_fault", 2, "warning", Of.ALL, sign=0, signals=_sensor_fault),
    Condition("high_warning", "high", 1, "warning", Of.TEMPERATURES, sign=1, signals=_high_warning),
    Condition("low_warning", "low", 1, "warning", Of.TEMPERATURES, sign=-1, signals=_low_warning),
    Condition("rate", "rate", 1, "warning", Of.SLOTS, sign=0, signals=_rate),
    Condition("forecast", "forecast", 3, "warning", Of.SLOTS, sign=0, signals=_forecast),
    Condition("cumulative", "cumulative", 2, "critical", Of.TEMPERATURES, sign=0, signals=_cumulative),
    Condition("agitator", "agitator", 1, "warning", Of.TEMPERATURES, sign=0, signals=_agitator),
)
"""In the order of the columns of the engine's state: append, never reorder."""

NUMBER_OF = {condition.name: number for number, condition in enumerate(CONDITIONS)}


def rule_of(condition: Condition) -> str:
    """Its name with its version: ``high@2``."""
    return f"{condition.name}@{condition.version}"


RULES = tuple(rule_of(c) for c in CONDITIONS)
"""What `rules_digest` and every alarm's `rule` name."""
