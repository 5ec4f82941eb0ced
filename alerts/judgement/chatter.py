# SPDX-License-Identifier: Apache-2.0
"""Chattering becomes one alarm: what comes and goes three times in an hour stays open until it rests."""

from __future__ import annotations

from alerts.judgement.recording import Found, Told
from coldchain.kernel.instants import rfc3339

WITHIN_MS = 3_600_000
"""Three within an hour are chatter, and an hour without one is rest (the reference's rule for floods)."""
TIMES = 3
RAISED, RETURNED = "alarm.raised", "alarm.returned"


def calmed(found: list[Found], until_ms: int) -> list[Found]:
    """The lines, with chattering alarms held as one. until_ms: the recording's last instant.

    The third raise within an hour says ``"chattering": true``; what follows is left out, and it returns an
    hour after the last return, unless the recording ends before.
    """
    others = [one for one in found if one[2] not in (RAISED, RETURNED)]
    by_alarm: dict[tuple[str, str, str], list[Found]] = {}
    for one in sorted((f for f in found if f[2] in (RAISED, RETURNED)), key=_order):
        by_alarm.setdefault((one[1], one[3], str(one[4].get("severity"))), []).append(one)
    for alarms in by_alarm.values():
        others += _one(alarms, until_ms)
    return others


def _order(one: Found) -> tuple[int, bool]:
    return one[0], one[2] == RAISED


def _one(alarms: list[Found], until_ms: int) -> list[Found]:
    """Of one alarm of one sensor."""
    kept: list[Found] = []
    raises: list[int] = []
    held = False
    rests: Found | None = None  # the last return, while held
    for one in alarms:
        at, raised = one[0], one[2] == RAISED
        if held and raised and rests is not None and at - rests[0] >= WITHIN_MS:
            kept.append(_rested(rests))
            held, raises = False, []
        if held:
            rests = None if raised else one
            continue
        kept.append(one)
        if raised:
            raises = [*(r for r in raises if at - r < WITHIN_MS), at]
            held, rests = len(raises) >= TIMES, None
            if held:
                told: Told = {**one[4], "chattering": True}
                kept[-1] = (*one[:4], told)
    if held and rests is not None and until_ms - rests[0] >= WITHIN_MS:
        kept.append(_rested(rests))
    return kept


def _rested(one: Found) -> Found:
    at = one[0] + WITHIN_MS
    return (at, *one[1:4], {**one[4], "at": rfc3339(at), "chattering": True})
