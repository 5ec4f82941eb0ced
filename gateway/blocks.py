# SPDX-License-Identifier: Apache-2.0
"""How readings lie in the spool: blocks of consecutive link sequences, as packed columns. Pure.

    | version u8 | flags u8 | sources u16 | crc32 u32 | source ids, u32 each | columns of SPOOLED |
    flags bit 0: what follows the crc is compressed with zlib; crc32 of what follows it, as stored

The column `node` points into the block's own list of sources.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from coldchain.kernel.readings import SPOOLED, Rows, from_columns, to_columns

VERSION = 1
COMPRESSED = 1
COMPRESS_FROM = 256
HEAD = struct.Struct("<BBHI")
READINGS_MAX = 1000
"""A block holds at most so many: to send a batch, few readings beyond it are unpacked."""


def pack_block(sources: list[int], rows: Rows) -> bytes:
    """The blob of one block."""
    body = np.asarray(sources, "<u4").tobytes() + to_columns(rows)
    flags = 0
    if len(body) >= COMPRESS_FROM:
        body, flags = zlib.compress(body, 1), COMPRESSED
    return HEAD.pack(VERSION, flags, len(sources), zlib.crc32(body)) + body


def unpack_block(blob: bytes, n: int) -> tuple[list[int], Rows]:
    """(sources, rows), or ValueError when the bytes are not what was written."""
    if len(blob) < HEAD.size:
        raise ValueError(f"a block of {len(blob)} bytes")
    version, flags, count, crc = HEAD.unpack_from(blob)
    body = blob[HEAD.size :]
    if version != VERSION:
        raise ValueError(f"block of format {version}; this version reads {VERSION}")
    if zlib.crc32(body) != crc:
        raise ValueError("the block's checksum does not match")
    if flags & COMPRESSED:
        body = zlib.decompress(body)
    sources = np.frombuffer(body, "<u4", count).tolist()
    rows = from_columns(memoryview(body)[4 * count :], n, SPOOLED)
    return sources, rows
