# SPDX-License-Identifier: Apache-2.0
"""What the hub of the simulation is told of: its sites, gateways, appliances, sensors, and who is called."""

from __future__ import annotations

from collections.abc import Iterable

from coldchain.records.duty import Policy, Step
from coldchain.records.registry import Appliance, Assignment, GatewayEntry, Person, Registry, Site
from coldchain.records.registry import Sensor as Probe
from sim.gateway import Gateway
from sim.plan import TICK_MS

ONCE = tuple(
    Policy(id=severity, severity=severity, steps=(Step(after_s=0, tell=("duty:1",)),), repeat_s=0)
    for severity in ("critical", "warning")
)
PEOPLE = (Person(id="ana", name="Ana", phone="+8562000000001", role="technician"),)


def registry_of(gateways: Iterable[Gateway], channels: int) -> Registry:
    """Everything that the gateways' nodes measure, and one person who is told once."""
    gateways = list(gateways)
    names = [g.name for g in gateways]
    places = [(g.name, node, c) for g in gateways for node in g.nodes for c in range(channels)]
    always = (Assignment(carries="red-cells@eu", from_ms=-(2**62)),)
    return Registry(
        sites=tuple(Site(id=f"s-{name}", name=name) for name in names),
        gateways=tuple(GatewayEntry(id=name, site=f"s-{name}") for name in names),
        people=PEOPLE,
        policies=ONCE,
        appliances=tuple(
            Appliance(id=appliance_of(node.sensors[c]), name="F", site=f"s-{g}", assignments=always)
            for g, node, c in places
        ),
        sensors=tuple(
            Probe(
                id=f"{appliance_of(node.sensors[c])}/load",
                appliance=appliance_of(node.sensors[c]),
                probe="load",
                node=node.name,
                channel=c,
                every_s=TICK_MS // 1000,
            )
            for _, node, c in places
        ),
    )


def appliance_of(sensor: int) -> str:
    return f"a-{sensor:03d}"
