# SPDX-License-Identifier: Apache-2.0
"""Tells gateways the heads of the audit chains, so that a copy is where nobody at the hub can change it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from coldchain.kernel.audit import Anchors, Head
from coldchain.kernel.clocks import WallClock
from coldchain.kernel.errors import ColdChainError
from coldchain.kernel.guard import encode_command
from coldchain.records.audit import CHAINS, head_of

LOOK_EVERY_MS = 60_000
TELL_EVERY_MS = 600_000
"""A gateway is told so often at most, and only what is new: it may pay by the byte."""


class AnchorDesk:
    """For one thread. A chain that cannot be read is not told: `coldchain audit verify` says why."""

    def __init__(self, data_dir: Path, wall_ms: WallClock) -> None:
        self._data_dir, self._wall_ms = data_dir, wall_ms
        self._looked_ms: int | None = None
        self._heads: dict[str, Head] = {}
        self._told: dict[str, tuple[int, dict[str, Head]]] = {}

    def commands(self, gateway: str) -> Iterator[bytes]:
        """What to publish to a gateway that has just said that it is there."""
        now_ms = self._wall_ms()
        self._look(now_ms)
        at_ms, before = self._told.get(gateway, (now_ms - TELL_EVERY_MS, {}))
        soon = 0 <= now_ms - at_ms < TELL_EVERY_MS and self._heads.keys() == before.keys()
        if self._heads == before or soon:
            return
        self._told[gateway] = now_ms, self._heads
        yield encode_command(gateway, Anchors(self._heads, now_ms))

    def _look(self, now_ms: int) -> None:
        if self._looked_ms is not None and 0 <= now_ms - self._looked_ms < LOOK_EVERY_MS:
            return
        self._looked_ms = now_ms
        found = {}
        for chain in CHAINS:
            try:
                found[chain] = head_of(self._data_dir / f"{chain}.db", chain)
            except (sqlite3.Error, ColdChainError):
                continue
        self._heads = found
