# SPDX-License-Identifier: Apache-2.0
"""Rules: pure functions over columns of readings. A new one is written here and named in CONDITIONS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from alerts.rules.flat import Block, Bools, Ints, Numbers
from alerts.rules.terms import Terms


@dataclass(frozen=True, slots=True)
class Seen:
    """N readings as rules see them: sorted, with what is known of each.

    fault           (N,) it is no temperature
    fault_after_ms  how long a probe may give nothing else
    """

    block: Block
    fault: Bools
    terms: Terms
    fault_after_ms: int


@dataclass(frozen=True, slots=True)
class Signals:
    """What a condition makes of N readings: see `limits.latch`. `limit` is what to show beside the value."""

    out: Bools
    back: Bools
    size: Numbers
    delay_ms: Ints | int
    limit: Numbers


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that may be wrong with a sensor's readings and must last before it counts.

    name       unique: the word in excursions, and in `rule`
    kind       what the alarm is: a warning and what is critical of one kind are one alarm
    of_faults  True: looks at readings that are no temperature, too; False: those are left out
    sign       the peak is sign * size [thousandths]; 0: it has none
    """

    name: str
    kind: str
    version: int
    severity: str
    of_faults: bool
    sign: int
    signals: Callable[[Seen], Signals]


def _high(seen: Seen) -> Signals:
    value, t = seen.block.value, seen.terms
    return Signals(value > t.high, value <= t.high_back, value, t.delay_ms, t.high)


def _low(seen: Seen) -> Signals:
    value, t = seen.block.value, seen.terms
    return Signals(value < t.low, value >= t.low_back, -value, t.delay_ms, t.low)


def _sensor_fault(seen: Seen) -> Signals:
    nothing = np.zeros_like(seen.block.value)
    return Signals(seen.fault, ~seen.fault, nothing, seen.fault_after_ms, nothing)


def _not_yet(seen: Seen) -> Signals:
    nothing = np.zeros_like(seen.block.value)
    return Signals(nothing > 0, nothing == 0, nothing, 0, nothing)


CONDITIONS = (
    Condition("high", "high", 1, "critical", of_faults=False, sign=1, signals=_high),
    Condition("low", "low", 1, "critical", of_faults=False, sign=-1, signals=_low),
    Condition("sensor_fault", "sensor_fault", 1, "warning", of_faults=True, sign=0, signals=_sensor_fault),
    Condition("high_warning", "high", 1, "warning", of_faults=False, sign=1, signals=_not_yet),
    Condition("low_warning", "low", 1, "warning", of_faults=False, sign=-1, signals=_not_yet),
    Condition("rate", "rate", 1, "warning", of_faults=False, sign=0, signals=_not_yet),
    Condition("forecast", "forecast", 1, "warning", of_faults=False, sign=0, signals=_not_yet),
    Condition("cumulative", "cumulative", 1, "critical", of_faults=False, sign=0, signals=_not_yet),
    Condition("agitator", "agitator", 1, "warning", of_faults=False, sign=0, signals=_not_yet),
)
"""In the order of the columns of the engine's state: append, never reorder."""

NUMBER_OF = {condition.name: number for number, condition in enumerate(CONDITIONS)}


def rule_of(condition: Condition) -> str:
    """Its name with its version: ``high@1``."""
    return f"{condition.name}@{condition.version}"


RULES = tuple(rule_of(c) for c in CONDITIONS)
"""What `rules_digest` and every alarm's `rule` name."""
