# SPDX-License-Identifier: Apache-2.0
"""What a demo run consists of, and the folder it lives in: settings, registry, the world's part.

The folder is an ordinary installation. A second run in it goes on where the first ended.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from coldchain.kernel.errors import BadData
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
    bring_up,
)
from coldchain.settings import Settings, load
from coldchain.wiring.child import free_port
from coldchain.wiring.demo.files import ReplaySensor
from firmware_sim.fleet import Appliance as SimAppliance
from firmware_sim.fleet import Fleet
from firmware_sim.physics.quantities import OFFERS, Quantity

GATEWAY = "gw-demo"
SYNTHETIC_PER_NODE = 10
BACKFILL_S = 20 * 60
"""The simulator starts this far in the past; those minutes arrive as ordinary backfill [s]."""

WIRE_WORD = {Quantity.LOAD: "temperature", Quantity.AIR: "temperature"}
"""The wire's word where it is not the simulator's own."""


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """The run as asked for. Written to DIR/world.json for the process that plays the world.

    appliances   how many of the fleet; 0 leaves only replayed files
    replay       recorded files, each a sensor (or several)
    until_replayed  end when the last replayed reading is recorded
    synthetic    so many sensors without physics, for trials of the chain itself
    history      a new folder begins with a simulated month
    training     the scenario that somebody trains with: settings that reach nobody
    """

    directory: Path
    appliances: int = 243
    seed: int = 1
    fleet: Path | None = None
    scenario: Path | None = None
    replay: tuple[Path, ...] = ()
    until_replayed: bool = False
    profile: str | None = None
    console_port: int = 8080
    influx_url: str | None = None
    synthetic: int = 0
    synthetic_every_s: float = 1.0
    synthetic_backfill_s: float = BACKFILL_S
    history: bool = False
    training: str | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.directory / "coldchain.toml"

    @property
    def world_file(self) -> Path:
        return self.directory / "world.json"

    @property
    def inbox(self) -> Path:
        """What the simulated phones received, one JSON object a line."""
        return self.directory / "phones.jsonl"

    @property
    def replies(self) -> Path:
        """What a trainee's phones answer, one JSON object a line."""
        return self.directory / "replies.jsonl"

    @property
    def ledger(self) -> Path:
        """The nodes' own ledger: what they measured, and what was acknowledged to them."""
        return self.directory / "ledger.bin"

    def fleet_of(self) -> Fleet:
        whole = Fleet.load(self.fleet) if self.fleet else Fleet.load()
        if self.appliances > len(whole.appliances):
            raise BadData(
                f"the fleet {whole.name!r} has {len(whole.appliances)} appliances, not {self.appliances}"
            )
        if self.appliances == len(whole.appliances):
            return whole
        return Fleet.small(self.appliances, self.seed, of=whole)


def save_world(plan: DemoPlan, replay: Iterable[ReplaySensor], start_ms: int) -> None:
    """Write what the world's process needs."""
    body = {**asdict(plan), "start_ms": start_ms, "sensors": [asdict(sensor) for sensor in replay]}
    plan.world_file.write_text(json.dumps(body, default=str, indent=1), encoding="utf-8")


def load_world(path: Path) -> tuple[DemoPlan, list[ReplaySensor], int]:
    """The plan, the replayed sensors, and the simulator's start [ms since epoch]."""
    body = json.loads(path.read_text(encoding="utf-8"))
    start_ms = body.pop("start_ms")
    sensors = [ReplaySensor(**sensor) for sensor in body.pop("sensors")]
    for key in ("directory", "fleet", "scenario"):
        body[key] = Path(body[key]) if body[key] else None
    body["replay"] = tuple(Path(name) for name in body["replay"])
    return DemoPlan(**body), sensors, start_ms


def write_settings(plan: DemoPlan) -> Settings:
    """DIR/coldchain.toml, unless an earlier run left one: that goes on, but for ports taken meanwhile."""
    if plan.config.exists():
        return _with_free_ports(plan.config)
    training = f'training = "{plan.training}"\n' if plan.training else ""
    influx = f'\n[influx]\nurl = "{plan.influx_url}"\n' if plan.influx_url else ""
    plan.directory.mkdir(parents=True, exist_ok=True)
    plan.config.write_text(
        f"""# Written by `coldchain demo`. An ordinary installation: `coldchain doctor --dir` works on it.
data_dir = "."
{training}
[mqtt]
embedded = true
port = {free_port()}

[gateway]
id = "{GATEWAY}"
page_port = {free_port()}

[[gateway.lines]]
device = "lines/*"
{influx}
[notify]
kind = "modem"
sms_price = 150  # invented, as all of this
[notify.modem]
device = "modem"

[console]
port = {_port(plan.console_port)}
""",
        encoding="utf-8",
    )
    return load(plan.config)


def _with_free_ports(config: Path) -> Settings:
    """Its settings. A port of it that somebody else has taken since is another in the file from now on."""
    settings, text = load(config), config.read_text(encoding="utf-8")
    changed = text
    for port in (settings.mqtt.port, settings.gateway.page_port, settings.console.port):
        free = _port(port)
        if port and free != port:
            changed = re.sub(rf"(?m)^((?:page_)?port *= *){port}\b", rf"\g<1>{free}", changed)
    if changed == text:
        return settings
    config.write_text(changed, encoding="utf-8")
    return load(config)


