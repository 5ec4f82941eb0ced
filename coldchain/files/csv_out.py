# SPDX-License-Identifier: Apache-2.0
"""Readings as CSV: `sensor,time,celsius`. What is written here is read back the same by `read_readings`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from coldchain.kernel.instants import rfc3339

HEADER = "sensor,time,celsius"


def celsius_text(milli: int) -> str:
    """Thousandths of a degree as a decimal number, without idle zeros.

    >>> celsius_text(-19_300), celsius_text(4_000), celsius_text(-62), celsius_text(0)
    ('-19.3', '4.0', '-0.062', '0.0')
    """
    whole, part = divmod(abs(milli), 1000)
    decimals = f"{part:03d}".rstrip("0") or "0"
    return f"{'-' if milli < 0 else ''}{whole}.{decimals}"


def write_csv(readings: Iterable[tuple[str, int, float | None]], out: TextIO) -> int:
    """Write (sensor, at_ms, celsius) as they come; a failed reading (None) has no number. How many they were.

    Times are RFC 3339 in UTC, to the millisecond where needed; temperatures to a thousandth of a degree.
    """
    out.write(HEADER + "\n")
    written = 0
    for sensor, at_ms, celsius in readings:
        value = "" if celsius is None else celsius_text(round(celsius * 1000))
        out.write(f"{_quoted(sensor)},{rfc3339(at_ms)},{value}\n")
        written += 1
    return written


def _quoted(name: str) -> str:
    if any(char in name for char in ',"\r\n'):
        return '"' + name.replace('"', '""') + '"'
    return name
