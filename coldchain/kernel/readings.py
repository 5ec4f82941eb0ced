# SPDX-License-Identifier: Apache-2.0
"""Readings as columns: what a gateway spools, a batch carries, and the journal keeps.

Two record types. `SPOOLED` is a reading as the gateway accepted it, named by its node and channel.
`JOURNALLED` is the same reading after admission, named by its series (a sensor of the registry).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.void]
"""A one-dimensional structured array of one of the record types below."""

SPOOLED = np.dtype(
    [
        ("node", "<u2"),  # index into the batch's list of (node, boot)
        ("channel", "<u2"),
        ("quantity", "u1"),  # words.Quantity
        ("status", "u1"),  # words.Status
        ("clock", "u1"),  # words.ClockQuality of at_ms
        ("seq", "<u4"),  # the node's sequence number of the frame
        ("uptime_ms", "<i8"),  # the node's, at the measurement; -1 unknown
        ("at_ms", "<i8"),  # the instant of the measurement, UTC [ms since epoch]
        ("device_ms", "<i8"),  # the node's own clock at the measurement; 0 when it has none
        ("gateway_ms", "<i8"),  # the gateway's clock when it received the frame
        ("value", "<i4"),  # thousandths of the quantity's unit; words.NO_VALUE when it failed
    ]
)

JOURNALLED = np.dtype(
    [
        ("series", "<u4"),  # records' number for the sensor
        ("source", "<u4"),  # records' number for (node, boot)
        ("seq", "<u4"),
        ("channel", "<u2"),
        ("status", "u1"),
        ("clock", "u1"),
        ("flags", "<u2"),  # words.Flag
        ("value", "<i4"),
        ("at_ms", "<i8"),
        ("uptime_ms", "<i8"),
        ("device_ms", "<i8"),
        ("gateway_ms", "<i8"),
        ("arrived_ms", "<i8"),  # ingest's clock when the batch arrived
    ]
)

# Columns that grow steadily are stored as differences, which compress to almost nothing.
_STEADY = ("seq", "uptime_ms", "gateway_ms")
# Columns that follow another are stored as the difference from it.
_FOLLOWS = {"at_ms": "gateway_ms", "device_ms": "at_ms", "arrived_ms": "gateway_ms"}


def to_columns(rows: Rows) -> bytes:
    """Column after column, in the order of the dtype; `from_columns` is the inverse.

    Arithmetic wraps at the width of the column, so that every value survives.
    """
    parts = []
    names = rows.dtype.names
    assert names is not None
    for name in names:
        column = np.ascontiguousarray(rows[name])
        if name in _FOLLOWS and _FOLLOWS[name] in names:
            column = column - rows[_FOLLOWS[name]]
        elif name in _STEADY:
            column = np.diff(column, prepend=column.dtype.type(0))
        parts.append(column.tobytes())
    return b"".join(parts)


def from_columns(data: bytes | memoryview, n: int, dtype: np.dtype[Any]) -> Rows:
    """The rows back. ValueError when the bytes are not n rows of that dtype."""
    if n < 0 or len(data) != n * dtype.itemsize:
        raise ValueError(f"{len(data)} bytes are not {n} rows of {dtype.itemsize} bytes")
    rows: Rows = np.empty(n, dtype)
    names = dtype.names
    assert names is not None
    offset = 0
    for name in names:
        column = np.frombuffer(data, dtype[name], n, offset)
        offset += column.nbytes
        rows[name] = np.cumsum(column, dtype=column.dtype) if name in _STEADY else column
    # `at_ms` follows `gateway_ms`, and `device_ms` follows `at_ms`: undo in that order.
    for name, leader in _FOLLOWS.items():
        if name in names and leader in names:
            rows[name] += rows[leader]
    return rows


def empty(dtype: np.dtype[Any], n: int = 0) -> Rows:
    """n zeroed rows."""
    return np.zeros(n, dtype)
