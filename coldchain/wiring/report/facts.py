# SPDX-License-Identifier: Apache-2.0
"""What a sensor's readings say of a span: time out, time unknown, excursions, by the profile in force then.

As known at an instant: readings that arrived later are left out, so a filed report can be made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from alerts.rules.exposure import OPEN, beyond, line_of
from alerts.rules.flat import Bools, Ints, segments_of
from alerts.rules.validity import UNKNOWN, faults
from coldchain.kernel.limits import Profile
from coldchain.kernel.readings import Rows
from coldchain.kernel.words import Flag, Status
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Appliance, Registry, Sensor
from coldchain.settings.profile_files import PROFILES
from dashboards.reports.chart import Band

NOT_TEMPERATURES = int(Flag.IMPLAUSIBLE | Flag.TEST)


@dataclass(frozen=True, slots=True)
class Out:
    """One stretch beyond a limit, from crossing to crossing; end_ms None: it lasts to the span's end."""

    kind: str
    start_ms: int
    end_ms: int | None
    out_ms: int
    unknown_ms: int
    peak: int
    degree_ms: int
    limit_c: float
    profile: str


@dataclass(frozen=True, slots=True)
class Facts:
    """N readings of one sensor from start_ms to end_ms, as known at as_of_ms.

    at, milli  (N,) of the usable ones [ms], [thousandths], with the calibration's offset
    known_ms + unknown_ms is the whole span; of the known, high_ms and low_ms were beyond the limits
    assigned_ms  of the span, with a profile in force: nothing else is judged
    """

    sensor: str
    start_ms: int
    end_ms: int
    as_of_ms: int
    at: Ints
    milli: Ints
    readings: int
    failed: int
    known_ms: int
    unknown_ms: int
    assigned_ms: int
    high_ms: int
    low_ms: int
    outs: tuple[Out, ...]
    gaps: tuple[tuple[int, int], ...]
    digest: str


def facts_of(
    journal: JournalReader, registry: Registry, sensor: Sensor, span: tuple[int, int], as_of_ms: int
) -> Facts:
    """Read and judge. span: from, until [ms]."""
    start, end = span
    rows = journal.readings(sensor.id, start, end)
    rows = rows[rows["arrived_ms"] <= as_of_ms]
    rows = rows[np.lexsort((rows["value"], rows["at_ms"]))]
    good = rows[temperatures(rows)]
    at = good["at_ms"].astype(np.int64)
    milli = good["value"].astype(np.int64) + offset_of(sensor, at)
    gap_ms = 2000 * sensor.due_s(start)
    known_ms, gaps = _known(at, start, min(end, as_of_ms), gap_ms)
    appliance = registry.appliance_by_id.get(sensor.appliance or "")
    outs: list[Out] = []
    high_ms = low_ms = assigned_ms = 0
    for begin, until, profile in _assignments(appliance, start, end):
        assigned_ms += until - begin
        inside = (at >= begin) & (at < until)
        high, low, found = _judge(at, milli, inside, profile, gap_ms)
        high_ms, low_ms = high_ms + high, low_ms + low
        outs += found
    whole = max(0, min(end, as_of_ms) - start)
    return Facts(
        sensor.id, start, end, as_of_ms, at, milli, len(rows), int(len(rows) - len(good)),
        known_ms, whole - known_ms, assigned_ms, high_ms, low_ms,
        tuple(sorted(outs, key=lambda out: out.start_ms)), tuple(gaps), digest_of(rows),
    )  # fmt: skip


def temperatures(rows: Rows) -> Bools:
    """(N,) the reading is a temperature: it did not fail, and is no code that probes say instead."""
    usable = (rows["status"] == Status.OK) & ((rows["flags"] & NOT_TEMPERATURES) == 0)
    if not len(rows):
        return np.asarray(usable)
    alone = segments_of(np.zeros(len(rows), np.int64))
    fault, _ = faults(rows["value"].astype(np.int64), usable, np.full(1, UNKNOWN), alone)
    return ~fault


def offset_of(sensor: Sensor, at: Ints) -> Ints:
    """(N,) thousandths to add: the calibration in force at each instant."""
    added = np.zeros(len(at), np.int64)
    for offset in sensor.offsets:
        added[at >= offset.from_ms] = round(offset.offset_k * 1000)
    return added


