# SPDX-License-Identifier: Apache-2.0
"""What neither moves nor ends: found in time, and written down as a try, so that it is not tried for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alerts.notices import errands as errand_times
from alerts.notices.errands import Errands, Hangs
from alerts.notices.senders import Done, Senders
from coldchain.ports.notifier import Delivery, Sent

SHARED = frozenset({"sms", "call"})
"""Channels of one modem. What waits for a modem that is at work does not hang: the modem moves."""


def hanging(
    channels: Mapping[str, Any], senders: Senders, errands: Errands, now_s: float
) -> tuple[Hangs, list[Done]] | None:
    """What hangs, and what is to be written of the tries that it cuts off: each counts, so that a channel
    that hangs each time is given up, and the next one has its turn. None: all is well.
    """
    tries = senders.under_way()
    under_way = [(due.channel, since_s) for due, _, since_s in tries] + errands.under_way()
    for channel, since_s in under_way:
        still_s = now_s - max(since_s, getattr(channels.get(channel), "moved_s", since_s))
        if still_s > errand_times.HANGS_S:
            bad = Hangs(channel, still_s)
            said = Sent(Delivery.UNKNOWN, str(bad))
            alike = SHARED if channel in SHARED else {channel}
            return bad, [(due, said, fence) for due, fence, _ in tries if due.channel in alike]
    return None
