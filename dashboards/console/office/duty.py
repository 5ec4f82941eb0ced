# SPDX-License-Identifier: Apache-2.0
"""On call: who now, who next and when, where nobody is; swaps, somebody else for a while, test messages."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from coldchain.records.alarms import Notice
from coldchain.records.asked import Asked, AskedReader
from coldchain.records.duty import Override, Rota
from coldchain.records.registry import Person, Registry
from dashboards.console.accounts.forms import read_form
from dashboards.console.accounts.gate import visitor
from dashboards.console.office.tools import Office, Shift, acting
from dashboards.console.problems import Problem

DAY_MS = 86_400_000
AHEAD_MS = 30 * DAY_MS
SHOWN = 8
CHANNELS = ("sms", "call", "email")
TESTS = 12
REASON_MAX = 200


Change = Callable[[tuple[Override, ...]], tuple[Override, ...]]


@dataclass(frozen=True, slots=True)
class RotaView:
    """One rota as the page shows it. now None: nobody; next: the shift after this one, if there is one."""

    rota: Rota
    sites: tuple[str, ...]
    now: Shift | None
    next: Shift | None
    shifts: tuple[Shift, ...]
    gaps: tuple[tuple[int, int], ...]
    overrides: tuple[tuple[int, Override], ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """A test message: state of the notice (empty: not taken up yet), and when it surely arrived."""

    at_ms: int
    person: str
    channel: str
    by: str
    state: str
    delivered_ms: int | None
    detail: str


def router(office: Office) -> APIRouter:
    """What people's browsers ask for."""
    routes = APIRouter(include_in_schema=False)
    _shown(routes, office)
    _changed(routes, office)
    return routes


def _shown(routes: APIRouter, office: Office) -> None:
    @routes.get("/oncall")
    def page(request: Request) -> Response:
        return _page(office, request)

    @routes.post("/oncall/calendar")
    async def calendar(request: Request) -> Response:
        form = await read_form(request)
        rota = find_rota(office.console.records.registry(), form.get("rota", ""))
        path = await asyncio.to_thread(office.tools.calendar, rota.id)
        return await asyncio.to_thread(
            _page, office, request, link=f"{_base(office, request)}{path}", of=rota.id
        )


def _changed(routes: APIRouter, office: Office) -> None:
    @routes.post("/oncall/override")
    async def override(request: Request) -> Response:
        """Somebody else for a while; with `back`, they take a shift of theirs in return: a swap."""
        form = await read_form(request)
        await asyncio.to_thread(put_override, office, form)
        return RedirectResponse("/oncall", 303)

    @routes.post("/oncall/undo")
    async def undo(request: Request) -> Response:
        form = await read_form(request)
        await asyncio.to_thread(undo_override, office, form)
        return RedirectResponse("/oncall", 303)

    @routes.post("/oncall/test")
    async def test(request: Request) -> Response:
        form = await read_form(request)
        sent = form.get("command", "")
        id_ = sent if len(sent) == 32 and sent.isalnum() else uuid.uuid4().hex
        await asyncio.to_thread(send_test, office, form, id_)
        return RedirectResponse("/oncall#tests", 303)


def _page(office: Office, request: Request, link: str = "", of: str = "") -> Response:
    console = office.console
    registry = console.records.registry()
    people = [p for p in registry.people if not p.sites or any(visitor().sees(s, registry) for s in p.sites)]
    return console.render(
        request, "oncall.html",
        rotas=views(office, registry, console.wall_ms()), uncovered=uncovered(registry),
        registry=registry, called=lambda id_: getattr(registry.person_by_id.get(id_), "name", id_),
        people=sorted(people, key=lambda p: p.name), channels=CHANNELS, tried=tried(office),
        local=_local, link=link, of=of, new_id=lambda: uuid.uuid4().hex,
    )  # fmt: skip


def views(office: Office, registry: Registry, now_ms: int) -> list[RotaView]:
    """The rotas that serve a site which whoever asks may see; those with a gap first."""
    found = []
    for rota in registry.rotas:
        sites = tuple(s.id for s in registry.sites if _serves(rota, s.id, s.level))
        if sites and not any(visitor().sees(site, registry) for site in sites):
            continue
        shifts = tuple(office.tools.shifts(rota, now_ms, now_ms + AHEAD_MS))
        current = shifts[0] if shifts and shifts[0].person else None
        later = tuple((n, o) for n, o in enumerate(rota.overrides) if o.until_ms > now_ms)
        holes = tuple(office.tools.gaps([rota], now_ms, now_ms + AHEAD_MS))
        after = shifts[1] if len(shifts) > 1 else None
        found.append(RotaView(rota, sites, current, after, shifts[:SHOWN], holes[:SHOWN], later))
    return sorted(found, key=lambda one: (one.now is not None, not one.gaps, one.rota.level, one.rota.id))


def uncovered(registry: Registry) -> list[str]:
    """Sites that no first rota serves: everybody of them is told."""
    first = [rota for rota in registry.rotas if rota.level == 1]
    mine = [s for s in registry.sites if visitor().sees(s.id, registry)]
    return [s.name for s in mine if not any(_serves(rota, s.id, s.level) for rota in first)]


def _serves(rota: Rota, site: str, level: str) -> bool:
    return (not rota.sites or site in rota.sites) and (not rota.site_levels or level in rota.site_levels)


