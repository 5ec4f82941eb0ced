# SPDX-License-Identifier: Apache-2.0
"""Where a node's readings come from: a source yields measurements in order of time."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, Protocol

from firmware_sim.firmware.frames import READINGS_MAX, Reading
from firmware_sim.firmware.node import NodeConfig

TEMPERATURE = 1  # quantity code of the wire format


class Measurement(NamedTuple):
    """What one node's probes gave at one instant [ms UTC]."""

    node: str
    at_ms: int
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """A node of a source and the way it is connected: "serial" or "mqtt"."""

    config: NodeConfig
    link: str = "serial"


class Source(Protocol):
    """Measurements of several nodes."""

    def boards(self) -> list[Board]:
        """Every node that will ever measure."""
        ...

    def next_ms(self) -> int | None:
        """Instant of the next measurement; None when there will be none."""
        ...

    def take(self, until_ms: int) -> Iterator[Measurement]:
        """All measurements not yet taken, up to and including that instant, in order of time."""
        ...

    def restarted(self, node: str) -> None:
        """The node lost its power: its probes begin with their power-on values."""
        ...


def synthetic_value(seed: int, node: str, channel: int, number: int) -> int:
    """The number-th value of a synthetic channel [thousandths of °C]: 2.000 to 5.999.

    Any test can compute it again; two channels or numbers hardly ever agree.
    """
    digest = blake2b(f"{seed}/{node}/{channel}/{number}".encode(), digest_size=4).digest()
    return 2_000 + int.from_bytes(digest, "little") % 4_000


class SyntheticSource:
    """`sensors` temperature channels on nodes `syn-000` ..., each every `every_ms`, without physics.

    Nodes take turns within the interval. limit: this many measurements a node, then no more.
    """

    def __init__(
        self,
        sensors: int,
        *,
        seed: int,
        start_ms: int,
        every_ms: int = 1_000,
        per_node: int = 10,
        limit: int | None = None,
        link: str = "serial",
    ) -> None:
        assert sensors > 0
        assert 0 < per_node <= READINGS_MAX
        self._seed, self._start_ms, self._every_ms, self._limit, self._link = (
            seed,
            start_ms,
            every_ms,
            limit,
            link,
        )
        self._channels = {
            f"syn-{number:03d}": min(per_node, sensors - number * per_node)
            for number in range(-(-sensors // per_node))
        }
        self._names = list(self._channels)
        self._turn = 0

    def boards(self) -> list[Board]:
        return [Board(NodeConfig(name), self._link) for name in self._names]

    def sensors(self) -> list[tuple[str, int]]:
        """(node, channel) of every sensor."""
        return [(name, channel) for name, count in self._channels.items() for channel in range(count)]

    def next_ms(self) -> int | None:
        number, place = divmod(self._turn, len(self._names))
        if self._limit is not None and number >= self._limit:
            return None
        return self._start_ms + number * self._every_ms + place * self._every_ms // len(self._names)

    def take(self, until_ms: int) -> Iterator[Measurement]:
        while (at_ms := self.next_ms()) is not None and at_ms <= until_ms:
            number, place = divmod(self._turn, len(self._names))
            self._turn += 1
            name = self._names[place]
            yield Measurement(
                name,
                at_ms,
                tuple(
                    Reading(channel, TEMPERATURE, 0, synthetic_value(self._seed, name, channel, number))
                    for channel in range(self._channels[name])
                ),
            )

    def restarted(self, node: str) -> None:
        """Has no probes that could notice."""
