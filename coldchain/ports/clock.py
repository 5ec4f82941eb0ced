# SPDX-License-Identifier: Apache-2.0
"""The machine's clocks, to be handed to what needs one."""

from __future__ import annotations

import time


def wall_ms() -> int:
    """UTC now [ms since epoch]."""
    return time.time_ns() // 1_000_000


def steady_s() -> float:
    """Seconds since boot, suspension included where the system can tell [s]."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
