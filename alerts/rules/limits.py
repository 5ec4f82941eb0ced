# SPDX-License-Identifier: Apache-2.0
"""The latch of whatever must last before it counts: a limit with on-delay and deadband, a probe at fault.

A run is a maximal sequence of readings that are out. Its first reading is `since`. The condition is raised
by the first reading of the run at which at - since >= delay; before that, any reading that is not out ends
the run. Once raised it stands until a reading that is back (well inside). Readings that say nothing are left
out by the caller: a gap neither breaks nor lengthens a run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alerts.rules.flat import Bools, Ints, Numbers, Segments, latest

NEVER = -1
"""Stands in `since` where no run is open."""

LEAST = -(2**31)
"""Below every size: the peak of nothing. Also fits the engine's 32-bit columns."""


@dataclass(frozen=True, slots=True)
class Carried:
    """One condition at the end of a block, (S,) each: what the next block of those sensors begins with.

    since      first reading of the open run, or of the condition that stands; NEVER if neither
    standing   raised, and not returned
    announced  raised, and seen by a live reading since
    peak       the largest size since `since`; LEAST when there is no run
    """

    since: Ints
    standing: Bools
    announced: Bools
    peak: Numbers


@dataclass(frozen=True, slots=True)
class Latched:
    """What a block did to one condition. Indices of readings, each ascending.

    raised     with `raised_since`: the start of the run that raised it
    announced  the first live reading while it stood, with `announced_since`
    returned   with `returned_since` and `returned_peak` of what ended
    grown      (S,) bool: still standing, with a larger peak than before
    after      carried out
    """

    raised: Ints
    raised_since: Ints
    announced: Ints
    announced_since: Ints
    returned: Ints
    returned_since: Ints
    returned_peak: Numbers
    grown: Bools
    after: Carried


def telling(back: Bools, seg: Segments) -> tuple[Ints, Segments] | None:
    """Indices of the readings that can change a latch, and the segments of those; None: it is most of them.

    A reading well inside that follows another such one ends nothing that has not ended, and begins nothing.
    """
    keep = ~back
    keep[1:] |= ~back[:-1]
    keep[seg.first] = True
    if 2 * np.count_nonzero(keep) > seg.n:
        return None
    which = np.flatnonzero(keep)
    first = np.searchsorted(which, seg.first)
    return which, Segments(seg.series, first, np.append(first[1:], len(which)) - 1, len(which))


def latch(  # noqa: PLR0913  columns of one table
    out: Bools,
    back: Bools,
    size: Numbers,
    at: Ints,
    delay_ms: Ints | int,
    live: Bools,
    seg: Segments,
    was: Carried,
    *,
    begins: Ints | None = None,
) -> Latched:
    """Run one condition over a sorted block. No loop over sensors or readings.

    out, back  (N,) the reading is beyond the limit; well inside. Never both.
    size       (N,) how far out, on a scale where larger is worse
    delay_ms   (N,) or scalar
    begins     (N,) when a run that opens with that reading began, where not at its own instant
    """
    of = seg.of
    first = seg.first[of]
    carried_since = was.since[of]
    # The run's first reading: after the last reading inside, or carried in.
    inside = latest(~out)
    broken = inside >= first
    start = np.minimum(np.where(broken, inside + 1, first), seg.n - 1)
    opened_at = at if begins is None else begins
    run_since = np.where(broken | (carried_since == NEVER), opened_at[start], carried_since)
    ripe = out & (at - run_since >= delay_ms)

    decided = latest(ripe | back)
    standing = np.where(decided >= first, ripe[decided], was.standing[of])
    before = _shift(standing, seg, was.standing)
    raised = standing & ~before
    returned = before & ~standing
    cause = latest(raised)
    since = np.where(cause >= first, run_since[cause], carried_since)

    seen = standing & live
    told = latest(seen | ~standing)
    announced = np.where(told >= first, seen[told], was.announced[of])
    news = announced & ~_shift(announced, seg, was.announced)

    peak, ended_peak = _peaks(out | standing, size, seg, was)
    last = seg.last
    open_since = np.where(out[last], run_since[last], NEVER)
    after = Carried(
        np.where(standing[last], since[last], open_since),
        standing[last],
        announced[last] & standing[last],
        peak,
    )
    grown = standing[last] & (peak > was.peak)
    at_raise, at_news, at_return = np.flatnonzero(raised), np.flatnonzero(news), np.flatnonzero(returned)
    # A return that follows its raise in the same block belongs to that raise.
    return Latched(
        at_raise,
        run_since[at_raise],
        at_news,
        since[at_news],
        at_return,
        since[at_return],
        ended_peak[at_return],
        grown,
        after,
    )


def _shift(flag: Bools, seg: Segments, carried: Bools) -> Bools:
    """The flag as it stood before each reading."""
    before = np.empty_like(flag)
    before[1:] = flag[:-1]
    before[seg.first] = carried
    return before


def _peaks(active: Bools, size: Numbers, seg: Segments, was: Carried) -> tuple[Numbers, Numbers]:
    """(S,) the peak carried out, and (N,) the peak of the stretch that ended just before each reading.

    A stretch is a maximal sequence of readings that are out or stand.
    """
    carries = was.since != NEVER
    opens = active & ~_shift(active, seg, carries)
    opens[seg.first] = True
    starts = np.flatnonzero(opens)
    stretch = np.cumsum(opens) - 1
    worst = np.maximum.reduceat(np.where(active, size, LEAST), starts)
    # What was carried in belongs to the stretch at the head of the segment.
    head = stretch[seg.first]
    continues = carries & active[seg.first]
    worst[head] = np.where(continues, np.maximum(worst[head], was.peak), worst[head])
    ended = np.empty_like(size)
    ended[1:] = worst[stretch[:-1]]
    ended[seg.first] = was.peak
    return np.where(active[seg.last], worst[stretch[seg.last]], LEAST), ended
