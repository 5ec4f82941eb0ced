# SPDX-License-Identifier: Apache-2.0
"""How a series' sealed readings lie in a blob: every field of every reading, near its entropy.

    chunk v1 | version u8 | n u32 | length of front u32 | front | back |            little-endian
    front    | at_ms | value | missing |                          enough for charts
    back     | source | seq | channel | status | clock | flags | uptime_ms | device_ms | gateway_ms
             | arrived_ms |

Rows are sorted by instant, source, sequence and channel. Each field becomes small numbers: differences
from the row before (instant, value, source, sequence, uptime less instant), from the instant (device,
gateway), from the gateway (arrival); `records.columns` packs them. A value, uptime or device time that is
absent takes a column of its own, so that the holes do not widen the others.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coldchain.kernel.readings import JOURNALLED, Rows
from coldchain.kernel.words import NO_VALUE
from coldchain.records.columns import Columns, Longs, put_column, put_varint

VERSION = 1
HEAD = struct.Struct("<BII")


@dataclass(frozen=True, slots=True)
class Chunk:
    """One series in one window. `valid` readings have a value; vmin, vmax, vsum are theirs or None."""

    series: int
    start_ms: int
    n: int
    valid: int
    first_ms: int
    last_ms: int
    vmin: int | None
    vmax: int | None
    vsum: int | None
    data: bytes


def in_order(rows: Rows) -> Rows:
    """The rows by instant, source, sequence, channel: the order of every answer of the journal."""
    at = rows["at_ms"]
    if len(rows) < 2 or bool((at[1:] > at[:-1]).all()):
        return rows
    return rows[np.lexsort((rows["channel"], rows["seq"], rows["source"], at))]


def make_chunk(series: int, start_ms: int, rows: Rows) -> Chunk:
    """Seal at least one row of one series. The window is the caller's affair."""
    rows = in_order(rows)
    values = rows["value"][rows["value"] != NO_VALUE].astype(np.int64)
    has = len(values) > 0
    return Chunk(
        series,
        start_ms,
        len(rows),
        len(values),
        int(rows["at_ms"][0]),
        int(rows["at_ms"][-1]),
        int(values.min()) if has else None,
        int(values.max()) if has else None,
        int(values.sum()) if has else None,
        encode(rows),
    )


def encode(rows: Rows) -> bytes:
    """The blob of rows in order."""
    assert rows.dtype == JOURNALLED
    at = rows["at_ms"].astype(np.int64)
    value = rows["value"].astype(np.int64)
    missing = value == NO_VALUE
    front = (_steps(at), _steps(_carried(value, missing)), put_column(missing.astype(np.int64)))
    uptime, device, gateway = (
        rows[name].astype(np.int64) for name in ("uptime_ms", "device_ms", "gateway_ms")
    )
    no_uptime, no_device = uptime == -1, device == 0
    back = (
        _steps(rows["source"].astype(np.int64)),
        _steps(rows["seq"].astype(np.int64)),
        *(put_column(rows[name].astype(np.int64)) for name in ("channel", "status", "clock", "flags")),
        put_column(no_uptime.astype(np.int64)),
        _steps(_carried(uptime - at, no_uptime)),
        put_column(no_device.astype(np.int64)),
        put_column(_carried(device - at, no_device)),
        put_column(gateway - at),
        put_column(rows["arrived_ms"].astype(np.int64) - gateway),
    )
    seen_first = b"".join(front)
    return HEAD.pack(VERSION, len(rows), len(seen_first)) + seen_first + b"".join(back)


def decode_front(data: bytes) -> tuple[Longs, Longs]:
    """Instants [ms] and values [thousandths, NO_VALUE where failed] only: what a chart needs."""
    n, front, _ = _open(data)
    take = Columns(front, n)
    at, value, missing = _take_steps(take), _take_steps(take), take.column()
    if missing.any():
        value[missing != 0] = NO_VALUE
    return at, value


def decode(data: bytes, series: int) -> Rows:
    """Every row, as it was sealed. ValueError for a blob of another version."""
    n, _, back = _open(data)
    rows: Rows = np.empty(n, JOURNALLED)
    at, value = decode_front(data)
    take = Columns(back, n)
    rows["series"], rows["at_ms"], rows["value"] = series, at, value
    rows["source"], rows["seq"] = _take_steps(take), _take_steps(take)
    for name in ("channel", "status", "clock", "flags"):
        rows[name] = take.column()
    no_uptime = take.column() != 0
    rows["uptime_ms"] = np.where(no_uptime, -1, _take_steps(take) + at)
    no_device = take.column() != 0
    rows["device_ms"] = np.where(no_device, 0, take.column() + at)
    rows["gateway_ms"] = take.column() + at
    rows["arrived_ms"] = take.column() + rows["gateway_ms"]
    return rows


def _open(data: bytes) -> tuple[int, bytes, bytes]:
    version, n, length = HEAD.unpack_from(data)
    if version != VERSION:
        raise ValueError(f"chunk of format {version}; this version reads {VERSION}")
    return n, data[HEAD.size : HEAD.size + length], data[HEAD.size + length :]


def _carried(column: Longs, hidden: npt.NDArray[np.bool_]) -> Longs:
    """The column with the last open number in each hidden place (the first open one at the start)."""
    if not hidden.any():
        return column
    if hidden.all():
        return np.zeros_like(column)
    places = np.where(hidden, -1, np.arange(len(column)))
    last = np.maximum.accumulate(places)
    return column[np.where(last < 0, int(np.argmin(hidden)), last)]


def _steps(column: Longs) -> bytes:
    """A column by its first entry and its differences (the first of which is that of the second)."""
    steps = np.diff(column, prepend=column[:1])
    steps[0] = steps[1] if len(steps) > 1 else 0  # a steady column stays steady
    return put_varint(int(column[0])) + put_column(steps)


def _take_steps(take: Columns) -> Longs:
    first = take.varint()
    steps = take.column()
    steps[0] = first
    return np.cumsum(steps)
