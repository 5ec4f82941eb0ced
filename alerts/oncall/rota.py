# SPDX-License-Identifier: Apache-2.0
"""Who is on call at an instant. Pure: a function of the rotas and the instant.

Hand-overs happen at a time of the local clock. Where that clock jumps over it, the hand-over happens when the
clock has jumped; where the clock shows it twice, it happens the first time (PEP 495, fold=0): there is
exactly one hand-over a local day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from coldchain.kernel.instants import EPOCH
from coldchain.records.duty import Hours, Rota
from coldchain.records.registry import Registry

DAY = timedelta(days=1)
SPAN_MAX_MS = 400 * 86_400_000
"""Nobody asks for more than a year of shifts at once."""


@dataclass(frozen=True, slots=True)
class Shift:
    """From start_ms until just before end_ms, `person` has that rota; None: nobody has."""

    rota: str
    start_ms: int
    end_ms: int
    person: str | None


def instant_of(day: date, at: time, zone: str) -> int:
    """Milliseconds at which that zone's clock shows `at` on `day`, for the first time.

    >>> instant_of(date(2026, 3, 29), time(2, 30), "Europe/Paris")  # jumped over: shown as 03:30
    1774747800000
    """
    local = datetime.combine(day, at, ZoneInfo(zone))
    return round((local - EPOCH) / timedelta(milliseconds=1))


def local_of(at_ms: int, zone: str) -> datetime:
    return (EPOCH + timedelta(milliseconds=at_ms)).astimezone(ZoneInfo(zone))


def on_call(rota: Rota, at_ms: int) -> str | None:
    """The person who has the rota then: an override, else a holiday's, else whose turn it is."""
    for override in reversed(rota.overrides):
        if override.from_ms <= at_ms < override.until_ms:
            return override.person
    today = local_of(at_ms, rota.zone).date()
    for holiday in rota.holidays:
        if holiday.day == today:
            return holiday.person
    if rota.hours and not any(_manned(hours, rota.zone, at_ms) for hours in rota.hours):
        return None
    return _turn(rota, at_ms)


def _turn(rota: Rota, at_ms: int) -> str | None:
    day = local_of(at_ms, rota.zone).date()
    if at_ms < instant_of(day, rota.hand_over, rota.zone):
        day -= DAY
    turns = (day - rota.starts).days // rota.turn_days
    return rota.people[turns % len(rota.people)] if turns >= 0 else None


def _manned(hours: Hours, zone: str, at_ms: int) -> bool:
    today = local_of(at_ms, zone).date()
    return any(start <= at_ms < end for start, end in (_span(hours, d, zone) for d in (today - DAY, today)))


def _span(hours: Hours, day: date, zone: str) -> tuple[int, int]:
    """The manned hours that begin on that day; (0, 0) if it is none of their weekdays."""
    if day.weekday() not in hours.weekdays:
        return 0, 0
    end_day = day + DAY if hours.end <= hours.start else day
    return instant_of(day, hours.start, zone), instant_of(end_day, hours.end, zone)


# --- a site's rotas together


def rotas_of(registry: Registry, site: str, level: int) -> list[Rota]:
    """Those that serve the site at that level; rotas that name the site come before general ones."""
    known = registry.site_by_id.get(site)
    fitting = [
        rota
        for rota in registry.rotas
        if rota.level == level
        and (not rota.sites or site in rota.sites)
        and (not rota.site_levels or (known is not None and known.level in rota.site_levels))
    ]
    own = [rota for rota in fitting if rota.sites]
    return own or fitting


def on_duty(registry: Registry, site: str, level: int, at_ms: int) -> list[str]:
    """Ids of the people on call for the site then, each once."""
    found = [on_call(rota, at_ms) for rota in rotas_of(registry, site, level)]
    return list(dict.fromkeys(person for person in found if person))


# --- shifts and gaps


def shifts(rota: Rota, start_ms: int, end_ms: int) -> list[Shift]:
    """Whole shifts that cover start_ms..end_ms without a hole; gaps have no person."""
    assert end_ms - start_ms <= SPAN_MAX_MS, "bounded"
    found: list[Shift] = []
    for begin, end in _pieces(_edges(rota, start_ms, end_ms), start_ms, end_ms):
        person = on_call(rota, begin)
        if found and found[-1].person == person:
            found[-1] = Shift(rota.id, found[-1].start_ms, end, person)
        else:
            found.append(Shift(rota.id, begin, end, person))
    return found


def gaps(rotas: Iterable[Rota], start_ms: int, end_ms: int) -> list[tuple[int, int]]:
    """Spans of start_ms..end_ms in which none of the rotas has anybody."""
    rotas = list(rotas)
    edges = {edge for rota in rotas for edge in _edges(rota, start_ms, end_ms)}
    found: list[tuple[int, int]] = []
    for begin, end in _pieces(edges, start_ms, end_ms):
        if any(on_call(rota, begin) for rota in rotas):
            continue
        if found and found[-1][1] == begin:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found


def _edges(rota: Rota, start_ms: int, end_ms: int) -> set[int]:
    """Every instant at which the answer may change."""
    edges = {edge for o in rota.overrides for edge in (o.from_ms, o.until_ms)}
    for holiday in rota.holidays:
        edges |= {instant_of(day, time(0), rota.zone) for day in (holiday.day, holiday.day + DAY)}
    day = local_of(start_ms, rota.zone).date() - DAY
    last = local_of(end_ms, rota.zone).date() + DAY
    while day <= last:
        edges.add(instant_of(day, rota.hand_over, rota.zone))
        for hours in rota.hours:
            edges |= set(_span(hours, day, rota.zone))
        day += DAY
    return edges


def _pieces(edges: Iterable[int], start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
    inside = sorted({start_ms, end_ms, *(edge for edge in edges if start_ms < edge < end_ms)})
    yield from pairwise(inside)
