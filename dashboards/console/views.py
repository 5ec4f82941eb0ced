# SPDX-License-Identifier: Apache-2.0
"""The fleet as one page shows it, worst first. Pure: registry, last readings, alarms and now in, rows out.

An appliance's word comes from its open alarms first; where no alarm speaks (yet), from its last readings,
so that silence shows even when the alarm engine is down. A value that is too old is never shown as if it
were now.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Protocol

from coldchain.kernel.words import NO_VALUE, Health, Quantity
from coldchain.records.alarms import PUT_ASIDE, Alarm
from coldchain.records.consignments import BOXES
from coldchain.records.registry import Appliance, Registry, Sensor
from coldchain.settings.profile_files import PROFILES
from dashboards.console.times import clock
from dashboards.console.values import later_c, limits_text, number_c
from dashboards.console.words import Coded, Joined, Text, said, t, word

ORDER = tuple(Health)
"""Worst first, as the kernel lists them."""
FUTURE_MS = 120_000
LOST_PROBE = -127_000
"""What common digital probes give when their bus does not answer [thousandths of °C]: never a temperature."""


class LastReading(Protocol):
    """The newest reading of a sensor: instant [ms], value [thousandths], status, arrival [ms]."""

    @property
    def at_ms(self) -> int: ...
    @property
    def value(self) -> int: ...
    @property
    def status(self) -> int: ...
    @property
    def arrived_ms(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Limit:
    """What is judged at one moment: set-points in thousandths of °C (None: no bound), and what is carried."""

    low: int | None
    high: int | None
    carries: str | None

    @property
    def text(self) -> str:
        if self.low is None and self.high is None and self.carries in ("loading", "empty"):
            return t(f"limits.{self.carries}")
        return limits_text(self.low, self.high)


@dataclass(frozen=True, slots=True)
class Row:
    """One appliance on the fleet page.

    value    last value in thousandths of °C, None when it is not known now
    reason   one line: why it is in this state
    at_ms    instant of the newest reading of its main sensor, None before the first
    sensor   the sensor that the value and the sparkline are of
    marks    what is said beside its state: `alarms.marks`
    limit_ms when it passes its limit on its present course, None: not on its way, or not known
    blind_ms the worst case of one that is not heard: when its limit would be passed
    """

    id: str
    name: str
    kind: str
    site: str
    site_name: str
    province: str
    state: Health
    reason: Text
    at_ms: int | None
    limit: Limit
    sensor: str | None
    alarms: tuple[str, ...]
    rank: tuple[float, float, str]
    beyond: bool = False
    value: int | None = None
    marks: tuple[Text, ...] = ()
    limit_ms: int | None = None
    blind_ms: int | None = None

    @property
    def number(self) -> str:
        """The value without unit as the reader's language writes it, or "" when it is not known now."""
        return "" if self.value is None else number_c(self.value, self.limit.low, self.limit.high)

    @property
    def place(self) -> str:
        """The site, and its province where the site's name does not tell it."""
        told = not self.province or self.province.split()[0].lower() in self.site_name.lower()
        return self.site_name if told else f"{self.site_name}, {self.province}"

    @property
    def find(self) -> str:
        """What the search looks in, lower case."""
        return f"{self.name} {self.id} {self.site_name} {self.find_unseen}".lower()

    @property
    def find_unseen(self) -> str:
        """What the search looks in besides the name, id and place that the row shows, lower case."""
        return " ".join((self.province, word("appliance", self.kind), self.state)).lower()


@dataclass(frozen=True, slots=True)
class Fleet:
    """All rows, worst first, and how many are in each state; the counts sum to the fleet."""

    rows: tuple[Row, ...]
    counts: Mapping[Health, int]
    now_ms: int
    newest_ms: int | None = None

    def group(self, state: Health) -> list[Row]:
        return [row for row in self.rows if row.state is state]


def failed(last: LastReading) -> bool:
    """Is it no temperature at all?"""
    return last.status != 0 or last.value in (NO_VALUE, LOST_PROBE)


def main_sensor(sensors: Iterable[Sensor]) -> Sensor | None:
    """The one that is judged: the load probe, or the only temperature there is; else the first one."""
    temperatures = [s for s in sensors if s.quantity == "temperature"]
    loads = [s for s in temperatures if s.probe == "load"]
    return next(iter(loads or temperatures), None)


def limit_of(carries: str | None) -> Limit:
    """The set-points of a profile's name; none for `loading`, `empty` and an unknown name."""
    profile = PROFILES.get(carries or "")
    if profile is None:
        return Limit(None, None, carries)
    low, high = profile.low_c, profile.high_c
    return Limit(
        None if low is None else round(low * 1000), None if high is None else round(high * 1000), carries
    )


