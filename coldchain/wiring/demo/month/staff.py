# SPDX-License-Identifier: Apache-2.0
"""Who is on duty in a demo: by province, week by week, on two levels, and a swap. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from alerts.oncall.rota import shifts
from coldchain.records.duty import Override, Rota
from coldchain.records.registry import Person, Registry
from coldchain.wiring.demo.files import slug

DAY_MS = 86_400_000
AHEAD_MS = 28 * DAY_MS


def with_rotas(registry: Registry, now_ms: int) -> Registry:
    """The registry with rotas of its people. now_ms: the swap is of the days after it."""
    rotas = tuple(_rotas(registry))
    if rotas:
        rotas = (swapped(rotas[0], now_ms), *rotas[1:])
    return registry.model_copy(update={"rotas": rotas})


def _rotas(registry: Registry) -> Iterator[Rota]:
    provinces: dict[str, list[str]] = {}
    for site in registry.sites:
        provinces.setdefault(site.province, []).append(site.id)
    second = [one for one in registry.people if one.role == "supervisor"]
    for province, sites in provinces.items():
        here = [one for one in registry.people if set(one.sites) & set(sites)]
        first = [one for one in here if one.role in ("on-call", "technician")]
        if first:
            yield _rota(f"{slug(province)[:40]}-first", first, sites, 1)
        near = [one for one in here if one.role == "supervisor"]
        if both := list(dict.fromkeys([*near, *second[:1]])):
            yield _rota(f"{slug(province)[:40]}-second", both, sites, 2)


def _rota(name: str, people: list[Person], sites: list[str], level: int) -> Rota:
    return Rota(id=name, people=tuple(one.id for one in people), sites=tuple(sites), level=level)


def swapped(rota: Rota, now_ms: int) -> Rota:
    """Two people have each other's first day of their next weeks.

    >>> whole = swapped(Rota(id="r", people=("a", "b")), 1_760_000_000_000)
    >>> [(one.person, one.until_ms - one.from_ms == DAY_MS) for one in whole.overrides]
    [('a', True), ('b', True)]
    """
    coming = [one for one in shifts(rota, now_ms, now_ms + AHEAD_MS) if one.start_ms > now_ms]
    for mine, yours in pairwise(coming):
        if mine.person and yours.person and mine.person != yours.person:
            swap = tuple(
                Override(person=who, from_ms=day.start_ms, until_ms=day.start_ms + DAY_MS)
                for who, day in ((yours.person, mine), (mine.person, yours))
            )
            return rota.model_copy(update={"overrides": swap})
    return rota
