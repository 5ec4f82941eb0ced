# SPDX-License-Identifier: Apache-2.0
"""Bag sheets and trip sheets: what blood was exposed to, bag by bag or leg by leg, and who signed for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from coldchain.kernel.errors import BadData
from coldchain.kernel.exposure import FATES, Exposure, Proposal, propose
from coldchain.kernel.isbt import shown
from coldchain.kernel.stays import Leg, Stay, cut_to, digest_of_legs, exposure_of
from coldchain.records.alarms import Alarm
from coldchain.records.consignments import Bag, ConsignmentReader, Trip, named_of_moves, places
from coldchain.records.found import FoundReader
from coldchain.records.journal import JournalReader
from coldchain.records.registry import Registry, RegistryReader
from coldchain.records.signatures import Paper, SignedReader
from coldchain.settings import Settings
from coldchain.settings.exposure_files import WrittenRule, fitting, rules_of
from coldchain.settings.profile_files import PROFILES
from coldchain.wiring.stays import legs_of
from dashboards.reports.document import Block, Document, Heading, Note, Pairs, Signatures, Table
from dashboards.reports.words import Words

DAY_MS = 86_400_000


class _Sheet:
    """One settings, one instant, one language."""

    def __init__(self, settings: Settings, language: str, as_of_ms: int) -> None:
        self.settings, self.as_of_ms, self.language = settings, as_of_ms, language
        reader = RegistryReader(settings.desk_db)
        reader.refresh()
        self.registry: Registry = reader.registry
        reader.close()
        self.bags = ConsignmentReader(settings.desk_db)
        self.words = Words(language, settings.zone)

    def zoned(self, site: str) -> None:
        known = self.registry.site_by_id.get(site)
        if known is not None:
            self.words = Words(self.language, known.zone)

    def legs(self, stays: Sequence[Stay], carries: str) -> list[Leg]:
        journal = JournalReader(self.settings.readings_db)
        try:
            return legs_of(journal, self.registry, stays, carries, self.as_of_ms)
        finally:
            journal.close()

    def rule(self, carries: str, name: str = "") -> WrittenRule:
        fit = fitting(rules_of(self.settings.data_dir), PROFILES.get(carries))
        found = [one for one in fit if one.rule.name == name]
        if name and not found:
            raise BadData(
                f"there is no rule {name!r} for it; there are {', '.join(o.rule.name for o in fit)}"
            )
        return found[0] if found else fit[0]

    def paper(self, subject: str) -> Paper | None:
        """The newest list that anybody had signed by then."""
        found = SignedReader(self.settings.desk_db).about("bags", subject)
        known = [one for one in found if one.at_ms <= self.as_of_ms and one.signatures]
        return known[0] if known else None

    def name(self, id_: str) -> str:
        known = self.registry.appliance_by_id.get(id_) or self.registry.person_by_id.get(id_)
        return known.name if known is not None else id_

    def carried(self, appliance: str, at_ms: int) -> str:
        known = self.registry.appliance_by_id.get(appliance)
        return (known.carries(at_ms) if known else None) or ""


def bag_sheet(settings: Settings, number: int, language: str, as_of_ms: int, rule: str = "") -> Document:
    """The bags of one alarm, as known at as_of_ms. A draft until two people have signed this very list."""
    sheet = _Sheet(settings, language, as_of_ms)
    reader = FoundReader(settings.alarms_db)
    alarm = reader.alarm(number)
    if alarm is None or alarm.scope != "appliance":
        raise BadData(f"there is no alarm {number} of an appliance; see `coldchain alarm list --all`")
    began_ms = reader.began(alarm.id) or alarm.since_ms
    over_ms = alarm.returned_ms if alarm.returned_ms and alarm.returned_ms <= as_of_ms else as_of_ms
    moved = sorted((m for m in reader.moved(alarm=alarm.id) if m.at_ms <= as_of_ms), key=lambda m: m.at_ms)
    reader.close()
    mine = [move for move in moved if move.alarm == alarm.id]
    stays = places(alarm.appliance, began_ms - DAY_MS, over_ms, mine, as_of_ms)
    sheet.zoned(alarm.site)
    words = sheet.words
    title = f"{sheet.name(alarm.appliance)} · {words.say('alarm {n}', n=number)}"
    carries = sheet.carried(alarm.appliance, began_ms)
    return _listed(sheet, f"alarm:{alarm.id}", (words.say("Bag sheet"), title), stays, (carries, rule), alarm)


def trip_sheet(settings: Settings, trip: str, language: str, as_of_ms: int) -> Document:
    """One trip, leg by leg, with its bags, as known at as_of_ms."""
    sheet = _Sheet(settings, language, as_of_ms)
    found = sheet.bags.trip(trip) or _moved(sheet, trip)
    if found is None:
        raise BadData(f"there is no trip {trip!r}")
    first = next((s.appliance for s in found.steps if s.appliance), "")
    known = sheet.registry.appliance_by_id.get(first)
    sheet.zoned(known.site if known else "")
    words = sheet.words
    title = " → ".join(sheet.name(step.appliance) for step in found.steps if step.appliance)
    stays = cut_to(found.stays(as_of_ms), None, as_of_ms)
    return _listed(
        sheet, f"trip:{found.id}", (words.say("Trip sheet"), title), stays, (found.carries, ""), None
    )


def _moved(sheet: _Sheet, trip: str) -> Trip | None:
    reader = FoundReader(sheet.settings.alarms_db)
    made = named_of_moves(trip, reader.moved(), sheet.carried, sheet.bags.moves())
    reader.close()
    return made


def _listed(
    sheet: _Sheet,
    subject: str,
    titles: tuple[str, str],
    stays: Sequence[Stay],
    by: tuple[str, str],
    alarm: Alarm | None,
) -> Document:
    """by: the profile of the blood, and the name of a rule."""
    words, (carries, rule) = sheet.words, by
    written = sheet.rule(carries, rule)
    legs = sheet.legs(stays, carries)
    whole = exposure_of(legs)
    bags = sheet.bags.bags(subject, sheet.as_of_ms)
    record = digest_of_legs(legs)
    lines = [(bag, *_judged(sheet, bag, stays, (carries, whole), written)) for bag in bags]
    paper = sheet.paper(subject)
    body = _body(written, record, lines)
    signed = paper is not None and paper.whole and _fits(paper.body, body)
    blocks: list[Block] = [
        _what(sheet, whole, written, carries, alarm), Heading(words.say("Where it was")), _legs(sheet, legs)
    ]  # fmt: skip
    if late := sum(leg.late for leg in legs):
        blocks.append(Note(words.say("{n} readings came after the event, and are counted.", n=late)))
    blocks += [Heading(words.say("Bags")), _bags(sheet, lines), _signatures(sheet, paper if signed else None)]
    blocks += [Heading(words.say("Where the rule's numbers come from")), _sources(written, words)]
    footer = words.say(
        "Coldchain · as known at {instant} · record {hash}", instant=words.instant(sheet.as_of_ms),
        hash=record[:16],
    )  # fmt: skip
    draft = "" if signed else words.say("DRAFT")
    return Document(sheet.language, *titles, tuple(blocks), footer, sheet.as_of_ms, draft)


def _judged(
    sheet: _Sheet, bag: Bag, stays: Sequence[Stay], known: tuple[str, Exposure], written: WrittenRule
) -> tuple[Exposure, Proposal]:
    carries, exposure = known
    if bag.from_ms is not None or bag.until_ms is not None:
        exposure = exposure_of(sheet.legs(cut_to(stays, bag.from_ms, bag.until_ms), carries))
    return exposure, propose(written.rule, exposure)


Lines = Sequence[tuple[Bag, Exposure, Proposal]]


def _body(written: WrittenRule, record: str, lines: Lines) -> dict[str, str]:
    """As the console lets it be signed, but for who signed."""
    rows = [[b.donation, b.fate or p.fate, p.fate, e.out_ms // 1000, b.reason] for b, e, p in lines]
    bags = json.dumps(rows, ensure_ascii=False)
    return {"rule": written.rule.label, "record": record[:16], "bags": bags}


def _fits(signed: Mapping[str, str], now: Mapping[str, str]) -> bool:
    return all(signed.get(key) == value for key, value in now.items())


def _what(sheet: _Sheet, whole: Exposure, written: WrittenRule, carries: str, alarm: Alarm | None) -> Pairs:
    words, profile = sheet.words, PROFILES.get(carries)
    rows = []
    if alarm is not None:
        site = sheet.registry.site_by_id.get(alarm.site)
        rows.append((words.say("Site"), site.name if site else alarm.site))
        rows.append((words.say("Appliance"), f"{sheet.name(alarm.appliance)} ({alarm.appliance})"))
    rows.append((words.say("Profile"), profile.label if profile else carries or "–"))
    reach = f"{words.celsius(whole.low, 1)}, {words.celsius(whole.high, 1)}"
    rows += [
        (words.say("Rule"), written.rule.label),
        (words.say("Time out of limits"), words.minutes(whole.out_ms)),
        (words.say("Longest at once"), words.minutes(whole.longest_ms)),
        (words.say("Occasions"), str(whole.occasions)),
        (words.say("Unknown"), words.minutes(whole.unknown_ms)),
        (words.say("Lowest and highest"), reach),
        (words.say("Proposed"), words.say(propose(written.rule, whole).fate)),
    ]
    return Pairs(tuple(rows))


def _legs(sheet: _Sheet, legs: Sequence[Leg]) -> Table:
    words = sheet.words
    head = ("Place", "From", "Until", "Profile", "Out", "Unknown", "Readings", "Later")
    rows = tuple(
        (
            f"{sheet.name(leg.appliance)} ({leg.appliance})", words.instant(leg.start_ms),
            words.instant(leg.end_ms), leg.profile or "–", words.minutes(leg.out_ms),
            words.minutes(leg.unknown_ms), str(leg.readings), str(leg.late),
        )
        for leg in legs
    )  # fmt: skip
    return Table(tuple(words.say(one) for one in head), rows, numbers=(4, 5, 6, 7))


def _bags(sheet: _Sheet, lines: Lines) -> Block:
    words = sheet.words
    if not lines:
        return Note(words.say("No bag is on the list."), strong=True)
    head = ("Donation number", "In there", "Out", "Proposed", "Decided", "Reason")
    rows = []
    for bag, exposure, proposal in lines:
        part = "–"
        if bag.from_ms is not None or bag.until_ms is not None:
            part = f"{words.instant(bag.from_ms)} … {words.instant(bag.until_ms)}"
        decided, reason = words.say(bag.fate or proposal.fate), bag.reason or _why(proposal, words)
        rows.append(
            (
                shown(bag.donation),
                part,
                words.minutes(exposure.out_ms),
                words.say(proposal.fate),
                decided,
                reason,
            )
        )
    counts = [(fate, sum((b.fate or p.fate) == fate for b, _, p in lines)) for fate in FATES]
    said = ", ".join(f"{n} {words.say(fate)}" for fate, n in counts if n)
    rows.append((str(len(lines)), "", "", "", said, ""))
    return Table(tuple(words.say(one) for one in head), tuple(rows), numbers=(2,))


_GROUNDS = {
    "once_s": "{found} at once, at most {line}",
    "total_s": "{found} in all, at most {line}",
    "occasions": "{found} occasions, at most {line}",
    "unknown_s": "nothing known of {found}, at most {line}",
    "high_c": "{found}, at most {line}",
    "low_c": "{found}, at least {line}",
}


def _why(proposal: Proposal, words: Words) -> str:
    found = [
        words.say(
            _GROUNDS[g.what],
            found=_shape(g.what, g.found / 1000, words),
            line=_shape(g.what, g.line / 1000, words),
        )
        for g in proposal.grounds
    ]
    return "; ".join(found)


def _shape(what: str, value: float, words: Words) -> str:
    """A number of a rule with its unit, as its name tells."""
    if what.endswith("_s"):
        return words.minutes(round(value * 1000))
    return f"{words.number(value)} °C" if what.endswith("_c") else str(round(value))


_LINES = {
    "once_s": "Longest at once",
    "total_s": "Time out of limits",
    "occasions": "Occasions",
    "low_c": "Least",
    "high_c": "Most",
    "unknown_s": "Unknown",
}


def _sources(written: WrittenRule, words: Words) -> Table:
    """The lines of a rule in the reader's words; where each number comes from, as the rule's file has it."""

    def line(key: str) -> str:
        plain = key.removeprefix("discard_")
        said = words.say(_LINES.get(plain, plain.replace("_", " ")))
        return said if plain == key else f"{words.say('discard')}: {said}"

    rows = tuple(
        (line(key), _shape(key, value, words), source) for key, (value, source) in written.numbers.items()
    )
    return Table(tuple(words.say(one) for one in ("Line", "Value", "Source")), rows, numbers=(1,))


def _signatures(sheet: _Sheet, paper: Paper | None) -> Signatures:
    words = sheet.words
    lines = []
    for place, text in enumerate(
        ("Judged by: name, date, signature", "Second person: name, date, signature")
    ):
        signed = paper.signatures[place] if paper is not None and len(paper.signatures) > place else None
        who = f"{sheet.name(signed.person)}, {words.instant(signed.at_ms)}" if signed else ""
        lines.append((words.say(text), who))
    return Signatures(tuple(lines))
