# SPDX-License-Identifier: Apache-2.0
"""What a bag has been exposed to, a rule for it, and what the rule proposes. Pure; people decide.

A rule has two lines for each thing that is measured: within the first the bag goes back to stock, beyond the
second it is discarded, and what lies between is kept apart until somebody has judged it.
"""

from __future__ import annotations

from dataclasses import dataclass

KEEP, QUARANTINE, DISCARD = "keep", "quarantine", "discard"
FATES = (KEEP, QUARANTINE, DISCARD)
"""From the mildest to the gravest."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """Time beyond the limits, summed over the places where it was [ms]. Values in thousandths of a degree.

    out_ms      in all; longest_ms the longest occasion; occasions: how many
    unknown_ms  of span_ms, nothing is known
    low, high   the furthest values that were read; None where none was
    """

    span_ms: int
    out_ms: int
    longest_ms: int
    occasions: int
    unknown_ms: int
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class ExposureRule:
    """One component under one authority. Spans in seconds, temperatures in °C; None: the rule is silent.

    once_s, total_s, occasions, low_c, high_c, unknown_s   within these it goes back to stock
    discard_...                                            beyond these it is discarded
    """

    name: str
    version: int
    component: str
    once_s: float
    total_s: float | None = None
    occasions: int | None = None
    low_c: float | None = None
    high_c: float | None = None
    unknown_s: float | None = None
    discard_once_s: float | None = None
    discard_total_s: float | None = None
    discard_low_c: float | None = None
    discard_high_c: float | None = None
    signed: str = ""

    @property
    def authority(self) -> str:
        return self.name.partition("@")[2]

    @property
    def label(self) -> str:
        return f"{self.name} v{self.version}"


@dataclass(frozen=True, slots=True)
class Ground:
    """One line of a rule that was passed. what: a key of the rule; found, line: thousandths of its unit."""

    fate: str
    what: str
    found: int
    line: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """fate: the gravest of its grounds; without any it goes back to stock."""

    fate: str
    grounds: tuple[Ground, ...]


def propose(rule: ExposureRule, exposure: Exposure) -> Proposal:
    """What the rule says of that exposure.

    >>> rule = ExposureRule("red@x", 1, "red cells", once_s=1800, discard_high_c=10.0)
    >>> calm = Exposure(86_400_000, 600_000, 600_000, 1, 0, 3000, 7000)
    >>> propose(rule, calm).fate
    'keep'
    >>> from dataclasses import replace
    >>> propose(rule, replace(calm, out_ms=2_400_000, longest_ms=2_400_000)).fate
    'quarantine'
    >>> propose(rule, replace(calm, high=10_100)).fate
    'discard'
    """
    thousandths = {
        "once_s": exposure.longest_ms,
        "total_s": exposure.out_ms,
        "occasions": 1000 * exposure.occasions,
        "unknown_s": exposure.unknown_ms,
    }
    grounds = [
        _passed(rule, key, found, prefix) for key, found in thousandths.items() for prefix in ("discard_", "")
    ]
    for key, milli, sign in (("high_c", exposure.high, 1), ("low_c", exposure.low, -1)):
        if milli is not None:
            grounds += [_passed(rule, key, milli, prefix, sign) for prefix in ("discard_", "")]
    found = tuple(one for one in grounds if one is not None)
    gravest = max((FATES.index(one.fate) for one in found), default=0)
    return Proposal(FATES[gravest], tuple(one for one in found if one.fate == FATES[gravest]))


def _passed(rule: ExposureRule, key: str, found: int, prefix: str, sign: int = 1) -> Ground | None:
    """The ground, if that line is passed. Exactly on the line is within it."""
    told = getattr(rule, f"{prefix}{key}", None)
    line = round(1000 * told) if told is not None else 0
    if told is None or sign * found <= sign * line:
        return None
    return Ground(DISCARD if prefix else QUARANTINE, key, found, line)


def faults_of_rule(rule: ExposureRule) -> list[str]:
    """Why this rule must not propose anything: a discard line inside the line for stock, a negative span."""
    found = []
    for key in ("once_s", "total_s", "high_c", "low_c"):
        line, grave = getattr(rule, key), getattr(rule, f"discard_{key}")
        sign = -1 if key == "low_c" else 1
        if line is not None and grave is not None and sign * grave < sign * line:
            found.append(f"discard_{key} {grave:g} lies within {key} {line:g}")
    for key in ("once_s", "total_s", "occasions", "unknown_s"):
        value = getattr(rule, key)
        if value is not None and value < 0:
            found.append(f"{key} {value:g} is below 0")
    return found
