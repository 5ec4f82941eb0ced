# SPDX-License-Identifier: Apache-2.0
"""What dies comes back; what is stopped stays stopped; nobody is left behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from coldchain.wiring.supervise import Child, Supervisor

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
PATIENT = "import time; time.sleep(600)"


def child(name: str, code: str) -> Child:
    return Child(name, [sys.executable, "-c", code])


def until(what: Callable[[], bool], supervisor: Supervisor, seconds: float = 10) -> bool:
    deadline_s = time.monotonic() + seconds
    while time.monotonic() < deadline_s:
        supervisor.check()
        if what():
            return True
        time.sleep(0.02)
    return False


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_a_killed_child_comes_back_under_another_pid() -> None:
    supervisor = Supervisor([child("a", PATIENT)])
    supervisor.start()
    first = supervisor.child("a").pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    try:
        assert until(lambda: supervisor.child("a").pid not in {None, first}, supervisor)
        assert supervisor.child("a").deaths == 1
    finally:
        supervisor.stop()


def test_a_child_that_dies_at_once_is_not_started_in_a_frenzy() -> None:
    supervisor = Supervisor([child("a", "raise SystemExit(3)")])
    supervisor.start()
    until(lambda: False, supervisor, 1.5)
    supervisor.stop()
    assert 1 <= supervisor.child("a").deaths <= 4


def test_a_child_that_cannot_be_started_again_ends_nobody_else(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    supervisor = Supervisor([Child("a", [str(program)]), child("b", PATIENT)])
    supervisor.start()
    program.unlink()
    try:
        until(lambda: False, supervisor, 1.0)
        assert supervisor.child("a").pid is None
        assert supervisor.child("b").pid is not None
        program.write_text(f"#!{sys.executable}\n{PATIENT}\n")
        program.chmod(0o755)
        supervisor.child("a").due_s = 1e-9  # its pause is over
        assert until(lambda: supervisor.child("a").pid is not None, supervisor)
    finally:
        supervisor.stop()


def test_a_stopped_child_stays_stopped_while_others_run() -> None:
    supervisor = Supervisor([child("a", PATIENT), child("b", PATIENT)])
    supervisor.start()
    supervisor.stop("a")
    try:
        assert not until(lambda: supervisor.child("a").pid is not None, supervisor, 0.6)
        assert supervisor.child("b").pid is not None
    finally:
        supervisor.stop()
    assert supervisor.child("b").pid is None


def test_children_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from coldchain.wiring.supervise import Child, Supervisor\n"
        f"s = Supervisor([Child('a', [sys.executable, '-c', {PATIENT!r}])]); s.start()\n"
        f"Path({str(note)!r}).write_text(str(s.child('a').pid)); time.sleep(600)\n"
    )
    supervisor = Supervisor([child("outer", program)])
    supervisor.start()
    assert until(lambda: note.exists() and note.read_text() != "", supervisor)
    inner, outer = int(note.read_text()), supervisor.child("outer").pid
    assert outer is not None
    os.kill(outer, signal.SIGKILL)
    deadline_s = time.monotonic() + 10
    while alive(inner) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    supervisor.stop()
    assert not alive(inner)
