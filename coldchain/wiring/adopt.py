# SPDX-License-Identifier: Apache-2.0
"""Changes of the registry from the command line: each reads the newest version and publishes the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from coldchain.kernel.errors import BadData, StoreUnavailable
from coldchain.kernel.widening import Effect
from coldchain.kernel.words import CANARY_NODE, Quantity
from coldchain.records.changes import of_registry
from coldchain.records.readings_schema import READINGS_MIGRATIONS
from coldchain.records.registry import (
    Appliance,
    Assignment,
    Desk,
    GatewayEntry,
    Person,
    Registry,
    RegistryReader,
    Sensor,
    Site,
)
from coldchain.records.sql import open_reader
from coldchain.settings import Settings
from coldchain.settings.profile_files import WRITTEN, of_site


@dataclass(frozen=True, slots=True)
class WaitingChannel:
    """A channel that reports and is not known."""

    node: str
    channel: int
    quantity: str
    readings: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Adoption:
    """Which channel becomes which sensor; None where the channel or the registry already tells.

    name, kind  of an appliance that is new; site_name of a site that is
    """

    node: str
    channel: int
    sensor: str
    quantity: str | None = None
    site: str | None = None
    profile: str | None = None
    name: str | None = None
    kind: str | None = None
    site_name: str | None = None


def waiting_channels(settings: Settings) -> list[WaitingChannel]:
    """What waits, by node and channel. Empty before ingest has ever run."""
    try:
        db = open_reader(settings.readings_db, len(READINGS_MIGRATIONS))
    except StoreUnavailable as bad:
        if bad.__cause__ is not None:  # it is there, and damaged: not the same as nothing waits
            raise
        return []
    rows = db.execute(
        "SELECT node, channel, quantity, sum(n) FROM waiting GROUP BY 1, 2, 3 ORDER BY 1, 2"
    ).fetchall()
    db.close()
    return [WaitingChannel(node, channel, Quantity(code).word, n) for node, channel, code, n in rows]


def _change(
    settings: Settings,
    change: Callable[[Registry], dict[str, Any]],
    *,
    author: str,
    reason: str,
    wall_ms: Callable[[], int],
    may: Callable[[Registry, Registry], None] = lambda _before, _after: None,
) -> int:
    """may: BadData for a version that must not come of it."""
    reader = RegistryReader(settings.desk_db)
    reader.refresh()
    try:
        changed = Registry(**{**dict(reader.registry), **change(reader.registry)})
    except ValidationError as bad:
        raise BadData("; ".join(_said(fault) for fault in bad.errors())) from bad
    may(reader.registry, changed)
    desk = Desk(settings.desk_db, wall_ms)
    try:
        return desk.publish(changed, author=author, reason=reason, after=reader.version)
    finally:
        desk.close()


def _said(fault: ErrorDetails) -> str:
    """Which entry, what is wrong with it."""
    if fault["type"] == "value_error":  # our own words: they name the entry
        return str(fault["ctx"]["error"])
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}, not {fault['input']!r}"


def one_may(settings: Settings, now_ms: int) -> Callable[[Registry, Registry], None]:
    """BadData for what makes alarms later or rarer: that takes the way on which two people decide."""

    def may(before: Registry, after: Registry) -> None:
        profiles = {
            one.profile.name: one.profile for one in [*WRITTEN, *of_site(settings.data_dir / "profiles")]
        }
        wide = [c for c in of_registry(before, after, profiles, now_ms) if c.effect is Effect.WIDENS]
        if wide:
            raise BadData(
                f"{wide[0]}: alarms come later or more seldom by this, which two people decide; "
                "bring it as a table of sensors"
            )

    return may


def adopt_channel(
    settings: Settings,
    wish: Adoption,
    *,
    author: str,
    wall_ms: Callable[[], int],
    may: Callable[[Registry, Registry], None] = lambda _before, _after: None,
) -> int:
    """Bind the channel; makes the appliance (and its site) when new. Returns the registry's version."""
    quantity = wish.quantity or next(
        (w.quantity for w in waiting_channels(settings) if (w.node, w.channel) == (wish.node, wish.channel)),
        "temperature",
    )

    def change(registry: Registry) -> dict[str, Any]:
        appliance_id, slash, place = wish.sensor.partition("/")
        if not slash:
            raise BadData(f"{wish.sensor!r} is not APPLIANCE/PROBE, e.g. vte-br-03/load")
        bound = registry.by_channel.get((wish.node, wish.channel))
        if bound is not None:
            raise BadData(f"{wish.node}/{wish.channel} is {bound.id} already")
        sites, appliances = list(registry.sites), list(registry.appliances)
        if appliance_id not in registry.appliance_by_id:
            site = wish.site or (sites[0].id if sites else "site-1")
            if site not in registry.site_by_id:
                sites.append(Site(id=site, name=wish.site_name or site, zone=settings.zone))
            carries = (Assignment(carries=wish.profile),) if wish.profile else ()
            named: dict[str, Any] = {"name": wish.name or appliance_id}
            named |= {"kind": wish.kind} if wish.kind else {}
            appliances.append(Appliance(id=appliance_id, site=site, assignments=carries, **named))
        probe: Literal["load", "air"] | None = None
        if quantity == "temperature" and place in {"air", "load"}:
            probe = "air" if place == "air" else "load"
        sensor = Sensor(
            id=wish.sensor,
            appliance=appliance_id,
            quantity=quantity,
            probe=probe,
            node=wish.node,
            channel=wish.channel,
        )
        return {
            "sites": tuple(sites),
            "appliances": tuple(appliances),
            "sensors": (*registry.sensors, sensor),
        }

    why = f"adopted {wish.sensor}"
    return _change(settings, change, author=author, reason=why, wall_ms=wall_ms, may=may)


