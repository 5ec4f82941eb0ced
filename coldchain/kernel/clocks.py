# SPDX-License-Identifier: Apache-2.0
"""A clock is a value one passes in. Nothing below the services calls the operating system for the time."""

from __future__ import annotations

from collections.abc import Callable

WallClock = Callable[[], int]
"""UTC now [ms since epoch]. May step; never measure a duration with it."""

SteadyClock = Callable[[], float]
"""Seconds that only grow, counting suspension too. For durations and time-outs."""
