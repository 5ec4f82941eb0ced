# SPDX-License-Identifier: Apache-2.0
"""The page of bags that an alarm or a trip concerns: scanned or typed, judged by a rule, signed by two."""

from __future__ import annotations

import asyncio
import json
import re
import uuid

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from coldchain.kernel.errors import BadData
from coldchain.kernel.exposure import FATES
from coldchain.kernel.isbt import BadDonation, read_donation
from coldchain.records.consignments import Bag
from coldchain.records.registry import Registry
from coldchain.records.signatures import Outcome, Paper
from dashboards.console.accounts.forms import read_form
from dashboards.console.accounts.gate import visitor
from dashboards.console.accounts.signing import Kind, Rows
from dashboards.console.alarms.routes import called, command_id
from dashboards.console.blood.judged import BagList, grounds, judge, same
from dashboards.console.blood.room import Room, Subject, plain
from dashboards.console.problems import Problem
from dashboards.console.signatures import peer
from dashboards.console.times import span
from dashboards.console.words import Text, said, t

KIND = "bags"
REASON_MAX = 300
_BETWEEN = re.compile(r"[\r\n,;]+")


def router(room: Room) -> APIRouter:
    """For people's browsers; an alarm's and a trip's list are made alike."""
    room.signing.kinds[KIND] = kind(room)
    routes = APIRouter(include_in_schema=False)

    @routes.get("/alarm/{number}/bags")
    def of_alarm(request: Request, number: int, rule: str = "") -> Response:
        return _page(room, request, room.of_alarm(number), rule)

    @routes.get("/trip/{trip}/bags")
    def of_trip(request: Request, trip: str, rule: str = "") -> Response:
        return _page(room, request, room.of_trip(trip), rule)

    @routes.post("/alarm/{number}/bags")
    async def to_alarm(request: Request, number: int) -> Response:
        form = await read_form(request)
        return await asyncio.to_thread(_change, room, request, room.of_alarm(number), form)

    @routes.post("/trip/{trip}/bags")
    async def to_trip(request: Request, trip: str) -> Response:
        form = await read_form(request)
        return await asyncio.to_thread(_change, room, request, room.of_trip(trip), form)

    return routes


def _page(room: Room, request: Request, subject: Subject, rule: str, wrong: tuple[str, ...] = ()) -> Response:
    console, registry = room.console, room.console.records.registry()
    listed = judge(room, subject, rule)
    papers = [one for one in room.signing.reader.about(KIND, subject.key) if one.signatures]
    return console.render(
        request, "bags.html", 422 if wrong else 200,
        subject=subject, listed=listed, rules=room.rules(subject.carries), fates=FATES, wrong=wrong,
        papers=papers, standing=lambda paper: same(paper.body, listed), registry=registry,
        site=registry.site_by_id.get(subject.site), called=lambda name: called(name, registry),
        grounds=lambda proposal: grounds(proposal, span), place=room.name, new_id=lambda: uuid.uuid4().hex,
        may=visitor().may("acknowledge"), may_sign=visitor().may("sign"),
        people=sorted(registry.people_for(subject.site), key=lambda person: person.name),
        for_input=lambda at_ms: room.for_input(at_ms, subject.site),
    )  # fmt: skip


def _change(room: Room, request: Request, subject: Subject, form: dict[str, str]) -> Response:
    """Bags onto the list or off it, what is decided of one, and the signatures: `do` says which."""
    do, rule = form.get("do", "add"), form.get("rule", "")
    if do == "sign":
        paper = sign(room, subject, form, peer(request), command_id(form))
        where = f"{subject.address}/bags?rule={rule}" if paper.whole else f"/signature/{paper.id}"
        return RedirectResponse(where, 303)
    person = room.who(form)
    if do == "remove":
        room.desk.remove_bag(subject.key, form.get("donation", ""), person)
    elif do == "decide":
        decide(room, subject, form, person)
    else:
        wrong = add(room, subject, form, person)
        if wrong:
            return _page(room, request, subject, rule, wrong)
    return RedirectResponse(f"{subject.address}/bags?rule={rule}#scan", 303)


