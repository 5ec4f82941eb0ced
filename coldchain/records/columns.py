# SPDX-License-Identifier: Apache-2.0
"""A column of whole numbers in as few bytes as its own spread asks for. Used by chunks; pure.

    | how u8 | least varint | body |

    how 0..64    body: that many bits a number, counted from `least`, after the exceptions
                 | count varint | places u32 each | numbers i64 each | bits, lowest first |
    how 65       body: | width u8 | length varint | zlib of `width` planes of n bytes, lowest first |

Numbers outside [least, least + 2^bits) are exceptions: one gap in a thousand steady steps costs twelve bytes
rather than a wider column. Repeating patterns go to zlib when that is smaller. Arithmetic wraps at 64 bits.
"""

from __future__ import annotations

import zlib
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Longs = npt.NDArray[np.int64]

ZLIB = 65
EXCEPTION_BYTES = 12
WINDOW_BITS = 57
"""The widest number that a window of eight bytes holds wherever in its first byte it begins."""
TRY_ZLIB_FROM = 2
"""Narrower columns than this [bits] are not worth a try with zlib."""


def put_varint(number: int) -> bytes:
    """Any 64-bit signed number in 1 to 10 bytes, small ones short."""
    left = (number << 1) ^ (number >> 63)
    left &= 2**64 - 1
    out = bytearray()
    while left > 127:
        out.append(left & 127 | 128)
        left >>= 7
    out.append(left)
    return bytes(out)


def put_column(column: Longs) -> bytes:
    """One column of at least one number."""
    first = int(column[0])
    if bool((column == first).all()):
        return b"\0" + put_varint(first) + b"\0"
    least, bits = _best_span(column)
    packed = _put_bits(column, least, bits)
    if bits < TRY_ZLIB_FROM:
        return packed
    least = int(column.min())
    rest = (column - np.int64(least)).view(np.uint64)
    width = (int(rest.max()).bit_length() + 7) // 8
    folded = zlib.compress(rest.view(np.uint8).reshape(-1, 8)[:, :width].T.tobytes(), 6)
    other = bytes((ZLIB,)) + put_varint(least) + bytes((width,)) + put_varint(len(folded)) + folded
    return min(packed, other, key=len)


def _best_span(column: Longs) -> tuple[int, int]:
    """The least number and the bits that cost the fewest bytes, exceptions counted."""
    ordered = np.sort(column)
    n = len(column)
    best = (2**63, 0, 64)
    for skip in {0, n // 64, n // 16}:
        least = int(ordered[skip])
        tops = [min(least + (1 << bits) - 1, 2**63 - 1) for bits in range(64)]
        inside = np.searchsorted(ordered, np.array(tops, np.int64), side="right") - skip
        costs = (np.arange(64) * n + 7) // 8 + EXCEPTION_BYTES * (n - inside)
        bits = int(np.argmin(costs))
        best = min(best, (int(costs[bits]), least, bits))
    if best[0] > 8 * n:
        return int(ordered[0]), 64
    return best[1], best[2]


def _put_bits(column: Longs, least: int, bits: int) -> bytes:
    rest = (column - np.int64(least)).view(np.uint64)  # wraps: what is below `least` becomes huge
    out = np.zeros(len(column), np.bool_) if bits == 64 else rest >= np.uint64(1 << bits)
    places = np.flatnonzero(out)
    head = bytes((bits,)) + put_varint(least) + put_varint(len(places))
    head += places.astype("<u4").tobytes() + column[places].astype("<i8").tobytes()
    if bits == 0:
        return head
    planes = np.unpackbits(rest.view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")[:, :bits]
    return head + np.packbits(planes, bitorder="little").tobytes()


class Columns:
    """Takes columns of n numbers one after the other."""

    def __init__(self, data: bytes | memoryview, n: int) -> None:
        self._data, self._n, self._at = data, n, 0

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return (value >> 1) ^ -(value & 1)
            shift += 7

    def _bytes(self, length: int) -> bytes | memoryview:
        start, self._at = self._at, self._at + length
        return self._data[start : self._at]

    def column(self) -> Longs:
        how = self._data[self._at]
        self._at += 1
        least = self.varint()
        n = self._n
        if how == ZLIB:
            return self._planes() + np.int64(least)
        count = self.varint()
        places = np.frombuffer(self._bytes(4 * count), "<u4")
        numbers = np.frombuffer(self._bytes(8 * count), "<i8")
        column: Longs = self._bits(how) + np.int64(least) if how else np.full(n, least, np.int64)
        if count:
            column[places] = numbers
        return column

    def _planes(self) -> Longs:
        width = self._data[self._at]
        self._at += 1
        planes = np.frombuffer(zlib.decompress(self._bytes(self.varint())), np.uint8).reshape(width, self._n)
        whole: Longs = planes[0].astype(np.int64)
        for place in range(1, width):
            whole |= planes[place].astype(np.int64) << (8 * place)
        return whole

    def _bits(self, bits: int) -> Longs:
        n = self._n
        packed = bytes(self._bytes((n * bits + 7) // 8))
        if bits > WINDOW_BITS:
            spread = np.zeros((n, 64), np.uint8)
            flat = np.unpackbits(np.frombuffer(packed, np.uint8), count=n * bits, bitorder="little")
            spread[:, :bits] = flat.reshape(n, bits)
            return np.packbits(spread, axis=1, bitorder="little").view(np.int64)[:, 0]
        # At each byte a window of eight: a number of up to 57 bits lies within the one where it begins.
        windows = np.ndarray((len(packed),), "<u8", packed + bytes(8), strides=(1,))
        begin, shift = _places(n, bits)
        return ((windows[begin] >> shift) & np.uint64((1 << bits) - 1)).view(np.int64)


@lru_cache(maxsize=256)
def _places(n: int, bits: int) -> tuple[Longs, npt.NDArray[np.uint64]]:
    """The byte in which each of n numbers begins, and the bit in that byte."""
    at = np.arange(n, dtype=np.int64) * bits
    return at >> 3, (at & 7).astype(np.uint64)
