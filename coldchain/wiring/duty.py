# SPDX-License-Identifier: Apache-2.0
"""Who is on duty where, for the command line and the console."""

from __future__ import annotations

from typing import Any

from coldchain.kernel.errors import BadData
from coldchain.kernel.instants import rfc3339
from coldchain.records.registry import RegistryReader
from coldchain.settings import Settings

AHEAD_MS = 7 * 86_400_000
"""Gaps are looked for so far ahead."""


def duty_now(settings: Settings, site: str | None, at_ms: int) -> list[dict[str, Any]]:
    """A row for each site and level: site, level, people (id, name, phone), why, gap (or None)."""
    from alerts.oncall.policy import people_of
    from alerts.oncall.rota import gaps, rotas_of

    reader = RegistryReader(settings.desk_db)
    reader.refresh()
    registry = reader.registry
    if site is not None and site not in registry.site_by_id:
        known = ", ".join(sorted(registry.site_by_id)[:12]) or "none yet"
        raise BadData(f"there is no site {site!r}; known: {known}")
    levels = sorted({1, *(rota.level for rota in registry.rotas)})
    rows = []
    for place in registry.sites:
        if site is not None and place.id != site:
            continue
        for level in levels:
            rotas = rotas_of(registry, place.id, level)
            if level > 1 and not rotas:
                continue
            people = people_of(registry, place.id, (f"duty:{level}",), at_ms)
            holes = gaps(rotas, at_ms, at_ms + AHEAD_MS) if rotas else []
            why = (
                "rota " + ", ".join(r.id for r in rotas)
                if rotas
                else "no rota: all of on-call and technician"
            )
            rows.append(
                {
                    "site": place.id,
                    "level": level,
                    "people": [{"id": p.id, "name": p.name, "phone": p.phone} for p in people],
                    "why": why,
                    "gap": rfc3339(holes[0][0]) if holes else None,
                }
            )
    return rows