def silent_after_ms(sensor: Sensor, silent_after: int) -> int:
    """A sensor is silent after two of its intervals, and never sooner than the setting [ms]."""
    return max(silent_after, 2 * sensor.every_s * 1000)


@dataclass(frozen=True, slots=True)
class Judge:
    """What all rows of one look share."""

    now_ms: int
    zone: tzinfo
    silent_after_ms: int

    def at(self, at_ms: int) -> str:
        return clock(at_ms, self.now_ms, self.zone)


def fleet_view(
    registry: Registry,
    latest: Mapping[str, LastReading],
    alarms: Sequence[Alarm],
    *,
    now_ms: int,
    zone: tzinfo,
    silent_after: int,
) -> Fleet:
    """Every appliance of the registry once, worst first. `silent_after` in ms."""
    judge = Judge(now_ms, zone, silent_after)
    sensors: dict[str, list[Sensor]] = defaultdict(list)
    for sensor in registry.sensors:
        if sensor.appliance is not None:
            sensors[sensor.appliance].append(sensor)
    # A gateway's alarm marks no appliance: each of them says itself that it is silent, and since when.
    of_appliance: dict[str, list[Alarm]] = defaultdict(list)
    for alarm in alarms:
        if alarm.scope == "appliance":
            of_appliance[alarm.appliance].append(alarm)
    rows = [
        _row(registry, one, sensors[one.id], latest, of_appliance[one.id], judge)
        for one in registry.appliances
    ]
    rows.sort(key=lambda row: (ORDER.index(row.state), row.rank))
    counted = Counter(row.state for row in rows)
    newest = max((reading.at_ms for reading in latest.values() if reading.at_ms <= now_ms), default=None)
    return Fleet(tuple(rows), {state: counted[state] for state in ORDER}, now_ms, newest)


def _row(
    registry: Registry,
    appliance: Appliance,
    sensors: list[Sensor],
    latest: Mapping[str, LastReading],
    alarms: list[Alarm],
    judge: Judge,
) -> Row:
    main = main_sensor(sensors)
    last = latest.get(main.id) if main is not None else None
    limit = limit_of(appliance.carries(judge.now_ms))
    state, reason, rank = _verdict(main, last, limit, sensors, latest, alarms, judge, appliance.kind in BOXES)
    site = registry.site_by_id[appliance.site]
    # A step to 85.0 °C looks like a temperature: that it is none, the alarm engine knows.
    doubted = any(a.kind == "sensor_fault" and a.standing and main and a.sensor == main.id for a in alarms)
    known = last is not None and state is not Health.SILENT and not failed(last) and not doubted
    return Row(
        id=appliance.id,
        name=appliance.name,
        kind=appliance.kind,
        site=site.id,
        site_name=site.name,
        province=site.province,
        state=state,
        reason=reason,
        at_ms=last.at_ms if last is not None else None,
        limit=limit,
        sensor=main.id if main is not None else None,
        alarms=tuple(alarm.id for alarm in alarms),
        rank=(*rank, f"{site.name} {appliance.name}"),
        beyond=last is not None and beyond(last, limit) != 0,
        value=last.value if last is not None and known else None,
    )


def beyond(last: LastReading, limit: Limit) -> int:
    """How far outside the set-points [thousandths]: positive above, negative below, 0 inside or not known."""
    if failed(last):
        return 0
    if limit.high is not None and last.value > limit.high:
        return last.value - limit.high
    if limit.low is not None and last.value < limit.low:
        return last.value - limit.low
    return 0


Verdict = tuple[Health, Text, tuple[float, float]]
"""State, reason, rank inside the state (smaller is worse)."""


def _verdict(
    main: Sensor | None,
    last: LastReading | None,
    limit: Limit,
    sensors: list[Sensor],
    latest: Mapping[str, LastReading],
    alarms: list[Alarm],
    judge: Judge,
    travels: bool,  # noqa: FBT001 -- one caller
) -> Verdict:
    spoken = _by_alarms(alarms, main, last, limit, judge)
    quiet = _by_silence(main, last, limit, judge)
    if spoken is not None and spoken[0] is Health.ALARM:
        # Warm and then silent: still an alarm, and it says that the value is old.
        return (spoken[0], Joined((spoken[1], quiet[1]), "; "), spoken[2]) if quiet is not None else spoken
    if quiet is not None:
        return quiet
    return spoken or _by_readings(last, limit, sensors, latest, judge, travels)


