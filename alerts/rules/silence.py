# SPDX-License-Identifier: Apache-2.0
"""Silence: nothing heard past the deadline, judged at a moment, told at the highest cause only.

A sensor's deadline is its last live reading + max(2 x its expected interval, silent_after); where that
reading was beyond a limit, 2 x its interval. A sensor that has never reported live is waiting, not silent.
What is heard through one gateway falls silent together: then the gateway is the alarm, and until that is
certain its appliances' alarms are held back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alerts.rules.flat import Bools, Ints, Segments
from alerts.rules.terms import RuleTable

NOT_YET = 2**62
"""Later than any instant."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Who is silent at a moment.

    unit_silent   (U,) some watched sensor of the appliance is past its deadline
    unit_whole    (U,) all of them are
    unit_since    (U,) the oldest last reading among those [ms]
    unit_first    (U,) the series that has been silent longest; -1 if none
    unit_beyond   (U,) one of those was last heard beyond a limit
    unit_group    (U,) the gateway that it was heard through; -1 if none
    held          (U,) wait: the gateway may be the cause; decided within silent_after
    group_suspect (G,) even its quickest sensor is overdue
    group_silent  (G,) nothing is heard through the gateway at all; `group_since`, since when
    group_size    (G,) appliances that were heard through it
    """

    unit_silent: Bools
    unit_whole: Bools
    unit_since: Ints
    unit_first: Ints
    unit_beyond: Bools
    unit_group: Ints
    held: Bools
    group_suspect: Bools
    group_silent: Bools
    group_since: Ints
    group_size: Ints


def judge_silence(
    live_at: Ints, table: RuleTable, silent_after_ms: int, now_ms: int, beyond: Bools | None = None
) -> Silence:
    """Pure in all its arguments. live_at (S,): each series' last live reading, negative if there was none.

    beyond (S,): it was last heard beyond a limit. Two intervals are all that such a sensor is given, and what
    else may be silent does not hold its appliance back.
    """
    units, groups = len(table.units), len(table.groups)
    watched = (live_at >= 0) & (table.every_ms > 0) & (table.unit >= 0)
    heard: Ints | slice = slice(None) if watched.all() else np.flatnonzero(watched)
    at, every, unit, group = live_at[heard], table.every_ms[heard], table.unit[heard], table.group[heard]
    patience = np.maximum(2 * every, silent_after_ms)
    if beyond is not None:
        patience = np.where(beyond[heard], 2 * every, patience)
    late = np.flatnonzero(now_ms - at > patience)
    since, first = np.full(units, NOT_YET), np.full(units, -1)
    some = whole = hurried = np.zeros(units, np.bool_)
    if len(late):
        n_silent = np.bincount(unit[late], minlength=units)
        some = n_silent > 0
        whole = some & (n_silent == np.bincount(unit, minlength=units))
        np.minimum.at(since, unit[late], at[late])
        oldest = late[at[late] == since[unit[late]]][::-1]  # of equals the lowest series stays
        first[unit[oldest]] = np.arange(len(live_at))[heard][oldest]
        if beyond is not None:
            hurried = np.bincount(unit[late], weights=beyond[heard][late], minlength=units) > 0

    through = np.flatnonzero(group >= 0)
    newest, quickest = np.full(groups, -1), np.full(groups, NOT_YET)
    np.maximum.at(newest, group[through], at[through])
    np.minimum.at(quickest, group[through], every[through])
    unit_group = np.full(units, -1)
    unit_group[unit[through]] = group[through]
    size = np.bincount(unit_group[unit_group >= 0], minlength=groups)
    several = size >= 2
    due = np.minimum(2 * np.minimum(quickest, NOT_YET // 4), NOT_YET // 4)
    dead = several & (now_ms > newest + np.maximum(due, silent_after_ms))
    suspect = several & (now_ms > newest + due)
    inside = unit_group >= 0
    held = inside & suspect[unit_group] if groups else np.zeros(units, np.bool_)
    held &= ~hurried
    return Silence(some, whole, since, first, hurried, unit_group, held, suspect, dead, newest, size)


def silent_spans(at: Ints, seg: Segments, after_ms: int, until_ms: int) -> tuple[Ints, Ints]:
    """Silences of a recording: index of the last reading before each, and when it ended (NOT_YET: it lasts).

    A sensor is silent from its last reading + after_ms on, as in `judge_silence`: with the next reading later
    than that, or with `until_ms`, when all was over.
    """
    following = np.full(len(at), until_ms, np.int64)
    following[:-1] = at[1:]
    following[seg.last] = until_ms
    last = np.flatnonzero(following > at + after_ms)
    until = following[last]
    until[np.isin(last, seg.last)] = NOT_YET
    return last, until
