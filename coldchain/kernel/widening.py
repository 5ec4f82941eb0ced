# SPDX-License-Identifier: Apache-2.0
"""Does a change of a rule make an alarm later or rarer? Of each number, which way that is. Pure.

`widens` is asked of two people, `narrows` and `neutral` of one. What cannot be told from the numbers counts
as widening. Tests hold it against the engine: where nothing widens, no alarm comes later than before and none
fails to come.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from coldchain.kernel.limits import Limits, Profile

Amount = float
"""In whatever unit: only the order of two counts."""


class Effect(StrEnum):
    """What a change does to alarms. Words of the interface for programs: never change them."""

    NARROWS = "narrows"
    WIDENS = "widens"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. subject: whose it is; before, after: in words, empty where there is nothing."""

    subject: str
    what: str
    before: str
    after: str
    effect: Effect

    def __str__(self) -> str:
        before, after = self.before or "nothing", self.after or "nothing"
        return f"{self.subject}: {self.what} {before} -> {after} ({self.effect})"


def worst(changes: Iterable[Change]) -> Effect:
    """WIDENS if one does, else NARROWS if one does."""
    effects = {change.effect for change in changes}
    return next((e for e in (Effect.WIDENS, Effect.NARROWS) if e in effects), Effect.NEUTRAL)


def larger_is(effect: Effect, before: Amount | None, after: Amount | None, *, none: Amount) -> Effect:
    """A number that grew has `effect`, one that shrank the other. none: what None stands for.

    >>> str(larger_is(Effect.WIDENS, 6.0, 6.5, none=float("inf")))
    'widens'
    >>> str(larger_is(Effect.WIDENS, 6.0, None, none=float("inf")))
    'widens'
    >>> str(larger_is(Effect.WIDENS, 6.0, 5.5, none=float("inf")))
    'narrows'
    """
    old, new = (none if number is None else number for number in (before, after))
    if old == new:
        return Effect.NEUTRAL
    other = {Effect.WIDENS: Effect.NARROWS, Effect.NARROWS: Effect.WIDENS}[effect]
    return effect if new > old else other


_LONGER_WIDENS = ("on_delay", "warning_delay", "budget", "longest", "air_delay", "stopped", "expected_every")
_NAMES = {
    "on_delay": "critical_delay_s",
    "budget": "budget_s",
    "longest": "longest_s",
    "warning_delay": "warning_delay_s",
    "air_delay": "air_delay_s",
    "stopped": "stopped_s",
    "expected_every": "expected_every_s",
    "people_need": "people_s",
    "proving": "prove_s",
}
_FOREVER, _NEVER = float("inf"), 0.0


def of_profile(before: Profile, after: Profile) -> list[Change]:
    """Every number that differs, as its file names it. Names and versions are not rules."""
    found: list[Change] = []
    pairs = (("limit", "", before.limits, after.limits), ("critical", "critical_", *_both(before, after)))
    for _, prefix, old, new in (*pairs, ("warning", "warning_", before.warning, after.warning)):
        found += _points(after.name, prefix, old, new)
    for name in _LONGER_WIDENS:
        found += _span(after.name, name, getattr(before, name), getattr(after, name), Effect.WIDENS, _FOREVER)
    # Less time for people, and the forecast warns later; a shorter proof, and blood is back sooner.
    found += _span(after.name, "people_need", before.people_need, after.people_need, Effect.NARROWS, _NEVER)
    found += _span(after.name, "proving", before.proving, after.proving, Effect.NARROWS, _NEVER)
    rate = larger_is(Effect.WIDENS, before.rate_k_min, after.rate_k_min, none=_FOREVER)
    found += _change(after.name, "rate_k_min", before.rate_k_min, after.rate_k_min, rate)
    # An alarm is over so far inside: with more of it what goes to and fro is one alarm, not several.
    deadband = larger_is(Effect.WIDENS, before.deadband_k, after.deadband_k, none=0.0)
    found += _change(after.name, "deadband_k", before.deadband_k, after.deadband_k, deadband)
    if before.component != after.component:
        found.append(Change(after.name, "component", before.component, after.component, Effect.WIDENS))
    return found


def _both(before: Profile, after: Profile) -> tuple[Limits, Limits]:
    return before.critical or before.limits, after.critical or after.limits


def _points(subject: str, prefix: str, before: Limits | None, after: Limits | None) -> list[Change]:
    found: list[Change] = []
    for side, effect, none in (("high_c", Effect.WIDENS, _FOREVER), ("low_c", Effect.NARROWS, -_FOREVER)):
        old, new = (None if points is None else getattr(points, side) for points in (before, after))
        found += _change(subject, f"{prefix}{side}", old, new, larger_is(effect, old, new, none=none))
    return found


def _span(
    subject: str, name: str, before: timedelta | None, after: timedelta | None, effect: Effect, none: Amount
) -> list[Change]:
    old, new = (None if span is None else span.total_seconds() for span in (before, after))
    return _change(subject, _NAMES[name], old, new, larger_is(effect, old, new, none=none))


def _change(
    subject: str, what: str, before: Amount | None, after: Amount | None, effect: Effect
) -> list[Change]:
    if before == after:
        return []
    old, new = ("" if number is None else f"{number:g}" for number in (before, after))
    return [Change(subject, what, old, new, effect)]


def unsound_beside(profile: Profile, others: Iterable[Profile]) -> list[str]:
    """Why it must not be for blood, seen beside what authorities permit for the same component and use.

    A site's own limits may be anywhere inside the widest of them: outside it is a slip of the pen (60 for
    6.0), or against every authority that we know.
    """
    known = [one for one in others if one.component == profile.component and one.use == profile.use]
    if not known:
        why = f"no authority here has limits for {profile.component!r} in {profile.use}"
        return [f"{profile.name}: {why}; write both as a profile that comes with the program does"]
    found = []
    for side, pick in (("low_c", min), ("high_c", max)):
        mine = getattr(profile.limits, side)
        theirs = [getattr(one.limits, side) for one in known]
        bounds = [bound for bound in theirs if bound is not None]
        if not bounds or (mine is None and None in theirs):
            continue
        widest = pick(bounds)
        over = mine is None or (mine > widest if side == "high_c" else mine < widest)
        if over and None not in theirs:
            name = next(one.name for one in known if getattr(one.limits, side) == widest)
            said = "no limit" if mine is None else f"{mine:g} °C"
            hint = f"; did you mean {mine / 10:g}?" if mine and _slipped(mine, bounds) else ""
            found.append(
                f"{profile.name}: {side} {said} is beyond {widest:g} °C, the widest that any authority here "
                f"permits ({name}){hint}"
            )
    return found


def _slipped(mine_c: float, bounds_c: Iterable[float]) -> bool:
    """Is it a decimal point away from a limit that is known?"""
    return any(abs(mine_c / 10 - bound_c) < 1e-9 for bound_c in bounds_c)
