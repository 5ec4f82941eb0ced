# SPDX-License-Identifier: Apache-2.0
"""The nation on one page for whoever answers for it: provinces, the worst ten, what to replace, how fast
people answer, how often they were called for nothing, what the messages cost. Pure but for its one reader.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coldchain.kernel.words import Health
from coldchain.records.found import NUISANCE, FoundReader, Outcome, Quality, by_site, quality_of
from coldchain.records.registry import Registry
from coldchain.records.site import Held
from dashboards.console.views import ORDER, Row
from dashboards.console.words import Coded, Text, said

DAY_MS = 86_400_000
SPANS_DAYS = (7, 30, 90)
WORST = 10
REPLACE_MAX = 20
HOLD_OVER_PART = 0.7
"""A hold-over that has fallen below this part of its maker's figure speaks for a worn seal: ours."""
FAULTS = 3
"""So many faults of one kind within FAULT_DAYS speak for the machine, not for the day: ours."""
FAULT_DAYS = 90
OF_MACHINE = ("high", "low", "sensor_fault", "agitator", "rate", "cumulative")
OF_MACHINE_CAUSES = ("", "compressor", "refrigerant_loss", "defrost", "sensor_fault", "unknown", "other")
"""Causes that speak for the machine; a door left open or a power cut does not."""


@dataclass(frozen=True, slots=True)
class Place:
    """A province or a site: what stands there now, and how its alarms went."""

    id: str
    name: str
    appliances: int
    counts: dict[str, int]
    quality: Quality
    sites: int = 1


@dataclass(frozen=True, slots=True)
class Bad:
    """One of the worst: its time beyond the limits and its alarms in the span."""

    row: Row
    out_ms: int
    excursions: int
    alarms: int


@dataclass(frozen=True, slots=True)
class Worn:
    """An appliance to think about replacing, and why; score: how much speaks for it."""

    row: Row
    score: float
    why: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Nation:
    """From start_ms to end_ms. messages: channel -> sent; cost: of the SMS, as priced in the settings."""

    start_ms: int
    end_ms: int
    counts: dict[str, int]
    quality: Quality
    provinces: tuple[Place, ...]
    sites: tuple[Place, ...]
    worst: tuple[Bad, ...]
    worn: tuple[Worn, ...]
    messages: dict[str, int]
    cost: float


@dataclass(frozen=True, slots=True)
class Told:
    """What the record holds of a span, read in one go."""

    outcomes: list[Outcome]
    of_machine: list[Outcome]
    out: dict[str, tuple[int, int]]
    messages: dict[tuple[str, str], int]
    held: list[Held]


def read(reader: FoundReader, start_ms: int, end_ms: int) -> Told:
    """Four short queries."""
    faults_ms = end_ms - FAULT_DAYS * DAY_MS
    outcomes = reader.outcomes(min(start_ms, faults_ms), end_ms)
    return Told(
        [one for one in outcomes if one.raised_ms >= start_ms],
        [one for one in outcomes if one.raised_ms >= faults_ms],
        reader.out_of_limits(start_ms, end_ms),
        reader.messages(start_ms, end_ms),
        reader.held(),
    )


def nation(
    rows: Sequence[Row], registry: Registry, told: Told, span: tuple[int, int], price: float
) -> Nation:
    """Of the sites that the rows are of: whoever sees a province sees its figures."""
    sites = {row.site for row in rows}
    outcomes = [one for one in told.outcomes if one.site in sites]
    known = {row.id: row for row in rows}
    messages: Counter[str] = Counter()
    for (site, channel), n in told.messages.items():
        if site in sites or site not in registry.site_by_id:
            messages[channel] += n
    return Nation(
        *span,
        counts=_counts(rows),
        quality=quality_of(outcomes),
        provinces=_provinces(rows, registry, outcomes),
        sites=_sites(rows, registry, outcomes),
        worst=_worst(known, told.out, outcomes),
        worn=_worn(known, told, sites),
        messages=dict(messages),
        cost=messages["sms"] * price,
    )


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    found = Counter(row.state for row in rows)
    return {state.value: found[state] for state in ORDER}


def _sites(rows: Sequence[Row], registry: Registry, outcomes: list[Outcome]) -> tuple[Place, ...]:
    """The slowest to answer first; then those that have most alarms."""
    of_site = by_site(outcomes)
    mine: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        mine[row.site].append(row)
    found = []
    for id_, some in mine.items():
        site = registry.site_by_id.get(id_)
        quality = quality_of(of_site.get(id_, []))
        found.append(Place(id_, site.name if site else id_, len(some), _counts(some), quality))
    return tuple(sorted(found, key=lambda one: (-(one.quality.p90_ms or 0), -one.quality.alarms, one.name)))


def _provinces(rows: Sequence[Row], registry: Registry, outcomes: list[Outcome]) -> tuple[Place, ...]:
    """By name. A site without a province is one of its own."""
    province = {
        site.id: site.province or site.name for site in registry.sites
    }  # whoever reads it knows the place, not a code
    mine: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        mine[province.get(row.site, row.site)].append(row)
    of: defaultdict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        of[province.get(one.site, one.site)].append(one)
    return tuple(
        Place(name, name, len(some), _counts(some), quality_of(of[name]), len({row.site for row in some}))
        for name, some in sorted(mine.items())
    )


def _worst(
    known: Mapping[str, Row], out: Mapping[str, tuple[int, int]], outcomes: list[Outcome]
) -> tuple[Bad, ...]:
    alarms = Counter(one.appliance for one in outcomes if one.appliance in known)
    found = [
        Bad(row, out.get(id_, (0, 0))[1], out.get(id_, (0, 0))[0], alarms[id_])
        for id_, row in known.items()
        if out.get(id_, (0, 0))[1]
    ]
    found.sort(key=lambda bad: (-bad.out_ms, -bad.alarms, bad.row.id))
    return tuple(found[:WORST])


def _worn(known: Mapping[str, Row], told: Told, sites: set[str]) -> tuple[Worn, ...]:
    """What speaks for the machine itself: faults that no door or cut explains, a fallen hold-over."""
    why: defaultdict[str, list[tuple[float, Text]]] = defaultdict(list)
    faults: Counter[tuple[str, str]] = Counter()
    for one in told.of_machine:
        counts = one.kind in OF_MACHINE and one.cause in OF_MACHINE_CAUSES and one.verdict != NUISANCE
        if counts and one.site in sites and one.severity == "critical":
            faults[one.appliance, one.kind] += 1
    for (appliance, kind), n in faults.items():
        if n >= FAULTS:
            text = said("nation.faults", n=n, kind=Coded("kind", kind), days=FAULT_DAYS)
            why[appliance].append((float(n), text))
    for held in told.held:
        part = held.part_of_maker
        if part is not None and part < HOLD_OVER_PART:
            text = said("nation.hold_over", min=held.minutes, maker=held.maker_min, pct=round(100 * part))
            why[held.appliance].append((10 * (1 - part), text))
    found = [
        Worn(known[id_], sum(score for score, _ in some), tuple(text for _, text in some))
        for id_, some in why.items()
        if id_ in known
    ]
    found.sort(key=lambda worn: (-worn.score, worn.row.id))
    return tuple(found[:REPLACE_MAX])


def in_order(place: Place) -> int:
    """Appliances of a place with nothing to say."""
    return place.counts[Health.OK.value]
