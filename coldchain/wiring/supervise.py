# SPDX-License-Identifier: Apache-2.0
"""Runs child processes and starts again what dies. On a site systemd or Compose does this."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

BACK_OFF_FIRST_S = 0.2
BACK_OFF_MOST_S = 10.0
SETTLED_AFTER_S = 5.0
"""A child that lived this long starts its back-off anew."""
STOP_PATIENCE_S = 8.0
STUCK_AFTER_S = 60.0
"""A child whose heart has beaten and then stood still for so long is killed and started anew: with what it
takes to start, inside the 120 s in which whatever stops making progress must show. One that starts shows
progress by using the processor."""
ASK_EVERY_S = 10.0
FIRST_BEAT_S = 900.0
"""A child that starts may first have to migrate or to check its store."""
PR_SET_PDEATHSIG = 1  # linux/prctl.h

log = structlog.get_logger()


@dataclass(slots=True)
class Child:
    """One process to keep alive. `log` receives what it says; None lets it speak on our standard error.

    heart  the file that it writes anew after each piece of work; None: only its death shows
    asks   does it answer? For a program that is not ours; asked every ASK_EVERY_S, and may take a second
    """

    name: str
    command: Sequence[str]
    log: Path | None = None
    folder: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    due_s: float = 0.0
    back_off_s: float = BACK_OFF_FIRST_S
    deaths: int = 0
    environment: dict[str, str] = field(default_factory=dict)
    heart: Path | None = None
    asks: Callable[[], bool] | None = None
    asked_s: float = 0.0
    beat: int = 0
    beat_s: float = 0.0
    worked: int = 0
    worked_s: float = 0.0

    def start(self, now_s: float) -> None:
        out = self.log.open("ab") if self.log else None
        try:
            self.process = subprocess.Popen(
                list(self.command),
                stdin=subprocess.DEVNULL,
                stdout=out or sys.stderr.fileno(),
                stderr=out or sys.stderr.fileno(),
                cwd=self.folder,
                env={**os.environ, **self.environment},
                preexec_fn=_die_with_parent,  # noqa: PLW1509 -- one prctl call; this process has one thread at a fork
                start_new_session=True,  # a Ctrl-C reaches only the supervisor, which stops them in order
            )
        finally:
            if out:
                out.close()
        self.started_s = self.beat_s = self.worked_s = now_s
        self.beat, self.worked = self._beat(), 0

    def _beat(self) -> int:
        try:
            return self.heart.stat().st_mtime_ns if self.heart else 0
        except FileNotFoundError:
            return 0

    def stuck_s(self, now_s: float) -> float:
        """How long its heart has stood still beyond what is allowed [s]; negative while all is well."""
        if self.heart is None and self.asks is None:
            return -1.0
        if self.asks is not None and now_s - self.asked_s >= ASK_EVERY_S:
            self.asked_s = now_s
            self.beat_s = now_s if self.asks() else self.beat_s
        beat = self._beat()
        if beat != self.beat:
            self.beat, self.beat_s = beat, now_s
        if self.beat_s > self.started_s:
            return now_s - self.beat_s - STUCK_AFTER_S
        if self.pid is not None and (worked := _cpu_ticks(self.pid)) != self.worked:
            self.worked, self.worked_s = worked, now_s
        return max(now_s - self.started_s - FIRST_BEAT_S, now_s - self.worked_s - STUCK_AFTER_S)

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process and self.process.poll() is None else None


def _cpu_ticks(pid: int) -> int:
    """What the process has used of the processor so far. 0: gone, or not Linux."""
    try:
        user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    except (OSError, IndexError, ValueError):
        return 0
    return int(user) + int(system)


def _die_with_parent() -> None:
    """SIGTERM for the child when the supervisor is killed: nothing is left running. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def our_process(name: str, config: Path, log_dir: Path | None = None, data_dir: Path | None = None) -> Child:
    """A child that is one of our processes. With its data_dir it is also watched for progress."""
    command = [sys.executable, "-m", "coldchain.wiring.process", name, str(config)]
    heart = data_dir / "health" / f"{name}.json" if data_dir else None
    return Child(name, command, log_dir / f"{name}.log" if log_dir else None, heart=heart)


class Supervisor:
    """Starts children in order, restarts the dead with back-off, stops them in reverse order."""

    def __init__(self, children: list[Child], *, steady_s: Callable[[], float] = time.monotonic) -> None:
        self.children = children
        self._steady_s = steady_s
        self._stopped: set[str] = set()

    def start(self) -> None:
        for child in self.children:
            child.start(self._steady_s())

    def check(self) -> None:
        """Start again what has died and is due, kill what is stuck. Call a few times a second."""
        now_s = self._steady_s()
        for child in self.children:
            if child.name in self._stopped or child.process is None:
                continue
            if child.process.poll() is None:
                if child.stuck_s(now_s) > 0:
                    log.error(
                        "process.stuck",
                        name=child.name,
                        still_s=round(now_s - max(child.beat_s, child.worked_s)),
                    )
                    child.process.kill()
                continue
            if child.due_s == 0.0:
                lived_s = now_s - child.started_s
                child.back_off_s = BACK_OFF_FIRST_S if lived_s > SETTLED_AFTER_S else child.back_off_s
                child.due_s = now_s + child.back_off_s
                child.back_off_s = min(child.back_off_s * 2, BACK_OFF_MOST_S)
                child.deaths += 1
                log.warning(
                    "process.died",
                    name=child.name,
                    code=child.process.returncode,
                    again_in_s=round(child.due_s - now_s, 3),
                    log=str(child.log or "above"),
                )
            elif now_s >= child.due_s:
                try:
                    child.start(now_s)
                except OSError as bad:  # no room for a process or its log: the others go on meanwhile
                    child.due_s = now_s + BACK_OFF_MOST_S
                    log.warning("process.not_started", name=child.name, why=str(bad))
                else:
                    child.due_s = 0.0

    def stop(self, *names: str) -> None:
        """Stop the named children (all, without names), the last started first; kill what does not go."""
        for child in reversed(self.children):
            if names and child.name not in names:
                continue
            self._stopped.add(child.name)
            if child.process is None or child.process.poll() is not None:
                continue
            child.process.terminate()
            try:
                child.process.wait(STOP_PATIENCE_S)
            except subprocess.TimeoutExpired:
                log.warning("process.killed", name=child.name, waited_s=STOP_PATIENCE_S)
                child.process.kill()
                child.process.wait()

    def child(self, name: str) -> Child:
        return next(child for child in self.children if child.name == name)
