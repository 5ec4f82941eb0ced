# SPDX-License-Identifier: Apache-2.0
"""A list of bags, each with what the record says of it, what the rule proposes and what people decided."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from coldchain.kernel.exposure import FATES, Exposure, ExposureRule, Proposal, propose
from coldchain.kernel.isbt import shown
from coldchain.kernel.stays import Leg, cut_to, digest_of_legs, exposure_of
from coldchain.records.consignments import Bag
from coldchain.settings.exposure_files import WrittenRule
from dashboards.console.blood.room import Room, Subject
from dashboards.console.values import decimal
from dashboards.console.words import Text, said


@dataclass(frozen=True, slots=True)
class BagLine:
    """fate: what is decided, or else proposed; changed: people decided against the rule."""

    bag: Bag
    number: str
    exposure: Exposure
    proposal: Proposal

    @property
    def fate(self) -> str:
        return self.bag.fate or self.proposal.fate

    @property
    def changed(self) -> bool:
        return bool(self.bag.fate) and self.bag.fate != self.proposal.fate


@dataclass(frozen=True, slots=True)
class BagList:
    """legs, whole, proposal: of a bag that was there all the time. record: the digest of the readings."""

    subject: Subject
    written: WrittenRule
    legs: tuple[Leg, ...]
    whole: Exposure
    proposal: Proposal
    lines: tuple[BagLine, ...]
    record: str

    @property
    def rule(self) -> ExposureRule:
        return self.written.rule

    @property
    def counts(self) -> dict[str, int]:
        found = Counter(line.fate for line in self.lines)
        return {fate: found[fate] for fate in FATES}

    @property
    def worst(self) -> str:
        return max((line.fate for line in self.lines), key=FATES.index, default=FATES[0])

    def body(self, person: str) -> dict[str, str]:
        """What is signed: the rule, the record and each bag's fate; another word of it is another paper."""
        rows = [
            [line.bag.donation, line.fate, line.proposal.fate, line.exposure.out_ms // 1000, line.bag.reason]
            for line in self.lines
        ]
        return {
            "rule": self.rule.label,
            "record": self.record[:16],
            "bags": json.dumps(rows, ensure_ascii=False),
            "person": person,
        }


def judge(room: Room, subject: Subject, rule: str = "") -> BagList:
    """As known now. rule: the name of another rule for the same blood."""
    written = room.rule(subject.carries, rule)
    now_ms = room.console.wall_ms()
    legs = room.legs(subject.stays, subject.carries, now_ms)
    whole = exposure_of(legs)
    known: dict[tuple[int | None, int | None], Exposure] = {(None, None): whole}
    lines = []
    for bag in room.reader.bags(subject.key):
        window = (bag.from_ms, bag.until_ms)
        if window not in known:
            stays = tuple(cut_to(subject.stays, *window))
            known[window] = exposure_of(room.legs(stays, subject.carries, now_ms))
        exposure = known[window]
        lines.append(BagLine(bag, shown(bag.donation), exposure, propose(written.rule, exposure)))
    return BagList(
        subject, written, tuple(legs), whole, propose(written.rule, whole), tuple(lines), digest_of_legs(legs)
    )


def same(body: Mapping[str, str], now: BagList) -> bool:
    """Does the list still say what was signed?"""
    return dict(body) == now.body(body.get("person", ""))


def grounds(proposal: Proposal, span: Callable[[int], str]) -> list[Text]:
    """Why it is not simply given back. span: makes words of milliseconds."""
    found: list[Text] = []
    for ground in proposal.grounds:
        if ground.what.endswith("_s"):
            values = {"found": span(ground.found), "line": span(ground.line)}
        elif ground.what == "occasions":
            values = {"found": str(ground.found // 1000), "line": str(ground.line // 1000)}
        else:
            values = {"found": decimal(ground.found, 1), "line": decimal(ground.line, 1)}
        found.append(said(f"ground.{ground.what}", **values))
    return found
