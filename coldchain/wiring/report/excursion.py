# SPDX-License-Identifier: Apache-2.0
"""The excursion report: one alarm about a temperature, with all that somebody must judge the blood by."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from coldchain.kernel.errors import BadData
from coldchain.kernel.limits import Profile
from coldchain.records.alarms import TEMPERATURE_KINDS, Alarm, AlarmsReader, Disposition
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Appliance, Registry, RegistryReader, Sensor, Site
from coldchain.records.signatures import Paper, SignedReader, signed_disposition
from coldchain.settings import Settings
from coldchain.settings.profile_files import PROFILES
from coldchain.wiring.report.facts import Facts, Out, bands_of, facts_of, shades_of
from dashboards.console.alarms.happened import happened
from dashboards.console.words import speaking
from dashboards.reports.chart import Chart, draw
from dashboards.reports.document import Block, Document, Heading, Note, Pairs, Picture, Signatures, Table
from dashboards.reports.words import Words

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
BUCKETS = 320


@dataclass(frozen=True, slots=True)
class Case:
    """All that the report speaks of. `day`: the 24 hours before the alarm's end."""

    alarm: Alarm
    registry: Registry
    sensor: Sensor
    appliance: Appliance
    site: Site
    profile: Profile | None
    facts: Facts
    day: Facts
    done: tuple[tuple[int, str, str], ...]
    dispositions: tuple[Disposition, ...]
    papers: tuple[Paper, ...]
    cause: str


def excursion_report(settings: Settings, number: int, language: str, as_of_ms: int) -> Document:
    """The report of one alarm, as known at as_of_ms. BadData when it is none about a temperature."""
    case = _case(settings, number, as_of_ms)
    words = Words(language, case.site.zone)
    first, second = _signed(case, words)
    blocks: list[Block] = [
        _what(case, words),
        Heading(words.say("What happened")),
        *_measured(case, words),
        Picture(_chart(case, words), words.say("Temperature around the excursion, with its limits")),
        _stretches(case, words),
        Heading(words.say("Who did what")),
        _deeds(case, words),
        Heading(words.say("What becomes of the blood")),
        *_fate(case, words),
        Heading(words.say("Evidence")),
        _evidence(case, words),
        Signatures(
            (
                (words.say("Judged by: name, date, signature"), first),
                (words.say("Second person: name, date, signature"), second),
            )
        ),
    ]
    digest = _digest(case)
    return Document(
        language,
        words.say("Excursion report"),
        " · ".join((case.appliance.name, case.site.name, words.say("alarm {n}", n=number))),
        tuple(blocks),
        words.say(
            "Coldchain · as known at {instant} · record {hash}", instant=words.instant(as_of_ms), hash=digest
        ),
        as_of_ms,
        "" if first and second else words.say("DRAFT"),
    )


