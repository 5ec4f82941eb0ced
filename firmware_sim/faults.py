# SPDX-License-Identifier: Apache-2.0
"""Faults by scenario file: what breaks, where, from when to when.

A scenario file is TOML with ``name`` and an array ``[[fault]]``. Each fault has

``kind``       one of `FaultKind`
``target``     ``{appliance = ID}``, ``{site = ID}``, ``{node = ID}``, ``{same_as = N}`` (what fault N of
               the file hit), or a choice among appliances no earlier fault took: ``{type = T or [T, ...],
               level = L, link = serial or mqtt, nth = N}``; each key may be left out; without ``nth`` the
               seed chooses
``start_s``    seconds after the start; negative began before it
``duration_s`` left out: for ever
``load_passes_c`` with ``at_s``, instead of ``start_s``: begin so that the *sensed* load passes it then
others         numbers of that kind: see `DEFAULTS`

A choice that finds nothing (a fleet of one appliance) is left out and listed in ``Schedule.unmatched``.
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from firmware_sim.fleet import Appliance, Fleet
from firmware_sim.physics.designs import ApplianceType
from firmware_sim.physics.noise import key_of

DEMO = Path(__file__).parent / "scenarios" / "demo.toml"


class FaultKind(StrEnum):
    """Everything a scenario can break."""

    DOOR_OPEN = "door_open"
    COMPRESSOR_LOST = "compressor_lost"
    REFRIGERANT_LOSS = "refrigerant_loss"
    MAINS_CUT = "mains_cut"
    AGITATOR_STOPPED = "agitator_stopped"
    WARM_LOAD = "warm_load"
    PROBE_OPEN = "probe_open"
    PROBE_SHORT = "probe_short"
    PROBE_STUCK = "probe_stuck"
    PROBE_DRIFT = "probe_drift"
    NODE_REBOOT = "node_reboot"
    NODE_SILENT = "node_silent"
    LINE_NOISE = "line_noise"
    GATEWAY_SILENT = "gateway_silent"


PHYSICS = frozenset(FaultKind) - {
    FaultKind.NODE_REBOOT,
    FaultKind.NODE_SILENT,
    FaultKind.LINE_NOISE,
    FaultKind.GATEWAY_SILENT,
}
"""Applied inside the World. The others are for the firmware and the wiring, by `Schedule.events_between`."""

_WHOLE_SITE = frozenset({FaultKind.MAINS_CUT, FaultKind.GATEWAY_SILENT})
_WHOLE_NODE = frozenset({FaultKind.NODE_REBOOT, FaultKind.NODE_SILENT, FaultKind.LINE_NOISE})

DEFAULTS: dict[FaultKind, dict[str, float | str]] = {
    FaultKind.DOOR_OPEN: {"gap": 1.0},  # 1 = wide open, 0.1 = ajar
    FaultKind.REFRIGERANT_LOSS: {"part_per_day": 0.1},  # of the cooling power, linear
    FaultKind.WARM_LOAD: {"part": 0.1, "temperature_c": 20.0},  # of the load's heat capacity
    FaultKind.PROBE_OPEN: {"quantity": "load"},
    FaultKind.PROBE_SHORT: {"quantity": "load"},
    FaultKind.PROBE_STUCK: {"quantity": "load"},
    FaultKind.PROBE_DRIFT: {"quantity": "load", "k_per_h": 0.1},
    FaultKind.LINE_NOISE: {"byte_error_rate": 1e-3},
}
"""Numbers a fault may carry, by kind, and what they are when left out."""

_PLACE_KEYS = {"appliance", "site", "node", "same_as", "type", "level", "link", "nth"}
_KEYS = {"kind", "target", "start_s", "duration_s", "load_passes_c", "at_s"}


class ScenarioError(ValueError):
    """The scenario file is wrong; the message names the fault and the key."""


@dataclass(frozen=True, slots=True)
class Passing:
    """The sensed load leaves ``limit_c`` behind at ``at_s``: the last reading not beyond it."""

    limit_c: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Fault:
    """One concrete fault. It acts from ``start_s`` (included) to ``end_s`` (excluded), seconds of the run.

    appliances  the ids it touches; site, node  where it strikes, when it strikes a whole one, else ""
    numbers     the kind's own, defaults filled in
    passing     asked for and not yet placed: then ``start_s`` is NaN
    """

    kind: FaultKind
    start_s: float
    end_s: float
    appliances: tuple[str, ...]
    site: str = ""
    node: str = ""
    numbers: Mapping[str, float | str] = field(default_factory=dict)
    passing: Passing | None = None

    def number(self, key: str) -> float:
        return float(self.numbers[key])


@dataclass(frozen=True, slots=True)
class Event:
    """A fault that begins or ends at ``at_s``."""

    at_s: float
    fault: Fault
    begins: bool


@dataclass(frozen=True, slots=True)
class Schedule:
    """Concrete faults of one run, and the places that no appliance of the fleet filled."""

    faults: tuple[Fault, ...] = ()
    unmatched: tuple[str, ...] = ()

    @property
    def physics(self) -> tuple[Fault, ...]:
        return tuple(fault for fault in self.faults if fault.kind in PHYSICS)

    def active_at(self, t_s: float, *kinds: FaultKind) -> tuple[Fault, ...]:
        """Faults (of these kinds, or all) that act at ``t_s``."""
        return tuple(
            fault
            for fault in self.faults
            if (not kinds or fault.kind in kinds) and fault.start_s <= t_s < fault.end_s
        )

    def events_between(self, t0_s: float, t1_s: float) -> tuple[Event, ...]:
        """Beginnings and ends in [t0, t1), in order of time, then of the file, ends before beginnings."""
        found = [
            Event(at_s, fault, begins)
            for fault in self.faults
            for at_s, begins in ((fault.start_s, True), (fault.end_s, False))
            if t0_s <= at_s < t1_s
        ]
        return tuple(sorted(found, key=lambda event: (event.at_s, event.begins)))


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario file, not yet tied to a fleet."""

    name: str
    wishes: tuple[Mapping[str, Any], ...]

    @classmethod
    def load(cls, path: Path = DEMO) -> "Scenario":
        """Read a scenario file. Raises ScenarioError, OSError, tomllib.TOMLDecodeError."""
        with path.open("rb") as file:
            return cls.of(tomllib.load(file))

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Scenario":
        """A scenario of parsed TOML."""
        wishes = tuple(data.get("fault", ()))
        for number, wish in enumerate(wishes, 1):
            _check(number, wish)
        return cls(str(data.get("name", "")), wishes)

    def resolve(self, fleet: Fleet, seed: int) -> Schedule:
        """Tie every fault to appliances. Faults that wait for a `Passing` keep ``start_s`` NaN."""
        taken: set[str] = set()
        faults: list[Fault] = []
        unmatched: list[str] = []
        hit: dict[int, tuple[Appliance, ...]] = {}
        for number, wish in enumerate(self.wishes, 1):
            kind = FaultKind(wish["kind"])
            place = wish.get("target", {})
            if "same_as" in place:
                chosen = hit.get(place["same_as"], ())
            else:
                chosen = _choose(fleet, kind, place, taken, key_of(seed, self.name, number))
            hit[number] = chosen
            if not chosen:
                unmatched.append(f"fault {number} ({kind}): nothing in the fleet fits {dict(place)}")
                continue
            taken.update(appliance.id for appliance in chosen)
            faults.append(_fault(kind, wish, chosen))
        return Schedule(tuple(faults), tuple(unmatched))


