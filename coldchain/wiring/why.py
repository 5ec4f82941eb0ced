# SPDX-License-Identifier: Apache-2.0
"""Why an alarm rang: its readings, its rule, the arithmetic; judged again, with a hash that repeats.

And what another profile would have done with the same record.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coldchain.files import FileColumns, read_columns
from coldchain.kernel.errors import BadData
from coldchain.kernel.instants import rfc3339
from coldchain.kernel.limits import Profile
from coldchain.kernel.words import Quantity, Status
from coldchain.records.alarms import Alarm, AlarmsReader
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Registry, RegistryReader
from coldchain.settings import Settings
from coldchain.settings.profile_files import PROFILES

if TYPE_CHECKING:
    from alerts.rules.terms import RuleTable

FOREVER_MS = 2**53
DAY_MS = 86_400_000
ENDLESS = 2**39
"""So far out there is no limit [thousandths]."""
FROM_ITS_RUN = frozenset({"high", "low", "high_warning", "low_warning", "sensor_fault", "agitator"})
"""Rules that need nothing from before the run that raised the alarm."""
LOOKED_BACK_MS = 8 * DAY_MS
"""The others are judged again from so long before it [ms]."""
COMPARED = frozenset({"high", "low", "high_warning", "low_warning", "rate", "forecast", "cumulative"})
"""Rules that a profile's numbers decide."""


@dataclass(frozen=True, slots=True)
class Why:
    """readings: (instant, thousandths or None when failed), from the run's first to the one that raised it.

    judged_again  the instant at which the rules raise it over these readings today; None: they do not
    hash          of rule, terms, readings and verdict: the same as long as none of them changes
    """

    alarm: int
    rule: str
    profile: str | None
    registry_version: int
    arithmetic: list[str]
    readings: list[tuple[int, int | None]]
    judged_again: int | None
    hash: str

    @property
    def told(self) -> dict[str, Any]:
        return asdict(self)


def why(settings: Settings, number: int) -> Why:
    """BadData when there is no such alarm."""
    reader = AlarmsReader(settings.alarms_db)
    alarm = reader.alarm(number)
    if alarm is None:
        raise BadData(f"there is no alarm {number}; see `coldchain alarm list --all`")
    registries = RegistryReader(settings.desk_db)
    registry = registries.of(alarm.registry_version)
    if registry is None:
        raise BadData(
            f"alarm {number} was judged under registry version {alarm.registry_version}: it is gone"
        )
    sensor = alarm.sensor
    back_ms = 0 if _rule(alarm) in FROM_ITS_RUN and not _learns(registry, sensor) else LOOKED_BACK_MS
    rows = JournalReader(settings.readings_db).readings(sensor, alarm.since_ms - back_ms, alarm.raised_ms + 1)
    before = rows[rows["at_ms"] < alarm.since_ms]
    readings = [
        (int(row["at_ms"]), int(row["value"]) if row["status"] == Status.OK else None)
        for row in rows[len(before) :]
    ]
    again, terms = _again(settings, alarm, registry, rows)
    arithmetic = _silence(settings, alarm, registry) if alarm.kind == "silence" else _run(alarm, terms, again)
    body = {
        "rule": alarm.rule,
        "profile": alarm.profile,
        "registry": registry.digest(),
        "terms": terms,
        "readings": readings,
        "before": [len(before), zlib.crc32(before.tobytes())] if len(before) else [],
        "verdict": again,
        "kind": alarm.kind,
        "sensor": sensor,
    }
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return Why(number, alarm.rule, alarm.profile, alarm.registry_version, arithmetic, readings, again, digest)


def _learns(registry: Registry, sensor: str) -> bool:
    """Does it matter to its limits what was learnt of it before? Of a load it does not."""
    from alerts.rules.table import parts_of
    from alerts.rules.terms import Part

    return parts_of(registry).get(sensor) not in {Part.LOAD, Part.AGITATOR}


def _again(
    settings: Settings, alarm: Alarm, registry: Registry, rows: Any
) -> tuple[int | None, dict[str, int]]:
    """When today's rules raise it over its readings, and the terms that they use."""
    from alerts.judgement.engine import What, rejudge
    from alerts.rules import NUMBER_OF
    from alerts.rules.flat import block_of
    from alerts.rules.table import build_table

    rule = _rule(alarm)
    if rule not in NUMBER_OF or not len(rows):
        return None, {}
    sensor = registry.sensor_by_id.get(alarm.sensor)
    quantity = sensor.code if sensor else Quantity.TEMPERATURE
    fault_after_ms = round(1000 * settings.alerts.silent_after.total_seconds())
    rules = build_table(registry, {0: (alarm.sensor, quantity)}, fault_after_ms=fault_after_ms)
    rows = rows.copy()
    rows["series"] = 0
    _, events = rejudge(block_of(rows, FOREVER_MS), rules)
    mine = (events["what"] == What.RAISED) & (events["kind"] == NUMBER_OF[rule])
    mine &= events["at"] >= alarm.since_ms
    raised = events["at"][mine]
    return (int(raised[0]) if len(raised) else None), _terms(rules, alarm, fault_after_ms)


