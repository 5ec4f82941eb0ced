# SPDX-License-Identifier: Apache-2.0
"""The link between gateway and ingest: batches one way, receipts and commands the other. Bytes only.

    batch v1   | "CCB1" | flags u8 | 0 0 0 | crc32 u32 | body |         little-endian
    body       | header length u32 | header JSON, UTF-8 | columns of SPOOLED |
    flags      bit 0: the body is compressed with zlib
    crc32      of the flags, the zeros and the body as sent

Readings are numbered (gateway, epoch, sequence); `ranges` lists the sequences of the batch's rows in order.
Topics and the meaning of each field: docs/wire-format.md.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from coldchain.kernel.errors import BatchError
from coldchain.kernel.readings import SPOOLED, Rows, from_columns, to_columns

MAGIC = b"CCB1"
HEAD = struct.Struct("<4sB3xI")
COMPRESSED = 1
COMPRESS_FROM = 256
"""Bodies shorter than this are sent as they are: zlib would not pay for its own header."""

MAX_PAYLOAD = 64 * 1024
"""A payload longer than this is refused whole (docs/design.md, admission)."""
MAX_BODY = 1024 * 1024
"""A compressed body may not unfold to more than this."""

Pairs = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some readings of one gateway.

    ranges   closed ranges of link sequences, in the order of `rows`; their lengths sum to len(rows)
    nodes    (node, boot) that `rows["node"]` points into
    sent_ms  the gateway's clock when it made the batch [ms since epoch]
    """

    gateway: str
    epoch: str
    ranges: Pairs
    nodes: list[tuple[str, int]]
    rows: Rows
    sent_ms: int = 0
    backfill: bool = False


