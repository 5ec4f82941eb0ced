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
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from alerts.insight import observe
from alerts.rules import CONDITIONS, RULES, Seen
from alerts.rules.flat import Block, Bools, Ints, Segments, in_order, latest, segments_of
from alerts.rules.limits import NEVER, Carried, Latched, latch, telling
from alerts.rules.terms import RuleTable
from alerts.rules.validity import UNKNOWN, faults, suspicious
from alerts.state import FORMAT, N_CONDITIONS, STATE, EngineState, Rows, Table, blank, copied
from coldchain.settings.profile_files import PROFILES

assert len(CONDITIONS) == N_CONDITIONS, "the columns of STATE belong to CONDITIONS: raise FORMAT with them"

__all__ = [
    "EVENT",
    "FORMAT",
    "STATE",
    "EngineState",
    "Events",
    "Rows",
    "Step",
    "Table",
    "What",
    "all_late",
    "blank",
    "calm",
    "rejudge",
    "rules_digest",
    "step",
]


class What(IntEnum):
    """What happened to a condition, in the order in which it is told at one instant."""

    RETURNED = 0
    RAISED = 1
    ANNOUNCED = 2
    GROWN = 3


EVENT = np.dtype(
    [
        ("at", "<i8"),  # event time of the reading that brought it
        ("series", "<i8"),
        ("kind", "u1"),  # index in CONDITIONS
        ("what", "u1"),
        ("profile", "<i8"),  # index in RuleTable.profiles
        ("since", "<i8"),
        ("value", "<i8"),
        ("limit", "<i8"),
        ("peak", "<i8"),
    ]
)
Events = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Step:
    """The state after a block, and what happened in it: EVENT records by instant, series, kind."""

    state: EngineState
    events: Events


def rules_digest(rules: RuleTable) -> str:
    """Which rules and profiles a state was made under. Assignments have the registry's version."""
    told = repr((RULES, sorted(PROFILES.items()), rules.fault_after_ms))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def all_late(state: EngineState, back_ms: int) -> EngineState:
    """Every sensor waits to be judged again over its last `back_ms`."""
    table = state.table.copy()
    judged = table["at"] != NEVER
    start = np.maximum(table["at"] - back_ms, 0)
    table["late_from"] = np.where(judged, start, NEVER)
    table["late_until"] = np.where(judged, table["at"], NEVER)
    table["rough"] = judged
    return EngineState(table, state.insight)


def step(state: EngineState, block: Block, rules: RuleTable, *, give: bool = False) -> Step:
    """Judge one block. Readings of series that the table does not know only show life.

    give  the caller gives the state away: its table becomes the new one, without a copy
    """
    nothing = np.zeros(0, EVENT)
    if not len(block):
        return Step(state, nothing)
    block = in_order(block)
    known = len(rules)
    grown = state.grown(max(int(block.series[-1]) + 1, known))
    table, insight = grown.table, grown.insight
    if not give:
        table = copied(table)
    seg = segments_of(block.series)
    _hear(table, block, seg)
    if block.series[-1] >= known or block.drill.any() or not rules.judged.all():
        judged = rules.judged[np.minimum(block.series, known - 1)] if known else block.series < 0
        judged = judged & (block.series < known) & ~block.drill
        block = block.take(judged)
        if not len(block):
            return Step(EngineState(table, insight), nothing)
        seg = segments_of(block.series)
    before = table["at"][seg.place if seg.single else block.series]
    late = block.at < before
    same = block.at == before
    if same.any():
        late |= same & (block.value < table["value"][block.series])
    if late.any():
        _set_aside(table, block.take(late), rules)
        block = block.take(~late)
        if not len(block):
            return Step(EngineState(table, insight), nothing)
        seg = segments_of(block.series)
    return Step(EngineState(table, insight), _judge(table, block, seg, rules))


def rejudge(block: Block, rules: RuleTable, start: Rows | None = None) -> tuple[Rows, Events]:
    """One series' readings, from its records as they stood before the first of them, or from nothing: its
    records after them, and all that happened.
    """
    assert len(block)
    series = int(block.series[0])
    table = blank(len(rules))
    if start is not None:
        table[series : series + 1] = start.table
    block = in_order(block.take(~block.drill))
    events = _judge(table, block, segments_of(block.series), rules)
    insight = observe.blank(1) if start is None else start.insight
    return Rows(copied(table[series : series + 1]), insight), events


def calm(block: Block, rules: RuleTable) -> Bools:
    """(N,) the reading is a plain temperature, well inside: after it, nothing that was before matters.

    A code that might be a temperature (85.000 °C) counts as not calm. Any order.
    """
    alone = Segments(block.series, np.arange(len(block)), np.arange(len(block)), len(block))
    seen, _ = _seen(block, alone, np.full(len(block), UNKNOWN), rules)
    quiet = ~seen.fault
    for condition in CONDITIONS:
        quiet &= condition.signals(seen).back
    return quiet


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


