# SPDX-License-Identifier: Apache-2.0
"""A server that we start as a child, wait for, and end by its process id."""

import os
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from coldchain.kernel.errors import ColdChainError

POLL_S = 0.02
STOP_S = 10.0


class ServerNotReady(ColdChainError):
    """The server ended, or did not answer in time. Its own last words are in the message."""


_GIVEN: deque[int] = deque(maxlen=64)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago, and none of those given lately: two are two."""
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in _GIVEN:
            _GIVEN.append(port)
            return port


class ChildServer:
    """One process, its log beside it. Not for use by two threads at once.

    argv      the program and its arguments
    folder    its working directory; `NAME.log` and `NAME.pid` are written there
    answers   asked every 20 ms until true; must not block for long
    """

    def __init__(self, name: str, argv: Sequence[str], *, folder: Path, answers: Callable[[], bool]) -> None:
        self.name = name
        self.folder = folder
        self._argv = list(argv)
        self._answers = answers
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log_file(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self, *, patience_s: float = 20.0) -> None:
        """Start and wait until it answers. A second start of a running server does nothing.

        Raises ServerNotReady when it ends, stays mute for patience_s, or its place is taken.
        """
        if self.pid is not None:
            return
        self._end_orphan()
        if self._answers():
            raise ServerNotReady(f"{self.name}: another program answers already where it should listen")
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._pid_file.write_text(f"{self._process.pid}\n")
        self._await_answer(patience_s)

    def stop(self) -> None:
        """End it as an operator would (SIGTERM); after 10 s, SIGKILL."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def last_words(self, lines: int = 8) -> str:
        """The end of its log."""
        if not self.log_file.exists():
            return ""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    @property
    def _pid_file(self) -> Path:
        return self.folder / f"{self.name}.pid"

    def _await_answer(self, patience_s: float) -> None:
        assert self._process is not None
        deadline_s = time.monotonic() + patience_s
        while not self._answers():
            code = self._process.poll()
            if code is not None or time.monotonic() > deadline_s:
                self.kill()
                what = f"ended with code {code}" if code is not None else f"mute for {patience_s:.0f} s"
                raise ServerNotReady(f"{self.name}: {what}; see {self.log_file}\n{self.last_words()}")
            time.sleep(POLL_S)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(how)
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(STOP_S)
        self._process = None
        self._pid_file.unlink(missing_ok=True)

    def _end_orphan(self) -> None:
        """A killed parent leaves its server behind; two must not share one store."""
        try:
            pid = int(self._pid_file.read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
            at_home = Path(f"/proc/{pid}/cwd").resolve() == self.folder.resolve()
        except (OSError, ValueError):
            return
        if not at_home or words != [os.fsencode(word) for word in self._argv]:
            return
        os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}").exists() and not _is_zombie(pid):
            time.sleep(POLL_S)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (OSError, IndexError):
        return True
