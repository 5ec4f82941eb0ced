# SPDX-License-Identifier: Apache-2.0
"""What the month's people wrote down beside alarms: work orders, findings, a trip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from coldchain.records.alarms import Alarm, AlarmsReader
from coldchain.records.consignments import Consignments, Step, Trip
from coldchain.records.devices import serial_of
from coldchain.records.registry import Appliance, Registry
from coldchain.records.work import FINISHED, SENT, STARTED, Work
from coldchain.wiring.demo.month import story

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
CAUSE_OF = {
    "compressor_lost": "compressor", "refrigerant_loss": "refrigerant_loss", "mains_cut": "mains_cut",
    "probe_open": "sensor_fault", "warm_load": "warm_load", "door_open": "door", "node_silent": "link",
    "agitator_stopped": "other",
}  # fmt: skip
"""A fault of the story -> what people found."""
WAIT_MS = 6 * HOUR_MS
"""They say what an alarm was so long after it began, at the earliest."""


class Orders:
    """A work order for each repair of the story. Call `look` after every step."""

    def __init__(self, desk: Path, wall_ms: Callable[[], int], repairs: Mapping[str, story.Repair]) -> None:
        self._work = Work(desk, wall_ms)
        self._repairs, self._numbers = repairs, dict[str, int]()
        self._done: set[tuple[int, str]] = set()

    def raised(self, alarm: Alarm, appliance: Appliance, person: str) -> None:
        """The first alarm of an appliance whose repair is told raises its order."""
        repair = self._repairs.get(appliance.id)
        if repair is None or not repair.cause or appliance.id in self._numbers:
            return
        number = self._work.raise_(
            f"month-{appliance.id}", serial_of(appliance), appliance=appliance.id, site=appliance.site,
            what=repair.seen, person=person, alarm=alarm.number,
        )  # fmt: skip
        self._numbers[appliance.id] = number
        self._work.step(f"month-{number}-sent", number, SENT, person=person)

    def look(self, now_ms: int, person: str) -> None:
        """The contractor comes two hours before the end of the repair."""
        for appliance, number in self._numbers.items():
            repair = self._repairs[appliance]
            if now_ms >= repair.done_ms - 2 * HOUR_MS:
                self._once(number, STARTED, person, {"to": "empty"})
            if now_ms >= repair.done_ms:
                self._once(number, FINISHED, person, {"findings": repair.done, "cause": repair.cause})

    def _once(self, number: int, state: str, person: str, body: dict[str, str]) -> None:
        if (number, state) not in self._done:
            self._done.add((number, state))
            self._work.step(f"month-{number}-{state}", number, state, person=person, body=body)

    def close(self) -> None:
        self._work.close()


def findings(
    alarms: AlarmsReader, faults: Mapping[str, Iterable[tuple[str, int, int]]], marked: set[str], now_ms: int
) -> list[tuple[Alarm, str, str]]:
    """Closed alarms that nobody has judged, each with verdict and cause.

    faults  appliance, or site for all of its appliances -> (kind, from, until) [ms]
    """
    found = []
    for alarm in alarms.alarms(60):
        done = alarm.state == "closed" and alarm.kind != "drill" and now_ms - alarm.since_ms >= WAIT_MS
        if not done or alarm.id in marked:
            continue
        marked.add(alarm.id)
        near = (
            kind
            for kind, begin, end in faults.get(_about(alarm, alarms), ())
            if begin - HOUR_MS <= alarm.since_ms <= end + 12 * HOUR_MS
        )
        cause = CAUSE_OF.get(next(near, ""), "")
        if cause or alarm.severity == "critical":
            found.append((alarm, "true", cause or "unknown"))
        else:
            found.append((alarm, "nuisance", "door" if alarm.kind == "forecast" else "unknown"))
    return found


def _about(alarm: Alarm, alarms: AlarmsReader) -> str:
    """Where its cause is looked for: all of a site, or where the blood came from, or its appliance."""
    if alarm.scope == "site":
        return alarm.site
    came = alarms.moved(alarm=alarm.id) if alarm.kind == "exposure" else []
    return came[0].source if came else alarm.appliance


def trip_of(registry: Registry, until_ms: int) -> Trip | None:
    """An outreach: from a refrigerator into the site's box, to another site, back into its refrigerator."""
    start = story.instant_of(until_ms, story.TRIP_AGO, story.TRIP_CLOCK)
    fridges = [a for a in registry.appliances if a.kind == "blood-refrigerator"]
    for box in (a for a in registry.appliances if a.kind in ("active-box", "passive-box")):
        home = next((a for a in fridges if a.site == box.site), None)
        goal = next((a for a in fridges if a.site != box.site), None)
        if home is None or goal is None:
            continue
        person = (registry.people_for(box.site) or registry.people)[0].id
        places = ((0, home.id), (60, box.id), (215, goal.id), (1440, ""))
        steps = tuple(Step(start + after * MINUTE_MS, place, person, "console") for after, place in places)
        carries = home.carries(start) or "red-cells@eu"
        return Trip("month-trip", carries, start, "outreach (demo month)", person, start, steps)
    return None


def write_trip(desk: Path, trip: Trip) -> None:
    """Each step as it was told when it happened; it is over."""
    first, packed, *others = trip.steps
    Consignments(desk, lambda: packed.at_ms).start(replace(trip, steps=(first, packed)))
    for step in others:
        Consignments(desk, partial(int, step.at_ms)).step(trip.id, step)
