# SPDX-License-Identifier: Apache-2.0
"""What is still running."""

import os
from pathlib import Path

OF_PYTHON = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
"""Helpers that Python starts for itself and ends at its own end."""


def living_children(parent: int | None = None) -> dict[int, str]:
    """Process id and command of each child that has not ended; of this process by default."""
    wanted = str(parent or os.getpid())
    found: dict[int, str] = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            state, ppid = (place / "stat").read_text().rsplit(")", 1)[1].split()[:2]
            words = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue  # it ended while we looked
        if ppid == wanted and state != "Z" and not any(helper in words for helper in OF_PYTHON):
            found[int(place.name)] = words
    return found
