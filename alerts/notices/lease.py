# SPDX-License-Identifier: Apache-2.0
"""One sender at a time: a lease with a fence, in the file that the notices are in.

Whoever holds the lease sends; the fence grows with every change of hands, and a try is settled only under the
fence it was made with. A holder that is known to be dead is succeeded at once, any other when its time is up.
The serial port of a modem, opened by one process alone, is a second fence.
"""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Callable
from itertools import count
from pathlib import Path

from coldchain.kernel.clocks import WallClock
from coldchain.records.sql import transaction

LEASE_MS = 120_000
"""Longer than any single try: prompt, network and a minute for the answer."""

_LIVING: set[str] = set()
_NUMBERS = count(1)


class Lease:
    """For one thread. `fence` is 0 while somebody else holds it."""

    def __init__(self, db: sqlite3.Connection, wall_ms: WallClock, succeeded: Callable[[int], None]) -> None:
        """`succeeded(fence)` runs in the transaction in which the lease changes to our hands."""
        self._db, self._wall_ms, self._succeeded = db, wall_ms, succeeded
        self.holder = f"{socket.gethostname()}/{os.getpid()}/{_started(os.getpid())}/{next(_NUMBERS)}"
        self.fence, self._renew_ms = 0, 0
        _LIVING.add(self.holder)

    def hold(self) -> bool:
        """Take or keep the lease. False while another living sender has it."""
        now = self._wall_ms()
        if self.fence and self._renew_ms - LEASE_MS <= now < self._renew_ms:
            return True
        with transaction(self._db) as db:
            row = db.execute("SELECT holder, fence, until_ms FROM lease").fetchone()
            holder, fence, until_ms = row or ("", 0, 0)
            mine = holder == self.holder and fence == self.fence
            # A term longer than any we give was written by a clock that was wrong.
            if not mine and now < until_ms <= now + LEASE_MS and living(holder):
                self.fence = 0
                return False
            self.fence = fence if mine else fence + 1
            db.execute(
                "INSERT OR REPLACE INTO lease VALUES (1,?,?,?)", (self.holder, self.fence, now + LEASE_MS)
            )
            if not mine:
                self._succeeded(self.fence)
        self._renew_ms = now + LEASE_MS // 2
        return True

    def release(self) -> None:
        """Leave it to whoever comes."""
        if self.fence:
            with transaction(self._db) as db:
                db.execute("UPDATE lease SET until_ms = 0 WHERE holder = ?", (self.holder,))
        self.forget()

    def forget(self) -> None:
        """As if this holder had died."""
        self.fence = 0
        _LIVING.discard(self.holder)


def living(holder: str) -> bool:
    """Could that holder still act? Of other machines we cannot know."""
    parts = holder.split("/")
    if len(parts) != 4 or parts[0] != socket.gethostname():
        return bool(holder)
    if parts[1] == str(os.getpid()):
        return holder in _LIVING
    return _started(int(parts[1])) == parts[2]


def _started(pid: int) -> str:
    """When a process began, in the kernel's ticks: a pid alone may be somebody else's by now. Empty: gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""