def _by_alarms(
    alarms: list[Alarm], main: Sensor | None, last: LastReading | None, limit: Limit, judge: Judge
) -> Verdict | None:
    """The worst open alarm speaks."""
    found: list[Verdict] = []
    for alarm in alarms:
        since = judge.at(alarm.since_ms)
        of_main = main is not None and alarm.sensor in ("", main.id)
        if alarm.kind == "silence" and alarm.standing and of_main and last is not None:
            found.append((Health.SILENT, _was(last, limit, judge), (beyond(last, limit) == 0, last.at_ms)))
            continue
        if alarm.state in ("returned", "disposition_due") or alarm.returned_ms is not None:
            key = "why.disposition" if alarm.state == "disposition_due" else "why.returned"
            text = said(key, kind=Coded("kind", alarm.kind), since=since)
            found.append((Health.WARNING, text, (0, alarm.since_ms)))
            continue
        parts: list[Text] = [_condition(alarm, since)]
        peak = _peak(alarm, last)
        if peak is not None:
            parts.append(said("why.peak", peak=later_c(peak, limit.low, limit.high)))
        if alarm.state == "acknowledged":
            parts.append(said("why.acknowledged"))
        if alarm.state in PUT_ASIDE:
            parts.append(Coded("alarm", alarm.state))
        state = Health.ALARM if alarm.severity == "critical" else Health.WARNING
        depth = abs(beyond(last, limit)) if last is not None else 0
        found.append((state, Joined(tuple(parts)), (alarm.state == "acknowledged", -depth)))
    return min(found, key=lambda verdict: (ORDER.index(verdict[0]), verdict[2]), default=None)


def _peak(alarm: Alarm, last: LastReading | None) -> int | None:
    """The worst value so far: alerts' word, or the newest reading where it is worse already."""
    if alarm.peak is None or alarm.kind not in ("high", "low"):
        return None
    if last is None or failed(last):
        return alarm.peak
    return max(alarm.peak, last.value) if alarm.kind == "high" else min(alarm.peak, last.value)


def _condition(alarm: Alarm, since: str) -> Text:
    if alarm.kind in ("high", "low") and alarm.limit_value is not None:
        return said(f"why.{alarm.kind}", limit=later_c(alarm.limit_value), since=since)
    return said("why.alarm", kind=Coded("kind", alarm.kind), since=since)


def _was(last: LastReading, limit: Limit, judge: Judge) -> Text:
    at = judge.at(min(last.at_ms, last.arrived_ms))
    if failed(last):
        return said("why.unknown_failed", at=at)
    return said("why.unknown_was", value=later_c(last.value, limit.low, limit.high), at=at)


def _by_silence(main: Sensor | None, last: LastReading | None, limit: Limit, judge: Judge) -> Verdict | None:
    if main is None or last is None:
        return None
    # A reading from the future is as old as its arrival.
    heard_ms = min(last.at_ms, last.arrived_ms) if last.at_ms > judge.now_ms else last.at_ms
    if judge.now_ms - heard_ms <= silent_after_ms(main, judge.silent_after_ms):
        return None
    return Health.SILENT, _was(last, limit, judge), (beyond(last, limit) == 0, heard_ms)


def _by_readings(
    last: LastReading | None,
    limit: Limit,
    sensors: list[Sensor],
    latest: Mapping[str, LastReading],
    judge: Judge,
    travels: bool,  # noqa: FBT001 -- one caller
) -> Verdict:
    if last is None:
        seen = any(sensor.id in latest for sensor in sensors)
        text = said("why.never") if sensors else said("why.no_sensor")
        return (Health.WARNING if seen else Health.WAITING), text, (1, 0)
    if failed(last):
        return Health.WARNING, said("why.probe", status=Coded("status", str(last.status))), (0, last.at_ms)
    outside = beyond(last, limit)
    if outside:
        bound = limit.high if outside > 0 else limit.low
        assert bound is not None
        key = "why.above_now" if outside > 0 else "why.below_now"
        return Health.WARNING, said(key, limit=later_c(bound)), (0, -abs(outside))
    notes: list[Text] = [
        text for quantity, bad, text in NOTES if _says(sensors, latest, quantity, bad, judge)
    ]
    if said("why.mains") in notes and not travels:
        return Health.WARNING, Joined(tuple(notes)), (1, 0)
    if last.at_ms - judge.now_ms > FUTURE_MS:
        notes.append(said("why.future"))
    if limit.carries is None:
        notes.append(said("why.no_profile"))
    return Health.OK, Joined(tuple(notes)), (0, 0)


NOTES = ((Quantity.MAINS, 0, said("why.mains")), (Quantity.DOOR, 1000, said("why.door")))


def _says(
    sensors: list[Sensor], latest: Mapping[str, LastReading], quantity: Quantity, value: int, judge: Judge
) -> bool:
    """Does a sensor of that quantity say that value, recently enough to believe it?"""
    for sensor in sensors:
        last = latest.get(sensor.id) if sensor.quantity == quantity.word else None
        if last is None or last.status != 0:
            continue
        fresh = judge.now_ms - last.at_ms <= silent_after_ms(sensor, judge.silent_after_ms)
        if fresh and last.value == value:
            return True
    return False