def _port(wanted: int) -> int:
    """That port if it is free, else another; 0 asks for any."""
    if not wanted:
        return free_port()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return free_port()
    return wanted


def publish_registry(
    plan: DemoPlan, settings: Settings, fleet: Fleet, replay: list[ReplaySensor], wall_ms: int
) -> Registry:
    """The fleet and the replayed sensors, added to what the folder's registry holds already."""
    bring_up(settings.desk_db)
    reader = RegistryReader(settings.desk_db)
    reader.refresh()
    old, new, trial = reader.registry, registry_of(fleet, replay), synthetic_registry(plan.synthetic)
    merged = Registry(
        sites=_merged(old.sites, (*new.sites, *trial.sites)),
        appliances=_merged(old.appliances, (*new.appliances, *trial.appliances)),
        sensors=_merged(old.sensors, (*new.sensors, *trial.sensors)),
        people=_merged(old.people, (*new.people, *trial.people)),
        gateways=_merged(old.gateways, new.gateways),
        rotas=old.rotas,
        policies=old.policies,
    )
    if merged != old:
        desk = Desk(settings.desk_db, lambda: wall_ms)
        desk.publish(merged, author="demo", reason="the demo's fleet")
        desk.close()
    return merged


class HasId(Protocol):
    @property
    def id(self) -> str: ...


Entry = TypeVar("Entry", bound=HasId)


def _merged(old: tuple[Entry, ...], new: tuple[Entry, ...]) -> tuple[Entry, ...]:
    known = {part.id for part in old}
    return (*old, *(part for part in new if part.id not in known))


def synthetic_registry(count: int) -> Registry:
    """So many appliances with one probe each, ten to a node. Each node has its site and its people."""
    names = [f"syn-{number:03d}" for number in range(count)]
    nodes = [f"syn-{number:03d}" for number in range(-(-count // SYNTHETIC_PER_NODE))]
    return Registry(
        sites=tuple(Site(id=node, name=f"Synthetic {node}") for node in nodes),
        appliances=tuple(
            Appliance(
                id=f"a-{name}",
                name=name,
                site=nodes[n // SYNTHETIC_PER_NODE],
                assignments=(Assignment(carries="red-cells@eu"),),
            )
            for n, name in enumerate(names)
        ),
        sensors=tuple(
            Sensor(
                id=f"a-{name}/load",
                appliance=f"a-{name}",
                probe="load",
                node=nodes[n // SYNTHETIC_PER_NODE],
                channel=n % SYNTHETIC_PER_NODE,
            )
            for n, name in enumerate(names)
        ),
        people=tuple(
            Person(id=f"tester-{n}", name=f"Tester {n}", phone=f"+85620555009{n:02d}", sites=(node,))
            for n, node in enumerate(nodes)
        ),
    )


def registry_of(fleet: Fleet, replay: Iterable[ReplaySensor] = ()) -> Registry:
    """A simulated fleet, and replayed sensors, in the registry's words."""
    replay = list(replay)
    sites = [
        Site(
            id=s.id,
            name=s.name,
            province=s.province,
            level=_level(s.level),
            latitude=s.latitude,
            longitude=s.longitude,
        )
        for s in fleet.sites
    ]
    if replay:
        sites.append(Site(id="replay", name="Replayed records"))
    appliances = [
        Appliance(
            id=a.id,
            name=a.name,
            site=a.site,
            kind=a.type.value,
            free_bags=a.free_units,
            assignments=(Assignment(carries=a.profile),),
        )
        for a in fleet.appliances
    ]
    appliances += [
        Appliance(
            id=s.appliance,
            name=s.appliance,
            site="replay",
            kind="recorded",
            assignments=(Assignment(carries=s.profile, from_ms=-(2**62)),),
        )
        for s in replay
    ]
    sensors = [sensor for a in fleet.appliances for sensor in _sensors(a)]
    sensors += [
        Sensor(id=s.sensor, appliance=s.appliance, probe="load", node=s.node, channel=s.channel)
        for s in replay
    ]
    people = [
        Person(id=p.id, name=p.name, phone=p.phone, language=p.language, role=p.role, sites=(p.site,))  # type: ignore[arg-type]
        for p in fleet.people
    ]
    return Registry(
        sites=tuple(sites),
        appliances=tuple(appliances),
        sensors=tuple(sensors),
        people=tuple(people),
        gateways=(GatewayEntry(id=GATEWAY),),
    )


def _level(level: str) -> Any:
    return level


def _sensors(appliance: SimAppliance) -> list[Sensor]:
    return [
        Sensor(
            id=f"{appliance.id}/{offer.quantity.word.replace('_', '-')}",
            appliance=appliance.id,
            quantity=WIRE_WORD.get(offer.quantity, offer.quantity.word.replace("_", "-")),
            probe={Quantity.LOAD: "load", Quantity.AIR: "air"}.get(offer.quantity),  # type: ignore[arg-type]
            node=appliance.node,
            channel=appliance.channel(offer.quantity),
            every_s=offer.every_s,
        )
        for offer in OFFERS[appliance.type]
    ]
