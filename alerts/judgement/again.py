# SPDX-License-Identifier: Apache-2.0
"""Judge series' past again, many at once: from their records at an instant to their newest reading. Pure.

It is the very step of the live path, so what comes out is what the ordered stream would have given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from alerts.judgement.checkpoints import day_of, is_kept
from alerts.judgement.engine import Events, step
from alerts.judgement.sight import Ended
from alerts.judgement.state import EngineState, Rows
from alerts.rules.flat import Block, Bools, Ints
from alerts.rules.terms import AT_BITS, RuleTable

Kept = Callable[[int, int, Rows], None]
"""(series, day, records as they stood when that day began)."""


@dataclass(frozen=True, slots=True)
class Task:
    """One series to be judged again.

    start     its records to begin with
    block     all its readings since, up to its newest
    after_ms  what happened later than that is entered; what was before it is only run through
    """

    series: int
    start: Rows
    block: Block
    after_ms: int


@dataclass(frozen=True, slots=True)
class Again:
    """What came out: all that happened since its start, the defrosts that ended, the series' records now."""

    task: Task
    events: Events
    rows: Rows
    defrosts: Ended


def unknown_to(rows: Rows, block: Block) -> Block:
    """The readings that those records do not know yet, of a block that holds all from their instant on."""
    at, value = rows.table["at"][0], rows.table["value"][0]
    return block.take((block.at > at) | ((block.at == at) & (block.value > value)))


def judge_again(tasks: list[Task], rules: RuleTable, keep: Kept) -> list[Again]:
    """All of them together, in pieces between the days at which their records are to be kept."""
    tasks = sorted(tasks, key=lambda task: task.series)
    numbers = np.array([task.series for task in tasks], np.int64)
    part = _of_those(rules, numbers)
    state = EngineState(
        np.concatenate([task.start.table for task in tasks]),
        np.concatenate([task.start.insight for task in tasks]),
    )
    block = _joined([task.block for task in tasks])
    turns = [_turns(task) for task in tasks]
    turn = np.concatenate([of_each for of_each, _ in turns])
    happened, ended = [], []
    for n in range(max((len(days) for _, days in turns), default=0)):
        did = step(state, block.take(turn == n), part, give=True)
        state = did.state
        happened.append(did.events)
        ended.append(did.defrosts)
        for place, (_, days) in enumerate(turns):
            if n + 1 < len(days):
                keep(tasks[place].series, int(days[n + 1]), state.rows(place))
    events, defrosts = np.concatenate(happened), np.concatenate(ended)
    return [
        Again(task, _of(task, place, events), state.rows(place), _of(task, place, defrosts))
        for place, task in enumerate(tasks)
    ]


def _of(task: Task, place: int, told: Events) -> Events:
    mine: Events = told[told["series"] == place].copy()
    mine["series"] = task.series
    return mine


def _joined(blocks: list[Block]) -> Block:
    """One block in which series are numbered by their place."""

    def column(name: str) -> Any:
        return np.concatenate([getattr(block, name) for block in blocks])

    place = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
    return Block(place, column("at"), column("value"), column("usable"), column("live"), column("drill"))


BY_PIECE = ("key", "inner_high", "inner_low")
"""Columns of a rule table by piece of time, beside its terms; but for `piece`, others are by series."""


def _of_those(rules: RuleTable, series: Ints) -> RuleTable:
    """The table of those series alone, ascending, numbered from 0."""
    count = rules.piece[series + 1] - rules.piece[series]
    ends = np.cumsum(count)
    pieces = np.arange(ends[-1]) + np.repeat(rules.piece[series] - ends + count, count)
    number = np.repeat(np.arange(len(series)), count)

    def part(one: Any, which: Ints) -> Any:
        return one[which] if isinstance(one, np.ndarray) else one

    changed = {
        f.name: part(getattr(rules, f.name), pieces if f.name in BY_PIECE else series)
        for f in fields(rules)
        if f.init
    }
    changed["piece"] = np.append(0, ends)
    changed["key"] = (number << AT_BITS) | (rules.key[pieces] & ((1 << AT_BITS) - 1))
    terms = {f.name: getattr(rules.terms, f.name)[pieces] for f in fields(rules.terms)}
    changed["terms"] = replace(rules.terms, **terms)
    return replace(rules, **changed)


def _turns(task: Task) -> tuple[Ints, Ints]:
    """(N,) in which turn each reading is judged; and the day that each turn begins with."""
    day = day_of(np.full(len(task.block), task.series), task.block.at)
    first, newest = int(day.min()), int(day.max())
    days = np.arange(first, newest + 1)
    begins: Bools = is_kept(days, newest)
    begins[0] = True
    began = days[begins]
    present, turn = np.unique(np.searchsorted(began, day, side="right") - 1, return_inverse=True)
    return turn, began[present]
