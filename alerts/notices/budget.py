# SPDX-License-Identifier: Apache-2.0
"""What may still be spent on messages, and how the modem's SIM and network fare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

log = structlog.get_logger()

CREDIT_EVERY_S, SIGNAL_EVERY_S = 6 * 3600.0, 3600.0


@dataclass(slots=True)
class Budget:
    """What may still be spent.

    hourly   beyond so many messages within an hour only first critical ones leave; 0: no bound
    reserve  with less credit than this on the SIM only critical messages leave
    ask      what is left, or None when nobody can say; asked between sends
    ask_signal  how strong the network is [dBm], or None
    """

    hourly: int = 0
    reserve: float = 0.0
    ask: Callable[[], float | None] | None = None
    ask_signal: Callable[[], int | None] | None = None
    credit: float | None = None
    signal_dbm: int | None = None
    _again_s: float = 0.0
    _signal_again_s: float = 0.0

    def due(self, now_s: float) -> bool:
        """Is there something to ask?"""
        credit = self.ask is not None and now_s >= self._again_s
        return credit or (self.ask_signal is not None and now_s >= self._signal_again_s)

    def look(self, now_s: float) -> None:
        """Ask when it is time. Takes as long as the modem does."""
        if self.ask_signal is not None and now_s >= self._signal_again_s:
            self._signal_again_s = now_s + SIGNAL_EVERY_S
            self.signal_dbm = self.ask_signal()
        if self.ask is not None and now_s >= self._again_s:
            self._again_s = now_s + CREDIT_EVERY_S
            self.credit = self.ask()
            log.info("credit", left=self.credit, reserve=self.reserve)

    def lowest(self, spent: int) -> int:
        """The lowest priority that may leave, after so many messages within the hour.

        >>> (
        ...     Budget(hourly=10).lowest(9),
        ...     Budget(hourly=10).lowest(10),
        ...     Budget(reserve=50.0, credit=40.0).lowest(0),
        ... )
        (2, 0, 1)
        """
        if self.hourly and spent >= self.hourly:
            return 0
        return 1 if self.credit is not None and self.credit < self.reserve else 2
