# SPDX-License-Identifier: Apache-2.0
"""The schedule of faults: what, whom, when, how long; drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

PROCESSES = ("gateway", "ingest", "alerts", "console", "broker")


class Fault(NamedTuple):
    """`kind` befalls `whom` at `at_s` after the first fault may come, and ends `lasts_s` later."""

    at_s: float
    kind: str
    whom: str
    lasts_s: float


class Kind(NamedTuple):
    """How often (a weight), whom, and for how long."""

    weight: int
    whom: str  # process, node, link, modem
    shortest_s: float
    longest_s: float


KINDS = {
    "kill": Kind(30, "process", 0, 0),
    "freeze": Kind(14, "process", 0.5, 8),
    "hang": Kind(1, "process", 0, 0),
    "wipe": Kind(3, "broker", 0, 0),
    "cut": Kind(6, "link", 0, 0),
    "late": Kind(5, "link", 1, 6),
    "half-open": Kind(5, "link", 2, 12),
    "refuse": Kind(4, "link", 1, 6),
    "corrupt": Kind(5, "link", 1, 5),
    "slow": Kind(3, "link", 1, 6),
    "unplug": Kind(8, "node", 0.5, 8),
    "noise": Kind(8, "node", 1, 8),
    "vanish": Kind(5, "node", 1, 8),
    "reboot": Kind(5, "node", 0, 0),
    "modem-unplug": Kind(3, "modem", 1, 8),
    "modem-hang": Kind(3, "modem", 1, 8),
    "modem-lies": Kind(2, "modem", 0, 0),
    "modem-mute": Kind(2, "modem", 0, 0),
    "modem-restart": Kind(2, "modem", 0, 0),
    "influx-kill": Kind(2, "influx", 0.5, 8),
}
MODEM_LIES_FULLY = "modem-lies-fully"
"""OK with a reference, and nothing sent: only a missing delivery report can tell."""


HANGS_UNTIL_S = 90.0
"""What hangs in the last so many seconds would only prolong the run."""


def schedule(seed: int, span_s: float, nodes: list[str], every_s: float) -> Iterator[Fault]:
    """Faults in order of time, one each `every_s` on average; the same seed gives the same ones."""
    dice = random.Random(seed)
    names, weights = list(KINDS), [kind.weight for kind in KINDS.values()]
    at_s = 0.0
    while (at_s := at_s + dice.expovariate(1 / every_s)) < span_s:
        name = dice.choices(names, weights)[0]
        if name == "hang" and at_s > span_s - HANGS_UNTIL_S:
            name = "freeze"
        kind = KINDS[name]
        whom = {"process": dice.choice(PROCESSES), "node": dice.choice(nodes)}.get(kind.whom, kind.whom)
        lasts_s = dice.uniform(kind.shortest_s, kind.longest_s)
        yield Fault(at_s, name, whom, min(lasts_s, span_s - at_s))
