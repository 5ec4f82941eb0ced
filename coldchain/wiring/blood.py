# SPDX-License-Identifier: Apache-2.0
"""What the console's pages about blood need of other rooms: stays are judged, and reports set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coldchain.kernel.errors import BadData
from coldchain.kernel.stays import Leg, Stay
from coldchain.ports.clock import wall_ms
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Registry
from coldchain.settings import Settings
from dashboards.console.blood.tools import Tools


def console_tools(settings: Settings) -> Tools:
    """For `create_app`."""

    def legs(registry: Registry, stays: Sequence[Stay], carries: str, as_of_ms: int) -> list[Leg]:
        from coldchain.wiring.stays import legs_of

        journal = JournalReader(settings.readings_db)
        try:
            return legs_of(journal, registry, stays, carries, as_of_ms)
        finally:
            journal.close()

    def paper(kind: str, of: Mapping[str, str], language: str, as_of_ms: int) -> bytes:
        from coldchain.wiring.report.again import Wanted, made_pdf, put

        pdf, filed = made_pdf(settings, Wanted(kind, _subject(kind, of), language, as_of_ms), as_of_ms)
        put(settings, filed, wall_ms)
        return pdf

    return Tools(legs, paper)


def _subject(kind: str, of: Mapping[str, str]) -> str:
    """As `report.again` reads it back: what a file says of itself."""
    names = {"bags": ("alarm", "rule"), "trip": ("trip",), "day": ("day", "site"), "month": ("month", "site")}
    if kind not in names:
        raise BadData(f"there is no report {kind!r}")
    return "/".join(part for name in names[kind] if (part := of.get(name, "")))
