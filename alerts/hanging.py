# SPDX-License-Identifier: Apache-2.0
"""What neither ends nor fails: found in time, and written down as a try, so that it is not tried for ever."""

from __future__ import annotations

from alerts.errands import Errands, Hangs, hangs
from alerts.senders import Done, Senders
from coldchain.ports.notifier import Delivery, Sent

SHARED = frozenset({"sms", "call"})
"""Channels of one modem."""


class Patience:
    """For the outbox's own thread. Times are those of a steady clock [s]."""

    def __init__(self) -> None:
        self._freed_s = float("-inf")

    def ended(self, channel: str, now_s: float) -> None:
        """A try or an errand of that channel came to an end: what waited for the modem has it now."""
        if channel in SHARED:
            self._freed_s = now_s

    def hanging(self, senders: Senders, errands: Errands, now_s: float) -> tuple[Hangs, list[Done]] | None:
        """What hangs, and what is to be written of the tries that it cuts off: each counts, so that a channel
        that hangs each time is given up, and the next one has its turn. None: all is well.
        """
        tries = senders.under_way()
        under_way = [(due.channel, since_s) for due, _, since_s in tries] + errands.under_way()
        for channel, since_s in under_way:
            freed_s = self._freed_s if channel in SHARED else since_s
            if hangs(since_s, now_s, freed_s):
                bad = Hangs(channel, now_s - since_s)
                said = Sent(Delivery.UNKNOWN, str(bad))
                alike = SHARED if channel in SHARED else {channel}
                return bad, [(due, said, fence) for due, fence, _ in tries if due.channel in alike]
        return None
