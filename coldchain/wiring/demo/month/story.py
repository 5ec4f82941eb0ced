# SPDX-License-Identifier: Apache-2.0
"""What happened in the month before a demo. Data: what broke, where, how many days ago. Pure.

Targets are chosen as in any scenario (`firmware_sim.faults`); what a small fleet has not is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from firmware_sim.faults import Fault, Scenario, Schedule

DAYS = 30
DAY_MS = 86_400_000
ZONE_MS = 7 * 3_600_000
"""The national fleet's offset from UTC: nights are nights there."""


def _one(type_: str, nth: int, level: str = "") -> dict[str, Any]:
    return {"type": type_, "nth": nth} | ({"level": level} if level else {})


@dataclass(frozen=True, slots=True)
class Repair:
    """What a contractor found and did, until done_ms. moves: blood is taken elsewhere meanwhile.

    cause  what it was, in a word, on a work order; empty: there was none
    """

    seen: str
    done: str
    done_ms: int
    moves: bool = True
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Chapter:
    """One thing that went wrong. `ago`: local days before the demo; `clock`: hours of that local day.

    kind, target, more  the fault in the words of a scenario file; `hours` is its length
    seen, done          what people saw and what the contractor did; empty: nothing was repaired
    """

    ago: int
    clock: float
    hours: float
    kind: str
    target: dict[str, Any]
    more: dict[str, Any] = field(default_factory=dict)
    seen: str = ""
    done: str = ""
    moves: bool = True


CHAPTERS = (
    Chapter(27, 22.2, 1.1, "door_open", _one("blood-refrigerator", 0, "provincial"), {"gap": 0.6}),
    Chapter(
        24, 1.2, 9.0, "compressor_lost", _one("blood-refrigerator", 0, "provincial"),
        seen="the compressor does not start", done="start relay burnt: relay and capacitor replaced",
    ),
    Chapter(20, 14.5, 3.4, "mains_cut", {"level": "district", "nth": 0}),
    Chapter(
        18, 6.0, 60.0, "refrigerant_loss", _one("plasma-freezer", 0), {"part_per_day": 0.45},
        seen="it runs without pause and warms",
        done="leak at the condenser's joint: brazed, evacuated, recharged",
    ),
    Chapter(
        12, 3.0, 11.0, "probe_open", _one("ultra-freezer", 0),
        seen="the load probe is dead", done="cable of the load probe broken: probe replaced", moves=False,
    ),
    Chapter(10, 20.0, 5.0, "node_silent", {"level": "provincial", "link": "mqtt"}),
    Chapter(
        8, 9.5, 2.0, "agitator_stopped", _one("platelet-incubator", 0),
        seen="the agitator stands", done="belt slipped: tensioned", moves=False,
    ),
    Chapter(
        6, 11.0, 1.5, "warm_load", _one("blood-refrigerator", 1, "central"),
        {"part": 0.5, "temperature_c": 16.0},
    ),
    Chapter(3, 19.0, 0.6, "door_open", _one("platelet-incubator", 0), {"gap": 0.8}),
)  # fmt: skip

TEST_AGO, TEST_CLOCK, TEST_MIN = 14, 10.0, 40.0
"""The drill: local days before, clock, and how long its readings are marked as a test [min]."""
TRIP_AGO, TRIP_CLOCK = 4, 5.0
HAND_MS, HAND_MIN, HAND_K = 600_000, 20, 9.0
"""So long after its beginning somebody holds the probe, for how long, and how warm it gets [ms, min, K]."""


def instant_of(until_ms: int, ago: int, clock: float) -> int:
    """That local clock time, so many days before the demo [ms], on a whole ten minutes."""
    midnight = (until_ms + ZONE_MS) // DAY_MS * DAY_MS - ZONE_MS
    return (midnight - ago * DAY_MS + round(clock * 3_600_000)) // 600_000 * 600_000


def scenario(until_ms: int) -> Scenario:
    """The chapters as faults, in seconds before the demo, in their order."""
    return Scenario.of(
        {
            "name": "month",
            "fault": [
                {
                    "kind": one.kind,
                    "target": one.target,
                    "start_s": (instant_of(until_ms, one.ago, one.clock) - until_ms) / 1000,
                    "duration_s": one.hours * 3600,
                    **one.more,
                }
                for one in CHAPTERS
            ],
        }
    )


def repairs(schedule: Schedule) -> dict[str, tuple[Chapter, Fault]]:
    """Appliance -> what was repaired there, and the fault. A small fleet has fewer."""
    found: dict[str, tuple[Chapter, Fault]] = {}
    for fault in schedule.faults:
        chapter = next(one for one in CHAPTERS if _is(one, fault))
        if chapter.done:
            found[fault.appliances[0]] = chapter, fault
    return found


def _is(chapter: Chapter, fault: Fault) -> bool:
    return chapter.kind == fault.kind and abs(fault.end_s - fault.start_s - chapter.hours * 3600) < 1
