# SPDX-License-Identifier: Apache-2.0
"""Room on the disk that is kept for alarms. When the disk is full it is let go: alerts goes on with it, and
who writes readings leaves it alone until somebody has made room.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

BYTES_MAX, PART_OF_DISK = 16 * 2**20, 20
"""16 MiB, on a small disk a twentieth of it: thousands of alarms with their messages."""
FULL_PART = 8
"""With less free than an eighth of it the disk is full."""
ROOM_AGAIN = 4
"""It is kept anew when so many times its size is free."""


class Reserve:
    """The file DIR/reserve. Raises nothing: without a reserve everything works until the disk is full."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._path = directory, directory / "reserve"

    @property
    def kept(self) -> bool:
        return self._size() > 0

    @property
    def full(self) -> bool:
        """Is the disk?"""
        return self._free() < self._wanted() // FULL_PART

    @property
    def spent(self) -> bool:
        """Was it let go, and is the room that there is meant for alarms?"""
        return self._path.exists() and not self.kept and self._free() < self._wanted() * ROOM_AGAIN

    def look(self) -> None:
        """Keep it while there is room, let it go when there is none. For alerts alone."""
        if self.kept:
            if self.full:
                self.let_go()
        elif self._free() >= self._wanted() * ROOM_AGAIN:
            self._keep()

    def let_go(self) -> None:
        with contextlib.suppress(OSError):
            os.truncate(self._path, 0)

    def _keep(self) -> None:
        try:
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._wanted())
        except OSError:
            self.let_go()

    def _wanted(self) -> int:
        return min(BYTES_MAX, shutil.disk_usage(self._directory).total // PART_OF_DISK)

    def _free(self) -> int:
        return shutil.disk_usage(self._directory).free

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0
