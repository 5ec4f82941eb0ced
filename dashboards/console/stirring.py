# SPDX-License-Identifier: Apache-2.0
"""Has anything been committed? Asked each second, by who shows pages that keep themselves fresh."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path


class Watch:
    """One pragma a file, no read transaction: cheap enough for each second."""

    def __init__(
        self, paths: tuple[Path, ...], connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    ) -> None:
        self._paths, self._connect = paths, connect
        self._open: dict[Path, tuple[int, sqlite3.Connection]] = {}

    def token(self) -> tuple[tuple[int, int], ...]:
        """Changes whenever one of the files does; a file that is not there is (0, 0)."""
        return tuple(self._version(path) for path in self._paths)

    def _version(self, path: Path) -> tuple[int, int]:
        try:
            inode = path.stat().st_ino
            held = self._open.get(path)
            if held is None or held[0] != inode:
                if held is not None:
                    held[1].close()
                db = self._connect(
                    f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
                )
                held = self._open[path] = (inode, db)
            return inode, int(held[1].execute("PRAGMA data_version").fetchone()[0])
        except (OSError, sqlite3.Error):
            return 0, 0

    def close(self) -> None:
        for _, db in self._open.values():
            db.close()
        self._open.clear()
