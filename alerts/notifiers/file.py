# SPDX-License-Identifier: Apache-2.0
"""For an installation without a modem: a file that grows. No phone rings."""

import json
import os
from pathlib import Path

from coldchain.kernel.clocks import WallClock
from coldchain.kernel.instants import rfc3339
from coldchain.ports.clock import wall_ms
from coldchain.ports.notifier import Delivery, Sent

__all__ = ["FileNotifier"]


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
