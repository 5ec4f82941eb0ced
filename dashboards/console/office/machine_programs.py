# SPDX-License-Identifier: Apache-2.0
"""The office for programs: people, profiles, what waits for a name, gateways, backups. As its pages do it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from coldchain.kernel.errors import ColdChainError
from coldchain.kernel.instants import rfc3339
from coldchain.kernel.words import Quantity
from coldchain.records.registry import Appliance, Person
from dashboards.console.api import GatewayOut
from dashboards.console.office.machine import Kept, channel_lines, folder_of, kept, make_backup, tar_answer
from dashboards.console.office.people import put_gateway, put_person, set_pin
from dashboards.console.office.programs import Asked, DoneOut, Word
from dashboards.console.office.register import adopt_channel
from dashboards.console.office.tools import Office
from dashboards.console.once import Key
from dashboards.console.paging import After, Before, Limit, page_after, page_of
from dashboards.console.strip import heard

By = Literal["sms", "call", "email", "http"]
Number = Annotated[str, Field(max_length=20)]


class PersonIn(Asked):
    """A whole person: what is left out is taken away, but for PIN and quiet hours. sites empty: all."""

    id: Word
    name: Word
    phone: Number
    language: Literal["lo", "en", "fr", "vi"] = "en"
    role: Literal["technician", "on-call", "contractor", "supervisor", "manager"] = "on-call"
    numbers: Annotated[tuple[Number, ...], Field(max_length=10)] = ()
    email: Annotated[str, Field(max_length=200)] = ""
    initials: Annotated[str, Field(max_length=4)] = ""
    channels: Annotated[tuple[By, ...], Field(max_length=4)] = ("sms",)
    sites: Annotated[tuple[Word, ...], Field(max_length=200)] = ()
    shared: bool = False


class PersonOut(BaseModel):
    """pin: whether they have one; what it is is told to nobody."""

    id: str
    name: str
    phone: str
    language: str
    role: str
    numbers: list[str]
    email: str | None
    initials: str | None
    channels: list[str]
    sites: list[str]
    shared: bool
    pin: bool


class PeopleOut(BaseModel):
    """By id. `next`: `after` of the next page."""

    people: list[PersonOut]
    next: str | None = None


class PublishedOut(BaseModel):
    """proposal: the number of what a second person is asked to decide; null: in force."""

    proposal: int | None


class PinIn(Asked):
    pin: Annotated[str, Field(max_length=12)]


class ProfileOut(BaseModel):
    """sources: each number with where it is from."""

    label: str
    use: str
    sources: list[str]


class AssignedOut(BaseModel):
    appliance: str
    carries: str | None


class ProfilesOut(BaseModel):
    """All profiles, and a page of the appliances by id. `next`: `after` of the next page."""

    profiles: list[ProfileOut]
    appliances: list[AssignedOut]
    next: str | None = None


class AssignIn(Asked):
    """profile: its name, or `loading`, or `empty`; from now on."""

    profile: Word
    reason: Annotated[str, Field(max_length=200)] = ""


class WaitingOut(BaseModel):
    """A channel that reports and has no name yet, and its readings so far."""

    node: str
    channel: int
    quantity: str
    readings: int


class DiscoveryOut(BaseModel):
    """By node and channel. `next`: `after` of the next page."""

    waiting: list[WaitingOut]
    next: str | None = None


class AdoptIn(Asked):
    """appliance: known, or new at `site` with `profile`. place: of a thermometer in it."""

    node: Word
    channel: Annotated[int, Field(ge=0, le=65_535)]
    appliance: Word
    site: Word = ""
    profile: Word = ""
    place: Literal["load", "air", "other"] = "load"


class PlacedOut(BaseModel):
    """site, phone: as the registry has it; report: null until it was heard of."""

    id: str
    site: str | None
    phone: str | None
    report: GatewayOut | None


class GatewaysOut(BaseModel):
    """By id. `next`: `after` of the next page."""

    gateways: list[PlacedOut]
    next: str | None = None


class GatewayIn(Asked):
    id: Word
    site: Word | None = None
    phone: Number | None = None


class ChannelOut(BaseModel):
    """by: a device, a provider or a server, as the settings name it; no secret is told."""

    channel: By
    by: str


class ChannelsOut(BaseModel):
    """How people can be told; whether it works, /test-messages tries and tells."""

    channels: list[ChannelOut]


class BackupOut(BaseModel):
    """bytes: of its files."""

    name: str
    made: str
    bytes: int
    counts: list[str]


class BackupsOut(BaseModel):
    """Newest first. `next`: `before` of the next page."""

    backups: list[BackupOut]
    next: str | None = None


class RehearsedOut(BaseModel):
    """why: what is wrong with it; empty: it could be brought back, and its chains are whole."""

    name: str
    sound: bool
    why: str


def programs(office: Office) -> APIRouter:
    """What programs ask for."""
    routes = APIRouter(prefix="/api/v1")
    _people(routes, office)
    _profiles(routes, office)
    _discovery(routes, office)
    _gateways(routes, office)
    _channels(routes, office)
    _backups(routes, office)
    return routes


def _people(routes: APIRouter, office: Office) -> None:
    @routes.get("/people")
    def people(after: After = "", limit: Limit = 200) -> PeopleOut:
        everybody = office.console.records.registry().people
        found, following = page_after(everybody, lambda one: one.id, after, limit)
        return PeopleOut(people=[person_out(one) for one in found], next=following)

    @routes.post("/people")
    def put(said: PersonIn, _key: Key) -> PublishedOut:
        """Somebody new, or a known one changed."""
        form = said.model_dump(exclude={"numbers", "sites", "channels", "shared"})
        form |= {"numbers": ";".join(said.numbers), "sites": ";".join(said.sites)}
        form |= {f"by-{channel}": "1" for channel in said.channels} | {"shared": "1" if said.shared else ""}
        return PublishedOut(proposal=put_person(office, form) or None)

    @routes.post("/people/{name}/pin")
    def pin(name: str, said: PinIn, _key: Key) -> DoneOut:
        """It is never told again."""
        set_pin(office, name, said.pin)
        return DoneOut(done=True)


def person_out(one: Person) -> PersonOut:
    return PersonOut(
        id=one.id, name=one.name, phone=one.phone, language=one.language, role=one.role,
        numbers=list(one.numbers), email=one.email, initials=one.initials, channels=list(one.channels),
        sites=list(one.sites), shared=one.shared, pin=one.pin is not None,
    )  # fmt: skip


def _profiles(routes: APIRouter, office: Office) -> None:
    @routes.get("/profiles")
    def profiles(after: After = "", limit: Limit = 200) -> ProfilesOut:
        """Those that there are, and which appliance carries which now."""
        now_ms = office.console.wall_ms()

        def assigned(one: Appliance) -> AssignedOut:
            return AssignedOut(appliance=one.id, carries=one.carries(now_ms))

        appliances = office.console.records.registry().appliances
        found, following = page_after(appliances, lambda one: one.id, after, limit)
        return ProfilesOut(
            next=following,
            profiles=[
                ProfileOut(label=label, use=use, sources=list(sources))
                for label, use, sources in office.tools.profiles()
            ],
            appliances=[assigned(one) for one in found],
        )


def _discovery(routes: APIRouter, office: Office) -> None:
    @routes.get("/discovery")
    def waiting(after: After = "", limit: Limit = 200) -> DiscoveryOut:
        """What reports and has no name yet."""
        found, following = page_after(
            office.console.records.waiting(), lambda one: f"{one[0]}/{one[1]:05d}/{one[2]}", after, limit
        )
        return DiscoveryOut(
            next=following,
            waiting=[
                WaitingOut(node=node, channel=channel, quantity=Quantity(code).word, readings=n)
                for node, channel, code, n in found
            ],
        )

    @routes.post("/discovery")
    def adopt(said: AdoptIn, _key: Key) -> DoneOut:
        """A channel that waits becomes a sensor."""
        adopt_channel(office, {name: str(value) for name, value in said.model_dump().items()})
        return DoneOut(done=True)


def _gateways(routes: APIRouter, office: Office) -> None:
    @routes.get("/gateways")
    async def gateways(after: After = "", limit: Limit = 200) -> GatewaysOut:
        look = await office.console.hub.look()
        now_ms = look.fleet.now_ms
        reports = {
            g.id: GatewayOut(
                id=g.id, heard_at=rfc3339(g.arrived_ms), heard=heard(g, now_ms), pending=g.pending,
                oldest=rfc3339(g.oldest_ms) if g.oldest_ms else None, lost=g.lost,
            )
            for g in look.gateways
        }  # fmt: skip
        registry = await asyncio.to_thread(office.console.records.registry)
        entries = {g.id: g for g in registry.gateways}
        names, following = page_after({*entries, *reports}, str, after, limit)
        found = [
            PlacedOut(
                id=id_, site=entries[id_].site if id_ in entries else None,
                phone=entries[id_].phone if id_ in entries else None, report=reports.get(id_),
            )
            for id_ in names
        ]  # fmt: skip
        return GatewaysOut(gateways=found, next=following)

    @routes.post("/gateways")
    def put(said: GatewayIn, _key: Key) -> DoneOut:
        """Where one stands, and the number of its guard's SIM."""
        put_gateway(office, {"id": said.id, "site": said.site or "", "phone": said.phone or ""})
        return DoneOut(done=True)


