# SPDX-License-Identifier: Apache-2.0
"""Blood in several places, one after the other, and one exposure clock over all. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coldchain.kernel.exposure import Exposure

Longs = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Stay:
    """Time in one appliance, from start_ms to end_ms [ms]."""

    appliance: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Out:
    """Beyond a limit, from crossing to crossing [ms]; peak in thousandths.

    first, last  nothing is known of the stay before it, or after it: it may have begun, or gone on, elsewhere
    """

    kind: str
    start_ms: int
    end_ms: int
    out_ms: int
    peak: int
    first: bool = False
    last: bool = False


@dataclass(frozen=True, slots=True)
class Leg:
    """One stay. limits: what it was judged by; readings, late: how many there are, and came after the event.

    inside     a reading was within the limits
    at, milli  (N,) readings of the stay, for a chart [ms], [thousandths]
    """

    appliance: str
    sensor: str
    start_ms: int
    end_ms: int
    profile: str
    low_c: float | None
    high_c: float | None
    out_ms: int
    unknown_ms: int
    low: int | None
    high: int | None
    outs: tuple[Out, ...]
    readings: int
    late: int
    digest: str
    at: Longs
    milli: Longs
    inside: bool = False


def exposure_of(legs: Sequence[Leg]) -> Exposure:
    """One clock over all stays: an occasion that goes on in the next place is one occasion."""
    longest = current = occasions = 0
    last: Out | None = None
    for leg in legs:
        if leg.inside and not leg.outs:
            last = None  # it was seen within its limits in between
        for out in leg.outs:
            goes_on = last is not None and last.last and out.first and last.kind == out.kind
            current = current + out.out_ms if goes_on else out.out_ms
            occasions += not goes_on
            longest = max(longest, current)
            last = out
    lows = [leg.low for leg in legs if leg.low is not None]
    highs = [leg.high for leg in legs if leg.high is not None]
    return Exposure(
        span_ms=sum(max(0, leg.end_ms - leg.start_ms) for leg in legs),
        out_ms=sum(leg.out_ms for leg in legs),
        longest_ms=longest,
        occasions=occasions,
        unknown_ms=sum(leg.unknown_ms for leg in legs),
        low=min(lows, default=None),
        high=max(highs, default=None),
    )


def digest_of_legs(legs: Sequence[Leg]) -> str:
    """Of the readings that the figures come from: the same record, the same word."""
    sha = hashlib.sha256()
    for leg in legs:
        sha.update(f"{leg.appliance} {leg.start_ms} {leg.end_ms} {leg.profile} {leg.digest}\n".encode())
    return sha.hexdigest()


def cut_to(stays: Sequence[Stay], start_ms: int | None, end_ms: int | None) -> list[Stay]:
    """The part of the stays within start..end; None: no bound on that side.

    >>> cut_to([Stay("a", 0, 10), Stay("b", 10, 20)], 5, 12)
    [Stay(appliance='a', start_ms=5, end_ms=10), Stay(appliance='b', start_ms=10, end_ms=12)]
    """
    found = []
    for stay in stays:
        begin = stay.start_ms if start_ms is None else max(stay.start_ms, start_ms)
        end = stay.end_ms if end_ms is None else min(stay.end_ms, end_ms)
        if begin < end:
            found.append(Stay(stay.appliance, begin, end))
    return found
