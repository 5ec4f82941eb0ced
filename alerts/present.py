# SPDX-License-Identifier: Apache-2.0
"""What is known at this moment: newest values, time left, who reads what language."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from alerts.judgement.state import Table
from alerts.rules.limits import NEVER
from coldchain.kernel.words import NO_VALUE
from coldchain.records.registry import RegistryReader

STALE_MS = 900_000
"""A forecast older than three of its slots says nothing of now."""


class Present:
    """Looks through the service's own eyes: `table` and `series` give what it holds now."""

    def __init__(
        self, table: Callable[[], Table], series: Callable[[], Mapping[str, int]], registry: RegistryReader
    ) -> None:
        self._table, self._series, self._registry = table, series, registry

    def newest(self, sensor: str) -> tuple[int, int] | None:
        """(value in thousandths, instant) of its newest reading; None where that has no value."""
        series, table = self._series().get(sensor), self._table()
        if series is None or series >= len(table) or table["value"][series] == NO_VALUE:
            return None
        return int(table["value"][series]), int(table["at"][series])

    def last_heard(self, sensor: str) -> int:
        """The instant of its newest live reading [ms], judged or not; NEVER: none."""
        series, table = self._series().get(sensor), self._table()
        return NEVER if series is None or series >= len(table) else int(table["live_at"][series])

    def left(self, sensor: str, at_ms: int) -> int | None:
        """Until its limit on the present course [ms], at least 0; None: not on its way, or not known."""
        series, table = self._series().get(sensor), self._table()
        if series is None or series >= len(table) or table["limit_at"][series] == NEVER:
            return None
        if at_ms - 1000 * float(table["slot_at"][series]) > STALE_MS:
            return None
        return max(0, int(table["limit_at"][series]) - at_ms)

    def persona(self, person: str, site: str) -> tuple[str, str]:
        """(their language, the site's name)"""
        registry = self._registry.registry
        somebody, place = registry.person_by_id.get(person), registry.site_by_id.get(site)
        return somebody.language if somebody else "en", place.name if place else site
