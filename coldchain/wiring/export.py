# SPDX-License-Identifier: Apache-2.0
"""The record as a file, and the InfluxDB projection written again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from coldchain.kernel.errors import BadData
from coldchain.kernel.instants import rfc3339
from coldchain.kernel.words import Quantity, Status
from coldchain.ports.clock import wall_ms
from coldchain.records.journal import JournalReader
from coldchain.settings import Settings

DAY_MS = 86_400_000


def export_csv(
    settings: Settings, out: TextIO, *, sensors: list[str] | None, start_ms: int, end_ms: int
) -> int:
    """`sensor,time,celsius` of temperatures, by sensor, then time. Returns how many lines.

    Failed readings have an empty third field. Values are printed to the thousandth where needed.
    """
    reader = JournalReader(settings.readings_db)
    known = sorted(
        sensor for sensor, quantity in reader.series().values() if quantity == Quantity.TEMPERATURE
    )
    for sensor in sensors or ():
        if sensor not in known:
            near = ", ".join(known[:8])
            raise BadData(
                f"no readings of a sensor {sensor!r}; there are {len(known)}: {near}"
                + (", ..." if len(known) > 8 else "")
            )
    out.write("sensor,time,celsius\n")
    count = 0
    for sensor in sorted(set(sensors)) if sensors else known:
        rows = reader.readings(sensor, start_ms, end_ms)
        name = quoted(sensor)
        columns = zip(rows["at_ms"].tolist(), rows["value"].tolist(), rows["status"].tolist(), strict=True)
        out.writelines(
            f"{name},{rfc3339(at_ms)},{celsius(value) if status == Status.OK else ''}\n"
            for at_ms, value, status in columns
        )
        count += len(rows)
    return count


def celsius(milli: int) -> str:
    """Thousandths as a decimal number, as short as it is exact.

    >>> celsius(-19300), celsius(4125), celsius(-5), celsius(7000)
    ('-19.3', '4.125', '-0.005', '7')
    """
    sign, milli = ("-", -milli) if milli < 0 else ("", milli)
    whole, part = divmod(milli, 1000)
    return f"{sign}{whole}.{part:03d}".rstrip("0").rstrip(".")


def quoted(field: str) -> str:
    """A CSV field, quoted where it must be."""
    return '"' + field.replace('"', '""') + '"' if any(c in field for c in ',"\r\n') else field


def resync_influx(settings: Settings, start_ms: int, end_ms: int, say: Callable[[str], None]) -> int:
    """Write a span to InfluxDB again, at most up to a day from now. Returns the points written.

    Waits while InfluxDB is away, saying why; BadData when it refused some, with its reasons.
    """
    if settings.influx.url is None:
        raise BadData("no InfluxDB is configured: set [influx] url")
    from ingest.influx.resync import resync

    def trouble(why: Exception, wait_s: float) -> None:
        say(f"InfluxDB: {why}; again in {wait_s:.0f} s (Ctrl-C ends it; what was written stays)")

    done = resync(settings, start_ms, min(end_ms, wall_ms() + DAY_MS), on_trouble=trouble)
    if done.old:
        say(f"{done.old} points are older than the bucket keeps and were left out")
    if done.refused:
        raise BadData(f"InfluxDB refused {done.refused} of them: {'; '.join(done.reasons)}")
    return done.points
