# SPDX-License-Identifier: Apache-2.0
"""What a soak is made of beside its processes: the wish, the registry, and two looks at what runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from coldchain.records.alarms_schema import ALARMS_MIGRATIONS
from coldchain.records.registry import Appliance, Assignment, Person, Registry, Sensor, Site
from coldchain.records.sql import open_reader
from coldchain.settings import Settings


@dataclass(frozen=True, slots=True)
class Wish:
    """What to run. heal_s: after the last fault the nodes measure on for so long, and 6 s more."""

    directory: Path
    seed: int
    faults_s: float
    nodes: int = 10
    per_node: int = 50
    every_s: float = 1.0
    backfill_s: float = 400.0
    fault_every_s: float = 1.2
    heal_s: float = 8.0
    drain_s: float = 180.0
    influx: bool = False


def soak_registry(wish: Wish) -> Registry:
    """An appliance with one probe for each channel, a site for each node, and somebody who is told."""
    pairs = [(node, channel) for node in range(wish.nodes) for channel in range(wish.per_node)]
    return Registry(
        # A site each: alarms of one site become digests, which wait for each other.
        sites=tuple(Site(id=f"s-{n:03d}-{c:03d}", name=f"Site {n}/{c}") for n, c in pairs),
        appliances=tuple(
            Appliance(
                id=appliance_of(node, channel),
                name=appliance_of(node, channel),
                site=f"s-{node:03d}-{channel:03d}",
                assignments=(Assignment(carries="red-cells@eu"),),
            )
            for node, channel in pairs
        ),
        sensors=tuple(
            Sensor(
                id=f"{appliance_of(node, channel)}/load",
                appliance=appliance_of(node, channel),
                probe="load",
                node=f"syn-{node:03d}",
                channel=channel,
            )
            for node, channel in pairs
        ),
        people=(Person(id="tester", name="Tester", phone="+8562055500999"),),
    )


def appliance_of(node: int, channel: int) -> str:
    return f"a-{node:03d}-{channel:03d}"


def first_messages_due(settings: Settings, alarms: int) -> bool:
    """Is one of the expected alarms still to be raised, or its first message still to leave?"""
    db = open_reader(settings.alarms_db, len(ALARMS_MIGRATIONS))
    try:
        (raised,) = db.execute("SELECT count(*) FROM alarm WHERE kind = 'high'").fetchone()
        (due,) = db.execute(
            "SELECT count(*) FROM alarm WHERE kind = 'high' AND id NOT IN"
            " (SELECT alarm FROM notice WHERE about = 'raised' AND state = 'sent')"
        ).fetchone()
        return bool(due) or raised < alarms
    finally:
        db.close()


def pss_kb(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0
