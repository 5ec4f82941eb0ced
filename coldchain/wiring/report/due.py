# SPDX-License-Identifier: Apache-2.0
"""Which scheduled report should have left by now, and which has not. Light: alerts asks, too."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from coldchain.records.filed import SENT, FiledReader, Schedule
from coldchain.settings import Settings


def due(one: Schedule, now_ms: int, zone: str) -> str:
    """The day (2026-10-03) or month (2026-10) whose report should have left by now; empty: none yet."""
    clock, local = ZoneInfo(zone), datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(zone))
    leaves = date(local.year, local.month, 1) if one.every == "month" else local.date()
    if _instant(leaves, one.at_clock, clock) > now_ms:
        leaves -= timedelta(days=1)
        leaves = leaves.replace(day=1) if one.every == "month" else leaves
    if _instant(leaves, one.at_clock, clock) < one.made_ms:
        return ""
    of = leaves - timedelta(days=1)
    return f"{of:%Y-%m}" if one.every == "month" else f"{of:%Y-%m-%d}"


def _instant(day: date, at_clock: str, zone: ZoneInfo) -> int:
    return round(datetime.combine(day, time.fromisoformat(at_clock), zone).timestamp() * 1000)


def unsent(settings: Settings, now_ms: int) -> list[tuple[str, str]]:
    """(what, why) of schedules whose newest report is due and has not left."""
    reader = FiledReader(settings.desk_db)
    found = []
    for one in reader.schedules():
        of = due(one, now_ms, settings.zone)
        tries = reader.of_schedule(one.id, of) if of else []
        if tries and not any(f.outcome == SENT for f in tries):
            found.append((f"{one.kind} {of}{f' {one.subject}' if one.subject else ''}", tries[0].outcome))
    return found
