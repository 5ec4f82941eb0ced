# SPDX-License-Identifier: Apache-2.0
"""How journalled readings lie in a blob of the log.

    | version u8 | n u32 | base i64 | planes, zlib |          little-endian

The rows' times are taken as differences (gateway from base, instant and arrival from gateway, uptime and the
device's clock from the instant). Then come the first bytes of all rows, the second bytes, and so on: most of
these planes are all alike, which zlib folds to almost nothing. Arithmetic wraps: every value survives.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from coldchain.kernel.readings import JOURNALLED, Rows

VERSION = 1
HEAD = struct.Struct("<BIq")
LEVEL = 1


def pack_rows(rows: Rows) -> bytes:
    """A log batch's blob."""
    assert rows.dtype == JOURNALLED
    base = int(rows["gateway_ms"][0]) if len(rows) else 0
    apart: Rows = rows.copy()
    at, gateway = rows["at_ms"], rows["gateway_ms"]
    apart["at_ms"] -= gateway
    apart["arrived_ms"] -= gateway
    apart["uptime_ms"] -= at
    apart["device_ms"] -= at
    apart["gateway_ms"] -= base
    planes = apart.view(np.uint8).reshape(len(rows), JOURNALLED.itemsize).T
    return HEAD.pack(VERSION, len(rows), base) + zlib.compress(planes.tobytes(), LEVEL)


def unpack_rows(blob: bytes) -> Rows:
    """The rows of a log batch. ValueError for a blob of another version."""
    version, n, base = HEAD.unpack_from(blob)
    if version != VERSION:
        raise ValueError(f"log batch of format {version}; this version reads {VERSION}")
    planes = np.frombuffer(zlib.decompress(blob[HEAD.size :]), np.uint8).reshape(JOURNALLED.itemsize, n)
    rows: Rows = planes.T.copy().view(JOURNALLED)[:, 0]
    rows["gateway_ms"] += base
    rows["at_ms"] += rows["gateway_ms"]
    rows["arrived_ms"] += rows["gateway_ms"]
    rows["uptime_ms"] += rows["at_ms"]
    rows["device_ms"] += rows["at_ms"]
    return rows
