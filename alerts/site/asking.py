# SPDX-License-Identifier: Apache-2.0
"""Why each alarm stands, asked when it opens and ten minutes later; kept with its events as `cause`."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import numpy as np

from alerts.alarms.entries import Scene
from alerts.judgement.state import EngineState
from alerts.rules.flat import Bools
from alerts.site import causes, keeping
from alerts.site.causes import Known, Track
from alerts.site.now import Now
from alerts.site.roster import Roster
from alerts.site.supply import STOPPED_PERIODS
from alerts.store import AlarmStore
from coldchain.kernel.errors import StoreUnavailable
from coldchain.kernel.words import NO_VALUE, Flag
from coldchain.records.journal import JournalReader, effective_ms

KINDS = frozenset({"high", "low", "rate", "forecast", "cumulative", "sensor_fault"})
PER_LOOK = 2
"""So many are asked at once: each reads hours of a few sensors."""
UNDER = "mains cut"
EVENT = "cause"

Told = tuple[str, str]
"""(alarm, what was found)."""


class Asking:
    """Reads the record; writes nothing."""

    def __init__(self, store: AlarmStore, readings_db: Path, now_ms: int) -> None:
        self._db, self._path = store.db, readings_db
        self._store = store
        self._event = keeping.last_event(store.db, now_ms - causes.AGAIN_MS)
        self._due: deque[tuple[int, str]] = deque()

    def look(self, state: EngineState, now: Now, roster: Roster, scene: Scene) -> list[Told]:
        """What was found of the alarms that are due."""
        self._take_up(scene.now_ms)
        ready = [one for one in self._due if one[0] <= scene.now_ms][:PER_LOOK]
        for one in ready:
            self._due.remove(one)
        alarms = [a for _, id_ in ready if (a := self._store.alarm(id_)) is not None and a.standing]
        found = [(a.id, self._by_parent(a.parent)) for a in alarms if a.parent is not None]
        own = [a for a in alarms if a.parent is None]
        if not own:
            return found
        try:
            reader = JournalReader(self._path)
        except StoreUnavailable:
            return found
        try:
            for alarm in own:
                place = next((n for n, a in enumerate(roster.appliances) if a.id == alarm.appliance), -1)
                if place >= 0:
                    probe = alarm.kind == "sensor_fault"
                    known = _known(reader, state, now, roster, place, scene, probe=probe)
                    word, evidence = causes.told(known, scene.now_ms)
                    found.append((alarm.id, f"{word}; {evidence}"))
        finally:
            reader.close()
        return found

    def _take_up(self, now_ms: int) -> None:
        for event, id_ in keeping.raised_after(self._db, self._event):
            self._event = event
            alarm = self._store.alarm(id_)
            if alarm is None or alarm.scope != "appliance" or alarm.kind not in KINDS:
                continue
            if not keeping.causes_told(self._db, id_):
                self._due.append((now_ms, id_))
            self._due.append((now_ms + causes.AGAIN_MS, id_))

    def _by_parent(self, parent: str) -> str:
        return f"{UNDER}; the site's outage, alarm {self._number(parent)}"

    def _number(self, alarm: str) -> int:
        above = self._store.alarm(alarm)
        return above.number if above else 0


def _known(
    reader: JournalReader,
    state: EngineState,
    now: Now,
    roster: Roster,
    n: int,
    scene: Scene,
    *,
    probe: bool,
) -> Known:
    end = scene.now_ms

    def track(series: int, back_ms: int = causes.LOOK_BACK_MS) -> Track:
        name = scene.names.get(series)
        if series < 0 or name is None:
            return Track()
        rows = reader.readings(name, end - back_ms - causes.HOURS_MS, end + 1)
        rows = rows[(rows["value"] != NO_VALUE) & ((rows["flags"] & int(Flag.TEST)) == 0)]
        at = effective_ms(rows).astype(np.int64)
        order = np.argsort(at, kind="stable")
        return Track(at[order], rows["value"][order] / 1000.0)

    load_series, air_series = int(roster.load[n]), int(roster.air[n])
    load = track(load_series)
    air = load if air_series in (-1, load_series) else track(air_series)
    series = air_series if air_series >= 0 else load_series
    appliance = roster.appliances[n]
    return Known(
        air=air,
        load=load,
        mains=track(int(roster.contact["mains"][n])),
        door=track(int(roster.contact["door"][n])),
        compressor=track(int(roster.contact["compressor"][n]), causes.IDLE_BACK_MS),
        row=state.insight[series : series + 1],
        siblings=_siblings(now, roster.supply == roster.supply[n], n),
        probe=probe,
        tau_s=appliance.tau_s or causes.LEAD_TAU_S,
    )


def _siblings(now: Now, same: Bools, n: int) -> float:
    """Part of the others on its supply whose cooling stopped; NaN where nothing is known of any."""
    others = same.copy()
    others[n] = False
    stalled = now.seen.stalled[others]
    known = np.isfinite(stalled)
    return float(np.mean(stalled[known] >= STOPPED_PERIODS)) if known.any() else float("nan")
