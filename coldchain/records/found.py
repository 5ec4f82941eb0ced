# SPDX-License-Identifier: Apache-2.0
"""What alarms turned out to be, how fast people answered, and temperatures that people read by hand.

A finding is never changed: a newer one of the same alarm counts instead of it, and both stay.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from coldchain.records.site import SiteReader

TRUE, NUISANCE, MISSED = "true", "nuisance", "missed"
VERDICTS = (TRUE, NUISANCE, MISSED)
"""Somebody had to act; nobody had to; somebody had to, and was told too late or not at all."""
CAUSES = (
    "door", "mains_cut", "compressor", "refrigerant_loss", "defrost", "warm_load", "setting_change",
    "sensor_fault", "link", "people", "limits", "other", "unknown",
)  # fmt: skip
"""What somebody may find: the likeliest causes that the engine names, and what only people know."""
NOT_OURS = ("drill",)
"""Kinds that are raised on purpose: they say nothing of how good the alarms are."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What an alarm turned out to be, as `person` marked it; cause: one of CAUSES or empty."""

    id: int
    alarm: str
    verdict: str
    cause: str
    person: str
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class ByHand:
    """A thermometer read by somebody; value in thousandths. It is shown apart and never judged."""

    id: int
    appliance: str
    at_ms: int
    value: int
    person: str
    how: str
    written_ms: int
    withdrawn: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One alarm for the statistics. answered_ms: its first acknowledgement; verdict empty: not marked yet."""

    site: str
    appliance: str
    kind: str
    severity: str
    raised_ms: int
    answered_ms: int | None
    verdict: str
    cause: str
    number: int = 0

    @property
    def took_ms(self) -> int | None:
        """From raised to acknowledged; never below 0, whatever two clocks say."""
        return None if self.answered_ms is None else max(0, self.answered_ms - self.raised_ms)


@dataclass(frozen=True, slots=True)
class Quality:
    """Of alarms in a span. median_ms, p90_ms: from raised to acknowledged, None where none was answered."""

    alarms: int = 0
    true: int = 0
    nuisance: int = 0
    missed: int = 0
    answered: int = 0
    median_ms: int | None = None
    p90_ms: int | None = None

    @property
    def marked(self) -> int:
        return self.true + self.nuisance + self.missed

    @property
    def precision(self) -> float | None:
        """Of those that called people, the part that had to: true / (true + nuisance)."""
        called = self.true + self.nuisance
        return self.true / called if called else None


def quality_of(outcomes: list[Outcome]) -> Quality:
    """The figures of some alarms.

    >>> def alarm(verdict, took):
    ...     return Outcome("vte", "br", "high", "critical", 0, took, verdict, "")
    >>> found = quality_of([alarm("true", 60), alarm("nuisance", 120), alarm("", 180), alarm("missed", None)])
    >>> found.precision, found.missed, found.median_ms, found.p90_ms
    (0.5, 1, 120, 180)
    """
    took = sorted(one.took_ms for one in outcomes if one.took_ms is not None)
    counts = {verdict: sum(one.verdict == verdict for one in outcomes) for verdict in VERDICTS}
    return Quality(
        len(outcomes), counts[TRUE], counts[NUISANCE], counts[MISSED], len(took),
        nearest(took, 0.5), nearest(took, 0.9),
    )  # fmt: skip


def nearest(ordered: list[int], part: float) -> int | None:
    """The percentile by nearest rank: a span that really was, not one between two.

    >>> nearest([1, 2, 3, 4], 0.5), nearest([1, 2, 3, 4], 0.9), nearest([], 0.5)
    (2, 4, None)
    """
    if not ordered:
        return None
    rank = -(-round(part * 1000) * len(ordered) // 1000)
    return ordered[max(0, rank - 1)]


def by_site(outcomes: list[Outcome]) -> dict[str, list[Outcome]]:
    found: dict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        found[one.site].append(one)
    return dict(found)


class FoundReader(SiteReader):
    """`alarms.db`, with what people found and read by hand."""

    def findings(self, alarm: str) -> list[Finding]:
        """Of the alarm with that id, newest first: the first one counts."""
        return self._all(Finding, "SELECT * FROM finding WHERE alarm = ? ORDER BY id DESC", (alarm,))

    def began(self, alarm: str) -> int | None:
        """When the first excursion of the alarm with that id began [ms]; None: it is about none."""
        found = self._rows("SELECT min(started_ms) FROM excursion WHERE alarm = ?", (alarm,))
        return found[0][0] if found else None

    def outcomes(self, start_ms: int, end_ms: int, as_of_ms: int = 2**62) -> list[Outcome]:
        """Alarms first raised in start..end, oldest first, as known at as_of_ms; drills are left out.

        Known since somebody was told of it; what was raised again counts from its first time.
        """
        first = "(SELECT min(at_ms) FROM alarm_event WHERE alarm = a.id AND event = 'raised')"
        sql = (
            "SELECT * FROM (SELECT a.site, a.appliance, a.kind, a.severity,"  # noqa: S608 -- fixed words
            f" min(a.raised_ms, coalesce({first}, a.raised_ms)) AS first_ms,"
            " (SELECT min(e.at_ms) FROM alarm_event e WHERE e.alarm = a.id AND e.event = 'acknowledged'"
            "  AND e.at_ms <= ?3), coalesce(f.verdict, ''), coalesce(f.cause, ''), a.number"
            " FROM alarm a LEFT JOIN finding f ON f.id ="
            " (SELECT max(g.id) FROM finding g WHERE g.alarm = a.id AND g.at_ms <= ?3)"
            " WHERE a.raised_ms >= ?1 AND a.kind <> 'drill' AND"
            " coalesce((SELECT min(created_ms) FROM notice n WHERE n.alarm = a.id), a.raised_ms) <= ?3)"
            " WHERE first_ms >= ?1 AND first_ms < ?2 ORDER BY first_ms, number"
        )
        return self._all(Outcome, sql, (start_ms, end_ms, as_of_ms))

    def out_of_limits(self, start_ms: int, end_ms: int) -> dict[str, tuple[int, int]]:
        """appliance -> (excursions high and low that touch start..end, their time in it [ms])."""
        sql = (
            "SELECT appliance, count(*), sum(min(coalesce(ended_ms, ?2), ?2) - max(started_ms, ?1))"
            " FROM excursion WHERE kind IN ('high', 'low') AND started_ms < ?2"
            " AND coalesce(ended_ms, ?2) > ?1 GROUP BY appliance"
        )
        return {name: (n, ms) for name, n, ms in self._rows(sql, (start_ms, end_ms))}

    def messages(self, start_ms: int, end_ms: int) -> dict[tuple[str, str], int]:
        """(site, channel) -> messages that left in start..end."""
        sql = "SELECT site, channel, count(*) FROM notice WHERE sent_ms >= ? AND sent_ms < ? GROUP BY 1, 2"
        return {(site, channel): n for site, channel, n in self._rows(sql, (start_ms, end_ms))}

    def one_by_hand(self, id_: int) -> ByHand | None:
        """The one with that id, taken back or not."""
        found = self._all(ByHand, "SELECT * FROM by_hand WHERE id = ?", (id_,))
        return found[0] if found else None

    def by_hand(self, appliances: list[str], start_ms: int, end_ms: int) -> list[ByHand]:
        """Read in start..end, oldest first, without those that were taken back."""
        if not appliances:
            return []
        marks = ",".join("?" * len(appliances))
        sql = (
            f"SELECT * FROM by_hand h WHERE appliance IN ({marks}) AND at_ms >= ? AND at_ms < ?"  # noqa: S608
            " AND withdrawn IS NULL AND NOT EXISTS (SELECT 1 FROM by_hand w WHERE w.withdrawn = h.id)"
            " ORDER BY at_ms, id"
        )
        return self._all(ByHand, sql, (*appliances, start_ms, end_ms))