def tried(office: Office) -> list[Tried]:
    """The newest test messages, newest first, to people whom whoever asks may test."""
    settings, registry = office.console.settings, office.console.records.registry()
    asked = AskedReader(settings.desk_db).of_verb("test_sms", TESTS)
    asked = [one for one in asked if _may_test(registry, registry.person_by_id.get(one.body.get("to", "")))]
    if not settings.alarms_db.exists():
        return [_tried(one, None, None, "") for one in asked]
    found = []
    with office.alarms() as reader:
        for one in asked:
            name = f"test:{one.id}"
            notice = next(iter(reader.notices(1, alarm=name)), None)
            arrived = reader.delivered(name).get(notice.id) if notice else None
            found.append(_tried(one, notice, arrived, reader.outcome(one.id) or ""))
    return found


def _tried(asked: Asked, notice: Notice | None, arrived: int | None, outcome: str) -> Tried:
    refused = outcome if outcome.startswith("refused") else ""
    state = "failed" if refused else notice.state if notice is not None else ""
    return Tried(
        asked.at_ms, asked.body.get("to", ""), asked.body.get("channel", "sms"), asked.person, state,
        arrived, refused or (notice.detail if notice else ""),
    )  # fmt: skip


# --- changes


def find_rota(registry: Registry, name: str) -> Rota:
    found = next((rota for rota in registry.rotas if rota.id == name), None)
    sites = [s.id for s in registry.sites if found is not None and _serves(found, s.id, s.level)]
    if found is None or not all(visitor().sees(site, registry) for site in sites):
        raise Problem(404, "unknown-rota", name)
    return found


def put_override(office: Office, form: dict[str, str]) -> None:
    registry = office.console.records.registry()
    rota = find_rota(registry, form.get("rota", ""))
    person = _person(registry, form.get("person", ""))
    start, end = _instant(form.get("from", ""), rota.zone), _instant(form.get("until", ""), rota.zone)
    added = [Override(person=person.id, from_ms=start, until_ms=end)] if end > start else []
    if not added or end <= office.console.wall_ms():
        raise Problem(422, "span-missing")
    reason = f"{person.id} for {rota.id}"
    if back := form.get("back", ""):
        added.append(_back(office, rota, person, back, start))
        reason = f"swap of {rota.id} with {person.id}"
    why = " ".join(form.get("reason", "").split())[:REASON_MAX]
    _publish(office, rota.id, lambda old: (*old, *added), f"{reason}: {why}" if why else reason)


def _back(office: Office, rota: Rota, taker: Person, back: str, given_ms: int) -> Override:
    """Of a swap its other half: who had the given shift takes the taker's shift that begins then."""
    shifts = office.tools.shifts(rota, office.console.wall_ms(), office.console.wall_ms() + AHEAD_MS)
    theirs = next((s for s in shifts if str(s.start_ms) == back and s.person == taker.id), None)
    given = next((s for s in shifts if s.start_ms <= given_ms < s.end_ms), None)
    if theirs is None or given is None or given.person in (None, taker.id):
        raise Problem(422, "no-such-shift")
    assert given.person is not None
    return Override(person=given.person, from_ms=theirs.start_ms, until_ms=theirs.end_ms)


def undo_override(office: Office, form: dict[str, str]) -> None:
    rota = find_rota(office.console.records.registry(), form.get("rota", ""))
    wanted = form.get("override", "")

    def without(old: tuple[Override, ...]) -> tuple[Override, ...]:
        kept = tuple(o for o in old if f"{o.person}@{o.from_ms}" != wanted)
        if kept == old:
            raise Problem(422, "no-such-shift")
        return kept

    _publish(office, rota.id, without, f"taken back: {wanted} of {rota.id}")


def _publish(office: Office, rota: str, change: Change, reason: str) -> None:
    def changed(registry: Registry) -> Registry:
        rotas = tuple(
            one.model_copy(update={"overrides": change(one.overrides)}) if one.id == rota else one
            for one in registry.rotas
        )
        return registry.model_copy(update={"rotas": rotas})

    office.change(changed, reason)


def send_test(office: Office, form: dict[str, str], id_: str) -> None:
    """Ask alerts for it; the id is the asker's."""
    registry = office.console.records.registry()
    person, channel = _person(registry, form.get("person", "")), form.get("channel", "sms")
    if channel not in CHANNELS:
        raise Problem(422, "bad-request")
    office.console.records.ask(id_, "test_sms", acting(), None, {"to": person.id, "channel": channel})


def _may_test(registry: Registry, person: Person | None) -> bool:
    """Of somebody who is gone only whoever sees everything is told."""
    if person is None:
        return visitor().sees("", registry)
    return not person.sites or any(visitor().sees(site, registry) for site in person.sites)


def _person(registry: Registry, name: str) -> Person:
    found = registry.person_by_id.get(name)
    if found is None or not _may_test(registry, found):
        raise Problem(422, "nobody-so-called", name)
    return found


def _local(at_ms: int, zone: str) -> str:
    """As an input of a form wants it."""
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M")


def _instant(text: str, zone: str) -> int:
    try:
        return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)
    except (ValueError, OverflowError) as bad:
        raise Problem(422, "span-missing") from bad


def _base(office: Office, request: Request) -> str:
    return (office.console.settings.console.address or str(request.base_url)).rstrip("/")
