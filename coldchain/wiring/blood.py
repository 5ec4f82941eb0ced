# SPDX-License-Identifier: Apache-2.0
"""What the console's pages about blood need of other rooms: stays are judged, and reports set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coldchain.kernel.errors import BadData
from coldchain.kernel.stays import Leg, Stay
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Registry
from coldchain.settings import Settings
from dashboards.console.blood.tools import Tools
from dashboards.reports.document import Document


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
        from dashboards.reports.typeset import pdf_of

        return pdf_of(_document(settings, kind, of, language, as_of_ms))

    return Tools(legs, paper)


def _document(settings: Settings, kind: str, of: Mapping[str, str], language: str, as_of_ms: int) -> Document:
    from coldchain.wiring.report import blood, review

    if kind == "bags":
        return blood.bag_sheet(settings, int(of["alarm"]), language, as_of_ms, of.get("rule", ""))
    if kind == "trip":
        return blood.trip_sheet(settings, of["trip"], language, as_of_ms)
    if kind == "day":
        return review.day_sheet(settings, of["site"], of["day"], language, as_of_ms, _quiet)
    if kind == "month":
        return review.month_review(settings, of["month"], of.get("site"), language, as_of_ms, _quiet)
    raise BadData(f"there is no report {kind!r}")


def _quiet(_done: int, _of: int) -> None:
    """Nobody watches how far it is."""
