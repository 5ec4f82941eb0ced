# SPDX-License-Identifier: Apache-2.0
"""Channels for an installation without a modem: a file that grows, and the terminal. No phone rings."""

import json
import os
import sys
from pathlib import Path
from typing import TextIO

from coldchain.kernel.clocks import WallClock
from coldchain.kernel.instants import rfc3339
from coldchain.ports.clock import wall_ms
from coldchain.ports.notifier import Delivery, Sent

__all__ = ["ConsoleNotifier", "FileNotifier"]


class FileNotifier:
    """Appends one JSON object a line: ``instant``, ``to``, ``text``. Durable when accepted."""

    def __init__(self, path: Path, *, clock: WallClock = wall_ms) -> None:
        self._path, self._clock = path, clock

    def send(self, to: str, text: str) -> Sent:
        # Escaped to ASCII: a lone surrogate is no reason to fail.
        line = json.dumps({"instant": rfc3339(self._clock()), "to": to, "text": text}) + "\n"
        try:
            _append(self._path, line.encode("ascii"))
        except OSError as bad:
            return Sent(
                Delivery.FAILED_RETRY,
                f"cannot write to {self._path} ({bad.strerror}): check its folder and the disk",
            )
        return Sent(Delivery.ACCEPTED, f"written to {self._path}; no phone rings")


class ConsoleNotifier:
    """Prints to the terminal (by default stderr: talk is not data)."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr

    def send(self, to: str, text: str) -> Sent:
        encoding = self._stream.encoding or "ascii"
        line = f"SMS to {to}: {text}\n".encode(encoding, "backslashreplace").decode(encoding)
        try:
            self._stream.write(line)
            self._stream.flush()
        except (OSError, ValueError) as bad:
            return Sent(Delivery.FAILED_RETRY, f"cannot print ({bad}): is the terminal closed?")
        return Sent(Delivery.ACCEPTED, "printed on the terminal; no phone rings")


def _append(path: Path, line: bytes) -> None:
    """Whole or not at all: a torn line is cut off again."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    try:
        before = os.fstat(handle).st_size
        try:
            while line:
                line = line[os.write(handle, line) :]
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, before)
            raise
    finally:
        os.close(handle)