def _seen(block: Block, seg: Segments, before: Ints, rules: RuleTable) -> tuple[Seen, Bools]:
    fault, plain = faults(block.value, block.usable, before, seg)
    return Seen(block, fault, rules.terms_at(block.series, block.at), rules.fault_after_ms), plain


def _judge(table: Table, block: Block, seg: Segments, rules: RuleTable) -> Events:
    """Run every condition over sorted readings, none older than their series' record; update the records."""
    who, last, value = seg.place, seg.last, block.value
    before = np.array(table["plain"][who])
    odd = suspicious(value, block.usable)
    strange = bool(odd.any())
    if strange and seg.single:
        table["plain"][who] = np.where(odd, before, value)
    elif strange:
        source = latest(~odd)[last]
        table["plain"][who] = np.where(source >= seg.first, value[source], before)
    else:
        table["plain"][who] = value[last]
    table["at"][who], table["value"][who] = block.at[last], value[last]
    stirring = _stirring(table, block, seg, odd if strange else None, rules)
    if not stirring.any():
        return np.zeros(0, EVENT)
    if not stirring.all():
        before = before[stirring]
        block = block.take(np.flatnonzero(stirring if seg.single else stirring[seg.of]))
        seg = segments_of(block.series)
    return _run_all(table, block, seg, before, rules)


def _stirring(table: Table, block: Block, seg: Segments, odd: Bools | None, rules: RuleTable) -> Bools:
    """(S,) segments of sensors with anything out or anything carried: few, mostly none."""
    out = rules.beyond(block.series, block.at, block.value, seg.place if seg.single else None)
    if odd is not None:
        out |= odd
    since, place = table["since"], seg.place
    active = since[:, 0][place] != NEVER
    for kind in range(1, N_CONDITIONS):
        active |= since[:, kind][place] != NEVER
    if seg.single:
        active |= out
    else:
        active[np.searchsorted(seg.first, np.flatnonzero(out), side="right") - 1] = True
    return np.asarray(active)


def _run_all(table: Table, block: Block, seg: Segments, before: Ints, rules: RuleTable) -> Events:
    seen, _ = _seen(block, seg, before, rules)
    temperatures, their_seg = seen, seg
    if seen.fault.any():
        temperatures = _only(seen, ~seen.fault)
        if len(temperatures.block):
            their_seg = segments_of(temperatures.block.series)
    found = []
    for kind, condition in enumerate(CONDITIONS):
        if condition.of_faults:
            found += _run(table, seen, seg, kind)
        elif len(temperatures.block):
            found += _run(table, temperatures, their_seg, kind)
    if not found:
        return np.zeros(0, EVENT)
    events = np.concatenate(found)
    return events[np.lexsort((events["what"], events["kind"], events["series"], events["at"]))]


def _only(seen: Seen, which: Bools | Ints) -> Seen:
    t = seen.terms
    terms = replace(
        t,
        high=t.high[which],
        high_back=t.high_back[which],
        low=t.low[which],
        low_back=t.low_back[which],
        delay_ms=t.delay_ms[which],
        profile=t.profile[which],
    )
    return Seen(seen.block.take(which), seen.fault[which], terms, seen.fault_after_ms)


def _run(table: Table, seen: Seen, seg: Segments, kind: int) -> list[Events]:
    """One condition over the sensors that stir."""
    signals = CONDITIONS[kind].signals(seen)
    if not (signals.out.any() or (table["since"][:, kind][seg.series] != NEVER).any()):
        return []
    few = telling(signals.back, seg)
    if few is not None:
        seen, seg = _only(seen, few[0]), few[1]
        signals = CONDITIONS[kind].signals(seen)
    who, block = seg.series, seen.block
    columns = [table[name][:, kind] for name in ("since", "standing", "announced", "peak")]
    was = Carried(*(column[who] for column in columns))
    did = latch(signals.out, signals.back, signals.size, block.at, signals.delay_ms, block.live, seg, was)
    after = did.after
    for column, new in zip(columns, (after.since, after.standing, after.announced, after.peak), strict=True):
        column[who] = new
    return _events(did, seen, signals.limit, seg, kind)


def _events(did: Latched, seen: Seen, limit: npt.NDArray[Any], seg: Segments, kind: int) -> list[Events]:
    sign = CONDITIONS[kind].sign

    def made(what: What, index: Ints, since: Ints, peak: Ints) -> list[Events]:
        if not len(index):
            return []
        events = np.zeros(len(index), EVENT)
        events["at"], events["series"] = seen.block.at[index], seen.block.series[index]
        events["kind"], events["what"], events["profile"] = kind, what, seen.terms.profile[index]
        events["since"], events["value"] = since, seen.block.value[index]
        events["limit"], events["peak"] = limit[index], sign * peak
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
