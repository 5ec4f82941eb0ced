# SPDX-License-Identifier: Apache-2.0
"""The link's bytes: what goes in comes out, and nothing but BatchError comes of damage."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays, from_dtype

from coldchain.kernel.errors import BatchError
from coldchain.kernel.link import (
    HEAD,
    MAGIC,
    MAX_PAYLOAD,
    Batch,
    Receipt,
    decode_batch,
    decode_receipt,
    encode_batch,
    encode_receipt,
)
from coldchain.kernel.readings import JOURNALLED, SPOOLED, Rows, from_columns, to_columns

ANY_ROWS = st.integers(0, 40).flatmap(lambda n: arrays(SPOOLED, n, elements=from_dtype(SPOOLED)))
ANY_JOURNALLED = st.integers(0, 40).flatmap(lambda n: arrays(JOURNALLED, n, elements=from_dtype(JOURNALLED)))


def batch_of(rows: Rows) -> Batch:
    rows = rows.copy()
    rows["node"] %= 2
    ranges = [(10, 9 + len(rows))] if len(rows) else []
    return Batch("gw-1", "e0", ranges, [("n-1", 3), ("n-2", 0)], rows, 1_700_000_000_000, backfill=True)


@given(ANY_ROWS)
def test_a_batch_survives_the_link(rows: Rows) -> None:
    sent = batch_of(rows)
    got = decode_batch(encode_batch(sent))
    assert np.array_equal(got.rows, sent.rows)
    assert (got.gateway, got.epoch, got.ranges, got.nodes, got.sent_ms, got.backfill) == (
        sent.gateway,
        sent.epoch,
        sent.ranges,
        sent.nodes,
        sent.sent_ms,
        True,
    )


@given(ANY_JOURNALLED)
def test_columns_keep_every_value_at_the_edges_of_its_width(rows: Rows) -> None:
    assert np.array_equal(from_columns(to_columns(rows), len(rows), JOURNALLED), rows)


@given(ANY_ROWS, st.data())
def test_one_flipped_bit_is_seen(rows: Rows, data: st.DataObject) -> None:
    payload = bytearray(encode_batch(batch_of(rows)))
    place = data.draw(st.integers(0, len(payload) * 8 - 1))
    payload[place // 8] ^= 1 << place % 8
    with pytest.raises(BatchError):
        decode_batch(bytes(payload))


@given(st.binary(max_size=400))
def test_noise_is_an_error_of_ours(noise: bytes) -> None:
    with pytest.raises(BatchError):
        decode_batch(noise)


@given(st.binary(max_size=200))
def test_noise_with_a_good_checksum_is_an_error_of_ours(noise: bytes) -> None:
    for flags in (0, 1):
        crc = zlib.crc32(noise, zlib.crc32(bytes((flags, 0, 0, 0))))
        with pytest.raises(BatchError):
            decode_batch(HEAD.pack(MAGIC, flags, crc) + noise)


def sealed(header: bytes, columns: bytes = b"") -> bytes:
    body = struct.pack("<I", len(header)) + header + columns
    return HEAD.pack(MAGIC, 0, zlib.crc32(body, zlib.crc32(bytes(4)))) + body


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (b"[]", "not an object"),
        (b'{"gateway":"a/b","epoch":"e","ranges":[],"nodes":[]}', "not a name"),
        (b'{"gateway":"a","epoch":"e","ranges":[[5,4]],"nodes":[]}', "backwards"),
        (b'{"gateway":"a","epoch":"e","ranges":[[1,4],[4,6]],"nodes":[]}', "overlap"),
        (b'{"gateway":"a","epoch":"e","ranges":[[1,9000000000000000000]],"nodes":[]}', "are not"),
        (b'{"gateway":"a","epoch":"e","ranges":[[-1,4]],"nodes":[]}', "not a whole number"),
        (b'{"gateway":"a","epoch":"e","ranges":[[true,4]],"nodes":[]}', "not a whole number"),
        (b'{"epoch":"e","ranges":[],"nodes":[]}', "gateway"),
        (b"[" * 5000, "malformed"),
    ],
)
def test_a_header_that_lies_is_refused_by_name(header: bytes, why: str) -> None:
    with pytest.raises(BatchError, match=why):
        decode_batch(sealed(header))


def test_oversize_is_refused_before_it_is_read() -> None:
    with pytest.raises(BatchError, match="oversize"):
        decode_batch(b"x" * (MAX_PAYLOAD + 1))


def test_a_small_payload_that_unfolds_without_end_is_refused() -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)
    payload = HEAD.pack(MAGIC, 1, zlib.crc32(bomb, zlib.crc32(bytes((1, 0, 0, 0))))) + bomb
    with pytest.raises(BatchError, match="unfolds"):
        decode_batch(payload)


def test_a_receipt_survives_the_link() -> None:
    receipt = Receipt("gw-1", "e0", [(1, 9), (12, 12)], [(10, 11)], [3], 1_700_000_000_000)
    assert decode_receipt(encode_receipt(receipt)) == receipt


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_one_bit_wrong_and_a_receipt_says_nothing_else(at: int, bit: int) -> None:
    """It is refused, or still the same receipt; never one that lets a gateway forget more."""
    receipt = Receipt("gw-1", "e0", [(1, 9), (12, 12)], [(10, 11)], [3], 1_700_000_000_000)
    spoilt = bytearray(encode_receipt(receipt))
    spoilt[at % len(spoilt)] ^= 1 << bit
    try:
        assert decode_receipt(bytes(spoilt)) == receipt
    except BatchError:
        return


@given(st.binary(max_size=100) | st.text(max_size=100).map(str.encode))
def test_noise_is_no_receipt(noise: bytes) -> None:
    with pytest.raises(BatchError):
        decode_receipt(noise)
