# SPDX-License-Identifier: Apache-2.0
"""A fleet is plain data: sites, people, nodes and appliances in one TOML file, easy to replace.

The file has four arrays of tables (see `fleets/national.toml`):

``[[sites]]``       id, name, province, level (central, provincial, district), latitude, longitude
``[[people]]``      id, name, role (technician, on-call, supervisor), site, language (lo, en, fr, vi), phone
``[[nodes]]``       id, site, room, link (serial, mqtt), address (1..247, the node's own on its line)
``[[appliances]]``  id, name, site, type, profile, node, slot, free_units

One serial line per serial node. An appliance's channels are ``slot * 16 + quantity`` and never move when
appliances are added or taken away.
"""

import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_sim.physics.designs import DESIGNS, ApplianceType
from firmware_sim.physics.noise import key_of
from firmware_sim.physics.quantities import CHANNELS_PER_APPLIANCE, OFFERS, Quantity

NATIONAL = Path(__file__).parent / "fleets" / "national.toml"
MAX_SLOTS = 8
LEVELS = ("central", "provincial", "district")


class FleetError(ValueError):
    """The fleet file contradicts itself; the message names the entry."""


@dataclass(frozen=True, slots=True)
class Site:
    """A place with one mains supply. latitude, longitude [degrees], rounded: it is a simulation."""

    id: str
    name: str
    province: str
    level: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Person:
    """Someone with a phone. Numbers lie in +856 20 5550 xxxx, for tests; names are duties, not people."""

    id: str
    name: str
    role: str
    site: str
    language: str
    phone: str


@dataclass(frozen=True, slots=True)
class Node:
    """A board that reports for up to eight appliances, over its own serial line or over MQTT."""

    id: str
    site: str
    room: str
    link: str
    address: int


@dataclass(frozen=True, slots=True)
class Appliance:
    """One refrigerator, freezer, incubator or box, and where its probes are connected.

    free_units   declared free capacity [bags]
    """

    id: str
    name: str
    site: str
    type: ApplianceType
    profile: str
    node: str
    slot: int
    free_units: int

    def channel(self, quantity: Quantity) -> int:
        """The number of this quantity's channel on the node: stable for the appliance's life."""
        return self.slot * CHANNELS_PER_APPLIANCE + int(quantity)

    def sensor(self, quantity: Quantity) -> str:
        """The sensor's id: ``vte-br-03/load``."""
        return f"{self.id}/{quantity.word}"

    @property
    def channels(self) -> dict[Quantity, int]:
        """Every channel this type offers."""
        return {offer.quantity: self.channel(offer.quantity) for offer in OFFERS[self.type]}

    @property
    def mobile(self) -> bool:
        return DESIGNS[self.type].mobile


