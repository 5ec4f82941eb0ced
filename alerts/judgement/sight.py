# SPDX-License-Identifier: Apache-2.0
"""What insight says to the rules: doubts, defrosts, the load reckoned from air, slots. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alerts.insight import observe, virtual_load
from alerts.insight.defrost import LONG
from alerts.insight.scan import Readings, last_true, shifted
from alerts.judgement.state import Table
from alerts.rules import Slow
from alerts.rules.flat import Block, Bools, Ints, Segments
from alerts.rules.limits import NEVER
from alerts.rules.terms import NEVER_MS, NO_HIGH, NO_LOW, Part, RuleTable
from coldchain.kernel.words import NO_VALUE

Floats = npt.NDArray[np.float64]
Room = tuple[Ints, Floats]
"""Instants [ms], ascending, and °C of the room: only a replay knows one."""

APART_S = 900.0
"""Slots further apart than this tell no rate."""
AHEAD_MIN = 30.0
"""A rate counts when at it the limit would be passed within so long."""
LOWEST = 0.25
"""Part of the range in which falling fast is falling too far."""
LOWER = 1 / 3
"""Below this part of the range a fall may be foreseen to pass its end. Ours: cycles lie about the middle."""
STEADY = 0.5
"""A rate is over at this part of what warns."""
NEAR_TIMES = 2
"""A forecast is over when nothing was foreseen within so many times what people need, for CALM_AGAIN_MS."""
CALM_AGAIN_MS = 3_600_000
STILL_MS = 7_200_000
"""Beyond a limit a probe is not doubted for standing still before: longer than any delay."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of N readings of a block, in their order.

    doubtful  (N,) looks like a temperature and is none
    excused   (N,) inside a defrost as learnt
    temp      (N,) the load reckoned from air where air is alone, else the value
    settled   (N,) that reckoning has forgotten how it began
    spike     (N,) doubtful because it stands alone: the next may bear it out
    where     (P,) readings that were looked at: `seen` speaks of them; None: of none
    """

    doubtful: Bools
    excused: Bools
    temp: Ints
    settled: Bools
    spike: Bools
    where: Ints
    seen: observe.Observed | None

    @property
    def by(self) -> Ints:
        """(M,) the readings that closed a slot."""
        if self.seen is None or self.seen.slots is None:
            return np.zeros(0, np.int64)
        return self.where[self.seen.plain[self.seen.slots.by]]


ENDED = np.dtype(
    [
        ("at", "<i8"),  # event time of the reading that showed it over
        ("series", "<i8"),
        ("since", "<i8"),
        ("peak", "<i8"),  # as judged
        ("long", "?"),  # it lasted longer than it may
        ("usual_ms", "<i8"),  # how long those before it lasted
    ]
)
"""A defrost as learnt that has ended."""
Ended = npt.NDArray[np.void]


def ended_defrosts(block: Block, sight: Sight) -> Ended:
    """Those that ended within a block, by instant and series."""
    did = None if sight.seen is None else sight.seen.defrosts
    which = np.zeros(0, np.int64) if did is None else np.flatnonzero(did.ended_what)
    found = np.zeros(len(which), ENDED)
    if did is None or sight.seen is None or not len(which):
        return found
    by = sight.where[sight.seen.plain[did.ended_by[which]]]
    found["at"], found["series"] = block.at[by], block.series[by]
    found["since"], found["peak"] = did.ended_began[which], did.ended_peak[which]
    found["long"] = did.ended_what[which] == LONG
    found["usual_ms"] = np.rint(1000.0 * did.ended_usual[which])
    return found[np.lexsort((found["series"], found["at"]))]


def blind(block: Block) -> Sight:
    """Nothing is known but the values."""
    no = np.zeros(len(block), np.bool_)
    return Sight(no, no, block.value, ~no, no, np.zeros(0, np.int64), None)


def look(
    insight: Table, block: Block, fault: Bools | None, rules: RuleTable, piece: Ints, room: Room | None
) -> Sight:
    """Advance the insight over a sorted block's temperatures."""
    looked_at = rules.insight[block.series]
    if fault is not None:
        looked_at &= ~fault
    everything = bool(looked_at.all())
    where = np.arange(len(block)) if everything else np.flatnonzero(looked_at)
    if not len(where):
        return blind(block)
    series, at, value = block.series, block.at, block.value
    if value.dtype != np.int64:
        value = np.rint(value).astype(np.int64)
    if not everything:
        series, at, value, piece = series[where], at[where], value[where], piece[where]
    t = rules.terms
    around = observe.Around(
        _celsius(t.limit_high, NO_HIGH)[piece],
        _celsius(t.limit_low, NO_LOW)[piece],
        np.where(t.ceiling == NO_HIGH, np.inf, t.ceiling / 1000.0)[piece],
        np.broadcast_to(np.nan, len(at)) if room is None or not len(room[0]) else np.interp(at, *room),
        np.broadcast_to(np.False_, len(at)),
    )
    seen = observe.advance(
        insight, Readings.of(series, at, value), around, tau_s=rules.tau_s if rules.alone else None
    )
    n = len(block)
    doubtful, excused, spike = (np.zeros(n, np.bool_) for _ in range(3))
    doubts = seen.doubts
    # However often it is read: what stands still beyond a limit is an excursion before it is a doubt.
    beyond = (value > t.limit_high[piece]) | (value < t.limit_low[piece])
    soon = beyond & (doubts.quiet * rules.every_ms[series] < STILL_MS)
    doubtful[where] = doubts.code | doubts.spike | (doubts.stuck & ~soon)
    spike[where] = doubts.spike
    plain = where[seen.plain]
    if seen.defrosts is not None:
        excused[plain] = seen.defrosts.inside
    temp, settled = block.value, np.ones(n, np.bool_)
    if seen.load is not None:
        others = np.unique(series[t.part[piece] != Part.AIR_ALONE])
        insight["lag"][others] = virtual_load.blank(1)[0]  # nobody asks for theirs
        air = t.part[piece[seen.plain]] == Part.AIR_ALONE
        temp = temp.copy()
        temp[plain[air]] = np.rint(seen.load.load_c[air] * 1000.0).astype(np.int64)
        settled[plain[air]] = seen.load.settled[air]
    return Sight(doubtful, excused, temp, settled, spike, where, seen)


