# SPDX-License-Identifier: Apache-2.0
"""How fast one account may change things: a program that runs away starves nobody's desk.

Answers to alarms are never held up, and what is only read is not counted. The machine's own screen is no
account. Wrong passwords and messages that cost credit have bounds of their own.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

BURST, PER_S = 2_000, 20.0
"""So many changes at once, then so many a second: a registry of a thousand rows is one change, and people
make one in some seconds. Ours.
"""
KEPT = 5_000
"""Accounts that are remembered; who changed nothing for longest begins anew."""
ANSWERS = ("/acknowledge", "/answer/", "/api/v1/delivery/")


class Pace:
    """Any thread may ask. now_s: a clock that never steps back."""

    def __init__(self, now_s: Callable[[], float], burst: int = BURST, per_s: float = PER_S) -> None:
        self._now_s, self._burst, self._per_s = now_s, burst, per_s
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, who: str) -> int:
        """0: go on, it is counted. Else how long to wait; nothing is counted."""
        with self._lock:
            now_s = self._now_s()
            left, at_s = self._left.pop(who, (float(self._burst), now_s))
            left = min(float(self._burst), left + (now_s - at_s) * self._per_s)
            may = left >= 1
            self._left[who] = (left - 1 if may else left, now_s)
            while len(self._left) > KEPT:
                self._left.popitem(last=False)
            return 0 if may else 1 + int((1 - left) / self._per_s)


def is_answer(path: str) -> bool:
    """Does it stop somebody's telephone?"""
    return path.startswith(ANSWERS) or path.endswith("/acknowledge")