def _case(settings: Settings, number: int, as_of_ms: int) -> Case:
    reader = AlarmsReader(settings.alarms_db)
    alarm = reader.alarm(number)
    if alarm is None:
        raise BadData(f"there is no alarm {number}; see `coldchain alarm list --all`")
    if alarm.kind not in TEMPERATURE_KINDS:
        raise BadData(f"alarm {number} is of kind {alarm.kind}: an excursion report speaks of temperatures")
    registry = RegistryReader(settings.desk_db).of(alarm.registry_version)
    sensor = registry.sensor_by_id.get(alarm.sensor) if registry else None
    appliance = registry.appliance_by_id.get(alarm.appliance) if registry else None
    if registry is None or sensor is None or appliance is None:
        raise BadData(
            f"registry version {alarm.registry_version}, which alarm {number} names, lacks {alarm.sensor}"
        )
    journal = JournalReader(settings.readings_db)
    returned = alarm.returned_ms if alarm.returned_ms and alarm.returned_ms <= as_of_ms else None
    end = returned or as_of_ms
    pad = max(HOUR_MS, (end - alarm.since_ms) // 2)
    around = (alarm.since_ms - pad, min(end + pad, as_of_ms))
    known = [facts_of(journal, registry, sensor, span, as_of_ms) for span in (around, (end - DAY_MS, end))]
    journal.close()
    events = [event for event in reader.events(alarm.id) if event.at_ms <= as_of_ms]
    told = [
        notice for notice in reader.notices(1000, alarm=alarm.id) if (notice.sent_ms or 2**62) <= as_of_ms
    ]
    done = [(event.at_ms, event.event, event.detail) for event in events]
    done += [(notice.sent_ms or 0, f"told by {notice.channel}", notice.person) for notice in told]
    causes = [event.detail for event in events if event.event == "cause"]
    return Case(
        alarm, registry, sensor, appliance, registry.site_by_id[appliance.site],
        PROFILES.get(appliance.carries(alarm.since_ms) or ""), known[0], known[1],
        tuple(sorted(done, key=lambda one: one[0])),
        tuple(one for one in reader.dispositions(alarm=alarm.id) if one.at_ms <= as_of_ms),
        _papers(settings, alarm.id, as_of_ms),
        causes[-1] if causes else "",
    )  # fmt: skip


def _papers(settings: Settings, alarm: str, as_of_ms: int) -> tuple[Paper, ...]:
    """What two people had signed by then."""
    found = SignedReader(settings.desk_db).about("disposition", alarm)
    return tuple(one for one in found if one.whole and one.signatures[-1].at_ms <= as_of_ms)


def _paper(case: Case, one: Disposition) -> Paper | None:
    return signed_disposition(case.papers, one.what, one.person, one.second, one.reason)


def _signed(case: Case, words: Words) -> tuple[str, str]:
    """Name, time and meaning of both signatures on what was decided last; empty while there are none."""
    paper = _paper(case, case.dispositions[0]) if case.dispositions else None
    if paper is None:
        return "", ""
    meanings = (words.say("judged and decided"), words.say("checked and agreed"))
    told = [
        f"{_name(case.registry, one.person)}, {words.instant(one.at_ms)}: {meaning}"
        for one, meaning in zip(paper.signatures, meanings, strict=True)
    ]
    return told[0], told[1]


def _what(case: Case, words: Words) -> Pairs:
    profile, alarm = case.profile, case.alarm
    rows = [
        (
            words.say("Appliance"),
            f"{case.appliance.name} ({case.appliance.id}) {case.appliance.serial}".strip(),
        ),
        (words.say("Site"), ", ".join(part for part in (case.site.name, case.site.province) if part)),
        (words.say("Sensor"), case.sensor.id),
        (words.say("Rule"), f"{alarm.rule}, {words.say('registry version {n}', n=alarm.registry_version)}"),
    ]
    if profile is not None:
        limits = profile.limits
        span = f"{words.number(limits.low_c)} … {words.number(limits.high_c)} °C"
        rows += [
            (words.say("Component"), words.say(profile.component)),
            (words.say("Profile"), f"{profile.label}; {words.say(profile.use)}"),
            (words.say("Limits"), f"{span} ({limits.source})"),
        ]
    return Pairs(tuple(rows))


def _measured(case: Case, words: Words) -> list[Block]:
    facts, mine = case.facts, _mine(case)
    peak = _peak(case, mine)
    budget = case.profile.budget if case.profile else None
    rows = [
        (
            words.say("First beyond the limit"),
            words.instant(mine[0].start_ms if mine else case.alarm.since_ms),
        ),
        (words.say("Back inside"), words.instant(mine[-1].end_ms) if mine else "–"),
        (words.say("Time out of limits"), words.minutes(sum(out.out_ms for out in mine))),
        (words.say("Furthest value"), words.celsius(peak, 2)),
        (words.say("Degree-minutes"), words.number(sum(out.degree_ms for out in mine) / 60_000_000, 0)),
        (words.say("Unknown meanwhile"), words.minutes(sum(out.unknown_ms for out in mine))),
        (words.say("Out of limits in 24 hours"), words.minutes(case.day.high_ms + case.day.low_ms)),
    ]
    if budget is not None:
        allowed = words.minutes(round(budget.total_seconds() * 1000))
        rows.append((words.say("Allowed in 24 hours"), allowed))
    if case.cause:
        rows.append((words.say("Likely cause"), _line(case, "cause", case.cause, words)[1]))
    blocks: list[Block] = [Pairs(tuple(rows))]
    expiry = case.sensor.calibrated_until_ms
    if expiry is not None and expiry < facts.end_ms:
        text = words.say(
            "The probe's calibration ended on {day}: later readings are doubtful.", day=words.day(expiry)
        )
        blocks.append(Note(text, strong=True))
    return blocks


def _mine(case: Case) -> list[Out]:
    end = case.alarm.returned_ms or case.facts.end_ms
    kind = case.alarm.kind
    return [
        o
        for o in case.facts.outs
        if o.kind == kind and o.start_ms <= end and (o.end_ms or end) >= case.alarm.since_ms
    ]


def _peak(case: Case, mine: list[Out]) -> int | None:
    if not mine:
        return case.alarm.peak
    peaks = [out.peak for out in mine]
    return max(peaks) if case.alarm.kind == "high" else min(peaks)


def _chart(case: Case, words: Words) -> str:
    facts = case.facts
    bounds = (case.profile.limits.low_c, case.profile.limits.high_c) if case.profile else ()
    limits = [(f"{words.number(celsius)} °C", celsius) for celsius in bounds if celsius is not None]
    shaded = shades_of(facts)
    return draw(
        Chart(facts.start_ms, facts.end_ms, bands_of(facts, BUCKETS), limits, shaded, ticks_of(facts, words))
    )


def ticks_of(facts: Facts, words: Words) -> list[tuple[int, str]]:
    """Six to twelve round instants with their clock."""
    span = facts.end_ms - facts.start_ms
    steps = [n * 60_000 for n in (5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080)]
    step = next((s for s in steps if span / s <= 9), steps[-1])
    first = -(-facts.start_ms // step) * step
    show = words.clock if step < DAY_MS else words.day
    return [(at, show(at)) for at in range(first, facts.end_ms, step)]


def _stretches(case: Case, words: Words) -> Block:
    rows = tuple(
        (
            words.instant(out.start_ms),
            words.instant(out.end_ms),
            words.minutes(out.out_ms),
            words.minutes(out.unknown_ms),
            words.celsius(out.peak, 2),
            out.profile,
        )
        for out in _mine(case)
    )
    if not rows:
        return Note(words.say("The readings known at that instant show no time beyond the limits."))
    head = ("From", "Until", "Out", "Unknown", "Furthest", "Profile")
    return Table(tuple(words.say(name) for name in head), rows, numbers=(2, 3, 4))


def _deeds(case: Case, words: Words) -> Table:
    rows = []
    for at_ms, event, detail in case.done:
        if event.startswith("told by "):
            what, rest = words.say(event), _name(case.registry, detail)
        else:
            what, rest = _line(case, event, detail, words)
        rows.append((words.instant(at_ms), what, rest))
    return Table(tuple(words.say(name) for name in ("When", "What", "Who, or what it says")), tuple(rows))


def _line(case: Case, event: str, detail: str, words: Words) -> tuple[str, str]:
    """As the alarm's page tells it."""
    with speaking(words.language):
        return happened(event, detail, case.registry)


def _fate(case: Case, words: Words) -> list[Block]:
    if not case.dispositions:
        return [Note(words.say("No disposition is recorded."), strong=True)]
    head = ("When", "Decision", "By", "Second person", "Reason")
    rows = tuple(
        (
            words.instant(one.at_ms),
            words.say(one.what),
            _name(case.registry, one.person),
            _name(case.registry, one.second),
            one.reason,
        )
        for one in case.dispositions
    )
    table = Table(tuple(words.say(name) for name in head), rows)
    if _paper(case, case.dispositions[0]) is None:
        return [table, Note(words.say("Recorded, but not signed with their passwords."), strong=True)]
    return [table]


def _evidence(case: Case, words: Words) -> Pairs:
    facts = case.facts
    span = f"{words.instant(facts.start_ms)} – {words.instant(facts.end_ms)}"
    return Pairs(
        (
            (
                words.say("Readings"),
                words.say("{n} in all, {failed} of them failed", n=facts.readings, failed=facts.failed),
            ),
            (words.say("Span"), span),
            (words.say("Known at"), words.instant(facts.as_of_ms)),
            (
                words.say("SHA-256 of the readings"),
                " ".join(facts.digest[n : n + 16] for n in range(0, 64, 16)),
            ),
        )
    )


def _digest(case: Case) -> str:
    """Of everything that the report says, whatever its language."""
    body: list[Any] = [case.alarm.id, case.alarm.rule, case.alarm.profile, case.facts.digest, case.done]
    body.append([(one.what, one.person, one.second, one.at_ms) for one in case.dispositions])
    papers = [paper for one in case.dispositions if (paper := _paper(case, one)) is not None]
    if papers:
        body.append([(one.account, one.at_ms, one.digest) for paper in papers for one in paper.signatures])
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


def _name(registry: Registry, who: str) -> str:
    """A person's name for an id; anything else as it is."""
    first, _, rest = who.partition(" ")
    person = registry.person_by_id.get(first)
    return f"{person.name} {rest}".strip() if person else who