def _channels(routes: APIRouter, office: Office) -> None:
    @routes.get("/channels")
    def channels() -> ChannelsOut:
        found = channel_lines(office)
        return ChannelsOut(channels=[ChannelOut(channel=name, by=by) for name, by in found])  # type: ignore[arg-type]


TAR: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Its files as one tar.",
        "content": {"application/x-tar": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def _backups(routes: APIRouter, office: Office) -> None:
    @routes.get("/backups/{name}.tar", response_class=StreamingResponse, responses=TAR)
    def take(name: Annotated[str, Path(max_length=40)]) -> StreamingResponse:
        return tar_answer(office, name)

    @routes.get("/backups")
    def backups(before: Before = "", limit: Limit = 100) -> BackupsOut:
        found, following = page_of(kept(office), lambda one: (one.made_ms, one.name), before, limit)
        return BackupsOut(backups=[backup_out(one) for one in found], next=following)

    @routes.post("/backups", status_code=201)
    def make(_key: Key) -> BackupOut:
        """Made and read through again; two within one second are one."""
        name = make_backup(office)
        return backup_out(next(one for one in kept(office) if one.name == name))

    @routes.post("/backups/{name}/rehearsal")
    def rehearse(name: Annotated[str, Path(max_length=40)], _key: Key) -> RehearsedOut:
        """Brought back into a folder that is thrown away."""
        folder = folder_of(office, name)
        try:
            office.tools.rehearse(folder)
        except ColdChainError as bad:
            return RehearsedOut(name=name, sound=False, why=str(bad).replace(f"{folder}/", ""))
        return RehearsedOut(name=name, sound=True, why="")


def backup_out(one: Kept) -> BackupOut:
    return BackupOut(name=one.name, made=rfc3339(one.made_ms), bytes=one.bytes, counts=list(one.counts))
