# SPDX-License-Identifier: Apache-2.0
"""The guard's channels, made anew when one hangs: its gateway goes on, so no process ends to free them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from coldchain.ports.notifier import Notifier

log = structlog.get_logger()

HUNG_MAX = 4
"""So many drivers may hang at once, each with its threads; then there is no voice until one comes back."""

Made = tuple[Mapping[str, Notifier], Callable[[], float | None] | None]
"""(channels by name, how to ask what is left on the SIM)"""


class Voice:
    """For one thread. make: as the settings ask; None: what hangs stays."""

    def __init__(self, made: Made, make: Callable[[], Made] | None = None) -> None:
        self.channels, self.credit = made
        self._make = make
        self._hung: list[Any] = []

    @property
    def lost(self) -> bool:
        """Is there none to be had?"""
        return len(self._hung) >= HUNG_MAX

    def anew(self) -> None:
        """One of them hangs: its device is taken from it, and opened by another."""
        if self._make is None:
            return
        self._hung += [one for one in self.channels.values() if hasattr(one, "abandon")]
        self._count()
        self.channels, self.credit = ({}, None) if self.lost else self._make()
        log.error("guard.modem_hangs", hanging=len(self._hung), voice=not self.lost)

    def is_back(self) -> bool:
        """There was none, and there is one now."""
        if not self.lost or self._make is None:
            return False
        self._count()
        if not self.lost:
            self.channels, self.credit = self._make()
        return not self.lost

    def _count(self) -> None:
        self._hung = [one for one in self._hung if one.abandon()]
