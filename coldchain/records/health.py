# SPDX-License-Identifier: Apache-2.0
"""Each process says what it has done, after it has done it: one small JSON file per process in DIR/health.

Liveness is recent end-to-end progress: a process beats from the loop that does its work, not from a timer.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STALE_AFTER_S = 30.0
"""A process that has not beaten for this long is stuck or dead [s]."""
BEAT_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class Beat:
    """One process's last word: when [ms since epoch], its pid, its own figures."""

    name: str
    at_ms: int
    pid: int
    figures: dict[str, Any]

    def stale(self, now_ms: int) -> bool:
        """No progress lately. A beat from the future is from before the clock was set back."""
        return abs(now_ms - self.at_ms) > STALE_AFTER_S * 1000


class Heart:
    """Writes the beat of one process, at most every BEAT_EVERY_S."""

    def __init__(self, directory: Path, name: str, wall_ms: Callable[[], int]) -> None:
        self._path = directory / "health" / f"{name}.json"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._name, self._wall_ms = name, wall_ms
        self._last_ms = 0

    def beat(self, figures: dict[str, Any], *, now: bool = False) -> None:
        """Call after each round of work. `figures` holds counters and gauges, JSON-able."""
        at_ms = self._wall_ms()
        if not now and abs(at_ms - self._last_ms) < BEAT_EVERY_S * 1000:
            return
        self._last_ms = at_ms
        draft = self._path.with_suffix(".new")
        draft.write_text(
            json.dumps({"name": self._name, "at_ms": at_ms, "pid": os.getpid(), "figures": figures})
        )
        draft.replace(self._path)


def beats(directory: Path) -> list[Beat]:
    """The last beat of every process that ever ran here."""
    found = []
    for path in sorted((directory / "health").glob("*.json")):
        try:
            found.append(Beat(**json.loads(path.read_text())))
        except (OSError, ValueError, TypeError):
            continue  # half a file of a killed process: as good as no beat
    return found
