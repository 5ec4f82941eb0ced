# SPDX-License-Identifier: Apache-2.0
"""A dead-man's switch on another host: an address that is fetched while alerts makes progress.

What watches there says so when it has not been fetched for a while; here failures are counted, no more.
"""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Callable

import structlog

log = structlog.get_logger()

EVERY_S, WITHIN_S = 60.0, 10.0

Fetch = Callable[[str], None]
"""GET that address; any exception is a failure."""


def fetch(url: str) -> None:
    """OSError (urllib's errors are) when it does not answer, or not with success."""
    with urllib.request.urlopen(url, timeout=WITHIN_S) as answer:  # noqa: S310 -- the settings permit http(s)
        answer.read(1024)


class Ping:
    """`url` None: nothing is fetched."""

    def __init__(self, url: str | None, fetch: Fetch = fetch) -> None:
        self._url, self._fetch = url, fetch
        self._due_s, self._position = float("-inf"), -1
        self._at_work: threading.Thread | None = None
        self._answered = self._failed = 0

    def look(self, now_s: float, position: int, behind: int) -> None:
        """Once a minute, if since the last look something was judged or nothing waits. Never blocks.

        position  of the journal, up to which everything is judged; `behind` it so much waits
        """
        progress = behind == 0 or position > self._position
        self._position = position
        busy = self._at_work is not None and self._at_work.is_alive()
        if self._url is None or not progress or busy or now_s < self._due_s:
            return
        self._due_s = now_s + EVERY_S
        self._at_work = threading.Thread(target=self._go, args=(self._url,), name="ping", daemon=True)
        self._at_work.start()

    def wait(self) -> None:
        """Until the fetch that is under way has ended. For tests."""
        if self._at_work is not None:
            self._at_work.join()

    def figures(self) -> dict[str, int]:
        return {} if self._url is None else {"pings": self._answered, "pings_failed": self._failed}

    def _go(self, url: str) -> None:
        try:
            self._fetch(url)
        except Exception as bad:  # noqa: BLE001 -- whatever it was, judging goes on
            self._failed += 1
            log.info("ping_failed", why=type(bad).__name__)
        else:
            self._answered += 1
