# SPDX-License-Identifier: Apache-2.0
"""The engine: one pure step over a block of readings. No clock, no I/O: same state and block, same events.

Every sensor is judged along its own event time. Readings newer than all judged before go straight through the
rules. An older one is *late*: it is set aside as a span to be judged again with the record at hand
(`rejudge`, the very same rules over the very same columns). Neither order across sensors, nor duplicates, nor
where blocks are cut changes what comes out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from alerts.judgement.events import EVENT, NOTHING, Events, What
from alerts.judgement.judging import View, judge
from alerts.judgement.sight import ENDED, Ended, Room, ended_defrosts
from alerts.judgement.state import FORMAT, N_CONDITIONS, STATE, EngineState, Rows, Table, blank, copied
from alerts.rules import CONDITIONS, RULES
from alerts.rules.flat import Block, Bools, Segments, in_order, segments_of
from alerts.rules.limits import NEVER
from alerts.rules.terms import STOPPED, Part, RuleTable
from alerts.rules.validity import UNKNOWN, faults
from coldchain.settings.profile_files import PROFILES

assert len(CONDITIONS) == N_CONDITIONS, "the columns of STATE belong to CONDITIONS: raise FORMAT with them"

INSIGHT = "insight@1"
"""Of what is learnt of sensors: a change of its numbers changes verdicts."""
NO_DEFROSTS: Ended = np.zeros(0, ENDED)

__all__ = [
    "EVENT",
    "FORMAT",
    "STATE",
    "EngineState",
    "Events",
    "Room",
    "Rows",
    "Step",
    "Table",
    "View",
    "What",
    "all_late",
    "blank",
    "calm",
    "rejudge",
    "rules_digest",
    "step",
]


@dataclass(frozen=True, slots=True)
class Step:
    """The state after a block, and what happened in it: EVENT records by instant, series, condition.

    view  the readings that were judged, as they were seen; None: none was
    """

    state: EngineState
    events: Events
    view: View | None = None

    @property
    def defrosts(self) -> Ended:
        """Of the sensors' kind as learnt, ended by readings of this block."""
        return NO_DEFROSTS if self.view is None else ended_defrosts(self.view.block, self.view.sight)


def rules_digest(rules: RuleTable) -> str:
    """Which rules and profiles a state was made under. Assignments have the registry's version."""
    told = repr((RULES, INSIGHT, sorted(PROFILES.items()), rules.fault_after_ms))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def all_late(state: EngineState, back_ms: int) -> EngineState:
    """Every sensor waits to be judged again over its last `back_ms`."""
    table = copied(state.table)
    judged = table["at"] != NEVER
    start = np.maximum(table["at"] - back_ms, 0)
    table["late_from"] = np.where(judged, start, NEVER)
    table["late_until"] = np.where(judged, table["at"], NEVER)
    table["rough"] = judged
    return EngineState(table, state.insight)


def step(
    state: EngineState, block: Block, rules: RuleTable, *, give: bool = False, room: Room | None = None
) -> Step:
    """Judge one block. Readings of series that the table does not know only show life.

    give  the caller gives the state away: its tables become the new ones, without a copy
    room  the temperature around, where a replay knows it: live judgement never does
    """
    if not len(block):
        return Step(state, NOTHING)
    block = in_order(block)
    known = len(rules)
    grown = state.grown(max(int(block.series[-1]) + 1, known))
    table, insight = grown.table, grown.insight
    if not give:
        table, insight = copied(table), copied(insight)
    after = EngineState(table, insight)
    seg = segments_of(block.series)
    _hear(table, block, seg)
    if block.series[-1] >= known or block.drill.any() or not rules.judged.all():
        judged = rules.judged[np.minimum(block.series, known - 1)] if known else block.series < 0
        judged = judged & (block.series < known) & ~block.drill
        block = block.take(judged)
        if not len(block):
            return Step(after, NOTHING)
        seg = segments_of(block.series)
    before = table["at"][seg.place if seg.single else block.series]
    late = block.at < before
    drop = late
    same = block.at == before
    if same.any():
        value = table["value"][block.series]
        late = late | (same & (block.value < value))
        drop = late | (same & (block.value == value))
    if late.any():
        _set_aside(table, block.take(late), rules)
    if not seg.single:
        drop = drop | _twice(block)
    if drop.any():
        block = block.take(~drop)
        if not len(block):
            return Step(after, NOTHING)
    events, view = judge(table, insight, block, rules, room)
    return Step(after, events, view)


def rejudge(block: Block, rules: RuleTable, start: Rows | None = None) -> tuple[Rows, Events]:
    """One series' readings, from its records as they stood before the first of them, or from nothing: its
    records after them, and all that happened. Late spans and life are the caller's to carry over.
    """
    assert len(block)
    series = int(block.series[0])
    one = EngineState.fresh(1).rows(0) if start is None else Rows(copied(start.table), copied(start.insight))
    block = in_order(block.take(~block.drill))
    block = replace(block, series=np.zeros(len(block), np.int64))
    twice = _twice(block)
    if twice.any():
        block = block.take(~twice)
    events, _ = judge(one.table, one.insight, block, rules.only(series))
    events["series"] = series
    return one, events


def _twice(block: Block) -> Bools:
    """(N,) the same as the reading before it in a sorted block."""
    again = np.zeros(len(block), np.bool_)
    same = (block.at[1:] == block.at[:-1]) & (block.series[1:] == block.series[:-1])
    again[1:] = same & (block.value[1:] == block.value[:-1])
    return again


def calm(block: Block, rules: RuleTable) -> Bools:
    """(N,) the reading is a plain temperature, well inside every set-point. Any order.

    A code that might be a temperature (85.000 °C) counts as not calm.
    """
    alone = Segments(block.series, np.arange(len(block)), np.arange(len(block)), len(block))
    fault, _ = faults(block.value, block.usable, np.full(len(block), UNKNOWN), alone)
    t, i = rules.terms, rules.piece_at(block.series, block.at)
    value = block.value + t.offset[i]
    quiet = ~fault & (value <= t.high_back[i]) & (value >= t.low_back[i])
    quiet &= (value <= t.warn_high_back[i]) & (value >= t.warn_low_back[i])
    return np.asarray(quiet & ((t.part[i] != Part.AGITATOR) | (value >= STOPPED)))


def _hear(table: Table, block: Block, seg: Segments) -> None:
    """Note the newest live reading of each series."""
    if block.live.all():
        heard = block.at[seg.last]
    else:
        heard = np.maximum.reduceat(np.where(block.live, block.at, NEVER), seg.first)
    place = seg.place
    table["live_at"][place] = np.maximum(table["live_at"][place], heard)


def _set_aside(table: Table, block: Block, rules: RuleTable) -> None:
    """Widen each series' span of late readings."""
    seg = segments_of(block.series)
    who = seg.series
    table["rough"][who] |= np.logical_or.reduceat(~calm(block, rules), seg.first)
    start, end = block.at[seg.first], block.at[seg.last]
    known = table["late_from"][who]
    table["late_from"][who] = np.where(known == NEVER, start, np.minimum(known, start))
    table["late_until"][who] = np.maximum(table["late_until"][who], end)
