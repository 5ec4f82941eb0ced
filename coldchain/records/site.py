# SPDX-License-Identifier: Apache-2.0
"""Reading what alerts keeps of sites: the blind clock, and hold-over beside its maker's figure."""

from __future__ import annotations

from dataclasses import dataclass

from coldchain.records.alarm_rows import Hold
from coldchain.records.alarms import Alarm, AlarmsReader


@dataclass(frozen=True, slots=True)
class Blind:
    """An appliance that is not heard. passes_ms: the worst case, None where the room is too cool for it.

    limit_value in thousandths; told: the sentence, clocks in the site's zone
    """

    appliance: str
    site: str
    last_ms: int
    passes_ms: int | None
    limit_value: int | None
    told: str


@dataclass(frozen=True, slots=True)
class Held:
    """Hold-over as an appliance's own outages taught it [min], from its usual temperature to its limit.

    maker_min  its maker's figure, None where none is known; room_c in thousandths
    """

    appliance: str
    outages: int
    minutes: int
    maker_min: int | None
    room_c: int
    at_ms: int

    @property
    def part_of_maker(self) -> float | None:
        """Well below 1: a seal, a door or a filling that its maker did not think of."""
        return self.minutes / self.maker_min if self.maker_min else None


TOO_LONG = "too long"
"""How a gate ended that nobody brought to its end: the appliance is still out of service."""


@dataclass(frozen=True, slots=True)
class Proving:
    """An appliance whose work is done: what the gate still wants, as of looked_ms; came: how it ended."""

    appliance: str
    person: str
    reason: str
    asked_ms: int
    looked_ms: int
    missing: str
    ended_ms: int | None
    came: str


class SiteReader(AlarmsReader):
    """`AlarmsReader`, with what is kept of sites."""

    def closed(self, before: int, limit: int) -> list[Alarm]:
        """Closed alarms whose number is lower, newest first."""
        sql = "SELECT * FROM alarm WHERE state = 'closed' AND number < ? ORDER BY number DESC LIMIT ?"
        return self._all(Alarm, sql, (before, limit))

    def blind(self, site: str | None = None) -> list[Blind]:
        """The next to pass its limit first; of one site if named."""
        sql = (
            "SELECT appliance, site, last_ms, passes_ms, limit_value, told FROM blind"
            " WHERE ?1 IS NULL OR site = ?1 ORDER BY passes_ms IS NULL, passes_ms, appliance"
        )
        return self._all(Blind, sql, (site,))

    def held(self) -> list[Held]:
        """By appliance."""
        sql = "SELECT appliance, outages, minutes, maker_min, room_c, at_ms FROM held ORDER BY appliance"
        return self._all(Held, sql)

    def foretold(self) -> dict[str, int]:
        """Sensor -> when it passes its limit [ms], of those on their way there."""
        return {str(sensor): int(at) for sensor, at in self._rows("SELECT sensor, limit_ms FROM foretold")}

    def holds(self, appliance: str) -> list[Hold]:
        """Why it is out of service, the oldest reason first; none: it is not."""
        sql = (
            "SELECT h.holder, h.person, h.reason, h.from_ms FROM out_hold h"
            " JOIN out_of_service o ON o.id = h.out"
            " WHERE o.appliance = ? AND o.back_ms IS NULL AND h.ended_ms IS NULL ORDER BY h.id"
        )
        return self._all(Hold, sql, (appliance,))

    def waiting(self) -> list[Proving]:
        """Appliances out of service whose work is done and that the gate does not let back, the longest
        first; with those that waited so long that it looks no longer (`came`: TOO_LONG).
        """
        sql = (
            "SELECT appliance, person, reason, asked_ms, looked_ms, missing, ended_ms, came FROM proving p"
            " WHERE (ended_ms IS NULL OR came = ?) AND id = (SELECT max(id) FROM proving o WHERE"
            " o.appliance = p.appliance) AND EXISTS (SELECT 1 FROM out_of_service s WHERE"
            " s.appliance = p.appliance AND s.back_ms IS NULL AND s.from_ms <= p.asked_ms)"
            " ORDER BY asked_ms"
        )
        return self._all(Proving, sql, (TOO_LONG,))

    def proving(self, appliance: str | None = None) -> list[Proving]:
        """Gates that are looked at or were, newest first; of one appliance if named."""
        sql = (
            "SELECT appliance, person, reason, asked_ms, looked_ms, missing, ended_ms, came FROM proving"
            " WHERE ?1 IS NULL OR appliance = ?1 ORDER BY id DESC LIMIT 500"
        )
        return self._all(Proving, sql, (appliance,))
