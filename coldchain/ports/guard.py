# SPDX-License-Identifier: Apache-2.0
"""The port by which a gateway feeds its guard: what it accepted, and how the hub is doing.

The guard judges and tells by itself; whatever becomes of it, the gateway goes on. No call blocks or raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from coldchain.kernel.guard import Kept, Report, Rules
from coldchain.kernel.readings import Rows


@dataclass(frozen=True, slots=True)
class Accepted:
    """Readings on the gateway's disk: link sequences low..high; `rows` of SPOOLED point into `nodes`."""

    low: int
    high: int
    nodes: Sequence[tuple[str, int]]
    rows: Rows


@dataclass(frozen=True, slots=True)
class HubWord:
    """How the hub is doing.

    pending   readings that no receipt covers
    oldest_ms when the gateway received the oldest of them; None when there is none
    silent_s  how long readings have waited without any receipt [s, steady]; 0 while none waits
    up        the connection to the broker holds
    """

    pending: int
    oldest_ms: int | None
    silent_s: float
    up: bool = False


class Guard(Protocol):
    """From any thread, except start and stop."""

    def start(self) -> None:
        """Begin to work, in threads of its own."""
        ...

    def stop(self) -> None:
        """Save and end, within 3 s."""
        ...

    def heard(self, accepted: Sequence[Accepted]) -> None:
        """These are accepted. The same ones may come again after a restart."""
        ...

    def hub(self, word: HubWord) -> None:
        """How the hub is doing; every few seconds."""
        ...

    def command(self, command: Kept | Rules) -> None:
        """What the hub says."""
        ...

    def reports(self) -> Sequence[Report]:
        """What the hub has not said to keep yet, oldest first."""
        ...

    def rules(self) -> str:
        """The digest of the copy that it judges by; empty without one: then it judges nothing."""
        ...

    def status(self) -> dict[str, Any]:
        """For the status, the page and `coldchain doctor`. `state`: no_rules, following, speaking, broken."""
        ...
