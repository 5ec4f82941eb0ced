# SPDX-License-Identifier: Apache-2.0
"""Everything that one alarm's page tells, read in one go and put into words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from coldchain.records.alarms import (
    Alarm,
    AlarmEvent,
    Disposition,
    Listed,
    Moved,
    Notice,
    OutOfService,
    Shelf,
)
from coldchain.records.asked import Asked
from coldchain.records.site import SiteReader

TOLD_MAX = 500
CAUSE, EVIDENCE = "cause", "evidence"


@dataclass(frozen=True, slots=True)
class Told:
    """One alarm. delivered: notice -> when it arrived [ms]; left_min: until a limit, where it is known.

    asked   commands about it that alerts has not taken up yet, or has refused: with what came of them
    shelf   how it is put aside now; out: its appliance is out of service
    """

    alarm: Alarm
    parent: Alarm | None
    children: tuple[Alarm, ...]
    listed: tuple[Listed, ...]
    events: tuple[AlarmEvent, ...]
    notices: tuple[Notice, ...]
    delivered: dict[int, int]
    moved: tuple[Moved, ...]
    dispositions: tuple[Disposition, ...]
    shelf: Shelf | None
    out: OutOfService | None
    asked: tuple[tuple[Asked, str], ...]
    left_min: int | None

    @property
    def cause(self) -> tuple[str, str]:
        """(its likeliest cause, what spoke for it), as found last; empty: none was looked for."""
        found = [event.detail for event in self.events if event.event == CAUSE]
        cause, _, evidence = found[-1].partition("; ") if found else ("", "", "")
        if not found:
            evidence = next((e.detail for e in reversed(self.events) if e.event == EVIDENCE), "")
        return cause, evidence

    @property
    def needs_action(self) -> bool:
        """A limit of the product was passed: an answer says what is done about it."""
        return self.alarm.product

    @property
    def offers(self) -> frozenset[str]:
        """The verbs that do something now. What alerts then does, its own table of states says."""
        state, of_appliance = self.alarm.state, self.alarm.scope == "appliance"
        offered: set[str] = set()
        if state in ("unacknowledged", "returned"):
            offered.add("acknowledge")
        if state == "unacknowledged":
            offered.add("pass")
        if state in ("unacknowledged", "acknowledged"):
            offered.add("shelve")
            if of_appliance and self.out is None:
                offered.add("out_of_service")
        if state == "shelved":
            offered.add("unshelve")
        if self.out is not None:
            offered.add("return_to_service")
        if self.alarm.product and state in ("returned", "disposition_due", "out_of_service"):
            offered.add("dispose")
        return frozenset(offered)


def read(reader: SiteReader, alarm: Alarm, commands: Iterable[Asked]) -> Told:
    """What `alarms.db` holds of it."""
    outcomes = [(one, reader.outcome(one.id) or "") for one in commands]
    parent = reader.alarm(alarm.parent) if alarm.parent else None
    shelves = [one for one in reader.shelved() if one.alarm == alarm.id]
    out = [one for one in reader.out_of_service() if one.appliance == alarm.appliance]
    above = parent if parent is not None else alarm
    listed = tuple(reader.alarm_list(above.id))
    mine = [one.minutes for one in listed if one.appliance == alarm.appliance]
    return Told(
        alarm=alarm,
        parent=parent,
        children=tuple(reader.children(alarm.id)),
        listed=listed if parent is None else (),
        events=tuple(reader.events(alarm.id)),
        notices=tuple(reversed(reader.notices(TOLD_MAX, alarm=alarm.id))),
        delivered=reader.delivered(alarm.id),
        moved=tuple(_moves(reader.moved(alarm=alarm.id))),
        dispositions=tuple(reader.dispositions(alarm=alarm.id)),
        shelf=shelves[0] if shelves else None,
        out=out[0] if out and alarm.scope == "appliance" else None,
        asked=tuple(pair for pair in outcomes if not pair[1].startswith("applied")),
        left_min=mine[0] if mine and alarm.standing else None,
    )


def _moves(rows: Iterable[Moved]) -> Iterable[Moved]:
    """A move that answered several alarms is one, with one clock."""
    return {(row.source, row.target, row.at_ms): row for row in rows}.values()
