# SPDX-License-Identifier: Apache-2.0
"""What is to be mended, on the health page: the list that command line, doctor and morning message show."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from coldchain.kernel.errors import ColdChainError
from coldchain.records.readiness import Finding, site_of
from coldchain.records.registry import Registry
from dashboards.console.site import masked

Ready = Callable[[int], Sequence[Finding]]
"""(instant) -> everything that is to be mended, the most urgent first."""

KEEP_MS = 20_000
"""The page asks again by itself, for each who looks; the list is made this often."""
NUMBER = re.compile(r"\+\d{7,15}")


class Mending:
    """Any thread may ask. `ready` None: nobody can say, and nothing is shown."""

    def __init__(self, ready: Ready | None) -> None:
        self._ready, self._lock = ready, threading.Lock()
        self._known: Sequence[Finding] | None = None
        self._at_ms = -KEEP_MS

    def look(self, now_ms: int) -> Sequence[Finding] | None:
        """The list; None while it cannot be made."""
        if self._ready is None:
            return None
        with self._lock:
            if not 0 <= now_ms - self._at_ms < KEEP_MS:
                try:
                    self._known = self._ready(now_ms)
                except ColdChainError:
                    self._known = None
                self._at_ms = now_ms
            return self._known


def shown(
    found: Sequence[Finding] | None, registry: Registry, sees: Callable[[str, Registry], bool] | None
) -> list[Finding] | None:
    """For whoever may see only some sites (`sees`), what is about those. No whole telephone number."""
    if found is None:
        return None
    mine = [
        one for one in found if sees is None or ((site := site_of(one, registry)) and sees(site, registry))
    ]
    return [replace(one, do=NUMBER.sub(lambda number: masked(number[0]), one.do)) for one in mine]
