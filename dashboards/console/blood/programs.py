# SPDX-License-Identifier: Apache-2.0
"""Blood for programs: findings, bags, trips, readings by hand, and how good the alarms are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from coldchain.kernel.instants import parse_instant, rfc3339
from coldchain.records.found import by_site, quality_of
from dashboards.console.accounts.gate import visitor
from dashboards.console.accounts.sight import seen
from dashboards.console.alarms.routes import alarm_told
from dashboards.console.blood import bags, by_hand, findings, trips
from dashboards.console.blood.judged import judge
from dashboards.console.blood.pages import of_nation
from dashboards.console.blood.room import DAY_MS, Room, Subject
from dashboards.console.blood.shapes import (
    BadOut,
    BagOut,
    BagsIn,
    BagsOut,
    FindingIn,
    FindingOut,
    FindingsOut,
    HandIn,
    HandOut,
    HandsOut,
    In,
    NationOut,
    OneTripOut,
    PlaceOut,
    SignedOut,
    SignIn,
    SitesOut,
    StepIn,
    TakenOut,
    TripIn,
    TripsOut,
    WornOut,
    exposure_out,
    grounds_out,
    leg_out,
    maybe,
    quality_out,
    trip_out,
)
from dashboards.console.once import Key
from dashboards.console.paging import Before, Limit, page_of
from dashboards.console.problems import Problem
from dashboards.console.signatures import peer


def router(room: Room) -> APIRouter:
    """All routes for programs."""
    routes = APIRouter(prefix="/api/v1")
    _findings(routes, room)
    _bags(routes, room)
    _trips(routes, room)
    _by_hand(routes, room)
    _nation(routes, room)
    return routes


def _findings(routes: APIRouter, room: Room) -> None:
    @routes.get("/alarms/{number}/findings")
    def found(number: int, before: Before = "", limit: Limit = 50) -> FindingsOut:
        """Newest first: the first one counts."""
        told = alarm_told(room.console, number)
        some, following = page_of(
            findings.of(room, told.alarm.id), lambda f: (f.at_ms, f"{f.id:012d}"), before, limit
        )
        marks = [
            FindingOut(
                verdict=f.verdict, cause=f.cause, person=f.person, reason=f.reason, at=rfc3339(f.at_ms)
            )
            for f in some
        ]
        return FindingsOut(findings=marks, next=following)

    @routes.post("/alarms/{number}/finding", status_code=202)
    def mark(number: int, said: FindingIn, key: Key) -> TakenOut:
        findings.ask(room, number, said.said(), "api", key)
        return TakenOut(id=key)


def _bags(routes: APIRouter, room: Room) -> None:
    @routes.get("/alarms/{number}/bags")
    def of_alarm(number: int, rule: str = "") -> BagsOut:
        return bags_out(room, room.of_alarm(number), rule)

    @routes.get("/trips/{trip}/bags")
    def of_trip(trip: str, rule: str = "") -> BagsOut:
        return bags_out(room, room.of_trip(trip), rule)

    @routes.post("/alarms/{number}/bags")
    def to_alarm(number: int, said: BagsIn, key: Key) -> BagsOut:  # noqa: ARG001 -- twice is once by itself
        return _change(room, room.of_alarm(number), said)

    @routes.post("/trips/{trip}/bags")
    def to_trip(trip: str, said: BagsIn, key: Key) -> BagsOut:  # noqa: ARG001 -- twice is once by itself
        return _change(room, room.of_trip(trip), said)

    @routes.post("/alarms/{number}/bags/sign")
    def sign_alarm(request: Request, number: int, said: SignIn, key: Key) -> SignedOut:
        return _sign(room, room.of_alarm(number), said, key, request)

    @routes.post("/trips/{trip}/bags/sign")
    def sign_trip(request: Request, trip: str, said: SignIn, key: Key) -> SignedOut:
        return _sign(room, room.of_trip(trip), said, key, request)


def _sign(room: Room, subject: Subject, said: SignIn, key: str, request: Request) -> SignedOut:
    paper = bags.sign(room, subject, said.said(), peer(request), key)
    return SignedOut(id=paper.id, whole=paper.whole, digest=paper.digest)


def _change(room: Room, subject: Subject, said: BagsIn) -> BagsOut:
    form = said.said() | {"from": said.at_from or "", "until": said.at_until or ""}
    person = room.who(form)
    if said.remove or said.fate:
        wrong: list[str] = []
        for text in said.donations:
            number = text if len(text) == 13 else bags.number_of(text)
            if said.remove:
                room.desk.remove_bag(subject.key, number, person)
            else:
                bags.decide(room, subject, form | {"donation": number}, person)
        return bags_out(room, subject, "", wrong)
    wrong = list(bags.add(room, subject, form | {"donations": "\n".join(said.donations)}, person))
    return bags_out(room, subject, "", wrong)


def bags_out(room: Room, subject: Subject, rule: str, wrong: list[str] | None = None) -> BagsOut:
    listed = judge(room, subject, rule)
    return BagsOut(
        rule=listed.rule.label, rules=[one.rule.name for one in room.rules(subject.carries)],
        exposure=exposure_out(listed.whole), proposed=listed.proposal.fate, record=listed.record,
        bags=[
            BagOut(
                donation=line.bag.donation, number=line.number, at_from=maybe(line.bag.from_ms),
                at_until=maybe(line.bag.until_ms), exposure=exposure_out(line.exposure),
                proposed=line.proposal.fate, grounds=grounds_out(line.proposal), fate=line.fate,
                reason=line.bag.reason, person=line.bag.person,
            )
            for line in listed.lines
        ],
        wrong=wrong or [],
    )  # fmt: skip


def _trips(routes: APIRouter, room: Room) -> None:
    @routes.get("/trips")
    def all_(before: Before = "", limit: Limit = 50) -> TripsOut:
        found, following = page_of(room.trips(), lambda trip: (trip.at_ms, trip.id), before, limit)
        return TripsOut(trips=[trip_out(trip) for trip in found], next=following)

    @routes.get("/trips/{trip}")
    def one(trip: str) -> OneTripOut:
        return _one_trip(room, trip)

    @routes.post("/trips", status_code=201)
    def start(said: TripIn, key: Key, response: Response) -> OneTripOut:
        made = trips.begin(room, said.said(), "api", key.replace(":", "-").replace(".", "-"))
        response.headers["location"] = f"/api/v1/trips/{made}"
        return _one_trip(room, made)

    @routes.post("/trips/{trip}/steps")
    def step(trip: str, said: StepIn, key: Key) -> OneTripOut:  # noqa: ARG001 -- twice is once by itself
        trips.go_on(room, room.trip(trip), said.said(), "api")
        return _one_trip(room, trip)


def _one_trip(room: Room, id_: str) -> OneTripOut:
    trip = room.trip(id_)
    told = trips.judge_trip(room, trip)
    return OneTripOut(
        trip=trip_out(trip), legs=[leg_out(leg) for leg in told.legs], exposure=exposure_out(told.whole),
        allowed_s=None if told.allowed_ms is None else told.allowed_ms // 1000, rule=told.rule,
        proposed=told.proposal.fate, late=told.late,
    )  # fmt: skip


def _by_hand(routes: APIRouter, room: Room) -> None:
    @routes.get("/appliances/{appliance_id}/by-hand")
    def noted(appliance_id: str) -> HandsOut:
        """Of the last two days, newest first."""
        by_hand.site_of(room, appliance_id)
        return HandsOut(
            by_hand=[
                HandOut(
                    id=one.id, appliance=one.appliance, celsius=one.value / 1000, at=rfc3339(one.at_ms),
                    person=one.person, how=one.how,
                )
                for one in by_hand.latest(room, [appliance_id])
            ]
        )  # fmt: skip

    @routes.post("/appliances/{appliance_id}/by-hand", status_code=202)
    def note(appliance_id: str, said: HandIn, key: Key) -> TakenOut:
        by_hand.take(room, appliance_id, said.said() | {"celsius": f"{said.celsius:.3f}"}, "api", key)
        return TakenOut(id=key)

    @routes.post("/appliances/{appliance_id}/by-hand/{number}/withdraw", status_code=202)
    def withdraw(appliance_id: str, number: int, said: In, key: Key) -> TakenOut:
        """A reading that was none. What was written stays in the audit."""
        by_hand.take_back(room, appliance_id, number, said.said(), "api", key)
        return TakenOut(id=key)


def _nation(routes: APIRouter, room: Room) -> None:
    @routes.get("/quality")
    def quality(from_: Annotated[str | None, Query(alias="from")] = None, to: str | None = None) -> SitesOut:
        """Per site, of the sites that whoever asks may see; by default of the last 30 days."""
        start_ms, end_ms = _span(room, from_, to)
        with room.alarms() as reader:
            outcomes = reader.outcomes(start_ms, end_ms)
        registry, sees = room.console.records.registry(), visitor().sees
        mine = [one for one in outcomes if sees(one.site, registry)]
        sites = {site: quality_out(quality_of(some)) for site, some in sorted(by_site(mine).items())}
        return SitesOut(
            start=rfc3339(start_ms), end=rfc3339(end_ms), all=quality_out(quality_of(mine)), sites=sites
        )

    @routes.get("/nation")
    async def all_(
        from_: Annotated[str | None, Query(alias="from")] = None, to: str | None = None
    ) -> NationOut:
        span = _span(room, from_, to)
        told = of_nation(room, seen(await room.console.hub.look()), span)
        places = [
            PlaceOut(
                name=p.name, sites=p.sites, appliances=p.appliances, counts=p.counts,
                quality=quality_out(p.quality),
            )
            for p in told.provinces
        ]  # fmt: skip
        return NationOut(
            start=rfc3339(span[0]), end=rfc3339(span[1]), counts=told.counts,
            quality=quality_out(told.quality), provinces=places,
            worst=[
                BadOut(
                    appliance=b.row.id, site=b.row.site, out_s=b.out_ms // 1000, excursions=b.excursions,
                    alarms=b.alarms,
                )
                for b in told.worst
            ],
            replace=[
                WornOut(appliance=w.row.id, site=w.row.site, why=[str(text) for text in w.why])
                for w in told.worn
            ],
            messages=told.messages, sms_cost=told.cost, currency=room.console.settings.notify.currency,
        )  # fmt: skip


def _span(room: Room, from_: str | None, to: str | None) -> tuple[int, int]:
    now_ms = room.console.wall_ms()
    try:
        end_ms = now_ms if to is None else parse_instant(to)
        start_ms = end_ms - 30 * DAY_MS if from_ is None else parse_instant(from_)
    except (ValueError, OverflowError) as bad:
        raise Problem(400, "bad-request", str(bad)) from bad
    if not 0 <= start_ms < end_ms <= now_ms + DAY_MS:
        raise Problem(400, "bad-request", "`from` must come before `to`, and `to` not after tomorrow")
    return start_ms, end_ms