def add(room: Room, subject: Subject, said_: dict[str, str], person: str) -> tuple[str, ...]:
    """Numbers, one a line, onto the list; those that are none come back with the reason."""
    from_ms = room.instant(said_.get("from", ""), subject.site)
    until_ms = room.instant(said_.get("until", ""), subject.site)
    if from_ms is not None and until_ms is not None and from_ms >= until_ms:
        raise Problem(422, "bad-instant")
    good, wrong = [], []
    for text in _BETWEEN.split(said_.get("donations", "")):
        if not text.strip():
            continue
        try:
            good.append(Bag(read_donation(text), from_ms, until_ms, "", "", person, 0))
        except BadDonation as bad:
            wrong.append(t(f"donation.{bad.why}", number=bad.number, typed=bad.typed))
    if not good and not wrong:
        raise Problem(422, "no-donation")
    try:
        room.desk.put_bags(subject.key, good)
    except BadData as bad:
        raise Problem(422, "no-donation", str(bad)) from bad
    return tuple(wrong)


def number_of(text: str) -> str:
    """A donation number, or the Problem that it is none."""
    try:
        return read_donation(text)
    except BadData as bad:
        raise Problem(422, "no-donation", str(bad)) from bad


def decide(room: Room, subject: Subject, said_: dict[str, str], person: str) -> None:
    """Another fate than the rule proposes, for a reason; an empty fate: as proposed."""
    fate, reason = said_.get("fate", ""), plain(said_.get("reason", ""), REASON_MAX)
    if fate not in ("", *FATES):
        raise Problem(422, "fate-missing")
    if fate and not reason:
        raise Problem(422, "reason-missing")
    known = {bag.donation: bag for bag in room.reader.bags(subject.key)}
    if (bag := known.get(said_.get("donation", ""))) is None:
        raise Problem(404, "no-donation")
    room.desk.put_bags(
        subject.key, [Bag(bag.donation, bag.from_ms, bag.until_ms, fate, reason if fate else "", person, 0)]
    )


# --- two names under it


def sign(room: Room, subject: Subject, said_: dict[str, str], address: str, id_: str) -> Paper:
    """The list as it is now, signed by one person, and by the second if they sign here, too."""
    listed = judge(room, subject, said_.get("rule", ""))
    if not listed.lines:
        raise Problem(422, "no-donation")
    first = room.signing.first(said_, address, subject.site)
    second = room.signing.second(said_, address, subject.site)
    paper = Paper(id_, KIND, subject.key, subject.site, listed.body(first.person))
    return room.signing.lay(paper, first, second)


def kind(room: Room) -> Kind:
    """Of bag sheets. Where the alarm waits for a disposition, the gravest fate of the list is it."""

    def wanted(paper: Paper) -> None:
        subject = of(room, paper.subject)
        if not same(paper.body, judge(room, subject, paper.body["rule"].partition(" ")[0])):
            raise Problem(409, "no-longer-wanted")

    def outcome(paper: Paper, first: str, second: str) -> Outcome | None:
        kind_, _, alarm = paper.subject.partition(":")
        told = room.console.records.told(alarm) if kind_ == "alarm" else None
        if told is None or "dispose" not in told.offers:
            return None
        rows = json.loads(paper.body["bags"])
        counts = {fate: sum(row[1] == fate for row in rows) for fate in FATES}
        told_counts = ", ".join(f"{n} {fate}" for fate, n in counts.items() if n)
        body = {
            "what": max((row[1] for row in rows), key=FATES.index),
            "reason": f"bag sheet {paper.digest[:12]}: {told_counts}", "second": second, "by": "signed",
        }  # fmt: skip
        return Outcome(first, "dispose", alarm, body)

    def told(paper: Paper, registry: Registry) -> tuple[Text, Rows]:
        rows = json.loads(paper.body["bags"])
        site = registry.site_by_id.get(paper.site)
        counts: list[tuple[Text, Text]] = [
            (said(f"fate.{fate}"), str(sum(row[1] == fate for row in rows))) for fate in FATES
        ]
        return of(room, paper.subject).title, (
            (said("accounts.sites"), site.name if site else paper.site),
            (said("bags.rule"), paper.body["rule"]),
            *counts,
        )

    def address(paper: Paper) -> str:
        return f"{of(room, paper.subject).address}/bags"

    return Kind(("decided", "agreed"), outcome, wanted, address, told)


def of(room: Room, key: str) -> Subject:
    """What a list is about, by its key."""
    kind_, _, id_ = key.partition(":")
    if kind_ == "trip":
        return room.of_trip(id_)
    with room.alarms() as reader:
        alarm = reader.alarm(id_)
    if alarm is None:
        raise Problem(404, "unknown-alarm", id_)
    return room.of_alarm(alarm.number)


__all__ = ["BagList", "add", "decide", "router", "sign"]
