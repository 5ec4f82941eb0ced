# SPDX-License-Identifier: Apache-2.0
"""The kinds of recordings that we read, told apart by their header, and how one row of each is understood.

plain  time, celsius, perhaps sensor: RFC 3339 or Unix seconds; celsius empty or nan is a failed reading
celsi  ISOdateTime, LinuxTime, Temperature: the ISO time, else Unix seconds; the local time is passed over
ruuvi  timestamp, temperature: ISO 8601 with its zone
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from coldchain.kernel.instants import parse_instant

CELSIUS_MAX = 2_000_000.0
"""Thousandths of a degree beyond this do not fit the record; no thermometer goes there."""
LAST_S = 253_402_300_799
"""The last second of the year 9999: later "Unix seconds" are milliseconds by mistake."""

KNOWN_HEADERS = (
    "`sensor,time,celsius`, a CELSI export (ISOdateTime, LinuxTime, Temperature) "
    "or a Ruuvi export (timestamp, temperature)"
)


class FileReading(NamedTuple):
    """One temperature of a file. at_ms UTC; celsius None when the reading failed."""

    sensor: str
    at_ms: int
    celsius: float | None


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a file keeps what we need: column numbers. Of `times`, the first that is not empty counts."""

    kind: str
    times: tuple[int, ...]
    celsius: int
    sensor: int | None

    @property
    def width(self) -> int:
        """A row has at least so many fields."""
        return max(*self.times, self.celsius, -1 if self.sensor is None else self.sensor) + 1


def sniff(header: Sequence[str]) -> Layout | None:
    """The layout of a header row; None when unknown. Order, case and further columns do not matter.

    >>> sniff(["time", "Celsius", "note"])
    Layout(kind='plain', times=(0,), celsius=1, sensor=None)
    """
    columns = {name.strip().lower(): at for at, name in reversed(list(enumerate(header)))}
    sensor = columns.get("sensor")
    if "time" in columns and "celsius" in columns:
        return Layout("plain", (columns["time"],), columns["celsius"], sensor)
    celsi = tuple(columns[name] for name in ("isodatetime", "linuxtime") if name in columns)
    if celsi and "temperature" in columns:
        return Layout("celsi", celsi, columns["temperature"], sensor)
    if "timestamp" in columns and "temperature" in columns:
        return Layout("ruuvi", (columns["timestamp"],), columns["temperature"], sensor)
    return None


def instant_of(text: str) -> int:
    """[ms UTC]. ValueError says what is wrong with it and how it should be."""
    try:
        at_ms = parse_instant(text)
    except (ValueError, OverflowError) as bad:
        if "no time zone" in str(bad):
            raise
        raise ValueError(f"{text!r} is not a time; write 2022-07-07T12:00:00Z or Unix seconds") from bad
    if not 0 < at_ms <= LAST_S * 1000:
        hint = "; are these milliseconds? give seconds" if at_ms > 0 else ""
        raise ValueError(f"{text!r} is not between 1970 and 9999{hint}")
    return at_ms


def celsius_of(text: str) -> float | None:
    """A temperature; None for a failed reading: empty or not finite. ValueError says what is wrong."""
    text = text.strip()
    if not text:
        return None
    try:
        celsius = float(text)
    except ValueError as bad:
        raise ValueError(f"{text!r} is not a temperature; leave it empty when the reading failed") from bad
    if not math.isfinite(celsius):
        return None
    if abs(celsius) > CELSIUS_MAX:
        raise ValueError(f"{text!r} °C is no temperature; leave it empty when the reading failed")
    return celsius


NAME_MAX = 96
_PARTS = re.compile(r"[^A-Za-z0-9._ /-]+")


def clean_name(text: str) -> str:
    """A name as the registry takes it: letters, digits, `. _ - space`, parts parted by `/`.

    >>> clean_name("  Kühlschrank #3 // oben "), clean_name("?")
    ('K-hlschrank -3/oben', 'sensor')
    """
    parts = (part.strip() for part in _PARTS.sub("-", text.strip()).split("/"))
    name = "/".join(part for part in parts if part).lstrip("._ -/")
    return name[:NAME_MAX].rstrip(" /") or "sensor"


class Names:
    """From names as written to names as the registry takes them; two that differ never become one."""

    def __init__(self) -> None:
        self._clean: dict[str, str] = {}
        self._taken: set[str] = set()

    def of(self, written: str) -> str:
        """The same name for the same text. ValueError when there is no text."""
        known = self._clean.get(written)
        if known is not None:
            return known
        if not written.strip():
            raise ValueError("no sensor is named; write its name, or leave the column `sensor` out")
        name = clean = clean_name(written)
        number = 2
        while name in self._taken:
            name = f"{clean[: NAME_MAX - 8]}-{number}"
            number += 1
        self._taken.add(name)
        self._clean[written] = name
        return name


def name_of_file(path: Path) -> str:
    """What a file without a sensor column measures: its own name without `.csv` and `.gz`.

    >>> name_of_file(Path("x/CELSI-raw-data-reports.csv.gz"))
    'CELSI-raw-data-reports'
    """
    name = path.name
    for ending in (".gz", ".csv", ".txt"):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return clean_name(name)