def _check(number: int, wish: Mapping[str, Any]) -> None:
    try:
        kind = FaultKind(wish.get("kind", ""))
    except ValueError as error:
        raise ScenarioError(f"fault {number}: {error}; known: {', '.join(FaultKind)}") from error
    allowed = _KEYS | set(DEFAULTS.get(kind, ()))
    for key in wish:
        if key not in allowed:
            raise ScenarioError(
                f"fault {number} ({kind}): unknown key {key!r}; known: {', '.join(sorted(allowed))}"
            )
    for key in wish.get("target", {}):
        if key not in _PLACE_KEYS:
            raise ScenarioError(f"fault {number} ({kind}): unknown target key {key!r}")
    if ("start_s" in wish) == ("load_passes_c" in wish):
        raise ScenarioError(f"fault {number} ({kind}): give either start_s or load_passes_c with at_s")
    if ("load_passes_c" in wish) != ("at_s" in wish):
        raise ScenarioError(f"fault {number} ({kind}): load_passes_c and at_s belong together")


def _choose(
    fleet: Fleet, kind: FaultKind, place: Mapping[str, Any], taken: set[str], key: int
) -> tuple[Appliance, ...]:
    """The appliances a target means. Naming one wins; a choice avoids what earlier faults took."""
    if "appliance" in place:
        named = tuple(a for a in fleet.appliances if a.id == place["appliance"])
        return _spread(fleet, kind, named[0]) if named else ()
    if "node" in place:
        return fleet.on_node(place["node"])
    levels = {site.id: site.level for site in fleet.sites}
    links = {node.id: node.link for node in fleet.nodes}
    types = place.get("type", list(ApplianceType))
    types = [types] if isinstance(types, str) else types
    fits = [
        appliance
        for appliance in fleet.appliances
        if place.get("site", appliance.site) == appliance.site
        and appliance.type in types
        and place.get("link", links[appliance.node]) == links[appliance.node]
        and place.get("level", levels[appliance.site]) == levels[appliance.site]
    ]
    if place.keys() == {"site"}:
        return tuple(fits)
    free = [a for a in fits if not any(hit.id in taken for hit in _spread(fleet, kind, a))]
    if not free:
        return ()
    nth = int(place["nth"]) if "nth" in place else key % len(free)
    return _spread(fleet, kind, free[nth]) if nth < len(free) else ()


def _spread(fleet: Fleet, kind: FaultKind, appliance: Appliance) -> tuple[Appliance, ...]:
    """Everything that suffers when this kind of fault strikes at the appliance."""
    if kind in _WHOLE_SITE:
        return tuple(a for a in fleet.appliances if a.site == appliance.site)
    return fleet.on_node(appliance.node) if kind in _WHOLE_NODE else (appliance,)


def _fault(kind: FaultKind, wish: Mapping[str, Any], chosen: tuple[Appliance, ...]) -> Fault:
    passing = Passing(float(wish["load_passes_c"]), float(wish["at_s"])) if "load_passes_c" in wish else None
    start_s = math.nan if passing else float(wish["start_s"])
    numbers = {key: wish.get(key, value) for key, value in DEFAULTS.get(kind, {}).items()}
    one_node = len({a.node for a in chosen}) == 1
    fault = Fault(
        kind=kind,
        start_s=start_s,
        end_s=math.inf,
        appliances=tuple(a.id for a in chosen),
        site=chosen[0].site if kind in _WHOLE_SITE else "",
        node=chosen[0].node if kind in _WHOLE_NODE and one_node else "",
        numbers=numbers,
        passing=passing,
    )
    if "duration_s" in wish and passing is None:
        return replace(fault, end_s=start_s + float(wish["duration_s"]))
    return fault
