# SPDX-License-Identifier: Apache-2.0
"""Blood in several places, one after the other: what each stay did to it, and one exposure clock over all.

Every figure comes from the readings as known at an instant, so what arrives later (a logger that is read out
after the trip) changes it, and how much came late is told. The sum over the stays is the whole: where a stay
is cut in two, nothing is added and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from alerts.bookkeeping.moved import within
from alerts.rules.exposure import OPEN, beyond, line_of
from alerts.rules.flat import segments_of
from alerts.rules.table import judging_sensors
from coldchain.kernel.limits import Profile
from coldchain.kernel.stays import Leg, Out, Stay
from coldchain.records.consignments import BOXES
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Appliance, Registry, Sensor
from coldchain.settings.profile_files import PROFILES
from coldchain.wiring.report.facts import digest_of, offset_of, temperatures

DAY_MS = 86_400_000
LATE_MS = 15 * 60_000
"""A reading that came so long after it was read came from a store: a backlog, or a logger."""
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def legs_of(
    journal: JournalReader, registry: Registry, stays: Sequence[Stay], carries: str, as_of_ms: int
) -> list[Leg]:
    """What is known of each stay. carries: the profile that it is judged by where a place has none for it."""
    return [leg_of(journal, registry, stay, carries, as_of_ms) for stay in stays]


def leg_of(journal: JournalReader, registry: Registry, stay: Stay, carries: str, as_of_ms: int) -> Leg:
    """By the worst of the sensors that judge the place; a place without one is unknown throughout."""
    judging = judging_sensors(registry)
    sensors = [s for s in registry.sensors if s.appliance == stay.appliance and s.id in judging]
    profile = profile_of(registry.appliance_by_id.get(stay.appliance), stay.start_ms, carries)
    found = [_of_sensor(journal, sensor, stay, profile, as_of_ms) for sensor in sensors]
    if not found:
        nothing = np.zeros(0, np.int64)
        limits = profile.limits if profile else None
        return Leg(
            stay.appliance, "", stay.start_ms, stay.end_ms, profile.label if profile else "",
            limits.low_c if limits else None, limits.high_c if limits else None, 0,
            max(0, stay.end_ms - stay.start_ms), None, None, (), 0, 0, "", nothing, nothing,
        )  # fmt: skip
    return max(found, key=lambda leg: (leg.out_ms, leg.unknown_ms))


def profile_of(appliance: Appliance | None, at_ms: int, carries: str) -> Profile | None:
    """A place's own profile where it is for the same component; a box's is for transport; else the blood's.

    >>> box = Appliance(id="bx-1", name="Box", site="vte", kind="transport-box")
    >>> profile_of(box, 0, "red-cells@eu").name
    'red-cells-transport@eu'
    >>> profile_of(box.model_copy(update={"kind": "passive-box"}), 0, "red-cells@eu").name
    'red-cells-transport@eu'
    """
    blood = PROFILES.get(carries)
    own = PROFILES.get((appliance.carries(at_ms) if appliance else None) or "")
    if own is not None and (blood is None or own.component == blood.component):
        return own
    if appliance is not None and appliance.kind in BOXES and blood is not None:
        name, _, authority = blood.name.partition("@")
        return PROFILES.get(f"{name}-transport@{authority}", blood)
    return blood


def _of_sensor(
    journal: JournalReader, sensor: Sensor, stay: Stay, profile: Profile | None, as_of_ms: int
) -> Leg:
    gap_ms = 3_000 * sensor.due_s(stay.start_ms)
    margin_ms = max(DAY_MS, 2 * gap_ms)
    # The neighbours of both ends are read, too: a cut in the middle of a gap is no reading.
    rows = journal.readings(sensor.id, stay.start_ms - margin_ms, stay.end_ms + margin_ms)
    rows = rows[rows["arrived_ms"] <= as_of_ms]
    rows = rows[np.lexsort((rows["value"], rows["at_ms"]))]
    good = rows[temperatures(rows)]
    at = good["at_ms"].astype(np.int64)
    milli = good["value"].astype(np.int64) + offset_of(sensor, at)
    inside = rows[(rows["at_ms"] >= stay.start_ms) & (rows["at_ms"] < stay.end_ms)]
    mine = (at >= stay.start_ms) & (at < stay.end_ms)
    end_ms = min(stay.end_ms, as_of_ms)
    until_now = Stay(stay.appliance, stay.start_ms, end_ms)
    known_ms, outs, inside_once = judged(at, milli.astype(np.float64), until_now, profile, gap_ms)
    return Leg(
        stay.appliance, sensor.id, stay.start_ms, stay.end_ms, profile.label if profile else "",
        profile.limits.low_c if profile else None, profile.limits.high_c if profile else None,
        sum(out.out_ms for out in outs), max(0, end_ms - stay.start_ms) - known_ms,
        int(milli[mine].min()) if mine.any() else None, int(milli[mine].max()) if mine.any() else None,
        tuple(outs), len(inside), int((inside["arrived_ms"] - inside["at_ms"] > LATE_MS).sum()),
        digest_of(inside), at[mine], milli[mine], inside_once,
    )  # fmt: skip


def judged(
    at: Longs, milli: Floats, stay: Stay, profile: Profile | None, gap_ms: int
) -> tuple[int, list[Out], bool]:
    """How much of the stay is known [ms], what of it was beyond, oldest first, and was it ever inside?"""
    if stay.end_ms <= stay.start_ms:
        return 0, [], False
    at, milli = within(at, milli, stay, gap_ms)
    if not len(at):
        return 0, [], False
    line = line_of(at, milli, segments_of(np.zeros(len(at), np.int64)), gap_ms)
    known_ms = int(line.step_ms[line.known].sum())
    outs: list[Out] = []
    inside = np.ones(len(at), np.bool_)
    sides = (("high", profile.limits.high_c, 1), ("low", profile.limits.low_c, -1)) if profile else ()
    for kind, limit_c, sign in sides:
        if limit_c is None:
            continue
        _, found = beyond(line, limit_c * 1000, sign)
        inside &= sign * milli <= sign * limit_c * 1000
        columns = (found.start, found.end, found.out_ms, found.peak, found.first)
        for start, end, out_ms, peak, first in zip(*(column.tolist() for column in columns), strict=True):
            if out_ms:
                until = int(at[-1]) if end == OPEN else end
                outs.append(Out(kind, start, until, out_ms, round(peak), first == 0, end == OPEN))
    return known_ms, sorted(outs, key=lambda out: (out.start_ms, out.kind)), bool(inside.any())
