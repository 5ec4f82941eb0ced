# SPDX-License-Identifier: Apache-2.0
"""What the page of one site shows: its appliances, its gateways and their way here, its people. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from coldchain.kernel.words import Health
from coldchain.records.consignments import BOXES
from coldchain.records.registry import Person, Registry, Site
from dashboards.console.followed import Gateway
from dashboards.console.source import Look
from dashboards.console.views import ORDER, LastReading, Row

OnDuty = Callable[[Registry, str, int, int], list[str]]
"""(registry, site, level, instant [ms]) -> ids of the people on call then."""
LEVELS = (1, 2)


@dataclass(frozen=True, slots=True)
class Duty:
    """Who is on call now at one level; nobody is a gap, and is said so."""

    level: int
    people: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class SitePage:
    """`dark`: appliances, not boxes, that said last that the mains are absent; `duties` empty: no rota."""

    site: Site
    rows: tuple[Row, ...]
    counts: tuple[tuple[Health, int], ...]
    gateways: tuple[tuple[str, Gateway | None], ...]
    duties: tuple[Duty, ...]
    people: tuple[Person, ...]
    dark: int


def site_page(look: Look, site: Site, latest: Mapping[str, LastReading], on_duty: OnDuty) -> SitePage:
    """Worst first, as on the fleet page. `latest`: sensor -> its newest reading."""
    registry = look.registry
    rows = tuple(row for row in look.fleet.rows if row.site == site.id)
    ids = {row.id for row in rows}
    ids -= {one.id for one in registry.appliances if one.kind in BOXES}
    mains = [
        s.id for s in registry.sensors if s.quantity == "mains" and (s.appliance in ids or s.site == site.id)
    ]
    heard = {gateway.id: gateway for gateway in look.gateways}
    now_ms = look.fleet.now_ms
    duties = [
        Duty(level, tuple(registry.person_by_id[p] for p in on_duty(registry, site.id, level, now_ms)))
        for level in LEVELS
    ]
    served = bool(registry.rotas)
    return SitePage(
        site=site,
        rows=rows,
        counts=tuple((state, sum(row.state is state for row in rows)) for state in ORDER),
        gateways=tuple((g.id, heard.get(g.id)) for g in registry.gateways if g.site in (site.id, None)),
        duties=tuple(duties) if served else (),
        people=tuple(registry.people_for(site.id)),
        dark=sum(one in latest and latest[one].value == 0 for one in mains),
    )


def masked(phone: str) -> str:
    """A number as anybody may see it.

    >>> masked("+8562055501002")
    '…002'
    """
    return f"…{phone[-3:]}"


def nobody(_registry: Registry, _site: str, _level: int, _at_ms: int) -> list[str]:
    """For a console that was not told how rotas are read."""
    return []
