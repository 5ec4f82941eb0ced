# SPDX-License-Identifier: Apache-2.0
"""Terms that change in the past: what was judged under the old ones waits to be judged again. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np

from alerts.judgement.engine import EngineState
from alerts.rules.flat import Ints
from alerts.rules.limits import NEVER
from alerts.rules.terms import AT_BITS, Part, RuleTable, Terms

BACK_MS = 31 * 86_400_000
"""So much of a sensor's past is judged again at most [ms]: a month of it is read in some 50 ms."""
UNCHANGED = 2**62
DECIDING = tuple(f.name for f in fields(Terms) if f.name != "profile")
"""Columns that change verdicts; a profile's number differs from table to table."""


def changed_from(old: RuleTable, new: RuleTable) -> Ints:
    """(S,) over the series that both know: the first instant at which their terms differ, or UNCHANGED."""
    n = min(len(old), len(new))
    first = np.full(n, UNCHANGED, np.int64)
    if not n:
        return first
    keys = np.unique(np.concatenate([old.key, new.key]))
    series, at = keys >> AT_BITS, keys & ((1 << AT_BITS) - 1)
    series, at = series[series < n], at[series < n]
    before, after = old.terms_at(series, at), new.terms_at(series, at)
    differs = old.judged[series] != new.judged[series]
    for name in DECIDING:
        differs |= getattr(before, name) != getattr(after, name)
    # The lag of a load behind its air has no date: it was always so, and matters where a load is reckoned.
    lag = old.tau_s[series] != new.tau_s[series]
    differs |= lag & ((before.part == Part.AIR_ALONE) | (after.part == Part.AIR_ALONE))
    np.minimum.at(first, series[differs], at[differs])
    return first


def judged_again(state: EngineState, first: Ints, told: Callable[[int, int, int], bool]) -> EngineState:
    """The state in which sensors wait to be judged again from that instant.

    told  (series, start, end): does an excursion touch that span? What was told once is not taken back by
          a word about the past: there the new terms count from now on.
    """
    table = state.table.copy()
    newest, waits = table["at"][: len(first)], table["late_from"][: len(first)]
    begin = np.maximum(np.maximum(first, newest - BACK_MS), 0)
    hit = np.flatnonzero((first != UNCHANGED) & (newest != NEVER) & (begin <= newest))
    which = np.array([n for n in hit.tolist() if not told(n, int(begin[n]), int(newest[n]))], np.int64)
    known = waits[which]
    table["late_from"][which] = np.where(known == NEVER, begin[which], np.minimum(known, begin[which]))
    table["late_until"][which] = np.maximum(table["late_until"][which], newest[which])
    table["rough"][which] = True
    return EngineState(table, state.insight)