@dataclass(frozen=True, slots=True)
class Fleet:
    """Appliances in file order, and the sites, nodes and people they need."""

    name: str
    utc_offset_h: float
    sites: tuple[Site, ...]
    people: tuple[Person, ...]
    nodes: tuple[Node, ...]
    appliances: tuple[Appliance, ...]

    @classmethod
    def load(cls, path: Path = NATIONAL) -> "Fleet":
        """Read a fleet file. Raises FleetError (what is wrong, where), OSError, tomllib.TOMLDecodeError."""
        with path.open("rb") as file:
            data = tomllib.load(file)
        return cls.of(data)

    @classmethod
    def of(cls, data: dict[str, Any]) -> "Fleet":
        """A fleet of parsed TOML."""
        try:
            fleet = cls(
                name=str(data["name"]),
                utc_offset_h=float(data["utc_offset_h"]),
                sites=tuple(Site(**entry) for entry in data["sites"]),
                people=tuple(Person(**entry) for entry in data["people"]),
                nodes=tuple(Node(**entry) for entry in data["nodes"]),
                appliances=tuple(
                    Appliance(**{**entry, "type": ApplianceType(entry["type"])})
                    for entry in data["appliances"]
                ),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FleetError(f"fleet file: {error}") from error
        fleet._check()
        return fleet

    @classmethod
    def small(cls, count: int, seed: int = 0, *, of: "Fleet | None" = None) -> "Fleet":
        """``count`` appliances of a fleet (the national one), 0 to all, balanced over types.

        A smaller fleet is a prefix of a larger one, and the first is the file's first blood refrigerator.
        """
        whole = of if of is not None else cls.load()
        if not 0 <= count <= len(whole.appliances):
            raise FleetError(
                f"{count} appliances asked for; the fleet {whole.name!r} has 0..{len(whole.appliances)}"
            )
        return whole.only(balanced_order(whole.appliances, seed)[:count])

    def only(self, appliances: tuple[Appliance, ...]) -> "Fleet":
        """The same fleet with these appliances and the sites, nodes and people that belong to them."""
        sites = {appliance.site for appliance in appliances}
        nodes = {appliance.node for appliance in appliances}
        return Fleet(
            self.name,
            self.utc_offset_h,
            tuple(site for site in self.sites if site.id in sites),
            tuple(person for person in self.people if person.site in sites),
            tuple(node for node in self.nodes if node.id in nodes),
            appliances,
        )

    def index(self, appliance_id: str) -> int:
        """The row of an appliance in ``appliances`` (and in the World). Raises KeyError."""
        for row, appliance in enumerate(self.appliances):
            if appliance.id == appliance_id:
                return row
        raise KeyError(appliance_id)

    def on_node(self, node_id: str) -> tuple[Appliance, ...]:
        """The appliances of one node, by slot."""
        return tuple(sorted((a for a in self.appliances if a.node == node_id), key=lambda a: a.slot))

    def _check(self) -> None:
        for what, ids in (
            ("site", [s.id for s in self.sites]),
            ("person", [p.id for p in self.people]),
            ("node", [n.id for n in self.nodes]),
            ("appliance", [a.id for a in self.appliances]),
        ):
            doubled = [name for name, times in Counter(ids).items() if times > 1]
            _require(not doubled, f"{what} {doubled[:1]} appears twice")
        sites = {site.id for site in self.sites}
        nodes = {node.id: node for node in self.nodes}
        for site in self.sites:
            _require(site.level in LEVELS, f"site {site.id}: level {site.level!r} is not one of {LEVELS}")
        for node in self.nodes:
            _require(node.site in sites, f"node {node.id}: no site {node.site!r}")
            _require(
                node.link in ("serial", "mqtt"), f"node {node.id}: link {node.link!r} is not serial or mqtt"
            )
            _require(1 <= node.address <= 247, f"node {node.id}: address {node.address} is not 1..247")
        for person in self.people:
            _require(person.site in sites, f"person {person.id}: no site {person.site!r}")
        taken: set[tuple[str, int]] = set()
        for appliance in self.appliances:
            _require(appliance.node in nodes, f"appliance {appliance.id}: no node {appliance.node!r}")
            _require(
                nodes[appliance.node].site == appliance.site,
                f"appliance {appliance.id}: its node {appliance.node} stands at another site",
            )
            _require(
                0 <= appliance.slot < MAX_SLOTS,
                f"appliance {appliance.id}: slot {appliance.slot} is not 0..7",
            )
            place = (appliance.node, appliance.slot)
            _require(place not in taken, f"appliance {appliance.id}: slot {place} is taken")
            taken.add(place)


def _require(holds: object, message: str) -> None:
    if not holds:
        raise FleetError(f"fleet file: {message}")


def balanced_order(appliances: tuple[Appliance, ...], seed: int) -> tuple[Appliance, ...]:
    """All appliances, so ordered that every prefix holds each type in about its share of the whole.

    The file's first blood refrigerator leads, then one of each other type; the seed shuffles within a type.
    """
    queues: dict[ApplianceType, list[Appliance]] = {}
    for kind in ApplianceType:
        mine = [a for a in appliances if a.type is kind]
        fixed = 1 if kind is ApplianceType.BLOOD_REFRIGERATOR else 0
        queues[kind] = mine[:fixed] + sorted(mine[fixed:], key=lambda a: key_of(seed, a.id))
    total = {kind: len(queue) for kind, queue in queues.items() if queue}
    given = dict.fromkeys(total, 0)
    order: list[Appliance] = []
    for _ in appliances:
        # A type not yet seen comes first, then the one that has given the smallest part of what it has.
        kind = min(
            (k for k in total if given[k] < total[k]),
            key=lambda k: (
                given[k] > 0,
                (given[k] + 0.5) / total[k] if given[k] else 0,
                list(ApplianceType).index(k),
            ),
        )
        order.append(queues[kind][given[kind]])
        given[kind] += 1
    return tuple(order)
