# SPDX-License-Identifier: Apache-2.0
"""A sorted block, none of it older than the records: validity, insight, every condition. Pure.

Validity comes first: what is no temperature opens nothing and returns nothing. Then only sensors are looked
at that stir, with anything out or anything carried: few, mostly none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from alerts.insight.scan import shifted
from alerts.judgement.events import EVENT, NOTHING, Events, What, in_telling_order
from alerts.judgement.sight import Room, Sight, blind, cooling_of, look, slow_of
from alerts.judgement.state import Table
from alerts.rules import CONDITIONS, Of, Seen, Signals, cumulative
from alerts.rules.cumulative import Kept
from alerts.rules.flat import Block, Bools, Ints, Segments, latest, segments_of
from alerts.rules.limits import NEVER, Carried, Latched, latch, telling
from alerts.rules.terms import Part, RuleTable
from alerts.rules.validity import faults, suspicious

FAST = tuple(kind for kind, condition in enumerate(CONDITIONS) if condition.of is not Of.SLOTS)
SLOW = tuple(kind for kind, condition in enumerate(CONDITIONS) if condition.of is Of.SLOTS)
CUMULATIVE = next(kind for kind, condition in enumerate(CONDITIONS) if condition.name == "cumulative")


@dataclass(frozen=True, slots=True)
class View:
    """A judged block as it was seen: N readings, corrected; fault (N,) they are no temperature."""

    block: Block
    fault: Bools
    sight: Sight


def judge(
    table: Table, insight: Table, block: Block, rules: RuleTable, room: Room | None = None
) -> tuple[Events, View]:
    """Run every condition; update the records in place."""
    seg = segments_of(block.series)
    piece = rules.piece_at(block.series, block.at)
    fault, block = _validity(table, block, seg, rules, piece)
    sight = look(insight, block, fault, rules, piece, room) if rules.looks else blind(block)
    if fault is None:
        fault = sight.doubtful
    elif sight.seen is not None:
        fault = fault | sight.doubtful
    faulty = bool(fault.any())
    cooling = (
        cooling_of(table, sight.temp, fault, rules, piece, seg)
        if rules.loads
        else np.zeros(len(block), np.bool_)
    )
    day_s = np.zeros(0, np.int64)
    seen = Seen(
        block, fault, sight.excused, cooling, sight.temp, sight.settled, day_s, rules.terms, piece,
        rules.fault_after_ms,
    )  # fmt: skip
    found = _slow(table, seen, sight, rules)
    seen = replace(seen, borne=_borne(table, seen, sight, seg))
    stirring = _stirring(table, seen, seg, rules, faulty=faulty)
    if stirring.any():
        found += _fast(table, seen, seg, stirring, rules, faulty=faulty)
    _keep_sound(table, seen, seg, faulty=faulty)
    return in_telling_order(found), View(block, fault, sight)


def _validity(
    table: Table, block: Block, seg: Segments, rules: RuleTable, piece: Ints
) -> tuple[Bools | None, Block]:
    """Which readings are no temperature by their own word (None: all are), and the block corrected.

    Notes in the records what came last, uncorrected.
    """
    who, last, value = seg.place, seg.last, block.value
    odd = suspicious(value, block.usable)
    fault = None
    if odd.any():
        before = np.array(table["plain"][who])
        fault, _ = faults(value, block.usable, before, seg)
        if seg.single:
            table["plain"][who] = np.where(odd, before, value)
        else:
            source = latest(~odd)[last]
            table["plain"][who] = np.where(source >= seg.first, value[source], before)
    else:
        table["plain"][who] = value[last]
    table["at"][who], table["value"][who] = block.at[last], value[last]
    if rules.corrects:
        offset = rules.terms.offset[piece]
        block = replace(block, value=value + (offset if fault is None else np.where(fault, 0, offset)))
    return fault, block


def _borne(table: Table, seen: Seen, sight: Sight, seg: Segments) -> tuple[Ints, Ints] | None:
    """Instant and value of the spike just before each reading (NEVER: there was none); None: nobody had one.

    Brings the records forward.
    """
    if sight.seen is None:
        return None
    who, last = seg.place, seg.last
    carried = np.array(table["spike_at"][who])  # not a view: it is written below
    if not sight.spike.any() and (carried == NEVER).all():
        return None
    at = shifted(np.where(sight.spike, seen.block.at, NEVER), seg, carried)
    value = shifted(seen.temp, seg, np.array(table["spike"][who]))
    spike = sight.spike[last]
    table["spike_at"][who] = np.where(spike, seen.block.at[last], NEVER)
    table["spike"][who] = np.where(spike, seen.temp[last], 0)
    return at, value


def _stirring(table: Table, seen: Seen, seg: Segments, rules: RuleTable, *, faulty: bool) -> Bools:
    """(S,) segments of sensors with anything out or anything carried."""
    index = seg.place if seg.single and rules.whole else seen.piece
    out = rules.beyond(index, seen.block.value)
    if rules.alone:
        out |= rules.beyond(index, seen.temp)
    if faulty:
        out |= seen.fault
    active = np.array(table["stirs"][seg.place])
    if seg.single:
        active |= out
    else:
        active[np.searchsorted(seg.first, np.flatnonzero(out), side="right") - 1] = True
    return active


def _fast(
    table: Table, seen: Seen, seg: Segments, stirring: Bools, rules: RuleTable, *, faulty: bool
) -> list[Events]:
    """Every condition that looks at readings, over the sensors that stir."""
    seen = replace(seen, day_s=np.zeros(len(seen.block), np.int64))
    if not stirring.all():
        seen = seen.take(np.flatnonzero(stirring if seg.single else stirring[seg.of]))
        seg = segments_of(seen.block.series)
    temperatures, their_seg = seen, seg
    if faulty and seen.fault.any():
        temperatures = seen.take(~seen.fault)
        if len(temperatures.block):
            their_seg = segments_of(temperatures.block.series)
    found = []
    if len(temperatures.block):
        temperatures = _added_up(table, temperatures, their_seg, rules)
    for kind in FAST:
        if CONDITIONS[kind].of is Of.ALL:
            found += _run(table, seen, seg, kind)
        elif len(temperatures.block):
            found += _run(table, temperatures, their_seg, kind)
    table["stirs"][seg.series] = (table["since"][seg.series] != NEVER).any(axis=1)
    return found


def _added_up(table: Table, seen: Seen, seg: Segments, rules: RuleTable) -> Seen:
    """With the time out of range of the last 24 hours, and the records brought forward."""
    t, i, who = seen.terms, seen.piece, seg.series
    hours = table["hour"][who].astype(np.int64)
    high, low = t.limit_high[i], t.limit_low[i]
    beyond = (seen.temp > high) | (seen.temp < low)
    if not beyond.any() and (hours == NEVER).all() and not _stood_beyond(table, seen, seg):
        return seen
    part = t.part[i]
    counts = ~(seen.excused & (part != Part.LOAD)) & ~seen.cooling
    counts &= (part != Part.AIR_BESIDE) & (part != Part.AGITATOR)
    was = Kept(table["sound_at"][who], table["sound"][who].astype(np.int64), hours, table["out_s"][who])
    gap_ms = 2 * rules.every_ms[seen.block.series]
    sums, after = cumulative.advance(seen.block.at, seen.temp, (low, high), gap_ms, counts, seg, was)
    table["hour"][who], table["out_s"][who] = after.hour, after.out_s
    return replace(seen, day_s=sums)


def _stood_beyond(table: Table, seen: Seen, seg: Segments) -> bool:
    """Was some sensor's last temperature before these beyond a limit?"""
    t, i, sound = seen.terms, seen.piece[seg.first], table["sound"][seg.series]
    known = table["sound_at"][seg.series] != NEVER
    return bool((known & ((sound > t.limit_high[i]) | (sound < t.limit_low[i]))).any())