def _rule(alarm: Alarm) -> str:
    """Its rule without the version."""
    return alarm.rule.partition("@")[0]


def _terms(rules: RuleTable, alarm: Alarm, fault_after_ms: int) -> dict[str, int]:
    from alerts.rules.terms import Part

    rule = _rule(alarm)
    if rule == "sensor_fault":
        return {"delay_ms": fault_after_ms}
    t = rules.terms_at(np.zeros(1, np.int64), np.array([alarm.since_ms]))
    if int(t.part[0]) == Part.AIR_ALONE and rule in {"high", "low"}:
        points = (t.high, t.high_back) if rule == "high" else (t.low, t.low_back)
        return {"limit": int(points[0][0]), "back": int(points[1][0]), "lag_s": round(rules.tau_s[0])}
    if rule == "agitator":
        return {"delay_ms": int(t.stopped_ms[0])}
    if rule == "cumulative":
        return {"budget_s": int(t.budget_s[0]), "low": int(t.limit_low[0]), "high": int(t.limit_high[0])}
    if rule == "rate":
        return {"rate": int(t.rate[0])}
    if rule == "forecast":
        return {"need_ms": int(t.need_ms[0]), "low": int(t.limit_low[0]), "high": int(t.limit_high[0])}
    if rule.endswith("_warning"):
        points = (t.warn_high, t.warn_high_back) if alarm.kind == "high" else (t.warn_low, t.warn_low_back)
        delay_ms = t.warn_delay_ms
    else:
        points = (t.high, t.high_back) if alarm.kind == "high" else (t.low, t.low_back)
        delay_ms = t.delay_ms
    return {"limit": int(points[0][0]), "back": int(points[1][0]), "delay_ms": int(delay_ms[0])}


def _run(alarm: Alarm, terms: dict[str, int], again: int | None) -> list[str]:
    lines = _sentence(alarm, terms)
    if "limit" in terms:
        beyond = ">" if alarm.kind == "high" else "<"
        lines.append(f"a reading is {alarm.kind} when celsius {beyond} {terms['limit'] / 1000:.3f}")
        inside = "<=" if alarm.kind == "high" else ">="
        lines.append(f"it is over with the first reading {inside} {terms['back'] / 1000:.3f}")
    lines.append(f"the run began at {rfc3339(alarm.since_ms)}")
    if "delay_ms" in terms:
        lasted_s, delay_s = (alarm.raised_ms - alarm.since_ms) / 1000, terms["delay_ms"] / 1000
        ripe = ">=" if lasted_s >= delay_s else "<"
        lines.append(
            f"at {rfc3339(alarm.raised_ms)} it had lasted {lasted_s:g} s {ripe} {delay_s:g} s, the on-delay"
        )
    if again is None:
        lines.append("judged again: these readings raise nothing today (late readings have changed the run)")
    elif again == alarm.raised_ms:
        lines.append(f"judged again: raised at {rfc3339(again)}, the same")
    else:
        lines.append(f"judged again: raised at {rfc3339(again)}; the first live reading told it later")
    return lines


def _sentence(alarm: Alarm, terms: dict[str, int]) -> list[str]:
    """What a rule that knows no single set-point asks."""
    bounds = _bounds(terms)
    if "budget_s" in terms:
        return [f"seconds outside {bounds} in this hour and the 24 before > {terms['budget_s']}"]
    if "need_ms" in terms:
        need_s = terms["need_ms"] / 1000
        return [f"of three means of five minutes each foresaw less than {need_s:g} s inside {bounds}"]
    if "rate" in terms:
        return [f"two steps of five minutes of at least {terms['rate'] / 1000:g} K/min towards a limit"]
    if "lag_s" in terms:
        return [f"celsius is here the load reckoned from this air, which it follows in {terms['lag_s']} s"]
    return ["the agitator stood still"] if _rule(alarm) == "agitator" else []