def _celsius(milli: Ints, none: int) -> Floats:
    """Over pieces [°C], NaN where there is none."""
    return np.where(milli == none, np.nan, milli / 1000.0)


def slow_of(sight: Sight, table: Table, block: Block, cooling: Bools, rules: RuleTable, piece: Ints) -> Slow:
    """What the readings that closed slots know, with the records brought forward."""
    seen, by = sight.seen, sight.by
    assert seen is not None
    slots, forecast = seen.slots, seen.forecast
    assert slots is not None
    assert forecast is not None
    seg, who, last = slots.seg, slots.seg.series, slots.seg.last
    at, piece = block.at[by], piece[by]
    t = rules.terms
    high, low = t.limit_high[piece], t.limit_low[piece]
    hushed = sight.excused[by] | cooling[by]

    before_at = shifted(slots.at_s, seg, table["slot_at"][who])
    before_c = shifted(slots.mean_c, seg, table["slot_c"][who])
    table["slot_at"][who], table["slot_c"][who] = slots.at_s[last], slots.mean_c[last]
    step_s = slots.at_s - before_at
    known = (step_s > 0) & (step_s <= APART_S) & (before_at >= 0)
    rate = np.where(known, (slots.mean_c - before_c) / np.where(known, step_s, 1.0) * 60_000.0, 0.0)
    rate = np.rint(rate).astype(np.int64)
    rate_before = shifted(rate, seg, table["slot_rate"][who])
    table["slot_rate"][who] = rate[last]
    # Over two steps of five minutes, the lesser: an opening is a jump there and back.
    rate = np.where(rate * rate_before > 0, np.sign(rate) * np.minimum(np.abs(rate), np.abs(rate_before)), 0)
    soon = slots.mean_c * 1000.0 + rate * AHEAD_MIN
    # What pulls down, after a defrost or a warm spell, passes all the range but its lowest part.
    deep = (high == NO_HIGH) | (slots.mean_c * 1000.0 < low + LOWEST * (high - low))
    towards = ((rate > 0) & (soon > high)) | ((rate < 0) & (soon < low) & deep)
    warns = t.rate[piece]
    hastens = known & towards & (np.abs(rate) >= warns) & ~hushed

    left_s = forecast.seconds - (at / 1000.0 - slots.at_s)
    rising = forecast.direction > 0
    bound = np.where(rising, high, low)
    value = block.value[by]
    bounded = np.where(rising, bound != NO_HIGH, bound != NO_LOW)
    inside = np.where(rising, value <= bound, value >= bound)
    # What pulls down after a warm spell stops at its set-point: too cold is foreseen in the lower third only.
    inside &= rising | (high == NO_HIGH) | (value < low + LOWER * (high - low))
    need_ms = t.need_ms[piece]
    near = (forecast.direction != 0) & np.isfinite(left_s) & (left_s > 0) & inside & bounded & ~hushed
    passes_at = at + np.rint(1000.0 * np.where(near, left_s, 0.0)).astype(np.int64)
    table["limit_at"][who] = np.where(near, passes_at, NEVER)[last]
    close = near & (left_s * 1000.0 < NEAR_TIMES * need_ms)
    index = last_true(close, seg)
    of = np.repeat(np.arange(len(who)), last - seg.first + 1)
    near_at = np.where(index >= 0, at[index], table["soon_at"][who][of])
    table["soon_at"][who] = near_at[last]
    return Slow(
        hastens,
        known & (np.abs(rate) < STEADY * np.where(warns == NEVER_MS, 0, warns)) & ~hastens,
        rate,
        near & (left_s * 1000.0 < need_ms),
        (near_at == NEVER) | (at - near_at >= CALM_AGAIN_MS),
        np.where(near, np.rint(np.where(near, left_s, 0.0)), -1).astype(np.int64),
        np.where(bounded & (forecast.direction != 0), bound, NO_VALUE),
    )


def cooling_of(table: Table, temp: Ints, fault: Bools, rules: RuleTable, piece: Ints, seg: Segments) -> Bools:
    """(N,) part of a loading whose range has not been reached, with the records brought forward."""
    loading = rules.terms.loading[piece]
    under = loading >= 0
    if not under.any():
        return under
    t = rules.terms
    inside = under & ~fault & (temp <= t.high[piece]) & (temp >= t.low[piece])
    index = last_true(inside, seg)
    who = seg.series
    reached = np.where(index >= 0, loading[index], table["cooled"][who][seg.of])
    table["cooled"][who] = reached[seg.last]
    return np.asarray(under & (reached != loading))
