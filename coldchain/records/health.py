# SPDX-License-Identifier: Apache-2.0
"""Each process says what it has done, after it has done it: one small JSON file per process in DIR/health.

Liveness is recent end-to-end progress: a process beats from the loop that does its work, not from a timer.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from coldchain.kernel.clocks import SteadyClock
from coldchain.ports.clock import steady_s as system_steady_s

STALE_AFTER_S = 30.0
"""A process that has not beaten for this long is stuck or dead [s]."""
BEAT_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class Beat:
    """One process's last word: when [ms since epoch], its pid, its own figures; `stopped`: on purpose.

    steady_s  the machine's own clock at this beat [s since it was started]
    first_ms  when this process beat first
    away_ms   so long before that the process it replaced beat last; 0: that stopped on purpose, or was none
    """

    name: str
    at_ms: int
    pid: int
    figures: dict[str, Any]
    stopped: bool = False
    steady_s: float = 0.0
    first_ms: int = 0
    away_ms: int = 0

    def stale(self, now_ms: int) -> bool:
        """No progress lately. A beat from the future is from before the clock was set back."""
        return abs(now_ms - self.at_ms) > STALE_AFTER_S * 1000


class Heart:
    """Writes the beat of one process, at most every BEAT_EVERY_S, and tells systemd where that watches."""

    def __init__(
        self,
        directory: Path,
        name: str,
        wall_ms: Callable[[], int],
        steady_s: SteadyClock = system_steady_s,
    ) -> None:
        self._path = directory / "health" / f"{name}.json"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._name, self._wall_ms, self._steady_s = name, wall_ms, steady_s
        self._before = next((beat for beat in beats(directory) if beat.name == name), None)
        self._last_ms = self._first_ms = self._away_ms = 0

    def beat(self, figures: dict[str, Any], *, now: bool = False) -> None:
        """Call after each round of work. `figures` holds counters and gauges, JSON-able."""
        at_ms = self._wall_ms()
        if not now and abs(at_ms - self._last_ms) < BEAT_EVERY_S * 1000:
            return
        self._last_ms = at_ms
        tell_systemd("READY=1\nWATCHDOG=1")
        now_s = self._steady_s()
        if not self._first_ms:
            self._first_ms, self._away_ms = at_ms, _away_ms(self._before, at_ms, now_s)
        beat = Beat(
            self._name, at_ms, os.getpid(), figures,
            steady_s=round(now_s, 3), first_ms=self._first_ms, away_ms=self._away_ms,
        )  # fmt: skip
        _write(self._path, asdict(beat))


def _away_ms(before: Beat | None, at_ms: int, now_s: float) -> int:
    """Neither a clock that was set nor a machine that was off keeps a process from working."""
    if before is None or before.stopped:
        return 0
    return max(0, min(at_ms - before.at_ms, round((now_s - before.steady_s) * 1000)))


def _write(path: Path, body: dict[str, Any]) -> None:
    draft = path.with_suffix(".new")
    try:
        draft.write_text(json.dumps(body))
        draft.replace(path)
    except OSError:  # a full disk stops no heart
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
            _write_over(path, json.dumps(body | {"figures": {}}).encode())


def _write_over(path: Path, body: bytes) -> None:
    """In place, no longer than it is: that takes no room."""
    with path.open("r+b", buffering=0) as file:
        room = os.fstat(file.fileno()).st_size
        if len(body) <= room:
            file.write(body.ljust(room))


def stopped(directory: Path, name: str) -> None:
    """That process has ended on purpose: its silence is none."""
    last = next((beat for beat in beats(directory) if beat.name == name), None)
    if last is not None:
        tell_systemd("STOPPING=1")
        _write(directory / "health" / f"{name}.json", {**asdict(last), "stopped": True})


def tell_systemd(words: str) -> None:
    """A datagram of sd_notify(3), where systemd started us with Type=notify. Never raises, never blocks."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as post:
        post.settimeout(0.0)
        post.sendto(words.encode(), "\0" + address[1:] if address.startswith("@") else address)


def beats(directory: Path) -> list[Beat]:
    """The last beat of every process that ever ran here."""
    found = []
    for path in sorted((directory / "health").glob("*.json")):
        try:
            found.append(Beat(**json.loads(path.read_text())))
        except (OSError, ValueError, TypeError):
            continue  # half a file of a killed process: as good as no beat
    return found
