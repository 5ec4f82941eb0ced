# SPDX-License-Identifier: Apache-2.0
"""The accounts of the desk, opened when somebody asks: a console may start before there is a desk."""

from __future__ import annotations

import threading
from pathlib import Path

from coldchain.kernel.clocks import WallClock
from coldchain.records.accounts import Account, Accounts, Session


class Store:
    """From any thread."""

    def __init__(self, desk: Path, wall_ms: WallClock) -> None:
        self._desk, self._wall_ms = desk, wall_ms
        self._accounts: Accounts | None = None
        self._lock = threading.Lock()

    def open(self) -> Accounts:
        """The accounts; a desk is made if there is none."""
        with self._lock:
            if self._accounts is None:
                self._accounts = Accounts(self._desk, self._wall_ms)
            return self._accounts

    def session(self, word: str) -> Session | None:
        return self.open().session(word) if self._desk.exists() else None

    def bearer(self, word: str) -> Account | None:
        return self.open().bearer(word) if self._desk.exists() else None

    def close(self) -> None:
        if self._accounts is not None:
            self._accounts.close()
