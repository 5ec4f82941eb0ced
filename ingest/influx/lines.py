# SPDX-License-Identifier: Apache-2.0
"""Readings and roll-ups as line protocol, from validated types only. Pure.

A point's time is the reading's instant, in ns: its milliseconds exactly, and below them a number made from
the reading's identity. So two readings of one sensor in the same millisecond are two points, and the same
reading sent again is the same point.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from coldchain.kernel.readings import Rows
from coldchain.kernel.words import NO_VALUE, Quantity
from coldchain.records import influx_names as names
from coldchain.records.registry import Registry
from ingest.rollups import Rolled

NS_PER_MS = 1_000_000
_ESCAPES = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\=", "\n": " "})


@dataclass(frozen=True, slots=True)
class Line:
    """One point. at_ms: its instant [ms since epoch]."""

    at_ms: int
    text: str


def escaped(tag: str) -> str:
    """A tag's value."""
    return tag.translate(_ESCAPES)


def tags_of(registry: Registry, sensor: str, quantity: int) -> str:
    """``,appliance=...,quantity=...,sensor=...,site=...``: what is known of it, escaped."""
    entry = registry.sensor_by_id.get(sensor)
    appliance = registry.appliance_by_id.get(entry.appliance or "") if entry else None
    site = appliance.site if appliance else entry.site if entry else None
    values = {
        names.APPLIANCE: appliance.id if appliance else None,
        names.QUANTITY: Quantity(quantity).word,
        names.SENSOR: sensor,
        names.SITE: site,
    }
    return "".join(f",{tag}={escaped(value)}" for tag in names.TAGS if (value := values[tag]))


def tie_ns(node: str, boot: int, channel: int, seq: int) -> int:
    """0..999,999: tells readings of one millisecond apart [ns]. Those of one run never meet within a
    million.
    """
    return (zlib.crc32(f"{node}/{boot}/{channel}".encode()) + seq) % NS_PER_MS


def reading_lines(
    rows: Rows, tags: Mapping[int, str], sources: Mapping[int, tuple[str, int]]
) -> Iterator[Line]:
    """tags: by series; sources: (node, boot) by number."""
    columns = (
        rows[name].tolist()
        for name in ("series", "source", "seq", "channel", "status", "flags", "value", "at_ms")
    )
    for series, source, seq, channel, status, flags, value, at_ms in zip(*columns, strict=True):
        node, boot = sources[source]
        has = "" if value == NO_VALUE else f"{names.VALUE}={value / 1000},"
        at_ns = at_ms * NS_PER_MS + tie_ns(node, boot, channel, seq)
        yield Line(
            at_ms,
            f"{names.READING}{tags[series]} {has}{names.STATUS}={status}i,{names.FLAGS}={flags}i,"
            f"{names.SEQ}={seq}i,{names.BOOT}={_signed(boot)}i {at_ns}",
        )


def _signed(number: int) -> int:
    """InfluxDB's integers are signed, 64 bits."""
    return number if number < 2**63 else number - 2**64


def rollup_lines(measurement: str, tags: str, rolled: Iterable[Rolled]) -> Iterator[Line]:
    """One line a window."""
    for row in rolled:
        figures = ""
        if row.n:
            mean = row.vsum / row.n / 1000
            figures = f"{names.MIN}={row.vmin / 1000},{names.MAX}={row.vmax / 1000},{names.MEAN}={mean!r},"
        yield Line(
            row.start_ms,
            f"{measurement}{tags} {figures}{names.COUNT}={row.n}i,{names.BELOW_S}={row.below_ms / 1000},"
            f"{names.ABOVE_S}={row.above_ms / 1000},{names.UNKNOWN_S}={row.unknown_ms / 1000}"
            f" {row.start_ms * NS_PER_MS}",
        )