def digest_of(rows: Rows) -> str:
    """SHA-256 over instants, values and states, in order: the same readings, the same word."""
    order = np.lexsort((rows["seq"], rows["source"], rows["at_ms"]))
    sha = hashlib.sha256()
    for name, kind in (("at_ms", "<i8"), ("value", "<i4"), ("status", "u1"), ("flags", "<u2")):
        sha.update(np.ascontiguousarray(rows[name][order].astype(kind)).tobytes())
    return sha.hexdigest()


def _known(at: Ints, start: int, end: int, gap_ms: int) -> tuple[int, list[tuple[int, int]]]:
    """How much of the span lies between readings that are near each other, and where the holes are."""
    if not len(at):
        return 0, [(start, end)] if end > start else []
    edges = np.concatenate(([start], at, [end]))
    steps = np.diff(edges)
    wide = np.flatnonzero(steps > gap_ms)
    gaps = [(int(edges[n]), int(edges[n + 1])) for n in wide.tolist()]
    return int(steps.sum() - steps[wide].sum()), gaps


def _assignments(appliance: Appliance | None, start: int, end: int) -> Iterator[tuple[int, int, Profile]]:
    """Spans with a profile in force, in order."""
    if appliance is None:
        return
    turns = {start, end}
    for one in appliance.assignments:
        turns |= {t for t in (one.from_ms, one.until_ms) if t is not None and start < t < end}
    edges = sorted(turns)
    for begin, until in pairwise(edges):
        if (profile := PROFILES.get(appliance.carries(begin) or "")) is not None:
            yield begin, until, profile


def _judge(at: Ints, milli: Ints, inside: Bools, profile: Profile, gap_ms: int) -> tuple[int, int, list[Out]]:
    where = np.flatnonzero(inside)
    if not len(where):
        return 0, 0, []
    line = line_of(at[where], milli[where], segments_of(np.zeros(len(where), np.int64)), gap_ms)
    total = {"high": 0, "low": 0}
    outs: list[Out] = []
    for kind, limit, sign in (("high", profile.limits.high_c, 1), ("low", profile.limits.low_c, -1)):
        if limit is None:
            continue
        out_ms, found = beyond(line, limit * 1000, sign)
        total[kind] = int(out_ms.sum())
        columns = (found.start, found.end, found.out_ms, found.unknown_ms, found.peak, found.area)
        for begin, end, out, unknown, peak, area in zip(*(c.tolist() for c in columns), strict=True):
            last = None if end == OPEN else end
            outs.append(Out(kind, begin, last, out, unknown, int(peak), area, limit, profile.label))
    return total["high"], total["low"], outs


def shades_of(facts: Facts) -> list[tuple[int, int, str]]:
    """What a chart shades: time out, as far as it is known to last, and holes."""
    last = int(facts.at[-1]) if len(facts.at) else facts.end_ms
    shaded = [(out.start_ms, out.end_ms or last, "out") for out in facts.outs]
    return shaded + [(start, end, "gap") for start, end in facts.gaps]


def bands_of(facts: Facts, buckets: int) -> Sequence[Band]:
    """Least and most in each of so many parts of the span; parts without a reading are left out."""
    if not len(facts.at):
        return []
    width = max((facts.end_ms - facts.start_ms) / buckets, 1.0)
    part = np.minimum(((facts.at - facts.start_ms) / width).astype(np.int64), buckets - 1)
    first = np.flatnonzero(np.append(True, part[1:] != part[:-1]))
    least = np.minimum.reduceat(facts.milli, first) / 1000
    most = np.maximum.reduceat(facts.milli, first) / 1000
    found = []
    gap_ms = max((end - start for start, end in facts.gaps), default=0)
    for number, low, high in zip(part[first].tolist(), least.tolist(), most.tolist(), strict=True):
        begin = facts.start_ms + round(number * width)
        found.append(Band(begin, begin + round(width), low, high))
    return _joined(found, facts, gap_ms)


def _joined(bands: list[Band], facts: Facts, longest_gap_ms: int) -> list[Band]:
    """Neighbours with no gap between them touch, also where parts are narrower than the readings' steps."""
    gaps = list(facts.gaps)
    joined: list[Band] = []
    for band, after in zip(bands, [*bands[1:], None], strict=True):
        end = band.end_ms
        if after is not None and after.start_ms > end:
            holed = longest_gap_ms and any(a < after.start_ms and b > end for a, b in gaps)
            end = end if holed else after.start_ms
        joined.append(Band(band.start_ms, end, band.least, band.most))
    return joined
