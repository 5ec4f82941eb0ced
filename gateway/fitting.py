# SPDX-License-Identifier: Apache-2.0
"""As many readings as one message of the link holds. Pure."""

from __future__ import annotations

from coldchain.kernel.link import MAX_PAYLOAD, Batch, encode_batch
from gateway.codecs.frames import Pairs


def fit(batch: Batch) -> tuple[bytes, Batch]:
    """(payload, the batch it holds): the first rows, as many as fit into one message."""
    while True:
        payload = encode_batch(batch)
        if len(payload) <= MAX_PAYLOAD:
            return payload, batch
        half = len(batch.rows) // 2
        assert half, "one reading fits into a message"
        batch = Batch(
            batch.gateway,
            batch.epoch,
            _head(batch.ranges, half),
            batch.nodes,
            batch.rows[:half],
            batch.sent_ms,
            batch.backfill,
        )


def _head(pairs: Pairs, n: int) -> Pairs:
    """The first n numbers, in the order given."""
    head: Pairs = []
    for low, high in pairs:
        if n <= 0:
            break
        head.append((low, min(high, low + n - 1)))
        n -= high - low + 1
    return head
