# SPDX-License-Identifier: Apache-2.0
"""What a driver is: it brings events in and carries answers out. Only it knows how a node is reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from coldchain.kernel.clocks import SteadyClock, WallClock
from coldchain.settings import RegisterSettings
from gateway.codecs.frames import Event
from gateway.route import Route

Maps = Mapping[str, tuple[RegisterSettings, ...]]
"""Register maps of device types, by name."""


class Sink(Protocol):
    """Where a driver puts what it heard; runs on the event loop, never blocks."""

    def __call__(self, route: Route | None, events: Sequence[Event]) -> None: ...


@dataclass(slots=True)
class LineFigures:
    """A line's word about itself, for status, page and metrics.

    state     up, down
    last_ms   when the last event was heard [gateway's clock]; 0 never
    """

    name: str
    state: str = "down"
    last_ms: int = 0
    events: int = 0
    skipped: int = 0
    malformed: int = 0
    opened: int = 0
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every driver is handed.

    log      (event word, details): rare happenings, for structlog
    gateway  whose drivers these are
    """

    sink: Sink
    wall_ms: WallClock
    steady_s: SteadyClock
    log: Callable[[str, dict[str, Any]], None] = field(default=lambda _event, _details: None)
    gateway: str = ""


class Driver(Protocol):
    """One configured line, or all nodes of a broker. `run` returns only when it is cancelled."""

    async def run(self) -> None: ...

    def figures(self) -> list[LineFigures]: ...

    def hold(self, *, held: bool) -> None:
        """While held, take nothing in: the disk has to catch up."""
        ...