def _bounds(terms: dict[str, int]) -> str:
    """The range in words; frozen blood has no lower end.

    >>> _bounds({"low": 2000, "high": 6000}), _bounds({"low": -(2**40), "high": -25000})
    ('2 to 6 °C', 'up to -25 °C')
    """
    low, high = (terms.get(side, 0) / 1000 for side in ("low", "high"))
    if abs(terms.get("low", 0)) >= ENDLESS:
        return f"up to {high:g} °C"
    return f"from {low:g} °C" if abs(terms.get("high", 0)) >= ENDLESS else f"{low:g} to {high:g} °C"


def _silence(settings: Settings, alarm: Alarm, registry: Registry) -> list[str]:
    sensor = registry.sensor_by_id.get(alarm.sensor)
    every_s = sensor.every_s if sensor else 0
    least_s = settings.alerts.silent_after.total_seconds()
    return [
        f"the last reading was at {rfc3339(alarm.since_ms)}; one is due every {every_s} s",
        f"silent after max(2 x {every_s} s, {least_s:g} s) = {max(2 * every_s, least_s):g} s",
        f"seen at {rfc3339(alarm.raised_ms)}, {(alarm.raised_ms - alarm.since_ms) / 1000:g} s later",
    ]


@dataclass(frozen=True, slots=True)
class Change:
    """One alarm under both profiles, by its rule. minutes: later under the other; None: only one has it."""

    sensor: str
    kind: str
    at: str
    change: str
    minutes: float | None


def what_if(
    settings: Settings | None, files: list[Path], profile: str, against: str, days: float, now_ms: int
) -> list[Change]:
    """Alarms that `against` would gain, lose or move, on files or on the last days of the record."""
    from alerts.judgement.recording import recording_of
    from alerts.judgement.verdicts import judge_profile

    for name in (profile, against):
        if name not in PROFILES:
            raise BadData(f"no profile {name!r}; there are: {', '.join(sorted(PROFILES))}")
    if settings is not None and not files:
        columns = _of_record(settings, profile, now_ms - round(days * DAY_MS), now_ms)
    else:
        columns = [read_columns(path, as_written=True) for path in files]
    if not columns:
        raise BadData(f"nothing to judge: no appliance carried {profile} with readings in {days:g} days")
    recording = recording_of(columns, by_value=True)

    def episodes(of: Profile) -> list[tuple[str, str, str, str]]:
        found: list[tuple[str, str, str, str]] = []
        standing: dict[tuple[str, str], tuple[str, str, str]] = {}
        for told in judge_profile(recording, of):
            rule = told.get("rule", "").partition("@")[0]
            key = (told["sensor"], rule)
            if rule not in COMPARED:
                continue
            if told["event"] == "alarm.raised":
                standing[key] = (*key, told["at"])
            elif told["event"] == "alarm.returned" and key in standing:
                found.append((*standing.pop(key), told["at"]))
        return found + [(*one, "9999") for one in standing.values()]

    return _changes(episodes(PROFILES[profile]), episodes(PROFILES[against]))


def _changes(before: list[tuple[str, str, str, str]], after: list[tuple[str, str, str, str]]) -> list[Change]:
    """Alarms of one kind of one sensor that overlap are the same; each is matched once."""
    from coldchain.kernel.instants import parse_instant

    found, free = [], list(after)
    for sensor, kind, raised, returned in before:
        heir = next(
            (o for o in free if o[:2] == (sensor, kind) and o[2] <= returned and raised <= o[3]), None
        )
        if heir is None:
            found.append(Change(sensor, kind, raised, "lost", None))
            continue
        free.remove(heir)
        minutes = (parse_instant(heir[2]) - parse_instant(raised)) / 60_000
        change = "same" if minutes == 0 else "later" if minutes > 0 else "earlier"
        found.append(Change(sensor, kind, raised, change, minutes))
    found += [Change(sensor, kind, raised, "gained", None) for sensor, kind, raised, _ in free]
    return sorted(found, key=lambda c: (c.at, c.sensor, c.kind))


def _of_record(settings: Settings, profile: str, start_ms: int, end_ms: int) -> list[FileColumns]:
    """Temperatures that are judged, of appliances that carry the profile now."""
    from alerts.rules.table import judging_sensors

    registries = RegistryReader(settings.desk_db)
    registries.refresh()
    registry, journal = registries.registry, JournalReader(settings.readings_db)
    found = []
    for name in sorted(judging_sensors(registry)):
        appliance = registry.appliance_by_id[registry.sensor_by_id[name].appliance or ""]
        if appliance.carries(end_ms) != profile:
            continue
        rows = journal.readings(name, start_ms, end_ms)
        if len(rows):
            celsius = np.where(rows["status"] == Status.OK, rows["value"] / 1000.0, np.nan)
            at_ms = rows["at_ms"].astype(np.int64)
            found.append(FileColumns((name,), np.zeros(len(rows), np.int32), at_ms, celsius))
    return found
