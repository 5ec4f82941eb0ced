# SPDX-License-Identifier: Apache-2.0
"""Loads without power, followed reading by reading: what each outage teaches, saved with the engine's state.

Nothing is done for a sensor whose appliance has power.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alerts.insight.scan import Floats, Readings, Table
from alerts.rules.flat import Ints
from alerts.site import warming
from alerts.site.now import Now
from alerts.site.roster import Roster, start_of
from coldchain.kernel.readings import Rows
from coldchain.kernel.words import NO_VALUE, Flag
from coldchain.records.journal import effective_ms
from coldchain.records.site import Held

ROOM_C = 25.0
"""The room in which a learnt hold-over is told, so that one can be set beside another [°C]."""
TAIL_MS = 1_800_000
"""After its end an outage is followed until a slot closes, and no longer."""


@dataclass(frozen=True, slots=True)
class _Off:
    """By series number: since_s 0: has power; end_ms 0: it goes on."""

    since_s: Floats
    end_ms: Ints
    room_c: Floats


class Outages:
    """`table`: records of `warming` by series number."""

    def __init__(self, table: Table | None = None) -> None:
        self.table = warming.blank(0) if table is None else table
        if len(self.table):  # what a restart cut off
            ended = self.table["since"] == 0.0
            self.table["held"]["began_at"][ended] = 0.0
        self._off = self._fresh(len(self.table))
        self._off.since_s[:] = self.table["since"]
        self.changed = False

    def grow(self, n: int) -> None:
        more = n - len(self.table)
        if more > 0:
            self.table = np.concatenate([self.table, warming.blank(more)])
            fresh, old = self._fresh(n), self._off
            for name in ("since_s", "end_ms", "room_c"):
                getattr(fresh, name)[: len(old.since_s)] = getattr(old, name)
            self._off = fresh

    @staticmethod
    def _fresh(n: int) -> _Off:
        return _Off(np.zeros(n), np.zeros(n, np.int64), np.full(n, np.nan))

    def rows(self, series: Ints) -> Table:
        """(N,) records; of a series -1 a blank one."""
        found = warming.blank(len(series))
        known = (series >= 0) & (series < len(self.table))
        found[known] = self.table[series[known]]
        return found

    # --- what happens

    def begin(self, who: Ints, since_ms: int, now: Now, roster: Roster) -> None:
        """These appliances (indices) have no power since then. Those that are followed already go on."""
        who = who[roster.load[who] >= 0]
        series = roster.load[who]
        self._off.room_c[series] = now.ambient_c[who]
        fresh = (self.table["since"][series] == 0.0) & np.isfinite(now.before_c[who])
        if not fresh.any():
            return
        series, who = series[fresh], who[fresh]
        since = np.full(len(series), since_ms / 1000.0)
        warming.begin(self.table, series, since, now.before_c[who])
        self.table["held"]["began_at"][series] = 0.0
        self._off.since_s[series], self._off.end_ms[series] = since, 0
        self.changed = True

    def end(self, who: Ints, at_ms: int, now: Now, roster: Roster) -> list[Held]:
        """Power is back at those; what their outage has taught."""
        who = who[roster.load[who] >= 0]
        series = roster.load[who]
        running = self.table["since"][series] > 0
        series, who = series[running], who[running]
        self._off.end_ms[series] = at_ms
        taught = warming.end(self.table, series, np.full(len(series), at_ms / 1000.0))
        self.changed = True
        return self._held(who[np.isin(series, taught)], at_ms, now, roster)

    def running(self, roster: Roster) -> Ints:
        """Indices of the appliances that are followed as without power."""
        rows = self.rows(roster.load)
        return np.flatnonzero(rows["since"] > 0)

    def _held(self, who: Ints, at_ms: int, now: Now, roster: Roster) -> list[Held]:
        told = []
        for n in who.tolist():
            profile, appliance = now.profile[n], roster.appliances[n]
            if profile is None or profile.limits.high_c is None:
                continue
            start, limit = np.array([start_of(profile)]), np.array([profile.limits.high_c])
            rows = self.rows(roster.load[n : n + 1])
            minutes = float(warming.likely_minutes(rows, start, limit, np.array([ROOM_C]))[0])
            if np.isfinite(minutes):
                maker = None if appliance.hold_over_min is None else round(appliance.hold_over_min)
                outages = int(rows["outages"][0])
                told.append(Held(appliance.id, outages, int(minutes), maker, round(ROOM_C * 1000), at_ms))
        return told

    # --- readings

    def feed(self, rows: Rows) -> None:
        """Rows of the journal, any series, any order; nearly always none of them is followed."""
        followed = self._off.since_s > 0
        if not followed.any():
            return
        series = rows["series"].astype(np.int64)
        mine = (series < len(followed)) & (rows["value"] != NO_VALUE)
        mine &= (rows["flags"] & int(Flag.TEST | Flag.IMPLAUSIBLE)) == 0
        mine[mine] = followed[series[mine]]
        if not mine.any():
            return
        series, at = series[mine], effective_ms(rows[mine]).astype(np.int64)
        value = rows["value"][mine].astype(np.int64)
        newer = at > self.table["at"][series]
        series, at, value = series[newer], at[newer], value[newer]
        order = np.lexsort((at, series))
        series, at, value = series[order], at[order], value[order]
        again = np.append(False, (series[1:] == series[:-1]) & (at[1:] == at[:-1]))
        if not len(series) or again.all():
            return
        readings = Readings.of(series[~again], at[~again], value[~again])
        off = self._off
        until = np.where(off.end_ms > 0, off.end_ms / 1000.0, np.inf)
        warming.feed(self.table, readings, off.since_s, until, off.room_c)
        last = readings.seg.last
        self.table["at"][readings.series[last]] = readings.at[last]
        self._let_go(readings)
        self.changed = True

    def _let_go(self, readings: Readings) -> None:
        """Outages that are over and whose last slot has closed are followed no longer."""
        off, who = self._off, readings.seg.series
        at = readings.at[readings.seg.last]
        over = off.end_ms[who] > 0
        done = over & ((self.table["held"]["began_at"][who] == 0.0) | (at > off.end_ms[who] + TAIL_MS))
        off.since_s[who[done]], off.end_ms[who[done]] = 0.0, 0
