# SPDX-License-Identifier: Apache-2.0
"""From a report to rows of the spool: the instant of each reading, and what that instant is worth. Pure."""

from __future__ import annotations

import struct

from coldchain.kernel.readings import SPOOLED
from coldchain.kernel.words import NO_VALUE, ClockQuality
from gateway.codecs.frames import Report

ROW = struct.Struct("<HHBBBIqqqqi")
"""One row of SPOOLED, packed by hand: building small numpy arrays costs ten times as much."""
assert ROW.size == SPOOLED.itemsize

CLOCK_SET_FROM_MS = 1_735_689_600_000
"""2025-01-01. A machine that believes in an earlier time has not had its clock set since it started."""

LIVE_AGE_MS = 300_000
"""A reading older than this when it reaches the gateway is backfill on the link [ms]."""


def instant(report: Report, gateway_ms: int) -> tuple[int, int]:
    """The report's instant [ms since epoch], and its ClockQuality.

    A trusted clock is believed; without one the report is dated at the gateway's time less the report's age.
    """
    if report.clock == ClockQuality.TRUSTED:
        return report.unix_ms, ClockQuality.TRUSTED
    at_ms = gateway_ms - report.age_ms
    if gateway_ms < CLOCK_SET_FROM_MS:
        return at_ms, ClockQuality.GATEWAY_DOUBT
    return at_ms, report.clock


def stamp(report: Report, seq: int, node: int, gateway_ms: int) -> bytes:
    """The report's readings as packed rows of SPOOLED.

    node  index of (node, boot) in the list that travels with the rows
    """
    at_ms, clock = instant(report, gateway_ms)
    device_ms = report.unix_ms if report.clock else 0
    uptime_ms = report.uptime_ms
    return b"".join(
        [
            ROW.pack(
                node,
                channel,
                quantity,
                status,
                clock,
                seq,
                uptime_ms,
                at_ms,
                device_ms,
                gateway_ms,
                NO_VALUE if status else value,
            )
            for channel, quantity, status, value in report.readings
        ]
    )


def is_live(report: Report, gateway_ms: int) -> bool:
    """Does it tell of now, or of a while ago?"""
    return abs(gateway_ms - instant(report, gateway_ms)[0]) <= LIVE_AGE_MS