def _slow(table: Table, seen: Seen, sight: Sight, rules: RuleTable) -> list[Events]:
    """The conditions that look at slots of five minutes."""
    by = sight.by
    if not len(by):
        return []
    slow = slow_of(sight, table, seen.block, seen.cooling, rules, seen.piece)
    series = seen.block.series[by]
    wanted = slow.hastens | slow.short
    since = table["since"]
    for kind in SLOW:
        wanted |= since[:, kind][series] != NEVER
    if not wanted.any():
        return []
    wanted = np.isin(series, series[wanted])
    seen = replace(replace(seen, day_s=np.zeros(len(seen.block), np.int64)).take(by), slow=slow).take(wanted)
    seg = segments_of(seen.block.series)
    found = []
    for kind in SLOW:
        found += _run(table, seen, seg, kind)
    table["stirs"][seg.series] = (table["since"][seg.series] != NEVER).any(axis=1)
    return found


def _keep_sound(table: Table, seen: Seen, seg: Segments, *, faulty: bool) -> None:
    """Note each sensor's newest temperature."""
    who, last = seg.place, seg.last
    if not faulty:
        table["sound_at"][who], table["sound"][who] = seen.block.at[last], seen.temp[last]
        return
    if seg.single:
        for name, column in (("sound_at", seen.block.at), ("sound", seen.temp)):
            table[name][who] = np.where(seen.fault, table[name][who], column)
        return
    source = latest(~seen.fault)[last]
    has = source >= seg.first
    series, source = seg.series[has], source[has]
    table["sound_at"][series], table["sound"][series] = seen.block.at[source], seen.temp[source]


