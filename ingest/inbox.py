# SPDX-License-Identifier: Apache-2.0
"""What arrives, on its way from the threads that receive it to the one that commits it: a bounded queue."""

from __future__ import annotations

import queue
from concurrent.futures import Future
from dataclasses import dataclass

from coldchain.kernel.link import Batch, Receipt

INBOX_MAX = 2_000
"""Messages that may lie here. A full inbox holds up the receiver, and through TCP the broker."""
GROUP_MESSAGES_MAX = 64
GROUP_BYTES_MAX = 1_000_000
"""What one commit takes at most: it bounds how long the first of a group waits for its receipt."""
HOLD_UP_S = 5.0


@dataclass(frozen=True, slots=True)
class Message:
    """A publication as it came. `connection` tells the connection it came by: only there it can be
    acknowledged.
    """

    topic: str
    payload: bytes
    retained: bool
    mid: int
    qos: int
    connection: int


@dataclass(frozen=True, slots=True)
class Request:
    """A batch that came by HTTP; the answer goes into `receipt`."""

    batch: Batch
    receipt: Future[Receipt]


Item = Message | Request


class Inbox:
    """Any thread puts, one takes."""

    def __init__(self, maximum: int = INBOX_MAX) -> None:
        self._queue: queue.Queue[Item | None] = queue.Queue(maximum)

    def put(self, item: Item) -> bool:
        """False when it stayed full: the item is dropped unacknowledged, and will come again."""
        try:
            self._queue.put(item, timeout=HOLD_UP_S)
        except queue.Full:
            return False
        return True

    def wake(self) -> None:
        """End a waiting `take` early."""
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            return  # there is enough to wake for

    def take(self, timeout_s: float) -> list[Item]:
        """The next group, waiting up to timeout_s [s] for the first item of it."""
        group: list[Item] = []
        size = 0
        try:
            item = self._queue.get(timeout=timeout_s) if timeout_s > 0 else self._queue.get_nowait()
            while item is not None:
                group.append(item)
                size += len(item.payload) if isinstance(item, Message) else 1_000
                if len(group) >= GROUP_MESSAGES_MAX or size >= GROUP_BYTES_MAX:
                    break
                item = self._queue.get_nowait()
        except queue.Empty:
            pass
        return group

    def __len__(self) -> int:
        return self._queue.qsize()