def assign_profile(
    settings: Settings, appliance: str, carries: str, *, author: str, wall_ms: Callable[[], int]
) -> int:
    """From now on the appliance carries that. Returns the registry's version."""

    def change(registry: Registry) -> dict[str, Any]:
        if appliance not in registry.appliance_by_id:
            raise BadData(f"no appliance {appliance!r}; `coldchain registry show` lists them")
        added = Assignment(carries=carries, from_ms=wall_ms())
        return {
            "appliances": tuple(
                a.model_copy(update={"assignments": (*a.assignments, added)}) if a.id == appliance else a
                for a in registry.appliances
            )
        }

    return _change(settings, change, author=author, reason=f"{appliance} carries {carries}", wall_ms=wall_ms)


def put_person(settings: Settings, entry: dict[str, Any], *, author: str, wall_ms: Callable[[], int]) -> int:
    """Add or replace a person. Returns the registry's version."""

    def change(registry: Registry) -> dict[str, Any]:
        others = [p for p in registry.people if p.id != entry["id"]]
        return {"people": (*others, Person(**entry))}

    return _change(settings, change, author=author, reason=f"person {entry['id']}", wall_ms=wall_ms)


def put_gateway(settings: Settings, entry: dict[str, Any], *, author: str, wall_ms: Callable[[], int]) -> int:
    """Say where a gateway stands, and the number of its guard's SIM. Returns the registry's version."""

    def change(registry: Registry) -> dict[str, Any]:
        if entry["site"] is not None and entry["site"] not in registry.site_by_id:
            known = ", ".join(sorted(registry.site_by_id)[:12]) or "none yet"
            raise BadData(f"there is no site {entry['site']!r}; known: {known}")
        others = [g for g in registry.gateways if g.id != entry["id"]]
        return {"gateways": (*others, GatewayEntry(**entry))}

    return _change(settings, change, author=author, reason=f"gateway {entry['id']}", wall_ms=wall_ms)


def put_canary(settings: Settings, gateway: str, *, author: str, wall_ms: Callable[[], int]) -> int:
    """Know the reading that a gateway's canary line makes up once a day. Returns the registry's version."""
    node = CANARY_NODE + gateway
    sensor = Sensor(id=f"{node}/reading", node=node, channel=0, every_s=86_400)

    def change(registry: Registry) -> dict[str, Any]:
        return {"sensors": (*(s for s in registry.sensors if s.id != sensor.id), sensor)}

    return _change(settings, change, author=author, reason=f"canary of {gateway}", wall_ms=wall_ms)
