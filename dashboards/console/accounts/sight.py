# SPDX-License-Identifier: Apache-2.0
"""What of the fleet an account sees: all of it, or its own sites. Counts are of what is seen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from dashboards.console.accounts.gate import visitor, within
from dashboards.console.source import Look
from dashboards.console.words import language


def scoped() -> bool:
    """Is whoever asks for some sites only?"""
    account = visitor().account
    return account is not None and bool(account.sites)


@dataclass(frozen=True, slots=True)
class Audience:
    """Who reads the same words of the same sites. `sites` as an account has them; empty: all. `wall`: with
    the sites as tiles and on the map.
    """

    language: str = "en"
    sites: tuple[str, ...] = ()
    wall: bool = False


def audience(*, wall: bool = False) -> Audience:
    """Of whoever asks."""
    account = visitor().account
    return Audience(language(), () if account is None else tuple(sorted(account.sites)), wall)


def seen(look: Look) -> Look:
    """The look, cut to what whoever asks may see."""
    return cut(look, audience())


def cut(look: Look, of: Audience) -> Look:
    """The look, cut to what an audience may see."""
    if not of.sites:
        return look
    registry = look.registry
    rows = tuple(row for row in look.fleet.rows if within(row.site, of.sites, registry))
    counts = Counter(row.state for row in rows)
    fleet = replace(look.fleet, rows=rows, counts={state: counts[state] for state in look.fleet.counts})
    alarms = tuple(a for a in look.alarms if within(a.site, of.sites, registry))
    return replace(look, fleet=fleet, alarms=alarms)