def encode_batch(batch: Batch) -> bytes:
    """The payload to publish. The caller keeps it under MAX_PAYLOAD by taking fewer rows."""
    assert batch.rows.dtype == SPOOLED
    assert sum(high - low + 1 for low, high in batch.ranges) == len(batch.rows)
    header = {
        "gateway": batch.gateway,
        "epoch": batch.epoch,
        "ranges": batch.ranges,
        "nodes": batch.nodes,
        "sent_ms": batch.sent_ms,
        "backfill": batch.backfill,
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    body = struct.pack("<I", len(text)) + text + to_columns(batch.rows)
    flags = 0
    if len(body) >= COMPRESS_FROM:
        body, flags = zlib.compress(body, 1), COMPRESSED
    crc = zlib.crc32(body, zlib.crc32(bytes((flags, 0, 0, 0))))
    return HEAD.pack(MAGIC, flags, crc) + body


def decode_batch(payload: bytes) -> Batch:
    """The batch, or BatchError with the reason. Never anything else, whatever the bytes."""
    if len(payload) > MAX_PAYLOAD:
        raise BatchError(f"oversize: {len(payload)} bytes, at most {MAX_PAYLOAD}")
    if len(payload) < HEAD.size:
        raise BatchError(f"too short: {len(payload)} bytes")
    magic, flags, crc = HEAD.unpack_from(payload)
    body = payload[HEAD.size :]
    if magic != MAGIC:
        raise BatchError(f"not a batch of version 1: begins with {magic!r}")
    if zlib.crc32(body, zlib.crc32(payload[4:8])) != crc:
        raise BatchError("the checksum does not match")
    if flags & COMPRESSED:
        body = _unfold(body)
    try:
        return _parse(body)
    except (
        ValueError,
        KeyError,
        TypeError,
        struct.error,
        UnicodeDecodeError,
        RecursionError,
        OverflowError,
    ) as bad:
        raise BatchError(f"malformed: {bad}") from bad


def _unfold(body: bytes) -> bytes:
    unzip = zlib.decompressobj()
    try:
        whole = unzip.decompress(body, MAX_BODY)
    except zlib.error as bad:
        raise BatchError(f"malformed: {bad}") from bad
    if unzip.unconsumed_tail:
        raise BatchError(f"oversize: unfolds to more than {MAX_BODY} bytes")
    return whole


def _parse(body: bytes) -> Batch:
    (length,) = struct.unpack_from("<I", body)
    head: dict[str, Any] = json.loads(body[4 : 4 + length])
    if not isinstance(head, dict):
        raise TypeError("the header is not an object")
    ranges = pairs_of(head["ranges"])
    n = sum(high - low + 1 for low, high in ranges)
    nodes = [(name_of(node), number_of(boot)) for node, boot in head["nodes"]]
    rows = from_columns(body[4 + length :], n, SPOOLED)
    if n and int(rows["node"].max()) >= len(nodes):
        raise ValueError("a row names a node that is not in the list")
    return Batch(
        name_of(head["gateway"]),
        name_of(head["epoch"]),
        ranges,
        nodes,
        rows,
        number_of(head.get("sent_ms", 0)),
        bool(head.get("backfill", False)),
    )


NAME_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


def name_of(value: object) -> str:
    """A node's, gateway's or epoch's name: 1 to 48 of a-z, 0-9 and -. It goes into topics."""
    if not isinstance(value, str) or not 1 <= len(value) <= 48 or not NAME_CHARS.issuperset(value):
        raise ValueError(f"not a name of 1 to 48 characters a-z, 0-9, -: {str(value)[:60]!r}")
    return value


def number_of(value: object) -> int:
    """A whole number from 0 to 2^63-1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError(f"not a whole number from 0: {str(value)[:60]!r}")
    return value


def pairs_of(value: object) -> Pairs:
    """Closed ranges [[low, high], ...] with low <= high, none overlapping, or ValueError."""
    if not isinstance(value, list):
        raise TypeError("ranges are not a list")
    pairs = []
    for item in value:
        low, high = item
        if number_of(low) > number_of(high):
            raise ValueError(f"range {low}..{high} runs backwards")
        pairs.append((low, high))
    ordered = sorted(pairs)
    if any(before[1] >= after[0] for before, after in pairwise(ordered)):
        raise ValueError("ranges overlap")
    return pairs


@dataclass(frozen=True, slots=True)
class Receipt:
    """Ingest's word: these sequences are durably recorded, these dead-lettered. The gateway may forget both.

    gaps    numbers of the gateway's gap records that are durable too
    hub_ms  ingest's clock [ms since epoch]
    """

    gateway: str
    epoch: str
    recorded: Pairs = field(default_factory=list)
    dead: Pairs = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)
    hub_ms: int = 0


def encode_receipt(receipt: Receipt) -> bytes:
    body = {
        "v": 1,
        "gateway": receipt.gateway,
        "epoch": receipt.epoch,
        "recorded": receipt.recorded,
        "dead": receipt.dead,
        "gaps": receipt.gaps,
        "hub_ms": receipt.hub_ms,
    }
    return json.dumps({**body, "crc": _receipt_crc(receipt)}, separators=(",", ":")).encode()


def _receipt_crc(receipt: Receipt) -> int:
    """A digit that flips on the way would make the gateway forget what nobody has."""
    said = [receipt.gateway, receipt.epoch, receipt.recorded, receipt.dead, receipt.gaps, receipt.hub_ms]
    return zlib.crc32(json.dumps(said, separators=(",", ":")).encode())


def decode_receipt(payload: bytes) -> Receipt:
    """The receipt, or BatchError."""
    try:
        head = json.loads(payload)
        receipt = Receipt(
            name_of(head["gateway"] if head["v"] == 1 else f"version {head['v']}"),
            name_of(head["epoch"]),
            pairs_of(head["recorded"]),
            pairs_of(head["dead"]),
            [number_of(g) for g in head["gaps"]],
            number_of(head["hub_ms"]),
        )
        crc = head["crc"]
    except (ValueError, KeyError, TypeError, UnicodeDecodeError, RecursionError) as bad:
        raise BatchError(f"malformed receipt: {bad}") from bad
    if crc != _receipt_crc(receipt):
        raise BatchError("malformed receipt: the checksum does not match")
    return receipt


def topic(gateway: str, what: str) -> str:
    """``coldchain/v1/gw/{gateway}/{batch|status|receipt|cmd}``."""
    return f"coldchain/v1/gw/{gateway}/{what}"


def node_topic(node: str, what: str) -> str:
    """``coldchain/v1/node/{node}/{report|ack}``."""
    return f"coldchain/v1/node/{node}/{what}"


def sequences(ranges: Iterable[tuple[int, int]]) -> Sequence[int]:
    """The numbers of closed ranges, one by one, in order."""
    return [n for low, high in ranges for n in range(low, high + 1)]
