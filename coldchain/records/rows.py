# SPDX-License-Identifier: Apache-2.0
"""How journalled readings lie in a blob: a version byte, the count, compressed columns."""

from __future__ import annotations

import struct
import zlib

from coldchain.kernel.readings import JOURNALLED, Rows, from_columns, to_columns

VERSION = 1
HEAD = struct.Struct("<BI")


def pack_rows(rows: Rows) -> bytes:
    """A log batch's blob."""
    assert rows.dtype == JOURNALLED
    return HEAD.pack(VERSION, len(rows)) + zlib.compress(to_columns(rows), 1)


def unpack_rows(blob: bytes) -> Rows:
    """The rows of a log batch. ValueError for a blob of another version."""
    version, n = HEAD.unpack_from(blob)
    if version != VERSION:
        raise ValueError(f"log batch of format {version}; this version reads {VERSION}")
    return from_columns(zlib.decompress(blob[HEAD.size :]), n, JOURNALLED)