def _run(table: Table, seen: Seen, seg: Segments, kind: int) -> list[Events]:
    """One condition over the sensors that stir."""
    signals = CONDITIONS[kind].signals(seen)
    if not (signals.out.any() or (table["since"][:, kind][seg.series] != NEVER).any()):
        return []
    few = telling(signals.back, seg)
    if few is not None:
        seen, seg = seen.take(few[0]), few[1]
        signals = CONDITIONS[kind].signals(seen)
    who, block = seg.series, seen.block
    columns = [table[name][:, kind] for name in ("since", "standing", "announced", "peak")]
    was = Carried(*(column[who] for column in columns))
    s = signals
    did = latch(s.out, s.back, s.size, block.at, s.delay_ms, block.live, seg, was, begins=s.begins)
    after = did.after
    for column, new in zip(columns, (after.since, after.standing, after.announced, after.peak), strict=True):
        column[who] = new
    return _events(did, seen, signals, seg, kind)


def _events(did: Latched, seen: Seen, signals: Signals, seg: Segments, kind: int) -> list[Events]:
    sign = CONDITIONS[kind].sign

    def made(what: What, index: Ints, since: Ints, peak: Ints) -> list[Events]:
        if not len(index):
            return []
        events = np.zeros(len(index), EVENT)
        events["at"], events["series"] = seen.block.at[index], seen.block.series[index]
        events["kind"], events["what"] = kind, what
        events["profile"] = seen.terms.profile[seen.piece[index]]
        events["since"], events["value"] = since, seen.block.value[index]
        events["limit"], events["peak"] = signals.limit[index], sign * peak
        if signals.figure is not None:
            events["figure"] = signals.figure[index]
        return [events]

    grown = np.flatnonzero(did.grown)
    at = seg.last[grown]
    value = sign * seen.block.value
    return [
        *made(What.RETURNED, did.returned, did.returned_since, did.returned_peak),
        *made(What.RAISED, did.raised, did.raised_since, value[did.raised]),
        *made(What.ANNOUNCED, did.announced, did.announced_since, value[did.announced]),
        *made(What.GROWN, at, did.after.since[grown], did.after.peak[grown]),
    ]


assert NOTHING.dtype == EVENT
